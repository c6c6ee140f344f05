"""The page of docs/build.md that loads libraries, as a browser sees it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, Route, sync_playwright

from tests.needs import needs
from tests.projects import Project

_OWN = {
    "bootstrap.bundle.min.js": "bootstrap/dist/js/bootstrap.bundle.min.js",
    "bootstrap-icons.min.css": "bootstrap-icons/font/bootstrap-icons.min.css",
    "fonts": "bootstrap-icons/font/fonts",
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "htmx2.min.js": "htmx-2/dist/htmx.min.js",
    "alpine.min.js": "@alpinejs/csp/dist/cdn.min.js",
}
"""What the service serves, in `app/static/`, and where it is in npm's folder."""
_CDN = {
    "bootstrap.min.css": "bootstrap/dist/css/bootstrap.min.css",
    "chart.umd.min.js": "chart.js/dist/chart.umd.min.js",
}
_KINDS = {".css": "text/css", ".js": "text/javascript"}
_QUIET = ("--disable-background-networking", "--disable-component-update", "--no-sandbox")


def add(project: Project, modules: Path) -> None:
    """Put into the project what a developer takes from npm, and bundle with the page's settings."""
    static = project.path / "src" / project.package / "app" / "static"
    for name, source in _OWN.items():
        if (modules / source).is_dir():
            shutil.copytree(modules / source, static / name)
        else:
            shutil.copy(modules / source, static / name)
    vite = str(modules / "vite" / "bin" / "vite.js")
    project.run(needs("node"), vite, "build", "--logLevel", "error")


def with_htmx_2(route: Route) -> None:
    """Answer the page with htmx 2 in the place of 4, and the policy that goes with it."""
    answer = route.fetch()
    headers = dict(answer.headers)
    name = "content-security-policy"
    headers[name] = headers[name].replace("trusted-types bootstrap htmx", "trusted-types default")
    config = '{"allowScriptTags":false,"historyCacheSize":0,"includeIndicatorStyles":false}'
    text = answer.text().replace("<title>", f"<meta name='htmx-config' content='{config}'><title>")
    for script, other in (("htmx.min", "htmx2.min"), ("trust", "trust2")):
        # Its hash is that of the other file.
        text = re.sub(rf'/{script}\.js"(.*?) integrity="[^"]*"', rf'/{other}.js"\1', text)
    route.fulfill(status=answer.status, headers=headers, body=text)


@contextmanager
def window(modules: Path) -> Iterator[tuple[Page, list[str]]]:
    """Open a browser's window, with the list of all that its console says.

    The CDN answers as such do: everybody may load it, and use it if they ask for that.
    """
    said: list[str] = []

    def cdn(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        headers = {"access-control-allow-origin": "*", "content-type": _KINDS[Path(name).suffix]}
        route.fulfill(body=(modules / _CDN[name]).read_bytes(), headers=headers)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needs("chromium"), args=_QUIET)
        page = browser.new_page()
        page.set_default_timeout(10_000)
        page.route("https://cdn.example.com/*", cdn)
        page.on("console", lambda line: said.append(f"{line.type}: {line.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        yield page, said
        browser.close()
