# Owned by the template: extend, do not edit.
"""Response headers of every kind of answer (guide: Use Helmet; ASVS 3.4)."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from . import expect
from .conftest import Make
from .driver import (
    FORM,
    SESSION,
    Browser,
    Inside,
    Service,
    break_account,
    development,
    new_user,
    run_cli,
    static_url,
)
from .probes import PROBES, Probe

ANSWERS = (
    ("GET", "/", 200),
    ("HEAD", "/", 200),
    ("GET", "/login", 200),
    ("GET", "/healthz", 200),
    ("GET", "/.well-known/security.txt", 200),
    ("GET", "/account", 303),
    ("GET", "/go?url=/notes", 303),
    ("GET", "/go?url=//evil.example", 400),
    ("GET", "/%ff", 400),
    ("GET", "/unknown", 404),
    ("GET", "/api/unknown", 404),
    ("HEAD", "/unknown", 404),
    ("GET", "/login/", 404),
    ("GET", "/static/0000000000000000/app.css", 404),
    ("PUT", "/login", 405),
    ("BREW", "/", 405),
)


def static_files(page: str) -> list[str]:
    return sorted(set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page)))


@pytest.mark.contract("HDR-1")
@pytest.mark.contract("HDR-2")
@pytest.mark.parametrize(("method", "target", "status"), ANSWERS, ids=str)
def test_every_answer_has_the_headers(
    service: Service, method: str, target: str, status: int
) -> None:
    accept = "application/json" if target.startswith("/api") else "text/html"
    headers = (("Sec-Fetch-Site", "same-origin"), ("Accept", accept))
    answer = service.visitor().send(method, target, headers)
    assert answer.status_code == status
    expect.headers(answer)


@pytest.mark.contract("HDR-1")
def test_answers_to_options_have_the_headers(service: Service) -> None:
    for target in ("/", "/login", "/account", "/api/unknown", "/unknown"):
        expect.headers(service.visitor().send("OPTIONS", target))


@pytest.mark.contract("HDR-1")
@pytest.mark.contract("FPR-3")
@pytest.mark.parametrize("probe", PROBES, ids=lambda each: each.name)
def test_odd_requests_do_not_get_past_the_headers(service: Service, probe: Probe) -> None:
    answer = service.visitor().send(probe.method, probe.target, probe.headers, probe.content)
    expect.headers(answer)
    assert answer.status_code < 500
    if answer.status_code >= 400 and "<form" not in answer.text:
        expect.error(answer, answer.status_code)


@pytest.mark.contract("HDR-1")
@pytest.mark.contract("FPR-2")
def test_unhandled_exception_has_the_headers(make: Make) -> None:
    inside = make()
    member = inside.member()
    break_account(inside)
    expect.error(member.get("/account"), 500)
    problem = member.api("GET", "/account")
    expect.error(problem, 500)
    assert problem.json()["status"] == 500
    expect.error(member.send("HEAD", "/account"), 500)
    assert member.get("/").status_code == 200


@pytest.mark.contract("HDR-1")
def test_refused_login_and_form_have_the_headers(inside: Inside) -> None:
    expect.headers(inside.visitor().login("nobody", "a wrong password"))
    member = inside.member()
    expect.headers(member.get("/account"))
    refused = member.post("/account/password", current_password="a", new_password="b")
    assert refused.status_code == 422
    expect.headers(refused)


@pytest.mark.contract("HDR-1")
@pytest.mark.contract("HDR-4")
def test_static_files_have_the_headers_and_may_be_kept(service: Service) -> None:
    visitor = service.visitor()
    found = static_files(visitor.get("/").text)
    assert {each.rpartition("/")[2] for each in found} >= {"app.css", "app.js"}
    for url in found:
        assert re.fullmatch(r"/static/[0-9a-f]{16}/[a-z.]+", url)
        answer = visitor.get(url)
        assert answer.status_code == 200
        expect.headers(answer)
        assert "immutable" in expect.once(answer, "cache-control")
        assert "set-cookie" not in answer.headers


@pytest.mark.contract("HDR-1")
def test_head_is_get_without_a_body(service: Service) -> None:
    visitor = service.visitor()
    for target in ("/", "/healthz", "/login", "/unknown"):
        head, get = visitor.send("HEAD", target), visitor.get(target)
        assert head.status_code == get.status_code
        assert not head.content
        assert list(head.headers) == list(get.headers)
        assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.contract("HDR-1")
def test_stricter_exception_is_sent_instead(make: Make) -> None:
    inside = make(exceptions={"headers.values.referrer-policy": "same-origin"})
    assert expect.once(inside.visitor().get("/"), "referrer-policy") == "same-origin"


def judged(service: Inside, title: str) -> dict[str, str]:
    """Return what `check` says of an item."""
    said = service.cli("check", "--json").stdout
    # Before click 8.2 standard error is in it.
    items: list[dict[str, str]] = json.loads(said[said.index("[\n") :])
    (found,) = [item for item in items if item["title"] == title]
    return found


@pytest.mark.contract("HDR-2")
@pytest.mark.parametrize("seconds", [300, 604800])
def test_ladder_of_transport_security(make: Make, seconds: int) -> None:
    service = make(facts=f"hsts-max-age = {seconds}")
    value = expect.once(service.visitor().get("/"), "strict-transport-security")
    assert value == f"max-age={seconds}; includeSubDomains"
    tls = judged(service, "Use TLS")
    assert tls["state"] == "warn"
    assert "[service] hsts-max-age: once " in tls["remedy"]


@pytest.mark.contract("HDR-2")
def test_transport_security_at_the_end_of_its_ladder(make: Make) -> None:
    service = make()
    assert expect.once(service.visitor().get("/"), "strict-transport-security") == expect.HSTS
    tls = judged(service, "Use TLS")
    assert tls["state"] == "ok"


@pytest.mark.contract("HDR-2")
def test_preload_is_confirmed_by_name(make: Make) -> None:
    inside = make(exceptions={"headers.hsts.preload-confirmed-for": "app.test"})
    value = expect.once(inside.visitor().get("/"), "strict-transport-security")
    assert value == f"{expect.HSTS}; preload"
    with pytest.raises(ValueError, match="preload"):
        make(exceptions={"headers.hsts.preload-confirmed-for": "other.test"})


@pytest.mark.contract("HDR-3")
def test_nonce_is_fresh_and_on_every_script(service: Service) -> None:
    visitor = service.visitor()
    seen = set()
    for target in ("/", "/login", "/", "/unknown"):
        answer = visitor.get(target)
        nonce = expect.nonce(answer)
        seen.add(nonce)
        for script in re.findall(r"<script[^>]*>", answer.text):
            assert f'nonce="{nonce}"' in script
    assert len(seen) == 4


@pytest.mark.contract("HDR-3")
def test_pages_need_nothing_inline(service: Service, member: Browser) -> None:
    for browser, target in (
        (service.visitor(), "/"),
        (service.visitor(), "/login"),
        (service.visitor(), "/unknown"),
        (member, "/account"),
        (member, "/notes"),
    ):
        page = browser.get(target).text
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page, re.IGNORECASE)
        assert set(re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)) <= {""}


@pytest.mark.contract("HDR-3")
def test_report_only_is_a_setting(make: Make) -> None:
    answer = make(exceptions={"csp.dangerously-report-only": True}).visitor().get("/")
    assert "content-security-policy" not in answer.headers
    assert "'strict-dynamic'" in expect.once(answer, "content-security-policy-report-only")


@pytest.mark.contract("HDR-4")
def test_private_answers_and_errors_are_not_stored(service: Service, member: Browser) -> None:
    for answer in (
        member.get("/account"),
        member.get("/notes"),
        member.get("/"),
        member.api("GET", "/api/notes"),
        service.visitor().get("/account"),
        service.visitor().get("/login"),
        service.visitor().get("/unknown"),
        service.visitor().api("GET", "/api/notes"),
    ):
        assert expect.once(answer, "cache-control") == "no-store"


@pytest.mark.contract("HDR-5")
def test_nothing_sticky_in_development(monkeypatch: pytest.MonkeyPatch, shared: Inside) -> None:
    # In a folder with a policy, so that the development database is not made in the project.
    monkeypatch.chdir(shared.files.folder)
    with closing(development()) as local:
        visitor = local.visitor("127.0.0.1")
        for target in ("/", "/login", "/unknown"):
            answer = visitor.send("GET", target, scheme="http")
            assert "strict-transport-security" not in answer.headers
            assert "upgrade-insecure-requests" not in expect.csp(answer)
            assert expect.once(answer, "x-content-type-options") == "nosniff"


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
def test_address_of_a_static_file_is_its_content(service: Service, tmp_path: Path) -> None:
    """One hash for the folder, so that what a file names relative to itself is found too."""
    visitor = service.visitor()
    page = visitor.get("/").text
    folders = {url.rpartition("/")[0] for url in re.findall(r'"(/static/[^"]+)"', page)}
    assert len(folders) == 1
    for url, integrity in re.findall(r'"(/static/[^"]+)"[^>]* integrity="sha384-([^"]+)"', page):
        body = visitor.get(url).content
        assert base64.b64encode(hashlib.sha384(body).digest()).decode() == integrity
    seen = set()
    for content in ("a", "b"):
        (tmp_path / "app.css").write_text(content)
        seen.add(static_url(tmp_path, "app.css"))
    assert len(seen) == 2


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


@pytest.mark.contract("HDR-1")
@pytest.mark.parametrize(("target", "text"), [("/healthz", "ok\n"), ("/readyz", "ready\n")])
def test_health(service: Service, target: str, text: str) -> None:
    answer = service.visitor().get(target)
    assert answer.status_code == 200
    assert answer.text == text
    assert expect.once(answer, "content-type") == "text/plain; charset=utf-8"
    assert expect.once(answer, "cache-control") == "no-store"
    expect.headers(answer)
