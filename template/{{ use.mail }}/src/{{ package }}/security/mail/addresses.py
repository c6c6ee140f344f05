# Owned by the template: extend, do not edit.
"""E-mail addresses: one spelling of each, and nothing that a mail's header could be forged with."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email

MAX_ADDRESS = 254
"""Characters (RFC 5321 section 4.5.3.1.3, less the angle brackets)."""
_MAX_LOCAL = 64


def normalise_address(text: str) -> str:
    """Return an address in lower case, its host as the DNS has it; raise `ValueError` with why not.

    No display name, no comment, no quotes, no line break; other scripts as RFC 6531 has them.
    Whether anybody is there, only a mail can tell.
    """
    if len(text) > MAX_ADDRESS:
        raise ValueError(f"An e-mail address has at most {MAX_ADDRESS} characters.")
    try:
        found = validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        # Its words repeat what was typed.
        raise ValueError("Write an e-mail address like name@example.com.") from None
    name = found.local_part.lower()
    address = f"{name}@{found.ascii_domain.lower()}"
    if len(name.encode()) > _MAX_LOCAL or len(address.encode()) > MAX_ADDRESS:
        raise ValueError(
            f"An e-mail address has at most {_MAX_LOCAL} characters before the @, and"
            f" {MAX_ADDRESS} in all."
        )
    return address
