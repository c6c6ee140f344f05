# Owned by the template: extend, do not edit.
"""What the session cookie carries: id and content, encrypted. The store keeps an empty row.

The row is what makes a cookie session end: at logout, by timeout, from another device. Within a
living session the browser may still send an older content, as with every cookie session.
"""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .keys import Keys

_NONCE = 12
_SHORTEST = _NONCE + 16


class SessionCodec:
    """Sessions in an AES-256-GCM encrypted cookie (NIST SP 800-38D; ASVS 11.3)."""

    carries_content = True
    """The cookie has the content, the store what must not come from there."""

    def __init__(self, keys: Keys) -> None:
        """Encrypt with the newest key, decrypt with any.

        Nonces are random, so a key is good for 2^32 cookies: rotate long before.
        """
        self._ciphers = [AESGCM(key) for key in keys.derive("session cookie")]

    def decode(self, value: str) -> tuple[str, str] | None:
        """Return id and content of a cookie; None if it was not encrypted here."""
        try:
            sealed = urlsafe_b64decode(value + "=" * (-len(value) % 4))
        except ValueError:
            return None
        if len(sealed) < _SHORTEST:
            return None
        for cipher in self._ciphers:
            try:
                text = cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
            except InvalidTag:
                continue
            session_id, content = json.loads(text)
            return session_id, content
        return None

    def encode(self, session_id: str, content: str) -> tuple[str, str]:
        """Return what goes into the cookie, and what into the store's row."""
        nonce = secrets.token_bytes(_NONCE)
        text = json.dumps([session_id, content], separators=(",", ":"), ensure_ascii=False)
        sealed = nonce + self._ciphers[0].encrypt(nonce, text.encode(), None)
        return urlsafe_b64encode(sealed).decode().rstrip("="), "{}"
