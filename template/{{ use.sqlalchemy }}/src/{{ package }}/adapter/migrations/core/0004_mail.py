# Owned by the template: extend, do not edit.
"""The queue of mails, and the links in them; empty where the service sends none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mail_message",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("recipient", sa.String(254), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("lease", sa.String(32), nullable=False),
        sa.Column("leased_until", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="mail_message_pkey"),
    )
    op.create_index("ix_mail_message_due", "mail_message", ["state", "due"])
    op.create_table(
        "mail_link",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("message_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("address", sa.String(254), nullable=False),
        sa.Column("mark", sa.String(64), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="mail_link_pkey"),
    )
    op.create_index("ix_mail_link_message_id", "mail_link", ["message_id"])
    op.create_index("ix_mail_link_user_id", "mail_link", ["user_id"])
    op.create_index("ix_mail_link_expires", "mail_link", ["expires"])


def downgrade() -> None:
    op.drop_table("mail_link")
    op.drop_table("mail_message")
