"""Measure what a generated service costs, against its bare framework and against its targets.

    make bench, or: python -m benchmarks [--quick] [--only PART] [--output FOLDER]

Writes `results/latest.md` and `results/latest.json`. Each pair is interleaved, so that both of it
meet the same machine; the figures of two machines, or of a busy one, do not compare. Exit code 1 if
a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests import needs, projects

HERE = Path(__file__).resolve().parent
SUBJECT = HERE / "subject.py"
HOST, PATH = "bench.example", "/bench"
FRAMEWORKS = {"fastapi": "FastAPI", "flask": "Flask", "django": "Django", "litestar": "Litestar"}
ADDED_US = {"fastapi": 12.0, "flask": 15.0, "django": 15.0, "litestar": 15.0}
SESSION_US = 120.0
REQUESTS_RATIO = {"fastapi": 0.90, "flask": 0.90, "django": 0.90, "litestar": 0.80}
MEMORY_MIB = 15.0
COPY_SECONDS, VERIFY_SECONDS = 2.0, 20.0
PARTS = ("cost", "requests", "memory", "login", "generation")


@dataclass(frozen=True)
class Figure:
    """One measured value; `target` is the bound it must keep, with `least` a lower one."""

    what: str
    value: float
    unit: str
    target: float
    least: bool = False
    note: str = ""

    @property
    def met(self) -> bool:
        """True if the target is reached."""
        return self.value >= self.target if self.least else self.value <= self.target


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    pairs: int
    seconds: int
    logins: int
    copies: int


FULL = Effort(rounds=25, pairs=9, seconds=4, logins=3000, copies=5)
QUICK = Effort(rounds=7, pairs=3, seconds=2, logins=500, copies=2)


def cost(framework: str, project: projects.Project, effort: Effort) -> Iterator[Figure]:
    """Yield what the service adds to one call, in process."""
    done = project.run(project.python, str(SUBJECT), "cost", "--rounds", str(effort.rounds))
    found = json.loads(done.stdout)
    name = FRAMEWORKS[framework]
    for kind, target in (("anonymous", ADDED_US[framework]), ("session", SESSION_US)):
        row = found[kind]
        what = "anonymous request" if kind == "anonymous" else "request with a session (SQLite)"
        note = f"bare {row['bare_us']} us"
        yield Figure(f"{name}: added to an {what}", row["added_us"], "us", target, note=note)


def requests(framework: str, project: projects.Project, effort: Effort) -> Iterator[Figure]:
    """Yield the ratio of requests per second, both servers up, one measured at a time."""
    with serving(project, "bare") as bare, serving(project, "guarded") as guarded:
        wrk(bare.port, 1)
        wrk(guarded.port, 1)
        rates = [
            (wrk(bare.port, effort.seconds), wrk(guarded.port, effort.seconds))
            for _ in range(effort.pairs)
        ]
    ratio = statistics.median(ours / theirs for theirs, ours in rates)
    theirs, ours = (statistics.median(side) for side in zip(*rates, strict=True))
    yield Figure(
        f"{FRAMEWORKS[framework]}: requests/s against the bare framework",
        round(ratio, 3),
        "x",
        REQUESTS_RATIO[framework],
        least=True,
        note=f"{theirs:.0f}/s bare, {ours:.0f}/s guarded",
    )


def memory(framework: str, project: projects.Project, effort: Effort) -> Iterator[Figure]:
    """Yield what a worker of two holds more than one of the bare framework, after some load.

    PSS divides shared pages among those that share them, so it is what one more worker costs.
    """
    found = {}
    for kind in ("bare", "guarded"):
        with serving(project, kind, workers=2) as server:
            wrk(server.port, effort.seconds)
            found[kind] = [worker_memory(server.pid, name) for name in ("Rss", "Pss")]
    for index, name in enumerate(("RSS", "PSS")):
        bare, ours = found["bare"][index], found["guarded"][index]
        yield Figure(
            f"{FRAMEWORKS[framework]}: {name} of a worker, above the bare framework's",
            round(ours - bare, 1),
            "MiB",
            MEMORY_MIB,
            note=f"{bare:.1f} MiB bare, {ours:.1f} MiB guarded",
        )


def login(effort: Effort) -> Iterator[Figure]:
    """Yield the ratios of `login_decision.py`."""
    script = str(HERE / "login_decision.py")
    command = [sys.executable, script, "--json", "--pairs", str(effort.logins)]
    # Its exit code says that a target is missed, which the report says too.
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        note = f"raw {row['raw_us']} us, decision {row['reserve_us']} us"
        what = f"Login decision on {row['engine']}, against a raw write"
        yield Figure(what, row["ratio"], "x", row["target"], note=note)


def generation(framework: str, template: Path, folder: Path, effort: Effort) -> Iterator[Figure]:
    """Yield the seconds of a warm `copier copy`, and of one with `hooks/verify` to green."""
    copies, whole = [], []
    for number in range(effort.copies):
        target = folder / f"generated-{framework}-{number}"
        start = time.perf_counter()
        copy(template, target, framework)
        copies.append(time.perf_counter() - start)
        if number < 2:
            projects.Project(target).run("hooks/verify")
            whole.append(time.perf_counter() - start)
    name = FRAMEWORKS[framework]
    yield Figure(f"{name}: copier copy, warm", round(min(copies), 2), "s", COPY_SECONDS)
    what = f"{name}: copier copy and hooks/verify to green, warm"
    yield Figure(what, round(min(whole), 1), "s", VERIFY_SECONDS)


def copy(template: Path, target: Path, framework: str) -> None:
    """Generate a project with the command that users run."""
    answers = ("-d", "project_name=bench-app", "-d", f"framework={framework}")
    command = [str(projects.BIN / "copier"), "copy", "-q", "--defaults", *answers]
    environment = projects.clean_environment()
    subprocess.run([*command, str(template), str(target)], env=environment, check=True)


@dataclass(frozen=True)
class Server:
    """A running server: port, and the id of the parent of its workers."""

    port: int
    pid: int


@contextmanager
def serving(project: projects.Project, kind: str, workers: int = 1) -> Iterator[Server]:
    """Run the project's server on loopback until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [project.python, str(SUBJECT), "serve", kind]
    options = ["--port", str(port), "--workers", str(workers)]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [*command, *options],
            cwd=project.path,
            env=projects.clean_environment(),
            stdout=log,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    if server.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        raise AssertionError(log.read().decode()) from None
                    time.sleep(0.05)
            yield Server(port, server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(40)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def wrk(port: int, seconds: int) -> float:
    """Return requests per second; raise `AssertionError` if one was not answered with 200."""
    command = [needs.find("wrk") or "wrk", "-t1", "-c16", f"-d{seconds}s", "-H", f"Host: {HOST}"]
    url = f"http://127.0.0.1:{port}{PATH}"
    done = subprocess.run([*command, url], capture_output=True, text=True, check=True)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if rate is None or re.search(r"Non-2xx|Socket errors", done.stdout):
        raise AssertionError(done.stdout)
    return float(rate[1])


def worker_memory(parent: int, name: str) -> float:
    """Return the mean `name` (Rss or Pss) of a process's children, in MiB."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()
    sizes = []
    for child in children:
        rollup = Path(f"/proc/{child}/smaps_rollup").read_text("ascii")
        found = re.search(rf"^{name}:\s+(\d+) kB", rollup, re.MULTILINE)
        if found is None:
            raise AssertionError(rollup)
        sizes.append(int(found[1]) / 1024)
    return statistics.mean(sizes)


def versions(made: dict[str, projects.Project]) -> dict[str, str]:
    """Return what was measured, on what."""
    processor = re.search(
        r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text("ascii", errors="replace")
    )
    found = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} cores, {processor[1] if processor else platform.machine()}",
        "system": f"{platform.system()} {platform.release()}",
        "load": f"{os.getloadavg()[0]:.1f} at the start",
    }
    code = (
        "import json,platform,importlib.metadata as m;"
        "print(json.dumps({'python':platform.python_version(),**{d.name:d.version"
        " for d in m.distributions() if d.name.lower() in"
        " {'fastapi','starlette','pydantic','flask','werkzeug','django','litestar','msgspec',"
        "'granian'}}}))"
    )
    for project in made.values():
        found |= json.loads(project.run(project.python, "-c", code).stdout)
    return found


def report(environment: dict[str, str], figures: list[Figure], quick: bool) -> str:
    """Return the results as Markdown."""
    lines = [
        "# Benchmark results",
        "",
        *(f"* {key}: {value}" for key, value in environment.items()),
    ]
    if quick:
        lines += ["* quick run: short, so less exact"]
    lines += ["", "| what | measured | must reach | | detail |", "|---|--:|--:|---|---|"]
    for each in figures:
        sign = ">=" if each.least else "<="
        state = "yes" if each.met else "**no**"
        lines.append(
            f"| {each.what} | {each.value} {each.unit} | {sign} {each.target:g} {each.unit}"
            f" | {state} | {each.note} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, print and write; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="measure for about two minutes")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; may be repeated")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder to write")
    options = parser.parse_args()
    effort = QUICK if options.quick else FULL
    parts = options.only or PARTS
    if {"requests", "memory"} & {*parts} and needs.find("wrk") is None:
        print("wrk is missing: apt-get install wrk", file=sys.stderr)
        return 2
    figures: list[Figure] = []

    def add(found: Iterator[Figure]) -> None:
        for figure in found:
            figures.append(figure)
            state = "" if figure.met else "  MISSED"
            print(f"{figure.what}: {figure.value} {figure.unit}{state}", flush=True)

    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        template = projects.copy_template(folder / "template")
        made = {}
        for framework in FRAMEWORKS:
            copy(template, folder / framework, framework)
            made[framework] = projects.Project(folder / framework)
            made[framework].install()
        environment = versions(made)
        measures: dict[str, Callable[[str, projects.Project, Effort], Iterator[Figure]]] = {
            "cost": cost,
            "requests": requests,
            "memory": memory,
        }
        for part, measure in measures.items():
            for framework, project in made.items():
                if part in parts:
                    add(measure(framework, project, effort))
        if "login" in parts:
            add(login(effort))
        if "generation" in parts:
            for framework in FRAMEWORKS:
                add(generation(framework, template, folder, effort))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    options.output.mkdir(parents=True, exist_ok=True)
    text = report(environment, figures, options.quick)
    (options.output / "latest.md").write_text(text, "utf-8")
    data = {
        "environment": environment,
        "quick": options.quick,
        "figures": [{**asdict(each), "met": each.met} for each in figures],
    }
    (options.output / "latest.json").write_text(json.dumps(data, indent=2) + "\n", "utf-8")
    print(f"\n{text}\nwritten to {options.output}")
    return 0 if all(each.met for each in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
