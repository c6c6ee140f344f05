"""Notes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "note",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(16), nullable=False),
        sa.Column("title", sa.String(100), nullable=False),
        sa.Column("body", sa.String(5000), nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="note_pkey"),
        sa.ForeignKeyConstraint(
            ["owner"], ["user_account.id"], name="note_owner_fkey", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_note_owner", "note", ["owner"])


def downgrade() -> None:
    op.drop_index("ix_note_owner", "note")
    op.drop_table("note")
