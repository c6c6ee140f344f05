# Owned by the template: extend, do not edit.
"""Error answers, and what gives software away (guide: Reduce fingerprinting; ASVS 13.4, 16.5)."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import httpx
import pytest

from . import expect
from .conftest import Make
from .driver import FORM, SAME, Browser, Header, Inside, Service, User, break_account
from .probes import PROBES

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
ACCEPTS = {
    "browser": ("/unknown", HTML, True),
    "anything": ("/unknown", "*/*", True),
    "nothing said": ("/unknown", "", True),
    "JSON": ("/unknown", "application/json", False),
    "problem": ("/unknown", "application/problem+json", False),
    "nonsense": ("/unknown", ";;q=,,", True),
    "image": ("/unknown", "image/png", True),
    "API, anything": ("/api/unknown", "*/*", False),
    "API, nothing said": ("/api/unknown", "", False),
}
TOOLS = (
    "/docs", "/redoc", "/openapi.json", "/openapi.yaml", "/docs/oauth2-redirect", "/schema",
    "/schema/swagger", "/schema/openapi.json", "/api/docs", "/api/schema", "/api/openapi.json",
    "/swagger", "/swagger.json", "/console", "/debug", "/_debugbar",
    "/__debug__/", "/.git/config", "/.env", "/policy.toml",
    "/?__debugger__=yes&cmd=resource&f=debugger.js",
)  # fmt: skip


def provoked(service: Inside) -> dict[int, httpx.Response]:
    """Return an error of each kind, as a browser sees it."""
    visitor, member = service.visitor(), service.member()
    limit = service.policy.throttle.pair.limit
    for _ in range(limit):
        visitor.login("nobody", "a wrong password")
    form: tuple[Header, ...] = (SAME, ("Content-Type", FORM))
    answers = {
        400: visitor.get("/go?url=//evil.example"),
        403: member.send("POST", "/logout", (("Sec-Fetch-Site", "cross-site"),)),
        404: visitor.get("/unknown"),
        405: visitor.send("PUT", "/login", (SAME,)),
        413: visitor.send("POST", "/login", form, b"a" * (service.policy.input.max_body + 1)),
        414: visitor.get("/" + "a" * service.policy.input.max_url),
        415: visitor.send("POST", "/login", (SAME, ("Content-Type", "text/plain")), b"a"),
        422: member.post("/account/sessions/end", session="\0"),
        429: visitor.login("nobody", "a wrong password"),
        431: visitor.get("/", (("X-Filler", "a" * service.policy.input.max_header_bytes),)),
    }
    break_account(service)
    answers[500] = member.get("/account")
    return answers


@pytest.mark.contract("FPR-1")
@pytest.mark.parametrize(
    "target", ["/", "/login", "/healthz", "/unknown", "/api/notes", "/account"]
)
def test_no_header_names_the_software(service: Service, target: str) -> None:
    answer = service.visitor().get(target)
    names = {name.lower() for name in answer.headers}
    assert names <= expect.ALLOWED | expect.HOP | {"server"}
    assert names.isdisjoint({"x-powered-by", "via", "x-process-time", "x-runtime", "x-request-id"})
    assert answer.headers.get("server", "") in expect.SERVERS
    assert not expect.FINGERPRINTS.search(expect.lasting(str(answer.headers.raw)))


@pytest.mark.contract("FPR-2")
def test_every_error_is_ours(make: Make) -> None:
    for status, answer in provoked(make()).items():
        expect.error(answer, status)
        assert expect.is_html(answer), status
        assert "<h1>" in answer.text
        nav = answer.text.partition('<nav aria-label="Main">')[2].partition("</nav>")[0]
        assert 'href="/"' in nav
        assert 'href="/account"' in nav


@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize(("target", "accept", "page"), ACCEPTS.values(), ids=ACCEPTS.keys())
def test_page_or_problem_by_what_is_accepted(
    service: Service, target: str, accept: str, page: bool
) -> None:
    answer = service.visitor().get(target, (("Accept", accept),))
    expect.error(answer, 404)
    assert expect.is_html(answer) is page


@pytest.mark.contract("FPR-2")
def test_problem_documents(inside: Inside) -> None:
    """RFC 9457; a program finds the invalid fields by name."""
    visitor, member = inside.visitor(), inside.member()
    json_ = (("Accept", "application/json"),)
    for answer, status in (
        (visitor.api("GET", "/api/unknown"), 404),
        (visitor.api("GET", "/account"), 401),
        (visitor.api("PATCH", "/account"), 405),
        (member.api("POST", "/api/unknown", b"{}"), 404),
        (member.send("POST", "/login", (*json_, SAME, ("Content-Type", FORM)), b"a=%ff"), 400),
        (member.post("/account/sessions/end", json_, session="\0"), 422),
    ):
        expect.error(answer, status)
        assert not expect.is_html(answer)
        document = json.loads(answer.content)
        assert document["type"] == "about:blank"
        known = {"type", "title", "status", "detail", "request_id", "fields"}
        assert document.keys() <= known
        assert document.get("fields") == (["session"] if status == 422 else None)


@pytest.mark.contract("FPR-2")
@pytest.mark.contract("SES-9")
def test_visitor_is_sent_to_the_login_page_or_told(service: Service) -> None:
    answer = service.visitor().get("/account")
    assert answer.status_code == 303
    assert expect.place(answer) == f"{service.origin}/login?next=/account"
    expect.headers(answer)
    expect.error(service.visitor().api("GET", "/account"), 401)


@pytest.mark.contract("FPR-2")
def test_wrong_method_names_the_right_ones(service: Service) -> None:
    answer = service.visitor().send("PUT", "/login", (SAME,))
    expect.error(answer, 405)
    allowed = {each.strip() for each in expect.once(answer, "allow").split(",")}
    assert {"GET", "POST"} <= allowed
    assert "PUT" not in allowed
    for method in ("POST", "DELETE"):
        expect.error(service.visitor().send(method, "/healthz", (SAME,)), 405)


@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize(
    "target",
    ["/canary-7316", "/api/canary-7316", "/login/canary-7316", "/?canary-7316=%ff",
     "/%ffcanary-7316", "/go?url=//canary-7316", "/static/canary-7316", "/canary-7316%00",
     "/canary-7316//"],
)  # fmt: skip
def test_input_is_not_echoed(service: Service, target: str) -> None:
    for accept in (HTML, "application/json"):
        headers = (
            ("Accept", accept),
            ("Referer", f"{service.origin}/canary-7316"),
            ("X-Request-ID", "canary-7316"),
        )
        answer = service.visitor().get(target, headers)
        expect.error(answer, 400, 404, echo="canary")
        assert "canary" not in str(answer.headers.raw)


@pytest.mark.contract("FPR-2")
@pytest.mark.contract("LOG-1")
@pytest.mark.usefixtures("restored_logging")
def test_request_id_is_fresh_and_logged(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    inside = make()
    visitor = inside.visitor()
    shown = [expect.request_id(visitor.get("/go?url=//evil.example")) for _ in range(3)]
    shown.append(expect.request_id(visitor.get("/go?url=//e", (("X-Request-ID", "a" * 32),))))
    assert len(set(shown)) == 4
    assert "a" * 32 not in shown
    logged = [json.loads(line).get("request_id") for line in capfd.readouterr().err.splitlines()]
    assert {each for each in logged if each} == set(shown)


@pytest.mark.contract("FPR-2")
@pytest.mark.contract("LOG-1")
@pytest.mark.usefixtures("restored_logging")
def test_trace_of_a_crash_is_logged_and_not_shown(
    make: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    inside = make()
    member = inside.member()
    break_account(inside)
    capfd.readouterr()
    answer = member.get("/account")
    expect.error(answer, 500)
    (line,) = [each for each in capfd.readouterr().err.splitlines() if "Traceback" in each]
    record = json.loads(line)
    assert record["request_id"] == expect.request_id(answer)
    assert record["event"] == "sys_crash"


@pytest.mark.contract("FPR-3")
def test_probes_are_many_and_different() -> None:
    assert len(PROBES) >= 300
    assert len({probe.name for probe in PROBES}) == len(PROBES)


@pytest.mark.contract("FPR-3")
@pytest.mark.parametrize("pair", [("/login/", "/unknown"), ("//login", "/unknown")])
def test_address_written_otherwise_is_as_unknown_as_any(
    service: Service, pair: tuple[str, str]
) -> None:
    """Frameworks redirect or merge slashes, each in its own way."""
    first, second = (expect.masked(service.visitor().get(target)) for target in pair)
    # Where the application compresses, it says so of what it has seen.
    headers = [[each for each in face.headers if each[0] != "vary"] for face in (first, second)]
    assert headers[0] == headers[1]
    assert (first.status, first.body) == (second.status, second.body)


@pytest.mark.contract("FPR-3")
@pytest.mark.parametrize("pages", [True, False], ids=["pages", "others"])
def test_headers_come_in_one_order(inside: Inside, member: Browser, pages: bool) -> None:
    visitor = inside.visitor()
    if pages:
        answers = [visitor.get("/"), visitor.get("/unknown"), member.get("/account")]
    else:
        answers = [
            visitor.get("/account"),
            visitor.get("/healthz"),
            member.api("GET", "/api/notes"),
        ]
        answers.append(visitor.api("GET", "/api/notes"))
    orders = [[name for name in each.headers if name not in expect.HOP] for each in answers]
    for one in orders:
        for other in orders:
            both = set(one) & set(other)
            assert [each for each in one if each in both] == [
                each for each in other if each in both
            ]


@pytest.mark.contract("FPR-4")
@pytest.mark.parametrize("target", TOOLS)
def test_no_tools_in_production(service: Service, target: str) -> None:
    answer = service.visitor().get(target)
    if target.startswith("/?"):
        assert answer.status_code == 200
        assert "debugger" not in answer.text
    elif answer.status_code == 200:
        # A page that the project has put there itself.
        assert not expect.FINGERPRINTS.search(expect.lasting(answer.text))
    else:
        assert answer.status_code in {303, 401, 404}


@pytest.mark.contract("FPR-4")
@pytest.mark.parametrize("name", ["APP_DEBUG", "DEBUG", "FLASK_DEBUG", "DJANGO_DEBUG"])
def test_debug_mode_stops_production(
    make: Make, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(ValueError, match=name):
        make()


FORM_TYPE = ("Content-Type", FORM)


EXAMPLE = pytest.mark.example


ALL = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


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


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize("field", ["username", "password", "next"])
def test_parameter_that_comes_twice_is_refused(inside: Inside, user: User, field: str) -> None:
    """Some frameworks take the first, some the last, and a filter in front perhaps the other."""
    fields = [("username", user.name), ("password", user.password), ("next", "/")]
    fields.append((field, dict(fields)[field]))
    headers = (SAME, ("Content-Type", FORM))
    answer = inside.visitor().send("POST", "/login", headers, urlencode(fields).encode())
    expect.error(answer, 400)


@pytest.mark.contract("FPR-3")
def test_first_content_type_counts(inside: Inside, user: User) -> None:
    form_type, other = ("Content-Type", FORM), ("Content-Type", "application/json")
    form = urlencode({"username": user.name, "password": user.password}).encode()
    answer = inside.visitor().send("POST", "/login", (SAME, form_type, other), form)
    assert answer.status_code == 303
    answer = inside.visitor().send("POST", "/login", (SAME, other, form_type), form)
    expect.error(answer, 400, 415, 422)


@pytest.mark.contract("FPR-1")
def test_security_txt(service: Service) -> None:
    answer = service.visitor().get("/.well-known/security.txt")
    assert answer.status_code == 200
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert fields["Contact"] == f"mailto:{service.policy.service.contact}"
    assert fields["Canonical"].endswith(f"{service.policy.service.domain}/.well-known/security.txt")
    assert fields["Expires"].endswith("Z")
