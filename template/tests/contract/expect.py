# Owned by the template: extend, do not edit.
"""What every answer must look like. Values stand here literally, so that a weaker policy shows."""

from __future__ import annotations

import re
from dataclasses import dataclass

import httpx
from ada_url import URL

HSTS = "max-age=63072000; includeSubDomains"
HSTS_STEPS = {f"max-age={seconds}; includeSubDomains" for seconds in (300, 604800, 63072000)}
"""What a service may send on its way there."""
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "origin-agent-cluster": "?1",
    "x-dns-prefetch-control": "off",
    "x-permitted-cross-domain-policies": "none",
    "x-xss-protection": "0",
}
# fmt: off
FEATURES_OFF = [
    "accelerometer", "autoplay", "browsing-topics", "camera", "clipboard-read", "clipboard-write",
    "cross-origin-isolated", "display-capture", "encrypted-media", "fullscreen", "gamepad",
    "geolocation", "gyroscope", "hid", "idle-detection", "keyboard-map", "magnetometer",
    "microphone", "midi", "payment", "picture-in-picture", "publickey-credentials-get",
    "screen-wake-lock", "serial", "sync-xhr", "unload", "usb", "xr-spatial-tracking",
]
# fmt: on
CSP_OTHER = "default-src 'none'; frame-ancestors 'none'"
CSP_HTML = {
    "default-src": "'none'",
    "script-src-attr": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
    "upgrade-insecure-requests": "",
}
NONCE = re.compile(r"'nonce-([A-Za-z0-9+/_-]{22,}={0,2})'")
# fmt: off
ALLOWED = frozenset({
    *HEADERS,
    "content-type", "content-encoding", "content-length", "content-disposition", "content-language",
    "content-range", "accept-ranges", "last-modified", "etag", "location", "allow", "retry-after",
    "www-authenticate", "vary", "link", "cache-control", "clear-site-data", "set-cookie",
    "strict-transport-security", "permissions-policy", "content-security-policy",
})
# fmt: on
HOP = frozenset({"date", "connection", "keep-alive", "transfer-encoding"})
"""What the server on the socket adds by the rules of HTTP."""
SERVERS = frozenset({"", "nginx"})
"""`Server` as the edge may send it: without a version, or without a value."""

FINGERPRINTS = re.compile(
    r"traceback|fastapi|starlette|flask|werkzeug|django|litestar|uvicorn|gunicorn|granian|pydantic"
    r"|sqlalchemy|sqlite|jinja|python|swagger|openapi|site-packages|\.py\b",
    re.IGNORECASE,
)
_BODY_WORDS = re.compile(
    r"multipart|boundary|pars|decod|JSON|field|Did not attempt|Expecting|stream", re.IGNORECASE
)
"""What frameworks say of a body that they cannot read."""
_RANDOM = re.compile(r"\b[0-9a-f]{32}\b|(?:nonce-|=)['\"]?[\w-]{22,}")
_REQUEST_ID = re.compile(r"Request id: <code>([0-9a-f]{32})</code>")
_PROBLEM_ID = re.compile(r'"request_id": ?"([0-9a-f]{32})"')


def once(answer: httpx.Response, name: str) -> str:
    """Return the value of a header that must be there exactly once."""
    values = answer.headers.get_list(name)
    assert len(values) == 1, f"{name}: {values}"
    return values[0]


def place(answer: httpx.Response) -> str:
    """Return where a browser goes: `Location` may be relative to the request (RFC 9110 10.2.2)."""
    target = bytes(answer.request.extensions["target"]).decode("latin-1")
    return URL(once(answer, "location"), base=f"{answer.request.url}".rstrip("/") + target).href


def is_html(answer: httpx.Response) -> bool:
    return str(answer.headers.get("content-type", "")).startswith("text/html")


def csp(answer: httpx.Response) -> dict[str, str]:
    """Return the directives of the answer's policy; each may be there once."""
    parts = [
        part.strip().partition(" ") for part in once(answer, "content-security-policy").split(";")
    ]
    directives = {name: value for name, _, value in parts}
    assert len(directives) == len(parts)
    return directives


def nonce(answer: httpx.Response) -> str:
    """Return the nonce of a page."""
    found = NONCE.search(once(answer, "content-security-policy"))
    assert found
    return found[1]


def headers(answer: httpx.Response) -> None:
    """Insist on the policy's headers, each once, and on no others (HDR-1 to HDR-3, FPR-1)."""
    for name, value in HEADERS.items():
        assert once(answer, name) == value, name
    assert once(answer, "strict-transport-security") in HSTS_STEPS
    off = once(answer, "permissions-policy").split(", ")
    assert off == [f"{feature}=()" for feature in FEATURES_OFF]
    assert "content-security-policy-report-only" not in answer.headers
    if is_html(answer):
        page_csp(answer)
    else:
        assert once(answer, "content-security-policy") == CSP_OTHER
    for name in ALLOWED - {"set-cookie"}:
        assert len(answer.headers.get_list(name)) <= 1, name
    assert answer.headers.get("server", "") in SERVERS
    assert {name.lower() for name in answer.headers} <= ALLOWED | HOP | {"server"}


def page_csp(answer: httpx.Response) -> None:
    """Insist on the policy of pages."""
    directives = csp(answer)
    scripts = directives.pop("script-src").split(" ")
    assert scripts == [f"'nonce-{nonce(answer)}'", "'strict-dynamic'"]
    # Besides the service itself, only hosts that a login may go on to.
    own, *others = directives.pop("form-action").split(" ")
    assert own == "'self'"
    assert all(re.fullmatch(r"https://[a-z0-9.-]+(:[0-9]+)?", each) for each in others)
    images = directives["img-src"].split(" ")
    assert all(re.fullmatch(r"https://[a-z0-9.-]+(:[0-9]+)?", each) for each in images[1:])
    directives["img-src"] = images[0]
    assert directives == CSP_HTML


def lasting(text: str) -> str:
    """Return `text` without ids, nonces and tokens: these have any short word in them by chance."""
    return _RANDOM.sub("", text)


def request_id(answer: httpx.Response) -> str:
    """Return the request id that an error shows."""
    found = (_REQUEST_ID if is_html(answer) else _PROBLEM_ID).search(answer.text)
    assert found, answer.text
    return found[1]


def error(answer: httpx.Response, *statuses: int, echo: str = "") -> None:
    """Insist on one of our own error answers, and that it does not show `echo` (FPR-2)."""
    assert answer.status_code in statuses, (answer.status_code, answer.text)
    headers(answer)
    assert once(answer, "cache-control") == "no-store"
    if answer.request.method == "HEAD":
        return
    if is_html(answer):
        assert f"<title>{answer.status_code} " in answer.text
    else:
        assert once(answer, "content-type") == "application/problem+json"
        document = answer.json()
        assert document["status"] == answer.status_code
        assert {"type", "title", "detail", "request_id"} <= document.keys()
    request_id(answer)
    said = lasting(answer.text)
    found = FINGERPRINTS.search(said)
    assert not found, found
    if echo:
        assert echo not in said


def no_words_about_bodies(answer: httpx.Response) -> None:
    """Insist that an error says of the body what we say, and nothing of the framework (FPR-2)."""
    said = lasting(answer.text)
    own = said.replace("Some fields are missing or not valid.", "").replace('"fields"', "")
    found = _BODY_WORDS.search(own)
    assert not found, found


@dataclass(frozen=True)
class Face:
    """An answer without what differs between two answers to the same request."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str


def masked(answer: httpx.Response) -> Face:
    """Return the answer with nonce, request id and date masked, and without connection headers."""
    found = NONCE.search(answer.headers.get("content-security-policy", ""))
    secret = found[1] if found else "\0"
    body = answer.content.decode("utf-8", "backslashreplace")
    for pattern in (_REQUEST_ID, _PROBLEM_ID):
        if shown := pattern.search(body):
            body = body.replace(shown[1], "REQUEST")
    pairs = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1").replace(secret, "NONCE"))
        for name, value in answer.headers.raw
        if name.lower() not in {b"date", b"connection", b"keep-alive", b"transfer-encoding"}
    )
    return Face(answer.status_code, pairs, body.replace(secret, "NONCE"))
