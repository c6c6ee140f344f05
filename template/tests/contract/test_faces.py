# Owned by the template: extend, do not edit.
"""What every service answers, whatever its framework: literal, so that a change shows."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from . import expect
from .driver import FORM, SESSION, Inside, Service, development, new_user, run_cli

FORM_TYPE = ("Content-Type", FORM)
EXAMPLE = pytest.mark.example
ALL = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


@pytest.mark.contract("HDR-3")
def test_policy_of_pages_and_of_everything_else(service: Service) -> None:
    visitor = service.visitor()
    for target in ("/", "/login", "/unknown"):
        expect.page_csp(visitor.get(target))
    for target in ("/healthz", "/account", "/api/unknown"):
        answer = visitor.api("GET", target)
        assert expect.once(answer, "content-security-policy") == expect.CSP_OTHER
    nonces = {expect.nonce(visitor.get("/")) for _ in range(50)}
    # 128 bits: no character is the same in all of them.
    assert all(len({nonce[at] for nonce in nonces}) > 5 for at in range(21))


@pytest.mark.contract("HDR-4")
def test_address_of_a_static_file_is_its_content(service: Service) -> None:
    visitor = service.visitor()
    page = visitor.get("/").text
    url = next(part for part in page.split('"') if part.endswith("/app.css"))
    body = visitor.get(url).content
    assert url == f"/static/{hashlib.sha256(body).hexdigest()[:16]}/app.css"


@pytest.mark.contract("HDR-5")
def test_cookies_work_on_http_localhost(
    monkeypatch: pytest.MonkeyPatch, shared: Inside, tmp_path: Path
) -> None:
    shutil.copy(shared.files.policy(), tmp_path)
    monkeypatch.chdir(tmp_path)
    user = new_user()
    added = run_cli("user", "add", user.name, typed=f"{user.password}\n", environment={})
    assert added.exit_code == 0, added.output
    with closing(development()) as local:
        answer = local.visitor("127.0.0.1").send(
            "POST",
            "/login",
            (("Content-Type", FORM), ("Sec-Fetch-Site", "same-origin")),
            urlencode({"username": user.name, "password": user.password}).encode(),
            scheme="http",
        )
    assert answer.status_code == 303
    lines = answer.headers.get_list("set-cookie")
    names = {line.partition("=")[0] for line in lines}
    assert names == {SESSION.removeprefix("__Host-"), "device"}
    assert not any("secure" in line.lower() for line in lines)


@pytest.mark.contract("FPR-3")
@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("DELETE", "/", "GET, HEAD, OPTIONS"),
        ("DELETE", "/login", "GET, HEAD, OPTIONS, POST"),
        ("GET", "/logout", "OPTIONS, POST"),
        ("PATCH", "/account", "GET, HEAD, OPTIONS"),
        pytest.param("PATCH", "/api/notes", "GET, HEAD, OPTIONS, POST", marks=EXAMPLE),
        pytest.param("PATCH", "/api/notes/1", "DELETE, GET, HEAD, OPTIONS, PUT", marks=EXAMPLE),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
        ("BREW", "/", ALL),
    ],
)
def test_allowed_methods(service: Service, method: str, target: str, allowed: str) -> None:
    answer = service.visitor().send(method, target, (("Sec-Fetch-Site", "same-origin"),))
    expect.error(answer, 405)
    assert expect.once(answer, "allow") == allowed


@pytest.mark.contract("FPR-3")
@pytest.mark.contract("CSR-2")
@pytest.mark.parametrize("target", ["/", "/login", "/account", "/unknown", "/api/unknown"])
def test_options_tells_nothing(service: Service, target: str) -> None:
    answer = service.visitor().send("OPTIONS", target)
    assert answer.status_code == 204
    assert expect.once(answer, "allow") == ALL
    assert not answer.content
    expect.headers(answer)


@pytest.mark.contract("FPR-3")
@pytest.mark.parametrize(
    "target", ["//login", "/account//password", "/account/../login", "/login/"]
)
def test_second_spelling_of_an_address_is_unknown(service: Service, target: str) -> None:
    expect.error(service.visitor().get(target), 404)


@pytest.mark.contract("FPR-3")
@pytest.mark.contract("RED-1")
@pytest.mark.parametrize("target", ["/go?url=/&url=/", "/login?next=/&next=/"])
def test_parameter_that_comes_twice_is_refused(service: Service, target: str) -> None:
    """Some frameworks take the first, some the last, and a filter in front perhaps the other."""
    expect.error(service.visitor().get(target), 400)


@pytest.mark.contract("FPR-3")
def test_first_content_type_counts(inside: Inside) -> None:
    other = ("Content-Type", "application/json")
    for headers, status in (((FORM_TYPE, other), 422), ((other, FORM_TYPE), 415)):
        same = ("Sec-Fetch-Site", "same-origin")
        answer = inside.visitor().send("POST", "/login", (same, *headers), b"username=a")
        expect.error(answer, status)


@pytest.mark.contract("RED-2")
def test_bad_target_does_not_keep_anybody_out(inside: Inside) -> None:
    user = inside.add_user()
    answer = inside.visitor().login(user.name, user.password, next="https://evil.example/")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{inside.origin}/account"


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
@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize(
    ("target", "kind", "body"),
    [
        ("/api/unknown", "text/plain", b'{"title": "a", "body": ""}'),
        ("/api/unknown", FORM, b"title=a"),
        ("/api/unknown", "multipart/form-data; boundary=a", b"--a--"),
        ("/account/sessions/end-others", "text/plain", b"a=b"),
        ("/account/sessions/end-others", "application/json", b'{"a": "b"}'),
    ],
)
def test_body_of_another_type_is_not_read(
    inside: Inside, target: str, kind: str, body: bytes
) -> None:
    user = inside.add_user()
    member, other = inside.login(user), inside.login(user)
    headers = (("Content-Type", kind), ("Sec-Fetch-Site", "same-origin"))
    expect.error(member.send("POST", target, headers, body), 415)
    assert other.logged_in()


@pytest.mark.contract("INP-1")
def test_body_without_a_length_has_the_same_limit(inside: Inside) -> None:
    member = inside.member()
    for size, status in ((inside.policy.input.max_body + 1, 413), (10, 404)):
        headers = (
            ("Content-Type", "application/json"),
            ("Sec-Fetch-Site", "same-origin"),
            ("Transfer-Encoding", "chunked"),
            # As WSGI has it where there is none (PEP 3333).
            ("Content-Length", ""),
        )
        body = b'"' + b"a" * (size - 2) + b'"'
        expect.error(member.send("POST", "/api/unknown", headers, body), status)
