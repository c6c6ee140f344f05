# Owned by the template: extend, do not edit.
"""Second factors in the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from ..security.accounts import Account
from ..security.factors import Factor, read_row
from .database import answering
from .models import UserFactor, UserRecoveryCode


@contextmanager
def _alone(user_id: str) -> Iterator[None]:
    """Begin a transaction that has the user's factors and codes to itself."""
    with answering(), transaction.atomic():
        # PostgreSQL: until the end nobody else is here for the user, nor adds a row of theirs.
        # SQLite has one writer at a time.
        get_user_model()._default_manager.select_for_update().filter(pk=user_id).first()
        yield


class DjangoFactors:
    """The second factors of Django's users, by the methods of `FactorStore`."""

    def account_of(self, user_id: str) -> Account | None:
        with answering():
            user = get_user_model()._default_manager.filter(pk=user_id, is_active=True).first()
        return Account(str(user.pk), user.get_username(), user.password) if user else None

    def factors_of(self, user_id: str) -> Sequence[Factor]:
        with answering():
            found = UserFactor.objects.filter(user_id=user_id).order_by("created_at", "id")
            return [read_row(each) for each in found]

    def passkey(self, credential: str) -> Factor | None:
        with answering():
            found = UserFactor.objects.filter(credential=credential).first()
        return read_row(found) if found else None

    def add_factor(self, factor: Factor) -> bool:
        try:
            with answering(), transaction.atomic():
                UserFactor.objects.create(
                    id=factor.id,
                    user_id=factor.user,
                    kind=str(factor.kind),
                    name=factor.name,
                    secret=factor.secret,
                    counter=factor.counter,
                    credential=factor.credential,
                    public_key=factor.public_key,
                    transports=factor.transports,
                    created_at=factor.created,
                )
        except IntegrityError:
            return False
        return True

    def rename_factor(self, user_id: str, factor_id: str, name: str) -> bool:
        with answering():
            mine = UserFactor.objects.filter(user_id=user_id, pk=factor_id)
            return mine.update(name=name) == 1

    def remove_factor(self, user_id: str, factor_id: str, *, last: bool) -> bool:
        with _alone(user_id):
            mine = UserFactor.objects.filter(user_id=user_id)
            others = mine.exclude(pk=factor_id).exists()
            if not (others or last):
                return False
            removed, _ = mine.filter(pk=factor_id).delete()
            if removed and not others:
                UserRecoveryCode.objects.filter(user_id=user_id).delete()
        return removed == 1

    def use_factor(
        self, factor_id: str, *, before: int, counter: int, secret: str, at: int
    ) -> bool:
        with answering():
            unused = UserFactor.objects.filter(pk=factor_id, counter=before)
            return unused.update(counter=counter, secret=secret, used_at=at) == 1

    def replace_codes(self, user_id: str, hashes: Sequence[str]) -> None:
        made = [UserRecoveryCode(user_id=user_id, code_hash=each) for each in hashes]
        with _alone(user_id):
            UserRecoveryCode.objects.filter(user_id=user_id).delete()
            UserRecoveryCode.objects.bulk_create(made)

    def use_code(self, user_id: str, code_hash: str) -> bool:
        with answering():
            mine = UserRecoveryCode.objects.filter(user_id=user_id, code_hash=code_hash)
            # Not `delete()`: it may read first, and two at once would both find it.
            return mine._raw_delete(mine.db) == 1

    def count_codes(self, user_id: str) -> int:
        with answering():
            return UserRecoveryCode.objects.filter(user_id=user_id).count()

    def remove_factors(self, user_id: str) -> int:
        with answering(), transaction.atomic():
            UserRecoveryCode.objects.filter(user_id=user_id).delete()
            removed, _ = UserFactor.objects.filter(user_id=user_id).delete()
        return removed

    def factor_kinds(self) -> Mapping[str, Sequence[str]]:
        kinds: dict[str, list[str]] = {}
        with answering():
            pairs = UserFactor.objects.order_by("kind").values_list("user_id", "kind").distinct()
            for user_id, kind in pairs:
                kinds.setdefault(str(user_id), []).append(kind)
        return kinds
