"""OPTIONS: the policy's everywhere, but where a fact leaves it to the application (RTE-1)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from my_service.adapter.inventory import Endpoint
from my_service.operate import routes
from my_service.security.policy import load

from .. import expect
from ..driver import CHEAP, FORM, PROGRAM, Browser, Files, Header, Inside
from .stage import FACTS, Stage

SPA = "https://spa.partner.test"
ABLE, CLOSED = "/stage/able", "/stage/able/closed"
TABLES = f"""
[[route]]
path = "{ABLE}"
methods = ["GET", "OPTIONS"]
origins = ["{SPA}"]
max-body = 100
[[route]]
path = "{ABLE}/"
methods = ["OPTIONS"]
[[route]]
path = "/stage/json"
methods = ["OPTIONS", "POST"]
[[route]]
path = "/stage/closed"
max-body = 100
"""
EVERYTHING = """
[[route]]
path = "/"
methods = ["OPTIONS"]
access = "public"
"""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """The stage with facts that name OPTIONS."""
    files = Files(tmp_path_factory.mktemp("options"), CHEAP, facts=FACTS + TABLES)
    with closing(Stage(files)) as service:
        yield service


def options(browser: Browser, target: str, *headers: Header, body: bytes = b"") -> httpx.Response:
    return browser.send("OPTIONS", target, headers, body)


def expect_policys(answer: httpx.Response, service: Inside) -> None:
    """Check the answer that tells nothing."""
    assert (answer.status_code, answer.content) == (204, b"")
    assert expect.once(answer, "allow") == ", ".join(sorted(service.policy.input.methods))


@pytest.mark.contract("FPR-3")
@pytest.mark.parametrize("target", [ABLE, CLOSED, "/stage/closed", "/stage/json"])
def test_policy_answers_where_no_fact_says_otherwise(stage: Inside, target: str) -> None:
    for browser in (stage.visitor(), stage.member()):
        answer = options(browser, target)
        expect_policys(answer, stage)
        expect.headers(answer)


@pytest.mark.contract("RTE-1")
def test_fact_leaves_it_to_the_application(asked: Inside) -> None:
    answer = options(asked.visitor(), ABLE)
    assert (answer.status_code, answer.json()) == (200, {"can": "much"})
    expect.headers(answer)
    # One about something else does not.
    expect_policys(options(asked.visitor(), "/stage/closed"), asked)


@pytest.mark.contract("RTE-1", "RTE-4")
@pytest.mark.parametrize("method", ["GET", "POST", "PROPFIND"])
@pytest.mark.parametrize("origin", [SPA, "https://evil.example"])
def test_preflights_stay_the_policys(asked: Inside, origin: str, method: str) -> None:
    headers = (("Origin", origin), ("Access-Control-Request-Method", method))
    answer = options(asked.member(), ABLE, *headers)
    expect_policys(answer, asked)
    assert expect.once(answer, "strict-transport-security")
    told = "access-control-allow-methods" in answer.headers
    assert told is (origin == SPA and method == "GET")
    if told:
        assert expect.once(answer, "access-control-allow-methods") == "GET, OPTIONS"


@pytest.mark.contract("RTE-4")
def test_listed_origin_may_read_the_answer(asked: Inside) -> None:
    answer = options(asked.visitor(), ABLE, ("Origin", SPA), ("Sec-Fetch-Site", "cross-site"))
    assert answer.json() == {"can": "much"}
    assert expect.once(answer, "access-control-allow-origin") == SPA


@pytest.mark.contract("RTE-1", "RTE-2")
def test_access_is_asked_as_of_any_other_request(asked: Inside, tmp_path: Path) -> None:
    answer = options(asked.visitor(), CLOSED, PROGRAM)
    expect.error(answer, 401)
    assert "much" not in answer.text
    answer = options(asked.member(), CLOSED)
    assert answer.json() == {"can": "much"}
    expect.headers(answer)
    files = Files(tmp_path, CHEAP, facts=FACTS + EVERYTHING)
    with closing(Stage(files)) as opened:
        assert options(opened.visitor(), CLOSED).json() == {"can": "much"}
        # It says nothing of other methods.
        assert opened.visitor().get(CLOSED).status_code == 303
        # What the policy answers by itself it does not leave to anybody.
        for target in ("/healthz", "/readyz", "/.well-known/security.txt", "/static/app.css"):
            expect_policys(options(opened.visitor(), target), opened)
        expect.error(options(opened.visitor(), "/stage/unknown", PROGRAM), 404)


@pytest.mark.contract("RTE-1")
def test_limits_hold_as_for_any_other_request(asked: Inside) -> None:
    visitor = asked.visitor()
    expect.error(options(visitor, f"{ABLE}?{'a' * asked.policy.input.max_url}", PROGRAM), 414)
    many = tuple((f"X-{number}", "a") for number in range(asked.policy.input.max_header_count))
    expect.error(options(visitor, ABLE, PROGRAM, *many), 431)
    kinds = (("Content-Type", FORM), 413, b"a" * 101), (("Content-Type", "text/a"), 415, b"a")
    for kind, status, body in kinds:
        expect.error(options(visitor, ABLE, PROGRAM, kind, body=body), status)


@pytest.mark.contract("RTE-1")
def test_view_without_an_answer_has_our_face(asked: Inside) -> None:
    """Most frameworks answer by themselves where a view does not."""
    answer = options(asked.visitor(), "/stage/json", PROGRAM)
    if answer.status_code not in {200, 204}:
        expect.error(answer, 405)
    assert {"OPTIONS", "POST"} <= set(expect.once(answer, "allow").split(", "))
    expect.headers(answer)


@pytest.mark.contract("RTE-3")
def test_only_what_is_asked_is_listed(
    asked: Inside, stage: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    for service, wanted in ((asked, {(ABLE, "public"), (CLOSED, "login")}), (stage, set())):
        assert isinstance(service, Stage)
        application = service.application
        monkeypatch.setattr(routes, "create_app", lambda _, made=application: made)
        rows = json.loads(service.cli("routes", "--json").stdout)
        listed = {(row["path"], row["access"]) for row in rows if "OPTIONS" in row["methods"]}
        assert {each for each in listed if each[0] in {ABLE, CLOSED}} == wanted
        assert {path for path, _ in listed} <= {ABLE, CLOSED, "/stage/json"}
        # The other methods are listed as ever.
        assert [row["path"] for row in rows if "GET" in row["methods"]].count(ABLE) == 1


@pytest.mark.contract("RTE-1", "RTE-3")
@pytest.mark.parametrize(
    ("methods", "said", "listed"),
    [
        ({"GET"}, "no route there answers OPTIONS", [("GET",)]),
        ({"GET", "OPTIONS"}, "", [("GET", "OPTIONS")]),
        ({"OPTIONS"}, "", [("OPTIONS",)]),
        (set(), "", [(), ("GET", "OPTIONS")]),
    ],
)
def test_check_says_where_nothing_answers(
    tmp_path: Path, methods: set[str], said: str, listed: list[tuple[str, ...]]
) -> None:
    facts = '[[route]]\npath = "/a"\nmethods = ["GET", "OPTIONS"]'
    policy = load(Files(tmp_path, exceptions={}, facts=facts).policy())
    page = Endpoint("/a", frozenset(methods), public=False, said="default", handler="a:b")
    objections = [text for _, text in routes.objections(policy, [page], production=True)]
    assert [said in text for text in objections] == [True] * bool(said)
    rows = [row for row in routes.rows(policy, [page]) if row.path == "/a"]
    assert [row.methods for row in rows] == listed
