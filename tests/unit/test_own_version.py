"""The version of the template: where it is said, and what is known against it."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from my_service.operate import audit, checks, template
from my_service.operate.cli import main
from my_service.security.policy import load

LISTED = """\
[[advisory]]
id = "TEMPLATE-1"
introduced = "1.1.0"
fixed = "1.2.1"
summary = "A session outlives the change of the password"

[[advisory]]
id = "TEMPLATE-2"
introduced = "1.2.0"
summary = "Known, without a fix"
"""


@pytest.mark.parametrize(
    ("version", "ids"),
    [
        ("v1.0.9", []),
        ("v1.1.0", ["TEMPLATE-1"]),
        ("v1.2.0-3-gabc", ["TEMPLATE-1", "TEMPLATE-2"]),
        ("v1.2.1", ["TEMPLATE-2"]),
        ("v1.10.0", ["TEMPLATE-2"]),
        # Of no version: nothing is known, and nothing is not clean.
        ("96818b4", ["TEMPLATE-1", "TEMPLATE-2"]),
    ],
)
def test_which_versions_an_advisory_affects(
    monkeypatch: pytest.MonkeyPatch, version: str, ids: list[str]
) -> None:
    monkeypatch.setattr(template, "version", lambda: version)
    assert [each.id for each in template.affecting(template.parsed(LISTED))] == ids


def test_the_newest_list_is_the_templates_else_the_last_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = tmp_path / "template"
    listed = origin / template._THERE
    listed.parent.mkdir(parents=True)
    listed.write_text(LISTED)
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    for words in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "One")):
        subprocess.run(["git", "-C", str(origin), *words], check=True)  # noqa: S607 - git as the tests find it
    monkeypatch.chdir(tmp_path)
    answers = Path(".copier-answers.yml")
    answers.write_text(f"_src_path: {origin}\n")
    found = template.newest()
    assert found is not None
    assert [each.id for each in found] == ["TEMPLATE-1", "TEMPLATE-2"]
    # A folder may have a space, at which YAML quotes or folds.
    spaced = origin.rename(tmp_path / "my template")
    for text in (f"_src_path: '{spaced}'\n", f"_src_path: {tmp_path}/my\n  template\n"):
        answers.write_text(text)
        assert template.newest() == found
    spaced.rename(origin)
    for text in (f"_src_path: {tmp_path}/gone\n", "nothing: here\n"):
        answers.write_text(text)
        assert template.newest() is None
    answers.write_text(f"_src_path: {origin}\n")
    listed.write_text("[[advisory]]\nid = 1\n")
    subprocess.run(
        ["git", "-C", str(origin), *identity, "commit", "-q", "-a", "-m", "Two"],  # noqa: S607 - as above
        check=True,
    )
    assert template.newest() is None


def test_audit_judges_the_template_too_also_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("uv.lock").write_text('[[package]]\nname = "one"\nversion = "1"\nsource = {}\n')
    monkeypatch.setattr(audit, "_by_uv", lambda _: [])
    monkeypatch.setattr(template, "version", lambda: "v1.2.0")
    monkeypatch.setattr(template, "known", lambda: template.parsed(LISTED))
    report = audit.audit((), today=date(2026, 1, 1))
    assert report.code == audit.FINDINGS
    text = report.as_text()
    assert "TEMPLATE-1  prodsec-template v1.2.0  1.2.1     the template\n" in text
    assert "  open: take 1.2.1 by hooks/update\n" in text
    assert "\ntemplate v1.2.0: advisories from the last update: no answer at its address\n" in text
    monkeypatch.setattr(template, "newest", list)
    report = audit.audit((), today=date(2026, 1, 1))
    assert report.code == audit.CLEAN
    assert "advisories from its address" in report.as_text()


def test_check_says_the_version_and_what_is_known_against_it() -> None:
    today = date(2026, 1, 1)
    given: dict[str, Any] = {"today": today, "versions": None, "template": "v1.2.0"}
    items = checks.run(load(Path("policy.toml")), [], **given, affecting=["TEMPLATE-1"])
    (item,) = (each for each in items if each.id == "PS002")
    assert item.state == "fail"
    assert item.evidence.startswith("template v1.2.0: TEMPLATE-1")
    assert item.remedy == "run hooks/update"


def test_the_command_says_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    said = CliRunner().invoke(main, ["--version"]).output
    assert said == f"template {template.version() or 'of no version'}\n"
