"""What a FastAPI developer expects of FastAPI, with the policy around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from typing_extensions import override

from my_service.app import main

from .. import expect
from ..conftest import Make
from ..driver import Files, Inside
from .stage import Stage


class Answering(Stage):
    """The stage, with a page of its own about a crash."""

    @override
    def build(self, settings: Any) -> Any:
        app: FastAPI = super().build(settings)

        @app.exception_handler(500)
        async def crashed(_: Request, __: Exception) -> JSONResponse:
            return JSONResponse({"sorry": True}, 500)

        return app


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Inside]:
    with closing(Answering(Files(tmp_path))) as service:
        yield service


@pytest.mark.contract("BND-2")
def test_page_about_a_crash_may_be_the_applications(
    answering: Inside, caplog: pytest.LogCaptureFixture
) -> None:
    answer = answering.visitor().get("/stage/crash")
    assert (answer.status_code, answer.json()) == (500, {"sorry": True})
    expect.headers(answer)
    assert "sys_crash" in caplog.text
    # What went wrong is known: not the application's to say.
    expect.error(answering.visitor().get("/stage/problem?status=503"), 503)


@pytest.mark.contract("FPR-4")
def test_debug_mode_is_refused_in_production(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "FastAPI", partial(FastAPI, debug=True))
    with pytest.raises(ValueError, match="debug=True of the application"):
        make()
