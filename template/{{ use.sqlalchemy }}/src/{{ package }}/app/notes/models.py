"""The table of the notes."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from ...adapter import new_id
from ..models import Base


class Note(Base):
    """A text that belongs to its author alone."""

    __tablename__ = "note"

    id: Mapped[str] = mapped_column(String(16), primary_key=True, default=new_id)
    owner: Mapped[str] = mapped_column(
        ForeignKey("user_account.id", ondelete="CASCADE"), index=True
    )
    title: Mapped[str] = mapped_column(String(100))
    body: Mapped[str] = mapped_column(String(5000))
    created_at: Mapped[int] = mapped_column(default=lambda: int(time.time()))

    @property
    def created(self) -> datetime:
        """When the note was written, in UTC."""
        return datetime.fromtimestamp(self.created_at, UTC)
