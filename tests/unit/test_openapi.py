"""The frameworks' own documentation of the API says what errors are sent (FPR-2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from typing import Any

import httpx
import pytest

from ..conftest import Make
from ..driver import PROGRAM, SAME, Browser, Inside, development

openapi = pytest.importorskip("my_service.adapter.openapi", reason="of FastAPI and Litestar")
if not any(map(find_spec, ("fastapi", "litestar"))):
    pytest.skip("the framework writes no schema", allow_module_level=True)
PAGES = ("/openapi.json", "/schema/openapi.json")
REF = {"$ref": "#/components/schemas/Problem"}
NOTE = "/api/notes/{note_id}"


@pytest.fixture
def schema(shared: Inside, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(shared.files.folder)
    with closing(development()) as local:
        answers = [local.visitor("127.0.0.1").send("GET", each, scheme="http") for each in PAGES]
    return next(answer.json() for answer in answers if answer.status_code == 200)


def operations(schema: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return address, method and content of each operation."""
    for target, place in schema["paths"].items():
        for method, operation in place.items():
            yield target, method, operation


@pytest.mark.contract("FPR-2")
def test_schema_names_what_errors_are(schema: Any) -> None:
    found = list(operations(schema))
    assert len(found) >= 5
    for target, method, operation in found:
        errors = {
            int(status): response
            for status, response in operation["responses"].items()
            if int(status) >= 400
        }
        assert {400, 401, 429, 503} <= errors.keys()
        assert (403 in errors) is (method != "get")
        assert ({413, 415} <= errors.keys()) is (method in {"post", "put"})
        assert (404 in errors) is ("{" in target)
        for response in errors.values():
            assert response["content"] == {"application/problem+json": {"schema": REF}}
            assert response["description"]
    assert schema["components"]["schemas"]["Problem"]["required"]
    text = str(schema)
    assert "HTTPValidationError" not in text
    assert "Validation Exception" not in text


def provoked(member: Browser, stranger: Browser) -> Iterator[tuple[str, str, int, httpx.Response]]:
    """Answer operations wrongly; return address and method, what is right, and the answer."""
    note = member.api("POST", "/api/notes", b'{"title": "a"}').json()["id"]
    yield "/api/notes", "get", 400, member.api("GET", "/api/notes?%ff")
    yield "/api/notes", "post", 400, member.api("POST", "/api/notes", b'{"title"')
    yield "/api/notes", "get", 401, stranger.api("GET", "/api/notes")
    foreign = (("Sec-Fetch-Site", "cross-site"), PROGRAM)
    yield NOTE, "delete", 403, member.send("DELETE", f"/api/notes/{note}", foreign)
    yield NOTE, "get", 404, member.api("GET", "/api/notes/unknown")
    yield NOTE, "put", 404, member.api("PUT", "/api/notes/unknown", b'{"title": "a"}')
    large = b'{"title": "' + b"a" * 1_100_000 + b'"}'
    yield "/api/notes", "post", 413, member.api("POST", "/api/notes", large)
    text = (SAME, PROGRAM, ("Content-Type", "text/plain"))
    yield "/api/notes", "post", 415, member.send("POST", "/api/notes", text, b"a")
    yield "/api/notes", "post", 422, member.api("POST", "/api/notes", b'{"title": ""}')
    yield NOTE, "put", 422, member.api("PUT", f"/api/notes/{note}", b'{"more": 1}')


@pytest.mark.contract("FPR-2")
@pytest.mark.example
def test_errors_are_what_the_schema_says(schema: Any, make: Make) -> None:
    service = make()
    member = service.member()
    answers = list(provoked(member, service.visitor()))
    service.files.store.rename(service.files.store.with_name("away.db"))
    answers.append(("/api/notes", "get", 503, member.api("GET", "/api/notes")))
    problem = schema["components"]["schemas"]["Problem"]
    for target, method, status, answer in answers:
        assert answer.status_code == status, (target, method)
        (kind,) = schema["paths"][target][method]["responses"][str(status)]["content"]
        assert answer.headers["content-type"] == kind
        document = answer.json()
        assert {*problem["required"]} <= document.keys()
        assert document.keys() <= problem["properties"].keys()
        openapi.Problem.model_validate(document, strict=True)
