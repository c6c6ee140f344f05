# Owned by the template: extend, do not edit.
"""nginx's configuration: from the policy, for the nginx and the certificates that are there (TLS).

Only here nginx and the policy meet. The headers and pages of what nginx answers by itself come from
the code that makes the application's, so the two cannot differ.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shlex
import socket
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import click
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict, ValidationError

from .adapter.pages import STATIC
from .security import errors
from .security.headers import HeaderPolicy
from .security.policy import HostName, Policy, load
from .security.static import StaticFiles

DEPLOY = Path("deploy")
STATUSES = (400, 403, 404, 405, 408, 413, 414, 421, 429, 431, 500, 503)
"""What nginx answers by itself. Others that it knows are turned into one of these."""
KEYS = {"intermediate": ("ecdsa", "rsa"), "modern": ("ecdsa",)}
"""Certificates of each profile, by the type of their key."""
HYBRID = "X25519MLKEM768"
"""Key exchange that a future quantum computer cannot undo; OpenSSL has it since 3.5."""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
"""nginx wants a folder for each, also where it has no use for it."""
HEADERS_MORE = "ngx_http_headers_more_filter_module.so"
MODULES = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules")


class Machine(BaseModel):
    """`edge.toml`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=lambda name: name.replace("_", "-"),
    )

    tls_profile: Literal["intermediate", "modern"]
    further_names: list[HostName]
    addresses: list[str]
    http_port: int
    https_port: int
    sockets: list[str]
    nginx: str
    user: str
    pid: str
    logs: str
    cache: str
    certificates: str
    webroot: str


def run(command: list[str]) -> None:
    """Run a program, or raise `click.ClickException` with what it said."""
    try:
        subprocess.run(command, check=True)  # noqa: S603 - a program of edge.toml, or certbot
    except (OSError, subprocess.CalledProcessError) as error:
        raise click.ClickException(str(error)) from None


class Nginx:
    """An nginx program, asked what it understands: its version alone does not tell."""

    def __init__(self, program: str) -> None:
        """Take a name on the PATH, or a path."""
        self.program = program

    def errors(self, file: Path) -> str:
        """Return what `nginx -t` has against a configuration, or ""."""
        try:
            done = subprocess.run(  # noqa: S603 - the program that edge.toml names
                [self.program, "-t", "-q", "-e", "stderr", "-c", str(file.resolve())],
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise click.ClickException(f"{self.program}: {error.strerror}") from None
        return (done.stderr or f"exit code {done.returncode}") if done.returncode else ""

    def accepts(self, directive: str, main: str = "") -> bool:
        """Tell whether it knows a directive of a TLS server; `main` goes before everything."""
        with tempfile.TemporaryDirectory() as folder:
            paths = "".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY)
            file = Path(folder, "nginx.conf")
            file.write_text(
                f"{main} pid {folder}/pid; events {{}} http {{ access_log off; {paths}"
                f" server {{ listen unix:{folder}/s ssl; ssl_reject_handshake on; {directive} }} }}"
            )
            return not self.errors(file)


class Text:
    """Writes strings of nginx's language: nothing in them is special but the `variables`."""

    def __init__(self, *variables: str) -> None:
        """Take the names of nginx's variables that may stand in a string, as attributes of `v`."""
        self._names = {secrets.token_hex(16): name for name in variables}
        self.v = SimpleNamespace(**{name: mark for mark, name in self._names.items()})

    def quote(self, text: object) -> str:
        """Return a string with its quotes."""
        quoted = str(text).replace("\\", "\\\\").replace("'", "\\'").replace("$", "${dollar}")
        for mark, name in self._names.items():
            quoted = quoted.replace(mark, f"${{{name}}}")
        return f"'{quoted}'"


class Face:
    """What nginx answers by itself, the same as the application would."""

    def __init__(self, policy: Policy, text: Text) -> None:
        """Take the policy, and variables for what is known later only."""
        self._headers = HeaderPolicy(policy)
        self._stylesheet = StaticFiles(STATIC, policy.static.max_age).url("app.css")
        self._v = text.v

    def bodies(self, *, as_json: bool) -> Iterator[tuple[int, str]]:
        """Yield each status with its error page or problem document."""
        for status in STATUSES:
            yield status, self._render(status, as_json=as_json).body.decode()

    def _render(self, status: int, *, as_json: bool) -> errors.Answer:
        return errors.render(
            errors.Problem(status),
            request_id=self._v.request_id,
            as_json=as_json,
            stylesheet=self._stylesheet,
        )

    def problem_headers(self, *, as_json: bool, https: bool) -> list[tuple[str, str]]:
        """Return the headers of all problems, in order; nginx leaves out those that are empty."""
        kind = self._render(STATUSES[0], as_json=as_json).content_type
        own = {"allow": self._v.problem_allow, "retry-after": self._v.problem_retry_after}
        return self.headers({**own, "cache-control": "no-store"}, kind=kind, https=https)

    def headers(self, own: dict[str, str], *, kind: str, https: bool) -> list[tuple[str, str]]:
        """Return all headers of an answer of the type `kind`, but those that nginx sets."""
        pairs = [(name.encode(), value.encode()) for name, value in own.items()]
        if kind:
            pairs.append((b"content-type", kind.encode()))
        nonce = SimpleNamespace(nonce=self._v.request_id)
        kept, block = self._headers.finish(pairs, https=https, visit=nonce)
        kept = [pair for pair in kept if pair[0] != b"content-type"]
        return [(name.decode(), value.decode()) for name, value in (*kept, *block.raw)]


def read(file: Path) -> Machine:
    """Read `edge.toml`. Raises `click.ClickException`."""
    try:
        return Machine.model_validate(tomllib.loads(file.read_text("utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise click.ClickException(f"{file}: {error}") from None


def present(machine: Machine, domain: str) -> dict[str, Path]:
    """Return the folders of the certificates that exist, by the type of their key."""
    folders = {
        key: Path(machine.certificates, f"{domain}-{key}") for key in KEYS[machine.tls_profile]
    }
    return {key: path for key, path in folders.items() if (path / "fullchain.pem").exists()}


def listens(machine: Machine) -> list[str]:
    """Return the addresses to listen on, as nginx writes them before the port."""
    if machine.addresses:
        return [f"{address}:" for address in machine.addresses]
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return [""]
    return ["", "[::]:"]


def worker_user(machine: Machine) -> str:
    """Return the account of nginx's workers, or "" where nginx cannot choose."""
    if os.geteuid():
        return ""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return machine.user or next((name for name in ("www-data", "nginx") if name in known), "")


def configure(machine: Machine, policy: Policy) -> tuple[str, list[str]]:
    """Return the configuration, and what was chosen for this machine."""
    nginx = Nginx(machine.nginx)
    text = Text("request_id", "problem_allow", "problem_retry_after")
    modules = [
        str(path) for path in (Path(each, HEADERS_MORE) for each in MODULES) if path.exists()
    ]
    load_module = f"load_module {modules[0]};" if modules else ""
    domain = policy.service.domain.partition(":")[0]
    found = present(machine, domain)
    addresses = listens(machine)
    facts = {
        "http2_on": nginx.accepts("http2 on;"),
        "hybrid": nginx.accepts(f"ssl_ecdh_curve {HYBRID};"),
        "load_module": load_module
        if nginx.accepts("more_clear_headers Server;", load_module)
        else "",
        "certificates": found,
        "listens": addresses,
        "user": worker_user(machine),
    }
    missing = [key for key in KEYS[machine.tls_profile] if key not in found]
    chosen = [
        f"HTTP/2: {'http2 on' if facts['http2_on'] else 'on the listen line'}",
        f"key exchange: {HYBRID + ', ' if facts['hybrid'] else ''}X25519, prime256v1, secp384r1"
        + ("" if facts["hybrid"] else f"; this OpenSSL has no {HYBRID}"),
        "Server header: "
        + (
            "removed"
            if facts["load_module"]
            else "nginx, without version; headers-more would remove it"
        ),
        f"certificates: {', '.join(found) or 'none yet, so no https'}"
        + (f"; missing: {', '.join(missing)}" if missing else ""),
        f"addresses: {', '.join(each.rstrip(':') or 'all' for each in addresses)}",
    ]
    environment = Environment(
        loader=FileSystemLoader(DEPLOY / "nginx"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no HTML: `quote` is what this language needs
    )
    environment.filters["quote"] = text.quote
    rendered = environment.get_template("nginx.conf.j2").render(
        facts,
        m=machine,
        profile=machine.tls_profile,
        policy=policy,
        face=Face(policy, text),
        temporary=TEMPORARY,
        statuses=STATUSES,
        names=[domain, *machine.further_names],
        hybrid_name=HYBRID,
        allow=errors.allow_header(policy.input.methods),
    )
    return rendered, chosen


def install(file: Path, text: str, nginx: Nginx) -> None:
    """Put a configuration in place if nginx accepts it; else leave the old one where it is."""
    new = file.with_name(f"{file.name}.new")
    new.write_text(text, "utf-8")
    if problems := nginx.errors(new):
        raise click.ClickException(f"nginx refuses {new}, {file} stays as it was:\n{problems}")
    new.replace(file)


_PATH = click.Path(path_type=Path)
_OPTIONS = (
    click.argument("file", type=_PATH),
    click.option("--machine", type=_PATH, default=DEPLOY / "edge.toml", show_default=True),
    click.option("--policy", type=_PATH, default="policy.toml", show_default=True),
)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@_with_options
@click.option("--reload", is_flag=True, help="Let a running nginx read it.")
def edge(file: Path, machine: Path, policy: Path, *, reload: bool) -> None:
    """Write nginx's configuration to FILE, for the nginx and the certificates that are there."""
    facts = read(machine)
    for folder in (facts.cache, facts.webroot):
        Path(folder).mkdir(parents=True, exist_ok=True)
    text, chosen = configure(facts, load(policy))
    install(file, text, Nginx(facts.nginx))
    click.echo("\n".join([*chosen, f"{file}: written, nginx -t passes"]))
    if reload and Path(facts.pid).exists():
        run([facts.nginx, "-e", "stderr", "-c", str(file.resolve()), "-s", "reload"])


@click.command(context_settings={"ignore_unknown_options": True})
@_with_options
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def certificates(file: Path, machine: Path, policy: Path, options: tuple[str, ...]) -> None:
    """Get certificates by certbot, now and whenever it renews; FILE is what `edge` writes.

    nginx must run already, with FILE. OPTIONS are passed on to certbot.
    """
    facts, service = read(machine), load(policy).service
    domain = service.domain.partition(":")[0]
    here = [sys.executable, "-m", __package__ or "", "edge", str(file.resolve()), "--reload"]
    places = ["--machine", str(machine.resolve()), "--policy", str(policy.resolve())]
    # Not "cd": certbot looks for the first word on the PATH.
    hook = shlex.join(["env", f"--chdir={Path.cwd()}", *here, *places])
    common = ["certbot", "certonly", "--non-interactive", "--agree-tos", "--email", service.contact]
    common += ["--config-dir", str(Path(facts.certificates).parent), "--deploy-hook", hook]
    common += ["--webroot", "--webroot-path", facts.webroot]
    common += ["--domains", ",".join([domain, *facts.further_names])]
    for key in KEYS[facts.tls_profile]:
        run([*common, "--cert-name", f"{domain}-{key}", "--key-type", key, *options])
