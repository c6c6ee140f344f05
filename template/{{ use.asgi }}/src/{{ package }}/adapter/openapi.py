# Owned by the template: extend, do not edit.
"""The framework's own documentation of the API (OpenAPI): the errors in it, and its pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..security import errors

_CSP = (
    b"default-src 'none'; connect-src 'self'; worker-src blob:; script-src 'unsafe-inline'"
    b" https://cdn.jsdelivr.net; style-src 'unsafe-inline' https://cdn.jsdelivr.net"
    b" https://fonts.googleapis.com; font-src https://fonts.gstatic.com; img-src data: https:"
)
PAGE_HEADERS = (
    (b"content-security-policy", _CSP),
    (b"cross-origin-embedder-policy", b"unsafe-none"),
)
"""For the pages, which are there in development alone (FPR-4)."""
KIND = "application/problem+json"
SCHEMAS = "#/components/schemas/"
_READING = frozenset({"get", "head", "options", "trace"})
_ALWAYS = (400, 401, 429, 503)
_OF_CHANGES = (403,)
_OF_BODIES = (413, 415, 422)
_OF_PARAMETERS = (422,)
_OF_PLACES = (404,)
_INVALID = ("HTTPValidationError", "ValidationError")
"""FastAPI's own; the policy sends a problem."""


class Problem(BaseModel):
    """An error, as a document of RFC 9457."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str
    request_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    fields: list[str] = Field(default=[], description="Names of the fields that are not valid")


def statuses(method: str, *, body: bool, parameters: bool, place: bool) -> list[int]:
    """Return the errors that the policy may answer an operation with.

    `place` says that a part of the address is a parameter.
    """
    found = {*_ALWAYS}
    found |= {*_OF_CHANGES} if method.lower() not in _READING else set()
    found |= {*_OF_BODIES} if body else set()
    found |= {*_OF_PARAMETERS} if parameters else set()
    found |= {*_OF_PLACES} if place else set()
    return sorted(found)


def describe(schema: dict[str, Any]) -> dict[str, Any]:
    """Add the errors to an OpenAPI document in place, and return it; what is said there stays."""
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    if Problem.__name__ in schemas:
        # Done before, or the application has errors of its own.
        return schema
    for method, operation in _operations(schema):
        parameters = operation.get("parameters", ())
        responses = operation.setdefault("responses", {})
        if _is_of_framework(responses.get("422", {})):
            del responses["422"]
        for status in statuses(
            method,
            body="requestBody" in operation,
            parameters=bool(parameters),
            place=any(each.get("in") == "path" for each in parameters),
        ):
            content = {KIND: {"schema": {"$ref": f"{SCHEMAS}{Problem.__name__}"}}}
            described = {"description": errors.title(status), "content": content}
            responses.setdefault(str(status), described)
        operation["responses"] = dict(sorted(responses.items()))
    for name in _INVALID:
        # Unless the application means it.
        if f'"{SCHEMAS}{name}"' not in str(schema["paths"]).replace("'", '"'):
            schemas.pop(name, None)
    schemas[Problem.__name__] = Problem.model_json_schema()
    return schema


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for place in schema.get("paths", {}).values():
        for method, operation in place.items():
            if isinstance(operation, dict):
                yield method, operation


def _is_of_framework(response: dict[str, Any]) -> bool:
    named = {"$ref": f"{SCHEMAS}{_INVALID[0]}"}
    return any(each.get("schema") == named for each in response.get("content", {}).values())
