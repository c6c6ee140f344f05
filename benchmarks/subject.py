"""The two things compared: a generated service, and its bare framework. Run by a project's Python.

    python subject.py cost KIND --rounds N
                                           the microseconds of a call, in process, of KIND and of
                                           the bare framework in turns, as JSON
    python subject.py serve KIND --port N  the project's own server with `guarded` or `bare`, or the
                                           latter by its `wsgi` interface, or by `gunicorn`; with
                                           `--opened` also the routes of `opened`
    python subject.py facts --rounds N     the microseconds of a call with the facts of the policy,
                                           and with none, as JSON

Both have the same routes, which answer a small JSON object, at the same place before all others,
because the framework's time to find a route is not the policy's. `floor` is the bare framework with
fixed headers and a host check by hand, the least that anything around it costs; `peers` is the
framework with the packages that its users add for some of the same. Each kind is measured in a
process of its own: peers of the framework in the same one make what is called after them a fifth
slower, as they drive it from the processor's caches.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import io
import json
import logging
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

# Beside this file, where a project's Python finds it.
opened: Any = importlib.import_module("opened")

HOST = "bench.example"
PATH, PATH_SESSION, PATH_LOGIN = "/bench", "/bench/session", "/bench/login"
KEY = "security"
"""Where a service keeps what it knows of a request."""
WSGI_THREADS = 16
"""Of the bare server; the service has as many."""
ANSWER = {"message": "hello", "count": 3}
BATCH = 20
"""Calls that are timed together."""
BATCHES = 20
"""Batches in a round, of which the fastest counts."""
HEADERS = {
    "host": HOST,
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "accept": "application/json, text/plain;q=0.9, */*;q=0.8",
    "accept-language": "en-GB,en;q=0.7,de;q=0.3",
    "accept-encoding": "gzip, deflate, br, zstd",
    "sec-fetch-dest": "empty",
    "sec-fetch-mode": "cors",
    "sec-fetch-site": "same-origin",
}

SESSIONS = "django.contrib.sessions"
INSTALLED = ["auth", "contenttypes", "sessions", "messages"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    f"{SESSIONS}.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

App = Callable[..., Any]
Call = Callable[[], Any]


class Subject:
    """The project in the current folder."""

    def __init__(self) -> None:
        """Find the package under `src/`, and its framework."""
        (package,) = [path.parent.parent.name for path in Path("src").glob("*/operate/serve.py")]
        self.package = package
        answers = Path(".copier-answers.yml").read_text("utf-8")
        (self.framework,) = re.findall(r"^framework: (\w+)$", answers, re.MULTILINE)
        self.asgi = self.framework in {"fastapi", "litestar"}
        self.opened = False
        """Whether the applications get the routes of `opened`."""

    def bare(self) -> App:
        """Return the framework with nothing but the route."""
        app: Any
        if self.framework == "fastapi":
            app = importlib.import_module("fastapi").FastAPI(
                openapi_url=None, docs_url=None, redoc_url=None
            )
        elif self.framework == "litestar":
            app = importlib.import_module("litestar").Litestar(
                openapi_config=None, logging_config=None
            )
        elif self.framework == "django":
            return self._bare_django()
        else:
            app = importlib.import_module("flask").Flask("bench", static_folder=None)
        self._routes(app)
        if self.opened:
            opened.add(self.framework, app)
        outermost: App = app if self.asgi else app.wsgi_app
        return outermost

    def _bare_django(self) -> App:
        """Return Django with the middlewares that its startproject writes, and cookie sessions."""
        conf = importlib.import_module("django.conf")
        known = {"MIDDLEWARE": MIDDLEWARE, "SESSION_ENGINE": f"{SESSIONS}.backends.signed_cookies"}
        handler = importlib.import_module("django.core.handlers.wsgi").WSGIHandler
        if conf.settings.configured:
            # The service is in this process too: its addresses are Django's, the rest is not.
            with importlib.import_module("django.test").override_settings(**known):
                app: App = handler()
            return app
        urls: Any = ModuleType("bench_urls")
        sys.modules[urls.__name__] = urls
        urls.urlpatterns = []
        conf.settings.configure(
            **known,
            ROOT_URLCONF=urls.__name__,
            SECRET_KEY=secrets.token_hex(32),
            ALLOWED_HOSTS=[HOST],
            INSTALLED_APPS=[f"django.contrib.{name}" for name in INSTALLED],
        )
        importlib.import_module("django").setup()
        self._routes(urls)
        if self.opened:
            opened.add(self.framework, urls)
        bare: App = handler()
        return bare

    def behind(self, app: App) -> App:
        """Return what the server's ASGI interface runs."""
        if self.asgi:
            return app
        made: App = importlib.import_module("a2wsgi").WSGIMiddleware(app, workers=WSGI_THREADS)

        async def behind(scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
            async def read() -> Any:
                # It insists on a coroutine, and the server gives something else to wait for.
                return await receive()

            await made(scope, read, send)

        return behind

    def guarded(self, folder: str) -> App:
        """Return the service, as in production, with its files in `folder`, and the routes."""
        create = importlib.import_module(f"{self.package}.app.main").create_app
        guarded: Any = create(self.settings(folder))
        django = self.framework == "django"
        app = importlib.import_module(f"{self.package}.app.urls") if django else guarded
        if self.opened:
            opened.add(self.framework, app)
        self._routes(app, sessions=True)
        outermost: App = guarded
        return outermost

    def peers(self) -> App | None:
        """Return the framework with its users' usual packages, None where they are not there."""
        makers = {"fastapi": self._fastapi_peers, "flask": self._flask_peers}
        try:
            return makers[self.framework]() if self.framework in makers else None
        except ImportError:
            return None

    def _fastapi_peers(self) -> App:
        limiter = importlib.import_module("slowapi").Limiter(
            key_func=importlib.import_module("slowapi.util").get_remote_address,
            default_limits=["1000000/minute"],
        )
        secure = importlib.import_module("secure").Secure.with_default_headers()
        app: Any = importlib.import_module("fastapi").FastAPI(openapi_url=None)
        app.state.limiter = limiter

        async def headers(request: Any, call_next: Any) -> Any:
            response = await call_next(request)
            await secure.set_headers_async(response)
            return response

        app.middleware("http")(headers)
        app.add_middleware(importlib.import_module("slowapi.middleware").SlowAPIMiddleware)
        sessions = importlib.import_module("starlette.middleware.sessions")
        app.add_middleware(sessions.SessionMiddleware, secret_key=secrets.token_hex(32))
        hosts = importlib.import_module("starlette.middleware.trustedhost")
        app.add_middleware(hosts.TrustedHostMiddleware, allowed_hosts=[HOST])
        self._routes(app)
        made: App = app
        return made

    def _flask_peers(self) -> App:
        app: Any = importlib.import_module("flask").Flask("bench", static_folder=None)
        app.secret_key = secrets.token_hex(32)
        importlib.import_module("flask_talisman").Talisman(app, force_https=False)
        importlib.import_module("flask_limiter").Limiter(
            importlib.import_module("flask_limiter.util").get_remote_address,
            app=app,
            default_limits=["1000000/minute"],
            storage_uri="memory://",
        )
        self._routes(app)
        made: App = app.wsgi_app
        return made

    def settings(self, folder: str) -> Any:
        """Return settings of a production service behind no proxy."""
        # By the environment, because Django reads them there.
        os.environ |= {
            "APP_ENV": "production",
            "APP_SECRET_KEYS": secrets.token_urlsafe(48),
            "APP_HOSTS": HOST,
            "APP_DATABASE_URL": f"sqlite:///{folder}/app.db",
            "APP_STORE_URL": f"sqlite:///{folder}/store.db",
            # The one loop of this program calls what a server runs in threads.
            "DJANGO_ALLOW_ASYNC_UNSAFE": "1",
        }
        # In a process of its own: what makes tables is no part of what serves.
        migrate = [sys.executable, "-m", self.package, "db", "upgrade"]
        environment = {**os.environ, "PYTHONPATH": str(Path("src").resolve())}
        subprocess.run(migrate, env=environment, check=True, stdout=sys.stderr)
        return importlib.import_module(f"{self.package}.config").load()

    def _routes(self, app: Any, *, sessions: bool = False) -> None:
        # The last one stands first.
        self._route(app, PATH_LOGIN, sessions, login=sessions)
        self._route(app, PATH_SESSION, sessions)
        self._route(app, PATH, False)

    def _route(self, app: Any, path: str, session: bool, *, login: bool = False) -> None:
        def read(content: Any, carrier: Any) -> dict[str, object]:
            if login:
                carrier[KEY].context.session.log_in("user")
                content["count"] = 3
            return {"message": "hello", "count": content["count"]} if session else ANSWER

        if self.framework == "django":

            def answer(request: Any) -> Any:
                found = read(request.session, request.environ) if session else ANSWER
                return importlib.import_module("django.http").JsonResponse(found)

            route = importlib.import_module("django.urls").path
            app.urlpatterns.insert(0, route(path[1:], public(answer)))
            return
        if not self.asgi:
            flask = importlib.import_module("flask")

            def view() -> dict[str, object]:
                return read(flask.session, flask.request.environ) if session else ANSWER

            app.add_url_rule(path, path, public(view))
            return

        async def anonymous() -> dict[str, object]:
            return ANSWER

        async def reader(request: Any) -> dict[str, object]:
            return read(request.session, request.scope)

        module = importlib.import_module(self.framework)
        reader.__annotations__["request"] = module.Request
        if self.framework == "litestar":
            view_of = module.get(path, exclude_from_auth=True)
            app.register(view_of(reader if session else anonymous))
            return
        app.add_api_route(path, public(reader if session else anonymous))
        routes = app.router.routes
        routes.insert(0, routes.pop())


def public(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let everybody see a view, as `login_not_required` does."""
    view.login_required = False  # type: ignore[attr-defined] # of a function
    return view


def stand_in(name: str, **attributes: object) -> None:
    """Make a module, so that the real one is not imported."""
    made = ModuleType(name)
    vars(made).update(attributes)
    sys.modules[name] = made


def scope(path: str, cookie: str) -> dict[str, Any]:
    """Return what granian gives an ASGI application."""
    headers = HEADERS | ({"cookie": cookie} if cookie else {})
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "scheme": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "extensions": {},
        "root_path": "",
        "state": {},
    }


def environ(path: str, cookie: str) -> dict[str, Any]:
    """Return what granian gives a WSGI application."""
    headers = HEADERS | ({"cookie": cookie} if cookie else {})
    return {
        **os.environ,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multiprocess": False,
        "wsgi.multithread": True,
        "wsgi.run_once": False,
        "wsgi.version": (1, 0),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }


class Seen:
    """The response of one checked call."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body = b""

    def check(self) -> None:
        """Raise `AssertionError` unless the answer is the expected one."""
        if self.status != 200 or json.loads(self.body) != ANSWER:
            raise AssertionError(f"{self.status} {self.headers} {self.body!r}")


async def call_asgi(app: App, path: str, cookie: str = "") -> Seen:
    """Call an ASGI application and return what it sent."""
    seen = Seen()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            seen.status = message["status"]
            seen.headers = [(n.decode(), v.decode()) for n, v in message["headers"]]
        else:
            seen.body += message.get("body", b"")

    await app(scope(path, cookie), receive, send)
    seen.check()
    return seen


def call_wsgi(app: App, path: str, cookie: str = "") -> Seen:
    """Call a WSGI application and return what it sent."""
    seen = Seen()

    def start(status: str, headers: list[tuple[str, str]], *_: object) -> None:
        seen.status, seen.headers = int(status[:3]), headers

    chunks = app(environ(path, cookie) | {"wsgi.input": io.BytesIO()}, start)
    seen.body = b"".join(chunks)
    close(chunks)
    seen.check()
    return seen


def close(chunks: Any) -> None:
    """Close a WSGI body as a server does."""
    if hasattr(chunks, "close"):
        chunks.close()


async def batch_asgi(app: App, path: str, cookie: str) -> float:
    """Return the seconds of one call, over a batch."""
    model = scope(path, cookie)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        pass

    start = time.perf_counter()
    for _ in range(BATCH):
        # What a server makes for each request, and frameworks keep things in.
        fresh = {"headers": model["headers"][:], "state": {}}
        await app({**model, **fresh}, receive, send)
    return (time.perf_counter() - start) / BATCH


def batch_wsgi(app: App, path: str, cookie: str) -> float:
    """Return the seconds of one call, over a batch."""
    model = environ(path, cookie)

    def start_response(status: str, headers: object, exc_info: object = None) -> None:
        pass

    start = time.perf_counter()
    for _ in range(BATCH):
        chunks = app({**model, "wsgi.input": io.BytesIO()}, start_response)
        for _chunk in chunks:
            pass
        close(chunks)
    return (time.perf_counter() - start) / BATCH


def cost(subject: Subject, kind: str, rounds: int) -> dict[str, list[float]]:
    """Return the microseconds of a call of the kind and of the bare framework, by round.

    A round is the fastest of its batches, for both in turn, batch by batch. Empty where the kind is
    not there.
    """
    with tempfile.TemporaryDirectory() as folder:
        app: App | None
        if kind in {"anonymous", "session"}:
            # First: what is bare of Django finds its settings made.
            app = subject.guarded(folder)
        elif kind == "floor":
            app = (floor_asgi if subject.asgi else floor_wsgi)(subject.bare())
        else:
            app = subject.peers()
        if app is None:
            return {}
        bare = subject.bare()
        logging.disable()
        return asyncio.run(rounds_of(subject, bare, app, kind, rounds))


FLOOR = (
    *(("content-security-policy", "default-src 'none'"), ("x-content-type-options", "nosniff")),
    *(("x-frame-options", "DENY"), ("referrer-policy", "no-referrer")),
    *(("cross-origin-opener-policy", "same-origin"), ("permissions-policy", "camera=()")),
    ("strict-transport-security", "max-age=63072000"),
)


def floor_asgi(app: App) -> App:
    """Add headers and a host check to an ASGI application, by hand."""
    fixed = [(name.encode(), value.encode()) for name, value in FLOOR]
    host = (b"host", HOST.encode())

    async def floor(scope: Any, receive: Any, send: Any) -> None:
        if host not in scope["headers"]:
            raise ValueError("another host")

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *fixed]
            await send(message)

        await app(scope, receive, sending)

    return floor


def floor_wsgi(app: App) -> App:
    """Add headers and a host check to a WSGI application, by hand."""

    def floor(environ: Any, start_response: Any) -> Any:
        if environ["HTTP_HOST"] != HOST:
            raise ValueError("another host")

        def starting(status: str, headers: Any, exc_info: Any = None) -> Any:
            return start_response(status, [*headers, *FLOOR], exc_info)

        return app(environ, starting)

    return floor


async def rounds_of(
    subject: Subject, bare: App, app: App, kind: str, rounds: int
) -> dict[str, list[float]]:
    """Return the microseconds of a call of both, by round."""
    batch: Callable[..., Awaitable[float]]
    call: Callable[..., Awaitable[Seen]]
    if subject.asgi:
        batch, call = batch_asgi, call_asgi
    else:

        async def batch(app: App, path: str, cookie: str) -> float:
            return batch_wsgi(app, path, cookie)

        async def call(app: App, path: str, cookie: str = "") -> Seen:
            return call_wsgi(app, path, cookie)

    path, cookie = PATH, ""
    if kind == "session":
        login = await call(app, PATH_LOGIN)
        (line,) = [value for name, value in login.headers if name == "set-cookie"]
        path, cookie = PATH_SESSION, line.partition(";")[0]
    # One process has one table of Django's addresses, and there that view wants our session.
    beside = PATH if subject.framework == "django" else path
    calls = {"bare": (bare, beside, ""), kind: (app, path, cookie)}
    found: dict[str, list[float]] = {name: [] for name in calls}
    for arguments in calls.values():
        await call(*arguments)
        await batch(*arguments)
    for _ in range(rounds):
        best = dict.fromkeys(calls, 1.0)
        for _ in range(BATCHES):
            for name, arguments in calls.items():
                best[name] = min(best[name], await batch(*arguments))
        for name, took in best.items():
            found[name].append(round(took * 1e6, 2))
    return found


async def facts(subject: Subject, rounds: int) -> dict[str, list[float]]:
    """Return the microseconds of a call, by round, with and without the facts of the policy.

    Of one application, batch by batch: what is compared is what a request does with them.
    """
    with tempfile.TemporaryDirectory() as folder:
        app = subject.guarded(folder)
        boundaries = importlib.import_module(f"{subject.package}.security.boundary").Boundary
        (boundary,) = [each for each in gc.get_objects() if isinstance(each, boundaries)]
        routes = importlib.import_module(f"{subject.package}.security.routes").Routes
        kinds = {"facts": boundary._routes, "none": routes((), boundary.policy.input)}
        logging.disable()
        found: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(rounds + 1):
            best = dict.fromkeys(kinds, 1.0)
            for _ in range(BATCHES):
                for kind, known in kinds.items():
                    boundary._routes = known
                    took = (
                        batch_wsgi(app, PATH, "")
                        if not subject.asgi
                        else (await batch_asgi(app, PATH, ""))
                    )
                    best[kind] = min(best[kind], took)
            for kind, took in best.items():
                found[kind].append(round(took * 1e6, 2))
    # The first round warms up.
    return {kind: values[1:] for kind, values in found.items()}


def serve(subject: Subject, kind: str, port: int, workers: int) -> None:
    """Run the project's `serve.py`: with the service, or with the bare framework alone.

    For the latter, stand-ins take the place of what `serve.py` imports, so that the process holds
    the server and the framework and nothing of the service. A WSGI framework runs in threads behind
    the server's ASGI interface, as in the service, by the package that people use for that; `wsgi`
    has the server's own interface for it, which loses bodies that are cut (decision 8).
    """
    if kind == "gunicorn":
        run_gunicorn(subject, port, workers)
        return
    with tempfile.TemporaryDirectory() as folder:
        name = subject.package
        settings: Any = SimpleNamespace(production=True, policy=None)
        if kind != "guarded":
            idle = SimpleNamespace(start=lambda: None, join=lambda: None)
            stand_in(f"{name}.app.main", create_app=lambda _: subject.bare())
            stand_in(f"{name}.config", PACKAGE=name, Settings=object)
            stand_in(
                f"{name}.adapter.server", server_app=subject.behind if kind == "bare" else _same
            )
            stand_in(f"{name}.adapter.compose", require_secured=_same)
            stand_in(f"{name}.operate.serving", hold=lambda _: None)
            stand_in(f"{name}.operate.finishing", finishing=_same)
            policy = SimpleNamespace(routes=(SimpleNamespace(websocket=subject.opened),))
            stand_in(f"{name}.security.policy", load=lambda _: policy)
            stand_in(
                f"{name}.operate.workers",
                Watch=lambda: idle,
                hearing_signals=nullcontext,
                keep_memory_apart=lambda: None,
            )
        else:
            settings = subject.settings(folder)
        # Modules imported by name, of which mypy knows no attributes.
        server: Any = importlib.import_module(f"{name}.operate.serve")
        if kind == "guarded":
            server.create_app = lambda _: subject.guarded(folder)
        elif kind == "wsgi":
            real = server.Server
            own = {"interface": "wsgi", "blocking_threads": WSGI_THREADS}
            server.Server = lambda target, **options: real(target, **options | own)
        server.run(settings, host="127.0.0.1", port=port, uds=None, workers=workers)


def _same(app: App) -> App:
    return app


def run_gunicorn(subject: Subject, port: int, workers: int) -> None:
    """Run the bare framework as its users do: gunicorn with threads."""
    base = importlib.import_module("gunicorn.app.base").BaseApplication
    options = {
        "bind": f"127.0.0.1:{port}",
        "workers": workers,
        "worker_class": "gthread",
        "threads": WSGI_THREADS,
        "keepalive": 60,
    }

    class Application(base):  # type: ignore[misc,valid-type] # not here when this is checked
        def load_config(self) -> None:
            for name, value in options.items():
                self.cfg.set(name, value)

        def load(self) -> App:
            return subject.bare()

    Application().run()


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    measure = commands.add_parser("cost")
    measure.add_argument("kind", choices=("floor", "anonymous", "session", "peers"))
    measure.add_argument("--rounds", type=int, default=25)
    counted = commands.add_parser("facts")
    counted.add_argument("--rounds", type=int, default=25)
    run = commands.add_parser("serve")
    run.add_argument("--opened", action="store_true")
    run.add_argument("kind", choices=("bare", "guarded", "gunicorn", "wsgi"))
    run.add_argument("--port", type=int, required=True)
    run.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    subject = Subject()
    if options.command == "cost":
        print(json.dumps(cost(subject, options.kind, options.rounds)))
    elif options.command == "facts":
        print(json.dumps(asyncio.run(facts(subject, options.rounds))))
    else:
        subject.opened = options.opened
        serve(subject, options.kind, options.port, options.workers)


if __name__ == "__main__":
    main()
