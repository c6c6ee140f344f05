"""A generated project in git: what its hooks refuse."""

from __future__ import annotations

from pathlib import Path

from tests import projects


def test_commit_runs_the_security_suite(template: Path, tmp_path: Path) -> None:
    """Weakening a protection in the code is refused at the commit, by the project's own tests."""
    service = projects.render(template, tmp_path / "my-service", {})
    service.commit()
    service.run("hooks/verify", CI="")
    service.commit()
    baseline = service.path / f"src/{service.package}/security/baseline.toml"
    text = baseline.read_text("utf-8")
    assert text.count("nosniff") == 1
    baseline.write_text(text.replace("nosniff", "sniff"), "utf-8")
    service.git("add", "--all")
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    done = service.run("git", *identity, "commit", "--message", "Weaker", check=False)
    assert done.returncode != 0
    assert "FAIL  tests" in done.stdout + done.stderr
