"""https://docs.litestar.dev/latest/usage/plugins/problem_details.html."""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.plugins.problem_details import (
    ProblemDetailsConfig,
    ProblemDetailsException,
    ProblemDetailsPlugin,
)


@get("/purchase", exclude_from_auth=True, sync_to_thread=False)
def purchase() -> None:
    raise ProblemDetailsException(
        type_="https://example.com/probs/out-of-credit",
        title="You do not have enough credit.",
        detail="Your current balance is 30, but that costs 50.",
        extra={"balance": 30},
        status_code=403,
    )


PART: dict[str, Any] = {
    "plugins": [ProblemDetailsPlugin(ProblemDetailsConfig(enable_for_all_http_exceptions=True))],
    "route_handlers": [purchase],
}
