"""Two requests of one session that write at once: what the words to developers promise."""

from __future__ import annotations

import json
from unittest import mock

import pytest

from my_service.security.stores import SessionRow
from my_service.security.stores.sqlite import SqliteStore

from ..driver import COOKIE_SESSIONS, Inside


@pytest.mark.contract("SES-12")
@pytest.mark.skipif(COOKIE_SESSIONS, reason="the browser has the content: the later answer's")
@pytest.mark.parametrize("request_of_the_view", ["writes", "reads"])
def test_later_content_wins_as_a_whole(stage: Inside, request_of_the_view: str) -> None:
    """Nobody is signed out, nothing is a mix of both, and a reader takes nothing back."""
    real = SqliteStore.get
    waiting = [{"other": "2"}]

    def get(self: SqliteStore, id_hash: str) -> SessionRow | None:
        row = real(self, id_hash)
        if row and waiting:
            # Another request of the session ends, after this one has read and before it writes.
            content = json.loads(row.data) | waiting.pop()
            assert self.update(id_hash, seen=row.seen, data=json.dumps(content))
        return row

    member = stage.member()
    assert member.post("/stage/session/set?key=first&value=1").status_code == 200
    with mock.patch.object(SqliteStore, "get", get):
        if request_of_the_view == "writes":
            assert member.post("/stage/session/set?key=mine&value=3").status_code == 200
        else:
            assert "other" not in member.get("/stage/session").json()
        assert not waiting
    later = {"mine": "3"} if request_of_the_view == "writes" else {"other": "2"}
    found = member.get("/stage/session").json()
    keys = {"first", "mine", "other"} & found.keys()
    assert {key: found[key] for key in keys} == {"first": "1"} | later
    assert member.logged_in()
