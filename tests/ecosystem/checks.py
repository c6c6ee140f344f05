"""What packages of several frameworks have in common, driven and asserted once."""

from __future__ import annotations

import hashlib
import hmac
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.ecosystem.loopback import WAIT_SECONDS, Received
from tests.ecosystem.service import FOREIGN, SECRET, Client, Service, member
from tests.live.service import HOST, ORIGIN, User, stop
from tests.live.websocket import WebSocket
from tests.projects import Project

PASSWORD = "tipo-3141"  # noqa: S105 - sent to a view that crashes
BEARER = "bearer-2718"
PLAIN = {"accept-encoding": "identity"}
WEBHOOKS = {
    "application/json": (b'{"event":\n  "push", "odd": "  spacing "}', {"event": "push"}),
    "application/x-www-form-urlencoded": (b"event=push&odd=a%20b+c", {"event": "push"}),
    "application/xml": (b"<event>push</event>", {"bytes": 19}),
    "application/x-protobuf": (b"\x0a\x04push\xff", {"bytes": 7}),
}
"""Messages, and what the views answer to them."""
HOOK = {"access": "public", "cross-site": "without-session", "body": [*WEBHOOKS]}
"""The fact of a path that takes them."""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
"""What a caller says of the trace that its request belongs to, below."""
CALLER = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
_UNPACK = "import brotli, sys; print(brotli.decompress(open(sys.argv[1], 'rb').read()).decode())"


def dsn(sentry: Received) -> str:
    """Return what a service is told of Sentry."""
    return f"http://key@127.0.0.1:{sentry.port}/1"


def envelope(project: Project, item: tuple[str, bytes, Any]) -> str:
    """Return the text of what Sentry's client sent; some projects have a package that packs it."""
    _, body, headers = item
    if headers.get("content-encoding") != "br":
        return body.decode()
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        return project.run(project.python, "-c", _UNPACK, file.name).stdout


def told_sentry(
    service: Service, client: Client, user: User, sentry: Received, path: str, word: str
) -> list[str]:
    """Crash a view that has been sent secrets, wait for the event, and return what it has of them.

    `word` is in the exception, so it must not be on the page.
    """
    session = client.cookies["__Host-session"]
    token = client.token()
    answer = client.request(
        "POST",
        path,
        data={"name": "Ada", "password": PASSWORD, "csrfmiddlewaretoken": token},
        headers={"authorization": f"Bearer {BEARER}"},
    )
    assert answer.status_code == 500
    assert word not in answer.text
    project = service.project

    def crashed(item: tuple[str, bytes, Any]) -> bool:
        text = envelope(project, item)
        return word in text and '"exception"' in text

    sentry.wait(crashed)
    text = "".join(envelope(project, item) for item in sentry.items)
    key = Path(service.environment()["APP_SECRET_KEYS_FILE"]).read_text("utf-8").strip()
    secrets = (PASSWORD, BEARER, session, key, user.password)
    return [text[max(0, text.find(each) - 300) :][:500] for each in secrets if each in text]


def check_authlib(visitor: Client, login: str, *, redirect: int, forged: int = 500) -> None:
    """Go by Authlib's client to a provider and back, as a browser does.

    `redirect` is the status of the framework's own redirects, `forged` of a state that is wrong.
    """
    sent = visitor.get(login, headers={"sec-fetch-site": "none"})
    target = urlsplit(sent.headers["location"])
    asked = {name: values[0] for name, values in parse_qs(target.query).items()}
    assert target.netloc == "provider.example"
    back = urlsplit(asked["redirect_uri"])
    assert f"{back.scheme}://{back.netloc}" == ORIGIN
    wrong = visitor.get(f"{back.path}?code=c0de&state=wrong", headers=FOREIGN)
    assert wrong.status_code == forged
    answer = visitor.get(f"{back.path}?code=c0de&state={asked['state']}", headers=FOREIGN)
    assert answer.status_code == redirect
    assert visitor.get(answer.headers["location"]).json() == {"profile": "ada"}


def check_webhook(visitor: Client, url: str) -> None:
    """Send signed messages as other services do, from no browser, and changed ones."""
    del visitor.headers["sec-fetch-site"]
    for kind, (body, got) in WEBHOOKS.items():
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"content-type": kind, "x-hub-signature-256": f"sha256={signature}"}
        answer = visitor.request("POST", url, content=body, headers=headers)
        assert (answer.json(), kind) == (got, kind)
        changed = visitor.request("POST", url, content=body + b" ", headers=headers)
        assert (changed.status_code, kind) == (403, kind)


def check_events(visitor: Client, url: str, text: str) -> None:
    """Read server-sent events that a view sends one by one, so that they take some time."""
    begun = time.monotonic()
    with visitor.stream("GET", url, headers=PLAIN) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        pieces = [(time.monotonic() - begun, piece) for piece in answer.iter_text()]
    assert "".join(piece for _, piece in pieces) == text
    assert pieces[-1][0] - pieces[0][0] > 0.4


@contextmanager
def worker(service: Service, application: str) -> Iterator[None]:
    """Run a worker of Celery beside a service, with its environment."""
    with (service.folder / "worker").open("wb") as log:
        process = subprocess.Popen(
            [service.project.python, "-m", "celery", "-A", application, "worker", "--pool=solo"],
            cwd=service.project.path,
            env=service.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield
        finally:
            stop(process)


def check_celery(service: Service, application: str, path: str) -> None:
    """Start a task by a view, and ask another for its result until the worker has made it."""
    with member(service, service.add_user()) as client:
        started = client.post(path, data={"text": "four"}).json()["id"]
        assert client.get(f"{path}{started}/").json() == {"ready": False, "result": None}
        with worker(service, application):
            deadline = time.monotonic() + WAIT_SECONDS
            while not (found := client.get(f"{path}{started}/").json())["ready"]:
                assert time.monotonic() < deadline, (service.folder / "worker").read_text("utf-8")
                time.sleep(0.1)
    assert found == {"ready": True, "result": 4}


@contextmanager
def socket_of(
    client: Client, service: Service, path: str, origin: str = ORIGIN
) -> Iterator[WebSocket]:
    """Open a WebSocket behind the edge, as the browser of `client` would for a page of `origin`."""
    headers = {
        "Host": HOST,
        "Origin": origin,
        "X-Forwarded-For": "198.51.100.1",
        "X-Forwarded-Proto": "https",
        "Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items()),
    }
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(WAIT_SECONDS)
        connection.connect(service.socket)
        yield WebSocket(connection, path, headers)


def refusals(service: Service, client: Client, path: str, unlisted: str) -> list[int]:
    """Return what a foreign page, a visitor, and a path without a fact get for an answer."""
    with (
        service.client() as visitor,
        socket_of(client, service, path, "https://evil.example") as foreign,
        socket_of(visitor, service, path) as unknown,
        socket_of(client, service, unlisted) as closed,
    ):
        return [foreign.status, unknown.status, closed.status]
