"""How the tests drive a service: as a browser does, from its pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any

import httpx

from tests.live.service import SAME, Client, Service, free_port, running
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
            if kind not in {"checkbox", "radio"} or "checked" in given:
                fields[name] = given.get("value", "on")
        elif tag == "textarea" and name:
            fields[name] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in given and self._select:
            fields[self._select] = given.get("value", "")

    def form(self, with_field: str) -> tuple[str, Fields]:
        """Return the first form that has such a field."""
        for action, fields in self.forms:
            if with_field in fields:
                return action, fields
        raise AssertionError(f"no form with {with_field!r}: {self.forms}")


def submit(
    client: httpx.Client,
    url: str,
    fields: Mapping[str, str | list[str]],
    *,
    files: Any = None,
    token: str = "",
) -> httpx.Response:
    """Open a page, fill in the form that has `fields`, and send it as a browser does.

    `token` names a field by which the form is found where the others are no inputs of text.
    """
    page = client.get(url)
    assert page.status_code == 200, (url, page.status_code, page.headers.get("location"))
    action, given = Page(page.text).form(token or next(iter(fields)))
    target = page.url.join(action) if action else page.url
    # Not `Client.post`, which adds a header that only scripts of the page could.
    data = {**given, **fields}
    return client.request("POST", target, data=data, files=files)


def title(answer: httpx.Response) -> str:
    """Return the title of a page."""
    found = re.search(r"<title>(.*?)</title>", answer.text, re.S)
    return found[1].strip() if found else ""


@contextmanager
def production(project: Project, **facts: Any) -> Iterator[Service]:
    """Run the service as in production, behind an edge, by one worker."""
    with running(project, workers=facts.pop("workers", 1), **facts) as started:
        yield started


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
    "Page",
    "Service",
    "development",
    "production",
    "submit",
    "title",
]
