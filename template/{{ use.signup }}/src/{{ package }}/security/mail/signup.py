# Owned by the template: extend, do not edit.
"""Sign-up: nobody is a user before the address is confirmed (PPL-3).

Until then the name is nobody's, and nothing but the queue and the link knows of it. A name or an
address that somebody has already gets the same answer; the mail says so.
"""

from __future__ import annotations

from ..accounts import MAX_NAME, closed, is_name, normalise
from ..errors import duration
from ..events import emit
from .addresses import normalise_address
from .letters import Letter
from .outbox import Message
from .recovery import Recovery
from .sender import Desk

SIGNUP = "signup"
_KNOWN, _TAKEN = "signup_known", "signup_taken"
TEXTS = (SIGNUP, _KNOWN, _TAKEN)
"""The texts of these mails in app/mails/."""


def sign_up(
    recovery: Recovery, address: str, name: str, password: str, **more: str
) -> dict[str, str]:
    """Have a link mailed by which the user comes to be; return objections by field.

    Objections are to what was typed, never to what exists. `more` are fields of the application's
    own: they stand in `recovery.opened(SIGNUP).data` until the link is used. Raises `Problem` 429
    and 503.
    """
    name = normalise(name)
    errors = {}
    try:
        address = normalise_address(address)
    except ValueError as error:
        errors["email"] = str(error)
    if not is_name(name):
        errors["username"] = f"Use 1 to {MAX_NAME} visible characters, and single spaces."
    if errors:
        return errors
    passwords = recovery.mail.passwords
    with recovery.choosing():
        if objection := passwords.objection(password, name):
            return {"password": objection}
        hashed = passwords.hash(password)
    return recovery.request(SIGNUP, address, **more, name=name, password_hash=hashed)


def confirm_sign_up(recovery: Recovery) -> bool | None:
    """Make the user; None if the link is good no more, False if name or address are taken now."""
    link = recovery.opened(SIGNUP)
    if link is None or not recovery.use(link):
        return None
    name = link.data["name"]
    try:
        with closed():
            recovery.mail.users.add_with_email(name, link.data["password_hash"], link.address)
    except ValueError:
        return False
    emit("user_created", user=name, reason="sign-up")
    return True


def prepare_sign_up(desk: Desk, message: Message) -> Letter:
    """Write to the address: a link, or why there is none."""
    name = message.data["name"]
    if owner := desk.users.by_email(message.recipient):
        fields = {"name": owner.name, "link": desk.page("/forgot")}
        return Letter(_KNOWN, owner.email or message.recipient, fields)
    if desk.users.get(name):
        fields = {"name": name, "link": desk.page("/signup")}
        return Letter(_TAKEN, message.recipient, fields)
    lifetime = desk.policy.confirm_link_lifetime
    token = desk.links.make(
        SIGNUP,
        lifetime,
        message=message.id,
        address=message.recipient,
        data=message.data,
    )
    fields = {"name": name, "link": desk.address("/confirm", token), "lasts": duration(lifetime)}
    return Letter(SIGNUP, message.recipient, fields)


KINDS = {SIGNUP: prepare_sign_up}
"""What makes each of these mails."""
