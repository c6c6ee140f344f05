# Owned by the template: extend, do not edit.
"""Passkeys (WebAuthn level 3; ASVS 6.5): what browsers are asked, and whether the answer is right.

A challenge is no state: it is random, and says by a signature for which session, for what, and when
it was made. Whoever uses one changes the session's id, so that it works once.
"""

from __future__ import annotations

import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .body import is_deeper
from .clock import is_within
from .keys import Keys

MAX_CREDENTIAL = 16_384
"""Characters of what a browser sends."""
MAX_DEPTH = 16
"""Levels of its JSON; browsers send four."""
MAX_ID = 1023
"""Bytes of a credential's id (WebAuthn section 4)."""
_RANDOM, _TIME, _SIGNATURE = 16, 8, 32
_ALGORITHMS = (-8, -7, -257)
"""Ed25519, ES256, RS256 (IANA COSE algorithms), as they are preferred."""
_TRANSPORTS = frozenset({"ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"})


@dataclass(frozen=True, slots=True)
class Site:
    """Where a passkey is used: it is good there alone."""

    origin: str

    @property
    def id(self) -> str:
        """The relying party's id: the host's name."""
        return urlsplit(self.origin).hostname or ""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a new passkey leaves at the service, bytes as base64url."""

    id: str
    public_key: str
    sign_count: int
    transports: tuple[str, ...]


class Challenges:
    """Makes challenges, and knows its own again."""

    def __init__(self, keys: Keys, lifetime: int) -> None:
        """Sign with the newest key, accept any; a challenge is good for `lifetime` seconds."""
        self._keys = keys.derive("passkey challenge")
        self._lifetime = lifetime

    def issue(self, purpose: str, session: str, now: int) -> bytes:
        """Return a challenge for one purpose in one session."""
        text = secrets.token_bytes(_RANDOM) + now.to_bytes(_TIME, "big")
        return text + _sign(self._keys[0], text, purpose, session)

    def accepts(self, challenge: bytes, purpose: str, session: str, now: int) -> bool:
        """Tell whether the challenge is of that purpose and session, and young enough."""
        if len(challenge) != _RANDOM + _TIME + _SIGNATURE or not session:
            return False
        text, signature = challenge[:-_SIGNATURE], challenge[-_SIGNATURE:]
        return is_within(int.from_bytes(text[_RANDOM:], "big"), self._lifetime, now) and any(
            hmac.compare_digest(_sign(key, text, purpose, session), signature) for key in self._keys
        )


def request_options(
    challenge: bytes, site: Site, allowed: Sequence[tuple[str, tuple[str, ...]]]
) -> str:
    """Return the JSON for `navigator.credentials.get`; without `allowed` any passkey will do."""
    return _json(
        {
            "challenge": encode(challenge),
            "rpId": site.id,
            "userVerification": "required",
            "allowCredentials": [
                {"type": "public-key", "id": name, "transports": transports}
                for name, transports in allowed
            ],
        }
    )


def creation_options(
    challenge: bytes, site: Site, service: str, user: tuple[str, str], known: Sequence[str]
) -> str:
    """Return the JSON for `navigator.credentials.create`; `user` is id and name."""
    user_id, name = user
    return _json(
        {
            "challenge": encode(challenge),
            "rp": {"id": site.id, "name": service},
            "user": {"id": encode(user_id.encode()), "name": name, "displayName": name},
            "pubKeyCredParams": [{"type": "public-key", "alg": number} for number in _ALGORITHMS],
            "attestation": "none",
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": True,
                "userVerification": "required",
            },
            "excludeCredentials": [{"type": "public-key", "id": each} for each in known],
        }
    )


def parse(credential: str) -> tuple[str, bytes, str] | None:
    """Return id, challenge and user's id of what a browser sent, unverified; None if it is none."""
    try:
        made = _read(credential)
        response = made["response"]
        client_data = _read(decode(response["clientDataJSON"]).decode())
        handle = decode(response.get("userHandle") or "").decode()
        return encode(decode(made["id"])), decode(client_data["challenge"]), handle
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _read(text: str) -> Any:
    if len(text) > MAX_CREDENTIAL or is_deeper(text, MAX_DEPTH):
        raise ValueError("no answer of a browser")
    return json.loads(text)


def verify_new(credential: str, challenge: bytes, site: Site) -> Credential | None:
    """Return the passkey that a browser has made, None if it is none of ours."""
    # Imported here: it costs more memory than the rest of the login, and few workers need it.
    import webauthn

    try:
        made = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.id,
            expected_origin=site.origin,
            require_user_verification=True,
        )
        claimed: Any = json.loads(credential)["response"].get("transports") or []
        transports = tuple(each for each in claimed if each in _TRANSPORTS)
    except Exception:  # noqa: BLE001 - parsers of bytes from a client; whatever they say, it is none
        return None
    if len(made.credential_id) > MAX_ID:
        return None
    return Credential(
        encode(made.credential_id), encode(made.credential_public_key), made.sign_count, transports
    )


def verify_use(
    credential: str, challenge: bytes, site: Site, public_key: str, sign_count: int
) -> int | None:
    """Return the passkey's new counter, None if the answer is not of that passkey.

    The user was verified by the device, and the counter has gone up where the device has one: else
    there are two of it.
    """
    import webauthn

    try:
        return webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.id,
            expected_origin=site.origin,
            credential_public_key=decode(public_key),
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        ).new_sign_count
    except Exception:  # noqa: BLE001 - parsers of bytes from a client; whatever they say, it is none
        return None


def encode(content: bytes) -> str:
    """Return base64url without padding, as WebAuthn has it."""
    return urlsafe_b64encode(content).decode().rstrip("=")


def decode(text: str) -> bytes:
    """Return the bytes of base64url. Raises `ValueError`."""
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))


def _json(options: dict[str, Any]) -> str:
    return json.dumps(options, separators=(",", ":"))


def _sign(key: bytes, text: bytes, purpose: str, session: str) -> bytes:
    return hmac.digest(key, text + f"\0{purpose}\0{session}".encode(), "sha256")
