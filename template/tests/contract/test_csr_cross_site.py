# Owned by the template: extend, do not edit.
"""Requests that another site makes in a user's name (ASVS 3.5)."""

from __future__ import annotations

import httpx
import pytest

from . import expect
from .driver import FORM, Browser, Header, Inside, Service, User

FORGED: dict[str, tuple[Header, ...]] = {
    "cross-site": (("Sec-Fetch-Site", "cross-site"),),
    "same-site": (("Sec-Fetch-Site", "same-site"),),
    "unknown word": (("Sec-Fetch-Site", "elsewhere"),),
    "in upper case": (("Sec-Fetch-Site", "SAME-ORIGIN"),),
    "cross-site, own origin": (("Sec-Fetch-Site", "cross-site"), ("Origin", "ORIGIN")),
    "same-site, own origin": (("Sec-Fetch-Site", "same-site"), ("Origin", "ORIGIN")),
    "sent twice": (("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")),
    "foreign origin": (("Origin", "https://evil.example"),),
    "null origin": (("Origin", "null"),),
    "plain http": (("Origin", "http://HOST"),),
    "other port": (("Origin", "https://HOST:8443"),),
    "subdomain": (("Origin", "https://evil.HOST"),),
    "suffix": (("Origin", "https://HOST.evil.example"),),
    "origin with a path": (("Origin", "ORIGIN/"),),
    "neither header": (),
    "own referer alone": (("Referer", "ORIGIN/account"),),
}
GENUINE: dict[str, tuple[Header, ...]] = {
    "same-origin": (("Sec-Fetch-Site", "same-origin"),),
    "by the user": (("Sec-Fetch-Site", "none"),),
    "same-origin, null origin": (("Sec-Fetch-Site", "same-origin"), ("Origin", "null")),
    "own origin": (("Origin", "ORIGIN"),),
}
UNSAFE = (
    ("POST", "/logout", FORM, b""),
    ("POST", "/login", FORM, b"username=a&password=b"),
    ("POST", "/account/password", FORM, b"current_password=a&new_password=b"),
    ("POST", "/account/sessions/end", FORM, b"session=a"),
    ("POST", "/account/sessions/end-others", FORM, b""),
    ("POST", "/notes", FORM, b"title=a&body=b"),
    ("POST", "/notes/1/delete", FORM, b""),
    ("POST", "/api/notes", "application/json", b'{"title":"a","body":"b"}'),
    ("PUT", "/api/notes/1", "application/json", b'{"title":"a","body":"b"}'),
    ("DELETE", "/api/notes/1", "", b""),
    ("PATCH", "/unknown", "", b""),
)


def named(headers: tuple[Header, ...], service: Service) -> tuple[Header, ...]:
    return tuple(
        (name, str(value).replace("ORIGIN", service.origin).replace("HOST", service.host))
        for name, value in headers
    )


def end_others(browser: Browser, headers: tuple[Header, ...]) -> httpx.Response:
    return browser.send("POST", "/account/sessions/end-others", (("Content-Type", FORM), *headers))


@pytest.fixture(scope="module")
def staying(service: Service, user: User) -> Browser:
    """A browser whose session is still there after each test: nothing was done in its name."""
    return service.login(user)


@pytest.fixture(scope="module")
def other(service: Service, user: User) -> Browser:
    """The same user, in another browser."""
    return service.login(user)


@pytest.mark.contract("CSR-1")
@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED.keys())
def test_forged_request_is_refused(
    service: Service, staying: Browser, other: Browser, headers: tuple[Header, ...]
) -> None:
    expect.error(end_others(staying, named(headers, service)), 403)
    expect.error(staying.send("POST", "/logout", named(headers, service)), 403)
    assert staying.logged_in()
    assert other.logged_in()


@pytest.mark.contract("CSR-1")
@pytest.mark.parametrize("headers", GENUINE.values(), ids=GENUINE.keys())
def test_own_pages_may_do_it(inside: Inside, headers: tuple[Header, ...]) -> None:
    user = inside.add_user()
    member, other = inside.login(user), inside.login(user)
    assert end_others(member, named(headers, inside)).status_code == 303
    assert not other.logged_in()


@pytest.mark.contract("CSR-1")
@pytest.mark.parametrize("request_", UNSAFE, ids=lambda each: f"{each[0]} {each[1]}")
@pytest.mark.parametrize("form", ["cross-site", "foreign origin", "neither header"])
def test_every_address_that_changes_something_is_guarded(
    service: Service, staying: Browser, request_: tuple[str, str, str, bytes], form: str
) -> None:
    method, target, kind, content = request_
    headers = named(FORGED[form], service) + ((("Content-Type", kind),) if kind else ())
    expect.error(staying.send(method, target, headers, content), 403)
    assert staying.logged_in()


@pytest.mark.contract("CSR-1")
def test_visitors_are_guarded_where_the_origin_is_known(service: Service) -> None:
    """A forged login would put the visitor into an account of the attacker."""
    for form in ("cross-site", "foreign origin", "null origin"):
        headers = (("Content-Type", FORM), *named(FORGED[form], service))
        answer = service.visitor().send("POST", "/login", headers, b"username=a&password=b")
        expect.error(answer, 403)


@pytest.mark.contract("CSR-1")
def test_program_without_a_session_may_post(service: Service) -> None:
    """Without a browser's headers; what it lacks is the login."""
    headers = (("Content-Type", FORM), ("Accept", "application/json"))
    answer = service.visitor().send("POST", "/account/sessions/end", headers, b"session=a")
    expect.error(answer, 401)


@pytest.mark.contract("CSR-1")
def test_get_changes_nothing(service: Service, member: Browser, user: User) -> None:
    other = service.login(user)
    (handle, *_) = member.sessions()
    for method in ("GET", "HEAD"):
        for target in (
            "/logout",
            "/account/password?current_password=a&new_password=b",
            f"/account/sessions/end?session={handle}",
            "/account/sessions/end-others",
            "/login?username=a&password=b",
        ):
            assert member.send(method, target).status_code in {200, 404, 405}
    assert member.logged_in()
    assert other.logged_in()
    assert handle in member.sessions()


@pytest.mark.contract("CSR-1")
@pytest.mark.parametrize(
    "headers",
    [
        (("X-HTTP-Method-Override", "DELETE"),),
        (("X-HTTP-Method", "DELETE"),),
        (("X-Method-Override", "DELETE"),),
    ],
    ids=lambda each: each[0][0],
)
def test_method_cannot_be_overridden(
    service: Service, member: Browser, headers: tuple[Header, ...]
) -> None:
    assert member.get("/account", headers).status_code == 200
    assert member.get("/logout?_method=POST", headers).status_code == 405
    assert member.logged_in()


@pytest.mark.contract("CSR-2")
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "ORIGIN"])
@pytest.mark.parametrize("target", ["/", "/login", "/api/notes", "/api/notes/1", "/unknown"])
def test_no_other_site_gets_leave(
    service: Service, member: Browser, origin: str, target: str
) -> None:
    origin = origin.replace("ORIGIN", service.origin)
    preflight = (
        ("Origin", origin),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "content-type"),
        ("Access-Control-Request-Private-Network", "true"),
    )
    for answer in (
        member.send("OPTIONS", target, preflight),
        member.send("GET", target, (("Origin", origin),)),
    ):
        expect.headers(answer)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.contract("CSR-1")
@pytest.mark.example
def test_get_changes_no_note(inside: Inside) -> None:
    member = inside.member()
    member.post("/notes", title="Keep", body="me")
    [note] = member.api("GET", "/api/notes").json()["notes"]
    for target in (
        f"/notes/{note['id']}/delete",
        "/notes?title=a&body=b",
        f"/api/notes/{note['id']}?title=a",
    ):
        for method in ("GET", "HEAD"):
            assert member.send(method, target).status_code in {200, 405}
    assert member.api("GET", "/api/notes").json()["notes"] == [note]


@pytest.mark.contract("CSR-1")
@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    "kind",
    ["text/plain", "text/json", "application/xml", "application/x-pickle", "multipart/mixed", ""],
)
@pytest.mark.parametrize("target", ["/api/unknown", "/unknown", "/account/sessions/end-others"])
def test_body_of_another_type_is_not_read(
    staying: Browser, other: Browser, target: str, kind: str
) -> None:
    """Forms and JSON go to any route; more only where a fact says so."""
    same = ("Sec-Fetch-Site", "same-origin")
    headers = (same, ("Content-Type", kind)) if kind else (same,)
    expect.error(staying.send("POST", target, headers, b'{"a": "b"}'), 415)
    assert other.logged_in()
