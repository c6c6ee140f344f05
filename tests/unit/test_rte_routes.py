"""Who may ask for what: closed unless said otherwise, and what a fact opens (RTE)."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from .. import expect
from ..conftest import Make
from ..driver import FORM, JSON, PROGRAM, SAME, Browser, Files, Header, Inside
from .stage import Stage

BOUNDARY = "stage-7316"
MULTIPART = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
SILENT = {
    "view": ("/stage/closed", "inside"),
    "mounted in an included router": ("/stage/included/mounted/page", "inside"),
    "raw application": ("/stage/raw/any", "raw"),
    "raw application, root": ("/stage/raw/", "raw"),
    "route of an extension": ("/stage/extension", "extension"),
    "middleware": ("/stage/early", "early"),
}
TOOLS = ("docs", "redoc", "openapi.json", "docs/oauth2-redirect", "schema", "schema/openapi.json")


def file(size: int, name: str = "file") -> bytes:
    """Return a multipart body with one file."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="a.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + b"a" * size + f"\r\n--{BOUNDARY}--\r\n".encode()


def parts(**fields: str) -> bytes:
    """Return a multipart body with these fields."""
    lines = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in fields.items()
    ]
    return f"{''.join(lines)}--{BOUNDARY}--\r\n".encode()


def send(
    browser: Browser, target: str, content: bytes, *headers: Header, chunked: bool = False
) -> httpx.Response:
    """Post a body, in chunks if told to."""
    if chunked:
        headers = (*headers, ("Content-Length", ""), ("Transfer-Encoding", "chunked"))
    return browser.send("POST", target, (SAME, *headers), content)


@pytest.mark.contract("RTE-2")
@pytest.mark.parametrize(("target", "text"), SILENT.values(), ids=SILENT.keys())
def test_what_says_nothing_of_access_is_closed(stage: Inside, target: str, text: str) -> None:
    visitor, member = stage.visitor(), stage.member()
    answer = visitor.get(target)
    assert answer.status_code == 303
    assert expect.place(answer) == f"{stage.origin}/login?next={target}"
    assert text not in answer.text
    expect.headers(answer)
    expect.error(visitor.get(target, (PROGRAM,)), 401)
    assert visitor.send("HEAD", target).status_code == 303
    answer = member.get(target)
    assert (answer.status_code, answer.text) == (200, text)
    assert expect.once(answer, "cache-control") == "no-store"
    expect.headers(answer)


@pytest.mark.contract("RTE-2")
def test_visitor_is_refused_before_the_body_is_read(stage: Inside) -> None:
    for content, headers in (
        (b"{", (JSON,)),
        (b"nonsense", (MULTIPART,)),
        (b"a=%zz&a", (("Content-Type", FORM),)),
    ):
        answer = send(stage.visitor(), "/stage/silent", content, PROGRAM, *headers)
        expect.error(answer, 401)
    # The rest never comes, and nobody waits for it.
    announced = (SAME, PROGRAM, JSON, ("Content-Length", "100"))
    answer = stage.visitor().send("POST", "/stage/silent", announced, b"{", then="pause")
    expect.error(answer, 401)


@pytest.mark.contract("RTE-2")
def test_address_without_a_view_is_not_there(stage: Inside) -> None:
    visitor, member = stage.visitor(), stage.member()
    expect.error(visitor.get("/stage/unknown", (PROGRAM,)), 404)
    expect.error(visitor.send("POST", "/stage/closed", (SAME, PROGRAM)), 405)
    # Below what is closed not even that is told.
    expect.error(visitor.get("/stage/included/mounted/unknown", (PROGRAM,)), 401)
    expect.error(member.get("/stage/included/mounted/unknown", (PROGRAM,)), 404)


@pytest.mark.contract("RTE-1")
@pytest.mark.contract("RTE-2")
def test_fact_opens_what_is_below_its_path_alone(stage: Inside) -> None:
    answer = stage.visitor().get("/stage/opened/any")
    assert (answer.status_code, answer.text) == (200, "raw")
    expect.headers(answer)
    assert stage.visitor().get("/stage/raw/any").status_code == 303


@pytest.mark.contract("RTE-2")
@pytest.mark.contract("FPR-2")
def test_mounted_application_has_our_errors(stage: Inside) -> None:
    visitor, member = stage.visitor(), stage.member()
    expect.error(member.get("/stage/included/mounted/problem"), 409)
    expect.error(member.get("/stage/included/mounted/problem", (PROGRAM,)), 409)
    expect.error(member.send("PUT", "/stage/included/mounted/page", (SAME, PROGRAM)), 405)
    expect.error(visitor.get("/stage/included/mounted/problem", (PROGRAM,)), 401)
    expect.error(member.get("/stage/included/mounted/crash"), 500, echo="secret-4711")
    expect.error(visitor.get("/stage/included/mounted/crash", (PROGRAM,)), 401)
    expect.error(member.get("/stage/raw/crash"), 500, echo="secret-4711")
    # Where nobody could ask before it began, it has failed already: our page says no more.
    expect.error(visitor.get("/stage/raw/crash", (PROGRAM,)), 401, 500, echo="secret-4711")


@pytest.mark.contract("RTE-2")
def test_view_of_a_mounted_application_may_say_that_it_is_public(stage: Inside) -> None:
    answer = stage.visitor().get("/stage/included/mounted/public")
    assert (answer.status_code, answer.text) == (200, "public")
    expect.headers(answer)


@pytest.mark.contract("FPR-4")
@pytest.mark.parametrize("name", TOOLS)
def test_mounted_application_shows_no_tools(stage: Inside, name: str) -> None:
    target = f"/stage/included/mounted/{name}"
    expect.error(stage.visitor().get(target, (PROGRAM,)), 401, 404)
    expect.error(stage.member().get(target), 404)


@pytest.mark.contract("RTE-1")
@pytest.mark.contract("BND-5")
@pytest.mark.contract("INP-1")
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_fact_raises_the_size_of_an_upload(stage: Inside, chunked: bool) -> None:
    more = stage.policy.input.max_body + 500_000
    visitor = stage.visitor()
    answer = send(visitor, "/stage/upload", file(more), MULTIPART, chunked=chunked)
    assert answer.status_code == 200
    assert answer.json() == {"got": {"file": more}}
    answer = send(visitor, "/stage/upload", file(2_000_000), MULTIPART, chunked=chunked)
    expect.error(answer, 413)
    # Elsewhere the policy's size holds.
    answer = send(visitor, "/stage/form", file(more), MULTIPART, chunked=chunked)
    expect.error(answer, 413)


@pytest.mark.contract("RTE-1")
@pytest.mark.contract("INP-1")
def test_no_limit_of_the_framework_lies_beneath_a_fact(stage: Inside) -> None:
    visitor = stage.visitor()
    long = "a" * 2_500_000
    assert visitor.post("/stage/text", text=long).json() == {"size": len(long)}
    answer = send(visitor, "/stage/text", parts(text=long), MULTIPART)
    assert answer.json() == {"size": len(long)}
    many = {f"field{number}": "" for number in range(1_499)}
    assert visitor.post("/stage/text", text="a", **many).json() == {"size": 1}
    answer = send(visitor, "/stage/text", parts(text="a", **many), MULTIPART)
    assert answer.json() == {"size": 1}
    expect.error(visitor.post("/stage/text", text="a", more="", **many), 400)
    expect.error(send(visitor, "/stage/text", parts(text="a", more="", **many), MULTIPART), 400)


@pytest.mark.contract("RTE-1")
@pytest.mark.contract("INP-1")
def test_fact_says_which_bodies_a_path_takes(stage: Inside) -> None:
    visitor = stage.visitor()
    for kind in (JSON, ("Content-Type", FORM)):
        expect.error(send(visitor, "/stage/upload", b"{}", kind), 415)
    for kind in (("Content-Type", "application/xml"), ("Content-Type", "text/csv; header=present")):
        answer = send(visitor, "/stage/raw", b"<a/>", kind)
        assert answer.json() == {"size": 4, "user": False}
        expect.error(send(visitor, "/stage/json", b"<a/>", kind), 415)
    expect.error(send(visitor, "/stage/raw", b"{}", JSON), 415)


@pytest.mark.contract("RTE-1")
@pytest.mark.contract("INP-1")
def test_body_of_no_type_is_bytes(stage: Inside) -> None:
    """As `curl -T` sends a file, and a script an array of bytes (RFC 9110 section 8.3)."""
    visitor = stage.visitor()
    answer = send(visitor, "/stage/raw", b"{}")
    assert answer.json() == {"size": 2, "user": False}
    for target in ("/stage/json", "/stage/upload", "/stage/form"):
        expect.error(send(visitor, target, b"{}"), 415)


@pytest.mark.contract("RTE-1")
def test_fact_keeps_the_rest(stage: Inside) -> None:
    """Cross-site checks, headers and who may see it."""
    member = stage.member()
    cross = (("Sec-Fetch-Site", "cross-site"), MULTIPART)
    expect.error(member.send("POST", "/stage/upload", cross, file(1)), 403)
    answer = send(member, "/stage/upload", file(1), MULTIPART)
    assert answer.status_code == 200
    expect.headers(answer)


@pytest.mark.contract("RTE-1")
def test_longest_path_that_fits_counts_as_a_whole(make: Make) -> None:
    table = '[[route]]\npath = "{}"\nbody = ["text/csv"]\n'
    wide = f'{table.format("/")}[[route]]\npath = "/login"\nmax-body = 2_000_000'
    visitor = make(facts=wide).visitor()
    assert visitor.post("/login", username="nobody", password="a").status_code == 401
    # Not one that only begins like it.
    for target in ("/login2", "/login/2", "/account/password"):
        expect.error(visitor.post(target, a="b"), 415)


@pytest.mark.contract("RTE-1")
def test_fact_holds_for_its_methods(make: Make) -> None:
    facts = '[[route]]\npath = "/login"\nmethods = ["PUT"]\nbody = ["text/csv"]'
    visitor = make(facts=facts).visitor()
    assert visitor.post("/login", username="nobody", password="a").status_code == 401
    expect.error(visitor.send("PUT", "/login", (SAME, ("Content-Type", FORM)), b"a=b"), 415)


@pytest.mark.contract("RTE-1")
@pytest.mark.contract("RTE-2")
def test_fact_that_says_nothing_of_access_opens_nothing(tmp_path: Path) -> None:
    facts = '[[route]]\npath = "/stage/closed"\nmax-body = 2_000_000'
    with closing(Stage(Files(tmp_path, facts=facts))) as stage:
        assert stage.visitor().get("/stage/closed").status_code == 303


@pytest.mark.contract("RTE-5")
def test_callback_passes_from_elsewhere_and_sees_no_session(stage: Inside) -> None:
    member = stage.member()
    for origin in ("cross-site", "same-site"):
        headers = (("Sec-Fetch-Site", origin), ("Origin", "https://evil.example"), JSON)
        answer = member.send("POST", "/stage/callback", headers, b"{}")
        assert answer.json() == {"size": 2, "user": False}
        assert "set-cookie" not in answer.headers
    assert member.logged_in()


@pytest.mark.contract("RTE-1")
@pytest.mark.contract("HDR-3")
def test_fact_adds_to_the_csp_of_its_path(make: Make) -> None:
    facts = """
[service.csp]
img-src = ["https://images.test"]
[[route]]
path = "/login"
csp.img-src = "https://more.test"
csp.frame-src = "https://frame.test"
csp.frame-ancestors = "https://partner.test"
"""
    visitor = make(facts=facts).visitor()
    elsewhere, answer = visitor.get("/"), visitor.get("/login")
    before, after = expect.csp(elsewhere), expect.csp(answer)
    assert before.pop("script-src") != after.pop("script-src")
    assert after == {
        **before,
        "img-src": "'self' https://images.test https://more.test",
        "frame-src": "https://frame.test",
        "frame-ancestors": "https://partner.test",
    }
    # It cannot say who, and would forbid what the other allows.
    assert "x-frame-options" not in answer.headers
    assert expect.once(elsewhere, "x-frame-options") == "DENY"
    assert expect.once(answer, "x-content-type-options") == "nosniff"
    # On its errors, too.
    refused = visitor.post("/login", username="nobody", password="a")
    assert refused.status_code == 401
    assert expect.csp(refused)["frame-ancestors"] == "https://partner.test"


@pytest.mark.contract("RTE-1")
@pytest.mark.contract("HDR-3")
def test_who_may_frame_counts_for_what_is_no_page(tmp_path: Path) -> None:
    facts = '[[route]]\npath = "/stage/answer"\ncsp = { frame-ancestors = "https://a.test" }'
    with closing(Stage(Files(tmp_path, facts=facts))) as stage:
        answer = stage.visitor().get("/stage/answer?body=a&header=content-type:application/pdf")
        assert expect.csp(answer) == {"default-src": "'none'", "frame-ancestors": "https://a.test"}


@pytest.mark.contract("HDR-3")
def test_fact_may_ask_for_the_nonce_in_styles(make: Make) -> None:
    answer = make(facts="[service.csp]\nstyle-src = [\"'nonce'\"]").visitor().get("/login")
    nonce = expect.nonce(answer)
    assert expect.csp(answer)["style-src"] == f"'self' 'nonce-{nonce}'"
    assert expect.csp(answer)["script-src"] == f"'nonce-{nonce}' 'strict-dynamic'"


@pytest.mark.contract("RTE-1")
@pytest.mark.contract("BND-5")
def test_answer_has_the_time_that_its_fact_says(stage: Inside) -> None:
    visitor = stage.visitor()
    began = time.monotonic()
    expect.error(visitor.get("/stage/slow?seconds=3"), 503)
    assert time.monotonic() - began < 2.5
    assert visitor.get("/stage/slow?seconds=0").text == "slow"


@pytest.mark.contract("BND-4")
@pytest.mark.contract("BND-5")
def test_answer_that_has_begun_breaks_off(stage: Inside) -> None:
    """Nobody takes a part for the whole."""
    began = time.monotonic()
    with pytest.raises(Exception, match="max-seconds"):
        stage.visitor().get("/stage/slow?seconds=3&begin=yes")
    assert time.monotonic() - began < 2.5


@pytest.mark.contract("RTE-1")
@pytest.mark.contract("RTE-2")
@pytest.mark.parametrize(
    "target",
    [
        *("/stage/openedx", "/stage/opened.x", "/stage/opened-x/y", "/stage/opened;x"),
        *("/stage/opened%3Fx", "/stage/rawx", "/stage/included/mountedpage"),
        *("/stage/included/mountedx/page", "/stage/included/mountedpublic"),
    ],
)
def test_what_begins_like_a_mount_is_not_below_it(stage: Inside, target: str) -> None:
    """Else what is said of a folder would not hold for all by which the same view answers."""
    for browser in (stage.visitor(), stage.member()):
        expect.error(browser.get(target), 404)
