# Owned by the template: extend, do not edit.
"""The queue of mails, and the links in them; empty where the service sends none.

Nothing asks for them by Django's models, so that there are none.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("adapter", "0001_factors")]
    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.CreateModel(
                    name="MailMessage",
                    fields=[
                        ("id", models.CharField(max_length=64, primary_key=True)),
                        ("kind", models.CharField(max_length=32)),
                        ("recipient", models.CharField(max_length=254)),
                        ("data", models.TextField()),
                        ("created", models.BigIntegerField()),
                        ("due", models.BigIntegerField()),
                        ("tries", models.IntegerField()),
                        ("lease", models.CharField(max_length=32)),
                        ("leased_until", models.BigIntegerField()),
                        ("state", models.CharField(max_length=16)),
                    ],
                    options={
                        "db_table": "mail_message",
                        "indexes": [
                            models.Index(fields=["state", "due"], name="ix_mail_message_due")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="MailLink",
                    fields=[
                        ("digest", models.CharField(max_length=64, primary_key=True)),
                        ("kind", models.CharField(max_length=32)),
                        ("message_id", models.CharField(max_length=64)),
                        ("user_id", models.CharField(max_length=64)),
                        ("address", models.CharField(max_length=254)),
                        ("mark", models.CharField(max_length=64)),
                        ("data", models.TextField()),
                        ("expires", models.BigIntegerField()),
                    ],
                    options={
                        "db_table": "mail_link",
                        "indexes": [
                            models.Index(fields=["message_id"], name="ix_mail_link_message_id"),
                            models.Index(fields=["user_id"], name="ix_mail_link_user_id"),
                            models.Index(fields=["expires"], name="ix_mail_link_expires"),
                        ],
                    },
                ),
            ],
        ),
    ]
