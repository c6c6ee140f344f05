"""Tables."""

from __future__ import annotations

import secrets
import time
from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .schemas import at


def _new_id() -> str:
    """Return an id that tells neither how many there are nor what the next one is."""
    return secrets.token_hex(8)


class Base(DeclarativeBase):
    """Base of all tables."""


class User(Base):
    """Somebody who may log in."""

    __tablename__ = "user_account"

    id: Mapped[str] = mapped_column(String(16), primary_key=True, default=_new_id)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))


class Note(Base):
    """The example feature: a text that belongs to its author alone."""

    __tablename__ = "note"

    id: Mapped[str] = mapped_column(String(16), primary_key=True, default=_new_id)
    owner: Mapped[str] = mapped_column(
        ForeignKey("user_account.id", ondelete="CASCADE"), index=True
    )
    title: Mapped[str] = mapped_column(String(100))
    body: Mapped[str] = mapped_column(String(5000))
    created_at: Mapped[int] = mapped_column(default=lambda: int(time.time()))

    @property
    def created(self) -> datetime:
        """When the note was written, in UTC."""
        return at(self.created_at)
