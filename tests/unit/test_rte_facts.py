"""What a fact may say, and what it is refused for when the service starts (RTE-1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from my_service.security.policy import PolicyError, load
from my_service.security.routes import Routes, at_or_below

from ..driver import Files

ORIGINS = {
    "any": ("*", "as browsers write"),
    "of no page": ("null", "as browsers write"),
    "without a scheme": ("spa.example.com", "as browsers write"),
    "with a path": ("https://spa.example.com/", "as browsers write"),
    "in upper case": ("https://SPA.example.com", "as browsers write"),
    "any subdomain": ("https://*.example.com", "as browsers write"),
    "with a user": ("https://a@spa.example.com", "as browsers write"),
    "another scheme": ("ftp://spa.example.com", "as browsers write"),
    "with a blank": ("https://spa.example.com ", "as browsers write"),
    "with the usual port": ("https://spa.example.com:443", "https://spa.example.com"),
    "with no port": ("https://spa.example.com:70000", "https://spa.example.com"),
    "with a port of zeros": ("https://spa.example.com:0443", "https://spa.example.com"),
    "plain http": ("http://spa.example.com", "write https"),
    "like this machine": ("http://localhost.example.com", "write https"),
    "itself": ("https://app.test", "the service itself"),
}
CSP = {
    "inline scripts": ("script-src", "'unsafe-inline'"),
    "inline scripts in another case": ("script-src", "'Unsafe-Inline'"),
    "eval": ("script-src", "'unsafe-eval'"),
    "any host": ("script-src", "*"),
    "any host by https": ("img-src", "https://*"),
    "any host at a port": ("img-src", "https://*:8443"),
    "any host by a port": ("img-src", "*:443"),
    "any https": ("connect-src", "https:"),
    "data": ("script-src", "data:"),
    "one of several": ("style-src", "https://cdn.example.com 'unsafe-inline'"),
}
WRONG = {
    "unknown key": ("max-second = 3", "max-second"),
    "wrong kind": ('max-seconds = "3"', "max-seconds"),
    "no time at all": ("max-seconds = 0", "max-seconds"),
    "more than a day": ("max-seconds = 86_401", "max-seconds"),
    "misspelt directive": ('csp = { frame-ancestor = "a.test" }', "did you mean 'frame-ancestors'"),
    "two blanks": ('csp = { img-src = "a.test  b.test" }', "one space"),
    "second directive": ('csp = { img-src = "a.test; script-src *" }', "img-src"),
    "origin twice": ('origins = ["https://a.test", "https://a.test"]', "occurs twice"),
    "headers of nobody": ('request-headers = ["x-a"]', "without origins"),
    "header that no script sends": (
        'origins = ["https://a.test"]\nrequest-headers = ["cookie"]',
        "no script can send 'cookie'",
    ),
    "socket by POST": ('websocket = true\nmethods = ["POST"]', "begins with a GET"),
    "socket with a body": ("websocket = true\nmax-body = 1", "max-body: a WebSocket has none"),
    "socket as a page": ('websocket = true\ncsp = { img-src = "a.test" }', "csp: a WebSocket"),
}


def refused(folder: Path, facts: str) -> str:
    """Return what is said of facts that are refused."""
    with pytest.raises(PolicyError) as caught:
        load(Files(folder, exceptions={}, facts=facts).policy())
    return str(caught.value)


@pytest.mark.contract("RTE-4")
@pytest.mark.parametrize(("origin", "said"), ORIGINS.values(), ids=ORIGINS.keys())
def test_origins_are_exact(tmp_path: Path, origin: str, said: str) -> None:
    message = refused(tmp_path, f'[[route]]\npath = "/a"\norigins = ["{origin}"]')
    for part in ("policy.toml", "[[route]] '/a' origins", repr(origin), said):
        assert part in message


@pytest.mark.contract("HDR-3")
@pytest.mark.parametrize(("directive", "sources"), CSP.values(), ids=CSP.keys())
def test_what_lets_code_run_is_no_fact(tmp_path: Path, directive: str, sources: str) -> None:
    message = refused(tmp_path, f'[[route]]\npath = "/a"\ncsp = {{ {directive} = "{sources}" }}')
    for part in ("policy.toml", f"'/a' csp.{directive}", "[[exception]]"):
        assert part in message
    listed = ", ".join(f'"{source}"' for source in sources.split())
    assert "[[exception]]" in refused(tmp_path, f"[service.csp]\n{directive} = [{listed}]")


@pytest.mark.contract("RTE-1")
@pytest.mark.parametrize(("facts", "said"), WRONG.values(), ids=WRONG.keys())
def test_impossible_facts_are_refused(tmp_path: Path, facts: str, said: str) -> None:
    message = refused(tmp_path, f'[[route]]\npath = "/a"\n{facts}')
    assert "policy.toml" in message
    assert said in message


@pytest.mark.contract("RTE-1")
def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    table = '[[route]]\npath = "/{0}"\norigins = ["{0}"]\n'
    lines = refused(tmp_path, table.format("a") + table.format("b")).splitlines()
    assert [line.split(" origins")[0] for line in lines] == [
        "policy.toml: [[route]] '/a'",
        "policy.toml: [[route]] '/b'",
    ]


@pytest.mark.contract("RTE-4")
def test_all_paths_are_never_opened_to_other_sites(tmp_path: Path) -> None:
    message = refused(tmp_path, 'response-headers = ["access-control-allow-origin"]')
    assert "[[route]] origins" in message


@pytest.mark.contract("FPR-1")
@pytest.mark.parametrize(
    "name",
    [
        *("connection", "date", "keep-alive", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    ],
)
def test_what_a_server_says_of_a_connection_is_no_header_of_views(
    tmp_path: Path, name: str
) -> None:
    """`Connection: x-frame-options` has each proxy drop that; no server sends two lengths."""
    message = refused(tmp_path, f'response-headers = ["{name}"]')
    assert f"{name!r} is the server's to say" in message


@pytest.mark.contract("RTE-4")
def test_development_origin_counts_in_development_alone(tmp_path: Path) -> None:
    facts = '[[route]]\npath = "/a"\norigins = ["http://localhost:5173", "https://a.test:8443"]'
    policy = load(Files(tmp_path, exceptions={}, facts=facts).policy())
    found = {
        production: Routes(policy.routes, policy.input, production=production).find("GET", "/a")
        for production in (True, False)
    }
    assert found[True].origins == {"https://a.test:8443"}
    assert found[False].origins == {"https://a.test:8443", "http://localhost:5173"}


@pytest.mark.contract("RTE-1")
def test_longest_path_and_the_named_method_count(tmp_path: Path) -> None:
    facts = "".join(
        f'[[route]]\npath = "{path}"\nmax-body = {size}\n{more}\n'
        for path, size, more in (
            ("/", 1, ""),
            ("/a/", 2, ""),
            ("/a/b", 3, ""),
            ("/a/b", 4, 'methods = ["GET"]'),
            ("/a/b/c/", 5, 'methods = ["PUT"]'),
        )
    )
    policy = load(Files(tmp_path, exceptions={}, facts=facts).policy())
    routes = Routes(policy.routes, policy.input)
    for method, path, size in (
        ("GET", "/", 1),
        ("GET", "/a", 1),
        ("GET", "/ab", 1),
        ("GET", "/a/", 2),
        ("GET", "/a/c/d/", 2),
        ("POST", "/a/b", 3),
        ("GET", "/a/b", 4),
        ("HEAD", "/a/b", 4),
        ("GET", "/a/b/", 2),
        ("PUT", "/a/b/c/d", 5),
        ("POST", "/a/b/c/d", 2),
    ):
        assert routes.find(method, path).max_body == size, (method, path)


@pytest.mark.contract("RTE-1")
def test_longest_mount_counts_at_the_end_of_a_segment() -> None:
    found = at_or_below(["/", "/a", "/a.b", "/a/b"])
    assert found
    for path, mount in (
        ("/a", "/a"),
        ("/a/c", "/a"),
        ("/ab", "/"),
        ("/a.b/c", "/a.b"),
        ("/a-b", "/"),
        ("/a/b", "/a/b"),
        ("/a/bc", "/a"),
        ("/a\n", "/"),
    ):
        match = found.match(path)
        assert match, path
        assert match[0] == mount, path
    assert not at_or_below(["/a"]).match("/ab")  # type: ignore[union-attr] # there is one
    assert at_or_below([]) is None


@pytest.mark.contract("RTE-1")
@pytest.mark.contract("RTE-2")
@pytest.mark.parametrize(
    "opened",
    [
        'access = "public"',
        'cross-site = "without-session"',
        'origins = ["https://a.test:8443"]',
    ],
)
def test_what_is_closed_is_so_with_a_slash_at_its_end_and_without(
    tmp_path: Path, opened: str
) -> None:
    """Applications that are mounted, and some routers, take one for the other."""
    facts = f"""
        [[route]]
        path = "/"
        {opened}
        [[route]]
        path = "/admin/"
        [[route]]
        path = "/admin/open/"
        {opened}
        [[route]]
        path = "/admin/open/secret"
        [[route]]
        path = "/both"
        {opened}
        [[route]]
        path = "/both/"
    """
    policy = load(Files(tmp_path, exceptions={}, facts=facts).policy())
    routes = Routes(policy.routes, policy.input)
    closed = {
        path
        for path in (
            *("/", "/other", "/other/", "/admin", "/admin/", "/admin/x", "/admin/open"),
            *("/admin/open/", "/admin/open/x", "/admin/open/secret", "/admin/open/secret/"),
            *("/admin/open/secret/x", "/both", "/both/"),
        )
        if routes.find("POST", path).fact.model_dump(exclude={"path"})
        == policy.routes[1].model_dump(exclude={"path"})
    }
    assert closed == {
        *("/admin", "/admin/", "/admin/x", "/admin/open"),
        *("/admin/open/secret", "/admin/open/secret/", "/both/"),
    }
