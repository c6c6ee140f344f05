"""Multipart bodies as attackers write them: refused, or read by all frameworks alike."""

from __future__ import annotations

import errno
import gzip
import tempfile
import time
import zlib
from collections.abc import Callable
from importlib.util import find_spec

import httpx
import pytest

from my_service.security.body import Body
from my_service.security.errors import Problem
from my_service.security.policy import Route
from my_service.security.routes import Routes

from .. import expect
from ..driver import FORM, SAME, Inside

BOUNDARY = "stage-7316"
KIND = f"multipart/form-data; boundary={BOUNDARY}"
MARK = f"--{BOUNDARY}"
END = f"{MARK}--\r\n".encode()
ASGI = find_spec("my_service.adapter.asgi") is not None
BOMB = zlib.compress(bytes(1_000_000))
MOST_SECONDS = 2.0
"""How much processor time the refusal of a body of 2 MB may take."""


def part(*lines: str | bytes, text: bytes = b"a") -> bytes:
    """Return a part with these lines of head, and the delimiter before it."""
    head = [line if isinstance(line, bytes) else line.encode() for line in lines]
    return b"\r\n".join((MARK.encode(), *head, b"", text, b""))


def field(parameters: str | bytes, *more: str, text: bytes = b"a") -> bytes:
    """Return a body of one part with these parameters of its Content-Disposition."""
    said = parameters if isinstance(parameters, bytes) else parameters.encode()
    return part(b"Content-Disposition: form-data" + said, *more, text=text) + END


def send(stage: Inside, content: bytes, kind: str = KIND, target: str = "upload") -> httpx.Response:
    """Post a body to a view that takes files."""
    headers = (SAME, ("Content-Type", kind))
    return stage.visitor().send("POST", f"/stage/{target}", headers, content)


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    "said",
    [
        '; filename="../../../etc/passwd"',
        '; filename="..\\\\..\\\\boot.ini"',
        '; filename="/etc/passwd"',
        '; filename="C:\\\\fakepath\\\\a.png"',
        '; filename="a\\"b.png"',
        '; filename="a%22b%0d%0a.png"',
        '; filename="a; name=\\"b\\"; c"',
        '; filename="\u00e9\u65e5\U0001f600.png"',
        "; filename=plain.png",
        f'; filename="{"a" * 900}"',
        "; filename=\"a.png\"; filename*=UTF-8''b.png",
        "; filename*=UTF-8''b.png; filename=\"a.png\"",
        '; filename="a.php"; filename="b.png"',
    ],
)
def test_file_names_are_words_of_the_client(stage: Inside, said: str) -> None:
    answer = send(stage, field(f'; name="file"{said}', "Content-Type: image/png"))
    assert answer.status_code == 200
    assert answer.json() == {"got": {"file": 1}}


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    "said",
    [
        b'; filename="\xff\xfe.png"',
        "; filename*=bogus''a.png",
        "; filename*=UTF-8''%ff%fe",
        "; filename*=UTF-16''%00a",
        "; filename*=UTF-8''%zz",
        "; filename*=''",
        "; filename*=a.png",
        "; filename*0=a; filename*1=b",
        '; filename="a.png',
        "; filename=",
        '; filename=""',
        "; =a",
        ";;;",
        '; filename="=?utf-8?b?Li4v?="',
        '; filename=".."',
        '; filename="."',
        f'; filename="{"a" * 3000}"',
        "; filename*=UTF-8''..%2f..%2fetc%2fpasswd",
        "; filename*=utf-8''%e2%82%ac.png",
    ],
)
def test_odd_file_names_are_read_or_refused(stage: Inside, said: str | bytes) -> None:
    text = said if isinstance(said, bytes) else said.encode()
    answer = send(stage, field(b'; name="file"' + text, "Content-Type: image/png"))
    if answer.status_code != 200:
        expect.error(answer, 400)


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    "content",
    [
        field('; name="a"; filename="a\0.png"'),
        field('; name="a"; filename="a\x1b[31m"'),
        field('; name="a\0b"'),
        field("; name=\"a\"; filename*=UTF-8''a%00.png"),
        field("; name=\"a\"; filename*=UTF-8''a%0d%0aSet-Cookie:b"),
        field('; name="a"', "no colon"),
        field('; name="a"', " folded: line"),
        field('; name="a"', ": no name"),
        field('; name="a"', "a\rb: c"),
        field('; name="a"', "a\nb: c"),
        field('; name="a"', *(f"x-{number}: {'a' * 50}" for number in range(100))),
        field('; name="a"', f"x: {'a' * 5000}"),
        field('; name="a"', 'Content-Disposition: form-data; name="b"'),
        field("; filename=a"),
        part("Content-Type: text/plain") + END,
        part('Content-Disposition: form-data; name="a"', text=b"a\r" + MARK.encode() + b"\r\nb"),
        part('Content-Disposition: form-data; name="a"', text=b"a\n" + MARK.encode() + b"\r\nb"),
        part('Content-Disposition: form-data; name="a"').replace(b"\r\n", b"\n") + END,
        part('Content-Disposition: form-data; name="a"').replace(b"\r\n\r\n", b"\n\n") + END,
        f"{MARK} x\r\n".encode() + part('Content-Disposition: form-data; name="a"') + END,
        field('; name="a"; name="b"'),
        field("; name=\"a\"; name*=UTF-8''b"),
        field('; name="a"; name*0="b"; name*1="c"'),
        field('; name="a" (b)'),
        field('; name="a"b; filename=c'),
        field('; name=a"; filename="b'),
        field('; name="a"; filename ="b"', text=b"\xff"),
        field('; name="a"; filename="b'),
        field('; name="a"; b'),
        field('; name="a";;'),
        field(b'; name="\xe9"'),
        field(b'; name="a"; filename="\xe9.png"'),
        field('x; name="a"'),
        field(' x; name="a"'),
        part('Content-Disposition: attachment; name="a"') + END,
        field('; name="a"', 'Content-Disposition: attachment; filename="b"'),
        field('; name="a"') + field('; name="b"'),
        END + field('; name="a"'),
        field('; name="a"').removesuffix(b"\r\n") + b"x\r\n" + field('; name="b"'),
        field('; name="a"', text=f"a{MARK}\r\nb".encode()),
        field('; name="a"; filename="b"', text=f"a{MARK}--\r\nb".encode()),
        field('; name="a"', text=b"a" * 5000 + MARK.encode() + b"x"),
        field(f'; name="a"; filename="{MARK}"'),
        field('; name="a"') + f"x{MARK}\r\n".encode(),
    ],
    ids=["NUL in a file name", "escape in a file name", "NUL in a name", "coded NUL",
         "coded line end", "no colon", "folded", "no header name", "lone CR", "lone LF",
         "flood of headers", "long header", "two dispositions", "no name", "no disposition",
         "delimiter after CR", "delimiter after LF", "LF alone", "blank line of LF",
         "words behind a delimiter", "two names", "coded name too", "name in pieces", "comment",
         "words behind quotes", "quote within", "blank before a sign", "no end of quotes",
         "no sign", "two semicolons", "name in Latin-1", "file name in Latin-1", "longer type",
         "word behind the type", "other type", "other type too", "part after the end",
         "part after nothing", "part after words", "delimiter within a line",
         "end within a line of a file", "delimiter at a line's end", "delimiter in a head",
         "delimiter after the end"],
)  # fmt: skip
def test_heads_that_parsers_read_differently_are_refused(stage: Inside, content: bytes) -> None:
    answer = send(stage, content)
    expect.error(answer, 400)
    expect.no_words_about_bodies(answer)


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    "content",
    [
        field(';name="a"'),
        field('; name="a";'),
        field('; name="a" '),
        field("; name=a"),
        field('; NAME="a"'),
        field('; name="a"', "Content-Type: text/plain; charset=utf-8", "Content-Length: 1"),
        part('content-disposition: Form-Data; name="a"') + END,
        field('; name="a"') + b"That was it.\r\n",
        field('; name="a"') + END,
        field('; name="a"').removesuffix(b"\r\n"),
        b"\r\n" + field('; name="a"'),
    ],
    ids=["no blank", "semicolon at the end", "blank at the end", "no quotes", "other case",
         "of OkHttp", "other case of the type", "words after the end", "end twice",
         "no line's end", "line's end first"],
)  # fmt: skip
def test_heads_that_programs_write_are_read(stage: Inside, content: bytes) -> None:
    assert send(stage, content).json() == {"got": {"a": "a"}}


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    "said",
    [
        '; name="a"; ' + " " * 4000 + "b",
        '; name="a"; b' + "*=" * 1990,
        '; name="a"; filename="' + '\\"' * 1990,
        '; name="a"' + ' ; b="' * 661,
    ],
    ids=["blanks", "signs", "quotes", "texts"],
)
def test_head_that_is_long_to_read_is_refused_at_once(stage: Inside, said: str) -> None:
    """Each part took a tenth of a second, in which the worker answered nobody."""
    head = f"Content-Disposition: form-data{said}"
    many = b"".join([part(head.replace('"a"', f'"{number}"')) for number in range(60)]) + END
    began = time.process_time()
    for _ in range(10):
        expect.error(send(stage, many, target="text"), 400)
        expect.error(send(stage, part(head) + END, target="text"), 400)
    assert time.process_time() - began < MOST_SECONDS


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    "kind",
    [
        f"{KIND}; boundary=other",
        f"multipart/form-data; boundary=other; boundary={BOUNDARY}",
        f'multipart/form-data; x="; boundary=other"; boundary={BOUNDARY}; boundary=other',
        f"multipart/form-data; boundary*=UTF-8''{BOUNDARY}",
        f"multipart/form-data; boundary*0=stage; boundary*1={BOUNDARY}",
        f'multipart/form-data; boundary="{BOUNDARY}',
        f"multipart/form-data; boundary={BOUNDARY}, multipart/form-data; boundary=b",
        f"multipart/form-data; boundary={'a' * 81}",
        "multipart/form-data; boundary",
    ],
)
def test_boundary_that_parsers_read_differently_is_refused(stage: Inside, kind: str) -> None:
    expect.error(send(stage, field('; name="a"'), kind), 400)


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    "boundary",
    ["-" * 15 + "WerkzeugFormPart_1795816044.52418051.2345678901234567e-05", "a" * 80],
    ids=["of Werkzeug's test client", "longest"],
)
def test_boundary_may_be_longer_than_the_standard_has_it(stage: Inside, boundary: str) -> None:
    content = field('; name="a"').replace(BOUNDARY.encode(), boundary.encode())
    answer = send(stage, content, f"multipart/form-data; boundary={boundary}")
    assert answer.json() == {"got": {"a": "a"}}
    content = content.replace(boundary.encode(), b"a" * 81)
    expect.error(send(stage, content, f"multipart/form-data; boundary={'a' * 81}"), 400)


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    "kind",
    [
        f'multipart/form-data; boundary="{BOUNDARY}"',
        f"multipart/form-data; charset=utf-8; boundary={BOUNDARY}",
        f"multipart/form-data;boundary={BOUNDARY}",
    ],
)
def test_boundary_is_found_however_it_is_said(stage: Inside, kind: str) -> None:
    answer = send(stage, field('; name="a"'), kind)
    assert answer.json() == {"got": {"a": "a"}}


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Type: text/plain; charset=bogus",),
        ("Content-Type: text/plain; charset=utf-16",),
        ("Content-Type: text/plain; charset=utf-7",),
        ("Content-Type: multipart/mixed; boundary=inner",),
        (f"Content-Type: multipart/form-data; boundary={BOUNDARY}",),
        ("Content-Type: ;;;",),
        ("Content-Type: application/json",),
        ("Content-Transfer-Encoding: base64",),
        ("Content-Transfer-Encoding: bogus",),
        ("Content-Encoding: gzip",),
        ("Content-Length: 99999999",),
        ("Content-Length: -1",),
    ],
)
@pytest.mark.parametrize("named", ["", '; filename="a"'], ids=["field", "file"])
@pytest.mark.parametrize("text", [b"a", b"\xff\xfe\x00", b"+AGE-"], ids=["a", "bytes", "UTF-7"])
def test_what_a_part_says_of_itself_harms_nobody(
    stage: Inside, lines: tuple[str, ...], named: str, text: bytes
) -> None:
    answer = send(stage, field(f'; name="a"{named}', *lines, text=text))
    assert answer.status_code in {200, 400, 415, 422}, answer.text
    if answer.status_code != 200:
        expect.error(answer, answer.status_code)


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    "content",
    [
        field('; name="a"', text=b"\xff\xfe"),
        field('; name="a"', text="\u00e9".encode("latin-1")),
        field('; name="a"', text="\u00e9".encode()[:1]),
        field('; name="a"; filename=""', text=b"\xff"),
        field('; name="a; filename=b"', text=b"\xff"),
        field('; name="a"', "Content-Type: text/plain; charset=utf-16", text=b"a\0"),
        field('; name="a"', "Content-Type: text/plain; charset=bogus"),
    ],
    ids=["bytes", "Latin-1", "half a letter", "no file", "file name within the name", "UTF-16",
         "unknown charset"],
)  # fmt: skip
def test_field_that_is_not_utf_8_is_refused(stage: Inside, content: bytes) -> None:
    for target in ("form", "upload"):
        expect.error(send(stage, content, target=target), 400)


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize("named", ["", '; filename="a"'], ids=["field", "file"])
@pytest.mark.parametrize(
    "encoding", ["base64", "BASE64 ", "base64; a=b", "quoted-printable", "uuencode", "8bit, base64"]
)
def test_part_that_is_to_be_decoded_is_refused(stage: Inside, encoding: str, named: str) -> None:
    """Django would make of it what is no UTF-8, and the others take it as it is."""
    content = field(f'; name="a"{named}', f"content-transfer-Encoding: {encoding}", text=b"//79")
    expect.error(send(stage, content), 400)


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize("encoding", ["7bit", "8bit", "Binary"])
def test_part_may_say_that_it_is_as_it_is(stage: Inside, encoding: str) -> None:
    content = field('; name="a"', f"Content-Transfer-Encoding: {encoding}", text=b"aGk=")
    assert send(stage, content).json() == {"got": {"a": "aGk="}}


@pytest.mark.contract("INP-1")
def test_form_in_another_charset_is_refused(stage: Inside) -> None:
    expect.error(send(stage, field('; name="a"'), f"{KIND}; charset=utf-16"), 415)


@pytest.mark.contract("INP-1")
def test_nested_multipart_is_one_file(stage: Inside) -> None:
    inner = b'--inner\r\nContent-Disposition: form-data; name="b"\r\n\r\nb\r\n--inner--\r\n'
    lines = ("Content-Type: multipart/mixed; boundary=inner",)
    answer = send(stage, field('; name="a"; filename="a"', *lines, text=inner))
    assert answer.json() == {"got": {"a": len(inner)}}


@pytest.mark.contract("INP-1")
def test_ten_thousand_parts_are_refused_at_once(stage: Inside) -> None:
    many = b"".join(
        part(f'Content-Disposition: form-data; name="{number}"') for number in range(10_000)
    )
    began = time.process_time()
    for target in ("form", "upload", "text"):
        expect.error(send(stage, many + END, target=target), 400)
    assert time.process_time() - began < 3 * MOST_SECONDS


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "bogus"])
@pytest.mark.parametrize(
    ("target", "kind", "plain"),
    [
        ("form", FORM, b"a=b"),
        ("json", "application/json", b'{"a": "b"}'),
        ("upload", KIND, field('; name="a"')),
    ],
    ids=["form", "JSON", "multipart"],
)
def test_compressed_forms_are_refused_as_such(
    stage: Inside, encoding: str, target: str, kind: str, plain: bytes
) -> None:
    for content in (gzip.compress(plain), BOMB, plain):
        headers = (SAME, ("Content-Type", kind), ("Content-Encoding", encoding))
        expect.error(stage.visitor().send("POST", f"/stage/{target}", headers, content), 415)
    headers = (SAME, ("Content-Type", kind), ("Content-Encoding", "identity"))
    assert stage.visitor().send("POST", f"/stage/{target}", headers, plain).status_code == 200


@pytest.mark.contract("INP-1")
def test_what_a_fact_lets_come_as_bytes_is_not_expanded(stage: Inside) -> None:
    headers = (SAME, ("Content-Type", "application/xml"), ("Content-Encoding", "deflate"))
    answer = stage.visitor().send("POST", "/stage/raw", headers, BOMB)
    assert answer.json()["size"] == len(BOMB)


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize("coding", ["gzip, chunked", "deflate,chunked", "chunked, chunked"])
def test_codings_of_the_transfer_that_no_server_undoes_are_refused(
    stage: Inside, coding: str
) -> None:
    for code, headers in (
        (400, (("Transfer-Encoding", coding),)),
        (400, tuple(("Transfer-Encoding", one) for one in coding.split(","))),
        (200, (("Transfer-Encoding", "Chunked"),)),
    ):
        sent = (SAME, ("Content-Type", "application/xml"), *headers)
        assert stage.visitor().send("POST", "/stage/raw", sent, BOMB).status_code == code


@pytest.mark.contract("HDR-1", "FPR-2")
@pytest.mark.skipif(ASGI, reason="the framework itself puts uploads into files")
def test_body_without_room_is_a_crash(stage: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, "secret-4711")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", full)
    content = field('; name="a"; filename="a"', text=bytes(1_500_000))
    expect.error(send(stage, content, target="upload"), 500)


# However it arrives -----------------------------------------------------------------------------


def judged(stage: Inside, content: bytes, size: int) -> int:
    """Return the status for a body that arrives in pieces of that size, 0 where it passes."""
    policy = stage.policy.input
    body = Body(
        KIND,
        Routes([Route.model_validate({"path": "/", "max-fields": 3})], policy).find("POST", "/"),
        policy,
    )
    try:
        body.announced(None)
        for start in range(0, len(content), size):
            body.feed(content[start : start + size])
        body.finish()
    except Problem as problem:
        return problem.status
    return 0


ONE = part('Content-Disposition: form-data; name="a"')
WHOLE = {
    "one": ONE + END,
    "line end before it": b"\r\n" + ONE + END,
    "three": ONE + ONE + part('Content-Disposition: form-data; name="b"', text=b"") + END,
    "nothing in it": part('Content-Disposition: form-data; name="b"', text=b"") + END,
    "nearly the delimiter": part(
        'Content-Disposition: form-data; name="a"', text=f"\r\n-{MARK[:-1]}\r\n--".encode()
    )
    + END,
    "no line end behind it": (ONE + END).removesuffix(b"\r\n"),
    "words behind it": ONE + END + b"epilogue",
}
BROKEN = {
    "no end": ONE,
    "half an end": (ONE + END)[:-3],
    "four": ONE * 4 + END,
    "another one behind the end": ONE + END + ONE,
    "delimiter after LF": part('Content-Disposition: form-data; name="a"', text=b"a\n" + END) + END,
    "delimiter after CR": part('Content-Disposition: form-data; name="a"', text=b"a\r" + END) + END,
    # Django reads a part there, whatever the standard says.
    "delimiter within a line": part(
        'Content-Disposition: form-data; name="a"', text=f"a{MARK}{MARK}--".encode()
    )
    + END,
    "part behind the end": ONE + END + ONE + END,
    "begins otherwise": b"a" + ONE + END,
    "nothing": b"--",
}


def of_files(content: bytes) -> bytes:
    """Return the same with files in the place of fields: of those less is looked at."""
    return content.replace(b'name="a"', b'name="a"; filename="a"')


@pytest.mark.contract("BND-4")
@pytest.mark.parametrize("made", [bytes, of_files], ids=["fields", "files"])
@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE.keys())
def test_whole_body_is_whole_however_it_is_cut(
    stage: Inside, content: bytes, made: Callable[[bytes], bytes]
) -> None:
    content = made(content)
    assert {size: judged(stage, content, size) for size in range(1, len(content) + 1)} == (
        dict.fromkeys(range(1, len(content) + 1), 0)
    )


@pytest.mark.contract("BND-4")
@pytest.mark.parametrize("made", [bytes, of_files], ids=["fields", "files"])
@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_broken_body_is_broken_however_it_is_cut(
    stage: Inside, content: bytes, made: Callable[[bytes], bytes]
) -> None:
    content = made(content)
    assert {judged(stage, content, size) for size in range(1, len(content) + 1)} == {400}


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize("before", range(1, 40))
def test_field_behind_a_file_is_read_however_it_is_cut(stage: Inside, before: int) -> None:
    file = of_files(part('Content-Disposition: form-data; name="a"', text=b"a" * before))
    for text, status in ((b"\xc3\xa9", 0), (b"\xc3", 400)):
        content = file + field('; name="b"', text=text)
        assert {judged(stage, content, size) for size in range(1, len(content) + 1)} == {status}
