"""Workers end with their main process, hanging ones are replaced, addresses are not shared."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import Render
from tests.live import probing
from tests.live.probing import children, connection, eventually, head
from tests.live.service import STOP_SECONDS, Service, running
from tests.ports import free_port
from tests.projects import Project
from tests.weekly import some

REPLACED_SECONDS = 90.0
WORKERS = 2


@pytest.fixture(scope="module")
def plain(installed: Render) -> Project:
    """Return an installed project."""
    return installed(framework="fastapi")


@pytest.fixture(params=["port", "socket"])
def service(request: pytest.FixtureRequest, plain: Project) -> Iterator[Service]:
    """Run a service that may be killed."""
    port = free_port() if request.param == "port" else 0
    with running(plain, workers=WORKERS, port=port, alone=True) as started:
        yield started


def workers(service: Service) -> set[int]:
    """Return the process ids of the workers."""
    assert service.process
    return children(service.process.pid)


def where(service: Service) -> tuple[str, ...]:
    """Return the options by which a second server would listen at the same place."""
    return ("--port", str(service.port)) if service.port else ("--uds", service.socket)


def test_workers_end_with_their_main_process(service: Service) -> None:
    assert service.process
    old = workers(service)
    assert len(old) == WORKERS
    # One of them cannot act by itself.
    os.kill(min(old), signal.SIGSTOP)
    service.process.kill()
    service.process.wait()
    assert eventually(lambda: not any(map(probing.state, old)))
    # What was left behind is in nobody's way.
    service.start()
    assert len(workers(service)) == WORKERS


def test_a_second_start_says_that_the_place_is_taken(service: Service) -> None:
    done = service.command("run", *where(service))
    assert done.returncode == 1
    place = f"port {service.port}" if service.port else service.socket
    assert done.stderr.startswith("Error: cannot listen on ")
    assert place in done.stderr
    assert "Address already in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    # The first one is as it was.
    with service.client() as client:
        assert all(client.get("/healthz").status_code == 200 for _ in range(10))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host", "203.0.113.1"), "203.0.113.1 port 8000: Cannot assign requested address"),
        (("--host", "no.such.host.invalid"), "no.such.host.invalid port 8000: "),
        (("--uds", "/nonexistent/s"), "/nonexistent/s: No such file or directory"),
        (("--uds", "/tmp/" + "x" * 120), "AF_UNIX path too long"),  # noqa: S108 - never made
    ],
    ids=["address of another machine", "no address", "no folder", "a long path"],
)
def test_a_place_that_cannot_be_is_named(
    plain: Project, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = Service(plain, tmp_path).command("run", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_in_the_place_of_the_socket_is_kept(plain: Project, tmp_path: Path) -> None:
    file = tmp_path / "s"
    file.write_text("mine", "utf-8")
    done = Service(plain, tmp_path).command("run", "--uds", str(file))
    assert done.returncode == 1
    assert file.read_text("utf-8") == "mine"


# Views on the event loop's side, and in threads.
@pytest.mark.parametrize("framework", some(["fastapi", "flask"], []))
def test_hanging_workers_are_replaced(template: Path, tmp_path: Path, framework: str) -> None:
    project = probing.with_views(template, tmp_path / "project", framework)
    with running(project, workers=WORKERS, alone=True) as service:
        first = workers(service)
        # Until each has been heard once: a start may take longer.
        time.sleep(2)
        with connection(service) as made:
            made.sendall(head("/probe/facts", method="GET"))
            stuck = json.loads(probing.answer(made)[1])["process"]
            (stopped,) = first - {stuck}
            # In C, with the interpreter locked.
            made.sendall(head("/probe/hang?seconds=300", method="GET"))
            os.kill(stopped, signal.SIGSTOP)
            begun = time.monotonic()
            assert eventually(lambda: not workers(service) & first, REPLACED_SECONDS)
            print(f"replaced after {time.monotonic() - begun:.1f} s")
        assert eventually(lambda: len(workers(service)) == WORKERS)
        with service.client() as client:
            assert all(client.get("/login").status_code == 200 for _ in range(10))
        assert {line["worker"] for line in service.events("sys_worker_hung")} == first
        # Working ones are left alone.
        second = workers(service)
        time.sleep(3)
        assert workers(service) == second


def test_systemd_hears_of_working_workers_alone(plain: Project, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(60)
        with running(plain, workers=1, variables={"NOTIFY_SOCKET": address}, alone=True) as service:
            assert [systemd.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            assert service.process
            service.process.send_signal(signal.SIGSTOP)
            try:
                systemd.settimeout(3)
                with pytest.raises(TimeoutError):
                    [systemd.recv(100) for _ in range(10)]
            finally:
                service.process.send_signal(signal.SIGCONT)
            systemd.settimeout(60)
            assert systemd.recv(100) == b"WATCHDOG=1"


def test_it_ends_by_a_signal_that_another_thread_gets(plain: Project) -> None:
    # As the kernel does it where the main thread has yet to wake up from SIGSTOP.
    with running(plain, workers=1, alone=True) as service:
        assert service.process
        process = service.process.pid
        others = {int(task.name) for task in Path(f"/proc/{process}/task").iterdir()} - {process}
        ctypes.CDLL(None).tgkill(process, min(others), signal.SIGTERM)
        assert service.process.wait(STOP_SECONDS) == 0


def test_password_hashes_keep_no_memory(plain: Project) -> None:
    # 19 MiB each, in many threads: the allocator would keep one block for each of them.
    with running(plain, workers=1, alone=True) as service:
        user = service.add_user()
        (process,) = workers(service)

        def login(number: int) -> int:
            with service.client(f"203.0.113.{number}") as client:
                return client.login(user).status_code

        assert login(200) in {302, 303}
        before = probing.resident(process)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(login, range(16))) == [303] * 16
        grown = probing.resident(process) - before
        print(f"{before} KiB, and {grown} KiB more after 16 logins")
        assert grown <= 24 * 1024
