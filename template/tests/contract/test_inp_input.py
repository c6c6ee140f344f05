# Owned by the template: extend, do not edit.
"""What a client sends (guide: Do not trust user input; ASVS 1, 2, 4.2, 5.2)."""

from __future__ import annotations

import html
import json
import re
import secrets
import unicodedata
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import pytest
from typing_extensions import override

from . import expect
from .conftest import Make
from .driver import FORM, JSON, SAME, Browser, Inside, Service, User

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": '" onmouseover="alert(1)',
    "single quotes": "' onmouseover='alert(1)",
    "end of a text area": "</textarea><script>alert(1)</script>",
    "comment": "<!-- <script> -->",
    "entity": "&lt;script&gt; &amp; &#60;",
    "SQL": "'; DROP TABLE notes; --",
    "SQL, or": "' OR '1'='1",
    "SQL, union": "x' UNION SELECT password_hash FROM users --",
    "template": "{{ 7*7 }}{% raw %}${7*7}#{7*7}",
    "format": "%s%n{0.__class__}{self}",
    "shell": "$(touch /tmp/x); `id` | cat",
    "pickle": "cos\nsystem\n(S'true'\ntR.",
    "path": "../../../../etc/passwd",
    "unicode": "\u00e9 \u65e5\u672c \U0001f600 \u202e \u2028",
    "backslashes": "\\\\ \\n \\x00 \\u0000",
    "percent": "%00 %0a %3Cscript%3E",
}
INVALID: dict[str, tuple[object, list[str]]] = {
    "no fields": ({}, ["title"]),
    "empty title": ({"title": "", "body": ""}, ["title"]),
    "title too long": ({"title": "a" * 101, "body": ""}, ["title"]),
    "body too long": ({"title": "a", "body": "a" * 5001}, ["body"]),
    "title is a number": ({"title": 1, "body": ""}, ["title"]),
    "title is true": ({"title": True, "body": ""}, ["title"]),
    "title is null": ({"title": None, "body": ""}, ["title"]),
    "title is a list": ({"title": ["a"], "body": ""}, ["title"]),
    "title is an object": ({"title": {"$ne": ""}, "body": ""}, ["title"]),
    "body is a number": ({"title": "a", "body": 1.5}, ["body"]),
    "unknown field": ({"title": "a", "body": "", "owner": "1"}, ["unknown field"]),
    "id given": ({"title": "a", "body": "", "id": "1"}, ["unknown field"]),
    "prototype": ({"title": "a", "body": "", "__proto__": {}}, ["unknown field"]),
    "NUL": ({"title": "a\0b", "body": ""}, ["title"]),
    "NUL in the body": ({"title": "a", "body": "a\0b"}, ["body"]),
    "escape": ({"title": "a\x1b[31m", "body": ""}, ["title"]),
    "delete": ({"title": "a\x7f", "body": ""}, ["title"]),
    "C1": ({"title": "a\x85\x9b", "body": ""}, ["title"]),
    "both": ({"title": "", "body": 1}, ["title", "body"]),
    "a list": ([], ["body"]),
    "a text": ("title", ["body"]),
    "a number": (1, ["body"]),
    "null": (None, ["body"]),
}


class Parsed(HTMLParser):
    """What a browser finds in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.attributes: set[str] = set()
        self.values: set[str] = set()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.attributes |= {name for name, _ in attrs}
        self.values |= {value or "" for name, value in attrs if name == "value"}


def created(member: Browser, title: str, body: str = "") -> str:
    """Create a note by the API; return its id."""
    answer = member.api("POST", "/api/notes", json.dumps({"title": title, "body": body}).encode())
    assert answer.status_code == 201, answer.text
    expect.headers(answer)
    return str(answer.json()["id"])


def notes(member: Browser) -> list[dict[str, Any]]:
    answer = member.api("GET", "/api/notes")
    assert answer.status_code == 200
    found = answer.json()["notes"]
    assert isinstance(found, list)
    return found


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize("target", ["/login", "/account/password", "/api/unknown", "/unknown"])
def test_body_that_is_too_large(service: Service, target: str) -> None:
    size = service.policy.input.max_body + 1
    visitor = service.visitor()
    kind = JSON if target.startswith("/api") else ("Content-Type", FORM)
    answer = visitor.send("POST", target, (SAME, kind), b"a" * size)
    expect.error(answer, 413)
    # The connection is sane: the next request gets its own answer.
    assert visitor.get("/healthz").status_code == 200


@pytest.mark.contract("INP-1")
def test_body_as_large_as_allowed(inside: Inside) -> None:
    member = inside.member()
    content = b'{"title":"a","body":"b"}'
    content += b" " * (inside.policy.input.max_body - len(content))
    # Read to its end, and then there is nothing at the address.
    expect.error(member.api("POST", "/api/unknown", content), 404)
    expect.error(member.api("POST", "/api/unknown", content + b" "), 413)


@pytest.mark.contract("INP-1")
def test_body_that_is_too_large_without_a_length(inside: Inside) -> None:
    answer = inside.visitor().send(
        "POST",
        "/login",
        (SAME, ("Content-Type", FORM), ("Transfer-Encoding", "chunked")),
        b"a" * (inside.policy.input.max_body + 1),
    )
    expect.error(answer, 413)


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize("length", ["-1", "+1", "1e3", "0x10", "1, 2", "\u0661", " "])
def test_length_that_is_none(inside: Inside, length: str) -> None:
    answer = inside.visitor().send(
        "POST", "/login", (SAME, ("Content-Type", FORM), ("Content-Length", length)), b"a=b"
    )
    expect.error(answer, 400)


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize("start", ["/", "/?", "/login?next=/"])
def test_address_that_is_too_long(service: Service, start: str) -> None:
    limit = service.policy.input.max_url
    expect.error(service.visitor().get(start + "a" * limit), 414)
    answer = service.visitor().get(start + "a" * (limit - len(start) - 1))
    assert answer.status_code in {200, 404}


@pytest.mark.contract("INP-1")
def test_headers_that_are_too_large(service: Service) -> None:
    limits = service.policy.input
    # nginx says 400 to a header that is larger than its buffer.
    huge = service.visitor().get("/", (("X-Filler", "a" * limits.max_header_bytes),))
    expect.error(huge, 431, 400)
    many = [(f"X-Filler-{number}", "a") for number in range(limits.max_header_count)]
    expect.error(service.visitor().get("/", many), 431, 400)
    assert service.visitor().get("/", many[: limits.max_header_count // 2]).status_code == 200


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize("name", ["X-Filler", "X_Filler"])
def test_headers_are_counted_as_they_come(inside: Inside, name: str) -> None:
    """Also where a framework sees one name once, or not at all."""
    limits = inside.policy.input
    some = [(name, "a") for _ in range(limits.max_header_count // 2)]
    assert inside.visitor().get("/", some).status_code == 200
    expect.error(inside.visitor().get("/", [*some, *some]), 431)
    huge = [(name, "a" * (limits.max_header_bytes // 2))] * 2
    expect.error(inside.visitor().get("/", huge), 431)


@pytest.mark.contract("INP-1")
def test_fields_that_are_too_many(inside: Inside) -> None:
    fields = {f"field{number}": "" for number in range(inside.policy.input.max_form_fields + 1)}
    expect.error(inside.visitor().post("/login", **fields), 400)


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    "content",
    [
        b"session=%ff",
        b"session=a&session=b",
        b"session=\xc3\xa9",
        b"session=%zz%",
        b"nonsense",
        b"&&&",
    ],
    ids=repr,
)
def test_form_that_is_none(member: Browser, content: bytes) -> None:
    headers = (SAME, ("Content-Type", FORM))
    answer = member.send("POST", "/account/sessions/end", headers, content)
    # WHATWG URL section 5.1: what is no escape stands for itself; there is no such session. A name
    # needs no "=", and between two "&" may be nothing: forms, which lack the field.
    status = {b"session=%zz%": 404, b"nonsense": 422, b"&&&": 422}.get(content, 400)
    expect.error(answer, status)


@pytest.mark.contract("INP-2")
@pytest.mark.example
@pytest.mark.parametrize(("document", "fields"), INVALID.values(), ids=INVALID.keys())
def test_api_refuses_invalid_fields(writer: Browser, document: object, fields: list[str]) -> None:
    number = created(writer, "Before")
    for method, target in (("POST", "/api/notes"), ("PUT", f"/api/notes/{number}")):
        answer = writer.api(method, target, json.dumps(document).encode())
        expect.error(answer, 422)
        assert sorted(answer.json().get("fields", [])) == sorted(fields)
    assert [each["title"] for each in notes(writer)] == ["Before"]


@pytest.mark.contract("INP-2")
@pytest.mark.example
@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"title": "", "body": ""}, ["title"]),
        ({"body": ""}, ["title"]),
        ({"title": "a" * 101, "body": ""}, ["title"]),
        ({"title": "a", "body": "a" * 5001}, ["body"]),
        ({"title": "a\0", "body": ""}, ["title"]),
        ({"title": "a", "body": "\x1b"}, ["body"]),
        ({"title": "a", "body": "", "owner": "1"}, []),
    ],
    ids=["empty", "missing", "long", "long body", "NUL", "control character", "unknown field"],
)
def test_form_refuses_invalid_fields(
    writer: Browser, fields: dict[str, str], wrong: list[str]
) -> None:
    answer = writer.post("/notes", **fields)
    assert answer.status_code == 422
    expect.headers(answer)
    assert expect.once(answer, "cache-control") == "no-store"
    for name in wrong:
        assert name in answer.text
    problem = re.search(r'role="alert".*?</ul>', answer.text, re.DOTALL)
    assert problem
    for name, label, most in (("title", "Title", 100), ("body", "Text", 5000)):
        if name in wrong:
            assert f'<a href="#{name}">{label}' in problem[0]
            assert len(fields.get(name, "")) <= most or f"at most {most} characters" in problem[0]
    assert notes(writer) == []


@pytest.mark.contract("INP-2")
@pytest.mark.example
@pytest.mark.parametrize(
    ("target", "kind", "statuses"),
    [
        ("/notes", "text/plain", (415,)),
        ("/notes", "application/xml", (415,)),
        ("/notes", "", (415,)),
        ("/notes", "application/json", (400, 415, 422)),
        ("/notes", "multipart/form-data; boundary=a", (400,)),
        ("/api/notes", "text/plain", (415,)),
        ("/api/notes", "text/json", (415,)),
        ("/api/notes", "application/x-pickle", (415,)),
        ("/api/notes", "", (415,)),
        ("/api/notes", FORM, (400, 415, 422)),
        ("/api/notes", "multipart/form-data; boundary=a", (400, 415, 422)),
    ],
)
def test_content_of_another_type(
    writer: Browser, target: str, kind: str, statuses: tuple[int, ...]
) -> None:
    """Refused, whoever notices it: the boundary, the framework or the view's own rules."""
    # What is said to be a form is one, too.
    content = b'{"title":"a=b","body":"b"}' if target == "/api/notes" else b"title=a&body=b"
    headers = (SAME, ("Content-Type", kind)) if kind else (SAME,)
    answer = writer.send("POST", target, headers, content)
    assert answer.status_code in statuses
    expect.headers(answer)
    if not (target == "/notes" and answer.status_code == 422):
        # Which is the view's own page.
        expect.error(answer, *statuses)
    assert notes(writer) == []


@pytest.mark.contract("INP-2")
@pytest.mark.example
def test_well_formed_content_of_another_type(writer: Browser) -> None:
    boundary = "stage-7316"
    multipart = ("Content-Type", f"multipart/form-data; boundary={boundary}")
    parts = (("title", "a"), ("body", "b"))
    form = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in parts
    )
    form += f"--{boundary}--\r\n".encode()
    for kind, content in ((multipart, form), (("Content-Type", FORM), b"title=a&body=b")):
        expect.error(writer.send("POST", "/api/notes", (SAME, kind), content), 400, 415, 422)
    answer = writer.send("POST", "/notes", (SAME, JSON), b'{"title":"a","body":"b"}')
    assert 400 <= answer.status_code < 500
    assert notes(writer) == []
    # A form is a form in both ways of writing it.
    assert writer.send("POST", "/notes", (SAME, multipart), form).status_code == 303
    assert [note["title"] for note in notes(writer)] == ["a"]


@pytest.mark.contract("INP-2")
@pytest.mark.example
def test_notes_by_the_api(writer: Browser) -> None:
    expect.error(writer.send("POST", "/api/notes", (SAME, JSON)), 400, 422)
    number = created(writer, "First", "Line\nline\ttab")
    (note,) = notes(writer)
    assert note["title"] == "First"
    assert note["body"] == "Line\nline\ttab"
    answer = writer.api("GET", f"/api/notes/{number}")
    assert answer.status_code == 200
    assert answer.json() == note
    assert expect.once(answer, "content-type") == "application/json"
    assert expect.once(answer, "cache-control") == "no-store"
    answer = writer.api("PUT", f"/api/notes/{number}", b'{"title":"Second","body":""}')
    assert answer.status_code == 200
    assert notes(writer)[0]["title"] == "Second"
    answer = writer.api("DELETE", f"/api/notes/{number}")
    assert answer.status_code == 204
    assert not answer.content
    expect.headers(answer)
    assert notes(writer) == []
    expect.error(writer.api("GET", f"/api/notes/{number}"), 404)


def scripts(browser: Browser, target: str) -> int:
    """Return how many scripts a page has with nothing hostile in it: a project adds its own."""
    parsed = Parsed()
    parsed.feed(browser.get(target).text)
    assert parsed.scripts
    return parsed.scripts


@pytest.mark.contract("INP-3")
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_name_and_device_are_shown_as_text(inside: Inside, member: Browser, text: str) -> None:
    user = inside.add_user(text.replace("\n", " ") + secrets.token_hex(4))
    browser = inside.visitor()
    browser.agent = text.encode("ascii", "ignore").decode().replace("\n", " ").strip()
    assert browser.login(user.name, user.password).status_code == 303
    page = browser.get("/account").text
    shown = [html.unescape(each) for each in re.findall(r"<strong[^>]*>([^<]*)</strong>", page)]
    name = unicodedata.normalize("NFKC", user.name).casefold()
    # A name that we know, or of a program, and nothing else of what a browser says of itself.
    assert shown[0] == name
    assert all(each == "Unknown device" or re.fullmatch(r"[\w.-]+", each) for each in shown[1:])
    parsed = Parsed()
    parsed.feed(page)
    assert parsed.scripts == scripts(member, "/account")
    assert not {each for each in parsed.attributes if each.startswith("on")}


@pytest.mark.contract("INP-3")
@pytest.mark.example
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_output_is_escaped_and_text_stays_text(writer: Browser, text: str) -> None:
    line = text.replace("\n", " ")
    created(writer, line, text)
    (note,) = notes(writer)
    assert note["title"] == line
    assert note["body"] == text
    page = writer.get("/notes").text
    article = page.partition("<article")[2].partition("</article>")[0]
    title = re.search(r"<h3[^>]*>(.*?)</h3>", article, re.DOTALL)
    assert title
    assert "<" not in title[1]
    assert html.unescape(title[1]) == line
    shown = article.partition('class="text" dir="auto">')[2].partition("</p>")[0]
    assert html.unescape(shown) == text


@pytest.mark.contract("INP-3")
@pytest.mark.parametrize("name", ["script", "attribute", "single quotes", "end of a text area"])
@pytest.mark.parametrize("form", ["login", pytest.param("note", marks=pytest.mark.example)])
def test_refused_input_is_shown_again_as_text(inside: Inside, form: str, name: str) -> None:
    text = HOSTILE[name]
    browser = inside.visitor() if form == "login" else inside.member()
    before = scripts(browser, "/login" if form == "login" else "/notes")
    if form == "login":
        answer = browser.login(text, "a wrong password", next=text)
    else:
        answer = browser.post("/notes", title=text, body="a" * 5001 + text)
    assert answer.status_code == (401 if form == "login" else 422)
    parsed = Parsed()
    parsed.feed(answer.text)
    assert parsed.scripts == before
    assert not {each for each in parsed.attributes if each.startswith("on")}
    assert text in parsed.values


@pytest.mark.contract("INP-3")
@pytest.mark.parametrize(
    "name",
    ["' OR 1=1 --", "admin'--", '" OR ""="', "*", "%", "_", "{{7*7}}", "x' UNION SELECT 1 --"],
)
def test_names_are_no_queries(inside: Inside, name: str) -> None:
    for password in ("' OR 1=1 --", "a wrong password"):
        assert inside.visitor().login(name, password).status_code == 401


@pytest.mark.contract("INP-4")
@pytest.mark.example
def test_note_of_another_user_is_not_there(inside: Inside) -> None:
    owner, stranger = inside.member(), inside.member()
    number = created(owner, "Mine", "Private")
    unknown = number[:-1] + ("1" if number[-1] != "1" else "2")
    for method, content in (("GET", b""), ("PUT", b'{"title":"a","body":"b"}'), ("DELETE", b"")):
        answer = stranger.api(method, f"/api/notes/{number}", content)
        expect.error(answer, 404, echo="Private")
        assert expect.masked(answer) == expect.masked(
            stranger.api(method, f"/api/notes/{unknown}", content)
        )
    expect.error(stranger.post(f"/notes/{number}/delete"), 404)
    assert [each["title"] for each in notes(owner)] == ["Mine"]
    assert notes(stranger) == []
    assert "Private" not in stranger.get("/notes").text
    assert owner.post(f"/notes/{number}/delete").status_code == 303
    assert notes(owner) == []


@pytest.mark.contract("INP-4")
@pytest.mark.example
@pytest.mark.parametrize(
    "number", ["0", "-1", "abc", "99999999999999999999999999", "1.0", "%D9%A1", "1%00", "a" * 300]
)
def test_id_that_is_none(writer: Browser, number: str) -> None:
    for method in ("GET", "DELETE"):
        expect.error(writer.api(method, f"/api/notes/{number}"), 404, 400)
    expect.error(writer.post(f"/notes/{number}/delete"), 404, 400)


@pytest.mark.contract("INP-4")
@pytest.mark.example
def test_visitor_sees_no_notes(service: Service) -> None:
    for method in ("GET", "PUT", "DELETE"):
        expect.error(
            service.visitor().api(method, "/api/notes/1", b"{}" if method == "PUT" else b""), 401
        )
    answer = service.visitor().get("/notes")
    assert answer.status_code == 303


@pytest.mark.contract("INP-1")
def test_body_without_a_length_has_the_same_limit(inside: Inside, user: User) -> None:
    form = urlencode({"username": user.name, "password": user.password}).encode() + b"&next="
    room = inside.policy.input.max_body - len(form)
    headers = (
        ("Content-Type", FORM),
        SAME,
        ("Transfer-Encoding", "chunked"),
        # As WSGI has it where there is none (PEP 3333).
        ("Content-Length", ""),
    )
    for more, status in ((0, 303), (1, 413)):
        body = form + b"a" * (room + more)
        assert inside.visitor().send("POST", "/login", headers, body).status_code == status


@pytest.mark.contract("INP-2")
@pytest.mark.example
@pytest.mark.parametrize(
    "body",
    [
        b'{"title": "a", "title": "b", "body": ""}',
        b'{"title": "a", "body": NaN}',
        b'{"title": "a", "body": -Infinity}',
        b'{"title": "a"} {}',
        b"{'title': 'a'}",
    ],
)
def test_json_that_readers_disagree_about(inside: Inside, body: bytes) -> None:
    expect.error(inside.member().send("POST", "/api/notes", (JSON, SAME), body), 400)


@pytest.mark.contract("INP-2")
def test_field_that_came_twice(inside: Inside) -> None:
    headers = (("Content-Type", FORM), ("Sec-Fetch-Site", "same-origin"))
    body = b"current_password=a&new_password=b&current_password=c"
    answer = inside.member().send("POST", "/account/password", headers, body)
    expect.error(answer, 400)


@pytest.mark.contract("INP-2")
@pytest.mark.parametrize("target", ["/?a=%00", "/login?next=%00", "/?a=%ff"])
def test_query_that_is_no_text(inside: Inside, target: str) -> None:
    expect.error(inside.visitor().get(target), 400)


@pytest.mark.contract("INP-3")
@pytest.mark.example
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_id_is_no_sql(inside: Inside, method: str) -> None:
    member = inside.member()
    member.post("/notes", title="Keep", body="me")
    body = b'{"title": "b", "body": ""}' if method == "PUT" else b""
    for target in ("/api/notes/x'%20OR%20'1'%3D'1", "/api/notes/x'", "/api/notes/x'--"):
        expect.error(member.api(method, target, body), 404)
    assert len(member.api("GET", "/api/notes").json()["notes"]) == 1


@pytest.mark.contract("INP-1")
def test_no_fact_raises_the_size_of_json(make: Make) -> None:
    inside = make(facts='[[route]]\npath = "/api/unknown"\nmax-body = 3_000_000')
    size = inside.policy.input.max_json + 1
    visitor = inside.visitor()
    expect.error(visitor.api("POST", "/api/unknown", b"[" + b" " * (size - 2) + b"]"), 413)
    # Of anything else as much as the fact says; and then there is nothing at the address.
    headers = (SAME, ("Accept", "application/json"), ("Content-Type", FORM))
    expect.error(visitor.send("POST", "/api/unknown", headers, b"a=" + b"b" * size), 404)
