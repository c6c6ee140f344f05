"""A bot of the service and the template both move pins: the newer one wins."""

from __future__ import annotations

import pytest
from _pins import _KINDS as KINDS
from _pins import agreed, merge, version

from tests.hooks.conftest import FILES, Project, release

WORKFLOW = ".github/workflows/verify.yml"
SHA = {number: f"{number:x}" * 40 for number in range(1, 16)}
BOUND = '"iniconfig>={}"'


def uses(checkout: int, setup: str) -> str:
    """Return a workflow with two actions."""
    return (
        "jobs:\n  one:\n    steps:\n"
        f"      - uses: actions/checkout@{SHA[checkout]} # v{checkout}.0.1\n"
        f"      - uses: astral-sh/setup-uv@{setup}\n"
        "      - run: hooks/verify\n"
    )


def settled(kind: str, base: str, yours: str, theirs: str) -> str | None:
    """Return the merge of three texts of a kind of file."""
    sides = [base, yours, theirs]
    for each in KINDS[kind]:
        sides = agreed(each, sides)
    return merge(sides)


@pytest.mark.parametrize(
    ("kind", "text", "pins", "newest"),
    [
        (".yml", "- uses: a/b{}\n", ("@v1", "@v2", "@v3"), "@v3"),
        (".yml", "- uses: a/b{}\n", ("@v1", "@v10", "@v9"), "@v10"),
        (".yml", "image: python{}\n", (":3.11", ":3.12", ":3.13-bookworm"), ":3.13-bookworm"),
        (".yml", "image: python{}\n", (":3.12", ":3.13@sha256:aa", ":3.13"), ":3.13@sha256:aa"),
        (".yml", "image: python{}\n", (":3.1@sha256:aa", ":3.1@sha256:bb", ":3.1@sha256:cc"), 1),
        ("Dockerfile", "FROM python{} AS build\n", (":3.11", ":3.14", ":3.13"), ":3.14"),
        ("pyproject.toml", '  "fastapi{}",\n', (">=0.1,<1", ">=0.12,<1", ">=0.9,<1"), 1),
        ("pyproject.toml", '  "psycopg[binary]{}",\n', (">=3.2,<4", ">=3.3,<4", ">=3.4,<4"), 2),
    ],
)
def test_the_newer_pin_wins(
    kind: str, text: str, pins: tuple[str, str, str], newest: str | int
) -> None:
    wanted = pins[newest] if isinstance(newest, int) else newest
    assert settled(kind, *map(text.format, pins)) == text.format(wanted)


def test_pins_of_one_name_are_told_apart_by_their_place() -> None:
    text = "image: python:{}\n---\nimage: python:{}\n"
    sides = (text.format("3.1", "3.9"), text.format("3.2", "3.9"), text.format("3.3", "3.8"))
    assert settled(".yml", *sides) == text.format("3.3", "3.9")


def test_another_difference_stays_a_conflict() -> None:
    text = "- uses: a/b@v{}\n  with: {}\n"
    assert settled(".yml", text.format(1, 1), text.format(2, 2), text.format(3, 3)) is None


def test_versions_are_ordered_by_number() -> None:
    assert version(f"@{SHA[2]} # v10.0.1") > version(f"@{SHA[9]} # v9.9.9")
    assert version(":17-bookworm") > version(":9-bookworm")


@pytest.mark.weekly
def test_a_year_of_bots_and_template_has_no_conflict(template: Project, service: Project) -> None:
    """52 weeks: a bot moves something each week, the template releases six times."""
    service.git("config", "core.hooksPath", "none")
    pyproject = FILES["pyproject.toml"].replace('"mypy"', '{bound},\n"mypy"')
    number = {"template": 1, "bot": 1}

    def write(where: Project, folder: str, who: str) -> None:
        each = number[who]
        where.write(f"{folder}{WORKFLOW}", uses(each, f"{SHA[each]} # v{each}.2.{each}"))
        low = f"1.{each // 10}.{each % 10}"
        where.write(f"{folder}pyproject.toml", pyproject.format(bound=BOUND.format(low)))
        where.write(f"{folder}compose.yaml", f"image: valkey:8.{each}@sha256:{SHA[each]}\n")

    write(template, "template/", "template")
    release(template, "v2.1.0")
    # The checks are not what this is about.
    assert service.hook("update", UV="true").returncode in (0, 1)
    service.commit()
    conflicts = met = 0
    for week in range(1, 53):
        if week % 5 == 0:
            number["bot"] = max(number.values()) + 1
            write(service, "", "bot")
            service.commit(f"Bump in week {week}")
        if week % 9 == 0:
            number["template"] = number["bot"] + (1 if week % 18 else -1)
            template.write("template/notes.txt", f"{week}\n")
            write(template, "template/", "template")
            release(template, f"v2.{week}.0")
            done = service.hook("update", UV="true")
            met += "settled by the newer pin" in done.stdout
            conflicts += done.returncode == 3
            assert done.returncode in (0, 1), done.stdout + done.stderr
            service.commit(f"Template in week {week}")
    assert conflicts == 0
    assert met >= 3
