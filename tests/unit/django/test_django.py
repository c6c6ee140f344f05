"""What a Django developer expects of Django, with the policy around it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.conf import settings
from django.contrib.auth import authenticate, get_user_model, login, logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.hashers import check_password, identify_hasher, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, SuspiciousOperation, ValidationError
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.test import Client, override_settings
from django.urls import include, path

from my_service.adapter import service as own_service
from my_service.adapter.database import prepare
from my_service.adapter.sessions import SessionStore

from ... import expect
from ...conftest import ROOT, Make
from ...driver import FORM, HOST, Browser, Files, Inside, User, new_user
from ...process import scope

SAME = (("Content-Type", FORM), ("Sec-Fetch-Site", "same-origin"))
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="(\w+)">')
SERVICE = "my_service"
ADMIN = (ROOT / "src" / SERVICE / "adapter" / "admin.py").exists()

View = Callable[[HttpRequest], object]


class _Views:
    """The view at /try: what a test puts here."""

    run: View = staticmethod(lambda _: "")


def _try(request: HttpRequest) -> HttpResponse:
    answer = _Views.run(request)
    return answer if isinstance(answer, HttpResponse) else HttpResponse(str(answer))


def _breaks(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Any:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        raise RuntimeError("a failing middleware")

    return middleware


urlpatterns = [path("try", _try), path("", include(f"{SERVICE}.adapter.urls"))]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """A service with one page more: /try."""
    with (
        override_settings(ROOT_URLCONF=__name__),
        closing(Inside(Files(tmp_path_factory.mktemp("pages")))) as service,
    ):
        yield service


def run(browser: Browser, view: View) -> str:
    """Run a view in a request of the browser; return what it answers."""
    _Views.run = staticmethod(view)
    answer = browser.get("/try")
    assert answer.status_code == 200, answer.text
    return answer.text


# manage.py


def test_processes_that_start_at_once_make_the_tables_once(tmp_path: Path) -> None:
    environment = {**os.environ, **Files(tmp_path).environment()}
    program = f"from {SERVICE}.app.main import create_app; create_app()"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    errors = [each.communicate()[1].decode() for each in started]
    assert [each.returncode for each in started] == [0, 0, 0], errors


# request.session


@pytest.mark.contract("SES-2")
def test_cycle_key_keeps_the_content_under_another_id(pages: Inside) -> None:
    browser = pages.visitor()
    run(browser, lambda request: request.session.update({"cart": [1, 2]}))
    thief = browser.copy()
    run(browser, lambda request: request.session.cycle_key())
    assert browser.session != thief.session
    assert run(browser, lambda request: request.session["cart"]) == "[1, 2]"
    assert run(thief, lambda request: request.session.get("cart")) == "None"


@pytest.mark.contract("SES-7")
def test_flush_ends_the_session(pages: Inside) -> None:
    browser = pages.visitor()
    run(browser, lambda request: request.session.update({"cart": 1}))
    thief = browser.copy()
    run(browser, lambda request: request.session.flush())
    assert not browser.session
    assert run(thief, lambda request: request.session.is_empty()) == "True"


def test_what_is_written_after_flush_begins_another_session(pages: Inside) -> None:
    browser = pages.visitor()
    run(browser, lambda request: request.session.update({"cart": 1}))
    thief = browser.copy()

    def renew(request: HttpRequest) -> None:
        request.session.flush()
        request.session["colour"] = "green"

    run(browser, renew)
    assert run(browser, lambda request: dict(request.session.items())) == "{'colour': 'green'}"
    assert run(thief, lambda request: request.session.is_empty()) == "True"


@pytest.mark.contract("SES-6")
def test_set_expiry_shortens_a_session_and_never_extends_it(pages: Inside) -> None:
    browser = pages.visitor()

    def limit(value: object) -> View:
        def view(request: HttpRequest) -> None:
            request.session["cart"] = 1
            request.session.set_expiry(value)  # type: ignore[arg-type] # of every kind

        return view

    for value in (60, timedelta(seconds=60)):
        run(browser, limit(value))
        pages.clock.advance(58)
        assert run(browser, lambda request: request.session.get("cart")) == "1"
        pages.clock.advance(3)
        assert run(browser, lambda request: request.session.get("cart")) == "None"
    member = pages.member()
    run(member, limit(60))
    pages.clock.advance(61)
    assert not member.logged_in()
    run(browser, limit(10**9))
    pages.clock.advance(pages.policy.sessions.idle_timeout + 1)
    assert run(browser, lambda request: request.session.get("cart")) == "None"


@pytest.mark.contract("SES-9")
def test_reading_makes_no_cookie(pages: Inside) -> None:
    browser = pages.visitor()
    run(browser, lambda request: [request.session.get("cart"), request.session.is_empty()])
    # A form's token is for sessions that could be abused.
    run(browser, get_token)
    assert not browser.cookies


def test_usual_methods(pages: Inside) -> None:
    browser = pages.visitor()

    def view(request: HttpRequest) -> list[object]:
        session = request.session
        session.set_test_cookie()
        return [
            session.setdefault("n", 1),
            session.pop("n"),
            "n" in session,
            session.test_cookie_worked(),
            session.get_expiry_age(),
            session.has_key("testcookie"),
        ]

    age = pages.policy.sessions.absolute_timeout
    assert run(browser, view) == str([1, 1, False, True, age, True])
    run(browser, lambda request: request.session.clear())
    assert not browser.session


# Users


def by_name(pages: Inside, user: User) -> Any:
    with scope(f"sqlite:///{pages.files.database}"):
        return get_user_model()._default_manager.get(username=user.name)


@pytest.mark.contract("SES-2")
def test_login_and_logout_are_the_services(pages: Inside) -> None:
    user = pages.add_user()
    browser = pages.visitor()
    run(browser, lambda request: request.session.update({"cart": 1}))
    before = browser.copy()

    def enter(request: HttpRequest) -> object:
        found = authenticate(request, username=user.name.upper(), password=user.password)
        assert found
        login(request, found)
        return found.get_username()

    assert run(browser, enter) == user.name
    assert browser.session != before.session
    assert len(browser.cookies) == 2
    assert not before.logged_in()
    assert browser.logged_in()
    assert len(pages.login(user).sessions()) == 1
    assert run(browser, lambda request: request.user) == user.name
    thief = browser.copy()
    run(browser, logout)
    assert not browser.session
    assert not thief.logged_in()
    assert run(thief, lambda request: request.user) == "AnonymousUser"


@pytest.mark.contract("SES-2")
def test_password_alone_starts_no_session(pages: Inside) -> None:
    user = pages.add_user()
    browser = pages.visitor()
    right = {"username": user.name, "password": user.password}
    assert run(browser, lambda request: authenticate(request, **right)) == user.name
    assert not browser.cookies


@pytest.mark.contract("THR-1")
def test_authenticate_goes_through_the_throttle(pages: Inside) -> None:
    user = pages.add_user()
    browser = pages.visitor()
    wrong = {"username": user.name, "password": "a wrong password"}
    _Views.run = staticmethod(lambda request: authenticate(request, **wrong))
    for _ in range(pages.policy.throttle.pair.limit):
        assert browser.get("/try").text == "None"
    expect.error(browser.get("/try"), 429)
    assert browser.login(user.name, user.password).status_code == 429
    # Without a request nobody would be counted.
    with scope(f"sqlite:///{pages.files.database}"):
        assert authenticate(username=user.name, password=user.password) is None


@pytest.mark.contract("SES-7")
@pytest.mark.parametrize("how", ["inactive", "deleted", "password"])
def test_changed_user_is_out(pages: Inside, how: str) -> None:
    user = pages.add_user()
    member, other = pages.login(user), pages.member()

    def change(_: HttpRequest) -> None:
        changed = get_user_model()._default_manager.get(username=user.name)
        if how == "deleted":
            changed.delete()
            return
        if how == "password":
            changed.set_password("Vierzehn alte Birken rauschen")
        else:
            changed.is_active = False
        changed.save()

    run(other, change)
    assert not member.logged_in()
    assert other.logged_in()
    assert pages.visitor().login(user.name, user.password).status_code == 401


def test_session_outlives_its_own_change_of_password(pages: Inside) -> None:
    user = pages.add_user()
    member = pages.login(user)
    new = "Vierzehn alte Birken rauschen"
    answer = member.post("/account/password", current_password=user.password, new_password=new)
    assert answer.status_code == 303
    assert run(member, lambda request: request.user) == user.name


@pytest.mark.contract("ACC-1")
def test_hashes_are_the_same_on_both_sides(pages: Inside) -> None:
    user = pages.add_user()
    stored = by_name(pages, user).password
    assert stored.startswith("argon2$argon2id$v=19$")
    assert identify_hasher(stored).algorithm == "argon2"
    member = pages.member()
    assert run(member, lambda _: check_password(user.password, stored)) == "True"
    assert run(member, lambda _: check_password(user.password + " ", stored)) == "False"
    made = run(member, lambda _: make_password("Vierzehn Birken"))
    assert re.match(r"argon2\$argon2id\$v=19\$m=8192,t=1,p=1\$", made)


@pytest.mark.contract("ACC-1")
@pytest.mark.parametrize("password", ["short", "passwordpassword", "NAME im Garten 77"])
def test_validators_are_the_policys(pages: Inside, password: str) -> None:
    user = by_name(pages, pages.add_user())

    def view(_: HttpRequest) -> str:
        with pytest.raises(ValidationError) as refused:
            validate_password(password.replace("NAME", user.username), user)
        return refused.value.messages[0]

    assert run(pages.visitor(), view)


def test_login_required_leads_to_the_login_page(pages: Inside) -> None:
    _Views.run = staticmethod(login_required(lambda _: HttpResponse("in")))
    answer = pages.visitor().get("/try")
    assert answer.status_code == 302
    assert answer.headers["location"] == "/login?next=/try"
    assert pages.member().get("/try").text == "in"


# The token


def token(browser: Browser) -> tuple[str, str]:
    """Return name and value of the field that the service's pages hide in their forms."""
    found = HIDDEN.search(browser.get("/account").text)
    assert found
    return found[1], found[2]


def end_others(browser: Browser, *headers: tuple[str, str], **fields: str) -> Any:
    """Submit a form of the account page without what `Browser` would add."""
    target, body = "/account/sessions/end-others", urlencode(fields).encode()
    return browser.send("POST", target, (*SAME, *(headers or (("X-CSRF-Token", ""),))), body)


@pytest.mark.contract("CSR-1")
def test_form_needs_the_token_of_its_session(pages: Inside) -> None:
    user = pages.add_user()
    member, other = pages.login(user), pages.login(user)
    name, value = token(member)
    assert "django" not in name
    expect.error(end_others(member), 403)
    expect.error(end_others(member, **{name: ""}), 403)
    expect.error(end_others(member, **{name: "a" * len(value)}), 403)
    expect.error(end_others(member, **{name: token(other)[1]}), 403)
    assert other.logged_in()
    assert end_others(member, **{name: value}).status_code == 303
    assert not other.logged_in()
    assert end_others(member, ("X-CSRF-Token", value)).status_code == 303
    for target in ("/logout", "/account/password", "/account/sessions/end-others"):
        expect.error(member.send("POST", target, (*SAME, ("X-CSRF-Token", ""))), 403)
    assert member.logged_in()


@pytest.mark.contract("CSR-1")
def test_token_changes_at_login(pages: Inside) -> None:
    user = pages.add_user()
    member = pages.login(user)
    name, value = token(member)
    assert member.login(user.name, user.password).status_code == 303
    expect.error(end_others(member, **{name: value}), 403)


@pytest.mark.contract("SES-9")
def test_visitor_has_no_token_and_needs_none(pages: Inside) -> None:
    visitor = pages.visitor()
    assert not HIDDEN.search(visitor.get("/login").text.replace('name="next"', ""))
    assert visitor.login(new_user().name, "a wrong password").status_code == 401
    assert not visitor.cookies


@pytest.mark.contract("CSR-1")
@pytest.mark.example
def test_api_needs_no_token_but_json(pages: Inside) -> None:
    member = pages.member()
    headers = (("Sec-Fetch-Site", "same-origin"), ("X-CSRF-Token", ""))
    json = (("Content-Type", "application/json"), *headers)
    assert member.send("POST", "/api/notes", json, b'{"title":"a"}').status_code == 201
    expect.error(member.send("POST", "/api/notes", (("Content-Type", FORM), *headers), b"a=b"), 415)


# The edge of the policy


@pytest.mark.contract("HDR-1")
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Http404("secret"), 404),
        (PermissionDenied("secret"), 403),
        (SuspiciousOperation("secret"), 400),
        (OperationalError("secret"), 503),
        (RuntimeError("secret"), 500),
    ],
    ids=lambda each: type(each).__name__,
)
def test_exceptions_are_answered_by_the_policy(
    pages: Inside, error: Exception, status: int
) -> None:
    def view(_: HttpRequest) -> None:
        raise error

    _Views.run = staticmethod(view)
    expect.error(pages.visitor().get("/try"), status, echo="secret")


@pytest.mark.contract("HDR-1")
def test_failing_middleware_is_answered_by_the_policy(make: Make) -> None:
    with override_settings(MIDDLEWARE=[f"{__name__}._breaks", *settings.MIDDLEWARE]):
        inside = make()
        expect.error(inside.visitor().get("/"), 500)


@pytest.mark.contract("PRX-1")
def test_requests_know_the_host_and_the_scheme_behind_the_proxy(pages: Inside) -> None:
    _Views.run = staticmethod(lambda request: [request.is_secure(), request.build_absolute_uri()])
    forwarded = (("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "192.0.2.1"))
    answer = pages.visitor().send("GET", "/try", forwarded, peer="127.0.0.1", scheme="http")
    assert answer.text == str([True, f"https://{HOST}/try"])
    answer = pages.visitor().send("GET", "/try", forwarded, scheme="http")
    assert answer.text == str([False, f"http://{HOST}/try"])


@pytest.mark.skipif(ADMIN, reason="the admin was asked for")
def test_there_is_no_admin_unless_asked_for(pages: Inside) -> None:
    assert "django.contrib.admin" not in settings.INSTALLED_APPS
    assert not list((ROOT / "src").glob("*/*/admin.py"))
    for prefix in ("/admin/", "/admin/login/", "/static/admin/css/base.css"):
        expect.error(pages.visitor().get(prefix), 404)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Django's own test client, of a service that needs no environment but its files."""
    monkeypatch.setenv("APP_STORE_URL", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.setattr(own_service, "_own", [])
    with scope(f"sqlite:///{tmp_path}/app.db"):
        prepare()
        yield Client(headers={"sec-fetch-site": "same-origin"})


@pytest.mark.usefixtures("restored_logging")
@pytest.mark.contract("HDR-1")
def test_client_of_django_sees_the_policy(client: Client) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    for name, value in expect.HEADERS.items():
        assert answer.headers[name] == value, name
    assert "nonce-" in answer.headers["content-security-policy"]
    assert client.get("/unknown").status_code == 404
    assert client.get("/healthz").content == b"ok\n"
    assert client.post("/login", {}).status_code == 415
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.usefixtures("restored_logging")
def test_client_of_django_can_log_in(client: Client) -> None:
    user = get_user_model()._default_manager.create_user("ada", "Vierzehn alte Birken rauschen")
    client.force_login(user)
    assert client.get("/account").status_code == 200
    assert client.session["_auth_user_id"] == user.pk
    client.logout()
    assert client.get("/account").status_code == 303
    fields = urlencode({"username": "ada", "password": "Vierzehn alte Birken rauschen"})
    answer = client.post("/login", fields, content_type=FORM)
    assert answer.status_code == 303
    assert urlsplit(answer.headers["location"]).path == "/account"
    assert client.get("/account").status_code == 200
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = SimpleCookie(client.cookies.output(header=""))
    same = {"sec-fetch-site": "same-origin"}
    assert strict.post("/logout", "", content_type=FORM, headers=same).status_code == 403
    assert client.post("/logout", "", content_type=FORM).status_code == 303


@pytest.mark.usefixtures("restored_logging")
def test_session_store_works_outside_of_requests(client: Client) -> None:
    made = SessionStore()
    made["cart"] = 1
    made.save()
    assert made.session_key
    again = SessionStore(made.session_key)
    assert again["cart"] == 1
    assert made.exists(made.session_key)
    again.delete(made.session_key)
    assert not made.exists(made.session_key)
