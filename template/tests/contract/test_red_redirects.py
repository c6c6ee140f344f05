# Owned by the template: extend, do not edit.
"""Where redirects may lead (guide: Prevent open redirects; ASVS 3.7.2)."""

from __future__ import annotations

import html
import re
from urllib.parse import quote, urlsplit

import httpx
import pytest
from ada_url import URL

from . import expect
from .driver import ORIGIN, PARTNER, Inside, Service, User, go

EVIL = "evil.example"
ATTACKS = {
    "absolute": f"https://{EVIL}/",
    "absolute, no slash": f"https://{EVIL}",
    "plain http": f"http://{EVIL}/",
    "own host, plain http": "http://HOST/",
    "own host, other port": "https://HOST:8443/",
    "own host, user": "https://user@HOST/",
    "own host, user and password": "https://user:pass@HOST/",
    "own host as user": f"https://HOST@{EVIL}/",
    "own host as user and password": f"https://HOST:443@{EVIL}/",
    "own host as user, encoded slash": f"https://HOST%2F@{EVIL}/",
    "own host as user, backslash": f"https://{EVIL}\\@HOST/",
    "own host as subdomain": f"https://HOST.{EVIL}/",
    "own host as suffix": "https://evilHOST/",
    "own host as prefix": "https://HOSTevil/",
    "own host as path": f"https://{EVIL}/HOST",
    "own host as query": f"https://{EVIL}?HOST",
    "own host as fragment": f"https://{EVIL}#HOST",
    "own host with a dot": f"https://HOST.{EVIL}.",
    "subdomain of the own host": "https://evil.HOST/",
    "two slashes": f"//{EVIL}/",
    "three slashes": f"///{EVIL}/",
    "four slashes": f"////{EVIL}/",
    "many slashes": f"{'/' * 20}{EVIL}/",
    "backslashes": f"\\\\{EVIL}/",
    "slash, backslash": f"/\\{EVIL}/",
    "backslash, slash": f"\\/{EVIL}/",
    "slash, two backslashes": f"/\\\\{EVIL}/",
    "slash, backslash, slash": f"/\\/{EVIL}/",
    "scheme, one slash": f"https:/{EVIL}/",
    "scheme, no slash": f"https:{EVIL}",
    "scheme, three slashes": f"https:///{EVIL}/",
    "scheme, four slashes": f"https:////{EVIL}/",
    "scheme, backslashes": f"https:\\\\{EVIL}/",
    "scheme, one backslash": f"https:\\{EVIL}/",
    "scheme of the other kind": f"http:{EVIL}",
    "own scheme, relative": "https:notes",
    "scheme in mixed case": f"hTTpS://{EVIL}/",
    "tab in the slashes": f"/\t/{EVIL}/",
    "newline in the slashes": f"/\n/{EVIL}/",
    "return in the slashes": f"/\r/{EVIL}/",
    "tab first": f"\t//{EVIL}/",
    "newline first": f"\n//{EVIL}/",
    "space first": f" //{EVIL}/",
    "control characters first": f"\x01\x1f//{EVIL}/",
    "tab in the scheme": f"ht\ttps://{EVIL}/",
    "newline in the scheme": f"https\n://{EVIL}/",
    "tab in the host": "https://evil\t.example/",
    "javascript": "javascript:alert(1)",
    "javascript with own host": "javascript://HOST/%0aalert(1)",
    "javascript in mixed case": "jAvAsCrIpT:alert(1)",
    "javascript with a tab": "java\tscript:alert(1)",
    "javascript after control characters": "\x01javascript:alert(1)",
    "data": "data:text/html,<script>alert(1)</script>",
    "blob of the own origin": "blob:https://HOST/1",
    "file": "file:///etc/passwd",
    "ftp": "ftp://HOST/",
    "websocket": "wss://HOST/",
    "view-source": "view-source:https://HOST/",
    "mail": "mailto:a@HOST",
    "unknown scheme": "x:y",
    "full-width letters": "//\uff45vil.example/",
    "ideographic full stop": "//evil\u3002example/",
    "full-width slashes": f"//\uff0f{EVIL}/",
    "encoded host": "//%65vil.example/",
    "address": "//203.0.113.7/",
    "address as a number": "//3405803783/",
    "address as hexadecimal": "//0xCB007107/",
    "IPv6": "//[2001:db8::1]/",
    "IPv6, broken": "//[2001:db8::1/",
    "bracket first": f"//[{EVIL}/",
    "port, broken": f"//{EVIL}:port/",
    "port too large": f"//{EVIL}:99999/",
    "no host": "https://",
    "only slashes": "//",
    "user without a host": "//@/",
    "allowed host, plain http": f"http://{PARTNER}/",
    "allowed host, other port": f"https://{PARTNER}:8443/",
    "subdomain of an allowed host": f"https://evil.{PARTNER}/",
    "allowed host as user": f"https://{PARTNER}@{EVIL}/",
    "allowed host as subdomain": f"https://{PARTNER}.{EVIL}/",
    "user at an allowed host": f"https://user@{PARTNER}/",
    "half a character": "https://\ufffd/",
}
LEGAL = {
    "path": ("/notes", "/notes"),
    "root": ("/", "/"),
    "query": ("/notes?a=1&b=2", "/notes?a=1&b=2"),
    "fragment": ("/notes#end", "/notes#end"),
    "query and fragment": ("/notes?a=1#end", "/notes?a=1#end"),
    "address in the query": ("/notes?q=https://elsewhere/", "/notes?q=https://elsewhere/"),
    "address in the fragment": ("/notes#https://elsewhere/", "/notes#https://elsewhere/"),
    "address in the path": ("/notes/https://elsewhere/", "/notes/https://elsewhere/"),
    "double slash later": ("/notes//a", "/notes//a"),
    "colon": ("/notes:1", "/notes:1"),
    "at sign": ("/@user", "/@user"),
    "unicode": ("/\u00e9t\u00e9?q=\u65e5", "/%C3%A9t%C3%A9?q=%E6%97%A5"),
    "percent-encoding": ("/%C3%A9%2F%20?q=%26%3D", "/%C3%A9%2F%20?q=%26%3D"),
    "space": ("/a b", "/a%20b"),
    "encoded newline": ("/a%0d%0ab", "/a%0d%0ab"),
    "quotes": ("/?q='a'", "/?q=%27a%27"),
    "parent": ("/notes/../account", "/account"),
    "relative": ("notes", "/notes"),
    "relative with a dot": ("./notes", "/notes"),
    "only a query": ("?a=1", "/go?a=1"),
    "own origin": ("https://HOST/notes?a=1", "/notes?a=1"),
    "own origin, default port": ("https://HOST:443/notes", "/notes"),
    "own origin, upper case": ("HTTPS://UPPER/notes", "/notes"),
    "own host, two slashes": ("//HOST/notes", "/notes"),
    "encoded backslash": ("/%5C%5Cevil.example", "/%5C%5Cevil.example"),
    "encoded slashes": ("/%2F%2Fevil.example", "/%2F%2Fevil.example"),
}

_ESCAPED = re.compile(r"[\x00-\x20\\]")


def for_host(target: str, host: str) -> str:
    """Fill in the service's own host, which has a port where a service is on trial."""
    if ":" in host:
        target = target.replace("HOST:443/notes", "HOST/notes")
    return re.sub("HOST|UPPER", lambda m: host if m[0] == "HOST" else host.upper(), target)


def stays(answer: httpx.Response, service: Service) -> bool:
    """Tell whether a browser that follows the answer stays with the service."""
    return answer.status_code == 303 and URL(expect.place(answer)).origin == service.origin


@pytest.mark.contract("RED-1")
@pytest.mark.contract("RED-2")
@pytest.mark.parametrize("target", ATTACKS.values(), ids=ATTACKS.keys())
def test_go_refuses(service: Service, target: str) -> None:
    target = for_host(target, service.host)
    answer = service.visitor().get(go(target))
    if _ESCAPED.search(target) and stays(answer, service):
        # What a browser drops or takes for a slash the framework has escaped: a path of our own.
        expect.headers(answer)
        return
    expect.error(answer, 400)
    assert "location" not in answer.headers
    assert EVIL not in answer.text
    assert PARTNER not in answer.text


@pytest.mark.contract("RED-1")
@pytest.mark.contract("RED-3")
@pytest.mark.parametrize(("target", "place"), LEGAL.values(), ids=LEGAL.keys())
def test_go_leads_on(service: Service, target: str, place: str) -> None:
    answer = service.visitor().get(go(for_host(target, service.host)))
    assert answer.status_code == 303
    # As it was parsed, not as it was asked for: another parser may read the latter otherwise.
    assert answer.headers["location"] in {place, service.origin + place}
    expect.headers(answer)


@pytest.mark.contract("RED-1")
def test_listed_host_is_allowed_by_https(inside: Inside) -> None:
    answer = inside.visitor().get(go(f"https://{PARTNER.upper()}/a?b=c"))
    assert answer.status_code == 303
    assert expect.place(answer) == f"https://{PARTNER}/a?b=c"


@pytest.mark.contract("RED-1")
@pytest.mark.parametrize("query", ["", "?URL=/a", f"?URL=//{EVIL}"])
def test_go_needs_a_target(service: Service, query: str) -> None:
    expect.error(service.visitor().get(f"/go{query}"), 400, 422, echo=EVIL)


@pytest.mark.contract("RED-1")
@pytest.mark.parametrize(
    "query", ["?url=", "?url=/a&url=/b", f"?url=/a&url=//{EVIL}", f"?url=//{EVIL}&url=/a"]
)
def test_go_needs_one_target(service: Service, query: str) -> None:
    """Frameworks take the first or the last, or refuse; none may lead astray."""
    answer = service.visitor().get(f"/go{query}")
    if not stays(answer, service):
        expect.error(answer, 400, 422, echo=EVIL)


@pytest.mark.contract("RED-1")
@pytest.mark.parametrize(
    "name", ["NUL", "not UTF-8", "lone surrogate", "NUL in the host"], ids=lambda each: each
)
def test_go_refuses_what_is_no_text(service: Service, name: str) -> None:
    targets = {
        "NUL": "/%00",
        "not UTF-8": "/%ff",
        "lone surrogate": "/%ed%a0%80",
        "NUL in the host": f"//{EVIL}%00.{quote(service.host)}/",
    }
    expect.error(service.visitor().get(f"/go?url={targets[name]}"), 400)


@pytest.mark.contract("RED-1")
@pytest.mark.contract("RED-2")
@pytest.mark.parametrize("target", ATTACKS.values(), ids=ATTACKS.keys())
def test_login_ignores_a_target_elsewhere(inside: Inside, user: User, target: str) -> None:
    answer = inside.visitor().login(user.name, user.password, next=for_host(target, inside.host))
    assert answer.status_code == 303
    assert expect.place(answer) == f"{ORIGIN}/account"


@pytest.mark.contract("RED-3")
@pytest.mark.parametrize("name", ["path", "address in the query", "unicode", "own origin"])
def test_login_leads_on(inside: Inside, user: User, name: str) -> None:
    target, place = LEGAL[name]
    answer = inside.visitor().login(user.name, user.password, next=for_host(target, inside.host))
    assert answer.status_code == 303
    assert expect.place(answer) == ORIGIN + place


@pytest.mark.contract("RED-1")
def test_login_page_does_not_take_over_a_target_elsewhere(service: Service) -> None:
    page = service.visitor().get(f"/login?next={quote('javascript:alert(1)')}").text
    assert 'href="javascript:' not in page
    assert "<form" in page


@pytest.mark.contract("RED-3")
def test_page_that_needs_a_login_comes_back_to_itself(inside: Inside, user: User) -> None:
    browser = inside.visitor()
    # A query, because without a target the login leads to the account page too.
    answer = browser.get("/account?a=b&c=d")
    assert answer.status_code == 303
    place = urlsplit(answer.headers["location"])
    assert place.path == "/login"
    page = browser.get(f"/login?{place.query}")
    assert page.status_code == 200
    hidden = page.text.partition('name="next" value="')[2].partition('"')[0]
    answer = browser.login(user.name, user.password, next=html.unescape(hidden))
    assert expect.place(answer) == f"{ORIGIN}/account?a=b&c=d"


@pytest.mark.contract("RED-2")
def test_bad_target_does_not_keep_anybody_out(inside: Inside) -> None:
    user = inside.add_user()
    answer = inside.visitor().login(user.name, user.password, next="https://evil.example/")
    assert answer.status_code == 303
    assert expect.place(answer) == f"{inside.origin}/account"
