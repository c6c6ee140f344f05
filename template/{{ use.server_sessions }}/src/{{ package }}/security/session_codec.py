# Owned by the template: extend, do not edit.
"""What the session cookie carries: the id alone. The content stays in the store."""

from __future__ import annotations

from .keys import Keys

_LENGTH = 43
"""Of 256 bits in base64. Which letters they are need not be looked at: what is asked for is their
hash."""


class SessionCodec:
    """Server-side sessions."""

    carries_content = False
    """The store has all of it."""

    def __init__(self, keys: Keys) -> None:
        """Need no key: the id is 256 random bits and means nothing by itself."""

    def decode(self, value: str) -> tuple[str, str] | None:
        """Return the id in a cookie, and "" as its content is elsewhere; None if not ours."""
        return (value, "") if len(value) == _LENGTH else None

    def encode(self, session_id: str, content: str) -> tuple[str, str]:
        """Return what goes into the cookie, and what into the store's row."""
        return session_id, content
