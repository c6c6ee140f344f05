# Owned by the template: extend, do not edit.
"""Calls the WSGI application in this process, as its server would."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx
from typing_extensions import override

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Transport(httpx.BaseTransport):
    """One call for each request; may be called from many threads.

    Of a request's extensions, `target` is sent as it is, `peer` is the address of the client, ""
    for a Unix socket, and `scheme` that of the connection.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        status = ""
        headers: list[tuple[str, str]] = []
        written: list[bytes] = []

        def start_response(
            line: str, pairs: list[tuple[str, str]], _error: object = None
        ) -> Callable[[bytes], None]:
            nonlocal status, headers
            status, headers = line, pairs
            return written.append

        answer = self._application(_environ(request), start_response)
        try:
            written.extend(answer)
        finally:
            close = getattr(answer, "close", None)
            if close:
                close()
        return httpx.Response(
            int(status.partition(" ")[0]),
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            # Servers cut the body of an answer to HEAD.
            content=b"" if request.method == "HEAD" else b"".join(written),
            request=request,
        )


def _environ(request: httpx.Request) -> dict[str, Any]:
    target: bytes = request.extensions["target"]
    stream = request.stream
    if not isinstance(stream, Iterable):
        raise TypeError("only bodies that can be iterated over are supported")
    path, _, query = target.partition(b"?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request.extensions["peer"],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.extensions["scheme"],
        "wsgi.input": io.BytesIO(b"".join(stream)),
        "wsgi.input_terminated": True,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in request.headers.raw:
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        value = raw_value.decode("latin-1")
        key = name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{name}"
        if key == "CONTENT_TYPE" and key in environ:
            continue  # as the server does
        if key in environ:
            # RFC 9110 section 5.2; for Cookie RFC 9113 section 8.2.3.
            value = f"{environ[key]}{'; ' if name == 'COOKIE' else ', '}{value}"
        environ[key] = value
    return environ
