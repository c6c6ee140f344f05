"""Users, as the command line finds them: those of `settings.AUTH_USER_MODEL`."""

from __future__ import annotations

from ..adapter import open_users

__all__ = ["open_users"]
