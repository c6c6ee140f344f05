# Owned by the template: extend, do not edit.
"""The Express guide "Production best practices: security", item by item, for this service."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Literal

from .policy import Policy

_LADDER_END = 63072000


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the report."""

    id: str
    title: str
    state: Literal["ok", "warn", "fail"]
    evidence: str
    """The settings and contract ids behind the state."""
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the item for `--json`."""
        return asdict(self)

    def as_text(self) -> str:
        """Return the item as a line of the table, the remedy on one of its own."""
        line = f"{self.state:4}  {self.id}  {self.title}  [{self.evidence}]"
        return f"{line}\n      -> {self.remedy}" if self.remedy else line


def run(policy: Policy, problems: list[str], *, today: date) -> list[Item]:
    """Judge policy and environment; `problems` are those of `config`."""
    hsts = policy.headers.hsts.max_age
    omitted = ", ".join(policy.headers.dangerously_omit)
    report_only = policy.csp.dangerously_report_only
    items = [
        Item("PS001", "Environment", "fail" if problems else "ok", "CFG-1", "; ".join(problems)),
        Item(
            "PS002",
            "Use TLS",
            "ok" if hsts == _LADDER_END else "warn",
            f"headers.hsts.max-age = {hsts}, HDR-2, TLS-1",
            "" if hsts == _LADDER_END else "climb the ladder: 300, 604800, then 63072000",
        ),
        Item("PS003", "Do not trust user input", "ok", "INP-1 to INP-4, CSR-1"),
        Item(
            "PS004",
            "Prevent open redirects",
            "ok",
            f"service.redirect-hosts = {list(policy.service.redirect_hosts)}, RED-1 to RED-3",
        ),
        Item(
            "PS005",
            "Use Helmet: security headers",
            "fail" if omitted else "warn" if report_only else "ok",
            f"{len(policy.headers.values) + 3} headers, HDR-1 to HDR-5",
            f"headers.dangerously-omit: send {omitted} again"
            if omitted
            else "csp.dangerously-report-only: enforce the policy"
            if report_only
            else "",
        ),
        Item("PS006", "Reduce fingerprinting", "ok", "headers.allowed, FPR-1 to FPR-4"),
        Item(
            "PS007",
            "Use cookies securely",
            "warn" if policy.cookies.domain else "ok",
            f"cookies.session-name = {policy.cookies.session_name}, SES-1 to SES-9",
            "cookies.domain: empty it, so that siblings cannot read the cookie"
            if policy.cookies.domain
            else "",
        ),
        Item(
            "PS008",
            "Prevent brute-force attacks",
            "ok",
            f"throttle.pair.limit = {policy.throttle.pair.limit},"
            f" throttle.address.limit = {policy.throttle.address.limit}, THR-1 to THR-8",
        ),
    ]
    for each in policy.exceptions:
        expired = each.expires < today
        items.append(
            Item(
                "PS100",
                f"Exception {each.setting} = {each.value!r}",
                "fail" if expired else "warn",
                f"policy.toml, {each.owner}, until {each.expires}: {each.reason}",
                f"expired: remove it from policy.toml or have {each.owner} renew it"
                if expired
                else "",
            )
        )
    return items
