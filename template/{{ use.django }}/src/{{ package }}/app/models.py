"""Users."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models

from ..adapter import normalise_username


def new_id() -> str:
    """Return an id that tells neither how many there are nor what the next one is."""
    return secrets.token_hex(8)


class UserManager(BaseUserManager["User"]):
    """Creates users."""

    def create_user(self, username: str, password: str | None = None, **fields: Any) -> User:
        """Store a new user."""
        user = self.model(username=username, **fields)
        user.clean()
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> User:
        """Store a new user who may do everything."""
        return self.create_user(username, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who may log in."""

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    username = models.CharField(max_length=100, unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    # When somebody was here last is known to the sessions; a write at each login saves nothing.
    last_login = None

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """Return one form of all spellings."""
        return normalise_username(username)
