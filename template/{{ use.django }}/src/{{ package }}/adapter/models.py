# Owned by the template: extend, do not edit.
"""The template's own tables, beside those of the application."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class UserFactor(models.Model):
    """A second factor; see `Factor` of the core. Times are in seconds since the epoch."""

    id = models.CharField(primary_key=True, max_length=16)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=True
    )
    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=60)
    secret = models.CharField(max_length=255)
    counter = models.BigIntegerField()
    credential = models.CharField(max_length=1364, null=True, unique=True)
    public_key = models.TextField()
    transports = models.CharField(max_length=100)
    created_at = models.BigIntegerField()
    used_at = models.BigIntegerField(null=True)

    class Meta:
        db_table = "user_factor"

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class UserRecoveryCode(models.Model):
    """The hash of a recovery code that was not used yet."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    code_hash = models.CharField(max_length=64)

    class Meta:
        db_table = "user_recovery_code"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "code_hash"], name="user_recovery_code_user_id_code_hash_key"
            ),
        ]

    def __str__(self) -> str:
        return f"recovery code {self.pk}"
