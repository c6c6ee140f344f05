"""One spelling of a name, also where the application itself stores users (ACC-1)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from my_service.app.users import open_users
from my_service.security.people import People

from ..driver import Inside, new_user
from ..process import scope

pytest.importorskip("my_service.adapter.users", reason="Django has `create_user`")


@pytest.mark.contract("ACC-1")
@pytest.mark.parametrize("spelling", [str.upper, str.title, lambda name: f" {name}\u00a0"])
def test_user_by_code_is_found_and_looked_after(
    inside: Inside, spelling: Callable[[str], str]
) -> None:
    """As of another service, which has its own ways to write names."""
    name, url = new_user().name, inside.files.settings().database_url
    with scope(url):
        people = open_users(url)
        assert isinstance(people, People)
        people.add(spelling(name), "!")
        account, person = people.find(spelling(name)), people.get(name.title())
        assert account
        assert person
        assert account.name == person.name == name
        with pytest.raises(ValueError, match="already"):
            people.add(name.upper(), "!")
        assert people.find(name)
        assert inside.cli("user", "disable", name.upper()).exit_code == 0
        assert people.find(name) is None
