"""What becomes of the headers that a view, or the framework by itself, gives an answer."""

from __future__ import annotations

import pytest

from my_service.security.headers import SecureHeaders

from .. import expect
from ..driver import Inside


def sent(inside: Inside, *own: tuple[str, str], https: bool = True) -> dict[str, list[str]]:
    """Return all values of each header that leaves when a view has set `own`."""
    given = [(name.encode(), value.encode()) for name, value in own]
    headers = SecureHeaders(inside.policy)
    pairs, _ = headers.finish(200, given, https=https, nonce=lambda: "A" * 22)
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name.decode(), []).append(value.decode())
    return values


@pytest.mark.contract("HDR-1")
def test_header_that_came_twice_leaves_once(inside: Inside) -> None:
    headers = sent(
        inside,
        ("cache-control", "public"),
        ("x-frame-options", "SAMEORIGIN"),
        ("cache-control", "no-store"),
        ("x-frame-options", "DENY"),
    )
    assert headers["cache-control"] == ["no-store"]
    assert headers["x-frame-options"] == ["DENY"]
    assert {len(values) for values in headers.values()} == {1}


@pytest.mark.contract("HDR-1")
def test_each_cookie_is_sent(inside: Inside) -> None:
    headers = sent(inside, ("set-cookie", "a=1"), ("vary", "cookie"), ("set-cookie", "b=2"))
    assert headers["set-cookie"] == ["a=1", "b=2"]


@pytest.mark.contract("BND-2", "HDR-1")
@pytest.mark.parametrize("name", ["vary", "www-authenticate", "link", "content-language"])
def test_each_line_of_a_list_is_sent(inside: Inside, name: str) -> None:
    """One that is lost lets a cache hand on a page of somebody else, or hides a way to log in."""
    assert sent(inside, (name, "one"), ("etag", '"a"'), (name, "two"))[name] == ["one", "two"]


@pytest.mark.contract("BND-2")
@pytest.mark.parametrize("name", ["expires", "pragma"])
def test_what_cache_control_says_too_is_no_loss(inside: Inside, name: str) -> None:
    """Frameworks send both with each file, so the log would say for each that one was dropped."""
    headers = SecureHeaders(inside.policy)
    own = [(name.encode(), b"0")]
    assert headers.plan(own).dropped == (name,)
    assert headers.plan([*own, (b"cache-control", b"no-cache")]).dropped == ()


@pytest.mark.contract("HDR-1")
def test_last_line_of_what_is_no_list_is_sent(inside: Inside) -> None:
    headers = sent(inside, ("etag", '"a"'), ("content-type", "a/a"), ("etag", '"b"'))
    assert headers["etag"] == ['"b"']


@pytest.mark.contract("HDR-1")
@pytest.mark.parametrize(
    "name",
    [
        "strict-transport-security",
        "x-content-type-options",
        "origin-agent-cluster",
        "x-dns-prefetch-control",
        "x-permitted-cross-domain-policies",
        "x-xss-protection",
    ],
)
def test_view_cannot_change_what_is_fixed(inside: Inside, name: str) -> None:
    values = {**expect.HEADERS, "strict-transport-security": expect.HSTS}
    assert sent(inside, (name, "weak"))[name] == [values[name]]


@pytest.mark.contract("HDR-1")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("cross-origin-resource-policy", "same-site"),
        ("permissions-policy", "camera=(self)"),
        ("referrer-policy", "same-origin"),
    ],
)
@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json"])
def test_view_may_have_a_value_of_its_own(inside: Inside, name: str, value: str, kind: str) -> None:
    assert sent(inside, ("content-type", kind), (name, value))[name] == [value]


@pytest.mark.contract("FPR-1")
@pytest.mark.parametrize("name", ["x-powered-by", "via", "x-runtime", "x-debug"])
def test_header_that_is_not_on_the_list_does_not_leave(inside: Inside, name: str) -> None:
    assert name not in sent(inside, (name, "Framework/1.2"))


@pytest.mark.contract("FPR-1")
def test_server_is_told_not_to_name_itself(inside: Inside) -> None:
    assert sent(inside)["server"] == [""]
    assert sent(inside, ("server", "Framework/1.2"))["server"] == [""]


@pytest.mark.contract("CSR-2")
@pytest.mark.parametrize("name", ["origin", "credentials", "headers", "methods"])
def test_view_cannot_open_itself_to_other_sites(inside: Inside, name: str) -> None:
    assert f"access-control-allow-{name}" not in sent(inside, (f"access-control-allow-{name}", "*"))
