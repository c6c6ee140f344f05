"""Simulate a year of services that live with the template, and say what it costs.

    python -m benchmarks.year [--services 8] [--versions 24] [--whole 1] [--seed 1]

A sample of services of all frameworks lives through 52 weeks. What is real: each update is a
`copier update` with what hooks/update settles after it, the bots change the pins that they would
change, people commit work in their files, and one in `EDITS` edits a file of the template and
leaves it so; the patch for their hand is made and applied. Of the template only the files are there
that somebody changes (`LEFT_OUT` are not), so that it ends within a quarter of an hour; what the
jobs of CI take is measured on whole projects. What is assumed stands in `MINUTES` and `RELEASES`,
and in the result. How many requests the bots open, and which jobs run each day, is read from the
files of the services. 200 services are an estimate from the sample.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks.__main__ import HERE, versions
from benchmarks.rollout import BASELINE, COPIER, IDLE, run
from tests import projects
from tests.projects import Project

ALL_SERVICES, WEEKS, PYTHONS = 200, 52, 3
LATE = 4
"""The last service of so many takes only every third version."""
EDITS = 8
"""The first of so many edits a file of the template, and leaves it so."""

MINUTES = {
    "an update: read the report, merge": 5,
    "a file in conflict": 20,
    "a duty: who must do what": 10,
    "a patch for the hand that applies": 5,
    "a patch for the hand with conflicts": 20,
    "a request of a bot": 2,
    "a request of a bot that breaks something": 30,
}
"""What a person takes for each event."""
UPDATE, CONFLICT, DUTY, PATCH, HARD_PATCH, REQUEST, BROKEN = MINUTES
BROKEN_ONES = 0.03
"""The part of the bots' requests that breaks something."""
RELEASES = {"action": 10, "image": 20, "server": 20, "bound": 1, "library": 150}
"""Of each pin a year; of all libraries in a lock together, so one group has some every week."""

ACTION = re.compile(r"(?P<before>uses: +(?P<name>[\w./-]+))@[0-9a-f]{40} # v[\d.]+")
IMAGE = re.compile(
    r"(?P<before>(?:FROM|image:) +(?P<name>[\w.-]+(?:/[\w.-]+)+):[\w.-]+)@sha256:[0-9a-f]{64}"
)
BOUND = re.compile(r"(?P<before>\"(?P<name>granian|redis|zxcvbn)>=[\d.]+)(?:,<\d+)?(?=\")")
PINS = {
    ".github/workflows/*.yml": ("action", ACTION),
    "Dockerfile": ("image", IMAGE),
    "compose.yaml": ("server", IMAGE),
    "pyproject.toml": ("bound", BOUND),
}
LEFT_OUT = (
    ".template/manifest.jinja",
    "deploy",
    "docs",
    "tests",
    "src/*/operate",
    "src/*/adapter",
    "src/*/security/stores",
    "src/*/security/[d-z]*.py",
)
"""Of the template, and of each of its layers."""
NOTHING = {"verify": 0.0, "gates": 0.0, "install": 0.0, "update": 0.0}
SETTLE = (
    "import sys; sys.path.insert(0, 'hooks'); from _pins import settle; from _steps import git\n"
    "print('\\n'.join(settle({n for n in sys.argv[1].split() if n})))"
)


class Upstream:
    """What has been released of each pin, week by week: the same for template and services."""

    def __init__(self, seed: int) -> None:
        """Begin with what the template pins."""
        self._seed = seed
        self._numbers: dict[tuple[str, str], list[int]] = {}

    def number(self, kind: str, name: str, week: int) -> int:
        """Return how many releases there were a week before, the bots' cooldown."""
        numbers = self._numbers.setdefault((kind, name), [0])
        while len(numbers) <= week:
            text = f"{self._seed} {kind} {name} {len(numbers)}"
            chance = hashlib.sha256(text.encode()).digest()[0] / 256
            numbers.append(numbers[-1] + (chance < RELEASES[kind] / WEEKS))
        return numbers[max(week - 1, 0)]

    def move(self, folder: Path, week: int, kinds: Container[str]) -> list[tuple[str, str]]:
        """Pin the newest of some kinds in a project or a template; return what moved."""
        moved = []
        for pattern, (kind, expression) in PINS.items():
            if kind not in kinds:
                continue
            for path in sorted({*folder.glob(pattern), *folder.glob(f"{pattern}.jinja")}):

                def newest(found: re.Match[str], kind: str = kind) -> str:
                    number = self.number(kind, found["name"], week)
                    if not number:
                        return found[0]
                    digest = hashlib.sha256(f"{found['name']} {number}".encode()).hexdigest()
                    return (
                        found["before"]
                        + {
                            "action": f"@{digest[:40]} # v{90 + number}.0.0",
                            "image": f"@sha256:{digest}",
                            "server": f"@sha256:{digest}",
                            "bound": f",<{90 + number}",
                        }[kind]
                    )

                text = path.read_text("utf-8")
                after = expression.sub(newest, text)
                if after != text:
                    path.write_text(after, "utf-8")
                    old = {each[0] for each in expression.finditer(text)}
                    moved += [
                        (kind, each["name"])
                        for each in expression.finditer(after)
                        if each[0] not in old
                    ]
        return sorted(set(moved))


@dataclass
class Life:
    """One service, and what has happened to it."""

    project: Project
    framework: str
    ci: str
    late: bool
    edits: bool
    events: Counter[str] = field(default_factory=Counter)
    conflicts: Counter[str] = field(default_factory=Counter)
    """Files in conflict that a person had to resolve."""
    settled: int = 0


class Template:
    """The template, of which a version is released every other week."""

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        """Release the working tree as the first version."""
        self.project, self.upstream = Project(projects.copy_template(folder)), upstream
        self.idle, self.count = 1800, 0
        for pattern in LEFT_OUT:
            for path in [
                *folder.glob(f"template/{pattern}"),
                *folder.glob(f"template/*/{pattern}"),
            ]:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._tag()

    def release(self, week: int) -> tuple[str, str]:
        """Release the next version; return its tag and what kind of change it is."""
        kinds = tuple(CHANGES)
        kind = kinds[self.count % len(kinds)]
        CHANGES[kind](self, week)
        self.count += 1
        return self._tag(), kind

    def _tag(self) -> str:
        self.project.commit()
        self.project.git("tag", tag := f"v1.{self.count}.0")
        return tag

    def file(self, name: str) -> Path:
        """Return a source of the template."""
        return self.project.path / "template" / name

    def append(self, name: str, text: str) -> None:
        """Append to a source."""
        with self.file(name).open("a", encoding="utf-8") as file:
            file.write(text)

    def value(self, _: int) -> None:
        """Make a value of the policy stricter."""
        path = self.project.path / BASELINE
        text = path.read_text("utf-8")
        self.idle -= 60
        path.write_text(text.replace(IDLE.format(self.idle + 60), IDLE.format(self.idle)), "utf-8")

    def pins(self, week: int) -> None:
        """Pin what is newest."""
        for folder in (self.file("."), self.file("{{ use.github }}")):
            self.upstream.move(folder, week, RELEASES)

    def core(self, _: int) -> None:
        """Change a module of the core, and add one."""
        package = "src/{{ package }}/security"
        self.append(f"{package}/clock.py", f"\n# Version {self.count}.\n")
        self.append(f"{package}/extra_{self.count}.py", '"""Of a later version."""\n')

    def example(self, _: int) -> None:
        """Change the example, which is the services' own."""
        for path in self.project.path.glob("template/*/src/*/app/main.py"):
            path.write_text(f"# Version {self.count}.\n{path.read_text('utf-8')}", "utf-8")

    def words(self, _: int) -> None:
        """Change a page, a hook and CI."""
        self.append("SECURITY.md.jinja", f"\nVersion {self.count}.\n")
        path = self.project.path / "hooks" / "gate"
        path.write_text(f"{path.read_text('utf-8')}# Version {self.count}.\n", "utf-8")
        self.append("{{ use.github }}/.github/workflows/verify.yml.jinja", f"# {self.count}\n")

    def settings(self, _: int) -> None:
        """Change the settings of a tool, and what the service depends on."""
        path = self.file("ruff.toml")
        text = path.read_text("utf-8")
        before = '  "YTT",   # version comparisons\n'
        path.write_text(text.replace(before, f"  # Version {self.count}.\n{before}"), "utf-8")
        path = self.file("pyproject.toml.jinja")
        text = path.read_text("utf-8")
        line = '  "zxcvbn'
        path.write_text(text.replace(line, f'  "idna", # {self.count}\n{line}', 1), "utf-8")


CHANGES: dict[str, Callable[[Template, int], None]] = {
    "value": Template.value,
    "pins": Template.pins,
    "core": Template.core,
    "example": Template.example,
    "pins again": Template.pins,
    "words": Template.words,
    "settings": Template.settings,
    "value again": Template.value,
}
"""What the versions change, one after the other."""


def make(template: Template, folder: Path, count: int) -> list[Life]:
    """Return the services: all frameworks in turn, of which one in four is at GitLab."""
    lives = []
    for number in range(count):
        framework = projects.CHOICES["framework"][number % 4]
        ci = "gitlab" if number % 4 == 1 else "github"
        path = folder / f"service-{number}"
        answers = {"project_name": path.name, "framework": framework, "ci": ci}
        made = projects.render(template.project.path, path, answers, vcs_ref="v1.0.0")
        made.commit()
        late = number % LATE == LATE - 1
        lives.append(Life(made, framework, ci, late, number % EDITS == 0))
    return lives


def work(life: Life, week: int) -> None:
    """Do what people do in a week, in files that are theirs."""
    path, package = life.project.path, life.project.package
    app = path / "src" / package / "app"
    with (app / "main.py").open("a") as file:
        file.write(f"# Week {week}.\n" if week else "\n\n# Week 0.\n")
    (app / "feature.py").write_text(f'"""Ours, in week {week}."""\n')
    if week == 2:
        text = (path / "pyproject.toml").read_text("utf-8")
        line = "  # Yours: `uv add NAME` appends below.\n"
        (path / "pyproject.toml").write_text(text.replace(line, f'{line}  "anyio",\n', 1), "utf-8")
    if week % 13 == 3:
        with (path / ".gitignore").open("a") as file:
            file.write(f"/mine-{week}/\n")
    if week == 5 and life.edits:
        text = (path / "ruff.toml").read_text("utf-8")
        line = '  "YTT",   # version comparisons\n'
        (path / "ruff.toml").write_text(text.replace(line, f'  "TRY",\n{line}'), "utf-8")
    if week == 7:
        text = (path / "policy.toml").read_text("utf-8")
        text = text.replace("redirect-hosts = []", 'redirect-hosts = ["partner.example.com"]')
        (path / "policy.toml").write_text(text, "utf-8")


def bots(life: Life, upstream: Upstream, week: int) -> None:
    """Let the bot of the service open its requests, by its settings, and merge them; commit all."""
    groups = dependabot if life.ci == "github" else renovate
    due = groups(life.project.path, week)
    moved = upstream.move(life.project.path, week, due)
    # Of the many libraries in a lock some have a release each week.
    life.events[REQUEST] += len({due[kind] or name for kind, name in moved} | {"minor"})
    life.project.commit()


def dependabot(path: Path, week: int) -> dict[str, str | None]:
    """Return which kinds of pins are looked at this week, each with the group that it is in."""
    kinds = {
        "uv": "bound",
        "github-actions": "action",
        "docker": "image",
        "docker-compose": "server",
    }
    found = {}
    for entry in yaml.safe_load((path / ".github" / "dependabot.yml").read_text("utf-8"))[
        "updates"
    ]:
        if entry["schedule"]["interval"] == "weekly" or week % 4 == 0:
            kind = kinds[entry["package-ecosystem"]]
            names = [
                name for name, group in entry.get("groups", {}).items() if group.get("patterns")
            ]
            found[kind] = names[0] if names else None
    return found


def renovate(path: Path, _: int) -> dict[str, str | None]:
    """Return the same of Renovate's settings."""
    rules = json.loads((path / "renovate.json").read_text("utf-8"))["packageRules"]
    grouped = {name for rule in rules for name in rule.get("matchUpdateTypes", [])}
    digest = "minor" if "digest" in grouped else None
    return {"bound": None, "image": digest, "server": digest}


def update(life: Life, tag: str, kind: str) -> None:
    """Take a version as hooks/update does up to its checks; resolve what is in conflict."""
    project = life.project
    before = str(yaml.safe_load((project.path / ".copier-answers.yml").read_text())["_commit"])
    run(project, *COPIER, "--vcs-ref", tag)
    life.events[UPDATE] += 1
    names = unmerged(project)
    if names:
        project.run(sys.executable, "-c", SETTLE, "\n".join(names))
        left = unmerged(project)
        life.settled += len(names) - len(left)
        life.conflicts.update(left)
        life.events[CONFLICT] += len(left)
        for name in left:
            project.git("checkout", "--theirs", "--", name)
    life.events[DUTY] += kind.startswith("value")
    project.commit()
    if kind == "example" or life.late:
        hand(life, before)


def hand(life: Life, version: str) -> None:
    """Make the patch for the hand and apply it."""
    project = life.project
    project.run(sys.executable, "hooks/update", "--patch", version)
    patch = project.path / "var" / "update.patch"
    if not patch.exists():
        return
    if project.run("git", "apply", "-3", str(patch), check=False).returncode:
        life.events[HARD_PATCH] += 1
        project.git("reset", "--quiet", "--hard")
    else:
        life.events[PATCH] += 1
        project.commit()


def unmerged(project: Project) -> list[str]:
    """Return the files that git knows to be in conflict."""
    return project.git("diff", "--name-only", "--diff-filter=U").split()


def live(
    lives: Sequence[Life], template: Template, upstream: Upstream, count: int, minutes: float
) -> int:
    """Let the services live until the year, or the time, is over; return the weeks."""
    releases = {WEEKS * (number + 1) // (count + 1): number for number in range(count)}
    end = time.monotonic() + 60 * minutes
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for week in range(WEEKS):
            new = template.release(week) if week in releases else None

            def one(life: Life, week: int = week, new: tuple[str, str] | None = new) -> None:
                work(life, week)
                bots(life, upstream, week)
                if new and (not life.late or releases[week] % 3 == 2):
                    update(life, *new)

            list(pool.map(one, lives))
            if new:
                print(f"week {week}: {new[0]}, {new[1]}", flush=True)
            if time.monotonic() > end:
                return week + 1
    return WEEKS


def jobs(folder: Path, framework: str) -> dict[str, float]:
    """Run CI's jobs on a new project; return the processor seconds of each."""
    copy = [COPIER[0], "copy", "--quiet", "--defaults", "-d", f"framework={framework}"]
    made = Project(folder / framework)
    made.path.mkdir(parents=True)
    spent = {"copier": [run(made, *copy, "--vcs-ref", "HEAD", str(projects.ROOT), ".")]}
    made.install()
    made.commit()
    spent["verify"] = [run(made, "hooks/verify", CI="true")]
    spent["gates"] = [
        run(made, "hooks/gate", name, CI="true") for name in ("secrets", "production")
    ]
    shutil.rmtree(made.path / ".venv")
    spent["install"] = [run(made, "uv", "sync", "--quiet", "--frozen")]
    found = {name: sum(each.processor for each in times) for name, times in spent.items()}
    # hooks/update makes the old and the new version once more, to find what is for the hand.
    found["update"] = 3 * found.pop("copier") + found["verify"]
    return found


def daily(path: Path) -> list[str]:
    """Return the jobs of CI that run each day without a change."""
    workflow = path / ".github" / "workflows" / "verify.yml"
    found = yaml.safe_load(workflow.read_text("utf-8"))["jobs"]
    return [name for name, job in found.items() if "!= 'schedule'" not in job.get("if", "")]


def runs(events: Counter[str], services: int, days: Sequence[str]) -> dict[str, Counter[str]]:
    """Return how often each job of CI runs in a year of so many services, by what starts it."""
    once = Counter(verify=PYTHONS, gates=1, audit=1)

    def times(number: float, jobs: Counter[str]) -> Counter[str]:
        return Counter({name: round(number * count) for name, count in jobs.items()})

    return {
        # Each is tested as a request, and once more on the default branch.
        "requests of bots": times(2 * events[REQUEST], once),
        "requests of the template": times(2 * events[UPDATE], once),
        "the weekly job": Counter(update=WEEKS * services),
        "each day": times(365 * services, Counter({name: once[name] for name in days})),
    }


def table(lives: Sequence[Life], weeks: int, spent: dict[str, float], days: Sequence[str]) -> str:
    """Return what was counted and what follows for all services and the year, as Markdown."""
    share = ALL_SERVICES / len(lives) * WEEKS / weeks
    counted: Counter[str] = sum((life.events for life in lives), Counter())
    counted[BROKEN] = round(BROKEN_ONES * counted[REQUEST])
    events = Counter({name: round(share * count) for name, count in counted.items()})
    hours = {name: events[name] * minutes / 60 for name, minutes in MINUTES.items()}
    lines = [
        f"| people | in {len(lives)} services, {weeks} weeks | in {ALL_SERVICES}, a year | minutes"
        " each, assumed | hours |",
        "|---|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {name} | {counted[name]} | {events[name]} | {minutes} | {hours[name]:.0f} |"
        for name, minutes in MINUTES.items()
    ]
    lines.append(f"| all | | | | {sum(hours.values()):.0f} |")
    lines += [
        "",
        f"| CI of {ALL_SERVICES} services, a year | jobs | processor hours |",
        "|---|--:|--:|",
    ]
    total = 0.0
    for cause, jobs in runs(events, ALL_SERVICES, days).items():
        took = (
            sum(
                count * (spent["install"] + spent.get(name, spent["gates"]))
                for name, count in jobs.items()
            )
            / 3600
        )
        total += took
        lines.append(f"| {cause} | {sum(jobs.values())} | {took:.0f} |")
    lines.append(f"| all | | {total:.0f} |")
    conflicts: Counter[str] = sum((life.conflicts for life in lives), Counter())
    named = ", ".join(f"`{name}` {count}" for name, count in conflicts.most_common()) or "none"
    edits, late = (sum(getattr(each, name) for each in lives) for name in ("edits", "late"))
    lines += [
        "",
        f"{counted[UPDATE]} updates by Copier; of the services {edits} had edited a file of the"
        f" template, and {late} took every third version. Files in conflict: {named}. Files in"
        " which a bot and the template had both moved pins, settled by rule:"
        f" {sum(each.settled for each in lives)}.",
        "",
        "A job of CI after the installation, processor seconds: "
        + ", ".join(f"{name} {value:.0f}" for name, value in spent.items())
        + f". Run each day: {', '.join(days)}. Releases a year that bots see, assumed: "
        + ", ".join(f"{name} {number}" for name, number in RELEASES.items())
        + f"; of the bots' requests {BROKEN_ONES:.0%} break something.",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, print and write; return the exit code."""
    parser = argparse.ArgumentParser("year", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--services", type=int, default=8)
    parser.add_argument("--versions", type=int, default=24, help="in the year")
    parser.add_argument("--minutes", type=float, default=12, help="then the year is cut off")
    parser.add_argument("--whole", type=int, default=1, help="projects that run CI's jobs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder to write")
    options = parser.parse_args(arguments)
    if options.services < 1 or not 0 <= options.versions < WEEKS or options.whole < 0:
        parser.error("services is at least 1, versions at most 51")
    folder, environment = Path(tempfile.mkdtemp(prefix="year-")), versions({})
    try:
        upstream = Upstream(options.seed)
        template = Template(folder / "template", upstream)
        lives = make(template, folder / "services", options.services)
        weeks = live(lives, template, upstream, options.versions, options.minutes)
        days = daily(lives[0].project.path)
        # Before the jobs: they take as long again.
        write(options, environment, lives, weeks, NOTHING, days)
        names = projects.CHOICES["framework"][: options.whole]
        found = [jobs(folder / "ci", name) for name in names]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if found:
        spent = {name: statistics.fmean(each[name] for each in found) for name in NOTHING}
        write(options, environment, lives, weeks, spent, days)
    return 0


def write(
    options: argparse.Namespace,
    environment: dict[str, str],
    lives: Sequence[Life],
    weeks: int,
    spent: dict[str, float],
    days: Sequence[str],
) -> None:
    """Print the result, and write it into the folder of results."""
    text = "# A year\n\n" + "".join(f"* {key}: {value}\n" for key, value in environment.items())
    text += "\n" + table(lives, weeks, spent, days)
    print(f"\n{text}", end="", flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "year.md").write_text(text, "utf-8")
    data = {
        "environment": environment,
        "versions": options.versions,
        "weeks": weeks,
        "seed": options.seed,
        "jobs": spent,
        "services": [
            {
                "framework": life.framework,
                "ci": life.ci,
                "late": life.late,
                "edits": life.edits,
                "events": life.events,
                "conflicts": life.conflicts,
                "settled": life.settled,
            }
            for life in lives
        ],
    }
    (options.output / "year.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
