# Owned by the template: extend, do not edit.
"""Second factors and recovery codes."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations: ClassVar = [
        migrations.CreateModel(
            name="UserFactor",
            fields=[
                ("id", models.CharField(max_length=16, primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=20)),
                ("name", models.CharField(max_length=60)),
                ("secret", models.CharField(max_length=255)),
                ("counter", models.BigIntegerField()),
                ("credential", models.CharField(max_length=1364, null=True, unique=True)),
                ("public_key", models.TextField()),
                ("transports", models.CharField(max_length=100)),
                ("created_at", models.BigIntegerField()),
                ("used_at", models.BigIntegerField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"db_table": "user_factor"},
        ),
        migrations.CreateModel(
            name="UserRecoveryCode",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code_hash", models.CharField(max_length=64)),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "user_recovery_code",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "code_hash"),
                        name="user_recovery_code_user_id_code_hash_key",
                    )
                ],
            },
        ),
    ]
