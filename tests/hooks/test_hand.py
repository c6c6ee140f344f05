"""What an update leaves to a person: the template's own change of files that are yours, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hooks.conftest import Project, release

APP = "src/demo/app"
LINES = [f"line {number}\n" for number in range(20)]
CHANGELOG = """\
# Changelog

## Unreleased

## 3.0.0 - 2026-03-01

- **Breaking:** `old_name` is gone from the door.
  Who: applications that import it. Do: import `new_name`.
- Faster.

### Fixed

- A crash.

## 2.0.0 - 2026-02-01

- `a.b` 1 -> 2. Who: services with kiosks. Do: add an exception.

## 1.0.0 - 2026-01-01

- First version. Who: all. Do: nothing.
"""


@pytest.fixture
def grown(template: Project, service: Project) -> Project:
    """Return a service with work in it, whose template has changed the example since."""
    names = ("plain", "edited", "deleted", "clash", "dropped", "dropped_edited")
    for name in names:
        template.write(f"template/{APP}/{name}.txt", "".join(LINES))
    template.write("template/.gitignore", ".venv/\n__pycache__/\n.*_cache/\n/var/\n")
    (template.path / f"template/{APP}/clash.txt").unlink()
    release(template, "v2.1.0")
    assert service.run("copier", "update", "--defaults").returncode == 0
    for name in names:
        if name != "clash":
            service.write(f"{APP}/{name}.txt", "".join(LINES))
    service.write(f"{APP}/edited.txt", "".join(LINES) + "Mine.\n")
    service.write(f"{APP}/dropped_edited.txt", "".join(LINES) + "Mine.\n")
    service.write(f"{APP}/clash.txt", "Mine.\n")
    (service.path / APP / "deleted.txt").unlink()
    service.commit()
    config = template.path / "copier.yml"
    config.write_text(
        config.read_text()
        + "_exclude: [\"{% if _copier_operation == 'update' %}/src/*/app/{% endif %}\"]\n"
    )
    for name in ("plain", "edited", "deleted", "clash"):
        template.write(f"template/{APP}/{name}.txt", "new first line\n" + "".join(LINES[1:]))
    template.write(f"template/{APP}/added.txt", "added\n")
    for name in ("dropped", "dropped_edited"):
        (template.path / f"template/{APP}/{name}.txt").unlink()
    template.write("template/.template/changelog.md", CHANGELOG)
    release(template, "v3.0.0")
    return service


@pytest.mark.usefixtures("at_hand")
def test_the_templates_own_change_of_yours_is_a_patch(grown: Project, tmp_path: Path) -> None:
    report = tmp_path / "out" / "report.md"
    before = {name: text for name, text in grown.files().items() if name.startswith(APP)}
    done = grown.hook("update", "--report", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name: text for name, text in grown.files().items() if name.startswith(APP)} == before
    grown.commit()
    patch = report.with_suffix(".patch")
    for line in (
        f"in the patch, changed: {APP}/plain.txt",
        f"in the patch, changed: {APP}/edited.txt, edited by you: look for conflicts",
        f"in the patch, new: {APP}/added.txt",
        f"in the patch, dropped: {APP}/dropped.txt",
        f"changed there, deleted by you: {APP}/deleted.txt",
        f"new there, and you have one of your own: {APP}/clash.txt",
        f"dropped there, edited by you: {APP}/dropped_edited.txt",
        f"take it, after this update is committed, by: git apply -3 {patch}",
    ):
        assert f"\n    {line}\n" in report.read_text()
    grown.git("apply", "-3", str(patch))
    assert (grown.path / APP / "plain.txt").read_text().startswith("new first line\n")
    text = (grown.path / APP / "edited.txt").read_text()
    assert text.startswith("new first line\n")
    assert text.endswith("Mine.\n")
    assert (grown.path / APP / "added.txt").exists()
    assert not (grown.path / APP / "dropped.txt").exists()


@pytest.mark.usefixtures("at_hand")
def test_the_patch_can_be_made_again(grown: Project) -> None:
    """As after a request that a bot opened from another checkout."""
    assert grown.hook("update").returncode == 0
    first = (grown.path / "var" / "update.patch").read_bytes()
    grown.commit()
    (grown.path / "var" / "update.patch").unlink()
    done = grown.hook("update", "--patch", "v2.1.0")
    assert done.returncode == 0, done.stderr
    assert "git apply -3 var/update.patch" in done.stdout
    assert (grown.path / "var" / "update.patch").read_bytes() == first


def test_says_why_and_who_must_do_what(grown: Project, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    grown.hook("update", "--report", str(report), UV="true")
    text = report.read_text()
    duties = text.partition("## Who must do what\n")[2].partition("\n## ")[0]
    assert (
        "\n    3.0.0: **Breaking:** `old_name` is gone from the door. Who: applications" in duties
    )
    # Only what came since the service's version.
    assert "kiosks" not in text
    assert "First version" not in text
    why = text.partition("## Why\n")[2].partition("\n## ")[0]
    assert why.split("\n") == ["", "    3.0.0: Faster.", "    3.0.0: A crash.", ""]
    assert text.index("## Who must do what") < text.index("## For your hand")
