# Owned by the template: extend, do not edit.
"""The Express guide "Production best practices: security", item by item, for this service.

The evidence of an item is the settings behind it and the contract ids of the tests that prove it
(markers in `tests/contract/`); docs/guide-coverage.md names files and tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Literal

from ..security.policy import Advisory, Deviation, Policy
from .end_of_life import Versions, judge

_LADDER = {
    300: "once all subdomains have answered over https for a day, 604800",
    604800: "once that has held for two weeks, 63072000",
}
"""The next step of HSTS, and when to take it: what browsers remember, nobody takes back."""
State = Literal["ok", "warn", "fail"]
_WORST_FIRST: tuple[State, ...] = ("fail", "warn", "ok")


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the report."""

    id: str
    title: str
    state: State
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


def run(
    policy: Policy,
    problems: list[str],
    *,
    today: date,
    versions: Versions | None,
    unencrypted: Sequence[str] = (),
    unhashed: Sequence[str] = (),
    facts: Sequence[tuple[str, str]] = (),
    template: str = "",
    affecting: Sequence[str] = (),
) -> list[Item]:
    """Judge policy, environment and lock.

    `problems` are those of `config`, `unencrypted` the hosts that it lets pass; `versions` and
    `unhashed` are those of `end_of_life`, the first None without a lock; `facts` those of `routes`;
    `template` is the template's version, `affecting` the ids of what is known against it.
    """
    throttle, redirects = policy.throttle, list(policy.service.redirect_hosts)
    items = [
        _environment(problems, unencrypted),
        _versions(policy, versions, today, template, affecting),
        _tls(policy),
        Item("PS004", "Do not trust user input", "ok", "INP-1 to INP-4, CSR-1"),
        Item(
            "PS005",
            "Prevent open redirects",
            "ok",
            f"service.redirect-hosts = {redirects}, RED-1 to RED-4",
        ),
        _headers(policy),
        Item("PS007", "Reduce fingerprinting", "ok", "headers.allowed, FPR-1 to FPR-4"),
        _cookies(policy),
        Item(
            "PS009",
            "Prevent brute-force attacks",
            "ok",
            f"throttle.pair.limit = {throttle.pair.limit},"
            f" throttle.address.limit = {throttle.address.limit}, THR-1 to THR-10",
        ),
        _dependencies(policy, versions, unhashed, today),
        Item("PS011", "Avoid other known vulnerabilities", "ok", "CSR-1, CSR-2, ACC-1, ACC-2"),
        Item("PS012", "Escape output, run no command from input", "ok", "INP-3, DEP-4: ruff S"),
        Item("PS013", "SQL only by parameters", "ok", "INP-3, DEP-4: ruff S608"),
        Item("PS014", "Regular expressions that cost little", "ok", "DEP-4: test_dep_patterns.py"),
        _routes(policy, facts),
    ]
    items += [_exception(each, today) for each in policy.exceptions]
    return items + [_exception(each, today) for each in policy.advisory_exceptions]


def _environment(problems: list[str], unencrypted: Sequence[str]) -> Item:
    state: State = "fail" if problems else "warn" if unencrypted else "ok"
    remedy = "; ".join(problems)
    if state == "warn":
        hosts = ", ".join(unencrypted)
        remedy = f"APP_DANGEROUSLY_UNENCRYPTED_HOSTS: keep others off the way to {hosts}"
    return Item("PS001", "Environment", state, "CFG-1", remedy)


def _versions(
    policy: Policy,
    versions: Versions | None,
    today: date,
    template: str,
    affecting: Sequence[str],
) -> Item:
    title = "Don't use deprecated or vulnerable versions"
    if affecting:
        told = f"template {template}: {', '.join(affecting)}, DEP-1"
        return Item("PS002", title, "fail", told, "run hooks/update")
    if versions is None:
        return Item("PS002", title, "warn", "DEP-2", "there is no uv.lock here; run uv lock")
    lines = list(judge(policy.supported, versions, today))
    state = next(each for each in _WORST_FIRST if each in {"ok", *(line.state for line in lines)})
    remedy = "; ".join(each.remedy for each in lines if each.remedy)
    texts = [*([f"template {template}"] if template else []), *(each.text for each in lines)]
    return Item("PS002", title, state, f"{', '.join(texts)}, DEP-2", remedy)


def _tls(policy: Policy) -> Item:
    seconds = policy.headers.hsts.max_age
    step = _LADDER.get(seconds)
    return Item(
        "PS003",
        "Use TLS",
        "warn" if step else "ok",
        f"headers.hsts.max-age = {seconds}, HDR-2, PRX-1",
        f"climb the ladder in policy.toml, [service] hsts-max-age: {step}" if step else "",
    )


def _headers(policy: Policy) -> Item:
    omitted = ", ".join(policy.headers.dangerously_omit)
    report_only = policy.csp.dangerously_report_only
    return Item(
        "PS006",
        "Use Helmet: security headers",
        "fail" if omitted else "warn" if report_only else "ok",
        f"{len(policy.headers.values) + 3} headers, HDR-1 to HDR-5",
        f"headers.dangerously-omit: send {omitted} again"
        if omitted
        else "csp.dangerously-report-only: enforce the policy"
        if report_only
        else "",
    )


def _cookies(policy: Policy) -> Item:
    shared = policy.cookies.domain
    return Item(
        "PS008",
        "Use cookies securely",
        "warn" if shared else "ok",
        f"cookies.session-name = {policy.cookies.session_name}, SES-1 to SES-12",
        "cookies.domain: empty it, so that siblings cannot read the cookie" if shared else "",
    )


def _routes(policy: Policy, facts: Sequence[tuple[str, str]]) -> Item:
    states = {state for state, _ in facts}
    return Item(
        "PS015",
        "Open one thing for one path, and keep the rest",
        "fail" if "fail" in states else "warn" if states else "ok",
        f"{len(policy.routes)} [[route]] in policy.toml, RTE-1 to RTE-6",
        "; ".join(said for _, said in facts),
    )


def _dependencies(
    policy: Policy, versions: Versions | None, unhashed: Sequence[str], today: date
) -> Item:
    title = "Ensure your dependencies are secure"
    expired = [each.id for each in policy.advisory_exceptions if each.expires < today]
    hashed = len(versions or ()) - len(unhashed)
    evidence = f"uv.lock: {hashed} names with hashes, audit, DEP-1"
    faults = []
    if expired:
        faults.append(f"the exceptions for {', '.join(expired)} have expired: run audit")
    if unhashed:
        names = ", ".join(unhashed)
        faults.append(f"uv.lock has no hash of {names}: take it from an index that tells hashes")
    if faults:
        return Item("PS010", title, "fail", evidence, "; ".join(faults))
    if versions is None:
        return Item("PS010", title, "warn", "DEP-1", "there is no uv.lock here; run uv lock")
    return Item("PS010", title, "ok", evidence)


def _exception(each: Deviation | Advisory, today: date) -> Item:
    expired = each.expires < today
    setting = isinstance(each, Deviation)
    name = f"{each.setting} = {each.value!r}" if isinstance(each, Deviation) else each.id
    return Item(
        "PS100" if setting else "PS101",
        f"Exception {name}",
        "fail" if expired else "warn",
        f"policy.toml, {each.owner}, until {each.expires}: {each.reason}",
        f"expired: remove it from policy.toml or have {each.owner} renew it"
        if expired
        else f"ends on {each.expires}: mend its cause before",
    )
