# Owned by the template: extend, do not edit.
"""Changes of how somebody logs in are told by mail, to the address of then (PPL-5, ASVS 6.3.7)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from .conftest import Make
from .driver import User
from .mails import Postbox
from .test_ppl_factors import enrol, factors
from .test_ppl_mail import NEXT, asked, opened, used

NOTICES = {
    "password": "password",
    "added": "factor was added",
    "removed": "factor was removed",
    "codes": "recovery codes",
    "address": "address",
}


@pytest.fixture
def post(make: Make) -> Postbox:
    """A service of its own, with a clock, and its mails."""
    return Postbox(make())


def told(post: Postbox, address: str) -> list[str]:
    """Return which changes the mails of now tell an address, and nobody else."""
    mails = post.run()
    assert {mail["To"] for mail in mails} <= {address}
    return sorted(
        what for mail in mails for what, words in NOTICES.items() if words in str(mail["Subject"])
    )


@pytest.mark.contract("PPL-5")
def test_a_change_of_password_is_told(post: Postbox) -> None:
    user, address = post.add_user()
    member = post.service.login(user)
    answer = member.post("/account/password", current_password=user.password, new_password="short")
    assert answer.status_code == 422
    assert told(post, address) == []
    now = datetime.fromtimestamp(post.service.clock.now, UTC)
    answer = member.post("/account/password", current_password=user.password, new_password=NEXT)
    assert answer.status_code == 303
    (mail,) = post.run()
    assert mail["To"] == address
    assert "password" in mail["Subject"]
    assert user.name in mail.get_content()
    assert f"since {now:%Y-%m-%d %H:%M} UTC" in mail.get_content()


@pytest.mark.contract("PPL-5")
def test_a_new_password_by_mail_is_told(post: Postbox) -> None:
    _, address = post.add_user()
    assert used(opened(post.service, asked(post, address))).status_code == 303
    assert told(post, address) == ["password"]


@pytest.mark.contract("PPL-5")
def test_changes_of_factors_are_told(post: Postbox) -> None:
    user, address = post.add_user()
    member = post.service.login(user)
    enrol(post.service, member)
    # The recovery codes that come with the first one are no news of their own.
    assert told(post, address) == ["added"]
    assert member.post("/account/factors/codes").status_code == 200
    assert told(post, address) == ["codes"]
    (factor,) = factors(member)
    assert member.post("/account/factors/remove", factor=factor).status_code == 303
    assert told(post, address) == ["removed"]
    assert member.post("/account/factors/remove", factor=factor).status_code == 404
    assert told(post, address) == []


@pytest.mark.contract("PPL-5")
@pytest.mark.contract("PPL-1")
def test_what_an_operator_changes_is_told(post: Postbox) -> None:
    user, address = post.add_user()
    enrol(post.service, post.service.login(user))
    post.run()
    unlock = ("user", "unlock", "--lost-factors", user.name)
    assert post.service.cli(*unlock).exit_code == 0
    assert told(post, address) == ["removed"]
    assert post.service.cli(*unlock).exit_code == 0
    assert told(post, address) == []
    assert post.service.cli("user", "password", user.name, typed=NEXT).exit_code == 0
    assert told(post, address) == ["password"]
    for new in (address, f"new-{address}", ""):
        assert post.service.cli("user", "email", user.name, new).exit_code == 0
        assert told(post, address if new else f"new-{address}") == ["address"] * (new != address)


@pytest.mark.contract("PPL-5")
def test_the_address_of_then_is_told(post: Postbox) -> None:
    """Who has stolen a session and a password takes the address as well, at once."""
    user, old = post.add_user()
    member = post.service.login(user)
    answer = member.post("/account/password", current_password=user.password, new_password=NEXT)
    assert answer.status_code == 303
    new = f"new-{old}"
    assert post.service.cli("user", "email", user.name, new).exit_code == 0
    assert told(post, old) == ["address", "password"]


@pytest.mark.contract("PPL-5")
def test_nobody_keeps_a_notice_away_by_asking_for_mails(post: Postbox) -> None:
    user, address = post.add_user()
    limit = post.service.policy.throttle.pair.limit
    for _ in range(limit + 1):
        post.service.visitor().post("/forgot", email=address)
    assert len(post.run()) == limit
    member = post.service.login(user)
    answer = member.post("/account/password", current_password=user.password, new_password=NEXT)
    assert answer.status_code == 303
    assert told(post, address) == ["password"]


@pytest.mark.contract("PPL-5")
def test_who_has_no_address_is_told_nothing(post: Postbox) -> None:
    user = post.service.add_user()
    member = post.service.login(user)
    answer = member.post("/account/password", current_password=user.password, new_password=NEXT)
    assert answer.status_code == 303
    assert post.run() == []
    assert post.service.login(User(user.name, NEXT)).logged_in()
