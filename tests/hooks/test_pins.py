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


@pytest.mark.parametrize(
    ("kind", "text", "pins", "wanted"),
    [
        # A version before a release is older than it, however many numbers it has.
        (".yml", "image: python{}\n", (":3.13", ":3.15.0rc1-slim", ":3.15.0-slim"), None),
        (".yml", "image: python{}\n", (":3.13-a", ":3.15.0rc1-a", ":3.15-a"), ":3.15-a"),
        (".yml", "image: python{}\n", (":3.13-a", ":3.15.0rc1-a", ":3.14-a"), ":3.15.0rc1-a"),
        ("pyproject.toml", '  "a{}",\n', (">=5.2", ">=6.0b1", ">=6.0"), ">=6.0"),
        ("pyproject.toml", '  "a{}",\n', (">=5.2", ">=6.0.0b2", ">=6b1"), ">=6.0.0b2"),
        # A number of the variant counts less than one of the version.
        (".yml", "image: a{}\n", (":17-b3.1", ":17.2-b3.1", ":17-b3.2"), ":17.2-b3.1"),
        # Each end of a bound by itself: nothing of either side is lost.
        ("pyproject.toml", '  "a{}",\n', (">=5.2,<7", ">=5.2.4,<7", ">=5.2,<8"), ">=5.2.4,<8"),
        ("pyproject.toml", '  "a{}",\n', (">=5.2,<7", ">=5.2,<6", ">=5.3,<7"), ">=5.3,<6"),
        # What no bot does is for a person.
        ("pyproject.toml", '  "a{}",\n', (">=5.2,<7", "==5.2.4", ">=5.3,<7"), None),
        ("pyproject.toml", '  "a{}",\n', (">=5.2", ">=5.1", ">=5.3"), None),
        ("pyproject.toml", '  "a{}",\n', (">=5.2", ">=5.3", ">=5.1"), None),
        (".yml", "image: a{}\n", (":3.1-slim", ":3.1-alpine", ":3.2-slim"), None),
        # Nobody knows which of these is newer.
        (".yml", "- uses: a/b{}\n", (f"@{SHA[1]}", f"@{SHA[9]}", f"@{SHA[2]} # v5"), None),
        (".yml", "- uses: a/b{}\n", (f"@{SHA[1]} # v1", f"@{SHA[2]}", f"@{SHA[3]} # v2"), None),
        (".yml", "- uses: a/b{}\n", ("@v1", "@main", "@v2"), None),
        (".yml", "image: a{}\n", ("@sha256:aa", "@sha256:bb", "@sha256:cc"), None),
        ("Dockerfile", "FROM a{}\n", (":1@sha256:aa", ":latest", ":2@sha256:bb"), None),
    ],
)
def test_newer_is_what_a_person_would_call_so(
    kind: str, text: str, pins: tuple[str, str, str], wanted: str | None
) -> None:
    merged = settled(kind, *map(text.format, pins))
    assert merged == (None if wanted is None else text.format(wanted))


@pytest.mark.parametrize(
    ("kind", "text", "pins"),
    [
        (".yml", "- uses: c/d{}\n", ("@v45", "@v44")),
        (".yml", "- uses: c/d{}\n", (f"@{SHA[1]} # v2", f"@{SHA[2]}")),
        (".yml", "image: c{}\n", (":3.2-slim", ":3.1-alpine")),
        ("pyproject.toml", '  "c{}",\n', (">=2.0", ">=1.9,<2")),
        ("pyproject.toml", '  "c{}",\n', (">=5.2,<7", ">=5.2.4,<7")),
    ],
)
@pytest.mark.parametrize("who", ["yours", "template"])
def test_a_pin_that_one_side_alone_has_moved_is_that_sides(
    kind: str, text: str, pins: tuple[str, str], who: str
) -> None:
    """Also down, beside a pin that both have moved: somebody had a reason."""
    both = text.replace("c", "a", 1).replace("d", "b", 1)
    before, moved = pins
    yours, theirs = (moved, before) if who == "yours" else (before, moved)
    both_pins = (">=1", ">=2", ">=3") if kind == "pyproject.toml" else (":1", ":2", ":3")
    if "uses" in text:
        both_pins = ("@v1", "@v2", "@v3")
    sides = [
        both.format(one) + text.format(other)
        for one, other in zip(both_pins, (before, yours, theirs), strict=True)
    ]
    assert settled(kind, *sides) == both.format(both_pins[2]) + text.format(moved)


def test_a_pin_that_both_have_added() -> None:
    text = '"b",\n'
    added = ('"a>=2,<4",\n', '"a>=1,<5",\n')
    assert settled("pyproject.toml", text, *(each + text for each in added)) == (
        '"a>=2,<5",\n' + text
    )


def test_pins_of_one_name_are_told_apart_by_their_place() -> None:
    text = "image: python:{}\n---\nimage: python:{}\n"
    sides = (text.format("3.1", "3.7"), text.format("3.2", "3.9"), text.format("3.3", "3.8"))
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
