"""What a Flask developer expects of Flask, with the policy around it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any
from unittest import mock

import pytest
from flask import Flask, Response, make_response, request, session, stream_with_context
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from jinja2 import UndefinedError
from markupsafe import Markup
from typing_extensions import override
from werkzeug.exceptions import Conflict, HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from my_service.adapter import login_not_required, secure, server
from my_service.app import main
from my_service.app.users import open_users

from .. import expect
from ..conftest import Make
from ..driver import ORIGIN, Files, Inside, run_cli
from ..transport import Transport
from .stage import FACTS, Stage

KEY = "_user_id"
"""Where Flask-Login keeps the user's id."""


class Found(HTTPException):
    """An exception of one's own that leads on."""

    code = 302

    @override
    def get_headers(self, *_: Any) -> list[tuple[str, str]]:
        return [("Location", request.args["to"])]


class Kept(Stage):
    """The stage, with its application at hand.

    And with views more: one logs out as Flask-Login does, one swallows what it gets, one raises an
    exception with a document.
    """

    application: Flask

    @override
    def build(self, settings: Any) -> Any:
        self.application = super().build(settings)

        @login_not_required
        def out() -> ResponseReturnValue:
            session.pop(KEY)
            return ""

        @login_not_required
        def careless() -> ResponseReturnValue:
            with suppress(Exception):
                request.get_json()
            return "fine"

        @login_not_required
        def given() -> ResponseReturnValue:
            raise Conflict(response=make_response({"left": 2}, 409))

        @login_not_required
        def leading() -> ResponseReturnValue:
            raise Found

        @login_not_required
        def pieces() -> ResponseReturnValue:
            def made() -> Iterator[str]:
                for _ in range(3):
                    yield request.args["text"]

            return Response(stream_with_context(made()), mimetype="text/event-stream")

        @login_not_required
        def asked_from() -> ResponseReturnValue:
            return {"referer": request.referrer, "origin": request.origin}

        self.application.add_url_rule("/stage/pieces", view_func=pieces)
        self.application.add_url_rule("/stage/from", view_func=asked_from, methods=["GET", "POST"])
        self.application.add_url_rule("/stage/given", view_func=given)
        self.application.add_url_rule("/stage/leading", view_func=leading)
        self.application.add_url_rule("/stage/out", view_func=out, methods=["POST"])
        self.application.add_url_rule("/stage/careless", view_func=careless, methods=["POST"])
        return self.application


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with closing(Kept(Files(tmp_path_factory.mktemp("flask")))) as service:
        yield service


@pytest.fixture
def client(kept: Kept) -> FlaskClient:
    """Flask's own test client, which asks the application past the server."""
    return kept.application.test_client()


def user_id(service: Inside, name: str) -> str:
    account = open_users(service.files.settings().database_url).find(name)
    assert account
    return account.id


@pytest.mark.contract("SES-12")
def test_login_by_an_extension_is_one_of_ours(kept: Kept) -> None:
    user = kept.add_user()
    browser = kept.visitor()
    browser.post("/stage/session/set?key=a&value=1")
    before = browser.copy()
    browser.post(f"/stage/session/set?key={KEY}&value={user_id(kept, user.name)}")
    assert browser.session != before.session
    assert browser.logged_in()
    assert not before.logged_in()
    assert len(kept.login(user).sessions()) == 1


@pytest.mark.contract("SES-12")
def test_logout_by_an_extension_ends_the_login(kept: Kept) -> None:
    browser = kept.member()
    browser.post("/stage/session/set?key=a&value=1")
    before = browser.copy()
    assert browser.post("/stage/out").status_code == 200
    assert not browser.logged_in()
    assert not before.logged_in()


@pytest.mark.contract("BND-8")
def test_client_raises_what_a_view_raises(kept: Kept, client: FlaskClient) -> None:
    assert client.get("/stage/crash", base_url=ORIGIN).status_code == 500
    kept.application.testing = True
    try:
        with pytest.raises(ValueError, match="secret-4711"):
            client.get("/stage/crash", base_url=ORIGIN)
    finally:
        kept.application.testing = False


@pytest.mark.contract("RTE-2")
def test_body_of_a_stranger_is_not_kept(kept: Kept) -> None:
    member = kept.member()
    with mock.patch.object(server, "SpooledTemporaryFile", wraps=SpooledTemporaryFile) as file:
        expect.error(kept.visitor().api("POST", "/stage/silent", b"{}"), 401)
        assert not file.called
        assert member.api("POST", "/stage/silent", b"{}").json() == {"got": {}}
        assert file.called


@pytest.mark.contract("BND-2")
def test_document_in_an_exception_is_the_authors(kept: Kept) -> None:
    answer = kept.visitor().get("/stage/given")
    assert answer.status_code == 409
    assert answer.json() == {"left": 2}
    expect.headers(answer)


@pytest.mark.contract("BND-2", "RED-4")
def test_exception_may_lead_on_but_not_astray(kept: Kept) -> None:
    answer = kept.visitor().get("/stage/leading?to=/login")
    assert (answer.status_code, expect.once(answer, "location")) == (302, "/login")
    astray = kept.visitor().get("/stage/leading?to=https://evil.example/")
    expect.error(astray, 400, echo="evil.example")


@pytest.mark.contract("BND-4")
def test_view_that_swallows_a_bad_body_cannot_accept_it(kept: Kept) -> None:
    assert kept.visitor().api("POST", "/stage/careless", b"{}").text == "fine"
    expect.error(kept.visitor().api("POST", "/stage/careless", b"{"), 400)


@pytest.mark.contract("BND-4")
@pytest.mark.parametrize(
    ("target", "kind"),
    [("json", "application/json"), ("form", "application/x-www-form-urlencoded")],
)
def test_body_that_is_short_does_not_count_with_other_servers(
    client: FlaskClient, target: str, kind: str
) -> None:
    content = b'{"a": "b"}' if target == "json" else b"a=b"
    for more, status in ((0, 200), (7, 400)):
        answer = client.post(
            f"/stage/{target}",
            base_url=ORIGIN,
            headers={"Sec-Fetch-Site": "same-origin", "Content-Type": kind},
            data=content,
            environ_overrides={"CONTENT_LENGTH": str(len(content) + more)},
        )
        assert answer.status_code == status


@pytest.mark.contract("RTE-2")
def test_mounted_application_is_closed_with_other_servers(
    kept: Kept, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dispatcher is around `wsgi_app`, which such a server never calls by itself."""
    other = Flask("other")
    other.add_url_rule("/", view_func=lambda: "inside")
    mounts = DispatcherMiddleware(kept.application.wsgi_app, {"/other": other})
    monkeypatch.setattr(kept.application, "wsgi_app", mounts)
    answer = client.get("/other/", base_url=ORIGIN)
    assert answer.status_code == 303
    assert "content-security-policy" in answer.headers
    assert client.get("/login", base_url=ORIGIN).status_code == 200


@pytest.mark.contract("BND-8")
def test_pieces_of_a_body_have_the_request_at_hand(kept: Kept) -> None:
    """Each may be made by another thread: here it is."""

    def submit(_: ThreadPoolExecutor, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        with ThreadPoolExecutor(1) as other:
            return real(other, work, *arguments)

    real = ThreadPoolExecutor.submit
    with mock.patch.object(ThreadPoolExecutor, "submit", submit):
        assert kept.visitor().get("/stage/pieces?text=ab").text == "ababab"


@pytest.mark.contract("BND-1")
@pytest.mark.parametrize(
    ("method", "headers", "seen"),
    [
        ("POST", {"Sec-Fetch-Site": "same-origin", "Origin": "null"}, (f"{ORIGIN}/", ORIGIN)),
        ("POST", {"Origin": ORIGIN}, (f"{ORIGIN}/", ORIGIN)),
        (
            "POST",
            {"Sec-Fetch-Site": "same-origin", "Referer": f"{ORIGIN}/a"},
            (f"{ORIGIN}/a", None),
        ),
        ("POST", {"Sec-Fetch-Site": "none"}, (None, None)),
        ("POST", {}, (None, None)),
        ("GET", {"Sec-Fetch-Site": "same-origin"}, (None, None)),
    ],
)
def test_extension_sees_where_a_form_comes_from(
    kept: Kept, method: str, headers: dict[str, str], seen: tuple[str | None, str | None]
) -> None:
    """Flask-WTF refuses a form without a Referer on https, which our Referrer-Policy keeps away."""
    answer = kept.visitor().send(method, "/stage/from", tuple(headers.items())).json()
    assert (answer["referer"], answer["origin"]) == seen


@pytest.mark.contract("BND-8")
def test_token_of_an_extension_is_in_our_forms(kept: Kept) -> None:
    """As Flask-WTF's `CSRFProtect`, which then refuses a form without it."""
    application = kept.application
    token = "<input type=hidden name=csrf_token value=4711>"
    own = application.template_context_processors[None]
    # As one that was there before `secure`.
    own.insert(1, lambda: {"csrf_field": Markup(token)})  # noqa: S704 - ours
    application.extensions["csrf"] = True
    application.config["WTF_CSRF_FIELD_NAME"] = "csrf_token"
    try:
        browser, user = kept.visitor(), kept.add_user()
        assert token in browser.get("/login").text
        assert browser.login(user.name, user.password, csrf_token="4711").status_code == 303
    finally:
        own.pop(1)
        del application.extensions["csrf"]
    expect.error(kept.visitor().login(user.name, user.password, csrf_token="4711"), 422)


@pytest.mark.contract("FPR-4")
def test_debug_mode_is_refused_in_production(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Debugged(Flask):
        debug = True

    monkeypatch.setattr(main, "Flask", Debugged)
    with pytest.raises(ValueError, match="debug=True of the application"):
        make()
    result = run_cli("check", environment=Files(tmp_path).environment())
    assert result.exit_code == 1
    assert "debug=True of the application" in result.output


@pytest.mark.contract("SES-7")
def test_filter_of_before_takes_no_option_of_templates_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who registers one makes Flask's environment, by the options that are there then."""

    def late(app: Flask, *arguments: Any, **more: Any) -> Flask:
        app.add_template_filter(str.upper, "loud")
        return secure(app, *arguments, **more)

    monkeypatch.setattr(main, "secure", late)
    app = main.create_app(Files(tmp_path).settings())
    assert app.jinja_env.filters["loud"] is str.upper
    with pytest.raises(UndefinedError):
        app.jinja_env.from_string("{{ misspelled }}").render()
    assert app.jinja_env.from_string("{% if 1 %}\na\n{% endif %}\n").render() == "a\n"


async def waiting() -> list[str]:
    """Return the tasks of the event loop but this one."""
    return [str(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]


class Late(Stage):
    """The stage, with a view that answers after its time."""

    @override
    def build(self, settings: Any) -> Any:
        application: Flask = super().build(settings)
        self.closed, self.at_work, self.go_on = (threading.Event() for _ in range(3))
        self.path = ""

        @login_not_required
        def late() -> ResponseReturnValue:
            time.sleep(1.3)

            def rows() -> Iterator[str]:
                yield "a" * 100_000

            answer = Response(stream_with_context(rows()))
            answer.call_on_close(self.closed.set)
            return answer

        @login_not_required
        def endless() -> ResponseReturnValue:
            def rows() -> Iterator[str]:
                try:
                    yield "a"
                    self.at_work.set()
                    self.go_on.wait(10)
                    yield "b"
                finally:
                    self.path = request.path
                    self.closed.set()

            return Response(stream_with_context(rows()))

        application.add_url_rule("/stage/late", view_func=late)
        application.add_url_rule("/stage/endless", view_func=endless)
        return application


@pytest.mark.contract("BND-5")
def test_late_answer_is_closed_also_when_the_server_has_stopped(tmp_path: Path) -> None:
    fact = '[[route]]\npath = "/stage/late"\nmax-seconds = 1\n'
    with closing(Late(Files(tmp_path, facts=FACTS + fact))) as service:
        expect.error(service.visitor().get("/stage/late"), 503)
        assert not service.closed.is_set()
        transport = service.transport
        assert isinstance(transport, Transport)
        left = asyncio.run_coroutine_threadsafe(waiting(), transport._loop).result(10)
        # It would be given up, with a line in the log, and what it waits for stay open.
        assert not left, left
    assert service.closed.wait(10)


@pytest.mark.contract("BND-5")
def test_stream_that_is_given_up_is_closed_in_the_context_of_its_view(tmp_path: Path) -> None:
    with closing(Late(Files(tmp_path, facts=FACTS))) as service, ThreadPoolExecutor() as pool:
        asked = pool.submit(service.visitor().get, "/stage/endless")
        assert service.at_work.wait(10)
        transport = service.transport
        assert isinstance(transport, Transport)
        loop = transport._loop
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
        with pytest.raises(CancelledError):
            asked.result(10)
        service.go_on.set()
        assert service.closed.wait(10)
    assert service.path == "/stage/endless"
