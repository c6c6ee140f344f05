"""How the tests drive a service: as a browser does, from its pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx

from tests.live.service import SAME, Client, Service, folder, free_port, running
from tests.projects import Project

JSON = {"accept": "application/json"}
FOREIGN = {"sec-fetch-site": "cross-site"}

Fields = dict[str, str | list[str]]


class Page(HTMLParser):
    """The forms of a page, each with its action and what a browser would send of it untouched."""

    def __init__(self, text: str) -> None:
        """Read it."""
        super().__init__()
        self.forms: list[tuple[str, Fields]] = []
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note forms and what they send."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((given.get("action", ""), {}))
        if not self.forms:
            return
        fields = self.forms[-1][1]
        name = given.get("name", "")
        kind = given.get("type", "text")
        if tag == "input" and name and kind not in {"submit", "button", "file", "image"}:
            ticked = kind in {"checkbox", "radio"}
            if not ticked or "checked" in given:
                fields[name] = given.get("value", "on" if ticked else "")
        elif tag == "textarea" and name:
            fields[name] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in given and self._select:
            fields[self._select] = given.get("value", "")

    def form(self, with_field: str, *, last: bool = False) -> tuple[str, Fields]:
        """Return the first form that has such a field, or the last one."""
        found = [pair for pair in self.forms if with_field in pair[1]]
        assert found, f"no form with {with_field!r}: {self.forms}"
        return found[-1 if last else 0]


def submit(
    client: httpx.Client,
    url: str,
    fields: Mapping[str, str | list[str]],
    *,
    files: Any = None,
    headers: Mapping[str, str] | None = None,
    known_by: str = "",
    last: bool = False,
) -> httpx.Response:
    """Open a page, fill in the form that has `fields`, and send it as a browser does.

    `known_by` names a field by which the form is found where `fields` has none that are
    shown; the first one that has it, or the `last`.
    """
    page = client.get(url, headers=headers)
    assert page.status_code == 200, (url, page.status_code, page.headers.get("location"))
    action, given = Page(page.text).form(known_by or next(iter(fields)), last=last)
    target = page.url.join(action) if action else page.url
    # Not `Client.post`, which adds a header that only scripts of the page could.
    data = {**given, **fields}
    return client.request("POST", target, data=data, files=files, headers=headers)


def title(answer: httpx.Response) -> str:
    """Return the title of a page."""
    found = re.search(r"<title>(.*?)</title>", answer.text, re.S)
    return found[1].strip() if found else ""


@dataclass(frozen=True)
class Facts:
    """What a user writes into `policy.toml`."""

    service: Mapping[str, list[str]] = field(default_factory=dict)
    """Lists of `[service]`, by name."""
    csp: Mapping[str, list[str]] = field(default_factory=dict)
    routes: Sequence[Mapping[str, Any]] = ()

    def text(self, project: Project) -> str:
        """Return the project's `policy.toml` with them."""
        text = (project.path / "policy.toml").read_text("utf-8")
        for name, values in self.service.items():
            before = f"\n{name} = []\n"
            assert before in text, name
            text = text.replace(before, f"\n{name} = {json.dumps(values)}\n")
        lines = [f"{name} = {json.dumps(values)}" for name, values in self.csp.items()]
        text = text.replace("\n[service.csp]\n", "\n".join(["\n[service.csp]", *lines, ""]))
        for route in self.routes:
            text += "\n[[route]]\n"
            text += "".join(f"{name} = {json.dumps(value)}\n" for name, value in route.items())
        return text


@contextmanager
def production(
    project: Project, facts: Facts | None = None, workers: int = 1, **variables: str
) -> Iterator[Service]:
    """Run the service as in production, behind an edge, with `facts` in its policy."""
    with folder() as made:
        policy = made / "policy.toml"
        policy.write_text((facts or Facts()).text(project), "utf-8")
        own = {"APP_POLICY": str(policy), "PARTS_FOLDER": str(made), **variables}
        service = Service(project, made, own, workers=workers)
        service.start()
        try:
            yield service
        finally:
            service.stop()


@contextmanager
def development(project: Project, **variables: str) -> Iterator[Service]:
    """Run the service as a developer does, apart from where its data are."""
    port = free_port()
    unset = dict.fromkeys(("APP_HOSTS", "APP_TRUSTED_PROXIES", "APP_SECRET_KEYS_FILE"), "")
    own = {**unset, "APP_ENV": "development", **variables}
    origin = f"http://localhost:{port}"
    with running(project, port=port, origin=origin, variables=own, workers=1) as started:
        yield started


__all__ = [
    "FOREIGN",
    "JSON",
    "SAME",
    "Client",
    "Facts",
    "Page",
    "Service",
    "development",
    "production",
    "submit",
    "title",
]
