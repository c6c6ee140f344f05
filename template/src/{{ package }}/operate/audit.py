# Owned by the template: extend, do not edit.
"""Audit of the locked dependencies (guide: Ensure your dependencies are secure; ASVS 15.2.1).

`uv audit` asks an OSV service about each package in `uv.lock`, whatever is installed; pip-audit
does where uv is too old for that. Only dated exceptions of `policy.toml` excuse a finding. No
answer is no clean bill: it has an exit code of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from ..security.policy import Advisory
from . import template

CLEAN, FINDINGS, NOT_AUDITED, EXPIRED = 0, 1, 3, 4
"""Exit codes; 2 is a wrong command line."""

PIP_AUDIT = "pip-audit==2.10.1"
_LOCK = "uv.lock"
_ENDED_WELL = (0, 1)
# uv tells no score. Each finding fails the build, so each is "high" where others sort by it.
_SEVERITY = "8.0"
_LEVELS = {"open": "error", "expired": "error", "excepted": "note", "notice": "warning"}


class NotAuditedError(Exception):
    """Raised if there is no answer: service or tool are out of reach, or there is no lock."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One advisory on one locked package."""

    id: str
    names: frozenset[str]
    """The id and its aliases."""
    package: str
    version: str
    summary: str
    fixed: tuple[str, ...]
    """Versions without the vulnerability; none is known where this is empty."""
    notice: bool = False
    """A project's status that is no vulnerability: deprecated, archived (PEP 792)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finding, and what the policy says of it."""

    finding: Finding
    state: Literal["open", "excepted", "expired", "notice"]
    exception: Advisory | None
    path: str
    """How the package came in, from the project to it."""

    @property
    def remedy(self) -> str:
        """What to do, or why nothing."""
        each, fixed = self.exception, ", ".join(self.finding.fixed)
        if self.finding.package == template.NAME and fixed:
            fixed = f"{fixed} by hooks/update"
        if each and self.state == "excepted":
            return f"excepted until {each.expires} by {each.owner}: {each.reason}"
        if each and self.state == "expired":
            return f"the exception expired on {each.expires}: {each.owner} renews or removes it"
        if each:
            return f"the exception was for the time without a fix: take {fixed}"
        if self.state == "notice":
            return "look for another package"
        return f"take {fixed}" if fixed else "no fix is known: leave the package, or except it"


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit found."""

    packages: int
    verdicts: tuple[Verdict, ...]
    expired: tuple[Advisory, ...]
    unused: tuple[Advisory, ...]
    """Exceptions that match no finding."""
    about: str = ""
    """The template's version, and from when its own advisories are."""

    @property
    def code(self) -> int:
        """The exit code."""
        states = {each.state for each in self.verdicts}
        return FINDINGS if "open" in states else EXPIRED if self.expired else CLEAN

    def as_text(self) -> str:
        """Return a table of the findings, the warnings, and the result in one line."""
        rows = [("ADVISORY", "PACKAGE", "FIXED IN", "CAME IN BY")]
        for each in self.verdicts:
            found = each.finding
            fixed = ", ".join(found.fixed) or "-"
            rows.append((found.id, f"{found.package} {found.version}".strip(), fixed, each.path))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = []
        for number, row in enumerate(rows if self.verdicts else []):
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            lines.append("  ".join([*cells, row[-1]]))
            if number:
                verdict = self.verdicts[number - 1]
                lines += [f"  {verdict.finding.summary}", f"  {verdict.state}: {verdict.remedy}"]
        lines += [
            f"warning: the exception for {each.id} matches nothing: remove it from policy.toml"
            for each in self.unused
        ]
        if self.about:
            lines.append(self.about)
        return "\n".join([*lines, f"audit: {self._result()}"])

    def _result(self) -> str:
        count = {state: sum(each.state == state for each in self.verdicts) for state in _LEVELS}
        if self.code == FINDINGS:
            return f"findings: {count['open']} in {self.packages} packages"
        if self.code == EXPIRED:
            return "expired exception: " + ", ".join(each.id for each in self.expired)
        if count["excepted"]:
            return f"only excepted findings: {count['excepted']} in {self.packages} packages"
        return f"clean: nothing known against {self.packages} packages"

    def as_sarif(self) -> dict[str, Any]:
        """Return the findings as SARIF 2.1.0, each at its package in the lock.

        With all that GitHub's code scanning asks for; of the fingerprints it reads this one alone,
        and it must not change with the rest of the lock.
        """
        lines = Path(_LOCK).read_text("utf-8").splitlines()
        results = []
        for each in self.verdicts:
            found = each.finding
            at = f'name = "{found.package}"'
            line = lines.index(at) + 1 if at in lines else 1
            columns = {"startColumn": 1, "endColumn": len(at) + 1}
            where = {
                "artifactLocation": {"uri": _LOCK},
                "region": {"startLine": line, "endLine": line, **columns},
            }
            text = f"{found.package} {found.version}: {found.summary} ({each.path}). {each.remedy}."
            name = f"{found.id}:{found.package}".encode()
            result: dict[str, Any] = {
                "ruleId": found.id,
                "level": _LEVELS[each.state],
                "message": {"text": text},
                "locations": [{"physicalLocation": where}],
                "partialFingerprints": {
                    "primaryLocationLineHash": f"{hashlib.sha256(name).hexdigest()[:16]}:1"
                },
            }
            if each.exception and each.state == "excepted":
                reason = each.exception.reason
                result["suppressions"] = [{"kind": "external", "justification": reason}]
            results.append(result)
        rules = {each.finding.id: _rule(each.finding) for each in self.verdicts}
        tool = {"driver": {"name": "audit", "rules": list(rules.values())}}
        schema = "https://json.schemastore.org/sarif-2.1.0.json"
        return {
            "$schema": schema,
            "version": "2.1.0",
            "runs": [{"tool": tool, "results": results}],
        }


def _rule(found: Finding) -> dict[str, Any]:
    """Return what SARIF says of an advisory apart from the place where it was found."""
    rule: dict[str, Any] = {
        "id": found.id,
        "shortDescription": {"text": found.summary},
        "fullDescription": {"text": f"{found.id} on {found.package}: {found.summary}"},
        "help": {"text": "Upgrade the package, or except the advisory in policy.toml for a time."},
        "properties": {"tags": ["security"]},
    }
    if found.version:  # else it is the status of a project, which has no page
        rule["helpUri"] = f"https://osv.dev/vulnerability/{found.id}"
    if not found.notice:
        rule["properties"]["security-severity"] = _SEVERITY
    return rule


def audit(
    exceptions: Sequence[Advisory], *, today: date, tool: str = "uv", service: str | None = None
) -> Report:
    """Audit `uv.lock` of the current folder, or raise `NotAuditedError`.

    `service` is the address of an OSV service instead of the public one.
    """
    try:
        lock = tomllib.loads(Path(_LOCK).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise NotAuditedError(f"{_LOCK}: {error}; run hooks/verify in the project") from None
    own, about = _of_template()
    findings = own + (_by_uv(service) if tool == "uv" else _by_pip_audit(service))
    paths = _paths(lock)
    verdicts = []
    for found in sorted(findings, key=lambda each: (each.package, each.id)):
        exception = next((each for each in exceptions if each.id in found.names), None)
        state: Literal["open", "excepted", "expired", "notice"] = "open"
        if found.notice:
            state = "notice"
        elif exception and exception.expires < today:
            state = "expired"
        elif exception and not (exception.until_fixed and found.fixed):
            state = "excepted"
        path = paths.get(found.package, "not in the lock")
        if found.package == template.NAME:
            path = "the template"
        verdicts.append(Verdict(found, state, exception, path))
    return Report(
        packages=len(lock.get("package", ())) - 1,
        verdicts=tuple(verdicts),
        expired=tuple(each for each in exceptions if each.expires < today),
        unused=tuple(
            each for each in exceptions if not any(each.id in found.names for found in findings)
        ),
        about=about,
    )


def _of_template() -> tuple[list[Finding], str]:
    """Return what is known against the template's version, and a line on where that is from."""
    advisories, version = template.newest(), template.version()
    place = "its address" if advisories is not None else "the last update: no answer at its address"
    found = [
        Finding(
            id=each.id,
            names=frozenset({each.id}),
            package=template.NAME,
            version=version,
            summary=each.summary,
            fixed=(each.fixed,) if each.fixed else (),
        )
        for each in template.affecting(template.known() if advisories is None else advisories)
    ]
    return found, f"template {version or 'of no version'}: advisories from {place}"


def _paths(lock: dict[str, Any]) -> dict[str, str]:
    """Return the shortest way from the project to each locked package."""
    edges: dict[str, list[tuple[str, str]]] = {}
    roots = []
    for package in lock.get("package", ()):
        groups = {
            "": package.get("dependencies", ()),
            **package.get("optional-dependencies", {}),
            **package.get("dev-dependencies", {}),
        }
        edges.setdefault(package["name"], []).extend(
            (each["name"], f" ({group})" if group and "dev-dependencies" in package else "")
            for group, wanted in groups.items()
            for each in wanted
        )
        if {"editable", "virtual"} & package["source"].keys():
            roots.append(package["name"])
    paths = dict(zip(roots, roots, strict=True))
    waiting = deque(roots)
    while waiting:
        name = waiting.popleft()
        for wanted, note in edges.get(name, ()):
            if wanted not in paths:
                paths[wanted] = f"{paths[name]}{note} > {wanted}"
                waiting.append(wanted)
    return paths


def _find_uv() -> str:
    # The one in the lock comes first: this module knows its options and its output.
    beside = shutil.which("uv", path=str(Path(sys.executable).parent))
    found = beside or os.environ.get("UV") or shutil.which("uv")
    if not found:
        raise NotAuditedError("uv is not there; run hooks/verify in the project")
    return found


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - uv with options of ours, and a service the user chose
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def _answer(done: subprocess.CompletedProcess[str]) -> Any:
    """Return the JSON that a tool printed; any other ending is no answer."""
    try:
        if done.returncode in _ENDED_WELL:
            return json.loads(done.stdout)
    except ValueError:
        pass
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    said = [line.removeprefix("error: ") for line in lines if not line.startswith("warning:")]
    raise NotAuditedError(": ".join(said[-4:]) or f"uv ended with code {done.returncode}")


def _line(text: str | None) -> str:
    """Return a text of others as one line without control characters, which move a cursor."""
    clean = "".join(each if each.isprintable() else " " for each in text or "no summary")
    return clean.strip()[:200]


def _by_uv(service: str | None) -> list[Finding]:
    command = [_find_uv(), "audit", "--frozen", "--no-progress", "--color=never"]
    command += ["--preview-features=audit-command,json-output", "--output-format=json"]
    done = _run(*command, *(["--service-url", service] if service else []))
    if "unrecognized subcommand" in done.stderr:
        return _by_pip_audit(service)
    answer = _answer(done)
    try:
        found = [
            Finding(
                id=each["display_id"],
                names=frozenset({each["id"], each["display_id"], *each["aliases"]}),
                package=each["dependency"]["name"],
                version=each["dependency"]["version"],
                summary=_line(each["summary"]),
                fixed=tuple(each["fix_versions"]),
            )
            for each in answer["vulnerabilities"]
        ]
        for each in answer["adverse_statuses"]:
            name = f"{each['name']}:{each['status']}"
            text = _line(f"the project is {each['status']}: {each['reason'] or 'no reason given'}")
            # Quarantined: the index suspects malware.
            notice = each["status"] != "quarantined"
            found.append(Finding(name, frozenset({name}), each["name"], "", text, (), notice))
    except (KeyError, TypeError) as error:
        raise NotAuditedError(f"uv audit gave an unknown answer: {error!r}") from None
    return found


def _by_pip_audit(service: str | None) -> list[Finding]:
    """Audit an export of the lock; it judges the packages of this platform only."""
    uv = _find_uv()
    with tempfile.TemporaryDirectory() as folder:
        export = str(Path(folder) / "requirements.txt")
        done = _run(
            uv, "export", "--frozen", "--no-emit-project", "--all-groups", "--output-file", export
        )
        if done.returncode:
            raise NotAuditedError(done.stderr.strip())
        command = [uv, "tool", "run", PIP_AUDIT, "--requirement", export, "--require-hashes"]
        command += ["--disable-pip", "--progress-spinner=off", "--format=json", "--aliases=on"]
        command += ["--desc=on", "--vulnerability-service=osv"]
        url = ["--osv-url", f"{service.rstrip('/')}/v1/query"] if service else []
        answer = _answer(_run(*command, *url))
    return [
        Finding(
            id=each["id"],
            names=frozenset({each["id"], *each["aliases"]}),
            package=package["name"],
            version=package["version"],
            summary=_line(each["description"]),
            fixed=tuple(each["fix_versions"]),
        )
        for package in answer["dependencies"]
        for each in package.get("vulns", ())
    ]
