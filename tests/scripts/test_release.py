"""make release: a version is tagged when the changelog says who must do what."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import release
from tests.projects import ROOT, Project

CHANGELOG = (
    "# Changelog\n\n## Unreleased\n\n{}\n## 1.0.0 - 2026-01-01\n\n- `a.b` Who: all. Do: it.\n"
)
TOLD = "- `a.b` 1 -> 2.\n  Who: everyone with kiosks. Do: add an exception before updating.\n"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


@pytest.fixture
def template(tmp_path: Path) -> Project:
    """Return a template whose policy has changed since its release."""
    made = Project(tmp_path)
    write(tmp_path / release.SECURITY / "baseline.toml", "[a]\nb = 1\n")
    write(tmp_path / release.SECURITY / "directions.toml", '[a]\nb = "higher"\n')
    write(tmp_path / "CHANGELOG.md", CHANGELOG.format("- Old.\n"))
    made.commit()
    for name, value in (("name", "Ada"), ("email", "ada@example.com"), ("signingkey", "")):
        made.git("config", f"user.{name}", value)
    made.git("tag", "v1.0.0")
    made.git("tag", "v0.9.0")
    made.git("tag", "vendor")
    write(tmp_path / release.SECURITY / "baseline.toml", "[a]\nb = 2\n")
    made.commit()
    return made


def state(template: Project, text: str) -> None:
    """Write and commit the changelog's part for the next version."""
    write(template.path / "CHANGELOG.md", CHANGELOG.format(text))
    template.commit()


def test_releases(template: Project, capsys: pytest.CaptureFixture[str]) -> None:
    state(template, TOLD)
    assert release.main(["1.1.0"], template.path) == 0
    output = capsys.readouterr().out
    assert output.startswith("release: v1.1.0 is tagged (not signed")
    assert output.endswith("git push origin main v1.1.0\n")
    assert template.git("cat-file", "-t", "v1.1.0") == "tag"
    assert template.git("rev-parse", "v1.1.0^{}") == template.git("rev-parse", "HEAD")
    text = (template.path / "CHANGELOG.md").read_text()
    assert "## Unreleased\n\n## 1.1.0 - 20" in text
    assert not template.git("status", "--porcelain")
    # What is released is no longer news.
    assert release.main([], template.path) == 1
    assert "nothing stands under Unreleased" in capsys.readouterr().out


def test_a_section_that_is_written_ahead_of_its_tag(
    template: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    state(template, f"- Late.\n\n## 1.1.0 - not yet\n\n{TOLD}")
    assert release.main(["1.1.0"], template.path) == 1
    assert "move what stands under Unreleased to the section 1.1.0" in capsys.readouterr().out
    state(template, f"## 1.1.0 - not yet\n\n{TOLD}")
    assert release.main(["1.2.0"], template.path) == 1
    assert "the section on top is 1.1.0's" in capsys.readouterr().out
    assert release.main([], template.path) == 0
    assert release.main(["1.1.0"], template.path) == 0
    text = (template.path / "CHANGELOG.md").read_text()
    assert text.count("## 1.1.0 - 20") == 1
    assert "not yet" not in text
    assert "v1.1.0" in template.git("tag")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "nothing stands under Unreleased"),
        ("- Faster.\n", "no entry names `a.b`: a.b 1 -> 2 (stricter)"),
        ("- `a.b` is higher.\n- Other. Who: all. Do: nothing.\n", "who must do what"),
    ],
)
def test_a_policy_change_must_be_told(
    template: Project, capsys: pytest.CaptureFixture[str], text: str, reason: str
) -> None:
    state(template, text)
    before = template.git("rev-parse", "HEAD")
    assert release.main(["1.1.0"], template.path) == 1
    assert reason in capsys.readouterr().out
    assert template.git("rev-parse", "HEAD") == before
    assert "v1.1.0" not in template.git("tag")


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("1.0.0", "not above 1.0.0"),
        ("v1.1.0", "three numbers"),
        ("1.1", "three numbers"),
        ("1.1.0", "the first number goes up"),
    ],
)
def test_versions_that_are_refused(
    template: Project, capsys: pytest.CaptureFixture[str], version: str, reason: str
) -> None:
    state(template, f"{TOLD}- **Breaking:** another.\n")
    assert release.main([version], template.path) == 1
    assert reason in capsys.readouterr().out


def test_refuses_other_states(template: Project, capsys: pytest.CaptureFixture[str]) -> None:
    state(template, TOLD)
    template.git("switch", "--quiet", "--create", "side")
    (template.path / "new.txt").write_text("new")
    assert release.main(["1.1.0"], template.path) == 1
    output = capsys.readouterr().out
    assert "commit or stash" in output
    assert "on main" in output


def test_files_that_git_does_not_have_are_named_whatever_it_is_set_to(
    template: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    state(template, TOLD)
    template.git("config", "status.showUntrackedFiles", "no")
    (template.path / "new.txt").write_text("new")
    assert release.main(["1.1.0"], template.path) == 1
    assert "commit or stash" in capsys.readouterr().out


@pytest.fixture
def origin(template: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the repository that the template was cloned from, and that has all it has."""
    state(template, TOLD)
    path = tmp_path_factory.mktemp("origin")
    template.git("clone", "--quiet", "--no-hardlinks", str(template.path), str(path))
    template.git("remote", "add", "origin", str(path))
    return Project(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("tag", "v1.1.0"), "origin has the tag v1.1.0, which is not here: git fetch --tags"),
        (
            ("tag", "--annotate", "--message=x", "v1.0.1", "v1.0.0"),
            "origin has the tag v1.0.1, which is not here: git fetch --tags",
        ),
        (("tag", "--force", "v1.0.0", "HEAD"), "the tag v1.0.0 is another one in origin: "),
        (
            ("commit", "--quiet", "--allow-empty", "--message=x"),
            "main of origin has commits that are not here: git pull",
        ),
    ],
    ids=["the same version", "annotated", "moved", "ahead"],
)
def test_what_others_have_released_is_known(
    template: Project,
    origin: Project,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, ...],
    reason: str,
) -> None:
    origin.git(*change)
    before = template.git("rev-parse", "HEAD")
    assert release.main(["1.1.0"], template.path) == 1
    said = capsys.readouterr().out
    assert said.startswith(f"release: {reason}")
    assert said.count("\n") == 1
    assert template.git("rev-parse", "HEAD") == before
    assert "v1.1.0" not in template.git("tag").split()
    # Only what is released has to be asked for.
    assert release.main([], template.path) == 0


def test_a_release_from_a_clone(template: Project, origin: Project) -> None:
    origin.git("tag", "nightly")
    template.git("commit", "--quiet", "--allow-empty", "--message=x")
    assert release.main(["1.1.0"], template.path) == 0


def test_the_first_release_from_a_clone(template: Project, origin: Project) -> None:
    for each in (template, origin):
        each.git("tag", "--delete", "v1.0.0", "v0.9.0", "vendor")
    state(template, "")
    assert release.main(["1.0.0"], template.path) == 0


def test_an_origin_that_does_not_answer_is_named(
    template: Project, origin: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    origin.path.joinpath(".git").rename(origin.path / "gone")
    assert release.main(["1.1.0"], template.path) == 1
    said = capsys.readouterr().out
    assert said.startswith("release: git ls-remote: ")
    assert "a release has to know which versions origin has" in said
    assert "v1.1.0" not in template.git("tag").split()


@pytest.mark.parametrize("tag", ["v1.1.0rc1", "v2.0.0rc1", "v1.1.0.dev1"])
def test_a_version_before_a_release_tells_services_nothing(
    template: Project, capsys: pytest.CaptureFixture[str], tag: str
) -> None:
    """They go from the release below it to the next, and Copier offers them no other."""
    state(template, "- Something else.\n")
    template.git("tag", tag)
    assert release.main(["1.1.0"], template.path) == 1
    assert capsys.readouterr().out == (
        "release: CHANGELOG.md: no entry names `a.b`: a.b 1 -> 2 (stricter)\n"
    )
    state(template, TOLD)
    assert release.main(["1.1.0"], template.path) == 0


def test_first_release_has_nothing_to_compare(template: Project) -> None:
    template.git("tag", "--delete", "v1.0.0", "v0.9.0")
    write(template.path / "CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n- First version.\n")
    template.commit()
    assert release.main(["1.0.0"], template.path) == 0


def test_tags_of_another_line_are_not_ours(
    template: Project, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fork after `git fetch --tags` of the original, whose number is higher."""
    state(template, TOLD)
    original = Project(tmp_path_factory.mktemp("fork") / "original")
    template.git("clone", "--quiet", str(template.path), str(original.path))
    (original.path / "weaker.txt").write_text("weaker")
    original.commit()
    original.git("tag", "v1.3.0")
    (template.path / "own.txt").write_text("own")
    template.commit()
    template.git("fetch", "--quiet", "--tags", str(original.path))
    assert release.main([], template.path) == 1
    assert "the tag v1.3.0 is not of this line" in capsys.readouterr().out
    template.git("tag", "--delete", "v1.3.0")
    # The way that the remedy names keeps them apart, also where it is fetched again.
    make = ("make", "-f", str(ROOT / "Makefile"), "original", f"URL={original.path}")
    template.run(*make)
    template.run(*make)
    template.git("fetch", "--quiet", "--all")
    tags = template.git("tag").split()
    assert "original/v1.3.0" in tags
    assert "v1.3.0" not in tags
    assert release.main([], template.path) == 0
    # Merged, it is still the original's.
    template.git("merge", "--quiet", "--no-edit", "original/v1.3.0")
    assert release.main([], template.path) == 0


def test_signs_with_the_key_that_git_has(
    template: Project, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    state(template, TOLD)
    key = tmp_path_factory.mktemp("keys") / "key"
    template.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    signers = key.with_name("signers")
    signers.write_text(f"ada@example.com {key.with_suffix('.pub').read_text()}")
    for name, value in (
        ("gpg.format", "ssh"),
        ("user.signingkey", str(key)),
        ("gpg.ssh.allowedSignersFile", str(signers)),
    ):
        template.git("config", name, value)
    assert release.main(["1.1.0"], template.path) == 0
    assert "not signed" not in capsys.readouterr().out
    said = template.run("git", "verify-tag", "v1.1.0").stderr
    assert 'Good "git" signature for ada@example.com' in said
    # By another key it would be none.
    signers.write_text("ada@example.com ssh-ed25519 " + "A" * 68 + "\n")
    assert template.run("git", "verify-tag", "v1.1.0", check=False).returncode


def test_a_key_that_is_gone_changes_nothing(
    template: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state(template, TOLD)
    before = template.git("rev-parse", "HEAD")
    template.git("config", "gpg.format", "ssh")
    template.git("config", "user.signingkey", str(tmp_path / "gone"))
    assert release.main(["1.1.0"], template.path) == 1
    assert capsys.readouterr().out.startswith("release: git ")
    assert template.git("rev-parse", "HEAD") == before
    assert not template.git("tag", "--list", "v1.1.0")
    assert not template.git("status", "--porcelain")


def test_this_changelog_tells_of_this_policy(capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main([]) == 0, capsys.readouterr().out
    assert "release: ready" in capsys.readouterr().out
    assert release.unreleased(ROOT)


@pytest.mark.parametrize("hook", ["pre-commit", "commit-msg"])
def test_a_commit_that_fails_changes_nothing(
    template: Project, capsys: pytest.CaptureFixture[str], hook: str
) -> None:
    state(template, TOLD)
    before = template.files()
    path = template.path / ".git" / "hooks" / hook
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\necho no ticket >&2\nexit 1\n")
    path.chmod(0o755)
    assert release.main(["1.1.0"], template.path) == 1
    assert capsys.readouterr().out == "release: git commit: no ticket; nothing was changed\n"
    assert template.files() == before
    assert not template.git("status", "--porcelain")


@pytest.mark.parametrize(("tag", "ours"), [("1.5.0", "v1.5.0"), ("v1.0.1-rc.1", "v1.0.1rc1")])
def test_a_tag_of_another_form_counts(
    template: Project, capsys: pytest.CaptureFixture[str], tag: str, ours: str
) -> None:
    """Copier offers it to services, whatever its form."""
    state(template, TOLD)
    template.git("tag", tag)
    assert release.main(["1.1.0"], template.path) == 1
    said = capsys.readouterr().out
    assert f"the tag {tag} has not the form {ours}" in said
    assert f"git push origin {ours} :refs/tags/{tag}" in said


def test_a_file_that_cannot_be_read_is_named(
    template: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    write(template.path / release.SECURITY / "baseline.toml", "a = \n")
    assert release.main([], template.path) == 1
    assert f"release: {release.SECURITY}: Invalid value" in capsys.readouterr().out
    (template.path / "CHANGELOG.md").unlink()
    assert release.main([], template.path) == 1
    assert capsys.readouterr().out == "release: CHANGELOG.md: No such file or directory\n"
