"""What a Django developer expects of Django, with the policy around it."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from datetime import timedelta
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import argon2
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import (
    aauthenticate,
    alogin,
    alogout,
    authenticate,
    get_user_model,
    login,
    logout,
)
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.decorators import login_not_required, login_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.hashers import (
    acheck_password,
    check_password,
    identify_hasher,
    make_password,
)
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.signals import user_logged_in
from django.contrib.auth.views import LoginView
from django.core import mail
from django.core.asgi import get_asgi_application
from django.core.cache import cache
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    SuspiciousOperation,
    ValidationError,
)
from django.core.handlers.asgi import ASGIRequest
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404, render
from django.template import engines
from django.test import AsyncClient, Client, RequestFactory, TestCase, override_settings
from django.test.utils import setup_test_environment, teardown_test_environment
from django.urls import (
    LocalePrefixPattern,
    URLResolver,
    include,
    path,
    register_converter,
)
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.log import AdminEmailHandler
from django.views import View
from django.views.decorators.cache import cache_page, never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_POST
from django.views.decorators.vary import vary_on_cookie

from my_service.adapter import Problem, current, schema
from my_service.adapter.access import allowed_methods, is_public
from my_service.adapter.current import current_boundary
from my_service.adapter.sessions import SessionStore
from my_service.security.accounts import Change

from .. import expect
from ..conftest import ROOT, Make
from ..driver import (
    COOKIE_SESSIONS,
    FORM,
    HOST,
    SESSION,
    Browser,
    Files,
    Inside,
    User,
    development,
    new_user,
)
from ..process import scope
from ..test_ppl_factors import owner

SAME = (("Content-Type", FORM), ("Sec-Fetch-Site", "same-origin"))
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="(\w+)">')
SERVICE = "my_service"
COMMON = "django.middleware.common.CommonMiddleware"
ADMIN = (ROOT / "src" / SERVICE / "adapter" / "admin.py").exists()

PASSWORD = "Vierzehn alte Birken rauschen"

Run = Callable[[HttpRequest], object]
Wait = Callable[[HttpRequest], Awaitable[object]]


async def _nothing(_: HttpRequest) -> object:
    return ""


class _Views:
    """The views at /try and /await: what a test puts here."""

    run: Run = staticmethod(lambda _: "")
    password = ""
    wait: Wait = staticmethod(_nothing)


@login_not_required
def _try(request: HttpRequest) -> HttpResponse:
    answer = _Views.run(request)
    return answer if isinstance(answer, HttpResponse) else HttpResponse(str(answer))


def _breaks(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Any:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        raise RuntimeError("a failing middleware")

    return middleware


def _answers(_: Callable[[HttpRequest], HttpResponseBase]) -> Any:
    return lambda _: HttpResponse("down for an hour", status=503)


@login_not_required
async def _await(request: HttpRequest) -> HttpResponse:
    answer = await _Views.wait(request)
    return answer if isinstance(answer, HttpResponse) else HttpResponse(str(answer))


class _Looked:
    """Part of an address that is looked up, or that cannot be."""

    regex = "[a-z]+"

    def to_python(self, value: str) -> str:
        if value == "crash":
            raise RuntimeError("secret")
        get_user_model()._default_manager.filter(username=value).first()
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(_Looked, "looked")


@login_not_required
def _look(request: HttpRequest, name: str) -> HttpResponse:
    return HttpResponse(f"{name} {request.POST.get('a')}")


urlpatterns = [
    path("try", _try),
    path("look/<looked:name>", _look),
    URLResolver(
        # What `i18n_patterns` makes where USE_I18N is on.
        LocalePrefixPattern(),
        [path("spoken", _try), path("closed", lambda _: HttpResponse("inside"))],
    ),
    path("await", _await),
    path("", include(f"{SERVICE}.app.urls")),
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """A service with one page more: /try."""
    with (
        override_settings(ROOT_URLCONF=__name__),
        closing(Inside(Files(tmp_path_factory.mktemp("pages")))) as service,
    ):
        yield service


def run(browser: Browser, view: Run) -> str:
    """Run a view in a request of the browser; return what it answers."""
    _Views.run = staticmethod(view)
    answer = browser.get("/try")
    assert answer.status_code == 200, answer.text
    return answer.text


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
def test_what_the_browser_keeps_is_cleared_also_where_another_session_begins(
    pages: Inside,
) -> None:
    """As `messages.success(request, "You have logged out")` after `logout` does."""
    browser = pages.member()

    def leave(request: HttpRequest) -> HttpResponse:
        logout(request)
        messages.success(request, "You have logged out")
        return HttpResponseRedirect("/")

    _Views.run = staticmethod(leave)
    answer = browser.get("/try")
    assert "storage" in expect.once(answer, "clear-site-data")
    assert not browser.logged_in()
    told = run(browser, lambda request: [str(each) for each in messages.get_messages(request)])
    assert told == "['You have logged out']"


def _cart(request: HttpRequest) -> str | None:
    if not request.session.session_key:
        request.session.create()
    return request.session.session_key


@pytest.mark.contract("SES-12")
@pytest.mark.parametrize("begin", [_cart, lambda request: request.session.save() or _cart(request)])
def test_visitor_has_a_key_of_their_own(pages: Inside, begin: Run) -> None:
    """It was None for all of them, so that each found what another had put there."""
    browsers = [pages.visitor(), pages.visitor()]
    keys = [run(browser, begin) for browser in browsers]
    assert "None" not in keys
    assert len(set(keys)) == len(browsers)
    assert keys == [browser.session for browser in browsers]
    # What comes and goes meanwhile does not take it away.
    for browser, key in zip(browsers, keys, strict=True):
        if not COOKIE_SESSIONS:
            run(browser, lambda request: request.session.update({"a": 1}))
            run(browser, lambda request: request.session.pop("a"))
        assert run(browser, _cart) == key


@pytest.mark.contract("SES-12")
def test_key_is_the_one_that_the_response_brings(make: Make) -> None:
    """Who keeps it to end the session later, ends that one."""

    def key(request: HttpRequest) -> str | None:
        return request.session.session_key

    def renewed(request: HttpRequest) -> str | None:
        request.session["cart"] = 1
        request.session.cycle_key()
        return key(request)

    def begun(request: HttpRequest) -> str | None:
        request.session.flush()
        assert key(request) is None
        request.session.create()
        return key(request)

    def ended(request: HttpRequest) -> None:
        current.adopt(current.exchange_of(request).boundary)
        SessionStore(told).delete()
        current.forget()

    def entered(request: HttpRequest) -> str | None:
        login(request, get_user_model()._default_manager.get(username=user.name))
        return key(request)

    with override_settings(ROOT_URLCONF=__name__):
        inside = make()
        user = inside.add_user()
        browser, member, forged = (inside.visitor() for _ in range(3))
        assert run(browser, key) == "None"
        assert not browser.session
        for view in (renewed, renewed, begun):
            assert run(browser, view) == browser.session
            assert run(browser, key) == browser.session
        told = run(member, entered)
        # A cookie has the form's token, too, which comes later.
        assert COOKIE_SESSIONS or told == member.session
        assert member.logged_in()
        run(forged, ended)
        assert not member.logged_in()
        forged.cookies[SESSION] = "A" * 43
        assert run(forged, key) == "None"


@pytest.mark.contract("SES-9")
@pytest.mark.usefixtures("restored_logging")
def test_signal_alone_signs_nobody_in(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    """As packages send it that hand out a token, some without a request."""

    def view(request: HttpRequest) -> str:
        model = get_user_model()
        found = model._default_manager.get(username=request.GET["name"])
        for given in (request, None, RequestFactory().get("/")):
            user_logged_in.send(sender=model, request=given, user=found)
        return "a token"

    with override_settings(ROOT_URLCONF=__name__):
        inside = make()
        user, browser = inside.add_user(), inside.visitor()
        member = inside.member()
        before = member.session
        _Views.run = staticmethod(view)
        capfd.readouterr()
        for each in (browser, member):
            assert each.get(f"/try?name={user.name}").text == "a token"
        assert not browser.cookies
        assert member.session == before
    assert capfd.readouterr().err.count("authn_login_success") == len([browser, member])


@pytest.mark.contract("SES-12")
def test_key_of_the_response_on_its_way_is_one_that_exists(make: Make) -> None:
    """Who lists sessions, as allauth does, would drop the one that has just begun."""

    def view(request: HttpRequest) -> list[bool]:
        current.adopt(current.exchange_of(request).boundary)
        request.session["cart"] = 1
        request.session.cycle_key()
        asked = [str(request.session.session_key), "A" * 43]
        known = [SessionStore().exists(key) for key in asked]
        current.forget()
        return known

    with override_settings(ROOT_URLCONF=__name__):
        assert run(make().visitor(), view) == "[True, False]"


@pytest.mark.contract("SES-6")
def test_set_expiry_shortens_a_session_and_never_extends_it(pages: Inside) -> None:
    browser = pages.visitor()

    def limit(value: object) -> Run:
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


@pytest.mark.contract("THR-9")
def test_clock_that_is_set_back_makes_no_limit_longer(pages: Inside) -> None:
    browser = pages.visitor()

    def view(request: HttpRequest) -> None:
        request.session["cart"] = 1
        request.session.set_expiry(600)

    run(browser, view)
    # Less than the session itself would last.
    pages.clock.advance(-300)
    assert run(browser, lambda request: request.session.get("cart")) == "None"


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
    # Outside of a request everybody comes from one place.
    own = pages.add_user()
    with scope(f"sqlite:///{pages.files.database}"):
        assert authenticate(username=own.name, password=own.password)
        for _ in range(pages.policy.throttle.pair.limit):
            assert authenticate(username=own.name, password="a wrong password") is None
        with pytest.raises(Problem):
            authenticate(username=own.name, password=own.password)


@pytest.mark.contract("ACC-2")
@pytest.mark.parametrize("signed_in", [True, False])
def test_password_that_a_view_checks_counts_like_a_login(pages: Inside, signed_in: bool) -> None:
    """As Django's own change of password does, and a login by an e-mail address."""
    user = pages.add_user()
    stored = by_name(pages, user).password
    browser = pages.login(user) if signed_in else pages.visitor()
    _Views.run = staticmethod(lambda _: check_password("a wrong password", stored))
    for _ in range(pages.policy.throttle.pair.limit):
        assert browser.get("/try").text == "False"
    _Views.run = staticmethod(lambda _: check_password(user.password, stored))
    expect.error(browser.get("/try"), 429)
    assert run(pages.visitor(), lambda _: check_password(user.password, stored)) == "True"
    # Whose password it is, a request that is signed in knows: one count for both ways.
    answer = Browser(pages, browser.address).login(user.name, user.password)
    assert answer.status_code == (429 if signed_in else 303)


@pytest.mark.contract("THR-1")
@pytest.mark.parametrize("known", [True, False])
def test_async_login_is_the_same(pages: Inside, known: bool) -> None:
    """Django's own `aauthenticate` of a backend would neither count names nor know factors."""
    user = pages.add_user()
    name = user.name if known else "nobody-of-that-name"
    browser = pages.visitor()

    async def view(request: HttpRequest) -> object:
        found = await aauthenticate(request, username=name.upper(), password=_Views.password)
        if found:
            await alogin(request, found)
        return found

    _Views.wait = staticmethod(view)
    _Views.password = "a wrong password"
    for _ in range(pages.policy.throttle.pair.limit):
        assert browser.get("/await").text == "None"
    _Views.password = user.password
    expect.error(browser.get("/await"), 429)
    assert browser.login(name, user.password).status_code == 429
    other = pages.visitor()
    assert other.get("/await").text == (name if known else "None")
    assert other.logged_in() == known

    async def leave(request: HttpRequest) -> object:
        await alogout(request)
        return "out"

    _Views.wait = staticmethod(leave)
    before = other.copy()
    assert other.get("/await").text == "out"
    assert not other.logged_in()
    # SES-4
    assert not before.logged_in()


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_nobody_is_there_after_half_a_login(pages: Inside, kind: str, asked: bool) -> None:
    """Neither by `request.user` nor by `request.auser`, which remembers what it has answered."""
    who = owner(pages).user
    browser = pages.login(pages.add_user())
    seen: list[Any] = []

    async def view(request: HttpRequest) -> None:
        if asked:
            assert (await request.auser()).is_authenticated
        user = await aauthenticate(request, username=who.name, password=who.password)
        assert user
        await (alogin if kind == "async" else sync_to_async(login))(request, user)
        seen.extend((request.user, await request.auser()))

    _Views.wait = staticmethod(view)
    assert expect.place(browser.get("/await")).startswith(f"{pages.origin}/login/factor")
    assert [user.is_authenticated for user in seen] == [False, False]
    assert not browser.logged_in()


@pytest.mark.contract("ACC-2")
@pytest.mark.parametrize("signed_in", [True, False])
def test_password_that_an_async_view_checks_counts(pages: Inside, signed_in: bool) -> None:
    user = pages.add_user()
    stored = by_name(pages, user).password
    browser = pages.login(user) if signed_in else pages.visitor()

    async def view(_: HttpRequest) -> object:
        return await acheck_password(_Views.password, stored)

    _Views.wait = staticmethod(view)
    _Views.password = user.password
    assert browser.get("/await").text == "True"
    _Views.password = "a wrong password"
    for _ in range(pages.policy.throttle.pair.limit):
        assert browser.get("/await").text == "False"
    _Views.password = user.password
    expect.error(browser.get("/await"), 429)


@pytest.mark.contract("ACC-2")
def test_async_view_checks_a_password_whose_hash_is_outdated(pages: Inside) -> None:
    user = pages.add_user()
    outdated = "argon2" + argon2.PasswordHasher(1, 8, 1).hash(user.password)

    async def view(_: HttpRequest) -> object:
        return await acheck_password(user.password, outdated)

    _Views.wait = staticmethod(view)
    assert pages.visitor().get("/await").text == "True"


def test_async_views_have_the_same_session(pages: Inside) -> None:
    browser = pages.member()

    async def write(request: HttpRequest) -> object:
        session = request.session
        await session.aset("cart", [1])
        await session.aupdate({"more": {"a": 1}})
        assert await session.asetdefault("list", []) == []
        session["list"].append(2)
        await session.aset("gone", 1)
        assert await session.apop("gone") == 1
        assert await session.apop("gone", None) is None
        await session.aset_test_cookie()
        return await request.auser()

    async def read(request: HttpRequest) -> object:
        session = request.session
        found = {key: await session.aget(key) for key in ("cart", "more", "list", "gone")}
        return found if await session.atest_cookie_worked() and session["cart"] else None

    _Views.wait = staticmethod(write)
    assert browser.get("/await").text.startswith("user-")
    _Views.wait = staticmethod(read)
    there = "{'cart': [1], 'more': {'a': 1}, 'list': [2], 'gone': None}"
    assert browser.get("/await").text == there

    before = dict(browser.cookies)

    async def cycle(request: HttpRequest) -> object:
        await request.session.acycle_key()
        return ""

    _Views.wait = staticmethod(cycle)
    browser.get("/await")
    assert dict(browser.cookies) != before
    _Views.wait = staticmethod(read)
    assert browser.get("/await").text == there

    async def shorten(request: HttpRequest) -> object:
        await request.session.aset_expiry(60)
        return ""

    _Views.wait = staticmethod(shorten)
    browser.get("/await")
    pages.clock.advance(61)
    assert not browser.logged_in()


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


@pytest.mark.contract("SES-7")
def test_ended_sessions_do_not_come_back_with_the_user(pages: Inside) -> None:
    user = pages.add_user()
    member, other = pages.login(user), pages.member()

    def active(value: bool) -> str:
        found = get_user_model()._default_manager.get(username=user.name)
        found.is_active = value
        found.save()
        return ""

    run(other, lambda _: active(False))
    run(other, lambda _: active(True))
    assert not member.logged_in()


@pytest.mark.contract("SES-7")
def test_changed_password_ends_the_sessions_that_are_listed(pages: Inside) -> None:
    user = pages.add_user()
    pages.login(user)
    new = "Vierzehn alte Birken rauschen"

    def change(_: HttpRequest) -> str:
        found = get_user_model()._default_manager.get(username=user.name)
        found.set_password(new)
        found.save()
        return ""

    run(pages.member(), change)
    assert pages.login(User(user.name, new)).sessions() == []


@pytest.mark.contract("PPL-5")
def test_a_password_that_code_changes_is_told_and_logged(
    pages: Inside, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As the admin and packages do; the first password of a new user is no change."""
    logging.getLogger().addHandler(caplog.handler)
    told: list[tuple[str, Change]] = []
    made = new_user()
    name, new = made.name, made.password

    def change(_: HttpRequest) -> str:
        login = current_boundary().login
        monkeypatch.setattr(login, "tell", lambda *said: told.append(said))
        user = get_user_model()._default_manager.create_user(name, password=new)
        # A new hash of the same password, as Django makes it at a login.
        user.set_password(new)
        user._password = None  # type: ignore[attr-defined] # as Django itself
        user.save(update_fields=["password"])
        assert told == []
        assert "authn_password_change" not in caplog.text
        again = get_user_model()._default_manager.get(username=name)
        for known in (user, again):
            known.set_password("Vierzehn alte Birken rauschen")
            known.save()
        return ""

    run(pages.member(), change)
    assert told == [(name, Change.PASSWORD)] * 2
    assert "authn_password_change" in caplog.text


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
    # Prefix, kind, version and cost.
    assert made.split("$")[:4] == stored.split("$")[:4]


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
    return browser.send("POST", target, (*SAME, *(headers or (("X-CSRFToken", ""),))), body)


@pytest.mark.contract("CSR-1")
def test_form_needs_the_token_of_its_session(pages: Inside) -> None:
    user = pages.add_user()
    member, other = pages.login(user), pages.login(user)
    name, value = token(member)
    expect.error(end_others(member), 403)
    expect.error(end_others(member, **{name: ""}), 403)
    expect.error(end_others(member, **{name: "a" * len(value)}), 403)
    expect.error(end_others(member, **{name: token(other)[1]}), 403)
    assert other.logged_in()
    assert end_others(member, **{name: value}).status_code == 303
    assert not other.logged_in()
    assert end_others(member, ("X-CSRFToken", value)).status_code == 303
    for target in ("/logout", "/account/password", "/account/sessions/end-others"):
        expect.error(member.send("POST", target, (*SAME, ("X-CSRFToken", ""))), 403)
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
    # The same page for all.
    assert 'value="visitor"' in visitor.get("/login").text
    assert visitor.login(new_user().name, "a wrong password").status_code == 401
    assert not visitor.cookies


@pytest.mark.contract("CSR-1")
@pytest.mark.example
def test_api_needs_no_token_but_json(pages: Inside) -> None:
    member = pages.member()
    headers = (("Sec-Fetch-Site", "same-origin"), ("X-CSRFToken", ""))
    json = (("Content-Type", "application/json"), *headers)
    assert member.send("POST", "/api/notes", json, b'{"title":"a"}').status_code == 201
    form = (("Content-Type", FORM), *headers)
    expect.error(member.send("POST", "/api/notes", form, b"a=b"), 403)
    body = urlencode(dict([token(member)])).encode()
    expect.error(member.send("POST", "/api/notes", form, body), 415)


# The edge of the policy


@pytest.mark.contract("HDR-1")
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Http404(), 404),
        (PermissionDenied(), 403),
        (BadRequest(), 400),
        (SuspiciousOperation("secret"), 400),
        (OperationalError("secret"), 503),
        (RuntimeError("secret"), 500),
    ],
    ids=lambda each: type(each).__name__,
)
def test_exceptions_are_answered_by_the_policy(
    pages: Inside, error: Exception, status: int
) -> None:
    _Views.run = staticmethod(_raising(error))
    expect.error(pages.visitor().get("/try"), status, echo="secret")


def _raising(error: Exception) -> Run:
    def view(_: HttpRequest) -> None:
        raise error

    return view


@pytest.mark.contract("DAT-3")
@pytest.mark.usefixtures("restored_logging")
def test_crash_is_in_the_log_whatever_body_came(
    pages: Inside, capfd: pytest.CaptureFixture[str]
) -> None:
    """The view has not read it, so what is wrong with it is not what went wrong."""
    _Views.run = staticmethod(_raising(RuntimeError("a fault of the view")))
    kind = (("Content-Type", "multipart/form-data; boundary=a"), SAME[1])
    capfd.readouterr()
    expect.error(pages.visitor().send("POST", "/try", kind, b"no multipart"), 500)
    log = capfd.readouterr().err
    assert "a fault of the view" in log
    assert "input_validation_fail" not in log


@pytest.mark.contract("HDR-3")
@pytest.mark.usefixtures("restored_logging")
def test_csp_of_djangos_settings_does_not_stand_in_the_place_of_the_policys(
    make: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    """Django 6: its middleware, context processor and decorators, with the policy's nonce."""
    decorators = pytest.importorskip("django.views.decorators.csp")
    own = {"default-src": ["'self'"], "script-src": ["<CSP_NONCE_SENTINEL>"]}
    template = settings.TEMPLATES[0]
    processors = [
        *template["OPTIONS"]["context_processors"],
        "django.template.context_processors.csp",
    ]
    options = {**template["OPTIONS"], "context_processors": processors}
    around = [*settings.MIDDLEWARE]
    around.insert(around.index(COMMON), "django.middleware.csp.ContentSecurityPolicyMiddleware")

    def view(request: HttpRequest) -> HttpResponse:
        page = engines["django"].from_string("<i>{{ csp_nonce }}</i>").render({}, request)
        return HttpResponse(page)

    with override_settings(
        MIDDLEWARE=around,
        TEMPLATES=[{**template, "OPTIONS": options}],
        SECURE_CSP=own,
        ROOT_URLCONF=__name__,
    ):
        browser = make().visitor()
        assert "SECURE_CSP" in capfd.readouterr().err
        for page in (view, decorators.csp_override({})(view)):
            _Views.run = staticmethod(page)
            answer = browser.get("/try")
            expect.page_csp(answer)
            assert answer.text == f"<i>{expect.nonce(answer)}</i>"
        expect.page_csp(browser.get("/login"))
        expect.error(browser.get("/nothing-here"), 404)
        # What a view says for itself, stands.
        _Views.run = staticmethod(decorators.csp_override(own)(view))
        answer = browser.get("/try")
        assert expect.csp(answer)["default-src"] == "'self'"
        assert answer.text == f"<i>{expect.nonce(answer)}</i>"


@pytest.mark.contract("HDR-1")
def test_failing_middleware_is_answered_by_the_policy(make: Make) -> None:
    with override_settings(MIDDLEWARE=[f"{__name__}._breaks", *settings.MIDDLEWARE]):
        inside = make()
        expect.error(inside.visitor().get("/"), 500)


@pytest.mark.contract("BND-8")
def test_service_whose_addresses_cannot_be_read_does_not_start(make: Make) -> None:
    """It would say that it is ready, and answer 500 to everybody."""
    with (
        override_settings(ROOT_URLCONF=f"{SERVICE}.app.no_such_urls"),
        pytest.raises(ModuleNotFoundError, match="no_such_urls"),
    ):
        make()


@pytest.mark.contract("RTE-2")
def test_language_that_is_missing_in_an_address_is_added_for_everybody(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `i18n_patterns` documents it; what is there asks for a login or not."""
    around = [*settings.MIDDLEWARE]
    around.insert(around.index(COMMON), "django.middleware.locale.LocaleMiddleware")
    own = {"USE_I18N": True, "LANGUAGES": [("en", "English"), ("de", "German")]}
    _Views.run = staticmethod(lambda request: request.path)
    # It remembers what USE_I18N was.
    monkeypatch.setattr(translation, "_trans", type(vars(translation)["_trans"])())
    with override_settings(MIDDLEWARE=around, ROOT_URLCONF=__name__, **own):
        inside = make()
        browser = inside.visitor()
        german = (("Accept-Language", "de"),)
        for target in ("/spoken?a=b", "/closed"):
            answer = browser.send("GET", target, german)
            assert (answer.status_code, expect.once(answer, "location")) == (302, f"/de{target}")
        assert browser.get("/de/spoken").text == "/de/spoken"
        for target in ("/de/closed", "/account"):
            assert browser.get(target).status_code == 303
        assert browser.get("/de/account").status_code == 404


@pytest.mark.contract("BND-5")
@pytest.mark.usefixtures("restored_logging")
def test_address_may_be_looked_up_in_the_database(
    pages: Inside, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of a body it is foreseen who may send it, on the event loop, where Django asks nothing."""
    assert pages.visitor().post("/look/ada", a="b").text == "ada b"
    for method in ("POST", "GET"):
        capfd.readouterr()
        answer = pages.visitor().send(method, "/look/crash", SAME, b"a=b" * (method == "POST"))
        expect.error(answer, 500, echo="secret")
        assert capfd.readouterr().err.count("sys_crash") == 1


@pytest.mark.contract("BND-2")
@pytest.mark.usefixtures("restored_logging")
@pytest.mark.parametrize(
    "fact", ["", '[[route]]\npath = "/try"\ncsp = {frame-ancestors = "\'self\'"}']
)
def test_page_that_cannot_be_framed_is_named(
    make: Make, capfd: pytest.CaptureFixture[str], fact: str
) -> None:
    _Views.run = staticmethod(xframe_options_exempt(lambda _: HttpResponse("framed")))
    with override_settings(ROOT_URLCONF=__name__):
        inside = make(facts=fact)
        capfd.readouterr()
        answer = inside.visitor().get("/try")
    assert ("x-frame-options" in answer.headers) is not bool(fact)
    assert ("frame-ancestors" in capfd.readouterr().err) is not bool(fact)


@pytest.mark.contract("HDR-4")
def test_cache_of_all_pages_keeps_nothing_of_a_session(make: Make) -> None:
    """Django's own, placed as it documents: it was one user's account that all others saw."""
    around = [
        "django.middleware.cache.UpdateCacheMiddleware",
        *settings.MIDDLEWARE,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    cache.clear()
    with override_settings(MIDDLEWARE=around, ROOT_URLCONF=__name__):
        inside = make()
        ada, bob = inside.add_user(), inside.add_user()
        for user in (ada, bob):
            answer = inside.login(user).get("/account")
            assert user.name in answer.text
            assert expect.once(answer, "cache-control") == "no-store"
        assert inside.visitor().get("/account").status_code == 303
        # What depends on nobody is kept, and may be seen by everybody.
        _Views.run = staticmethod(lambda _: "kept")
        assert inside.visitor().get("/try").text == "kept"
        _Views.run = staticmethod(lambda _: "made anew")
        for browser in (inside.visitor(), inside.login(ada)):
            answer = browser.get("/try")
            assert answer.text == "kept"
            assert "max-age=" in expect.once(answer, "cache-control")
            assert expect.once(answer, "age").isdecimal()


@pytest.mark.contract("BND-2")
@pytest.mark.parametrize("by_cookie", [True, False])
def test_cache_of_a_view_is_djangos(make: Make, by_cookie: bool) -> None:
    """It is inside of all middlewares: what differs by user needs `vary_on_cookie`."""
    named: Any = lambda request: HttpResponse(request.user.username)  # noqa: E731 - a view
    _Views.run = staticmethod(cache_page(60)(vary_on_cookie(named) if by_cookie else named))
    cache.clear()
    with override_settings(ROOT_URLCONF=__name__):
        inside = make()
        users = [inside.add_user(), inside.add_user()]
        seen = [inside.login(user).get("/try").text for user in users]
    assert seen == [users[0].name, users[by_cookie].name]


@pytest.mark.contract("BND-2")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SESSION_COOKIE_AGE", 600),
        ("SESSION_COOKIE_NAME", "shop"),
        ("SESSION_EXPIRE_AT_BROWSER_CLOSE", True),
        ("SECURE_REFERRER_POLICY", "origin"),
        ("SECURE_PROXY_SSL_HEADER", ("HTTP_X_FORWARDED_PROTO", "https")),
        ("X_FRAME_OPTIONS", "SAMEORIGIN"),
        ("CSRF_TRUSTED_ORIGINS", ["https://other.test"]),
        ("FORCE_SCRIPT_NAME", "/shop"),
        ("LOGIN_URL", "/accounts/login/"),
        ("TEMPLATES", [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]),
    ],
)
def test_setting_that_does_not_count_is_named(
    make: Make,
    capsys: pytest.CaptureFixture[str],
    restored_logging: None,
    name: str,
    value: object,
) -> None:
    make()
    assert "setting_left_out" not in capsys.readouterr().err
    with override_settings(**{name: value}):
        make()
    lines = [line for line in capsys.readouterr().err.splitlines() if "left_out" in line]
    assert [json.loads(line)["setting"] for line in lines] == [name]


@pytest.mark.contract("PRX-1")
def test_requests_know_the_host_and_the_scheme_behind_the_proxy(pages: Inside) -> None:
    _Views.run = staticmethod(lambda request: [request.is_secure(), request.build_absolute_uri()])
    forwarded = (("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "192.0.2.1"))
    answer = pages.visitor().send("GET", "/try", forwarded, peer="127.0.0.1", scheme="http")
    assert answer.text == str([True, f"https://{HOST}/try"])
    answer = pages.visitor().send("GET", "/try", forwarded, scheme="http")
    assert answer.text == str([False, f"http://{HOST}/try"])


@pytest.mark.contract("HDR-3")
@pytest.mark.skipif(not ADMIN, reason="the admin was not asked for")
def test_fact_of_the_admins_path_counts_for_its_pages(make: Make) -> None:
    prefix = import_module("my_service.adapter.admin").PREFIX
    csp = 'csp = { img-src = "https://images.test", script-src = "https://scripts.test" }'
    inside = make(facts=f'[[route]]\npath = "{prefix}"\n{csp}')
    policy = expect.csp(inside.visitor().get(f"{prefix}login/"))
    assert "https://images.test" in policy["img-src"]
    assert "https://scripts.test" in policy["script-src"]
    assert f"{inside.origin}/static/" in policy["script-src"]
    # Of newer Django, whose admin gives it to the scripts of packages, too.
    assert "'nonce-" in policy["script-src"]
    assert "'unsafe-inline'" not in policy["script-src"]


@pytest.mark.skipif(ADMIN, reason="the admin was asked for")
def test_there_is_no_admin_unless_asked_for(pages: Inside) -> None:
    assert "django.contrib.admin" not in settings.INSTALLED_APPS
    assert not list((ROOT / "src").glob("*/*/admin.py"))
    for prefix in ("/admin/", "/admin/login/", "/static/admin/css/base.css"):
        expect.error(pages.visitor().get(prefix), 404)


@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize(
    ("kind", "status"), [(Http404, 404), (PermissionDenied, 403), (BadRequest, 400)]
)
def test_words_of_the_author_are_kept(pages: Inside, kind: type[Exception], status: int) -> None:
    def view(_: HttpRequest) -> None:
        raise kind("Only two are left")

    _Views.run = staticmethod(view)
    answer = pages.visitor().get("/try")
    expect.error(answer, status)
    assert "Only two are left" in answer.text

    def other(_: HttpRequest) -> None:
        get_object_or_404(get_user_model(), pk="nobody")

    _Views.run = staticmethod(other)
    expect.error(pages.visitor().get("/try"), 404, echo="matches")


def _own_404(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponse(f"<p>our own {request.path}", status=404)


def _own_500(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<p>our own crash", status=500)


@pytest.mark.contract("BND-2")
def test_handlers_of_the_application_are_its_own(
    pages: Inside, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = sys.modules[__name__]
    monkeypatch.setattr(module, "handler404", _own_404, raising=False)
    monkeypatch.setattr(module, "handler500", _own_500, raising=False)
    answer = pages.visitor().get("/unknown")
    assert (answer.status_code, answer.text) == (404, "<p>our own /unknown")
    expect.headers(answer)

    def view(_: HttpRequest) -> None:
        raise RuntimeError("secret")

    _Views.run = staticmethod(view)
    logging.getLogger().addHandler(caplog.handler)
    answer = pages.visitor().get("/try")
    assert (answer.status_code, answer.text) == (500, "<p>our own crash")
    assert "secret" in caplog.text


class _OtherUrls:
    """An urlconf that a middleware chooses, as those for several hosts do."""

    urlpatterns = (path("only-here", _try),)


def _elsewhere(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Any:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        request.urlconf = _OtherUrls  # type: ignore[assignment] # Django takes both
        return get_response(request)

    return middleware


@pytest.mark.contract("FPR-2")
def test_another_urlconf_has_our_face(make: Make) -> None:
    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, f"{__name__}._elsewhere"]):
        inside = make()
        _Views.run = staticmethod(lambda _: "here")
        assert inside.visitor().get("/only-here").text == "here"
        expect.error(inside.visitor().get("/login"), 404)
        expect.error(inside.visitor().get("/login", (("Accept", "application/json"),)), 404)


# Who may see a view


def _library(view: Any, module: str = "argon2.views") -> Any:
    view.__module__ = module
    return view


class _Api(View):
    """Opens itself, as views of Django REST framework do."""

    @classmethod
    def as_view(cls, **initial: Any) -> Any:
        view: Any = super().as_view(**initial)
        view.login_required = False
        return view

    def get(self, _: HttpRequest) -> HttpResponse:
        return HttpResponse("open")


_Api.__module__ = "argon2.views"


class _Mine(_Api):
    pass


@method_decorator(login_not_required, name="dispatch")
class _Opened(_Api):
    pass


class _Plain(View):
    def get(self, _: HttpRequest) -> HttpResponse:
        return HttpResponse("plain")


@pytest.mark.contract("RTE-2")
@pytest.mark.parametrize(
    ("view", "public"),
    [
        (LoginView.as_view(), True),
        (login_not_required(_Plain.as_view()), True),
        (_Plain.as_view(), False),
        (_Api.as_view(), False),
        (_Mine.as_view(), False),
        (_Opened.as_view(), True),
        (_library(login_not_required(lambda _: HttpResponse())), False),
        (login_not_required(_library(type("V", (_Plain,), {})).as_view()), False),
    ],
    ids=["Django's", "by the urlconf", "silent", "library", "of a library", "opened again",
         "library's function", "library's class"],
)  # fmt: skip
def test_flag_of_a_library_opens_nothing(view: Any, public: bool) -> None:
    assert is_public(view) is public


@pytest.mark.contract("RTE-2")
@pytest.mark.parametrize(
    ("view", "methods"),
    [
        (_Plain.as_view(), {"GET", "OPTIONS"}),
        (require_POST(lambda _: HttpResponse()), {"POST"}),
        (never_cache(require_POST(lambda _: HttpResponse())), {"POST"}),
        (lambda _: HttpResponse(), set()),
    ],
)
def test_methods_of_a_view_are_known(view: Any, methods: set[str]) -> None:
    assert allowed_methods(view) - {"HEAD"} == methods


# Other backends


class EmailBackend(ModelBackend):
    """Lets users in by an address that our backend does not know."""

    def authenticate(
        self,
        request: HttpRequest | None,  # noqa: ARG002 - Django calls it so
        username: str | None = None,
        password: str | None = None,
        **_: Any,
    ) -> Any:
        name = (username or "").removesuffix("@app.test")
        user = get_user_model()._default_manager.filter(username=name).first()
        known = user and name != username and user.check_password(password or "")
        return user if known else None


@pytest.mark.contract("THR-1")
def test_right_logins_by_another_backend_lock_nobody_out(make: Make) -> None:
    backends = [*settings.AUTHENTICATION_BACKENDS, f"{__name__}.EmailBackend"]
    with override_settings(AUTHENTICATION_BACKENDS=backends):
        inside = make()
        user = inside.add_user()
        browser = inside.visitor()
        address = f"{user.name}@app.test"
        for _ in range(inside.policy.throttle.pair.limit * 2):
            assert browser.login(address, user.password).status_code == 303
        assert browser.logged_in()
        for _ in range(inside.policy.throttle.pair.limit):
            assert browser.login(address, "a wrong password").status_code == 401
        expect.error(browser.login(address, user.password), 429)


# Development and the log


@pytest.mark.contract("FPR-4")
def test_debug_mode_is_refused_in_production(pages: Inside, make: Make) -> None:
    with override_settings(DEBUG=True):
        with pytest.raises(ValueError, match="DEBUG is True in app/settings"):
            make()
        result = pages.cli("check")
    assert result.exit_code == 1
    assert "DEBUG is True in app/settings" in result.output


@pytest.mark.contract("BND-8", "THR-1")
@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("MIDDLEWARE", "middleware.BoundaryMiddleware"),
        ("MIDDLEWARE", "middleware.SessionMiddleware"),
        ("MIDDLEWARE", "middleware.AuthenticationMiddleware"),
        ("MIDDLEWARE", "middleware.LoginRequiredMiddleware"),
        ("AUTHENTICATION_BACKENDS", "auth.Backend"),
        ("PASSWORD_HASHERS", "auth.PasswordHasher"),
        ("AUTH_PASSWORD_VALIDATORS", "auth.PasswordValidator"),
    ],
)
def test_service_without_what_carries_the_policy_does_not_start(
    make: Make, setting: str, name: str
) -> None:
    """It would, with lists as `startproject` has them.

    Without its middlewares it refused every form without a word, and with Django's own hashers and
    backends passwords could be guessed without end.
    """
    found = getattr(settings, setting)
    left = [each for each in found if f"adapter.{name}" not in str(each)]
    assert len(left) == len(found) - 1
    problem = rf"{setting} in app/settings.py lacks .*adapter\.{name};"
    with override_settings(**{setting: left}), pytest.raises(ValueError, match=problem):
        make()


@pytest.mark.contract("THR-10")
def test_hasher_that_does_not_count_does_not_start(make: Make) -> None:
    """Django asks the last of a kind, and both read the same hashes."""
    hashers = [*settings.PASSWORD_HASHERS, "django.contrib.auth.hashers.Argon2PasswordHasher"]
    with (
        override_settings(PASSWORD_HASHERS=hashers),
        pytest.raises(ValueError, match="guesses do not count"),
    ):
        make()


@pytest.mark.contract("BND-2")
def test_table_of_sessions_that_has_none_is_named(
    make: Make, capsys: pytest.CaptureFixture[str], restored_logging: None
) -> None:
    """Who deletes rows there to log somebody out logs nobody out."""
    apps = [*settings.INSTALLED_APPS, "django.contrib.sessions"]
    with override_settings(INSTALLED_APPS=apps):
        make()
    (line,) = [each for each in capsys.readouterr().err.splitlines() if "left_out" in each]
    assert json.loads(line)["setting"] == "django.contrib.sessions"


@pytest.mark.contract("RTE-2")
def test_middleware_that_stands_first_answers_where_everybody_may_see(make: Make) -> None:
    """Of the login page it was a way back to that page, and so on."""
    with override_settings(MIDDLEWARE=[f"{__name__}._answers", *settings.MIDDLEWARE]):
        visitor = make().visitor()
        for page in ("/", "/login"):
            answer = visitor.get(page)
            assert (answer.status_code, answer.text) == (503, "down for an hour")
        for page in ("/account", "/no/such/page"):
            assert visitor.get(page).status_code == 303


@pytest.mark.contract("BND-2")
@pytest.mark.parametrize("own", [False, True])
def test_admins_have_a_mail_of_a_crash(make: Make, own: bool) -> None:
    """As Django does by itself, and once where the application's own log does it."""
    log = logging.getLogger("django.request")
    handler = AdminEmailHandler()
    level = log.level
    mailing = override_settings(
        ADMINS=[("Ada", "ada@app.test")],
        EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend",
    )
    mail.outbox = []
    with mailing, override_settings(ROOT_URLCONF=__name__):
        member = make().member()
        if own:
            log.addHandler(handler)
            log.setLevel(logging.ERROR)
        try:
            for error in (RuntimeError("secret-4711"), PermissionDenied(), Problem(503)):
                _Views.run = staticmethod(_raising(error))
                assert member.get("/try").status_code in {500, 403, 503}
        finally:
            log.removeHandler(handler)
            log.setLevel(level)
    crashes = [each for each in mail.outbox if "secret-4711" in each.body]
    assert len(crashes) == 1
    assert "Internal Server Error: /try" in crashes[0].subject
    assert not [value for value in member.cookies.values() if value in crashes[0].body]
    assert own or mail.outbox == crashes


@pytest.mark.contract("BND-8")
@pytest.mark.parametrize(("peer", "shown"), [("127.0.0.1", True), ("198.18.0.1", False)])
def test_page_about_a_crash_is_for_the_developer(
    monkeypatch: pytest.MonkeyPatch, peer: str, shown: bool
) -> None:
    def view(_: HttpRequest) -> None:
        raise RuntimeError("secret")

    _Views.run = staticmethod(view)
    with (
        override_settings(DEBUG=True, ROOT_URLCONF=__name__),
        closing(development()) as local,
    ):
        for target, status in (("/try", 500), ("/unknown", 404)):
            answer = local.visitor(peer).send("GET", target, scheme="http")
            assert answer.status_code == status
            page = shown and status == 500
            assert ("RuntimeError" in answer.text) is page
            assert ("Request id" in answer.text) is not page


@pytest.mark.contract("LOG-1")
@pytest.mark.usefixtures("restored_logging")
def test_logging_of_the_application_is_honoured(make: Make, tmp_path: Path) -> None:
    handler = {"class": "logging.FileHandler", "filename": str(tmp_path / "own.log")}
    own = {
        **settings.LOGGING,
        "handlers": {"own": handler},
        "loggers": {**settings.LOGGING["loggers"], "mine": {"handlers": ["own"], "level": "DEBUG"}},
    }
    with override_settings(LOGGING=own):
        make()
    log = logging.getLogger("mine")
    log.debug("fine detail")
    for each in list(log.handlers):
        log.removeHandler(each)
        each.close()
    assert "fine detail" in (tmp_path / "own.log").read_text()


def test_files_below_a_prefix_are_served_there(make: Make, tmp_path: Path) -> None:
    """As `STATICFILES_DIRS` with prefixes has it, and the tag writes their addresses."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.txt").write_text("one")
    folders = [("downloads", str(tmp_path / "one")), str(tmp_path)]
    with override_settings(STATICFILES_DIRS=folders):
        visitor = make().visitor()
        for address in ("/static/downloads/a.txt", "/static/one/a.txt"):
            assert visitor.get(address).text == "one"
        assert visitor.get("/static/a.txt").status_code == 404


def test_static_tag_gives_the_address_that_is_served(pages: Inside) -> None:
    template = engines["django"].from_string("{% load static %}{% static 'app.css' %}")
    target = template.render()
    answer = pages.visitor().get(target)
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]


def test_messages_are_shown_once(pages: Inside) -> None:
    member = pages.member()

    def view(request: HttpRequest) -> None:
        messages.success(request, "It is done")

    run(member, view)
    assert "It is done" in member.get("/account").text
    assert "It is done" not in member.get("/account").text


# django.test.Client


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Django's own test client, of a service that needs no environment but its files."""
    monkeypatch.setenv("APP_STORE_URL", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.setattr(current, "_own", [])
    with scope(f"sqlite:///{tmp_path}/app.db"), override_settings(ROOT_URLCONF=__name__):
        schema.upgrade(f"sqlite:///{tmp_path}/app.db")
        yield Client()


@pytest.fixture
def ada(client: Client) -> Any:
    return get_user_model()._default_manager.create_user("ada", password=PASSWORD)


pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.mark.contract("BND-8")
@pytest.mark.contract("HDR-1")
def test_client_of_django_sees_the_policy(client: Client) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    for name, value in expect.HEADERS.items():
        if name != "referrer-policy":
            assert answer.headers[name] == value, name
    nonce = answer.wsgi_request.csp_nonce  # type: ignore[attr-defined] # not in its types
    assert f"'nonce-{nonce}'" in answer.headers["content-security-policy"]
    # Where packages with scripts look for it.
    assert f'nonce="{nonce}"' in answer.content.decode()
    assert client.get("/unknown").status_code == 404
    assert client.get("/healthz").content == b"ok\n"
    assert client.get("/readyz").status_code == 200
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    assert client.head("/").content == b""


@pytest.mark.contract("BND-8")
def test_hosts_of_a_test_are_those_it_overrides(client: Client) -> None:
    def answers(*names: str) -> list[int]:
        return [client.get("/", headers={"host": name}).status_code for name in names]

    names = ("testserver", "shop.example", "a.shop.example:8443", "evil.example")
    assert answers(*names) == [200, 400, 400, 400]
    with override_settings(ALLOWED_HOSTS=[".shop.example"]):
        assert answers(*names) == [400, 200, 200, 400]
        with override_settings(ALLOWED_HOSTS=["*"]):
            assert answers(*names) == [200] * 4
        assert answers(*names) == [400, 200, 200, 400]
    assert answers(*names) == [200, 400, 400, 400]


@pytest.mark.contract("BND-8")
def test_client_works_as_documented(client: Client, ada: Any) -> None:
    answer = client.get("/account")
    TestCase().assertRedirects(answer, "/login?next=/account", status_code=303)
    assert client.get("/account", follow=True).redirect_chain == [("/login?next=/account", 303)]
    fields = {"username": "ada", "password": PASSWORD, "next": "/notes"}
    answer = client.post("/login", fields)
    TestCase().assertRedirects(answer, "/notes")
    assert answer.wsgi_request.user == ada
    answer = client.post("/notes", {"title": "Milk", "body": ""}, follow=True)
    assert answer.redirect_chain == [("/notes", 302)]
    assert "Milk" in answer.content.decode()
    answer = client.post("/api/notes", {"title": "Eggs"}, content_type="application/json")
    assert (answer.status_code, answer.json()["title"]) == (201, "Eggs")
    assert client.delete(f"/api/notes/{answer.json()['id']}").status_code == 204
    assert client.post("/notes", {"title": ""}).status_code == 422
    assert client.get("/account", query_params={"a": "b"}).status_code == 200


@pytest.mark.contract("BND-8")
def test_client_has_the_templates_and_their_context(client: Client) -> None:
    setup_test_environment()
    try:
        answer = client.get("/login", {"next": "/notes"})
        assert "login.html" in [each.name for each in answer.templates]
        assert answer.context["next"] == "/notes"
    finally:
        teardown_test_environment()


@pytest.mark.contract("BND-8")
def test_client_logs_in_and_out(client: Client, ada: Any) -> None:
    assert not client.login(username="ada", password="a wrong password")
    assert client.login(username="ada", password=PASSWORD)
    assert client.get("/account").status_code == 200
    assert client.session["_auth_user_id"] == ada.pk
    client.logout()
    assert client.get("/account").status_code == 303
    client.force_login(ada)
    assert client.get("/account").status_code == 200


@pytest.mark.skipif(COOKIE_SESSIONS, reason="the client keeps the cookie that it had before")
@pytest.mark.contract("BND-8")
def test_client_changes_its_session(client: Client, ada: Any) -> None:
    client.force_login(ada)
    session = client.session
    session["cart"] = [1]
    session.save()
    _Views.run = staticmethod(lambda request: request.session["cart"])
    assert client.get("/try").content == b"[1]"


@pytest.mark.contract("BND-8")
def test_client_is_logged_in_by_https_too(client: Client, ada: Any) -> None:
    """`secure=True`: the name of the cookie is that of the settings, as the client has it."""

    def seen(request: HttpRequest) -> list[object]:
        return [request.is_secure(), request.user.get_username()]

    _Views.run = staticmethod(seen)
    client.force_login(ada)
    for secure in (True, False):
        answer = client.get("/try", secure=secure)
        assert answer.content.decode() == str([secure, ada.get_username()])
        assert client.post("/try", secure=secure).status_code == 200
    assert client.post("/logout", secure=True).status_code == 302
    assert client.get("/account").status_code == 303


@pytest.mark.skipif(COOKIE_SESSIONS, reason="the client keeps the cookie that it had before")
@pytest.mark.contract("BND-8")
def test_client_has_a_session_before_anybody_logs_in(client: Client) -> None:
    session = client.session
    session["cart"] = [1]
    session.save()
    _Views.run = staticmethod(lambda request: request.session["cart"])
    assert client.get("/try").content == b"[1]"


@pytest.mark.contract("CSR-1")
def test_client_checks_tokens_if_told_to(client: Client, ada: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)
    assert strict.post("/logout").status_code == 403
    page = strict.get("/account").content.decode()
    found = HIDDEN.search(page)
    assert found
    assert strict.post("/logout", {found[1]: found[2]}).status_code == 302
    assert client.post("/login", {}, headers={"origin": "https://evil.example"}).status_code == 403


@pytest.mark.contract("BND-8")
def test_client_raises_what_a_view_raises(client: Client) -> None:
    def view(_: HttpRequest) -> None:
        raise RuntimeError("secret")

    _Views.run = staticmethod(view)
    with pytest.raises(RuntimeError, match="secret"):
        client.get("/try")
    client.raise_request_exception = False
    answer = client.get("/try")
    assert answer.status_code == 500
    assert "secret" not in answer.content.decode()


@pytest.mark.contract("BND-1")
def test_client_has_the_host_that_django_documents(client: Client) -> None:
    _Views.run = staticmethod(lambda request: request.build_absolute_uri("/a"))
    with override_settings(ALLOWED_HOSTS=["*", "testserver"]):
        assert client.get("/try").content == b"http://testserver/a"
        assert client.get("/try", secure=True).content == b"https://testserver/a"
        _Views.run = staticmethod(
            lambda request: HttpResponseRedirect(request.build_absolute_uri("/login"))
        )
        assert client.get("/try").headers["location"] == "http://testserver/login"


@pytest.mark.contract("BND-8")
def test_async_client_works_as_documented(client: Client, ada: Any) -> None:
    async def view(request: HttpRequest) -> object:
        user = await request.auser()
        return f"{request.method} {request.POST.get('title')} {user}"

    async def go() -> None:
        browser = AsyncClient()
        answer = await browser.get("/account")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/account")
        for name, value in expect.HEADERS.items():
            if name != "referrer-policy":
                assert answer.headers[name] == value, name
        await browser.aforce_login(ada)
        assert "ada" in (await browser.get("/account")).content.decode()
        _Views.wait = staticmethod(view)
        answer = await browser.post("/await", {"title": "M\u00fcsli"})
        assert answer.content.decode() == "POST M\u00fcsli ada"
        answer = await browser.post("/api/notes", {"title": "Eggs"}, "application/json")
        assert answer.status_code == 201
        assert (await browser.get("/no-such-\u20ac")).status_code == 404
        assert (await browser.get("/", headers={"host": "evil.example"})).status_code == 400
        strict = AsyncClient(enforce_csrf_checks=True)
        await strict.aforce_login(ada)
        assert (await strict.post("/logout")).status_code == 403

    async_to_sync(go)()


def test_asgi_application_of_django_says_what_to_run_instead(client: Client) -> None:
    """It reads a body of any size before anybody is asked."""
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
    handler = get_asgi_application()
    with pytest.raises(RuntimeError, match=rf"let the server run {SERVICE}.app.wsgi:application"):
        async_to_sync(handler.get_response_async)(ASGIRequest(scope, BytesIO()))


def test_request_factory_renders_templates(client: Client, ada: Any) -> None:
    request = RequestFactory().get("/")
    request.user = ada
    text = "{{ user }}, {{ service.name }}, {% csrf_token %}"
    page = engines["django"].from_string(text).render({}, request)
    assert page.startswith("ada, ")
    assert "csrfmiddlewaretoken" in page
    assert "<form" in render(request, "login.html").content.decode()


def test_form_for_new_users_says_that_a_name_is_taken(client: Client, ada: Any) -> None:
    class SignUp(UserCreationForm):  # type: ignore[type-arg] # no generic while it runs
        class Meta:
            model = get_user_model()
            fields = ("username",)

    fields = {"username": "Ada", "password1": PASSWORD, "password2": PASSWORD}
    form = SignUp(fields)
    assert not form.is_valid()
    assert list(form.errors) == ["username"]
    assert SignUp({**fields, "username": "Bea"}).is_valid()


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


@pytest.mark.contract("INP-1", "INP-2")
def test_forms_take_all_that_a_widget_sends(client: Client) -> None:
    module = import_module(f"{SERVICE}.app.forms")

    class Visit(module.Strict, forms.Form):  # type: ignore[misc, name-defined] # by its module
        at = forms.SplitDateTimeField()
        day = forms.DateField(widget=forms.SelectDateWidget())
        report = forms.FileField(required=False)

    sent = {"at_0": "2026-01-02", "at_1": "10:00", "report-clear": "on"}
    sent |= {"day_year": "2026", "day_month": "1", "day_day": "2"}
    assert Visit(QueryDict(urlencode(sent))).is_valid()
    assert not Visit(QueryDict(urlencode(sent | {"at_2": "11:00"}))).is_valid()
    with pytest.raises(Problem):
        Visit(QueryDict(f"{urlencode(sent)}&at_1=11:00")).is_valid()


@pytest.mark.contract("INP-1", "INP-2")
def test_forms_with_a_prefix_look_at_their_own_fields(client: Client) -> None:
    module = import_module(f"{SERVICE}.app.forms")

    class Cup(module.Strict, forms.Form):  # type: ignore[misc, name-defined] # by its module
        tea = forms.CharField()

    cups = forms.formset_factory(Cup, extra=2)
    sent = {"form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "0"}
    sent |= {"form-0-tea": "assam", "form-1-tea": "sencha"}
    assert cups(QueryDict(urlencode(sent))).is_valid()
    assert not cups(QueryDict(urlencode(sent | {"form-1-owner": "bob"}))).is_valid()
    with pytest.raises(Problem):
        cups(QueryDict(f"{urlencode(sent)}&form-1-tea=assam")).is_valid()
