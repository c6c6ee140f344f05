# Owned by the template: extend, do not edit.
"""Users and passwords: whoever asks Django goes through the policy's throttle and hashing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from copy import copy
from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from asgiref.sync import sync_to_async
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    get_user,
    get_user_model,
    login,
    update_session_auth_hash,
)
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import BasePasswordHasher
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ValidationError
from django.db import IntegrityError, router
from django.db.models import ProtectedError, RestrictedError
from django.db.models.signals import ModelSignal, post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest
from django.middleware.csrf import CSRF_SESSION_KEY

from ..security.accounts import Account, Attempt, Change, normalise
from ..security.context import RequestContext
from ..security.database_errors import is_database_away
from ..security.events import emit
from ..security.people import OwnedError, Person
from .current import CURRENT, current_boundary, exchange_of
from .database import ERRORS, answering
from .factors import DjangoFactors
from .sessions import SessionStore

_PREFIX = "argon2"
"""What Django writes before the hash; the rest is the hash as everybody writes it."""
_failed: WeakKeyDictionary[RequestContext, str] = WeakKeyDictionary()
"""The name with which a request has failed to log in so far."""
_new: WeakSet[object] = WeakSet()
"""Users whose first password is no change of it."""


class Users(DjangoFactors):
    """What the login needs to know; see `Accounts`, `People` and `FactorStore` of the core."""

    def find(self, name: str) -> Account | None:
        """Return the account of a normalised user name, unless it is not active."""
        users = get_user_model()
        named = {users.USERNAME_FIELD: name, "is_active": True}
        with answering():
            user = users._default_manager.filter(**named).first()
        if user is None or not user.password.startswith(f"{_PREFIX}$"):
            return None
        return Account(str(user.pk), user.get_username(), user.password.removeprefix(_PREFIX))

    def set_password(self, account_id: str, password_hash: str, *, expected: str) -> bool:
        """Store a new hash if the present one is `expected`."""
        users = get_user_model()._default_manager
        with answering():
            mine = users.filter(pk=account_id, password=f"{_PREFIX}{expected}")
            return mine.update(password=f"{_PREFIX}{password_hash}") == 1

    def add(self, name: str, password_hash: str) -> None:
        """Store a new user. Raises `ValueError` if the name is taken."""
        users = get_user_model()
        user = users(**{users.USERNAME_FIELD: name}, password=f"{_PREFIX}{password_hash}")
        try:
            with answering():
                user.save(force_insert=True)
        except IntegrityError:
            raise ValueError(f"there is a user {name!r} already") from None

    def add_with_email(self, name: str, password_hash: str, email: str) -> str:
        """Store a new user and return the id. Raises `ValueError` if name or address are taken."""
        users = get_user_model()
        named = {users.USERNAME_FIELD: name, users.get_email_field_name(): email}
        user = users(**named, password=f"{_PREFIX}{password_hash}")
        try:
            with answering():
                user.save(force_insert=True)
        except IntegrityError:
            raise ValueError("there is a user with this name or e-mail address already") from None
        return str(user.pk)

    def by_email(self, email: str) -> Person | None:
        """Return the user with an address, however it is written."""
        users = get_user_model()
        field = users.get_email_field_name()
        with answering():
            user = users._default_manager.filter(**{f"{field}__iexact": email}).first()
        return _person(user) if user else None

    def set_email(self, user_id: str, email: str | None, *, expected: str | None) -> bool:
        """Store an address if the present one is `expected`; raises `ValueError` if it is taken."""
        users = get_user_model()
        field = users.get_email_field_name()
        was = {f"{field}__isnull": True} if expected is None else {field: expected}
        try:
            with answering():
                mine = users._default_manager.filter(pk=user_id, **was)
                return mine.update(**{field: email}) == 1
        except IntegrityError:
            raise ValueError("there is a user with this e-mail address already") from None

    def logged_in(self, account_id: str, at: int) -> None:
        """Do nothing: Django's own signal keeps `last_login`."""

    def all(self) -> Sequence[Person]:
        """Return everybody, by name."""
        users = get_user_model()
        with answering():
            found = users._default_manager.order_by(users.USERNAME_FIELD)
            return [_person(user) for user in found]

    def get(self, name: str) -> Person | None:
        """Return the user of a normalised name, if there is one."""
        users = get_user_model()
        with answering():
            user = users._default_manager.filter(**{users.USERNAME_FIELD: name}).first()
        return _person(user) if user else None

    def replace_password(self, user_id: str, password_hash: str) -> None:
        """Store a new hash, whatever the present one is."""
        with answering():
            mine = get_user_model()._default_manager.filter(pk=user_id)
            mine.update(password=f"{_PREFIX}{password_hash}")

    def set_disabled(self, user_id: str, *, disabled: bool) -> None:
        """Say whether the user may not log in."""
        with answering():
            mine = get_user_model()._default_manager.filter(pk=user_id)
            mine.update(is_active=not disabled)

    def delete(self, user_id: str) -> Mapping[str, int]:
        """Delete the user and what belongs to them, as the models say; see `People`."""
        users = get_user_model()
        try:
            with answering():
                _, taken = users._default_manager.get(pk=user_id).delete()
        except (ProtectedError, RestrictedError) as error:
            raise OwnedError(
                f"{error.args[0]}; say on_delete=models.CASCADE in the model, or delete them first"
            ) from None
        return {name: rows for name, rows in taken.items() if rows and name != users._meta.label}


class _Known(Users):
    """One account that somebody else has found."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def find(self, name: str) -> Account | None:  # noqa: ARG002 - there is one
        return self._account

    def set_password(self, account_id: str, password_hash: str, *, expected: str) -> bool:
        """Leave a hash that is outdated to whoever has found the account."""
        return _is_in_async_view() or super().set_password(
            account_id, password_hash, expected=expected
        )


def _is_in_async_view() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class Backend(ModelBackend):
    """Checks a name and a password as every login does: counted, bounded, at the same cost."""

    def authenticate(
        self,
        request: HttpRequest | None,  # noqa: ARG002 - the one at work is known, also where it is None
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the user, or None. Raises `Problem` 429 while blocked, and 503.

        The name may be given as the model calls it (`USERNAME_FIELD`), as Django's own backend has
        it.
        """
        username = username or kwargs.get(get_user_model().USERNAME_FIELD)
        if not username or password is None:
            return None
        exchange = CURRENT.get()
        # Outside of requests everybody comes from one place.
        attempt = exchange.auth.attempt(username) if exchange else Attempt("")
        account = current_boundary().login.authenticate(username, password, attempt)
        if account is None:
            if exchange:
                _failed[exchange.context] = username
            return None
        if exchange:
            exchange.context.session.expect(account.id, account.epoch)
        return self.get_user(account.id)

    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Do the same for `django.contrib.auth.aauthenticate`: Django's own would not come by."""
        return await sync_to_async(self.authenticate)(request, username, password, **kwargs)


def user_of(request: HttpRequest) -> Any:
    """Return the user as Django finds them; while the database is away, as the session knows them.

    Then everything but name and number is asked of the database when it is asked for, so what needs
    data is refused and what needs none is answered.
    """
    try:
        return get_user(request)
    except ERRORS as error:
        session = exchange_of(request).context.session
        if not (is_database_away(error) and session.user):
            raise
        model = get_user_model()
        known = {model._meta.pk.attname: model._meta.pk.to_python(session.user)}
        if session.user_name:
            known[model.USERNAME_FIELD] = session.user_name
        fields = [field.attname for field in model._meta.concrete_fields if field.attname in known]
        return model.from_db(router.db_for_read(model), fields, [known[field] for field in fields])


def change_password(request: HttpRequest, current: str, new: str) -> dict[str, str]:
    """Change the password of the signed-in user; see `adapter.change_password`."""
    errors = exchange_of(request).auth.change_password(current, new)
    if not errors and request.user.is_authenticated:
        request.user.refresh_from_db()
        # Django's own mark of the password in the session.
        update_session_auth_hash(request, request.user)
    return errors


@receiver(user_logged_in)
def _logged_in(request: HttpRequest | None, user: AbstractBaseUser, **_: Any) -> None:
    """List the session, whoever has logged somebody in, and give a failed attempt back.

    A package that hands out a token may only say so: then nobody is signed in here by that.
    """
    name = normalise(user.get_username())
    if exchange := CURRENT.get():
        tried = _failed.pop(exchange.context, "")
        if tried:
            # Another backend knew the user, by an e-mail address for example.
            exchange.boundary.login.accept(tried, exchange.auth.attempt(tried))
    session = getattr(request, "session", None)
    if request is None or not isinstance(session, SessionStore):
        return
    done, user_id = True, str(user.pk)
    if session.is_of(user_id) or current_boundary().login.asks_factor(user_id):
        done = session.sign_in(user_id, name)
    if done:
        if exchange:
            emit("authn_login_success", user=name)
        return
    # The second factor is missing, whatever view has logged them in: see `needs_second_factor`.
    for key in (BACKEND_SESSION_KEY, HASH_SESSION_KEY, CSRF_SESSION_KEY):
        session.pop(key, None)
    nobody = AnonymousUser()
    request.user = nobody

    async def auser() -> AnonymousUser:
        return nobody

    # What remembers its answer, and in newer Django is told of the login.
    request.auser = auser


def needs_second_factor(request: HttpRequest, user: AbstractBaseUser) -> bool:
    """Tell whether a user whose password was right is asked for more; then note that."""
    boundary, context = exchange_of(request)
    user_id = str(user.pk)
    if not boundary.login.asks_factor(user_id):
        return False
    context.session.log_in(user_id)
    # Asked for, so that the view is taken to know of it.
    return context.session.pending is not None


def start(request: HttpRequest, account: Account) -> None:
    """Log in, as Django does, somebody who has proved who they are to the core."""
    user = get_user_model()._default_manager.get(pk=account.id)
    login(request, user, f"{Backend.__module__}.{Backend.__qualname__}")


@receiver([post_save, post_delete])
def _changed(instance: object, signal: ModelSignal, *, created: bool = False, **_: Any) -> None:
    """End the sessions of somebody who may not log in any more; remember who is new."""
    if not isinstance(instance, get_user_model()):
        return
    if signal is post_delete or not instance.is_active:
        current_boundary().store.delete_of_user(str(instance.pk))
    (_new.add if created else _new.discard)(instance)


def _person(user: AbstractBaseUser) -> Person:
    """Return what operators see, of a model that may have less than ours."""
    return Person(
        id=str(user.pk),
        name=user.get_username(),
        email=getattr(user, "email", None),
        created=getattr(user, "date_joined", None),
        last_login=user.last_login,
        disabled=not user.is_active,
    )


class PasswordHasher(BasePasswordHasher):
    """Argon2id at the policy's cost, in the bounded pool of the service."""

    algorithm = _PREFIX

    def salt(self) -> str:
        """Return anything: the hash makes a salt of its own."""
        return "own"

    def encode(self, password: str, salt: str) -> str:  # noqa: ARG002 - see `salt`
        return _PREFIX + current_boundary().passwords.hash(password)

    def verify(self, password: str, encoded: str) -> bool:
        """Tell whether a password is right; in a request that counts as a login does.

        So do forms, views and backends that call `check_password` (ACC-2). Raises `Problem`.
        """
        exchange = CURRENT.get()
        hashed = encoded.removeprefix(_PREFIX)
        if exchange is None:
            return current_boundary().passwords.verify(hashed, password)
        session = exchange.context.session
        login = copy(exchange.boundary.login)
        mine = None
        if _is_in_async_view():
            # `acheck_password`: no database can be asked, not even whether a factor follows.
            login.asks_factor = lambda _: True
        elif session.user:
            mine = Users().find(session.user_name)
        if mine is None or mine.password_hash != hashed:
            # Somebody else's: who that is, only the hash tells.
            digest = sha256(hashed.encode()).hexdigest()
            mine = Account(f"hash {digest}", f"hash {digest[:16]}", hashed)
        login.accounts = _Known(mine)
        return login.authenticate(mine.name, password, exchange.auth.attempt(mine.name)) is not None

    def must_update(self, encoded: str) -> bool:
        return current_boundary().passwords.outdated(encoded.removeprefix(_PREFIX))

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Do nothing: there is one cost."""

    def safe_summary(self, encoded: str) -> dict[Any, Any]:  # noqa: ARG002 - never shown
        return {"algorithm": self.algorithm}


class PasswordValidator:
    """The policy's rules for new passwords; see `security.passwords`."""

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        # A form leaves None where it has refused the name.
        name = (user.get_username() if user else "") or ""
        if objection := current_boundary().passwords.objection(password, name):
            raise ValidationError(objection, code="password")

    def password_changed(
        self,
        password: str,  # noqa: ARG002 - that it is another one is enough
        user: AbstractBaseUser | None = None,
    ) -> None:
        """End the sessions that the old password began, but the one at work (ASVS 7.4.3).

        Called for each way to save one: the admin's, a package's form, `manage.py changepassword`.
        """
        if user and user.pk and user not in _new:
            exchange = CURRENT.get()
            here = exchange.context.session if exchange else None
            own = here.id_hash if here and here.user == str(user.pk) else ""
            current_boundary().store.delete_of_user(str(user.pk), keep=own)
            name = normalise(user.get_username())
            emit("authn_password_change", user=name)
            current_boundary().login.tell(name, Change.PASSWORD)

    def get_help_text(self) -> str:
        return f"Use at least {current_boundary().policy.passwords.min_length} characters."
