# Owned by the template: extend, do not edit.
"""Texts that the service keeps for itself: encrypted, and good in one place alone (ASVS 11.3)."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from .keys import Keys

_NONCE = 12
_SHORTEST = _NONCE + 16


class Seal:
    """AES-256-GCM (NIST SP 800-38D) with keys of one purpose.

    What a text is `bound_to` is authenticated with it: moved to another user or session, it does
    not open. `cryptography` is imported at the first use, since most workers never need it.
    """

    def __init__(self, keys: Keys, purpose: str) -> None:
        """Seal with the newest key, open with any."""
        self._keys = keys.derive(purpose)

    def seal(self, text: str, bound_to: str) -> str:
        """Return the text encrypted, as base64url."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(_NONCE)
        sealed = AESGCM(self._keys[0]).encrypt(nonce, text.encode(), bound_to.encode())
        return urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, sealed: str, bound_to: str) -> str | None:
        """Return the text; None if it was not sealed here, for that place."""
        return self._opened(sealed, bound_to, self._keys)

    def is_current(self, sealed: str, bound_to: str) -> bool:
        """Tell whether the newest key opens it."""
        return self._opened(sealed, bound_to, self._keys[:1]) is not None

    def _opened(self, sealed: str, bound_to: str, keys: list[bytes]) -> str | None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            content = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        except ValueError:
            return None
        if len(content) < _SHORTEST:
            return None
        for key in keys:
            try:
                text = AESGCM(key).decrypt(content[:_NONCE], content[_NONCE:], bound_to.encode())
            except InvalidTag:
                continue
            return text.decode()
        return None
