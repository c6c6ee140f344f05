# Owned by the template: extend, do not edit.
"""Users in the database: their columns, and what the login and operators do with them."""

from __future__ import annotations

import secrets
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    String,
    Table,
    delete,
    false,
    func,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column, validates

from ..security.accounts import Account, normalise
from ..security.people import OwnedError, Person
from .factors import TABLES, SqlFactors

USER_TABLE = "user_account"


def new_id() -> str:
    """Return an id that tells neither how many there are nor what the next one is."""
    return secrets.token_hex(8)


def _now() -> int:
    return int(time.time())


class UserColumns:
    """Columns of the users that the template looks after: its migrations make and change them.

    Put it before the base of your models, and your own columns below: those are for your
    migrations. Times are in seconds since the epoch.
    """

    __tablename__ = USER_TABLE

    id: Mapped[str] = mapped_column(String(16), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    """Normalised, so that it is there once however it is written."""
    password_hash: Mapped[str] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(254), unique=True, index=True)
    """In lower case, so that it is there once however it is written."""
    created_at: Mapped[int | None] = mapped_column(BigInteger, default=_now)
    last_login_at: Mapped[int | None] = mapped_column(BigInteger)
    disabled: Mapped[bool] = mapped_column(default=False, server_default=false())

    @validates("name")
    def _normalised(self, _: str, name: str) -> str:
        return normalise(name)

    @validates("email")
    def _one_spelling(self, _: str, email: str | None) -> str | None:
        return one_spelling(email) if email else None


def one_spelling(email: str) -> str:
    """Return what an address is stored and looked for as."""
    return unicodedata.normalize("NFC", email).lower()


class SqlUsers(SqlFactors):
    """The users of a database; see `Accounts`, `People` and `FactorStore` of the core."""

    def __init__(
        self,
        session: Callable[[], AbstractContextManager[Session]],
        model: type[UserColumns],
    ) -> None:
        """Take what opens a session, which commits at its end, and the model of the users."""
        self._session = session
        self._model: Any = model

    def find(self, name: str) -> Account | None:
        """Return the account of a user name in any spelling, unless it is disabled."""
        model = self._model
        query = select(model).where(model.name == normalise(name), model.disabled == false())
        with self._session() as session:
            user = session.scalar(query)
            return Account(user.id, user.name, user.password_hash) if user else None

    def set_password(self, account_id: str, password_hash: str, *, expected: str) -> bool:
        """Store a new hash if the present one is `expected`."""
        model = self._model
        mine = update(model).where(model.id == account_id, model.password_hash == expected)
        change = mine.values(password_hash=password_hash).returning(model.id)
        with self._session() as session:
            return session.scalar(change) is not None

    def add(self, name: str, password_hash: str) -> None:
        """Store a new user. Raises `ValueError` if the name is taken."""
        try:
            with self._session() as session:
                session.add(self._model(name=name, password_hash=password_hash))
        except IntegrityError:
            raise ValueError(f"there is a user {name!r} already") from None

    def add_with_email(self, name: str, password_hash: str, email: str) -> str:
        """Store a new user and return the id. Raises `ValueError` if name or address are taken."""
        user = self._model(name=name, password_hash=password_hash, email=email)
        try:
            with self._session() as session:
                session.add(user)
                session.flush()
                return str(user.id)
        except IntegrityError:
            raise ValueError("there is a user with this name or e-mail address already") from None

    def by_email(self, email: str) -> Person | None:
        """Return the user with an address, however it is written."""
        query = select(self._model).where(self._model.email == one_spelling(email))
        with self._session() as session:
            user = session.scalar(query)
            return _person(user) if user else None

    def set_email(self, user_id: str, email: str | None, *, expected: str | None) -> bool:
        """Store an address if the present one is `expected`; raises `ValueError` if it is taken."""
        model = self._model
        mine = update(model).where(model.id == user_id, model.email.is_not_distinct_from(expected))
        change = mine.values(email=one_spelling(email) if email else None).returning(model.id)
        try:
            with self._session() as session:
                return session.scalar(change) is not None
        except IntegrityError:
            raise ValueError("there is a user with this e-mail address already") from None

    @property
    def transaction(self) -> Callable[[], AbstractContextManager[Session]]:
        """What opens a session that commits at its end, for the template's other tables."""
        return self._session

    def logged_in(self, account_id: str, at: int) -> None:
        """Remember when a user was here last, in seconds since the epoch."""
        self._change(account_id, last_login_at=at)

    def all(self) -> Sequence[Person]:
        """Return everybody, by name."""
        with self._session() as session:
            found = session.scalars(select(self._model).order_by(self._model.name)).all()
            return [_person(user) for user in found]

    def get(self, name: str) -> Person | None:
        """Return the user of a name in any spelling, if there is one."""
        with self._session() as session:
            user = session.scalar(select(self._model).where(self._model.name == normalise(name)))
            return _person(user) if user else None

    def replace_password(self, user_id: str, password_hash: str) -> None:
        """Store a new hash, whatever the present one is."""
        self._change(user_id, password_hash=password_hash)

    def set_disabled(self, user_id: str, *, disabled: bool) -> None:
        """Say whether the user may not log in."""
        self._change(user_id, disabled=disabled)

    def delete(self, user_id: str) -> Mapping[str, int]:
        """Delete the user and what belongs to them; return how many rows of which table.

        Raises `OwnedError` if something that belongs to them would stay behind.
        """
        mine = self._model.id == user_id
        table: Table = inspect(self._model).local_table
        try:
            with self._session() as session:
                taken: dict[str, int] = {}
                for child, owned in _along(table, mine):
                    rows = session.scalar(select(func.count()).select_from(child).where(owned)) or 0
                    taken[child.name] = taken.get(child.name, 0) + rows
                for own in TABLES:
                    owned = own.c.user_id == user_id
                    rows = session.scalar(select(func.count()).select_from(own).where(owned)) or 0
                    taken[own.name] = rows
                session.execute(delete(self._model).where(mine))
        except IntegrityError as error:
            raise OwnedError(
                f"{error.orig}: a foreign key to {table.name} does not say what becomes of its"
                ' rows; say ondelete="CASCADE" in the model and make a migration, or delete them'
                " first"
            ) from None
        return {name: rows for name, rows in taken.items() if rows}

    def _change(self, user_id: str, **values: object) -> None:
        with self._session() as session:
            session.execute(update(self._model).where(self._model.id == user_id).values(values))


def _along(
    parent: Table, condition: ColumnElement[bool], seen: frozenset[str] = frozenset()
) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Yield each table whose rows the database deletes with those of `parent`, and which rows."""
    seen |= {parent.name}
    for child in parent.metadata.sorted_tables:
        for key in child.foreign_key_constraints:
            if key.referred_table is not parent or child.name in seen:
                continue
            if (key.ondelete or "").upper() != "CASCADE":
                continue
            # It has one column: a user's id is not made of several.
            element = next(iter(key.elements))
            owned = element.parent.in_(select(element.column).where(condition))
            yield child, owned
            yield from _along(child, owned, seen)


def _person(user: Any) -> Person:
    return Person(
        id=user.id,
        name=user.name,
        email=user.email,
        created=_time(user.created_at),
        last_login=_time(user.last_login_at),
        disabled=user.disabled,
    )


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
