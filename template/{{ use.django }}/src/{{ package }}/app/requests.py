"""Requests, for the types alone."""

from __future__ import annotations

from django.http import HttpRequest

from .models import User


class MemberRequest(HttpRequest):
    """A request of somebody who is logged in: of every view without `@login_not_required`."""

    user: User
