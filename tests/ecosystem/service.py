"""How the tests drive a service: as a browser does, from its pages."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import MappingProxyType
from typing import Any

import httpx
from playwright.sync_api import Page as BrowserPage
from playwright.sync_api import Route, sync_playwright

from tests.live.service import FOREIGN, GZIP, JSON, SAME, Client, Service, User, folder, running
from tests.needs import needs
from tests.ports import free_port
from tests.projects import Project, clean_environment

SECRET = "a key of the application's own, for signatures"  # noqa: S105 - of these tests
SWAGGER = (
    "window.SwaggerUIBundle = () => { document.title = 'ran'; return { initOAuth() {} } };"
    "SwaggerUIBundle.presets = {}; SwaggerUIBundle.SwaggerUIStandalonePreset = {};"
)
"""In the place of Swagger UI's script, for `window`."""

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
    return send(client, page, fields, files=files, headers=headers, known_by=known_by, last=last)


def send(
    client: httpx.Client,
    page: httpx.Response,
    fields: Mapping[str, str | list[str]],
    *,
    files: Any = None,
    headers: Mapping[str, str] | None = None,
    known_by: str = "",
    last: bool = False,
) -> httpx.Response:
    """Do what `submit` does, on a page that is open."""
    action, given = Page(page.text).form(known_by or next(iter(fields)), last=last)
    target = page.url.join(action) if action else page.url
    # Not `Client.post`, which adds a header that only scripts of the page could.
    data = {**given, **fields}
    return client.request("POST", target, data=data, files=files, headers=headers)


def title(answer: httpx.Response) -> str:
    """Return the title of a page."""
    found = re.search(r"<title>(.*?)</title>", answer.text, re.S)
    return found[1].strip() if found else ""


def asks_for_login(answer: httpx.Response) -> bool:
    """Tell whether the boundary leads to the login page of the service."""
    # Only what was asked for by GET can be asked for again.
    page = "/login?next=" if answer.request.method == "GET" else "/login"
    return answer.status_code == 303 and answer.headers["location"].startswith(page)


def public(path: str, **more: Any) -> dict[str, Any]:
    """Return the fact that opens a path."""
    return {"path": path, "access": "public", **more}


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
        service = Service(project, made, own, workers=workers, alone=True)
        service.start()
        try:
            yield service
        finally:
            service.stop()


@contextmanager
def member(service: Service, user: User, address: str = "198.51.100.1") -> Iterator[Client]:
    """Open a browser in which a user has logged in by the service's own page."""
    with service.client(address) as client:
        fields = {"username": user.name, "password": user.password}
        assert submit(client, "/login", fields).status_code in {302, 303}
        yield client


@contextmanager
def with_parts(
    project: Project, parts: str, facts: Facts | None = None, **variables: Any
) -> Iterator[tuple[Service, Client]]:
    """Run the service with some parts; also return a browser in which somebody has logged in."""
    with (
        production(project, facts, PARTS=parts, **variables) as service,
        service.client() as client,
    ):
        assert client.login(service.add_user()).status_code == 303
        yield service, client


@contextmanager
def development(project: Project, **variables: str) -> Iterator[Service]:
    """Run the service as a developer does, apart from where its data are."""
    port = free_port()
    unset = dict.fromkeys(("APP_HOSTS", "APP_TRUSTED_PROXIES", "APP_SECRET_KEYS_FILE"), "")
    own = {**unset, "APP_ENV": "development", **variables}
    origin = f"http://localhost:{port}"
    with running(
        project, port=port, origin=origin, variables=own, workers=1, alone=True
    ) as started:
        yield started


@contextmanager
def tool(project: Project, *command: str, **variables: str) -> Iterator[Callable[[str], int]]:
    """Run a framework's own server for developers; yields what asks it for the status of a path.

    `{port}` in `command` is where it is to listen.
    """
    port = free_port()
    with folder() as made, (made / "log").open("wb") as log:
        own = {
            "APP_DATABASE_URL": f"sqlite:///{made}/app.sqlite3",
            "APP_STORE_URL": f"sqlite:///{made}/store.sqlite3",
        }
        process = subprocess.Popen(
            [part.format(port=port) for part in command],
            cwd=project.path,
            env={**clean_environment(), **own, **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

        def status(path: str) -> int:
            deadline = time.monotonic() + 60
            while True:
                try:
                    return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10).status_code
                except httpx.TransportError:
                    gone = process.poll() is not None or time.monotonic() > deadline
                    assert not gone, (made / "log").read_text("utf-8")[-3000:]
                    time.sleep(0.1)

        try:
            yield status
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


@contextmanager
def window(
    service: Service, stubs: Mapping[str, str] = MappingProxyType({})
) -> Iterator[tuple[BrowserPage, list[str]]]:
    """Open a browser's window in which somebody has logged in, with the list of its complaints.

    Of other hosts it gets a script: the text of the first of `stubs` that is in the address, or
    an empty one.
    """
    complaints: list[str] = []
    user = service.add_user()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=needs("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_context(base_url=service.origin).new_page()

        def elsewhere(route: Route) -> None:
            text = next((text for part, text in stubs.items() if part in route.request.url), "")
            kind = "text/css" if route.request.resource_type == "stylesheet" else "text/javascript"
            headers = {"cross-origin-resource-policy": "cross-origin", "content-type": kind}
            route.fulfill(body=text, headers=headers)

        page.route(lambda url: not url.startswith(service.origin), elsewhere)
        page.goto("/login")
        page.get_by_label("User name").fill(user.name)
        page.get_by_label("Password", exact=True).fill(user.password)
        page.get_by_role("main").get_by_role("button", name="Log in").click()
        page.on("console", lambda line: complaints.append(line.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page, complaints
        browser.close()


__all__ = [
    "FOREIGN",
    "GZIP",
    "JSON",
    "SAME",
    "SECRET",
    "SWAGGER",
    "Client",
    "Facts",
    "Page",
    "Service",
    "asks_for_login",
    "development",
    "member",
    "production",
    "public",
    "send",
    "submit",
    "title",
    "tool",
    "window",
    "with_parts",
]
