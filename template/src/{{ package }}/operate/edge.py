# Owned by the template: extend, do not edit.
"""nginx's configuration: from the policy, for the nginx and the certificates that are there (TLS).

Only here nginx and the policy meet. The headers and pages of what nginx answers by itself come from
the code that makes the application's, so the two cannot differ.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Literal

import click
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict, ValidationError

from ..adapter.compose import APP
from ..config import PACKAGE
from ..security import errors
from ..security.headers import SecureHeaders
from ..security.policy import HostName, Policy, load
from ..security.proxy import FORWARDING
from ..security.responses import Response
from ..security.static import StaticFiles
from . import deployed
from .locations import locations

DEPLOY = Path("deploy")
_TOO_MANY = 429
MOST_HEADERS = 90
"""With what nginx adds, fewer than the 100 at which the application's server gives up."""
STATUSES = (400, 403, 404, 405, 408, 413, 414, 421, 429, 431, 500, 503)
"""What nginx answers by itself. Others that it knows are turned into one of these."""
KEYS = {"intermediate": ("ecdsa", "rsa"), "modern": ("ecdsa",)}
"""Certificates of each profile, by the type of their key."""
HYBRID = "X25519MLKEM768"
"""Key exchange that a future quantum computer cannot undo; OpenSSL has it since 3.5."""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
"""nginx wants a folder for each, also where it has no use for it."""
HEADERS_MORE = "ngx_http_headers_more_filter_module.so"
_WRITTEN = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}
_EMPTIED = (
    *(name for name in FORWARDING if name not in _WRITTEN),
    "x-http-method-override",
    "proxy",
)
"""What a client may not say to the application, besides what nginx says in its place."""
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
    live: str = ""
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
            raise click.ClickException(
                f"{self.program}: {error.strerror}; install nginx, or correct `nginx` in edge.toml"
            ) from None
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


def variable(name: str) -> str:
    """Return what `quote` turns into a variable of nginx."""
    return f"@@{name}@@"


def quote(text: object) -> str:
    """Return a string of nginx's language, in which nothing is special but our variables."""
    quoted = str(text).replace("\\", "\\\\").replace("'", "\\'").replace("$", "${dollar}")
    return "'" + re.sub("@@([a-z_]+)@@", r"${\1}", quoted) + "'"


class Face:
    """What nginx answers by itself, the same as the application would."""

    def __init__(self, policy: Policy) -> None:
        """Read the policy and the static files."""
        self._headers = SecureHeaders(policy)
        self._name = policy.service.name
        self._pause = -(-60 // policy.edge.login_rate_per_minute)
        self._stylesheet = StaticFiles(APP / "static", policy.static.max_age).url("app.css")

    def problem(self, status: int, *, as_json: bool) -> Response:
        """Return an error page or problem document."""
        after = [("retry-after", str(self._pause))] if status == _TOO_MANY else []
        problem, request_id = errors.Problem(status, headers=after), variable("request_id")
        if as_json:
            return errors.document(problem, request_id)
        return errors.page(problem, request_id, self._stylesheet, self._name)

    def problem_headers(self, *, as_json: bool, https: bool) -> list[tuple[str, str]]:
        """Return the headers of all problems, in order; nginx leaves out those that are empty."""
        own = {
            name: variable(f"problem_{name.replace('-', '_')}") for name in ("allow", "retry-after")
        }
        kind = self.problem(STATUSES[0], as_json=as_json).header(b"content-type").decode()
        return self.headers({**own, "cache-control": "no-store"}, kind=kind, https=https)

    @property
    def mark(self) -> str:
        """Return a header that all answers of the application have, as nginx's variables say it."""
        always = (name for name, _ in self.headers({}, kind="", https=False))
        return next((name.replace("-", "_") for name in always), "content_type")

    def headers(self, own: dict[str, str], *, kind: str, https: bool) -> list[tuple[str, str]]:
        """Return all headers of an answer of the type `kind`, but those that nginx sets."""
        pairs = [(name.encode(), value.encode()) for name, value in own.items()]
        content_type = (b"content-type", kind.encode())
        sent, _ = self._headers.finish(
            STATUSES[0],
            [*pairs, content_type],
            https=https,
            nonce=lambda: variable("request_id"),
        )
        mine = {b"content-type", b"server"}
        return [(name.decode(), value.decode()) for name, value in sent if name not in mine]


def read(file: Path) -> Machine:
    """Read `edge.toml`. Raises `click.ClickException`."""
    try:
        return Machine.model_validate(tomllib.loads(file.read_text("utf-8-sig")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
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


def folder() -> Path:
    """Return the folder in which the command was called, by the name that the caller gave it.

    Where that is a link to the version that serves, it will lead to another one.
    """
    named, real = Path(os.environ.get("PWD", "")), Path.cwd()
    return named if named.is_absolute() and named.resolve() == real else real


def configure(machine: Machine, policy: Policy, place: Path) -> tuple[str, list[str]]:
    """Return the configuration, and what was chosen for this machine; its facts are at `place`."""
    nginx = Nginx(machine.nginx)
    domain = policy.service.domain.partition(":")[0]
    modules = [path for path in (Path(each, HEADERS_MORE) for each in MODULES) if path.exists()]
    load_module = f"load_module {modules[0]};" if modules else ""
    nameless = nginx.accepts("more_clear_headers Server;", load_module)
    http2_on, hybrid = nginx.accepts("http2 on;"), nginx.accepts(f"ssl_ecdh_curve {HYBRID};")
    counts = nginx.accepts("max_headers 64;")
    found, addresses = present(machine, domain), listens(machine)
    missing = ", ".join(key for key in KEYS[machine.tls_profile] if key not in found)
    groups = [*([HYBRID] if hybrid else []), "X25519", "prime256v1", "secp384r1"]
    chosen = [
        f"HTTP/2: {'http2 on' if http2_on else 'on the listen line'}",
        f"key exchange: {', '.join(groups)}{'' if hybrid else f'; this OpenSSL has no {HYBRID}'}",
        f"Server header: {'removed' if nameless else 'nginx; headers-more would remove it'}",
        f"too many headers: {'our page' if counts else 'no page; this nginx has no max_headers'}",
        f"certificates: {', '.join(found) or 'none yet, so no https'}"
        + (f"; missing: {missing}" if missing else ""),
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
    environment.filters["quote"] = quote
    face = Face(policy)
    rendered = environment.get_template("nginx.conf.j2").render(
        m=machine,
        place=folder() / place,
        profile=machine.tls_profile,
        policy=policy,
        face=face,
        bare=face.problem_headers(as_json=True, https=True),
        mark=face.mark,
        statuses=STATUSES,
        temporary=TEMPORARY,
        names=[domain, *machine.further_names],
        certificates=found,
        listens=addresses,
        user=worker_user(machine),
        load_module=load_module if nameless else "",
        http2_on=http2_on,
        max_headers=min(policy.input.max_header_count, MOST_HEADERS) if counts else 0,
        groups=groups,
        allow=errors.allow_header(policy.input.methods),
        emptied=_EMPTIED,
        locations=locations(policy),
    )
    return rendered, chosen


def found(machine: Path | None, file: Path) -> Path:
    """Return the machine's facts to use; raise `click.ClickException` if they are gone."""
    try:
        return machine or deployed.machine_file(file, DEPLOY / "edge.toml")
    except FileNotFoundError as error:
        raise click.ClickException(f"{error} by --machine") from None


def reloading(machine: Machine, file: Path) -> list[str]:
    """Return the command by which a running nginx reads `file` and the certificates again."""
    return [machine.nginx, "-e", "stderr", "-c", str(file.resolve()), "-s", "reload"]


def _runs(pid: Path) -> bool:
    """Tell whether nginx runs; `nginx -t` alone leaves an empty file."""
    try:
        return pid.read_text("utf-8").strip() != ""
    except FileNotFoundError:
        return False


def install(file: Path, text: str, nginx: Nginx) -> None:
    """Put a configuration in place if nginx accepts it; else leave the old one where it is."""
    # A name of its own: a certificate that is renewed and a release may come at once.
    made, refused = file.with_name(f"{file.name}.{os.getpid()}"), file.with_name(f"{file.name}.new")
    made.write_text(text, "utf-8")
    if problems := nginx.errors(made):
        made.replace(refused)
        said = problems.replace(str(made.resolve()), str(refused))
        raise click.ClickException(f"nginx refuses {refused}, {file} stays as it was:\n{said}")
    made.replace(file)


_PATH = click.Path(path_type=Path)
_FILE = click.argument("file", type=_PATH)
_MACHINE = click.option(
    "--machine",
    type=_PATH,
    help="Facts of this machine. By default what made FILE, else edge.toml in /etc/<project>, else"
    " deploy/edge.toml.",
)
_POLICY = click.option("--policy", type=_PATH, default="policy.toml", show_default=True)


@click.command()
@_FILE
@_MACHINE
@_POLICY
@click.option("--reload", is_flag=True, help="Let a running nginx read it.")
@click.option("--remove", is_flag=True, help="Agree that names, addresses or sockets vanish.")
def edge(file: Path, machine: Path | None, policy: Path, *, reload: bool, remove: bool) -> None:
    """Write nginx's configuration to FILE, for the nginx and the certificates that are there."""
    place = found(machine, file)
    facts = read(place)
    for folder in (facts.cache, facts.webroot):
        Path(folder).mkdir(parents=True, exist_ok=True)
    text, chosen = configure(facts, load(policy), place)
    gone = ", ".join(deployed.lost(file, text))
    # An edit of the same facts is meant; other facts are likely to be those of another machine.
    before = deployed.made_by(file)
    if gone and not remove and not (before and before.resolve() == place.resolve()):
        raise click.ClickException(
            f"{file} stays as it was; by {place} it would lose: {gone}. Name the machine's own"
            " facts by --machine, or agree by --remove"
        )
    install(file, text, Nginx(facts.nginx))
    click.echo("\n".join([f"machine: {place}", *chosen, f"{file}: written, nginx -t passes"]))
    if gone:
        click.echo(f"no longer served: {gone}", err=True)
    if reload:
        if _runs(Path(facts.pid)):
            run(reloading(facts, file))
        else:
            click.echo(f"nginx does not run (by {facts.pid}), so nothing is reloaded", err=True)


@click.command(context_settings={"ignore_unknown_options": True})
@_FILE
@_MACHINE
@_POLICY
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def certificates(file: Path, machine: Path | None, policy: Path, options: tuple[str, ...]) -> None:
    """Get certificates by certbot, now and whenever it renews; FILE is what `edge` writes.

    nginx must run already, with FILE. OPTIONS are passed on to certbot.
    """
    place = found(machine, file)
    facts, service = read(place), load(policy).service
    domain = service.domain.partition(":")[0]
    here, python = folder(), Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = here / python.relative_to(Path.cwd())
    command = [str(python), "-m", PACKAGE, "edge", str(file.resolve()), "--reload"]
    places = ["--machine", str(here / place), "--policy", str(here / policy)]
    # Not "cd": certbot looks for the first word on the PATH.
    make = shlex.join(["env", f"--chdir={here}", *command, *places])
    # certbot runs it once for a new certificate, whatever comes of it. So nginx reads that first,
    # with the configuration that it has: a mistake in a new one must not keep the old certificate.
    hook = shlex.join(["sh", "-c", f"{shlex.join(reloading(facts, file))}; {make}"])
    common = ["certbot", "certonly", "--non-interactive", "--agree-tos", "--email", service.contact]
    common += ["--config-dir", str(Path(facts.certificates).parent), "--deploy-hook", hook]
    common += ["--webroot", "--webroot-path", facts.webroot]
    common += ["--domains", ",".join([domain, *facts.further_names])]
    for key in KEYS[facts.tls_profile]:
        run([*common, "--cert-name", f"{domain}-{key}", "--key-type", key, *options])
