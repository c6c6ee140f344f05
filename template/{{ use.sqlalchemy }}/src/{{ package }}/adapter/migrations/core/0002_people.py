# Owned by the template: extend, do not edit.
"""What operators know of a user: address, times, whether they may log in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user_account", sa.Column("email", sa.String(254)))
    op.add_column("user_account", sa.Column("created_at", sa.BigInteger))
    op.add_column("user_account", sa.Column("last_login_at", sa.BigInteger))
    op.add_column(
        "user_account",
        sa.Column("disabled", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_index("ix_user_account_email", "user_account", ["email"], unique=True)


def downgrade() -> None:
    op.drop_index("ix_user_account_email", "user_account")
    for name in ("disabled", "last_login_at", "created_at", "email"):
        op.drop_column("user_account", name)
