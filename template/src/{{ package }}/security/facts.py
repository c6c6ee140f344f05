# Owned by the template: extend, do not edit.
"""What the facts of `policy.toml` may say: each objection has its place, the value and the remedy.

A fact says what the product is. What would switch a protection off, or cannot mean anything, is
refused when the service starts.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .policy import Route, Service

_SCRIPT_SCHEMES = frozenset(
    {"javascript", "data", "vbscript", "blob", "file", "filesystem", "about"}
)
# fmt: off
_DIRECTIVES = frozenset({
    "base-uri", "child-src", "connect-src", "default-src", "fenced-frame-src", "font-src",
    "form-action", "frame-ancestors", "frame-src", "img-src", "manifest-src", "media-src",
    "object-src", "report-to", "report-uri", "require-trusted-types-for", "sandbox", "script-src",
    "script-src-attr", "script-src-elem", "style-src", "style-src-attr", "style-src-elem",
    "trusted-types", "worker-src",
})
# fmt: on
"""Those of CSP level 3 and of trusted types."""
_ORIGIN = re.compile(
    r"(https?)://((?:[a-z0-9-]+\.)*[a-z0-9-]*[a-z][a-z0-9-]*|[0-9.]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?"
)
_LOCAL = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
"""Development servers of scripts; such an origin counts in development alone."""
_PORTS = {"http": "80", "https": "443"}
_ANY_HOST = re.compile(r"[a-z]+://\*([:/].*)?|\*:.*")
_OF_BODIES = ("body", "max-body", "max-fields", "csp", "max-seconds", "request-headers")
_CORS = "access-control-"
_OF_CONNECTION = frozenset(
    {
        *("connection", "date", "keep-alive", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    }
)
"""Headers of the server: a connection's alone (RFC 9110 section 7.6.1), and the date."""


def of_service(service: Service, exception_only: Collection[str]) -> Iterator[str]:
    """Return what is wrong with `[service]`."""
    for directive, sources in service.csp.items():
        yield from _csp(f"service.csp.{directive}", directive, sources, exception_only)
    for target in service.redirect_hosts:
        if target.partition(":")[0] in _SCRIPT_SCHEMES:
            yield (
                f"service.redirect-hosts: {target!r} runs code in the page; list hosts,"
                " and for applications on a device their own scheme"
            )
    for name in service.response_headers:
        if name.startswith(_CORS):
            yield (
                f"service.response-headers: {name!r} would open every path to other sites;"
                " name their origins at a path: [[route]] origins"
            )
        if name in _OF_CONNECTION:
            yield (
                f"service.response-headers: {name!r} is the server's to say: by it a view ends the"
                " answer elsewhere, or lets proxies drop the policy's headers; leave it out"
            )


def of_route(route: Route, domain: str, exception_only: Collection[str]) -> Iterator[str]:
    """Return what is wrong with one `[[route]]`."""
    place = f"[[route]] {route.path!r}"
    for directive, text in route.csp.items():
        words = text.split(" ")
        if "" in words:
            yield f"{place} csp.{directive}: {text!r}; write sources with one space between them"
        else:
            yield from _csp(f"{place} csp.{directive}", directive, words, exception_only)
    for origin in route.origins:
        if objection := _origin(origin, domain):
            yield f"{place} origins: {origin!r} {objection}"
    if len(set(route.origins)) < len(route.origins):
        yield f"{place} origins: one of {list(route.origins)} occurs twice; keep one of them"
    if route.request_headers and not route.origins:
        yield (
            f"{place} request-headers: {list(route.request_headers)} without origins; this path is"
            " the service's own scripts' alone, which may send any: name origins, or leave it out"
        )
    for name in route.request_headers:
        if name in {"cookie", "origin", "host"} or name.startswith(("sec-", "proxy-", _CORS)):
            yield f"{place} request-headers: no script can send {name!r}; leave it out"
    if route.websocket:
        yield from _websocket(route, place)


def _websocket(route: Route, place: str) -> Iterator[str]:
    if route.methods and "GET" not in route.methods:
        yield (
            f"{place} methods: {list(route.methods)} with websocket = true; a WebSocket begins with"
            " a GET: add it, or leave methods out"
        )
    said = {name.replace("_", "-") for name in route.model_fields_set}
    if useless := [name for name in _OF_BODIES if name in said]:
        yield (
            f"{place} {useless[0]}: a WebSocket has none, so it cannot stand beside"
            " websocket = true; its limits are [websocket] of the policy"
        )


def _csp(
    place: str, directive: str, sources: Collection[str], exception_only: Collection[str]
) -> Iterator[str]:
    if directive not in _DIRECTIVES:
        close = difflib.get_close_matches(directive, _DIRECTIVES, n=1)
        every = ", ".join(sorted(_DIRECTIVES))
        hint = f"did you mean {close[0]!r}?" if close else f"there are {every}"
        yield f"{place}: {directive!r} is no directive of the CSP; {hint}"
        return
    for source in sources:
        low = source.lower()
        broad = low in exception_only or _ANY_HOST.fullmatch(low)
        if broad or f"{directive} {low}" in exception_only:
            yield (
                f"{place}: {source!r} lets injected code run, so it is no fact: name hosts or"
                f" hashes, or make an [[exception]] of csp.html.{directive}"
            )


def _origin(origin: str, domain: str) -> str:
    """Return what is wrong with an origin and what to write, or ""."""
    found = _ORIGIN.fullmatch(origin)
    if not found:
        return (
            "is no origin as browsers write it; write scheme, host and port where it is not the"
            " usual one, in lower case and without a path: https://spa.example.com"
        )
    scheme, host, port = found.groups()
    if port and (port == _PORTS[scheme] or not 0 < int(port) < 65536 or port.startswith("0")):  # noqa: PLR2004 - ports
        return f"has a port that browsers never write there; write {scheme}://{host}"
    if scheme == "http" and not _LOCAL.fullmatch(origin):
        return (
            "can be changed by everybody on the way; write https. For development alone there is"
            " http://localhost:PORT"
        )
    if scheme == "https" and f"{host}:{port}".removesuffix(":None") == domain:
        return "is the service itself, which needs no leave; leave it out"
    return ""
