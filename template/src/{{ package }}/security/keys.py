# Owned by the template: extend, do not edit.
"""Keys from `APP_SECRET_KEYS`, newest first; each purpose has keys of its own (ASVS 13.3)."""

from __future__ import annotations

import hmac
from collections.abc import Sequence


class Keys:
    """The service's secrets. Rotate by putting a new one first and dropping the last one later."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Take the secrets, newest first."""
        self._secrets = [secret.encode() for secret in secrets]

    def derive(self, purpose: str) -> list[bytes]:
        """Return a 256-bit key for each secret, newest first: its HMAC-SHA256 of the purpose."""
        return [hmac.digest(secret, purpose.encode(), "sha256") for secret in self._secrets]
