# Owned by the template: extend, do not edit.
"""Django's own mails, those of `send_mail` and of packages, by the queue of the service."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction

from ..security.mail.messages import queue
from ..security.mail.sender import WAKE
from .mail_database import transactions


class EmailBackend(BaseEmailBackend):
    """Queues mails in the transaction that is open: sent if it is committed, and only then."""

    def __init__(self, fail_silently: bool = False, **options: Any) -> None:
        """Take what Django gives; of it `fail_silently` alone means something for a queue."""
        super().__init__(**options)
        self._is_silent = fail_silently

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Queue mails for each of their recipients; return how many mails.

        Raises `ValueError` for an address that is none, and for more than 10 MiB; then none is
        queued.
        """
        written = [mail for mail in email_messages if mail.recipients()]
        try:
            with transactions(None)() as execute:
                for mail in written:
                    queue(execute, mail.message(), int(time.time()), mail.recipients())
        except ValueError:
            if self._is_silent:
                return 0
            raise
        transaction.on_commit(WAKE.set)
        return len(written)
