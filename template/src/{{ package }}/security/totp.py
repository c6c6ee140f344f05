# Owned by the template: extend, do not edit.
"""Codes of authenticator apps (TOTP, RFC 6238; ASVS 6.5)."""

from __future__ import annotations

import hmac

STEP_SECONDS = 30
DIGITS = 6
DRIFT = 1
"""Steps by which the clock of a phone may be off, either way (RFC 6238 section 5.2)."""


def new_secret() -> str:
    """Return 160 random bits, as apps take them: base32."""
    import pyotp

    return pyotp.random_base32()


def matching_step(secret: str, code: str, now: int, *, after: int) -> int | None:
    """Return the time step that `code` is of, None if it is of none.

    Steps up to `after` were used: who has seen a code being typed has nothing.
    """
    import pyotp

    if not (code.isascii() and code.isdecimal() and len(code) == DIGITS):
        return None
    totp = pyotp.TOTP(secret, digits=DIGITS, interval=STEP_SECONDS)
    current = now // STEP_SECONDS
    for step in range(max(current - DRIFT, after + 1), current + DRIFT + 1):
        if hmac.compare_digest(totp.generate_otp(step), code):
            return step
    return None


def address(secret: str, user: str, service: str) -> str:
    """Return the `otpauth:` address that apps read."""
    import pyotp

    return pyotp.TOTP(secret, digits=DIGITS, interval=STEP_SECONDS).provisioning_uri(
        name=user, issuer_name=service
    )


def qr_code(text: str) -> str:
    """Return a QR code as an SVG element with nothing in it that a CSP forbids."""
    import segno

    return segno.make(text, error="m", micro=False).svg_inline(
        scale=4, light="#fff", dark="#000", title="QR code", omitsize=False
    )
