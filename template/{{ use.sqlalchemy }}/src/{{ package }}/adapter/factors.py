# Owned by the template: extend, do not edit.
"""Second factors in the database, in tables of the core's migrations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..security.accounts import Account
from ..security.factors import Factor, read_row

_METADATA = MetaData()
FACTORS = Table(
    "user_factor",
    _METADATA,
    Column("id", String(16), primary_key=True),
    Column("user_id", String(16), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("name", String(60), nullable=False),
    Column("secret", String(255), nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("credential", String(1364), unique=True),
    Column("public_key", Text, nullable=False),
    Column("transports", String(100), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)
CODES = Table(
    "user_recovery_code",
    _METADATA,
    Column("user_id", String(16), primary_key=True),
    Column("code_hash", String(64), primary_key=True),
)
TABLES = (FACTORS, CODES)
"""Not of the application's models: its migrations leave them alone."""


class SqlFactors:
    """The second factors of the users of a database, by the methods of `FactorStore`."""

    _session: Callable[[], AbstractContextManager[Session]]
    _model: Any

    def account_of(self, user_id: str) -> Account | None:
        with self._session() as session:
            user = session.get(self._model, user_id)
            if user is None or user.disabled:
                return None
            return Account(user.id, user.name, user.password_hash)

    def factors_of(self, user_id: str) -> Sequence[Factor]:
        mine = select(FACTORS).where(FACTORS.c.user_id == user_id)
        with self._session() as session:
            rows = session.execute(mine.order_by(FACTORS.c.created_at, FACTORS.c.id))
            return [read_row(row) for row in rows]

    def passkey(self, credential: str) -> Factor | None:
        with self._session() as session:
            found = session.execute(select(FACTORS).where(FACTORS.c.credential == credential))
            row = found.first()
            return read_row(row) if row else None

    def add_factor(self, factor: Factor) -> bool:
        values = {
            "id": factor.id,
            "user_id": factor.user,
            "kind": str(factor.kind),
            "name": factor.name,
            "secret": factor.secret,
            "counter": factor.counter,
            "credential": factor.credential,
            "public_key": factor.public_key,
            "transports": factor.transports,
            "created_at": factor.created,
        }
        try:
            with self._session() as session:
                session.execute(insert(FACTORS).values(values))
        except IntegrityError:
            return False
        return True

    def rename_factor(self, user_id: str, factor_id: str, name: str) -> bool:
        mine = update(FACTORS).where(FACTORS.c.user_id == user_id, FACTORS.c.id == factor_id)
        return self._touched(mine.values(name=name).returning(FACTORS.c.id))

    def remove_factor(self, user_id: str, factor_id: str, *, last: bool) -> bool:
        other = FACTORS.alias()
        others = select(other.c.id).where(other.c.user_id == user_id, other.c.id != factor_id)
        mine = delete(FACTORS).where(FACTORS.c.user_id == user_id, FACTORS.c.id == factor_id)
        codes = delete(CODES).where(CODES.c.user_id == user_id)
        with self._alone(user_id) as session:
            removed = session.execute(
                (mine if last else mine.where(others.exists())).returning(FACTORS.c.id)
            ).first()
            if removed:
                session.execute(codes.where(~others.exists()))
            return removed is not None

    def use_factor(
        self, factor_id: str, *, before: int, counter: int, secret: str, at: int
    ) -> bool:
        unused = update(FACTORS).where(FACTORS.c.id == factor_id, FACTORS.c.counter == before)
        used = unused.values(counter=counter, secret=secret, used_at=at)
        return self._touched(used.returning(FACTORS.c.id))

    def replace_codes(self, user_id: str, hashes: Sequence[str]) -> None:
        with self._alone(user_id) as session:
            session.execute(delete(CODES).where(CODES.c.user_id == user_id))
            if hashes:
                rows = [{"user_id": user_id, "code_hash": each} for each in hashes]
                session.execute(insert(CODES), rows)

    def use_code(self, user_id: str, code_hash: str) -> bool:
        mine = delete(CODES).where(CODES.c.user_id == user_id, CODES.c.code_hash == code_hash)
        return self._touched(mine.returning(CODES.c.user_id))

    def count_codes(self, user_id: str) -> int:
        mine = select(func.count()).select_from(CODES).where(CODES.c.user_id == user_id)
        with self._session() as session:
            return session.scalar(mine) or 0

    def remove_factors(self, user_id: str) -> int:
        mine = delete(FACTORS).where(FACTORS.c.user_id == user_id)
        with self._session() as session:
            session.execute(delete(CODES).where(CODES.c.user_id == user_id))
            return len(session.execute(mine.returning(FACTORS.c.id)).all())

    def factor_kinds(self) -> Mapping[str, Sequence[str]]:
        kinds: dict[str, list[str]] = {}
        with self._session() as session:
            pairs = select(FACTORS.c.user_id, FACTORS.c.kind).distinct()
            for user_id, kind in session.execute(pairs.order_by(FACTORS.c.kind)):
                kinds.setdefault(user_id, []).append(kind)
        return kinds

    @contextmanager
    def _alone(self, user_id: str) -> Iterator[Session]:
        """Open a session that has the user's factors and codes to itself, once it writes."""
        model = self._model
        with self._session() as session:
            # PostgreSQL: until the end nobody else is here for the user, nor adds a row of theirs.
            # SQLite has one writer at a time.
            session.execute(select(model.id).where(model.id == user_id).with_for_update())
            yield session

    def _touched(self, statement: Any) -> bool:
        with self._session() as session:
            return session.execute(statement).first() is not None
