"""What the JSON API accepts. Unknown fields are refused, types are not coerced."""

from __future__ import annotations

import json
from typing import Annotated, TypeVar

from django.http import HttpRequest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ..adapter import Problem, invalid_fields, is_plain_text


def _line(text: str) -> str:
    if not is_plain_text(text):
        raise ValueError("control characters are not allowed")
    return text


def _text(text: str) -> str:
    if not is_plain_text(text, allowed="\n\r\t"):
        raise ValueError("control characters other than line breaks and tabs are not allowed")
    return text


Line = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_line)]
Text = Annotated[str, Field(max_length=5000), AfterValidator(_text)]


class Strict(BaseModel):
    """Base of everything that a client sends."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)


S = TypeVar("S", bound=Strict)


def parse_json(schema: type[S], request: HttpRequest) -> S:
    """Return the document that a request brings.

    Raises `Problem` 415 if it is not sent as JSON, which nobody has checked then, and 422 with the
    invalid fields.
    """
    if not (request.content_type or "").endswith("json"):
        raise Problem(415)
    try:
        return schema.model_validate(json.loads(request.body or b"null"))
    except ValidationError as error:
        raise Problem(422, fields=invalid_fields(error.errors())) from None
