# Owned by the template: extend, do not edit.
"""A value as SQLite has it, as PostgreSQL's column means it; and how both are compared."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from ipaddress import ip_address, ip_interface
from typing import Any
from uuid import UUID

_MODULUS = 1 << 256
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - SQLAlchemy keeps an interval as this and more


def reader(kind: str, scale: int | None) -> Callable[[Any], Any]:
    """Return what makes a value of SQLite one of a column of the type `kind`, but None.

    What it returns raises `ValueError`, with a reason and without the value.
    """
    if kind == "numeric":
        return partial(_number, scale=scale)
    return _READERS.get(kind, _text)


def is_text(kind: str) -> bool:
    """Tell whether the column's value is compared as the text that PostgreSQL writes for it."""
    return kind not in _READERS and kind != "numeric"


def digest(rows: Iterable[tuple[Any, ...]]) -> tuple[int, str]:
    """Return how many rows there are, and a sum of their hashes, which knows no order."""
    count = total = 0
    for row in rows:
        text = "\0".join(map(_canonical, row))
        total += int.from_bytes(hashlib.sha256(text.encode()).digest())
        count += 1
    return count, f"{total % _MODULUS:064x}"


def _canonical(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        value = value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    elif isinstance(value, date | time):
        value = value.isoformat()
    elif isinstance(value, Decimal):
        value = format(value.normalize(), "f")
    elif isinstance(value, bytes):
        value = value.hex()
    elif isinstance(value, timedelta):
        value = value // timedelta(microseconds=1)
    elif isinstance(value, dict | list):
        value = json.dumps(value, sort_keys=True)
    return f"+{value}"


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        raise ValueError("bytes where the column has text")
    text = str(value)
    if "\0" in text:
        raise ValueError("a NUL character, which PostgreSQL does not keep")
    return text


def _truth(value: Any) -> bool:
    if value in (0, 1):
        return bool(value)
    raise ValueError("neither 0 nor 1")


def _whole(value: Any) -> int:
    if isinstance(value, int):
        return value
    raise ValueError("no whole number")


def _float(value: Any) -> float:
    if isinstance(value, int | float):
        return float(value)
    raise ValueError("no number")


def _single(value: Any) -> float:
    packed: float = struct.unpack("f", struct.pack("f", _float(value)))[0]
    return packed


def _number(value: Any, *, scale: int | None) -> Decimal:
    try:
        # Not of the float: it would be all digits of the binary fraction.
        number = Decimal(str(value))
    except ArithmeticError:
        raise ValueError("no number") from None
    return number if scale is None else number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)


def _moment(value: Any) -> datetime:
    found = datetime.fromisoformat(_text(value))
    # Django and SQLAlchemy write UTC, without saying so.
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _moment_without_zone(value: Any) -> datetime:
    return datetime.fromisoformat(_text(value))


def _span(value: Any) -> timedelta:
    # Django keeps microseconds, SQLAlchemy a moment.
    if isinstance(value, int):
        return timedelta(microseconds=value)
    return datetime.fromisoformat(_text(value)) - _EPOCH


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    raise ValueError("text where the column has bytes")


def _address(value: Any) -> Any:
    text = _text(value)
    return ip_interface(text) if "/" in text else ip_address(text)


def _json(value: Any) -> Any:
    return json.loads(_text(value))


_READERS: dict[str, Callable[[Any], Any]] = {
    "bool": _truth,
    "int2": _whole,
    "int4": _whole,
    "int8": _whole,
    "float4": _single,
    "float8": _float,
    "timestamptz": _moment,
    "timestamp": _moment_without_zone,
    "date": lambda value: date.fromisoformat(_text(value)),
    "time": lambda value: time.fromisoformat(_text(value)),
    "interval": _span,
    "uuid": lambda value: UUID(_text(value)),
    "bytea": _bytes,
    "inet": _address,
    "json": _json,
    "jsonb": _json,
}
