"""Projects with extra views, and the bytes that no well-behaved client sends."""

from __future__ import annotations

import select
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests import projects
from tests.live.service import HOST, Service
from tests.projects import ROOT, Project

VIEWS = ROOT / "tests" / "live" / "views"
OTHERS = (
    (
        "main.py",
        "from . import factors, notes, pages",
        "from . import factors, notes, pages, probe",
    ),
    ("main.py", " = (notes,)", " = (notes, probe)"),
)
"""What makes views known: a file, a part of its text, and what stands in its place then."""
DJANGO = (
    ("urls.py", "from . import factors, views", "from . import factors, probe, views"),
    ("urls.py", "urlpatterns = [", 'urlpatterns = [\n    path("", include(probe)),'),
)
PAUSE = 2
"""Seconds that a body may pause here, instead of the policy's 10."""
PATIENCE = 90.0
VISITORS = 3
VISITS = 500
"""The most that each of them makes."""
POLICY = f"""
[[route]]
path = "/probe/upload"
access = "public"
methods = ["POST"]
body = ["multipart/form-data"]
max-body = 8_388_608

[[exception]]
setting = "input.body-rate"
value = 1
reason = "Slow bodies are tested on busy machines"
owner = "tests@example.com"
expires = 2099-12-31

[[exception]]
setting = "input.body-pause"
value = {PAUSE}
reason = "Tests do not wait"
owner = "tests@example.com"
expires = 2099-12-31
"""


def with_views(template: Path, target: Path, framework: str) -> Project:
    """Render and install a project that has the views of `views/<framework>.py` too."""
    project = projects.render(template, target, {"framework": framework})
    app = target / "src" / project.package / "app"
    (app / "probe").mkdir()
    shutil.copy(VIEWS / f"{framework}.py", app / "probe" / "__init__.py")
    shutil.copy(VIEWS / "material.py", app / "probe" / "material.py")
    for name, old, new in DJANGO if framework == "django" else OTHERS:
        text = (app / name).read_text("utf-8")
        assert old in text
        (app / name).write_text(text.replace(old, new), "utf-8")
    with (target / "policy.toml").open("a", encoding="utf-8") as policy:
        policy.write(POLICY)
    project.install()
    return project


@contextmanager
def connection(service: Service) -> Iterator[socket.socket]:
    """Connect to the service, without the edge."""
    if service.port:
        made = socket.create_connection(("127.0.0.1", service.port))
    else:
        made = socket.socket(socket.AF_UNIX)
        made.connect(service.socket)
    with made:
        made.settimeout(PATIENCE)
        yield made


def head(target: str, *lines: str, method: str = "POST") -> bytes:
    """Return the head of a request as the edge would send it."""
    first = (f"{method} {target} HTTP/1.1", f"Host: {HOST}", "X-Forwarded-Proto: https")
    return "\r\n".join((*first, "Sec-Fetch-Site: same-origin", *lines, "", "")).encode()


def chunk(content: bytes) -> bytes:
    """Return a part of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(content), content)


def everything(made: socket.socket) -> bytes:
    """Read until the service closes the connection; nothing more where it breaks it."""
    parts = []
    try:
        while part := made.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def answer(made: socket.socket) -> tuple[int, bytes]:
    """Read one response with a Content-Length, or without a body; return its status and body.

    A status of 0 is a connection that was closed without one.
    """
    text = b""
    try:
        while b"\r\n\r\n" not in text:
            part = made.recv(65536)
            if not part:
                return 0, text
            text += part
        before, _, body = text.partition(b"\r\n\r\n")
        lines = before.decode("latin-1").lower().split("\r\n")
        length = sum(int(line[15:]) for line in lines if line.startswith("content-length:"))
        while len(body) < length:
            part = made.recv(65536)
            assert part, "the response is cut"
            body += part
    except ConnectionError:
        return 0, text
    return int(before.split()[1]), body


def waits(made: socket.socket) -> bool:
    """Tell whether the service has said nothing yet."""
    return not select.select([made], [], [], 0)[0]


def resident(process: int, field: str = "VmRSS") -> int:
    """Return the KiB of memory of a process, by a field of proc(5)."""
    for line in Path(f"/proc/{process}/status").read_text("utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise AssertionError(f"no {field} of process {process}")


def eventually(condition: object, seconds: float = PATIENCE) -> bool:
    """Call `condition` until it holds; tell whether it did."""
    deadline = time.monotonic() + seconds
    assert callable(condition)
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def visits_during(change: Callable[[], None], visit: Callable[[], int]) -> list[int]:
    """Visit again and again, as three visitors at once, while `change` runs.

    Returns what the visits return.
    """
    done = False

    def visits(_: int) -> list[int]:
        seen: list[int] = []
        # What has no end would fill the memory.
        while not done and len(seen) < VISITS:
            seen.append(visit())
        return seen

    with ThreadPoolExecutor(VISITORS) as pool:
        visitors = [pool.submit(visits, number) for number in range(VISITORS)]
        try:
            change()
        finally:
            done = True
        return [found for visitor in visitors for found in visitor.result()]


def children(process: int) -> set[int]:
    """Return the processes that a process has started and that still run."""
    found = set()
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        found |= {int(pid) for pid in path.read_text("utf-8").split()}
    return {pid for pid in found if state(pid) not in {"Z", "X", ""}}


def state(process: int) -> str:
    """Return the state of a process as proc(5) names it, "" for one that is gone."""
    try:
        text = Path(f"/proc/{process}/stat").read_text("utf-8")
    except OSError:
        return ""
    return text.rpartition(") ")[2][0]
