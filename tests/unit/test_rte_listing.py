"""What the command `routes` lists, and what `check` says of facts (RTE-1, RTE-3)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from my_service.adapter import sockets
from my_service.adapter.inventory import Endpoint, beside
from my_service.config import ConfigError
from my_service.operate import routes, serve
from my_service.security.policy import load

from ..conftest import Make
from ..driver import EXAMPLE, Files, Inside
from .stage import Stage

Rows = dict[tuple[str, str], dict[str, Any]]


def by_path(text: str) -> Rows:
    """Return the rows of `--json` by path and method."""
    rows = json.loads(text)
    assert rows == sorted(rows, key=lambda row: row["path"])
    return {(row["path"], method): row for row in rows for method in row["methods"] or ["any"]}


@pytest.fixture
def staged(stage: Inside, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """What is listed of the stage."""
    assert isinstance(stage, Stage)
    monkeypatch.setattr(routes, "create_app", lambda _: stage.application)
    return by_path(stage.cli("routes", "--json").stdout)


class Around:
    """What answers some requests by itself and hands on the others, as a library shows it."""

    def __init__(self, app: Any) -> None:
        self.app = self.wsgi_app = app


@pytest.mark.contract("RTE-2")
def test_application_around_the_policy_is_not_served(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would answer without login, limits and headers."""
    made = inside.build
    monkeypatch.setattr(serve, "create_app", lambda settings: Around(made(settings)))
    for name in ("keep_memory_apart", "claim_socket", "hold", "Server"):
        monkeypatch.setattr(serve, name, lambda *_, **__: None)
    monkeypatch.setattr("multiprocessing.set_start_method", lambda _: None)
    settings = inside.files.settings()
    with pytest.raises(ConfigError, match="create_app returns a Around, not what `secure`"):
        serve.run(settings, host="", port=0, uds=Path("unused"), workers=1)


@pytest.mark.contract("RTE-3")
def test_plain_service_fits_on_a_screen(inside: Inside) -> None:
    listed = inside.cli("routes")
    assert listed.exit_code == 0, listed.output
    # Django has one urlconf for a process, and that of the stage may be in force.
    lines = [line for line in listed.stdout.splitlines() if "/stage" not in line]
    # The admin is Django's: it has as many addresses as models.
    lines = [line for line in lines if not line.endswith(" django")]
    mails = [line for line in lines if re.search(r" /(forgot|reset|confirm|sign|account/e)", line)]
    assert 18 <= len(lines) - len(mails) <= 36
    assert lines[1].split() == ["GET", "/", "public", "view", "template"]
    assert listed.stdout == inside.cli("routes").stdout
    rows = by_path(inside.cli("routes", "--json").stdout)
    for path, method, access in (
        ("/login", "POST", "public"),
        ("/account", "GET", "login"),
        (EXAMPLE[1], "POST", "login"),
        ("/healthz", "GET", "public"),
    ):
        assert (rows[path, method]["access"], rows[path, method]["owner"]) == (access, "template")
    assert rows["/login", "GET"]["body"] == []
    assert rows["/login", "POST"]["max-body"] == inside.policy.input.max_body


@pytest.mark.contract("RTE-3")
def test_nothing_is_left_behind_and_nothing_asked(make: Make) -> None:
    """Neither the database nor the store of the service is touched."""
    service = make()
    for file in (service.files.database, service.files.store):
        file.unlink(missing_ok=True)
    assert service.cli("routes").exit_code == 0
    assert not service.files.database.exists()
    assert not service.files.store.exists()


@pytest.mark.parametrize("command", ["routes", "check"])
def test_tables_are_no_concern_of_the_listing(inside: Inside, command: str) -> None:
    """They are thrown away with their database, so nobody is told that they are behind."""
    assert "sys_schema_differs" not in inside.cli(command).stderr


@pytest.mark.contract("RTE-3")
def test_fact_is_named_where_it_holds(make: Make) -> None:
    facts = """
[[route]]
path = "/account/"
methods = ["POST"]
max-body = 2_000_000
max-seconds = 7
[[route]]
path = "/api/notes/4711"
access = "public"
origins = ["https://a.test"]
[[route]]
path = "/go"
csp = { img-src = "https://a.test" }
cross-site = "without-session"
"""
    service = make(facts=facts)
    rows = by_path(service.cli("routes", "--json").stdout)
    password = rows["/account/password", "POST"]
    assert (password["max-body"], password["max-seconds"]) == (2_000_000, 7)
    assert rows["/account", "GET"]["max-seconds"] == 0
    one = rows["/api/notes/4711", "GET"]
    assert (one["access"], one["said"]) == ("public", "[[route]] /api/notes/4711")
    assert one["origins"] == ["https://a.test"]
    text = service.cli("routes").stdout
    assert "cross-site without-session, csp img-src https://a.test" in text
    assert "max-body 2000000, max-seconds 7" in text


@pytest.mark.contract("RTE-3")
def test_every_kind_of_route_is_listed(staged: Rows) -> None:
    """Mounted ones, those of extensions, classes, and what says nothing of itself."""
    for path, access in (
        ("/stage/included/mounted/page", "login"),
        ("/stage/included/mounted/public", "public"),
        ("/stage/closed", "login"),
        ("/stage/answer", "public"),
        ("/stage/extension", "login"),
    ):
        found = [row for (own, _), row in staged.items() if own == path]
        assert {row["access"] for row in found} == {access}, path
    for path, access in (("/stage/opened/*", "public"), ("/stage/raw/*", "login")):
        # What stands beside the framework, it does not know.
        raw = [row for (own, _), row in staged.items() if own == path]
        assert {row["access"] for row in raw} <= {access}
        assert {row["said"] for row in raw} <= {"default", "[[route]] /stage/opened/"}
    bodies = {tuple(row["body"]) for (path, _), row in staged.items() if path == "/stage/upload"}
    assert ("multipart/form-data",) in bodies
    assert staged["/stage/upload", "POST"]["max-body"] == 2_000_000


@pytest.mark.contract("RTE-3")
@pytest.mark.parametrize("path", ["/a", "/a/{name}", "/a/*"])
def test_fact_for_a_method_is_listed_where_any_is_answered(tmp_path: Path, path: str) -> None:
    """A function of Django's, a mount and a raw application say nothing of methods."""
    place = path if path == "/a" else "/a/"
    facts = f'''
[[route]]
path = "{place}"
methods = ["POST"]
max-body = 2_000_000
[[route]]
path = "/elsewhere"
methods = ["GET", "PUT"]
max-seconds = 7
'''
    policy = load(Files(tmp_path, exceptions={}, facts=facts).policy())
    view = Endpoint(path, frozenset(), public=False, said="default", handler="a:b")
    listed = [row for row in routes.rows(policy, [view]) if row.path == path]
    most = policy.input.max_body
    assert [(row.methods, row.max_body) for row in listed] == [((), most), (("POST",), 2_000_000)]


@pytest.mark.contract("RTE-3")
def test_fact_for_reading_says_nothing_of_the_rest(tmp_path: Path) -> None:
    facts = '[[route]]\npath = "/a"\nmethods = ["GET"]\naccess = "public"\nmax-seconds = 7'
    policy = load(Files(tmp_path, exceptions={}, facts=facts).policy())
    view = Endpoint("/a", frozenset(), public=False, said="default", handler="a:b")
    listed = [row for row in routes.rows(policy, [view]) if row.path == "/a"]
    found = [(row.methods, row.access, row.max_seconds) for row in listed]
    assert found == [((), "login", 0), (("GET",), "public", 7)]


@pytest.mark.contract("RTE-3")
@pytest.mark.skipif(not hasattr(sockets, "Sockets"), reason="WSGI has no WebSockets")
def test_sockets_are_listed(staged: Rows) -> None:
    assert staged["/stage/socket/echo", "any"]["websocket"] is True


@pytest.mark.contract("RTE-3")
@pytest.mark.parametrize(
    ("fact", "path", "fit"),
    [
        ("/a", "/a", True),
        ("/a", "/b", False),
        ("/a", "/a/b", False),
        ("/a/b", "/a/{id}", True),
        ("/a/b", "/{x}/{y}", True),
        ("/a/b/c", "/a/{id}", False),
        ("/a/", "/a", False),
        ("/a/", "/a/b", True),
        ("/a/", "/a/{id}/c", True),
        ("/a/", "/ab/c", False),
        ("/", "/a", True),
        ("/a/b/c", "/a/{rest:path}", True),
        ("/a/b/c", "/a/*", True),
        ("/a/b/", "/a/*", True),
        ("/a/", "/a/*", True),
        ("/a", "/a/*", True),
        ("/b", "/a/*", False),
    ],
)
def test_facts_fit_paths_with_names(fact: str, path: str, fit: bool) -> None:
    assert routes.fits(fact, path) is fit


USELESS = {
    "no such path": ('path = "/logn"\nmax-body = 1', "fail", "'/logn' fits no route"),
    "policy's own path": ('path = "/healthz"\nmax-seconds = 1', "fail", "fits no route"),
    "no such path to open": ('path = "/raw/"\naccess = "public"', "fail", "fits no route"),
    "method that nothing answers": (
        'path = "/login"\nmethods = ["PUT"]',
        "fail",
        "methods: no route there answers PUT",
    ),
    "body where none is taken": (
        'path = "/go"\nmax-body = 2_000_000',
        "fail",
        "max-body: no route there takes a body",
    ),
    "open already": ('path = "/login"\naccess = "public"', "warn", "access: the views say so"),
    "what a shorter one said": (
        'path = "/account/"\nmax-seconds = 9\n[[route]]\npath = "/account/password"\nmax-body = 9',
        "warn",
        "'/account/password' drops what '/account/' says: max-seconds",
    ),
    "said again": (
        'path = "/account/"\nmax-body = 9\n[[route]]\npath = "/account/password"\nmax-body = 8',
        "ok",
        "",
    ),
    "origin of a developer": (
        'path = "/account/"\norigins = ["http://localhost:5173"]',
        "warn",
        "http://localhost:5173 counts in development alone",
    ),
}


@pytest.mark.contract("RTE-1")
@pytest.mark.parametrize(("facts", "state", "said"), USELESS.values(), ids=USELESS.keys())
def test_check_says_what_opens_nothing(make: Make, facts: str, state: str, said: str) -> None:
    checked = make(facts=f"[[route]]\n{facts}").cli("check", "--json")
    (item,) = [each for each in json.loads(checked.stdout) if each["id"] == "PS015"]
    assert (item["state"], said in item["remedy"]) == (state, True), item


@pytest.mark.contract("RTE-1")
def test_what_may_answer_beside_the_routes_is_named(tmp_path: Path) -> None:
    """Its paths are on no list, so that a fact may well open one."""
    facts = '[[route]]\npath = "/a/"\naccess = "public"'
    policy = load(Files(tmp_path, exceptions={}, facts=facts).policy())
    others = beside([test_what_may_answer_beside_the_routes_is_named], "somebody.else.")
    ((state, said),) = routes.objections(policy, others, production=True)
    assert state == "warn"
    assert "test_what_may_answer_beside_the_routes_is_named does not answer there" in said
    ((state, said),) = routes.objections(policy, [], production=True)
    assert (state, "fits no route; correct the path" in said) == ("fail", True)
    assert routes.rows(policy, others) == routes.rows(policy, [])


@pytest.mark.contract("RTE-3")
def test_what_the_policy_answers_before_the_application_is_named(tmp_path: Path) -> None:
    """Frameworks' documentation mounts files at /static, and nobody would ever see them."""
    policy = load(Files(tmp_path, exceptions={}).policy())
    hidden = ("/static/*", "/static/{name}", "/healthz", "/static")
    pages = [
        Endpoint(path, frozenset({"GET"}), public=True, said="view", handler="a:b")
        for path in (*hidden, hidden[0], "/statics/*", "/{name}", "/healthz/more")
    ]
    said = [*routes.objections(policy, pages, production=True)]
    for path, (state, text) in zip(hidden, said, strict=True):
        assert state == "warn"
        assert f"a:b at {path!r} is never asked" in text


@pytest.mark.contract("RTE-1")
def test_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    facts = '[[route]]\npath = "/a"\nwebsocket = true'
    policy = load(Files(tmp_path, exceptions={}, facts=facts).policy())
    page = Endpoint("/a", frozenset({"GET"}), public=False, said="default", handler="a:b")
    ((state, said),) = routes.objections(policy, [page], production=True)
    assert state == "fail"
    assert "no route there is a WebSocket" in said
