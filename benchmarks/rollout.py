"""Simulate the roll-out of template versions to many services, and say what it costs.

    python -m benchmarks.rollout [--services 200] [--versions 10] [--whole 4] [--parallel 2]

Each version of the template changes a value of the policy; each service takes each version by
`copier update`, as hooks/update does, and commits. The floor is Copier's own time: an update of a
template of one file, by turns with those of the services. What comes on top, lock and
`hooks/verify`, is the same for each version, so it is measured by a few whole runs of hooks/update.
Writes `results/rollout.md` and
`.json`; what was not run is an estimate, and said to be one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.__main__ import HERE, versions
from tests import projects
from tests.hooks.git_server import serve
from tests.projects import Project

ALL_SERVICES, ALL_VERSIONS = 200, 10
COPIER = (str(projects.BIN / "copier"), "update", "--quiet", "--defaults")
ONE_PROCESS = {"PYTEST_XDIST_AUTO_NUM_WORKERS": "0"}
IDLE = "\nidle-timeout = {}\n"
BASELINE = "template/src/{{ package }}/security/baseline.toml"


@dataclass(frozen=True)
class Spent:
    """What a command took, in seconds: on the clock, and of processors with all that it ran."""

    wall: float
    processor: float


@dataclass(frozen=True)
class Wave:
    """One version rolled out to all services."""

    version: str
    wall: float
    services: list[Spent]
    floors: list[Spent]


class Template:
    """A template under git, of which versions can be released."""

    def __init__(self, folder: Path, one_file: bool) -> None:
        """Write it; `one_file` is the floor's."""
        self.project, self.one_file = Project(folder), one_file
        if one_file:
            (folder / "template").mkdir(parents=True)
            (folder / "copier.yml").write_text("_subdirectory: template\n")
            answers = folder / "template" / "{{ _copier_conf.answers_file }}.jinja"
            answers.write_text("{{ _copier_answers | to_nice_yaml }}")
        else:
            projects.copy_template(folder)
        self.count = 0
        self.release()

    def release(self) -> str:
        """Release the next version, which changes one value, and return its tag."""
        if self.one_file:
            (self.project.path / "template" / "value.txt").write_text(f"{self.count}\n")
        else:
            path = self.project.path / BASELINE
            text = path.read_text("utf-8")
            before, after = IDLE.format(1800 - self.count + 1), IDLE.format(1800 - self.count)
            if self.count and text.count(before) != 1:
                raise AssertionError(f"{path.name}: {before.strip()!r} is not there once")
            path.write_text(text.replace(before, after), "utf-8")
        self.count += 1
        self.project.commit()
        self.project.git("tag", tag := f"v{self.count}.0.0")
        return tag


def run(project: Project, *command: str, **variables: str) -> Spent:
    """Run a command in the project, insist on success, and return what it took."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=project.path,
            env=projects.clean_environment() | variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        # Unlike the children's total of this process, it counts this command alone.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        output.seek(0)
        if process.returncode:
            raise AssertionError(f"{project.path.name}: {' '.join(command)}\n{output.read()!r}")
    return Spent(wall, usage.ru_utime + usage.ru_stime)


def make(template: Template, folder: Path, count: int, parallel: int) -> list[Project]:
    """Return so many services of the newest version, committed, all frameworks in turn."""
    names = projects.CHOICES["framework"]

    def one(number: int) -> Project:
        answers = {} if template.one_file else {"framework": names[number % len(names)]}
        words = [word for pair in answers.items() for word in ("-d", "=".join(pair))]
        target = folder / f"service-{number}"
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = [COPIER[0], "copy", "--quiet", "--defaults", *words]
        run(Project(folder), *copy, str(template.project.path), str(target))
        Project(target).commit()
        return Project(target)

    with ThreadPoolExecutor(parallel) as pool:
        return list(pool.map(one, range(count)))


def roll_out(tag: str, services: list[Project], floors: list[Project], parallel: int) -> Wave:
    """Update all services, each followed by a floor, and return what it took."""

    def one(pair: tuple[Project, Project]) -> tuple[Spent, Spent]:
        spent = run(pair[0], *COPIER), run(pair[1], *COPIER)
        for project in pair:
            answers = (project.path / ".copier-answers.yml").read_text("utf-8")
            if f"_commit: {tag}\n" not in answers:
                raise AssertionError(f"{project.path}: not on {tag}")
            project.commit()
        return spent

    start = time.perf_counter()
    with ThreadPoolExecutor(parallel) as pool:
        pairs = list(pool.map(one, zip(services, floors, strict=True)))
    wall = time.perf_counter() - start
    return Wave(tag, wall, [pair[0] for pair in pairs], [pair[1] for pair in pairs])


def whole(services: Sequence[Project], parallel: int) -> dict[str, list[Spent]]:
    """Run all of hooks/update: with nothing but packages cached, as in CI, and with more."""

    def one(project: Project) -> list[Spent]:
        project.install()
        project.commit()
        spent = []
        for variables in ({}, {}, ONE_PROCESS):
            spent.append(run(project, "hooks/update", **variables))
            project.git("reset", "--hard", "--quiet")
            project.git("clean", "-fdq")
        return spent

    names = ("fresh checkout", "checkout that stays", "the same, tests in one process")
    with ThreadPoolExecutor(parallel) as pool:
        columns = zip(*pool.map(one, services), strict=True)
        return {name: list(found) for name, found in zip(names, columns, strict=True)}


def round_trips(origin: Project, template: Template, folder: Path) -> dict[str, int]:
    """Return the requests to the template's host of one update, without and with a mirror."""
    service = Project(folder / "elsewhere")
    origin.git("clone", "--quiet", str(origin.path), str(service.path))
    bare = folder / "host" / "template.git"
    service.git("clone", "--quiet", "--bare", str(template.project.path), str(bare))
    mirror = folder / "mirror"
    service.git("clone", "--quiet", "--mirror", str(bare), str(mirror / "template.git"))
    path = service.path / ".copier-answers.yml"
    counts = {}
    with serve(bare.parent, "password") as host:
        address = host.url.replace("//", "//reader:password@") + "/"
        text = path.read_text("utf-8")
        path.write_text(re.sub(r"(?m)^_src_path: .*", f"_src_path: {address}template.git", text))
        service.commit()
        settings = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{mirror}/.insteadOf",
            "GIT_CONFIG_VALUE_0": address,
        }
        for name, variables in (("host", {}), ("mirror", settings)):
            before = host.requests
            cache = {"XDG_CACHE_HOME": str(folder / f"cache-{name}")}
            run(service, *COPIER, **cache, **variables)
            counts[name] = host.requests - before
            service.git("reset", "--hard", "--quiet")
            service.git("clean", "-fdq")
    return counts


def processor(found: Iterable[Spent]) -> float:
    """Return the median of processor seconds."""
    return statistics.median(each.processor for each in found)


def table(options: argparse.Namespace, waves: list[Wave], runs: dict[str, list[Spent]]) -> str:
    """Return what was measured, and what follows for the whole roll-out, as Markdown."""
    services = [each for wave in waves for each in wave.services]
    copier, floor = processor(services), processor(each for wave in waves for each in wave.floors)
    early, late = processor(waves[0].services), processor(waves[-1].services)
    updates = ALL_SERVICES * ALL_VERSIONS
    measured, clock = len(services), sum(wave.wall for wave in waves)
    pairs = len(next(iter(runs.values()), []))
    lines = [
        "| processor seconds of one update, median | |",
        "|---|--:|",
        f"| Copier, template of one file (floor) | {floor:.2f} |",
        f"| Copier, this template | {copier:.2f} ({copier / floor:.1f} x the floor) |",
        f"| the same, of the first and the last version | {early:.2f}, {late:.2f} |",
    ]
    totals = {"Copier alone": copier}
    for name, found in runs.items():
        total = processor(found)
        totals[f"hooks/update, {name}"] = total
        rest = 100 * (total - copier) / total
        line = f"{total:.1f}, of it lock and verify {rest:.0f} %"
        lines.append(f"| hooks/update, {name} | {line} |")
    lines += [
        "",
        f"Measured: {options.services} services x {options.versions} versions = {measured} updates"
        f" by Copier, {options.parallel} at a time, in {clock:.0f} s with their floors;"
        f" {pairs} services by hooks/update in each way.",
        "",
        f"| {ALL_SERVICES} services x {ALL_VERSIONS} versions = {updates} updates"
        f"{'' if measured >= updates else ', estimated'} | processor hours | hours on"
        f" {os.cpu_count()} cores | one version |",
        "|---|--:|--:|--:|",
    ]
    for name, seconds in totals.items():
        hours = updates * seconds / 3600
        clock = hours / (os.cpu_count() or 1)
        lines.append(
            f"| {name} | {hours:.1f} | {clock:.1f} | {60 * clock / ALL_VERSIONS:.0f} min |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, print and write; return the exit code."""
    parser = argparse.ArgumentParser("rollout", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--services", type=int, default=ALL_SERVICES)
    parser.add_argument("--versions", type=int, default=ALL_VERSIONS)
    parser.add_argument(
        "--whole", type=int, default=4, help="services that run all of hooks/update"
    )
    parser.add_argument("--parallel", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder to write")
    options = parser.parse_args(arguments)
    if min(options.services, options.versions, options.parallel) < 1 or options.whole < 0:
        parser.error("services, versions and parallel are at least 1")
    folder = Path(tempfile.mkdtemp(prefix="rollout-"))
    try:
        ours, one = Template(folder / "ours", False), Template(folder / "one", True)
        services = make(ours, folder / "services", options.services, options.parallel)
        floors = make(one, folder / "floors", options.services, options.parallel)
        waves = []
        for _ in range(options.versions):
            tag = ours.release()
            one.release()
            waves.append(roll_out(tag, services, floors, options.parallel))
            print(
                f"{tag}: {waves[-1].wall:.1f} s, {processor(waves[-1].services):.2f} s of processor"
                f" for a service, floor {processor(waves[-1].floors):.2f} s",
                flush=True,
            )
        ours.release()
        trips = round_trips(services[-1], ours, folder)
        chosen = services[: options.whole]
        runs = whole(chosen, options.parallel) if chosen else {}
        environment = versions({})
        tools = ([COPIER[0], "--version"], ["uv", "--version"], ["git", "--version"])
        said = [services[0].run(*tool).stdout.split() for tool in tools]
        environment |= {words[0]: words[-1] if words[0] != "uv" else words[1] for words in said}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = "# Roll-out\n\n" + "".join(f"* {key}: {value}\n" for key, value in environment.items())
    text += "\n" + table(options, waves, runs)
    text += (
        f"\nRequests of one update to the template's host: {trips['host']};"
        f" with a local mirror: {trips['mirror']}.\n"
    )
    print(f"\n{text}", end="")
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "rollout.md").write_text(text, "utf-8")
    data = {
        "environment": environment,
        "services": options.services,
        "versions": options.versions,
        "parallel": options.parallel,
        "waves": [asdict(wave) for wave in waves],
        "whole": {name: [asdict(each) for each in found] for name, found in runs.items()},
        "requests": trips,
    }
    (options.output / "rollout.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
