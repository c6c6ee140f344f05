# Owned by the template: extend, do not edit.
"""Second factors and recovery codes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "user_factor",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("user_id", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("secret", sa.String(255), nullable=False),
        sa.Column("counter", sa.BigInteger, nullable=False),
        sa.Column("credential", sa.String(1364)),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("transports", sa.String(100), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="user_factor_pkey"),
        sa.UniqueConstraint("credential", name="user_factor_credential_key"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], "user_factor_user_id_fkey", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_user_factor_user_id", "user_factor", ["user_id"])
    op.create_table(
        "user_recovery_code",
        sa.Column("user_id", sa.String(16), nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name="user_recovery_code_pkey"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], "user_recovery_code_user_id_fkey", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    op.drop_table("user_recovery_code")
    op.drop_table("user_factor")
