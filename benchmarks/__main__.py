"""Measure what a generated service costs, against its bare framework and against its targets.

    make bench [QUICK=1], or: python -m benchmarks [--quick] [--only PART] [--output FOLDER]

Writes `results/latest.md` and `results/latest.json`, and docs/speed.svg. Each pair is interleaved,
so that both of it meet the same machine, and a figure is their ratio wherever it can be; those of
two machines, or of a busy one, do not compare. Exit code 1 if a target is missed; a quick run,
for CI, writes nothing and fails where something is twice as slow as in the results.
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
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks import picture, routes
from tests import needs, projects
from tests.ports import free_port

HERE = Path(__file__).resolve().parent
SUBJECT = HERE / "subject.py"
HOST, PATH, PATH_SESSION = "bench.example", "/bench", "/bench/session"
FRAMEWORKS = {"fastapi": "FastAPI", "flask": "Flask", "django": "Django", "litestar": "Litestar"}
ADDED = {"fastapi": 0.25, "flask": 0.25, "django": 0.10, "litestar": 0.25}
ADDED_SESSION = 0.9
REQUESTS = {"fastapi": 0.90, "flask": 0.90, "django": 0.92, "litestar": 0.80}
REQUESTS_SESSION = {"fastapi": 0.75, "flask": 0.75, "django": 0.78, "litestar": 0.70}
THREADED = ("flask", "django")
"""Whose field's usual server is gunicorn with threads."""
PEERS = {
    "fastapi": ("secure", "itsdangerous", "slowapi"),
    "flask": ("flask-talisman", "flask-limiter"),
}
"""What the framework's users add for some of the same: headers, hosts, sessions, a limit."""
MEMORY_MIB = 15.0
COPY_SECONDS = 2.0
VERIFY_SECONDS = {"first": 30.0, "next": 20.0, "after an edit": 10.0}
PRE_COMMIT_SECONDS = 5.0
SLACK = 2.0
"""How much worse a quick run may be: a doubling is seen, a busy machine is not."""
UPLOAD_SPEED, PEAK_MIB = 0.8, 32.0
ECHO_SPEED, PAGES_BESIDE_IDLE = 0.9, 0.8
FACTS_US = 2.0
WITH_SOCKETS = ("fastapi", "litestar")
PARTS = ("cost", "facts", "requests", "uploads", "sockets", "memory", "login", "generation")
QUICK_PARTS = ("cost", "memory", "login")
"""Whose ratios hold on any machine, busy ones too."""


@dataclass(frozen=True)
class Figure:
    """One measured value; `target` is the bound it must keep, with `least` a lower one."""

    what: str
    value: float
    unit: str
    target: float | None
    """None for what is only there to compare."""
    least: bool = False
    note: str = ""
    spread: tuple[float, float] | None = None
    """The middle half of what was measured."""

    @property
    def met(self) -> bool:
        """True if the target is reached."""
        return self.target is None or self._reaches(self.target, 1)

    def kept(self, recorded: dict[str, float]) -> bool:
        """Tell whether the target, or what was recorded before, is missed by less than `SLACK`."""
        if self.target is None:
            return True
        bounds = (self.target, recorded.get(self.what, self.target))
        return any(self._reaches(bound, SLACK) for bound in bounds)

    def _reaches(self, bound: float, slack: float) -> bool:
        return self.value * slack >= bound if self.least else self.value <= bound * slack


def figure(
    what: str,
    values: list[float],
    unit: str,
    target: float | None,
    *,
    least: bool = False,
    note: str = "",
) -> Figure:
    """Return the median of the values, with their spread."""
    quarters = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    low, middle, high = (round(each, 3) for each in quarters)
    return Figure(what, middle, unit, target, least, note, (low, high))


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    pairs: int
    seconds: int
    logins: int
    frameworks: tuple[str, ...] = tuple(FRAMEWORKS)
    """Whose projects are verified, each some four times."""


FULL = Effort(rounds=20, pairs=5, seconds=2, logins=3000)
QUICK = Effort(rounds=5, pairs=2, seconds=1, logins=500, frameworks=())


def cost(framework: str, project: projects.Project, effort: Effort) -> Iterator[Figure]:
    """Yield what the service, and what else people do, adds to one call, in process."""
    name = FRAMEWORKS[framework]
    for kind, what, target in (
        ("floor", "headers and host check by hand", None),
        ("anonymous", "anonymous request", ADDED[framework]),
        ("session", "request with a session (SQLite)", ADDED_SESSION),
        ("peers", f"usual peers ({', '.join(PEERS.get(framework, ()))})", None),
    ):
        measured = (str(SUBJECT), "cost", kind, "--rounds", str(effort.rounds))
        found: dict[str, list[float]] = json.loads(project.run(project.python, *measured).stdout)
        if found:
            bare, ours = found["bare"], found[kind]
            added = [each / base - 1 for each, base in zip(ours, bare, strict=True)]
            note = f"{statistics.median(bare):.1f} us bare, {statistics.median(ours):.1f} us"
            yield figure(f"{name}, added in process: {what}", added, "of bare", target, note=note)


def requests(framework: str, project: projects.Project, effort: Effort) -> Iterator[Figure]:
    """Yield the ratios of requests per second, both servers up, one measured at a time."""
    name = FRAMEWORKS[framework]
    kinds = ["bare", *(["gunicorn", "wsgi"] if framework in THREADED else [])]
    with serving(project, "guarded") as guarded:
        cookie = log_in(guarded.port)
        for kind in kinds:
            with serving(project, kind) as bare:
                yield from rates(name, kind, (bare.port, guarded.port), cookie, effort, framework)


def rates(
    name: str, kind: str, ports: tuple[int, int], cookie: str, effort: Effort, framework: str
) -> Iterator[Figure]:
    """Yield the figures of a pair of servers: anonymous, and with a session."""
    bare, guarded = ports
    against, target = {
        "bare": ("the bare framework", REQUESTS[framework]),
        "gunicorn": ("the same on gunicorn's threads", 1.0),
        "wsgi": ("the same on granian's own WSGI interface", None),
    }[kind]
    cases = [("anonymous", PATH, "", target)]
    if kind == "bare":
        cases.append(("with a session", PATH_SESSION, cookie, REQUESTS_SESSION[framework]))
    for case, path, sent, target in cases:
        wrk(bare, 1, path)
        wrk(guarded, 1, path, sent)
        pairs = [
            (wrk(bare, effort.seconds, path), wrk(guarded, effort.seconds, path, sent))
            for _ in range(effort.pairs)
        ]
        theirs, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
        yield figure(
            f"{name}, requests/s against {against}: {case}",
            [ours / theirs for theirs, ours in pairs],
            "x",
            target,
            least=True,
            note=f"{theirs:.0f}/s, {ours:.0f}/s",
        )


def log_in(port: int) -> str:
    """Return the cookie of a session of the service."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/bench/login", headers={"Host": HOST})
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        return str(answer.headers["set-cookie"]).partition(";")[0]


def memory(framework: str, project: projects.Project, effort: Effort) -> Iterator[Figure]:
    """Yield what a worker of two holds more than one of the bare framework, after some load.

    PSS divides shared pages among those that share them, so it is what one more worker costs.
    """
    found = {}
    for kind in ("bare", "guarded"):
        with serving(project, kind, workers=2) as server:
            wrk(server.port, effort.seconds)
            found[kind] = worker_memory(server.pid, "Pss")
    yield Figure(
        f"{FRAMEWORKS[framework]}, memory of a worker (PSS) above the bare framework's",
        round(found["guarded"] - found["bare"], 1),
        "MiB",
        MEMORY_MIB,
        note=f"{found['bare']:.1f} MiB bare, {found['guarded']:.1f} MiB",
    )


def facts(framework: str, project: projects.Project, effort: Effort) -> Iterator[Figure]:
    """Yield what many facts of other paths add to a call, in process."""
    found = routes.differences(project, SUBJECT, effort.rounds)
    what = f"{FRAMEWORKS[framework]}, a request beside {routes.FACTS} [[route]] facts"
    yield figure(what, found, "us", FACTS_US)


def uploads(framework: str, project: projects.Project, effort: Effort) -> Iterator[Figure]:
    """Yield the speed of an upload against the bare framework's, and what a large one holds."""
    name, size = FRAMEWORKS[framework], routes.SPEED_SIZE
    request = routes.multipart(size)
    with opened_pair(project) as (bare, guarded):
        works = [partial(routes.upload, each.port, request, size) for each in (bare, guarded)]
        routes.seconds(works, 1)
        pairs = [routes.seconds(works, 4) for _ in range(2 * effort.pairs)]
        theirs, ours = (
            size / routes.MIB / statistics.median(side) for side in zip(*pairs, strict=True)
        )
        yield figure(
            f"{name}, upload of 20 MiB against the bare framework",
            [base / own for base, own in pairs],
            "x",
            UPLOAD_SPEED,
            least=True,
            note=f"{theirs:.0f} MiB/s, {ours:.0f} MiB/s",
        )
        bare_peak, peak = (
            routes.peak(routes.child(server.pid), server.port) for server in (bare, guarded)
        )
        note = f"{bare_peak:.1f} MiB bare"
        what = f"{name}, memory of a worker during an upload of 200 MiB"
        yield Figure(what, round(peak, 1), "MiB", PEAK_MIB, note=note)


def sockets(framework: str, project: projects.Project, effort: Effort) -> Iterator[Figure]:
    """Yield the speed of an echo against the bare framework's, and pages beside idle WebSockets."""
    if framework not in WITH_SOCKETS:
        return
    name = FRAMEWORKS[framework]
    with opened_pair(project) as (bare, guarded):
        with routes.connect(bare.port) as first, routes.connect(guarded.port) as second:
            works = [partial(routes.echo, made) for made in (first, second)]
            routes.seconds(works, 10)
            pairs = [routes.seconds(works, 15) for _ in range(2 * effort.pairs)]
        theirs, ours = (routes.BATCH / statistics.median(side) for side in zip(*pairs, strict=True))
        yield figure(
            f"{name}, WebSocket messages/s against the bare framework",
            [base / own for base, own in pairs],
            "x",
            ECHO_SPEED,
            least=True,
            note=f"{theirs:.0f}/s, {ours:.0f}/s",
        )
        worker = routes.child(guarded.pid)
        alone = [wrk(guarded.port, effort.seconds) for _ in range(effort.pairs)]
        before = worker_memory(guarded.pid, "Rss")
        with routes.idle(guarded.port) as held:
            each = (worker_memory(guarded.pid, "Rss") - before) * 1024 / len(held)
            beside = [wrk(guarded.port, effort.seconds) for _ in range(effort.pairs)]
        if routes.child(guarded.pid) != worker:
            raise AssertionError("the worker was replaced")
        yield figure(
            f"{name}, pages/s of a worker beside {len(held)} idle WebSockets, against none",
            [own / base for base, own in zip(alone, beside, strict=True)],
            "x",
            PAGES_BESIDE_IDLE,
            least=True,
            note=f"{statistics.median(alone):.0f}/s, {statistics.median(beside):.0f}/s,"
            f" {each:.0f} KiB for each",
        )


@contextmanager
def opened_pair(project: projects.Project) -> Iterator[tuple[Server, Server]]:
    """Run the bare framework and the service, one worker each, with routes that a fact opens."""
    policy = routes.policy(project)
    with (
        serving(project, "bare", "--opened") as bare,
        serving(project, "guarded", "--opened", APP_POLICY=policy) as guarded,
    ):
        yield bare, guarded


def login(effort: Effort) -> Iterator[Figure]:
    """Yield the ratios of `login_decision.py`."""
    module = f"{__package__}.login_decision"
    command = [sys.executable, "-m", module, "--json", "--pairs", str(effort.logins)]
    # Its exit code says that a target is missed, which the report says too.
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        note = f"raw {row['raw_us']} us, decision {row['reserve_us']} us"
        what = f"Login decision on {row['engine']}, against a raw write"
        yield Figure(what, row["ratio"], "x", row["target"], note=note)


def generation(framework: str, template: Path, folder: Path, effort: Effort) -> Iterator[Figure]:
    """Yield the seconds of a warm `copier copy` and of the hooks, on a machine's first project."""
    name = FRAMEWORKS[framework]
    # What packages cost to fetch is not ours; what the hooks remember is.
    uv = subprocess.run(
        [str(projects.BIN / "uv"), "cache", "dir"], capture_output=True, text=True, check=True
    ).stdout.strip()
    caches, temporary = folder / f"cache-{framework}", folder / "tmp"
    temporary.mkdir(exist_ok=True)

    def run(hook: str) -> None:
        # As for a user: what pytest keeps lies where the hooks put it.
        command = ("env", "--unset=PYTEST_DEBUG_TEMPROOT", f"hooks/{hook}")
        project.run(*command, UV_CACHE_DIR=uv, XDG_CACHE_HOME=str(caches), TMPDIR=str(temporary))

    for turn in ("first", "next"):
        start = time.perf_counter()
        target = folder / f"generated-{framework}-{turn}"
        copy(template, target, framework)
        if turn == "next":
            copied = round(time.perf_counter() - start, 2)
            yield Figure(f"{name}: copier copy, warm", copied, "s", COPY_SECONDS)
        project = projects.Project(target)
        if framework in effort.frameworks:
            project.commit()
            yield timed(run, name, turn)
    if framework in effort.frameworks:
        edited = target / "src" / project.package / "app" / "main.py"
        with edited.open("a") as file:
            file.write("\n\nEDITED = True\n")
        yield timed(run, name, "after an edit")
        # What verify has seen would be left out.
        with edited.open("a") as file:
            file.write("AGAIN = True\n")
        project.git("add", "src", "uv.lock")
        start = time.perf_counter()
        run("pre-commit")
        seconds = round(time.perf_counter() - start, 1)
        yield Figure(f"{name}: hooks/pre-commit after an edit", seconds, "s", PRE_COMMIT_SECONDS)


def timed(run: Callable[[str], None], name: str, turn: str) -> Figure:
    """Return the seconds of a `hooks/verify`."""
    start, before = time.perf_counter(), os.times()
    run("verify")
    after = os.times()
    busy = sum(after[2:4]) - sum(before[2:4])
    seconds = round(time.perf_counter() - start, 1)
    what = f"{name}: hooks/verify to green, {turn}"
    return Figure(what, seconds, "s", VERIFY_SECONDS[turn], note=f"{busy:.0f} CPU s")


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
def serving(
    project: projects.Project, kind: str, *more: str, workers: int = 1, **variables: str
) -> Iterator[Server]:
    """Run the project's server on loopback until the end of the block."""
    port = free_port()
    command = [project.python, str(SUBJECT), "serve", kind]
    options = ["--port", str(port), "--workers", str(workers), *more]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [*command, *options],
            cwd=project.path,
            env=projects.clean_environment() | variables,
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


def wrk(port: int, seconds: int, path: str = PATH, cookie: str = "") -> float:
    """Return requests per second; raise `AssertionError` if one was not answered with 200."""
    command = [needs.find("wrk") or "wrk", "-t1", "-c16", f"-d{seconds}s", "-H", f"Host: {HOST}"]
    command += ["-H", f"Cookie: {cookie}"] if cookie else []
    url = f"http://127.0.0.1:{port}{path}"
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


def beside(figures: list[Figure], environment: dict[str, str], folder: Path) -> list[Figure] | None:
    """Return the figures of a part with the others that the folder has.

    None if those are of another machine or of other versions: they do not compare.
    """
    try:
        latest = json.loads((folder / "latest.json").read_text("utf-8"))
    except FileNotFoundError:
        return figures
    of_each_run = {"date": "", "load": ""}
    if latest["environment"] | of_each_run != environment | of_each_run:
        return None
    new = {each.what: each for each in figures}
    kept = []
    for row in latest["figures"]:
        del row["met"]
        if row["spread"]:
            low, high = row["spread"]
            row["spread"] = (low, high)
        kept.append(new.get(row["what"], Figure(**row)))
    known = {each.what for each in kept}
    return [*kept, *(each for each in figures if each.what not in known)]


def report(environment: dict[str, str], figures: list[Figure]) -> str:
    """Return the results as Markdown."""
    lines = [
        "# Benchmark results",
        "",
        *(f"* {key}: {value}" for key, value in environment.items()),
    ]
    lines += [
        "",
        "| what | measured | middle half | must reach | | detail |",
        "|---|--:|--:|--:|---|---|",
    ]
    for each in figures:
        must, state = "", ""
        if each.target is not None:
            must = f"{'>=' if each.least else '<='} {each.target:g} {each.unit}"
            state = "yes" if each.met else "**no**"
        spread = "{:g} to {:g}".format(*each.spread) if each.spread else ""
        lines.append(
            f"| {each.what} | {each.value:g} {each.unit} | {spread}"
            f" | {must} | {state} | {each.note} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, print and write; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="ratios alone, in a minute, against the results"
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; may be repeated")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder to write")
    options = parser.parse_args()
    effort = QUICK if options.quick else FULL
    parts = options.only or (QUICK_PARTS if options.quick else PARTS)
    if {"requests", "memory", "sockets"} & {*parts} and needs.find("wrk") is None:
        print("wrk is missing: apt-get install wrk", file=sys.stderr)
        return 2
    figures: list[Figure] = []

    def add(found: Iterator[Figure]) -> None:
        for figure in found:
            figures.append(figure)
            state = "" if figure.met else "  MISSED"
            print(f"{figure.what}: {figure.value:g} {figure.unit}{state}", flush=True)

    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        template = projects.copy_template(folder / "template")
        made = {}
        for framework in FRAMEWORKS:
            copy(template, folder / framework, framework)
            made[framework] = projects.Project(folder / framework)
            made[framework].install()
            added = [
                *PEERS.get(framework, ()),
                *(["gunicorn", "a2wsgi"] if framework in THREADED else []),
            ]
            if added:
                made[framework].run("uv", "pip", "install", "--quiet", *added)
        environment = versions(made)
        measures: dict[str, Callable[[str, projects.Project, Effort], Iterator[Figure]]] = {
            "cost": cost,
            "facts": facts,
            "requests": requests,
            "uploads": uploads,
            "sockets": sockets,
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
    print(f"\n{report(environment, figures)}")
    if options.quick:
        latest = json.loads((HERE / "results" / "latest.json").read_text("utf-8"))
        recorded = {each["what"]: each["value"] for each in latest["figures"]}
        worse = [each.what for each in figures if not each.kept(recorded)]
        print("\n".join(f"twice as slow as recorded: {what}" for what in worse))
        return 1 if worse else 0
    options.output.mkdir(parents=True, exist_ok=True)
    kept = beside(figures, environment, options.output) if options.only else figures
    if kept is None:
        print(
            f"not written: {options.output} is of another machine or other versions;"
            " run all parts, or name a folder by --output",
            file=sys.stderr,
        )
        return 2
    (options.output / "latest.md").write_text(report(environment, kept), "utf-8")
    data = {
        "environment": environment,
        "figures": [{**asdict(each), "met": each.met} for each in kept],
    }
    (options.output / "latest.json").write_text(json.dumps(data, indent=2) + "\n", "utf-8")
    picture.draw(options.output)
    print(f"written to {options.output}")
    return 0 if all(each.met for each in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
