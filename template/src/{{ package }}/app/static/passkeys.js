// Asks the browser for a passkey and sends what it answers with the form. Loaded by the pages that
// offer passkeys; without it there are passwords and codes.
"use strict";

const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
const withBytes = (list) => list.map((each) => ({ ...each, id: bytes(each.id) }));

const ask = async (options) => {
  const publicKey = { ...options, challenge: bytes(options.challenge) };
  if (options.user) {
    publicKey.user = { ...options.user, id: bytes(options.user.id) };
    publicKey.excludeCredentials = withBytes(options.excludeCredentials);
    return navigator.credentials.create({ publicKey });
  }
  publicKey.allowCredentials = withBytes(options.allowCredentials);
  return navigator.credentials.get({ publicKey });
};

const written = ({ id, rawId, type, response }) => {
  const answer = { clientDataJSON: text(response.clientDataJSON) };
  if (response.attestationObject) {
    answer.attestationObject = text(response.attestationObject);
    answer.transports = response.getTransports?.() ?? [];
  } else {
    answer.authenticatorData = text(response.authenticatorData);
    answer.signature = text(response.signature);
    answer.userHandle = response.userHandle ? text(response.userHandle) : "";
  }
  return JSON.stringify({ id, rawId: text(rawId), type, response: answer });
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const failed = form.querySelector(".error[role=alert]");
  form.hidden = !window.PublicKeyCredential;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    failed.hidden = true;
    try {
      const credential = await ask(JSON.parse(form.dataset.passkey));
      form.elements.namedItem("credential").value = written(credential);
    } catch {
      // The user said no, or there is no passkey for this site.
      failed.hidden = false;
      return;
    }
    form.submit();
  });
}
