"""The application of an earlier version on today's template: a bridge, or a word of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import earlier, release
from tests import projects
from tests.projects import ROOT, Project
from tests.update.series import replace

DOOR = "template/{{ use.flask }}/src/{{ package }}/adapter/__init__.py"
TESTS = ("tests/app",)
"""What the user's own tests need is there, or it is not; the whole suite takes minutes."""
RELEASED = earlier.tags(ROOT)


@pytest.fixture
def template(tmp_path: Path) -> Project:
    """Return the template with a made-up tag, and a changelog that tells of nothing."""
    made = Project(projects.copy_template(tmp_path / "template"))
    made.commit()
    made.git("tag", "v1.0.0")
    made.git("tag", "v1.1.0rc1")
    made.git("tag", "vendor")
    return made


def check(template: Project) -> list[earlier.Broken]:
    return list(earlier.check(template.path, earlier.tags(template.path), ["flask"], TESTS))


def test_versions_of_the_newest_ones_first_number(template: Project) -> None:
    assert earlier.tags(template.path) == ["v1.0.0"]
    template.git("tag", "v2.0.0")
    template.git("tag", "v2.1.0")
    assert earlier.tags(template.path) == ["v2.0.0", "v2.1.0"]


def test_a_name_that_goes_from_the_door_breaks_unless_it_has_a_bridge(
    template: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = template.path / DOOR
    replace(door, '    "safe_target",\n', '    "checked_target",\n')
    replace(door, "def safe_target(", "def checked_target(")
    # The application of today follows, that of a service does not.
    for path in template.path.glob("template/{{ use.flask }}/src/*/app/**/*.py"):
        path.write_text(path.read_text().replace("safe_target", "checked_target"))
    (broken,) = check(template)
    assert (broken.tag, broken.framework) == ("v1.0.0", "flask")
    assert "cannot import name 'safe_target'" in broken.output
    # The release says so, until the changelog does.
    monkeypatch.setattr(earlier, "check", lambda *_: iter([broken]))
    changelog = template.path / "CHANGELOG.md"
    assert "does not run on this template" in release.earlier_problems(template.path)[0]
    entry = "- **Breaking:** `safe_target` is gone. Who: all. Do: import `checked_target`.\n"
    changelog.write_text(f"# Changelog\n\n{release.UNRELEASED}\n{entry}")
    assert release.earlier_problems(template.path) == []
    monkeypatch.undo()
    door.write_text(door.read_text() + "\nsafe_target = checked_target\n")
    assert check(template) == []


@pytest.mark.parametrize("framework", projects.CHOICES["framework"])
@pytest.mark.parametrize("tag", RELEASED)
def test_the_application_of_each_release(tag: str, framework: str) -> None:
    told = release.BREAKING in release.unreleased(ROOT)
    broken = list(earlier.check(ROOT, [tag], [framework]))
    assert not broken or told, "\n".join(map(str, broken))
