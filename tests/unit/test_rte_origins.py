"""Other origins: what a fact opens to their scripts, and to nobody else's (RTE-4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from .. import expect
from ..driver import CHEAP, JSON, Browser, Files, Header, Inside
from .stage import FACTS, Stage

SPA = "https://spa.partner.test"
SIBLING = "https://www.app.test"
PATH = "/stage/json"
TABLES = f"""
[[route]]
path = "{PATH}"
methods = ["POST", "PUT"]
origins = ["{SPA}", "{SIBLING}"]
request-headers = ["x-csrftoken"]
[[route]]
path = "/stage/answer"
origins = ["{SPA}", "{SIBLING}"]
[[route]]
path = "/stage/closed"
origins = ["{SPA}", "{SIBLING}"]
[[route]]
path = "/stage/session/set"
origins = ["{SPA}", "{SIBLING}"]
cross-site = "without-session"
"""
LOOK_ALIKES = (
    *("null", "https://spa.partner.test.evil.example", "https://evil-spa.partner.test"),
    *("https://partner.test", "http://spa.partner.test", "https://spa.partner.test:8443"),
    *("https://SPA.partner.test", "https://a@spa.partner.test", "https://spa.partner.test/"),
    *("https://spa.partner.test, https://evil.example", "https://evil.example", "https://app.test"),
    *("https://spa.partner.test.", " ", "*"),
)
OF_OTHERS = (("Sec-Fetch-Site", "cross-site"), ("Accept", "*/*"))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    files = Files(tmp_path_factory.mktemp("origins"), CHEAP, facts=FACTS + TABLES)
    with closing(Stage(files)) as service:
        yield service


def cors(answer: httpx.Response) -> dict[str, str]:
    """Return what the answer says to scripts of others, each thing once."""
    prefix = "access-control-"
    names = [name for name in answer.headers if name.startswith(prefix)]
    return {name.removeprefix(prefix): expect.once(answer, name) for name in names}


def ask(browser: Browser, origin: str, *headers: Header, target: str = PATH) -> httpx.Response:
    """Post JSON as a script of that origin does."""
    own = (("Origin", origin), JSON, *(headers or OF_OTHERS))
    return browser.send("POST", target, own, b"{}")


def preflight(browser: Browser, origin: str, method: str = "POST") -> httpx.Response:
    asked = (("Origin", origin), ("Access-Control-Request-Method", method), *OF_OTHERS)
    return browser.send("OPTIONS", PATH, asked)


@pytest.mark.contract("RTE-4")
def test_preflight_is_answered_by_the_policy(stage: Inside) -> None:
    answer = preflight(stage.visitor(), SPA)
    assert answer.status_code == 204
    assert cors(answer) == {
        "allow-origin": SPA,
        "allow-methods": "POST, PUT",
        "allow-headers": "authorization, content-type, x-csrftoken",
        "max-age": str(stage.policy.cors.max_age),
    }
    assert expect.once(answer, "vary") == "Origin"
    for method in ("DELETE", "GET", "TRACE", "post"):
        assert cors(preflight(stage.visitor(), SPA, method)) == {}


@pytest.mark.contract("RTE-4")
def test_listed_origin_may_read_and_send(stage: Inside) -> None:
    answer = ask(stage.visitor(), SPA)
    assert answer.json() == {"got": {}}
    assert cors(answer)["allow-origin"] == SPA
    assert "allow-credentials" not in cors(answer)
    assert cors(answer)["expose-headers"].startswith("x-total-count, ")
    assert expect.once(answer, "vary") == "Origin"
    assert expect.once(answer, "cross-origin-resource-policy") == "cross-origin"


@pytest.mark.contract("RTE-4")
@pytest.mark.parametrize("origin", LOOK_ALIKES)
def test_look_alike_gets_nothing(stage: Inside, origin: str) -> None:
    member = stage.member()
    own = (("Origin", origin), *OF_OTHERS)
    for answer in (
        preflight(member, origin),
        member.get("/stage/answer?body=a", own),
        ask(member, origin),
    ):
        assert cors(answer) == {}
        assert expect.once(answer, "cross-origin-resource-policy") == "same-origin"
    expect.error(ask(member, origin), 403)


@pytest.mark.contract("RTE-4")
def test_caches_know_that_the_origin_counts(stage: Inside) -> None:
    visitor = stage.visitor()
    for headers in ((), (("Origin", SPA),), (("Origin", "https://evil.example"),)):
        answer = visitor.get("/stage/answer?body=a&header=vary:accept-language", headers)
        assert expect.once(answer, "vary") == "accept-language, Origin"
    two = "header=vary:accept&header=vary:cookie"
    answer = visitor.get(f"/stage/answer?{two}")
    assert set(expect.once(answer, "vary").split(", ")) == {"accept", "cookie", "Origin"}
    for stated in ("Origin", "accept, origin", "*"):
        answer = visitor.get(f"/stage/answer?header=vary:{stated}")
        assert expect.once(answer, "vary") == stated


@pytest.mark.contract("RTE-4")
def test_errors_can_be_read_too(stage: Inside) -> None:
    visitor = stage.visitor()
    big = b'"' + b"a" * stage.policy.input.max_json + b'"'
    wrong = visitor.send("POST", PATH, (("Origin", SPA), *OF_OTHERS, JSON), b"[")
    large = visitor.send("POST", PATH, (("Origin", SPA), *OF_OTHERS, JSON), big)
    kind = visitor.send("POST", PATH, (("Origin", SPA), *OF_OTHERS, ("Content-Type", "a/b")), b"a")
    closed = visitor.get("/stage/closed", (("Origin", SPA), *OF_OTHERS))
    for answer, status in ((wrong, 400), (large, 413), (kind, 415), (closed, 401)):
        assert answer.status_code == status
        assert expect.once(answer, "content-type") == "application/problem+json"
        assert cors(answer)["allow-origin"] == SPA
        assert expect.once(answer, "cache-control") == "no-store"


@pytest.mark.contract("RTE-4")
@pytest.mark.parametrize("site", ["cross-site", "same-site", ""])
def test_another_site_comes_without_the_session(stage: Inside, site: str) -> None:
    """Also where the browser sends the cookie, or says that it is the same site."""
    member = stage.member()
    headers = (("Origin", SPA), ("Accept", "*/*")) + ((("Sec-Fetch-Site", site),) if site else ())
    answer = member.send("GET", "/stage/closed", headers)
    assert answer.status_code == 401
    assert "allow-credentials" not in cors(answer)
    assert member.logged_in()


@pytest.mark.contract("RTE-4")
def test_own_site_comes_with_the_session(stage: Inside) -> None:
    member = stage.member()
    same_site = (("Sec-Fetch-Site", "same-site"), ("Accept", "*/*"))
    answer = member.send("GET", "/stage/closed", (("Origin", SIBLING), *same_site))
    assert (answer.status_code, answer.text) == (200, "inside")
    assert cors(answer)["allow-credentials"] == "true"
    assert expect.once(answer, "cross-origin-resource-policy") == "same-site"
    assert ask(member, SIBLING, *same_site).json() == {"got": {}}
    # The browser knows better what a site is.
    answer = member.send("GET", "/stage/closed", (("Origin", SIBLING), *OF_OTHERS))
    assert answer.status_code == 401
    assert "allow-credentials" not in cors(answer)


@pytest.mark.contract("RTE-4")
@pytest.mark.contract("RTE-5")
def test_route_without_session_has_none_for_its_own_site(stage: Inside) -> None:
    member = stage.member()
    target = "/stage/session/set?key=a&value=b"
    same_site = (("Sec-Fetch-Site", "same-site"), ("Accept", "*/*"))
    answer = ask(member, SIBLING, *same_site, target=target)
    assert "allow-credentials" not in cors(answer)
    assert "set-cookie" not in answer.headers


@pytest.mark.contract("RTE-4")
def test_what_the_application_says_of_it_does_not_count(stage: Inside) -> None:
    said = "&".join(
        f"header=access-control-{line}"
        for line in ("allow-origin:*", "allow-credentials:true", "expose-headers:set-cookie")
    )
    target = f"/stage/answer?{said}"
    assert cors(stage.visitor().get(target, (("Origin", "https://evil.example"),))) == {}
    told = cors(stage.visitor().get(target, (("Origin", SPA), *OF_OTHERS)))
    assert told["allow-origin"] == SPA
    assert "allow-credentials" not in told
    assert "set-cookie" not in told["expose-headers"]


@pytest.mark.contract("RTE-4")
def test_elsewhere_nothing_is_open(stage: Inside) -> None:
    visitor = stage.visitor()
    expect.error(ask(visitor, SPA, target="/stage/form"), 403)
    answer = visitor.get("/stage/seen", (("Origin", SPA), *OF_OTHERS))
    assert cors(answer) == {}
    assert "vary" not in answer.headers or "Origin" not in answer.headers["vary"]
