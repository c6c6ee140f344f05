// Comfort only: every page works without this file. Builds nodes, never HTML from text, so that
// trusted types hold.
"use strict";

// Where the reader is, in the reader's words; the server writes UTC.
const here = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
for (const time of document.querySelectorAll("time[datetime]")) {
  time.title = time.textContent;
  time.textContent = here.format(new Date(time.dateTime));
}

for (const input of document.querySelectorAll("input[type=password]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = "Show";
  button.setAttribute("aria-label", `Show ${input.labels[0].textContent.toLowerCase()}`);
  button.setAttribute("aria-pressed", "false");

  const show = (visible) => {
    input.type = visible ? "text" : "password";
    button.textContent = visible ? "Hide" : "Show";
    button.setAttribute("aria-pressed", String(visible));
  };
  button.addEventListener("click", () => show(input.type === "password"));
  // Sent as a password field again: browsers remember what was typed into a text field.
  input.form.addEventListener("submit", () => show(false));

  const row = document.createElement("div");
  row.className = "reveal";
  input.replaceWith(row);
  row.append(input, button);
}

// A second click would send a form again before the answer to the first is there. That answer is
// then lost: with it codes that are shown once, or the session's new cookie.
const SECONDS = 10;
const sent = new WeakMap();
addEventListener("submit", (event) => {
  const form = event.target;
  // A form whose script sends it leaves no page.
  if (event.defaultPrevented || !form.matches("[method=post]")) return;
  if (event.timeStamp < sent.get(form)) {
    event.preventDefault();
  } else {
    sent.set(form, event.timeStamp + SECONDS * 1000);
  }
});
addEventListener("pageshow", () => {
  for (const form of document.forms) sent.delete(form);
});
