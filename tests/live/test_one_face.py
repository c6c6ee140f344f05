"""Every framework answers alike over the real socket (FPR-3): status, headers in order, bytes."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.conftest import Render
from tests.live.service import HOST, Service, running
from tests.projects import CHOICES, ROOT

PROBES = ROOT / "template" / "tests" / "security" / "probes.py"

Face = tuple[int, list[tuple[str, str]], str]
"""Status, headers in order, body; with what differs each time replaced by its name."""

MASKS = (
    (re.compile(r"nonce-[\w-]{22}"), "nonce-NONCE"),
    (re.compile(r'nonce="[\w-]{22}"'), 'nonce="NONCE"'),
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|\+00:00)?"), "TIME"),
    (re.compile(r"(__Host-\w+)=[^;]+"), r"\1=VALUE"),
)


def _probes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("live_probes", PROBES)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


LIST: list[Any] = list(_probes().PROBES)


def mask(text: str) -> str:
    """Replace what is random or the time."""
    for pattern, name in MASKS:
        text = pattern.sub(name, text)
    return text


def face(transport: httpx.HTTPTransport, probe: Any, cookie: str = "") -> Face:
    """Send a probe as nginx passes it on; return what the client sees."""
    headers: list[tuple[bytes, bytes]] = [
        (b"X-Forwarded-For", b"198.51.100.7"),
        (b"X-Forwarded-Proto", b"https"),
    ]
    headers += [
        (name.encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in probe.headers
    ]
    if not any(name == b"Host" for name, _ in headers):
        headers.insert(0, (b"Host", HOST.encode()))
    if cookie:
        headers.append((b"Cookie", cookie.encode()))
    request = httpx.Request(
        probe.method,
        f"http://{HOST}/",
        headers=headers,
        content=probe.content,
        extensions={"target": probe.target.encode(), "timeout": {"read": 20.0}},
    )
    answer = transport.handle_request(request)
    body = answer.read()
    answer.close()
    pairs = [
        (name.decode(), "DATE" if name.lower() == b"date" else mask(value.decode("latin-1")))
        for name, value in answer.headers.raw
    ]
    return answer.status_code, pairs, mask(body.decode("latin-1"))


@pytest.fixture(scope="module")
def services(installed: Render) -> Iterator[dict[str, Service]]:
    """Run the service of every framework."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(running(installed(framework=name)))
            for name in CHOICES["framework"]
        }


@pytest.fixture(scope="module")
def transports(services: dict[str, Service]) -> Iterator[dict[str, httpx.HTTPTransport]]:
    """Return the way to each service."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(service.transport()) for name, service in services.items()}


@pytest.mark.parametrize("probe", LIST, ids=lambda probe: probe.name)
def test_same_face(transports: dict[str, httpx.HTTPTransport], probe: Any) -> None:
    faces = {name: face(transport, probe) for name, transport in transports.items()}
    first = next(iter(faces))
    assert faces == dict.fromkeys(faces, faces[first])
    names = [name for name, _ in faces[first][1]]
    assert len(names) == len(set(names)) or names.count("set-cookie") > 1
