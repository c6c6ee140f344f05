"""A renewed certificate is served whatever else is wrong at the time (TLS-2)."""

from __future__ import annotations

import os
import shlex
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Render
from tests.live.nginx import Deployed, deployed
from tests.live.service import HOST, START_SECONDS
from tests.projects import clean_environment


@pytest.fixture(scope="module")
def edged(installed: Render) -> Iterator[Deployed]:
    """Run a service behind its edge."""
    with deployed(installed(framework="fastapi")) as started:
        yield started


def hook(edged: Deployed, policy: Path) -> str:
    """Return the hook that the project's command gives to certbot, by a certbot that only notes."""
    edge, bin_ = edged.edge, edged.edge.folder / "bin"
    bin_.mkdir(exist_ok=True)
    program = bin_ / "certbot"
    program.write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" > {edge.folder}/asked\n')
    program.chmod(0o755)
    environment = clean_environment()
    done = subprocess.run(
        [
            *(edge.project.python, "-m", edge.project.package, "certificates", str(edge.file)),
            *("--machine", str(edge.machine()), "--policy", str(policy)),
        ],
        cwd=edge.project.path,
        env={**environment, "PATH": f"{bin_}{os.pathsep}{environment['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    arguments = (edge.folder / "asked").read_text("utf-8").split("\0")
    return arguments[arguments.index("--deploy-hook") + 1]


def served(edged: Deployed) -> str:
    """Return the certificate that a new client gets."""
    where = ("127.0.0.1", edged.edge.https)
    with (
        socket.create_connection(where, timeout=START_SECONDS) as connection,
        edged.edge.trust().wrap_socket(connection, server_hostname=HOST) as wrapped,
    ):
        found = wrapped.getpeercert(binary_form=True)
    assert found
    return ssl.DER_cert_to_PEM_cert(found)


def certificate(edged: Deployed) -> set[str]:
    """Return the certificates that are on the disk."""
    live = edged.edge.folder / "live"
    return {(live / f"{HOST}-{key}" / "fullchain.pem").read_text() for key in ("ecdsa", "rsa")}


@pytest.mark.parametrize("mistake", ["policy", "machine", "code"])
def test_a_mistake_elsewhere_keeps_no_old_certificate(
    edged: Deployed, tmp_path: Path, mistake: str
) -> None:
    edge = edged.edge
    policy = tmp_path / "policy.toml"
    policy.write_bytes((edge.project.path / "policy.toml").read_bytes())
    command = hook(edged, policy)
    for key in ("ecdsa", "rsa"):
        edge.authority.issue(edge.folder / "live", HOST, key)
    configuration, machine = edge.file.read_bytes(), edge.folder / "edge.toml"
    if mistake == "policy":
        policy.write_text("[service\n", "utf-8")
    elif mistake == "machine":
        machine.write_text("tls-profile = 1\n", "utf-8")
    else:
        command = command.replace(shlex.quote(edge.project.python), "/nonexistent/python")
        command = command.replace(edge.project.python, "/nonexistent/python")
    old = edge.workers()
    done = subprocess.run(
        ["sh", "-c", command],  # as certbot runs it
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert {"policy": "policy.toml", "machine": "edge.toml", "code": "/nonexistent"}[
        mistake
    ] in done.stderr
    assert "Traceback" not in done.stderr
    edge.wait_for_new(old)
    edge.wait_until(lambda: check(edged))
    assert edge.file.read_bytes() == configuration


def check(edged: Deployed) -> None:
    """Insist that one of the certificates on the disk is served."""
    assert served(edged) in certificate(edged)


def test_all_is_well_again_once_the_mistake_is_gone(edged: Deployed, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_bytes((edged.edge.project.path / "policy.toml").read_bytes())
    command = hook(edged, policy)
    done = subprocess.run(["sh", "-c", command], env=clean_environment(), check=False)
    assert done.returncode == 0


def test_what_does_not_run_is_said(edged: Deployed) -> None:
    edge = edged.edge
    edge.facts["pid"] = str(edge.folder / "other-pid")
    command = (edge.project.python, "-m", edge.project.package, "edge", str(edge.folder / "new"))
    done = edge.project.run(*command, "--machine", str(edge.machine()), "--reload")
    del edge.facts["pid"]
    assert "nginx does not run" in done.stderr
