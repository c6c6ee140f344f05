"""The boundary checks what comes in and what goes out; inside it the framework speaks."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx
import pytest
from typing_extensions import override

from my_service.adapter import Problem
from my_service.security import events as security_events
from my_service.security.redirects import Redirects

from .. import expect
from ..conftest import Make
from ..driver import (
    CHEAP,
    DEVICE,
    FORM,
    HOST,
    JSON,
    ORIGIN,
    PARTNER,
    PROGRAM,
    PROXY,
    SAME,
    SESSION,
    Browser,
    Files,
    Header,
    Inside,
    development,
    new_address,
)
from .stage import FACTS, Stage

EVIL = "https://evil.example/"
TITLES = {
    400: "Bad request",
    402: "Payment required",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    410: "Gone",
    418: "I'm a teapot",
    422: "Invalid input",
    423: "Locked",
    429: "Too many attempts",
    451: "Unavailable for legal reasons",
    500: "Internal error",
    502: "Bad gateway",
    503: "Not available",
}
BOUNDARY = "stage-7316"
MULTIPART = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
NAMELESS = f"--{BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\na\r\n--{BOUNDARY}--\r\n".encode()


@pytest.fixture
def log(
    stage: Inside,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    restored_logging: None,
) -> Iterator[pytest.LogCaptureFixture]:
    # What is noted once may have been in another test.
    monkeypatch.setattr(security_events._once, "seen", set())
    logging.getLogger().addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        yield caplog


def events(log: pytest.LogCaptureFixture, name: str) -> list[dict[str, object]]:
    """Return the logged facts of the events of that name."""
    lines = [record.msg for record in log.records if isinstance(record.msg, dict)]
    return [line for line in lines if line.get("event") == name]


def ask(
    view: str, *headers: str, browser: Browser | None = None, stage: Inside, **query: object
) -> httpx.Response:
    """Call a view of `stage`; each of `headers` is one that it sends."""
    pairs = [(name, str(value)) for name, value in query.items()]
    pairs += [("header", line) for line in headers]
    target = f"/stage/{view}?{urlencode(pairs, quote_via=quote)}"
    return (browser or stage.visitor()).get(target)


@pytest.mark.contract("BND-2")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("city=M\u00fcnchen".encode(), "not percent-encoded"),
        (b"city=M%FCnchen", "not percent-encoded"),
        (b"&".join([b"a=secret-4711"] * 65), "[[route]] max-fields"),
    ],
    ids=["UTF-8 as it is", "Latin-1", "many"],
)
def test_form_that_is_refused_says_why(
    stage: Inside, log: pytest.LogCaptureFixture, content: bytes, reason: str
) -> None:
    headers = (("Content-Type", FORM), ("Sec-Fetch-Site", "same-origin"))
    expect.error(stage.visitor().send("POST", "/stage/form", headers, content), 400)
    (line,) = events(log, "input_validation_fail")
    assert reason in str(line["reason"])
    assert "4711" not in str(line)


def part(name: str, text: str, more: str = "") -> bytes:
    """Return a part of a multipart form with the delimiter before it."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return f"{head}{text}\r\n".encode()


# What the framework sees ------------------------------------------------------------------------


@pytest.mark.contract("BND-1")
def test_framework_sees_the_client_behind_the_proxy(stage: Inside) -> None:
    client = new_address()
    answer = stage.visitor().send(
        "GET",
        "/stage/seen",
        (
            ("Host", "backend.internal"),
            ("X-Forwarded-For", f"198.51.100.1, {client}"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", HOST),
        ),
        peer=PROXY,
        scheme="http",
    )
    assert answer.json() == {
        "url": f"{ORIGIN}/stage/seen",
        "client": client,
        "scheme": "https",
        "host": HOST,
        "headers": [],
    }


@pytest.mark.contract("BND-1")
def test_framework_does_not_see_what_a_client_claims(stage: Inside) -> None:
    client = new_address()
    answer = stage.visitor(client).get(
        "/stage/seen",
        (
            ("X-Forwarded-For", "198.51.100.1"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Port", "8443"),
            ("X-Forwarded-Prefix", "/evil"),
            ("X-Real-IP", "198.51.100.1"),
            ("Forwarded", "for=198.51.100.1;host=evil.example"),
        ),
    )
    seen = answer.json()
    assert seen["url"] == f"{ORIGIN}/stage/seen"
    assert (seen["client"], seen["scheme"], seen["host"]) == (client, "https", HOST)
    assert seen["headers"] == []


@pytest.mark.contract("BND-1")
@pytest.mark.contract("PRX-4")
@pytest.mark.parametrize(
    "name",
    [
        *("Forwarded-For", "Forwarded_For", "X-Forwarded", "X-Forwarded-Scheme", "X-Forwarded-Ssl"),
        *("X-Client-IP", "X-Cluster-Client-IP", "X-Original-Forwarded-For", "X-Original-Host"),
        *("X-Original-URL", "X-Rewrite-URL", "X-Scheme", "X-Script-Name", "X-Azure-ClientIP"),
    ],
)
def test_framework_does_not_see_what_few_proxies_say(stage: Inside, name: str) -> None:
    """Libraries that look for the client's address or the scheme believe the first they find."""
    for peer in (PROXY, new_address()):
        headers = ((name, "198.51.100.1"), ("X-Forwarded-Proto", "https"), ("X-Other", "1"))
        answer = stage.visitor().send("GET", "/stage/seen", headers, peer=peer)
        assert [each.lower() for each in answer.json()["headers"]] == ["x-other"]


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", 200),
        ("Bild 1\u202fPM.png", 200),
        ("a\u00a0b\u3000c", 200),
        ("\U0001f469\u200d\U0001f680", 200),
        ("\U0001fae9 \U0001faea \U0001fadf", 200),
        ("\ufeffa\u00ad", 200),
        ("\u202egpj.exe", 400),
        ("\u2066a\u2069", 400),
        ("a\u2028b", 400),
        ("a\x85b", 400),
        ("a\x1b[2J", 400),
        ("a\x7f", 400),
    ],
    ids=["joiner", "narrow blank", "other blanks", "joined emoji", "emoji of later years",
         "without a shape", "right to left", "turned around", "line end", "C1", "escape", "DEL"],
)  # fmt: skip
def test_letters_of_all_people_may_be_in_a_path(stage: Inside, name: str, status: int) -> None:
    answer = stage.visitor().get(f"/stage/opened/{quote(name)}")
    assert answer.status_code == status
    if status != 200:
        expect.error(answer, status)


@pytest.mark.contract("BND-1")
@pytest.mark.contract("PRX-4")
def test_framework_sees_no_address_where_the_proxy_wrote_none(stage: Inside) -> None:
    headers = (("X-Forwarded-For", "unknown"), ("X-Forwarded-Proto", "https"))
    answer = stage.visitor().send("GET", "/stage/seen", headers, peer=PROXY)
    assert answer.json()["client"] == ""


@pytest.mark.contract("BND-2")
def test_a_route_may_be_for_head_alone(stage: Inside) -> None:
    visitor, member = stage.visitor(), stage.member()
    for browser, target in ((visitor, "/stage/count"), (member, "/stage/count/closed")):
        answer = browser.send("HEAD", target)
        assert answer.status_code == 200
        assert expect.once(answer, "x-total-count") == "3"
        assert answer.content == b""
        assert expect.once(answer, "cross-origin-opener-policy") == "same-origin"
        wrong = browser.get(target)
        expect.error(wrong, 405)
        assert expect.once(wrong, "allow") == "HEAD, OPTIONS"
    hidden = visitor.send("HEAD", "/stage/count/closed")
    assert hidden.status_code == 303
    assert "x-total-count" not in hidden.headers


@pytest.mark.contract("BND-2")
@pytest.mark.parametrize("target", ["/stage/long", "/stage/json", "/stage/nothing", "/stage/"])
def test_head_is_else_what_get_is(stage: Inside, target: str) -> None:
    head, get = stage.visitor().send("HEAD", target), stage.visitor().get(target)
    assert head.status_code == get.status_code
    varying = {"content-security-policy", "date"}
    assert [pair for pair in head.headers.multi_items() if pair[0] not in varying] == [
        pair for pair in get.headers.multi_items() if pair[0] not in varying
    ]
    assert head.content == b""


# What a view answers ----------------------------------------------------------------------------


@pytest.mark.contract("BND-2")
@pytest.mark.parametrize("status", [200, 201, 400, 402, 404, 409, 418, 422, 451, 500, 503])
@pytest.mark.parametrize(
    ("kind", "body"),
    [("application/json", '{"left": 2}'), ("text/html; charset=utf-8", "<p>Only two left")],
    ids=["JSON", "HTML"],
)
def test_what_a_view_answers_is_its_own(stage: Inside, status: int, kind: str, body: str) -> None:
    answer = ask("answer", f"content-type: {kind}", stage=stage, status=status, body=body)
    assert answer.status_code == status
    assert answer.text == body
    assert expect.once(answer, "content-type") == kind
    expect.headers(answer)
    if status >= 400:
        assert expect.once(answer, "cache-control") == "no-store"


@pytest.mark.contract("BND-2")
@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("kind", ["text/css", "text/html; charset=utf-8"])
def test_type_of_an_empty_file_is_kept(stage: Inside, status: int, kind: str) -> None:
    """Without one browsers refuse a style or a script, as nosniff asks for."""
    answer = ask("answer", f"content-type: {kind}", stage=stage, status=status)
    assert answer.status_code == status
    assert expect.once(answer, "content-type") == kind
    assert expect.once(answer, "content-length") == "0"
    expect.headers(answer)


@pytest.mark.contract("BND-2")
@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize("view", ["raise", "problem"])
@pytest.mark.parametrize("status", [400, 403, 404, 409])
def test_text_of_the_author_is_shown(stage: Inside, view: str, status: int) -> None:
    words = "Only 2 left & <b>more</b>"
    name = "text" if view == "raise" else "detail"
    target = f"/stage/{view}?status={status}&{name}={quote(words)}"
    answer = stage.visitor().get(target)
    expect.error(answer, status)
    assert "Only 2 left &amp; &lt;b&gt;" in answer.text
    document = stage.visitor().get(target, (PROGRAM,))
    expect.error(document, status)
    assert document.json()["detail"] == words


@pytest.mark.contract("BND-2")
def test_document_of_the_author_leaves_as_the_framework_writes_it(stage: Inside) -> None:
    answer = ask("document", stage=stage)
    assert answer.status_code == 409
    assert '"left"' in answer.text
    expect.headers(answer)


@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize(("status", "title"), TITLES.items())
@pytest.mark.parametrize("view", ["raise", "answer"])
def test_error_that_nobody_wrote_is_ours(stage: Inside, view: str, status: int, title: str) -> None:
    """Raised without a text, or answered without a body."""
    answer = ask(view, stage=stage, status=status)
    expect.error(answer, status)
    assert f"<title>{status} {title.replace(chr(39), '&#x27;')}</title>" in answer.text
    document = stage.visitor().get(f"/stage/{view}?status={status}", (PROGRAM,))
    expect.error(document, status)
    assert document.json()["title"] == title
    # A sentence of ours: what HTTP calls the status anyway is nobody's text.
    assert document.json()["detail"].endswith(".")


@pytest.mark.contract("BND-2", "SES-11")
def test_error_without_a_body_keeps_the_headers_of_its_view(stage: Inside) -> None:
    lines = ("X-Total-Count: 3", "Content-Range: bytes */9", "Set-Cookie: a=b")
    answer = ask("answer", *lines, stage=stage, status=416)
    assert answer.text.startswith("<!DOCTYPE html>")
    assert expect.once(answer, "x-total-count") == "3"
    assert expect.once(answer, "content-range") == "bytes */9"
    assert "HttpOnly" in expect.once(answer, "set-cookie")


@pytest.mark.contract("HDR-1", "FPR-2")
@pytest.mark.parametrize("sign", ["\x01", "\x1b", "\x7f", "\r\nX-Frame-Options: ALLOW", "\nb: c"])
def test_header_that_no_server_would_send_is_our_error(
    stage: Inside, log: pytest.LogCaptureFixture, sign: str
) -> None:
    """A server refuses the whole response for it, and answers in its own words."""
    answer = ask("answer", f"Link: <a{sign}>", stage=stage, body="a")
    expect.error(answer, 500)
    assert "link" not in answer.headers
    assert "sys_crash" in log.text
    if "\n" not in sign:
        # Some frameworks refuse line breaks by themselves.
        assert "the response's headers: link" in log.text
    # Werkzeug escapes what it takes for an address.
    answer = ask("problem", stage=stage, status=409, to=f"/a{sign}")
    expect.error(answer, 409, 500)
    assert sign[0] not in answer.headers.get("location", "")


@pytest.mark.contract("BND-2", "HDR-1")
def test_header_that_does_not_leave_may_have_any_value(stage: Inside) -> None:
    answer = ask("answer", "X-Signs: \x01", "Link: <\u00e9>\t", stage=stage, body="a")
    assert (answer.status_code, answer.text) == (200, "a")
    assert expect.once(answer, "link")


@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize("status", [100, 200, 303, 304, 399, 600])
def test_status_of_a_problem_is_one_of_an_error(status: int) -> None:
    with pytest.raises(ValueError, match=f"400 to 599, not {status}"):
        Problem(status)


@pytest.mark.contract("BND-2")
@pytest.mark.contract("FPR-1")
def test_header_that_may_not_leave_is_named_in_the_log(
    stage: Inside, log: pytest.LogCaptureFixture
) -> None:
    answer = ask("answer", "Server-Timing: db;dur=5", "X-Total-Count: 7", stage=stage, body="a")
    assert "server-timing" not in answer.headers
    assert expect.once(answer, "x-total-count") == "7"
    (line,) = events(log, "response_dropped")
    assert line["header"] == "server-timing"
    assert "response-headers" in str(line["reason"])


@pytest.mark.contract("BND-2")
def test_date_is_the_servers(stage: Inside, log: pytest.LogCaptureFixture) -> None:
    """Frameworks set it on a file: that the server's own takes its place is no loss."""
    line = "Date: Thu, 26 Nov 2026 12:00:00 GMT"
    answer = ask("answer", line, stage=stage, body="a")
    assert line not in [f"Date: {value}" for value in answer.headers.get_list("date")]
    assert events(log, "response_dropped") == []


@pytest.mark.contract("HDR-4")
def test_answer_that_is_still_being_made_is_private(stage: Inside) -> None:
    """What comes after its headers may ask for the session."""
    for query in ("", "&begin=yes"):
        answer = stage.visitor().get(f"/stage/slow?seconds=0{query}")
        assert "cache-control" not in answer.headers
    assert "cache-control" not in stage.member().get("/stage/slow?seconds=0").headers
    answer = stage.member().get("/stage/slow?seconds=0&begin=yes")
    assert answer.text == "firstsecond"
    assert expect.once(answer, "cache-control") == "no-store"


@pytest.mark.contract("HDR-4")
@pytest.mark.parametrize("vary", ["Cookie", "Accept, cookie"])
def test_answer_that_was_kept_for_a_cookie_is_private(stage: Inside, vary: str) -> None:
    """The framework's cache gives it without a look at the session: `vary_on_cookie` of Django."""
    headers = ("Cache-Control: max-age=60", f"Vary: {vary}", "Content-Length: 1")
    for browser, kept in ((stage.visitor(), "max-age=60"), (stage.member(), "no-store")):
        answer = ask("answer", *headers, browser=browser, stage=stage, body="a")
        assert expect.once(answer, "cache-control") == kept
    answer = ask(
        "answer", *headers[::2], "Vary: Accept", browser=stage.member(), stage=stage, body="a"
    )
    assert expect.once(answer, "cache-control") == "max-age=60"


@pytest.mark.contract("SES-12")
def test_what_is_written_too_late_is_not_lost_in_silence(
    stage: Inside, log: pytest.LogCaptureFixture
) -> None:
    """Its cookie and its headers have left: nobody stores it, and the log says so, once."""
    member = stage.member()
    for begin, notes in (("yes", 0), ("write", 1)):
        assert member.get(f"/stage/slow?seconds=0&begin={begin}").text == "firstsecond"
        assert len(events(log, "response_dropped")) == notes


@pytest.mark.contract("SES-12")
def test_usual_ways_with_a_session_are_not_too_late(
    stage: Inside, log: pytest.LogCaptureFixture
) -> None:
    member = stage.member()
    for way in ("set?key=a&value=1", "append?key=list&value=1", "replace", "clear", "replace"):
        member.post(f"/stage/session/{way}")
    stage.member().post("/logout")
    assert events(log, "response_dropped") == []


@pytest.mark.contract("HDR-1")
@pytest.mark.parametrize("code", ["%01", "%0a", "%0d%0aset-cookie:%20a=b", "%1f", "%7f"])
@pytest.mark.parametrize("status", [200, 404])
def test_header_that_no_server_may_send_is_our_error(
    stage: Inside, caplog: pytest.LogCaptureFixture, code: str, status: int
) -> None:
    """Some frameworks refuse it, and so does each server, by an answer without our headers."""
    said = f"/stage/answer?status={status}&body=a&header=x-total-count:a{code}b"
    expect.error(stage.visitor().get(said), 500)
    assert any("sys_crash" in record.getMessage() for record in caplog.records)


@pytest.mark.contract("FPR-1")
def test_header_leaves_only_where_a_fact_says_so(inside: Inside, stage: Inside) -> None:
    assert "x-total-count" in stage.policy.service.response_headers
    assert "x-total-count" not in inside.policy.service.response_headers


@pytest.mark.contract("BND-2")
def test_fact_adds_a_source_to_the_policy_of_pages(make: Make) -> None:
    facts = '[service.csp]\nimg-src = ["https://i.test"]\nmedia-src = ["https://media.test"]'
    directives = expect.csp(make(facts=facts).visitor().get("/"))
    assert directives["img-src"] == "'self' https://i.test"
    # One that the policy has not said anything of before.
    assert directives["media-src"] == "https://media.test"


@pytest.mark.contract("FPR-2")
def test_page_of_a_view_that_asks_for_more_than_a_login(stage: Inside, tmp_path: Path) -> None:
    target = "/stage/raise?status=401"
    assert stage.visitor().get(target).headers["location"].startswith("/login?next=")
    expect.error(stage.member().get(target), 401)
    # A path that a fact has opened has a check of its own, of a token in a header for example.
    facts = f'{FACTS}[[route]]\npath = "/stage/raise"\naccess = "public"\n'
    with closing(Stage(Files(tmp_path, CHEAP, facts=facts))) as service:
        expect.error(service.visitor().get(target), 401)


@pytest.mark.contract("FPR-2")
def test_challenge_of_http_basic_reaches_the_browser(stage: Inside) -> None:
    for answer in (
        ask("basic", stage=stage),
        ask("answer", 'WWW-Authenticate: Basic realm="stage"', stage=stage, status=401),
    ):
        assert answer.status_code == 401
        assert expect.once(answer, "www-authenticate").replace('"', "") == "Basic realm=stage"
        # Not the framework's words for it.
        assert "Log in first." in answer.text
        expect.headers(answer)
        assert not expect.FINGERPRINTS.search(expect.lasting(answer.text))


# What was said and then discarded ---------------------------------------------------------------


@pytest.mark.contract("BND-3")
def test_what_a_view_discarded_does_not_leave(stage: Inside) -> None:
    page = ask("drop", stage=stage, then="page")
    assert (page.status_code, page.text) == (200, "<p>kept")
    problem = ask("drop", stage=stage, then="problem")
    expect.error(problem, 409)
    crash = ask("drop", stage=stage, then="crash")
    expect.error(crash, 500)
    for answer in (page, problem, crash):
        assert "location" not in answer.headers
        assert "dropped" not in answer.text


@pytest.mark.contract("BND-3")
def test_answer_that_is_replaced_leaves_nothing_behind(stage: Inside) -> None:
    empty = ask("answer", 'ETag: "a"', "Content-Language: de", stage=stage, status=409)
    refused = ask(
        "answer", 'ETag: "a"', f"Location: {EVIL}", stage=stage, status=201, body="secret-4711"
    )
    expect.error(empty, 409)
    expect.error(refused, 400, echo="secret-4711")
    for answer in (empty, refused):
        assert "etag" not in answer.headers
        assert "content-language" not in answer.headers
    closed = stage.visitor().get("/stage/raw/any", (PROGRAM,))
    expect.error(closed, 401)
    assert closed.json()


# What breaks off --------------------------------------------------------------------------------


@pytest.mark.contract("BND-4")
@pytest.mark.usefixtures("restored_logging")
def test_answer_that_breaks_off_does_not_end_well(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A server that gets the exception closes the connection before the body's end."""
    with closing(Stage(Files(tmp_path))) as stage:
        capfd.readouterr()
        with pytest.raises(ValueError, match="secret-4711"):
            stage.visitor().get("/stage/broken")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    (crash,) = [line for line in lines if line["event"] == "sys_crash"]
    assert re.fullmatch("[0-9a-f]{32}", crash["request_id"])


@pytest.mark.contract("HDR-1")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_answer_that_fails_before_its_first_piece_is_a_crash(stage: Inside, method: str) -> None:
    """Nothing has left yet: the server would answer in words of its own, without the headers."""
    answer = stage.visitor().send(method, "/stage/broken?first=")
    expect.error(answer, 500, echo="secret-4711")


@pytest.mark.contract("BND-3")
@pytest.mark.parametrize("before", [{}, {"a": "kept"}], ids=["new", "there"])
@pytest.mark.parametrize("key", ["a", "b"])
def test_what_fails_before_its_first_piece_has_stored_nothing(
    stage: Inside, before: dict[str, str], key: str
) -> None:
    """Who got the page has no cookie of the response in whose place it stands."""
    browser = stage.visitor()
    if before:
        browser.post("/stage/session/set?key=a&value=kept")
    cookie = browser.session
    answer = ask("broken", browser=browser, stage=stage, first="", key=key)
    expect.error(answer, 500, echo="secret-4711")
    assert "set-cookie" not in answer.headers
    assert browser.session == cookie
    assert content(browser) == before


@pytest.mark.contract("BND-4")
@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("said", ["0", "2", "20", "abc", "-1", "+5", "5, 5", "5;", "9" * 20])
def test_answer_of_another_length_than_it_says_does_not_leave(
    stage: Inside, log: pytest.LogCaptureFixture, said: str, status: int
) -> None:
    """Servers send both: its rest would begin the next answer, or that one would be its end."""
    target = f"/stage/answer?body=hello&status={status}&header=content-length:{quote(said)}"
    try:
        answer = stage.visitor().get(target)
    except ValueError:
        # What is sent in pieces breaks off.
        assert said.isdigit()
    else:
        expect.error(answer, 500)
    assert "sys_crash" in log.text
    if said == "5, 5":
        assert "content-length" in log.text.lower()


@pytest.mark.contract("BND-4")
def test_head_says_any_length(stage: Inside) -> None:
    answer = stage.visitor().send("HEAD", "/stage/answer?body=hello&header=content-length:20")
    assert answer.status_code == 200
    assert expect.once(answer, "content-length") == "20"


@pytest.mark.contract("BND-4")
@pytest.mark.parametrize("status", [204, 304])
def test_answer_without_a_body_has_no_length(stage: Inside, status: int) -> None:
    """Some clients would wait for it (RFC 9110 section 8.6)."""
    answer = ask("answer", "Content-Length: 5", stage=stage, status=status)
    assert answer.status_code == status
    assert "content-length" not in answer.headers


@pytest.mark.contract("BND-4")
@pytest.mark.parametrize(
    ("target", "kind", "content"),
    [
        ("/stage/json", JSON, b'{"a": "b"}'),
        ("/stage/json", JSON, b'{"a": '),
        ("/stage/form", ("Content-Type", FORM), b"a=b"),
        ("/stage/upload", MULTIPART, part("a", "b")),
        ("/stage/upload", MULTIPART, part("a", "b") + f"--{BOUNDARY}--".encode()),
        ("/stage/raw", ("Content-Type", "application/xml"), b"<a/>"),
    ],
    ids=["JSON", "JSON, cut", "form", "multipart", "multipart, whole", "anything"],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["short", "cut"])
def test_body_that_is_not_whole_does_not_count(
    stage: Inside, target: str, kind: Header, content: bytes, chunked: bool
) -> None:
    length: tuple[Header, ...] = (("Content-Length", str(len(content) + 7)),)
    if chunked:
        length = (("Content-Length", ""), ("Transfer-Encoding", "chunked"))
    headers = (SAME, kind, *length)
    answer = stage.visitor().send("POST", target, headers, content, then="leave")
    expect.error(answer, 400)
    assert '"got"' not in answer.text
    expect.no_words_about_bodies(answer)


@pytest.mark.contract("BND-4")
@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("multipart/form-data", part("a", "b") + f"--{BOUNDARY}--\r\n".encode()),
        ("multipart/form-data; boundary=", part("a", "b") + f"--{BOUNDARY}--\r\n".encode()),
        ("multipart/form-data; boundary=other", part("a", "b") + f"--{BOUNDARY}--\r\n".encode()),
        (MULTIPART[1], part("a", "b")),
        (MULTIPART[1], part("a", "b") + f"--{BOUNDARY}\r\n".encode()),
        (MULTIPART[1], part("a", "b")[:-9]),
        (MULTIPART[1], b"nonsense"),
        (MULTIPART[1], b"nonsense\r\n" + part("a", "b") + f"--{BOUNDARY}--\r\n".encode()),
        (MULTIPART[1], part("a", "b") * 6 + f"--{BOUNDARY}--\r\n".encode()),
        (MULTIPART[1], f"--{BOUNDARY}\r\nnonsense\r\n--{BOUNDARY}--\r\n".encode()),
        (MULTIPART[1], NAMELESS),
    ],
    ids=["no boundary", "empty boundary", "other boundary", "no end", "half an end", "cut",
         "nonsense", "preamble", "too many parts", "part without a head", "part without a name"],
)  # fmt: skip
def test_multipart_that_is_none(stage: Inside, kind: str, content: bytes) -> None:
    answer = stage.visitor().send("POST", "/stage/upload", (SAME, ("Content-Type", kind)), content)
    expect.error(answer, 400)
    expect.no_words_about_bodies(answer)


@pytest.mark.contract("BND-5")
@pytest.mark.parametrize(
    ("target", "kind", "content"),
    [
        ("/stage/json", JSON, b'{"a": "b"}'),
        ("/stage/raw", ("Content-Type", "application/xml"), b"<a/>"),
    ],
    ids=["JSON", "anything"],
)
def test_body_that_pauses_is_ended(
    stage: Inside, target: str, kind: Header, content: bytes
) -> None:
    headers = (SAME, kind, ("Content-Length", str(len(content) + 7)))
    answer = stage.visitor().send("POST", target, headers, content, then="pause")
    expect.error(answer, 408)


@pytest.mark.contract("BND-5")
def test_size_is_judged_before_the_body_comes(stage: Inside) -> None:
    size = stage.policy.input.max_body + 1
    headers = (SAME, ("Content-Type", FORM), ("Content-Length", str(size)))
    answer = stage.visitor().send("POST", "/stage/form", headers, b"a=b", then="pause")
    expect.error(answer, 413)


# Bodies of each kind ----------------------------------------------------------------------------


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"a", {"a": ""}),
        (b"a&b=1", {"a": "", "b": "1"}),
        (b"a=1&&b=2&", {"a": "1", "b": "2"}),
        (b"a=b=c&=d", {"a": "b=c", "": "d"}),
        (b"&", {}),
        (b'{"a": 1}', {'{"a": 1}': ""}),
    ],
    ids=repr,
)
def test_forms_are_what_the_standard_says(
    stage: Inside, content: bytes, got: dict[str, str]
) -> None:
    """WHATWG URL section 5.1: no "=" and an empty pair are no mistake; programs send both."""
    headers = (SAME, ("Content-Type", FORM))
    answer = stage.visitor().send("POST", "/stage/form", headers, content)
    assert answer.json() == {"got": got}


@pytest.mark.contract("INP-1")
def test_forms_of_both_kinds_and_json_reach_the_view_as_they_came(stage: Inside) -> None:
    visitor = stage.visitor()
    answer = visitor.api("POST", "/stage/json", '{"a": ["\u00e9", 1, null]}'.encode())
    assert answer.json() == {"got": {"a": ["\u00e9", 1, None]}}
    assert visitor.post("/stage/form", a="\u00e9 &=", b="").json() == {
        "got": {"a": "\u00e9 &=", "b": ""}
    }
    content = part("a", "b") + f"--{BOUNDARY}--\r\n".encode()
    answer = visitor.send("POST", "/stage/form", (SAME, MULTIPART), content)
    assert answer.json() == {"got": {"a": "b"}}


@pytest.mark.contract("INP-1")
@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize("accept", [PROGRAM, ("Accept", "text/html")], ids=["program", "browser"])
@pytest.mark.parametrize(
    ("target", "kind", "content"),
    [
        ("/stage/json", FORM, b"a=b"),
        ("/stage/json", MULTIPART[1], part("a", "b") + f"--{BOUNDARY}--\r\n".encode()),
        ("/stage/json", "application/json", b""),
    ],
    ids=["form", "multipart", "nothing"],
)
def test_form_for_a_view_that_expects_json(
    stage: Inside, target: str, kind: str, content: bytes, accept: Header
) -> None:
    headers = (SAME, accept, ("Content-Type", kind))
    answer = stage.visitor().send("POST", target, headers, content)
    expect.error(answer, 400, 415, 422)
    expect.no_words_about_bodies(answer)


# Redirects --------------------------------------------------------------------------------------


@pytest.mark.contract("RED-4")
@pytest.mark.parametrize(
    "to",
    [EVIL, "//evil.example/", "https:evil.example", "javascript:alert(1)", f"http://{HOST}/",
     f"https://{HOST}@evil.example/", f"https://evil.{HOST}/", "data:text/html,a"],
)  # fmt: skip
def test_redirect_of_a_view_does_not_lead_astray(
    stage: Inside, log: pytest.LogCaptureFixture, to: str
) -> None:
    for answer in (
        ask("redirect", stage=stage, to=to),
        ask("answer", f"Location: {to}", stage=stage, status=302),
        ask("answer", f"Location: {to}", stage=stage, status=201, body="a"),
    ):
        expect.error(answer, 400, echo="evil.example")
        assert "location" not in answer.headers
    assert len(events(log, "malicious_redirect")) == 3


@pytest.mark.contract("RED-4")
@pytest.mark.parametrize(
    "to",
    ["\\\\evil.example/", "/\\evil.example", "\t//evil.example/", "/\t/evil.example",
     " //evil.example", "http\\://evil.example", "////evil.example", "/%09/evil.example"],
)  # fmt: skip
def test_location_that_only_a_browser_understands(stage: Inside, to: str) -> None:
    """As it stands on the wire: no framework has escaped it."""
    answer = ask("answer", f"Location:{to}", stage=stage, status=302)
    if answer.status_code == 302:
        assert expect.place(answer).startswith(f"{ORIGIN}/")
    else:
        expect.error(answer, 400)


@pytest.mark.contract("RED-4")
def test_each_of_two_locations_is_judged(stage: Inside) -> None:
    for lines in (("/account", EVIL), (EVIL, "/account")):
        both = [f"Location: {line}" for line in lines]
        answer = ask("answer", *both, stage=stage, status=303)
        if answer.status_code == 303 and lines[0] == EVIL:
            # Some frameworks keep the last alone.
            assert expect.once(answer, "location") == "/account"
        else:
            expect.error(answer, 400, echo="evil.example")


@pytest.mark.contract("RED-4")
@pytest.mark.parametrize(
    ("to", "place"),
    [
        ("/account?a=b#c", f"{ORIGIN}/account?a=b#c"),
        (f"{ORIGIN}/account", f"{ORIGIN}/account"),
        (f"https://{PARTNER}/a", f"https://{PARTNER}/a"),
        # RFC 9110 section 10.2.2: relative to what was asked for.
        ("other", f"{ORIGIN}/stage/other"),
        ("?a=b", f"{ORIGIN}/stage/answer?a=b"),
        ("../up", f"{ORIGIN}/up"),
        ("./", f"{ORIGIN}/stage/"),
        ("/caf\u00e9?q=\u65e5", f"{ORIGIN}/caf%C3%A9?q=%E6%97%A5"),
    ],
    ids=["path", "own origin", "partner", "relative", "query", "parent", "folder", "UTF-8"],
)
def test_location_of_a_view_leads_where_it_says(stage: Inside, to: str, place: str) -> None:
    answer = ask("answer", f"Location: {to}", stage=stage, status=303)
    assert answer.status_code == 303
    assert expect.place(answer) == place
    expect.headers(answer)


@pytest.mark.contract("RED-4")
@pytest.mark.parametrize(
    "line",
    [
        f"HX-Redirect: {EVIL}",
        f"HX-Location: {EVIL}",
        f"Refresh: 0; url={EVIL}",
        f"Refresh: 0;URL='{EVIL}'",
        f"Refresh: 0; {EVIL}",
        f"Refresh: 0,{EVIL}?a=b",
        f"Refresh: 0 {EVIL}?url=/account",
        "Refresh: 0;//evil.example",
        f"Refresh: .5;\turl\t = '{EVIL}'/account'",
        f'Refresh: 0;url="{EVIL}',
        f"Refresh: 0; '{EVIL}'",
        f"Content-Location: {EVIL}",
    ],
)
def test_other_headers_that_lead_on_are_judged_too(stage: Inside, line: str) -> None:
    name = line.partition(":")[0].lower()
    answer = ask("answer", line, stage=stage, body="a")
    assert name not in answer.headers
    if name != "content-location":
        expect.error(answer, 400, echo="evil.example")


@pytest.mark.contract("RED-4")
def test_error_page_leads_no_further_than_a_view(
    stage: Inside, log: pytest.LogCaptureFixture
) -> None:
    """It is ours, but the application has given it a header."""
    answer = ask("problem", stage=stage, status=409, to=EVIL)
    expect.error(answer, 400, echo="evil.example")
    assert "location" not in answer.headers
    assert len(events(log, "malicious_redirect")) == 1
    answer = ask("problem", stage=stage, status=409, to="/account")
    expect.error(answer, 409)
    assert expect.place(answer) == f"{ORIGIN}/account"


@pytest.mark.contract("RED-4")
def test_other_headers_that_lead_on_work(stage: Inside) -> None:
    answer = ask("answer", "HX-Redirect: /account", "Refresh: 5", stage=stage, body="a")
    assert answer.status_code == 200
    assert expect.once(answer, "hx-redirect") == "/account"
    assert expect.once(answer, "refresh") == "5"


@pytest.mark.contract("RED-4")
@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("0; url=/account", "0; url=/account"),
        ("3;URL='/account?a=b'", "3; url=/account?a=b"),
        ("1.5,/account", "1.5; url=/account"),
        (f"0; {ORIGIN}/account", f"0; url={ORIGIN}/account"),
        ("0; url='/account'//evil.example/", "0; url=/account"),
        ("0; uri", "0; url=/stage/uri"),
        ("5; url=", "5; url="),
        ("5;", "5;"),
    ],
)
def test_refresh_leads_where_browsers_go(stage: Inside, line: str, sent: str) -> None:
    answer = ask("answer", f"Refresh: {line}", stage=stage, body="a")
    assert answer.status_code == 200
    assert expect.once(answer, "refresh") == sent


@pytest.mark.contract("RED-3")
@pytest.mark.parametrize(
    ("page", "target", "place"),
    [
        ("/tags/100%", "?page=2", "/tags/100%25?page=2"),
        ("/tags/what?", "?page=2", "/tags/what%3F?page=2"),
        ("/a?b/c", "d", "/a%3Fb/d"),
        ("/tags/#1", "?page=2", "/tags/%231?page=2"),
        ("/a/%2e%2e/b", "c", "/a/%252e%252e/c"),
        ("/a;b=c,d/e:f@g", "h", "/a;b=c,d/h"),
        ("/\u00e9", "?a=b", "/%C3%A9?a=b"),
    ],
)
def test_relative_target_is_relative_to_the_page_as_it_was_asked_for(
    page: str, target: str, place: str
) -> None:
    assert Redirects(()).safe_target(target, ORIGIN, page) == place


class Devices(Files):
    """With applications on devices among the targets of redirects."""

    @override
    def policy(self) -> Path:
        path = super().policy()
        places = '"com.example.app:/done", "http://127.0.0.1/done", '
        text = path.read_text("utf-8").replace("redirect-hosts = [", f"redirect-hosts = [{places}")
        path.write_text(text, "utf-8")
        return path


@pytest.mark.contract("RED-4")
def test_redirect_leads_to_listed_applications_on_a_device(tmp_path: Path) -> None:
    with closing(Stage(Devices(tmp_path))) as stage:
        for to in ("com.example.app:/done?code=1", "http://127.0.0.1:4711/done?code=1"):
            answer = ask("answer", f"Location: {to}", stage=stage, status=303)
            assert answer.status_code == 303
            assert expect.once(answer, "location") == to
        for to in (
            "com.example.app:/other",
            "com.example.evil:/done",
            "http://127.0.0.1:4711/other",
            "http://127.0.0.2:4711/done",
            "ftp://127.0.0.1/done",
        ):
            expect.error(ask("answer", f"Location: {to}", stage=stage, status=303), 400)


# 304 and compression ----------------------------------------------------------------------------


@pytest.mark.contract("BND-6")
def test_not_modified_leaves_the_policy_of_the_kept_page(stage: Inside) -> None:
    lines = ('ETag: "a"', "Content-Type: text/html; charset=utf-8")
    page = ask("answer", *lines, stage=stage, body="<p>a")
    assert expect.nonce(page)
    answer = ask("answer", *lines, stage=stage, status=304)
    assert answer.status_code == 304
    assert "content-security-policy" not in answer.headers
    assert "content-type" not in answer.headers
    assert expect.once(answer, "etag") == '"a"'
    assert expect.once(answer, "x-content-type-options") == "nosniff"


@pytest.mark.contract("BND-6")
def test_compressed_body_says_so(stage: Inside) -> None:
    answer = stage.visitor().get("/stage/long", (("Accept-Encoding", "gzip"),))
    assert answer.status_code == 200
    assert expect.once(answer, "content-encoding") == "gzip"
    # The client of the test has unpacked it.
    assert answer.text == "a" * 5000
    assert int(expect.once(answer, "content-length")) < 5000
    expect.headers(answer)


@pytest.mark.contract("BND-6")
def test_what_depends_on_a_session_is_not_compressed(stage: Inside) -> None:
    """Next to a secret the length of what an attacker had repeated tells the secret (BREACH)."""
    answer = stage.member().get("/stage/long", (("Accept-Encoding", "gzip"),))
    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers
    assert answer.content == b"a" * 5000


# Cookies ----------------------------------------------------------------------------------------


@pytest.mark.contract("BND-2")
@pytest.mark.parametrize(
    ("headers", "named"),
    [
        (["X-Frame-Options: SAMEORIGIN"], True),
        (["X-Frame-Options: deny"], False),
        (["X-Frame-Options: SAMEORIGIN", "Content-Security-Policy: frame-ancestors 'self'"], False),
    ],
)
def test_header_that_alone_opens_no_frame_is_named(
    stage: Inside, log: pytest.LogCaptureFixture, headers: list[str], named: bool
) -> None:
    """Browsers go by the policy's frame-ancestors."""
    ask("answer", *headers, stage=stage, body="a")
    lines = events(log, "response_changed")
    assert ["frame-ancestors" in str(line["reason"]) for line in lines] == [True] * named


@pytest.mark.contract("SES-11")
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("a=b", {"secure", "httponly", "samesite=lax"}),
        ("a=b; Path=/x; Max-Age=5", {"secure", "httponly", "samesite=lax", "path=/x", "max-age=5"}),
        ("a=b; SameSite=Strict; Secure", {"secure", "httponly", "samesite=strict"}),
        ("theme=dark", {"secure", "samesite=lax"}),
        ("theme=dark; HttpOnly", {"secure", "samesite=lax", "httponly"}),
        # Such a value some browsers take for None: of two they take the last.
        ("a=b; SameSite=x", {"secure", "httponly", "samesite=x", "samesite=lax"}),
        ("a=b; SAMESITE=STRICT", {"secure", "httponly", "samesite=strict"}),
    ],
)
def test_cookie_of_a_view_is_hardened(stage: Inside, line: str, wanted: set[str]) -> None:
    answer = ask("answer", f"Set-Cookie: {line}", stage=stage, body="a")
    pair, *attributes = expect.once(answer, "set-cookie").split(";")
    assert pair == line.partition(";")[0]
    assert {each.strip().lower() for each in attributes} == wanted
    if "samesite=lax" in wanted:
        said = [each for each in attributes if each.strip().lower().startswith("samesite")]
        assert said[-1] == " SameSite=Lax"


@pytest.mark.contract("SES-11")
@pytest.mark.parametrize("name", [SESSION, DEVICE])
def test_cookies_of_the_core_are_its_own(
    stage: Inside, log: pytest.LogCaptureFixture, name: str
) -> None:
    member = stage.member()
    kept = member.session
    lines = (f"Set-Cookie: {name}=evil; Secure; Path=/", "Set-Cookie: a=b")
    answer = ask("answer", *lines, stage=stage, browser=member, body="a")
    assert expect.once(answer, "set-cookie").startswith("a=b;")
    assert member.session == kept
    assert name in [line.get("cookie") for line in events(log, "response_dropped")]


@pytest.mark.contract("SES-11")
@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f"={SESSION}=evil; Secure; Path=/", ""),
        (f" = {SESSION}=evil", ""),
        (f"=\t{DEVICE}=evil", ""),
        (SESSION, ""),
        (f"{SESSION}; x=y; Path=/", ""),
        ("", ""),
        ("; Path=/", ""),
        (f"a b{SESSION}=evil", f"a b{SESSION}"),
        (f"a\t{SESSION}=evil", f"a\t{SESSION}"),
        (f'"{SESSION}"=evil', f'"{SESSION}"'),
        (f"a,{SESSION}=evil", f"a,{SESSION}"),
        ("x" * 500 + "(=evil", "x" * 100),
    ],
)
def test_cookie_without_a_proper_name_does_not_leave(
    stage: Inside, log: pytest.LogCaptureFixture, line: str, shown: str
) -> None:
    """What has no name comes back as its value alone: as a cookie of the core's, for example."""
    answer = ask("answer", f"Set-Cookie: {line}", "Set-Cookie: a=b", stage=stage, body="a")
    assert (answer.status_code, answer.text) == (200, "a")
    assert expect.once(answer, "set-cookie").startswith("a=b;")
    (dropped,) = events(log, "response_dropped")
    assert dropped["cookie"] == shown
    assert "no name for a cookie" in str(dropped["reason"])


@pytest.mark.contract("SES-11")
@pytest.mark.parametrize("name", [SESSION.swapcase(), SESSION.lower(), DEVICE.upper()])
def test_cookies_of_the_core_are_its_own_in_any_case(
    stage: Inside, log: pytest.LogCaptureFixture, name: str
) -> None:
    """As browsers take the prefix, and some programs all of the name."""
    line = f"Set-Cookie: {name}=evil; Secure; Path=/"
    answer = ask("answer", line, "Set-Cookie: a=b", stage=stage, body="a")
    assert expect.once(answer, "set-cookie").startswith("a=b;")
    assert [each.get("cookie") for each in events(log, "response_dropped")] == [name]


@pytest.mark.contract("SES-11")
@pytest.mark.parametrize("sign", ["\x85", "\xa0"])
def test_cookie_is_not_the_cores_by_what_python_takes_for_a_blank(stage: Inside, sign: str) -> None:
    """Browsers do not: the name does not begin with the prefix, so a sibling host may set it."""
    member = stage.member()
    assert member.session
    pair = f"{SESSION}={member.session}"
    for text, status in ((pair, 200), (f" {pair}\t", 200), (sign + pair, 303)):
        answer = stage.visitor().get("/stage/closed", (("Cookie", text.encode("latin-1")),))
        assert answer.status_code == status


@pytest.mark.contract("SES-11")
def test_cookie_that_browsers_drop_is_named_in_the_log(
    stage: Inside, log: pytest.LogCaptureFixture
) -> None:
    visitor = stage.visitor()
    with pytest.raises(AssertionError):
        ask("answer", "Set-Cookie: __Host-a=b; Path=/x", stage=stage, browser=visitor, body="a")
    names = [line.get("cookie") for line in events(log, "response_changed") if "reason" in line]
    assert names == ["__Host-a"]


# The framework's session ------------------------------------------------------------------------


@pytest.mark.contract("SES-12")
@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("key", ["", "%20"], ids=["name", "facts"])
def test_keys_under_which_the_core_keeps_its_own_are_refused(
    stage: Inside, log: pytest.LogCaptureFixture, key: str
) -> None:
    """A view that takes its keys from a form would let its user say which proof was given."""
    member = stage.member()
    expect.error(member.post(f"/stage/session/set?key={key}&value=1"), 500)
    assert "the policy's own keys" in log.text
    assert member.logged_in()
    assert content(member) == {}


def content(browser: Browser) -> dict[str, object]:
    """Return what is in the session, without what the framework keeps there for its login."""
    found = json.loads(browser.get("/stage/session").text)
    return {key: value for key, value in found.items() if not key.startswith("_")}


@pytest.mark.contract("SES-12")
def test_session_keeps_what_a_view_puts_there(stage: Inside) -> None:
    member = stage.member()
    assert member.post("/stage/session/set?key=a&value=1").status_code == 200
    for value in ("x", "y"):
        # In place, without an assignment that could be noticed.
        assert member.post(f"/stage/session/append?key=list&value={value}").status_code == 200
    assert content(member) == {"a": "1", "list": ["x", "y"]}
    assert member.logged_in()


@pytest.mark.contract("SES-9")
@pytest.mark.contract("SES-12")
def test_visitor_has_a_session_as_long_as_something_is_in_it(stage: Inside) -> None:
    visitor = stage.visitor()
    assert "set-cookie" not in visitor.get("/stage/session").headers
    visitor.post("/stage/session/set?key=a&value=1")
    assert visitor.session
    assert content(visitor) == {"a": "1"}
    assert not visitor.logged_in()
    assert visitor.post("/stage/session/clear").status_code == 200
    assert not visitor.session
    assert content(visitor) == {}


@pytest.mark.contract("SES-12")
def test_session_that_is_emptied_signs_out(stage: Inside) -> None:
    member = stage.member()
    member.post("/stage/session/set?key=a&value=1")
    before = member.copy()
    assert member.post("/stage/session/clear").status_code == 200
    assert not member.session
    assert content(member) == {}
    for browser in (member, before):
        assert not browser.logged_in()


@pytest.mark.contract("SES-12")
def test_session_that_is_replaced_has_the_new_content_alone(stage: Inside) -> None:
    member = stage.member()
    member.post("/stage/session/set?key=a&value=1")
    assert member.post("/stage/session/replace").status_code == 200
    assert content(member) == {"b": "2"}
    # Whether or not it signs out: no page may break.
    assert member.get("/").status_code == 200
    assert member.get("/account").status_code in {200, 303}
    assert member.post("/account/password", current_password="a", new_password="b").status_code in {
        303,
        422,
    }


@pytest.mark.contract("SES-12")
def test_value_that_cannot_be_stored_is_our_error(
    stage: Inside, caplog: pytest.LogCaptureFixture, log: pytest.LogCaptureFixture
) -> None:
    member = stage.member()
    member.post("/stage/session/set?key=a&value=1")
    answer = member.post("/stage/session/date")
    expect.error(answer, 500)
    assert "when" in caplog.text
    assert content(member) == {"a": "1"}
    assert member.logged_in()


@pytest.mark.contract("FPR-2")
def test_crash_of_a_view_says_nothing(stage: Inside) -> None:
    for accept in (PROGRAM, ("Accept", "text/html")):
        expect.error(stage.visitor().get("/stage/crash", (accept,)), 500, echo="secret-4711")


@pytest.mark.contract("RTE-2")
def test_what_no_check_has_seen_is_refused_loudly(
    stage: Inside, log: pytest.LogCaptureFixture
) -> None:
    assert stage.visitor().get("/stage/early").status_code == 303
    (line,) = events(log, "request_refused")
    assert "[[route]] access" in str(line["reason"])


@pytest.mark.contract("RTE-5")
def test_cookie_of_a_callback_does_not_leave(tmp_path: Path) -> None:
    facts = '[[route]]\npath = "/stage/answer"\ncross-site = "without-session"'
    with closing(Stage(Files(tmp_path, facts=facts))) as stage:
        answer = ask("answer", "Set-Cookie: a=b", stage=stage, body="a")
    assert (answer.status_code, answer.text) == (200, "a")
    assert "set-cookie" not in answer.headers


@pytest.mark.contract("BND-8")
@pytest.mark.parametrize("name", ["testserver", "testserver.local", "localhost:4711"])
def test_test_clients_are_served_in_development(
    name: str, shared: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the names that the frameworks' clients ask for."""
    monkeypatch.chdir(shared.files.folder)
    with closing(development()) as local:
        answer = local.visitor("127.0.0.1").send("GET", "/", (("Host", name),), scheme="http")
    assert answer.status_code == 200


@pytest.mark.contract("HDR-1")
@pytest.mark.parametrize("status", [100, 101, 103, 199])
def test_status_that_ends_no_request_is_a_crash(stage: Inside, status: int) -> None:
    """Servers would send it without a header of ours, or take it for another protocol."""
    expect.error(stage.visitor().get(f"/stage/answer?status={status}"), 500)
