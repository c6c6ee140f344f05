"""Tables."""

from __future__ import annotations

import secrets

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def new_id() -> str:
    """Return an id that tells neither how many there are nor what the next one is."""
    return secrets.token_hex(8)


class Base(DeclarativeBase):
    """Base of all tables."""


class User(Base):
    """Somebody who may log in."""

    __tablename__ = "user_account"

    id: Mapped[str] = mapped_column(String(16), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
