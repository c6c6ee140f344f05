"""Tables. After a change: `db revision "what it is"`, then `db upgrade`."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from ..adapter import UserColumns


class Base(DeclarativeBase):
    """Base of all tables."""

    # Migrations name what they change. These are the names that PostgreSQL gives by itself.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )


class User(UserColumns, Base):
    """Somebody who may log in: name, password and the like are there; add what is yours."""
