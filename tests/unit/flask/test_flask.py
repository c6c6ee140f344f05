"""What a Flask developer expects of Flask, with the policy around it."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    flash,
    get_flashed_messages,
    make_response,
    render_template,
    render_template_string,
    request,
    send_file,
    session,
    stream_with_context,
    url_for,
)
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSessionInterface
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from typing_extensions import override
from werkzeug.exceptions import Conflict, HTTPException, RequestedRangeNotSatisfiable
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import BaseConverter
from werkzeug.test import create_environ

from my_service.adapter import current_auth, login_not_required, secure, server
from my_service.app import main
from my_service.app.users import open_users

from .. import expect
from ..conftest import Make
from ..driver import CHEAP, FORM, HOST, ORIGIN, SESSION, Browser, Files, Inside, User, run_cli
from ..test_ppl_factors import STEP, enrol, owner
from ..test_ppl_passkeys import Authenticator, add, asked
from ..transport import Transport
from .stage import FACTS, Stage
from .views import crash, raise_

KEYS = ("the first key of many words that only a test has", "another one of words for the same")
KEY = "_user_id"
"""Where Flask-Login keeps the user's id."""


class Found(HTTPException):
    """An exception of one's own that leads on."""

    code = 302

    @override
    def get_headers(self, *_: Any) -> list[tuple[str, str]]:
        return [("Location", request.args["to"])]


@login_not_required
def sized() -> ResponseReturnValue:
    return send_file(BytesIO(b"0123456789"), "text/plain")


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
            if "range" in request.args:
                raise RequestedRangeNotSatisfiable(length=9)
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
        self.application.add_url_rule("/stage/sized", view_func=sized)
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
def test_login_is_a_fresh_one_for_flask_login(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its `fresh_login_required` turns everybody away, and "strong" logs them out."""

    class Manager:
        """What Flask-Login puts in its place, as far as it counts here."""

        def _session_identifier_generator(self) -> str:
            return f"of {request.user_agent}"

    user, browser = kept.add_user(), kept.visitor()
    monkeypatch.setattr(kept.application, "login_manager", Manager(), raising=False)
    assert browser.login(user.name, user.password).status_code == 303
    known = {"_fresh": True, "_id": f"of {browser.agent}"}
    assert browser.get("/stage/session").json() == {KEY: user_id(kept, user.name), **known}
    # Later the extension may say that it is one no more; who proves it again makes it one.
    browser.post("/stage/session/set?key=_fresh&value=")
    assert browser.post("/account/confirm", password=user.password).status_code == 303
    assert browser.get("/stage/session").json().items() >= known.items()


@pytest.mark.contract("CFG-2")
def test_extensions_have_a_key_to_sign_with(tmp_path: Path) -> None:
    """Of the service's secrets: their documentation has one in the code."""
    old, new = KEYS
    before, after = (
        main.create_app(Files(tmp_path, keys=keys).settings()).config
        for keys in ((old,), (new, old))
    )
    assert before["SECRET_KEY"] not in {None, old, after["SECRET_KEY"]}
    assert after["SECRET_KEY_FALLBACKS"] == [before["SECRET_KEY"]]


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


@pytest.mark.contract("BND-8")
def test_request_of_nobody_can_be_made_up(kept: Kept) -> None:
    """As Flask's documentation does to try things out, and to render a mail."""
    application = kept.application
    with application.test_request_context("/stage/answer?a=1", base_url=ORIGIN):
        assert request.args["a"] == "1"
        assert url_for("stage.answer", _external=True) == f"{ORIGIN}/stage/answer"
        session["a"] = 1
        assert dict(session) == {"a": 1}
        flash("made")
        assert get_flashed_messages() == ["made"]
        assert kept.policy.service.name in render_template("home.html")
        assert application.full_dispatch_request().status_code == 200
    with application.test_request_context("/account"):
        assert not current_auth.user
        assert application.full_dispatch_request().location == "/login?next=/account"


@pytest.mark.contract("BND-8")
def test_session_can_be_changed_by_the_test_client(kept: Kept, client: FlaskClient) -> None:
    name = kept.add_user().name
    with client.session_transaction(base_url=ORIGIN) as changed:
        changed["a"] = ["1"]
    before = client.get_cookie(SESSION, HOST)
    with client.session_transaction(base_url=ORIGIN) as changed:
        assert changed["a"] == ["1"]
        changed["a"].append("2")
        changed[KEY] = user_id(kept, name)
    after = client.get_cookie(SESSION, HOST)
    assert before
    assert after
    assert before.value != after.value
    answer = client.get("/stage/session", base_url=ORIGIN)
    assert answer.json == {KEY: user_id(kept, name), "a": ["1", "2"]}
    assert client.get("/account", base_url=ORIGIN).status_code == 200


@pytest.mark.contract("RTE-2")
def test_request_that_was_not_made_up_is_not_taken_for_one(kept: Kept) -> None:
    """What reaches Flask beside the boundary gets nothing, whatever its headers claim."""
    claims = {"SECURITY_MADE_UP": "1", "HTTP_SECURITY_MADE_UP": "1"}
    environ = {**create_environ("/", ORIGIN), **claims}
    with pytest.raises(KeyError, match="security"):
        Flask.wsgi_app(kept.application, environ, lambda *_: mock.Mock())


WHEN = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.contract("SES-12")
@pytest.mark.parametrize(
    "value",
    [
        (1, [2, (3,)]),
        b"a",
        WHEN,
        UUID(int=1),
        Markup("<b>"),
        {"when": WHEN, "deep": [{"id": UUID(int=2)}]},
        {" t": [1]},
        {" d": "no date"},
        {1: "a"},
    ],
)
def test_session_keeps_what_flasks_own_keeps(client: FlaskClient, value: Any) -> None:
    with client.session_transaction(base_url=ORIGIN) as changed:
        changed["value"] = value
    with client.session_transaction(base_url=ORIGIN) as changed:
        found = changed["value"]
    wanted = TaggedJSONSerializer().loads(TaggedJSONSerializer().dumps(value))
    assert (found, type(found)) == (wanted, type(wanted))


class Other(SecureCookieSessionInterface):
    """As an extension makes it, like Flask-Session."""


class Former(Other):
    """One that was there before the policy."""


@pytest.mark.contract("SES-12")
def test_sessions_of_an_extension_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    restored_logging: None,
) -> None:
    def both(app: Flask, *arguments: Any, **more: Any) -> Flask:
        app.session_interface = Former()
        app = secure(app, *arguments, **more)
        app.session_interface = Other()
        return app

    monkeypatch.setattr(main, "secure", both)
    app = main.create_app(Files(tmp_path).settings())
    assert not isinstance(app.session_interface, Other)
    lines = [line for line in capsys.readouterr().err.splitlines() if "left_out" in line]
    assert [json.loads(line)["interface"] for line in lines] == ["Former", "Other"]


@pytest.mark.contract("RTE-2")
@pytest.mark.parametrize(
    ("code", "kind"), [(404, 404), (404, HTTPException), (405, 405), (405, HTTPException)]
)
def test_own_page_about_what_is_not_there_is_for_everybody(
    tmp_path: Path, code: int, kind: Any
) -> None:
    """But not what a page with routes of its own gets instead of an error."""

    class Own(Kept):
        @override
        def build(self, settings: Any) -> Any:
            application: Flask = super().build(settings)

            def own(error: HTTPException) -> ResponseReturnValue:
                return "mine", 200 if "spa" in request.args else error.code or 500

            application.register_error_handler(kind, own)
            return application

    with closing(Own(Files(tmp_path))) as service:
        visitor = service.visitor()
        method, target = ("GET", "/unknown") if code == 404 else ("DELETE", "/login")
        answer = visitor.send(method, target)
        assert (answer.status_code, answer.text) == (code, "mine")
        assert expect.once(answer, "cache-control") == "no-store"
        assert visitor.send(method, f"{target}?spa=yes").status_code == 303
        assert visitor.get("/account").status_code == 303
        if method == "GET":
            assert service.member().get(f"{target}?spa=yes").text == "mine"


@pytest.mark.contract("DAT-3")
@pytest.mark.parametrize("kind", [ValueError, Exception])
@pytest.mark.parametrize(("status", "lines"), [(500, 1), (409, 0)])
@pytest.mark.usefixtures("restored_logging")
def test_what_a_handler_of_its_own_answers_is_in_the_log(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: type[Exception],
    status: int,
    lines: int,
) -> None:
    """Flask says nothing of it; a handler that makes something of it knows."""

    class Own(Kept):
        @override
        def build(self, settings: Any) -> Any:
            application: Flask = super().build(settings)
            application.testing = False
            application.register_error_handler(kind, lambda _: ("mine", status))
            return application

    with closing(Own(Files(tmp_path))) as service:
        logging.getLogger().addHandler(caplog.handler)
        answer = service.visitor().get("/stage/crash")
    assert (answer.status_code, answer.text) == (status, "mine")
    logged = [record for record in caplog.records if "sys_crash" in str(record.msg)]
    assert [record.exc_info and record.exc_info[0] for record in logged] == [ValueError] * lines


@pytest.mark.contract("DAT-3")
@pytest.mark.usefixtures("restored_logging")
def test_crash_with_a_page_of_flasks_kind_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Flask logs it by itself before it asks for the page about all crashes."""

    class Own(Kept):
        @override
        def build(self, settings: Any) -> Any:
            application: Flask = super().build(settings)
            application.testing = application.config["PROPAGATE_EXCEPTIONS"] = False
            application.register_error_handler(500, lambda _: ("mine", 500))
            return application

    with closing(Own(Files(tmp_path))) as service:
        logging.getLogger().addHandler(caplog.handler)
        answer = service.visitor().get("/stage/crash")
    assert (answer.status_code, answer.text) == (500, "mine")
    assert [record.levelname for record in caplog.records if record.exc_info] == ["ERROR"]


class Handling(Kept):
    """The stage with a handler of errors: of the application or of a blueprint, or a late one."""

    def __init__(self, folder: Path, where: str, kind: Any, handler: Any) -> None:
        self.where, self.kind, self.handler = where, kind, handler
        super().__init__(Files(folder, facts=FACTS))

    @override
    def build(self, settings: Any) -> Any:
        def early(app: Flask, *arguments: Any, **more: Any) -> Flask:
            if self.where == "application":
                app.register_error_handler(self.kind, self.handler)
            return secure(app, *arguments, **more)

        blueprint = Blueprint("handling", __name__, url_prefix="/handling")
        blueprint.add_url_rule("/crash", view_func=crash)
        blueprint.add_url_rule("/raise", view_func=raise_)
        if self.where == "blueprint":
            blueprint.register_error_handler(self.kind, self.handler)
        with mock.patch.object(main, "secure", early):
            application: Flask = super().build(settings)
        application.testing = False
        application.register_blueprint(blueprint)
        if self.where == "late":
            application.register_error_handler(self.kind, self.handler)
        return application


def said(error: Exception) -> ResponseReturnValue:
    """Answer as Flask's documentation does for a program."""
    code = (error.code if isinstance(error, HTTPException) else None) or 500
    return {"mine": code, "was": type(getattr(error, "original_exception", error)).__name__}, code


@pytest.mark.contract("BND-2", "FPR-2")
@pytest.mark.parametrize("kind", [500, HTTPException, Exception])
@pytest.mark.parametrize("where", ["application", "late", "blueprint"])
@pytest.mark.usefixtures("restored_logging")
def test_crash_has_the_page_that_flask_documents(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], where: str, kind: Any
) -> None:
    with closing(Handling(tmp_path, where, kind, said)) as service:
        capfd.readouterr()
        answer = service.visitor().get("/handling/crash")
        expect.headers(answer)
    assert (answer.status_code, answer.json()) == (500, {"mine": 500, "was": "ValueError"})
    traces = [line for line in capfd.readouterr().err.splitlines() if "Traceback" in line]
    assert len(traces) == 1, traces


@pytest.mark.contract("BND-2", "FPR-2")
@pytest.mark.parametrize("where", ["application", "late", "blueprint"])
def test_handler_of_all_exceptions_has_those_of_http_too(tmp_path: Path, where: str) -> None:
    with closing(Handling(tmp_path, where, Exception, said)) as service:
        visitor = service.visitor()
        answer = visitor.get("/handling/raise?status=418")
        assert (answer.status_code, answer.json()["mine"]) == (418, 418)
        if where != "blueprint":
            assert visitor.get("/unknown").json() == {"mine": 404, "was": "NotFound"}
        # What asks for a login is the policy's.
        assert visitor.get("/stage/closed").status_code == 303


@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize("kind", [Exception, HTTPException, 418])
@pytest.mark.parametrize("where", ["application", "late", "blueprint"])
def test_error_that_is_handed_on_has_our_page(tmp_path: Path, where: str, kind: Any) -> None:
    """As Flask's documentation does: "pass through HTTP errors"."""
    with closing(Handling(tmp_path, where, kind, lambda error: error)) as service:
        visitor = service.visitor()
        expect.error(visitor.get("/handling/raise?status=418"), 418)
        answer = visitor.get("/handling/raise?status=418&text=no+coffee")
        expect.error(answer, 418)
        assert "no coffee" in answer.text
        assert visitor.get("/stage/given").json() == {"left": 2}


@pytest.mark.contract("LOG-1", "LOG-2")
@pytest.mark.usefixtures("restored_logging")
def test_handlers_of_the_applications_log_have_the_crashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As one that mails; Flask's own handler, which writes plain text, has nothing."""
    seen: list[logging.LogRecord] = []

    class Mails(logging.Handler):
        @override
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    def logging_before(app: Flask, *arguments: Any, **more: Any) -> Flask:
        logging.getLogger().handlers = []
        mails = Mails()
        mails.setLevel(logging.ERROR)
        app.logger.addHandler(mails)
        return secure(app, *arguments, **more)

    monkeypatch.setattr(main, "secure", logging_before)
    with closing(Kept(Files(tmp_path, facts=FACTS))) as service:
        capfd.readouterr()
        expect.error(service.visitor().get("/stage/crash"), 500)
        service.application.logger.warning("eve\n%s", '{"event": "forged"}')
        service.application.logger.handlers.clear()
    assert [record.exc_info and record.exc_info[0] for record in seen] == [ValueError]
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert "forged" not in [line["event"] for line in lines]


class Named(Response):
    """A response of the application's own kind, as Flask's documentation makes one."""

    default_mimetype = "application/xml"
    closed: list[str] = []  # noqa: RUF012 - what the test looks at

    @override
    def get_wsgi_headers(self, environ: Any) -> Any:
        headers = super().get_wsgi_headers(environ)
        headers["Content-Language"] = "de"
        return headers

    @override
    def close(self) -> None:
        self.closed.append(self.mimetype or "")
        super().close()


@pytest.mark.contract("BND-2", "RED-4")
def test_response_of_an_own_class_stays_one(tmp_path: Path) -> None:
    @login_not_required
    def named() -> ResponseReturnValue:
        return Named("<a/>", headers={"Location": request.args["to"]} if request.args else None)

    class Own(Kept):
        @override
        def build(self, settings: Any) -> Any:
            application: Flask = super().build(settings)
            application.add_url_rule("/stage/named", view_func=named)
            return application

    with closing(Own(Files(tmp_path))) as service:
        answer = service.visitor().get("/stage/named")
        assert expect.once(answer, "content-type").startswith("application/xml")
        assert expect.once(answer, "content-language") == "de"
        assert Named.closed == ["application/xml"]
        expect.error(service.visitor().get("/stage/named?to=https://%5Bevil"), 400)


class Counted(BaseConverter):
    """Part of an address that is looked up, as by a query of Flask-SQLAlchemy."""

    @override
    def to_python(self, value: str) -> int:
        return len(current_app.name) and int(value)


@pytest.mark.contract("BND-5", "RTE-2")
def test_address_may_be_looked_up_where_flask_is_at_work(tmp_path: Path) -> None:
    """Of a body it is foreseen whether the view is public: before Flask is at work."""
    asked: list[str] = []

    @login_not_required
    def opened(number: int) -> ResponseReturnValue:
        return {"number": number, "a": request.form["a"]}

    def closed(number: int) -> ResponseReturnValue:
        raise AssertionError(number)

    class Own(Kept):
        @override
        def build(self, settings: Any) -> Any:
            application: Flask = super().build(settings)
            application.url_map.converters["counted"] = Counted
            for name, view in (("opened", opened), ("closed", closed)):
                rule = f"/counted/{name}/<counted:number>"
                application.add_url_rule(rule, view_func=view, methods=["POST"])
            application.url_value_preprocessor(lambda name, _: asked.append(str(name)))
            return application

    with closing(Own(Files(tmp_path))) as service:
        assert service.visitor().post("/counted/opened/7", a="b").json() == {"number": 7, "a": "b"}
        assert asked == ["opened"]
        assert service.visitor().post("/counted/closed/7", a="b").status_code == 303
        # What prepares an address for its view sees no stranger's.
        assert asked == ["opened"]


@pytest.mark.contract("RTE-2")
def test_host_of_a_blueprint_has_views_of_its_own(tmp_path: Path) -> None:
    """Of a body it is foreseen whether the view is public: that of the host that is asked."""
    api = Blueprint("api", __name__, subdomain="api")

    @api.post("/account/password")
    @login_not_required
    def opened() -> ResponseReturnValue:
        return {"a": request.form["a"]}

    @api.post("/login")
    def closed() -> ResponseReturnValue:
        raise AssertionError

    class Own(Kept):
        @override
        def build(self, settings: Any) -> Any:
            application: Flask = super().build(settings.model_copy(update={"hosts": (HOST, other)}))
            application.config["SERVER_NAME"] = HOST
            application.subdomain_matching = True
            application.register_blueprint(api)
            return application

    other = f"api.{HOST}"
    form = (("Content-Type", FORM), ("Sec-Fetch-Site", "same-origin"))
    with closing(Own(Files(tmp_path))) as service:
        visitor = service.visitor()
        elsewhere = (*form, ("Host", other))
        assert visitor.send("POST", "/account/password", elsewhere, b"a=b").json() == {"a": "b"}
        assert visitor.send("POST", "/login", elsewhere, b"a=b").status_code == 303
        assert visitor.send("POST", "/account/password", form, b"a=b").status_code == 303
        assert visitor.send("POST", "/login", form, b"a=b").status_code != 303


@pytest.mark.contract("SES-6")
def test_what_the_browser_keeps_is_cleared_also_where_another_session_begins(kept: Kept) -> None:
    """As `flash("You were logged out")` after `session.clear()` does."""
    member = kept.member()
    answer = member.post("/stage/session/replace")
    assert "storage" in expect.once(answer, "clear-site-data")
    assert not member.logged_in()
    assert member.session


@pytest.mark.contract("LOG-1")
@pytest.mark.usefixtures("restored_logging")
def test_login_by_an_extension_is_in_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(Kept(Files(tmp_path, facts=FACTS))) as service:
        user = service.add_user()
        known = user_id(service, user.name)
        browser = service.visitor()
        capfd.readouterr()
        for _ in range(2):
            browser.post(f"/stage/session/set?key={KEY}&value={known}")
        browser.post("/stage/session/set?key=a&value=1")
        lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    logged = [line for line in lines if line["event"] == "authn_login_success"]
    assert [(line["user"], line["client"]) for line in logged] == [(known, browser.address)]


@pytest.mark.contract("BND-4")
@pytest.mark.usefixtures("restored_logging")
def test_what_fails_after_a_stream_is_in_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It has been sent whole: nobody else would say why, or of which request."""

    @login_not_required
    def view() -> ResponseReturnValue:
        response = Response(iter(["who", "le"]))
        response.call_on_close(lambda: 1 / 0)
        return response

    class Own(Kept):
        @override
        def build(self, settings: Any) -> Any:
            application: Flask = super().build(settings)
            application.add_url_rule("/stage/closing", view_func=view)
            return application

    with closing(Own(Files(tmp_path))) as service:
        capfd.readouterr()
        answer = service.visitor().get("/stage/closing")
    assert (answer.status_code, answer.text) == (200, "whole")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    (crash,) = [line for line in lines if line["event"] == "sys_crash"]
    assert crash["request_id"]


@pytest.mark.contract("BND-8")
def test_key_of_flask_security_is_free(kept: Kept) -> None:
    assert "security" not in kept.application.extensions


@pytest.mark.contract("BND-2")
def test_range_that_is_not_there_names_the_length(kept: Kept) -> None:
    answer = kept.visitor().get("/stage/given?range=yes")
    expect.error(answer, 416)
    assert expect.once(answer, "content-range") == "bytes */9"


@pytest.mark.contract("BND-2")
def test_only_get_has_parts(kept: Kept) -> None:
    part = (("Range", "bytes=2-4"),)
    answer = kept.visitor().send("GET", "/stage/sized", part)
    assert (answer.status_code, answer.text) == (206, "234")
    answer = kept.visitor().send("HEAD", "/stage/sized", part)
    assert answer.status_code == 200
    assert expect.once(answer, "content-length") == "10"
    assert "content-range" not in answer.headers


@pytest.mark.contract("BND-2")
def test_setting_that_does_not_count_is_named(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    restored_logging: None,
) -> None:
    settings = {"SESSION_COOKIE_NAME": "shop", "PERMANENT_SESSION_LIFETIME": 60}

    def configured(app: Flask, *arguments: Any, **more: Any) -> Flask:
        app.config |= settings
        return secure(app, *arguments, **more)

    main.create_app(Files(tmp_path).settings())
    assert "left_out" not in capsys.readouterr().err
    monkeypatch.setattr(main, "secure", configured)
    main.create_app(Files(tmp_path).settings())
    lines = [line for line in capsys.readouterr().err.splitlines() if "left_out" in line]
    assert {json.loads(line)["setting"] for line in lines} == {*settings}


@pytest.mark.contract("SES-7")
def test_filter_of_before_takes_no_option_of_templates_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who registers one makes Flask's environment, by the options that are there then.

    Names that are not there stay Flask's: its tutorial and packages build on them.
    """

    def late(app: Flask, *arguments: Any, **more: Any) -> Flask:
        app.add_template_filter(str.upper, "loud")
        return secure(app, *arguments, **more)

    monkeypatch.setattr(main, "secure", late)
    app = main.create_app(Files(tmp_path).settings())
    assert app.jinja_env.filters["loud"] is str.upper
    with app.test_request_context("/"):
        assert render_template_string("{{ request.form['title'] or 'none' }}") == "none"
        assert render_template_string("{% if config.ABSENT %}a{% endif %}{{ absent }}") == ""
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


class Remembering(Stage):
    """The stage with an extension whose cookie logs in when a template asks who it is.

    As Flask-Login's does. `required`: all need a second factor.
    """

    def __init__(self, folder: Path, *, required: bool = False) -> None:
        more = {"accounts.second-factor": "required"} if required else {}
        super().__init__(Files(folder, {**CHEAP, **more}, facts=FACTS))

    @override
    def build(self, settings: Any) -> Any:
        application: Flask = super().build(settings)

        @application.context_processor
        def remembered() -> dict[str, Any]:
            name = request.cookies.get("remember")
            account = current_auth.service.accounts.find(name) if name else None
            if account and KEY not in session:
                session[KEY] = account.id
            return {}

        return application

    def remember(self, user: User) -> Browser:
        browser = self.visitor()
        browser.cookies["remember"] = user.name
        answer = browser.get("/?a=b")
        assert expect.place(answer) == f"{self.origin}/login/factor?next=/%3Fa%3Db"
        return browser


@pytest.mark.contract("PPL-4")
def test_who_is_remembered_is_asked_for_the_code(tmp_path: Path) -> None:
    with closing(Remembering(tmp_path)) as service:
        who = owner(service)
        browser = service.remember(who.user)
        assert browser.get("/login/factor").status_code == 200
        assert not browser.logged_in()
        service.clock.advance(STEP)
        assert browser.post("/login/factor", code=who.phone.wrong()).status_code == 401
        assert browser.post("/login/factor", code=who.phone.code()).status_code == 303
        assert browser.logged_in()


@pytest.mark.contract("PPL-4")
def test_who_is_remembered_is_asked_again_once_that_is_too_late(tmp_path: Path) -> None:
    with closing(Remembering(tmp_path)) as service:
        who = owner(service)
        browser = service.remember(who.user)
        service.clock.advance(service.policy.accounts.factor_timeout + 1)
        assert expect.place(browser.get("/login/factor")) == f"{service.origin}/login"
        assert expect.place(browser.get("/login")).startswith(f"{service.origin}/login/factor")
        service.clock.advance(service.policy.accounts.factor_timeout + 1)
        assert who.login(service, browser).logged_in()


@pytest.mark.contract("PPL-4")
def test_who_is_remembered_is_asked_for_the_passkey(tmp_path: Path) -> None:
    with closing(Remembering(tmp_path)) as service:
        user, device = service.add_user(), Authenticator()
        assert add(service.login(user), device).status_code == 200
        browser = service.remember(user)
        answer = device.get(asked(browser.get("/login/factor")))
        assert browser.post("/login/factor", credential=answer).status_code == 303
        assert browser.logged_in()


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("kind", ["code", "passkey"])
def test_who_is_remembered_adds_the_required_factor(tmp_path: Path, kind: str) -> None:
    with closing(Remembering(tmp_path, required=True)) as service:
        browser = service.remember(service.add_user())
        answer = browser.get("/login/factor")
        assert expect.place(answer) == f"{service.origin}/account/factors/totp"
        if kind == "code":
            enrol(service, browser)
        else:
            assert add(browser, Authenticator()).status_code == 200
        assert browser.logged_in()


@pytest.mark.contract("PPL-4")
def test_view_that_logs_in_again_is_told_again(tmp_path: Path) -> None:
    """Also where something before it has looked whether half a login waits."""

    class Looking(Stage):
        @override
        def build(self, settings: Any) -> Any:
            application: Flask = super().build(settings)

            @application.before_request
            def look() -> None:
                assert current_auth.awaits_second_factor in {True, False}

            return application

    with closing(Looking(Files(tmp_path, facts=FACTS))) as service:
        who = owner(service)
        browser = who.half(service)
        answer = browser.get(f"/stage/enter?name={who.user.name}&then=page")
        assert expect.place(answer).startswith(f"{service.origin}/login/factor")
        assert not browser.logged_in()
