"""Yours: tests of what the application does. `tests/contract` tests what the policy does."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from ..contract.driver import Files, Inside


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """The service in this process, with files of its own and a clock that stands still."""
    with closing(Inside(Files(tmp_path_factory.mktemp("service")))) as service:
        yield service


def test_note_is_on_the_page_of_its_owner_alone(service: Inside) -> None:
    ada, bob = service.member(), service.member()
    assert ada.post("/notes", title="Milk", body="Two litres").status_code == 303
    assert "Two litres" in ada.get("/notes").text
    assert "Two litres" not in bob.get("/notes").text
