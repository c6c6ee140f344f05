# Owned by the template: extend, do not edit.
"""Users and their passwords (ASVS 6)."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from contextlib import closing

import pytest

from . import expect
from .conftest import Make
from .driver import Inside, User, counted, new_user

REFUSED = {
    "empty": "",
    "short": "Tisch 7xq9Z",
    "too long": "Birke und Fels 71 " * 15,
    "common": "password1234",
    "common, long": "passwordpassword",
    "keyboard": "qwertyuiop12",
    "one letter": "a" * 20,
    "row of numbers": "123456789012",
    "user name": "USER NAME im Garten 77",
    "user name, other case": "user name im Garten 77",
}
ACCEPTED = {
    "only small letters": "krautwickelmondlicht",
    "only numbers": "8305917264459",
    "with spaces": "  Birke  und  Fels  ",
    "shortest": "vK7-qPz2&mXw",
    "longest": "Birke und Fels 71 "[:16] * 16,
    "other scripts": "\u65e5\u672c\u8a9e\u306e\u9577\u3044\u5408\u8a00\u8449\u3067\u3059\u3088",
    "symbols": "\u2603\U0001f600 <script>&'\"; -- %s",
}
NEXT = "Vierzehn alte Birken rauschen"
NO_NAMES = ["", " ", "a\nb", "a\0b", "a\x1bb", "a" * 101, "\ufdfa" * 6]
UNSEEN = [
    "admin\u200b",
    "\u200d",
    "ad\u00admin",
    "\ufeffadmin",
    "\u202enimda",
    "\u2066admin",
    "admin\ufe0f",
    "ad\u034fmin",
    "\U000e0061dmin",
    "\u3164",
    "\uffa0",
    "\u2800",
    "ad  min",
    "ad\u00a0 min",
    "ad\u2028min",
    "\ue000",
    "\u0378",
]
"""Names with what nobody sees, and that so look like another's, or like none."""
SEEN = [
    "Ada Lovelace",
    "o'hara-9_x@example.com",
    "\u7528\u6237",
    "\u0645\u062d\u0645\u062f",
    "Zo\u00eb",
    "Zoe\u0308",
    "\u0939\u093f\u0928\u094d\u0926\u0940",
    "\U0001f600",
]


def hashes(inside: Inside) -> list[str]:
    """Return all hashes in the database, whatever its tables are called."""
    with closing(sqlite3.connect(inside.files.database)) as database:
        dump = "\n".join(database.iterdump())
    return re.findall(r"\$argon2[^']+", dump)


@pytest.mark.contract("ACC-1")
@pytest.mark.parametrize("password", REFUSED.values(), ids=REFUSED.keys())
def test_passwords_that_are_refused(inside: Inside, password: str) -> None:
    user = new_user().name
    password = password.replace("USER NAME", user.upper()).replace("user name", user)
    result = inside.cli("user", "add", user, typed=f"{password}\n")
    assert result.exit_code != 0
    assert len(result.output.splitlines()) == 2
    assert not password or password not in result.output
    assert inside.visitor().login(user, password).status_code in {401, 422}


@pytest.mark.contract("ACC-1")
@pytest.mark.parametrize("password", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_passwords_of_every_kind_are_accepted(inside: Inside, password: str) -> None:
    user = User(new_user().name, password)
    assert inside.cli("user", "add", user.name, typed=f"{password}\n").exit_code == 0
    assert inside.visitor().login(user.name, password).status_code == 303
    assert inside.visitor().login(user.name, password.strip()[:-1]).status_code == 401
    assert inside.visitor().login(user.name, password + " ").status_code == 401


@pytest.mark.contract("ACC-1")
def test_password_is_not_cut(inside: Inside) -> None:
    user = inside.add_user("", ACCEPTED["longest"])
    wrong = user.password[:-1] + "x"
    assert inside.visitor().login(user.name, wrong).status_code == 401


@pytest.mark.contract("ACC-1")
def test_password_means_the_same_however_it_is_typed(inside: Inside) -> None:
    password = "Stra\u00dfe nach K\u00f6ln \u00e9\u00e8"
    user = inside.add_user("", unicodedata.normalize("NFD", password))
    for form in ("NFC", "NFD"):
        typed = unicodedata.normalize(form, password)
        assert inside.visitor().login(user.name, typed).status_code == 303


@pytest.mark.contract("ACC-1")
def test_password_is_never_an_argument(inside: Inside) -> None:
    user = new_user()
    result = inside.cli("user", "add", user.name, user.password, typed=f"{user.password}\n")
    assert result.exit_code == 2
    result = inside.cli("user", "add", user.name, "--password", user.password)
    assert result.exit_code == 2
    assert inside.visitor().login(user.name, user.password).status_code == 401


@pytest.mark.contract("ACC-1")
def test_user_is_added_once(inside: Inside) -> None:
    user = inside.add_user()
    for name in (user.name, user.name.upper(), f" {user.name} "):
        result = inside.cli("user", "add", name, typed=f"{NEXT}\n")
        assert result.exit_code == 1
    assert inside.visitor().login(user.name, NEXT).status_code == 401
    assert inside.visitor().login(user.name, user.password).status_code == 303


@pytest.mark.contract("ACC-1")
@pytest.mark.parametrize("name", [*NO_NAMES, *UNSEEN])
def test_user_names_that_are_refused(inside: Inside, name: str) -> None:
    result = inside.cli("user", "add", name, typed=f"{NEXT}\n")
    assert result.exit_code == 1
    assert not isinstance(result.exception, ValueError)
    assert NEXT not in result.output


@pytest.mark.contract("ACC-1")
@pytest.mark.parametrize("name", SEEN)
def test_user_names_of_the_world_are_taken(make: Make, name: str) -> None:
    inside = make()
    assert inside.cli("user", "add", name, typed=f"{NEXT}\n").exit_code == 0
    for form in ("NFC", "NFD", "NFKC"):
        typed = unicodedata.normalize(form, name)
        assert inside.visitor().login(typed.upper(), NEXT).status_code == 303


@pytest.mark.contract("ACC-1")
def test_no_account_is_there_by_default(make: Make) -> None:
    inside = make()
    assert hashes(inside) == []
    for name in ("admin", "root", "test", "user", "administrator"):
        for password in ("", name, "admin", "password"):
            assert inside.visitor().login(name, password).status_code in {401, 422}


@pytest.mark.contract("ACC-1")
@pytest.mark.contract("THR-8")
@pytest.mark.usefixtures("real_cost")
def test_hashes_are_argon2id_at_the_cost_that_owasp_names(make: Make) -> None:
    inside = make(exceptions={"passwords.memory-kib": 19456, "passwords.time-cost": 2})
    inside.add_user()
    (stored,) = hashes(inside)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.contract("ACC-2")
def test_change_needs_the_old_password(inside: Inside) -> None:
    user = inside.add_user()
    browser = inside.login(user)
    for current in ("", "certainly not the password", user.password.upper()):
        answer = browser.post("/account/password", current_password=current, new_password=NEXT)
        assert answer.status_code == 422
        expect.headers(answer)
        assert NEXT not in answer.text
    assert browser.logged_in()
    assert inside.visitor().login(user.name, NEXT).status_code == 401
    assert inside.visitor().login(user.name, user.password).status_code == 303


@pytest.mark.contract("ACC-2")
@pytest.mark.parametrize("name", ["short", "too long", "common", "user name"])
def test_change_refuses_what_the_command_line_refuses(inside: Inside, name: str) -> None:
    user = inside.add_user()
    browser = inside.login(user)
    new = REFUSED[name].replace("USER NAME", user.name)
    answer = browser.post("/account/password", current_password=user.password, new_password=new)
    assert answer.status_code == 422
    assert inside.visitor().login(user.name, user.password).status_code == 303


@pytest.mark.contract("ACC-2")
def test_change_counts_in_the_throttle(inside: Inside) -> None:
    user = inside.add_user()
    browser = inside.login(user)
    fields = {"current_password": "certainly not the password", "new_password": NEXT}
    with counted() as verifications:
        for _ in range(inside.policy.throttle.pair.limit):
            assert browser.post("/account/password", **fields).status_code == 422
        expect.error(browser.post("/account/password", **fields), 429)
        fields["current_password"] = user.password
        expect.error(browser.post("/account/password", **fields), 429)
        expect.error(inside.visitor(browser.address).login(user.name, user.password), 429)
    assert verifications.number == inside.policy.throttle.pair.limit
    assert inside.visitor().login(user.name, user.password).status_code == 303


@pytest.mark.contract("ACC-2")
def test_change_needs_a_login(inside: Inside) -> None:
    answer = inside.visitor().post("/account/password", current_password="a", new_password=NEXT)
    assert answer.status_code in {303, 401}


@pytest.mark.contract("ACC-2")
@pytest.mark.usefixtures("real_cost")
def test_hash_is_renewed_at_login_when_the_cost_has_changed(make: Make) -> None:
    inside = make()
    user = inside.add_user()
    (before,) = hashes(inside)
    costly = make(inside, exceptions={"passwords.memory-kib": 9216, "passwords.time-cost": 2})
    wrong = User(user.name, "certainly not the password")
    assert costly.visitor().login(wrong.name, wrong.password).status_code == 401
    assert hashes(inside) == [before]
    costly.login(user)
    (after,) = hashes(inside)
    assert "m=9216,t=2" in after
    costly.login(user)
    assert hashes(inside) == [after]
    browser = inside.login(user)
    # The change itself finds a hash of another cost, which is not a change by somebody else.
    browser.service = costly
    answer = browser.post("/account/password", current_password=user.password, new_password=NEXT)
    assert answer.status_code == 303
