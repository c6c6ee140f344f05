"""Users."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from ..adapter import normalise_username


def new_id() -> str:
    """Return an id that tells neither how many there are nor what the next one is."""
    return secrets.token_hex(8)


class UserManager(BaseUserManager["User"]):
    """Creates users."""

    def create_user(
        self, username: str, email: str | None = None, password: str | None = None, **fields: Any
    ) -> User:
        """Store a new user."""
        user = self.model(username=username, email=email or None, **fields)
        user.clean()
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(
        self, username: str, email: str | None = None, password: str | None = None, **fields: Any
    ) -> User:
        """Store a new user who may do everything."""
        fields |= {"is_staff": True, "is_superuser": True}
        return self.create_user(username, email, password, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who may log in."""

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    username = models.CharField(max_length=100, unique=True)
    email = models.EmailField("e-mail", blank=True, null=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("email"),
                name="app_user_email_key",
                violation_error_message="There is a user with this e-mail address already.",
            ),
        ]

    def clean(self) -> None:
        """Keep one spelling of the name, and None for no address: empty ones would be equal."""
        super().clean()
        self.email = self.email or None

    @classmethod
    def normalize_username(cls, username: str | None) -> str:
        """Return one form of all spellings; a form has None where it has refused the name."""
        return normalise_username(username or "")
