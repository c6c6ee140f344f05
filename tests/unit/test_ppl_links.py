"""Links are used once, whatever else would stop the second use (PPL-2)."""

from __future__ import annotations

from importlib import import_module

import pytest

from my_service.app.users import open_users

from ..driver import NOW, Inside
from ..process import scope

links = pytest.importorskip("my_service.security.mail.links", reason="of services with mail")
database = import_module("my_service.adapter.mail_database")


@pytest.mark.contract("PPL-2")
def test_a_link_is_taken_once(inside: Inside) -> None:
    url = inside.files.settings().database_url
    with scope(url):
        found = links.Links(database.transactions(open_users(url)), lambda: NOW)
        token = found.make("reset", 60, message="1", address="a@example.com", data={"name": "a"})
        assert [found.take(links.digest_of(token)) for _ in range(3)] == [True, False, False]


@pytest.mark.contract("PPL-2")
def test_what_ends_links_of_a_user_leaves_others(inside: Inside) -> None:
    url = inside.files.settings().database_url
    with scope(url):
        found = links.Links(database.transactions(open_users(url)), lambda: NOW)
        tokens = {
            user: found.make("reset", 60, message=user, user=user, address="a", data={})
            for user in ("one", "two", "")
        }
        found.end_of_user("one")
        taken = {user: found.take(links.digest_of(token)) for user, token in tokens.items()}
    assert taken == {"one": False, "two": True, "": True}
