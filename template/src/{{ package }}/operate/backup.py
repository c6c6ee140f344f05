# Owned by the template: extend, do not edit.
"""`backup` and `restore` of the SQLite files (DAT-4); for servers, the commands of their own tools.

A backup is a folder: a copy of each file as it was at one moment, the policy, and a manifest with
hashes. It is written beside its place and renamed, so that there is never half of one. The keys
(APP_SECRET_KEYS) are not in it: whoever finds a backup shall not be able to forge cookies.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from ..adapter import versions
from ..config import PACKAGE, Settings, load
from ..security import events
from ..security.stores import StoreError
from .operator import operator
from .serving import files, stopped

NOT_ALL = 3
"""Exit code where something is kept by a server, which has tools of its own."""
_FORMAT = 1
_MANIFEST = "manifest.json"
_POLICY = "policy.toml"
_END = """
CREATE TEMP TABLE ended AS SELECT user, max(epoch) + 1 AS epoch FROM ({sources}) GROUP BY user;
DELETE FROM store_session;
REPLACE INTO store_epoch (user, epoch) SELECT user, epoch FROM ended;
"""
_SOURCES = (
    "SELECT user, epoch FROM {0}.store_epoch"
    " UNION ALL SELECT user, 0 FROM {0}.store_session WHERE user != ''"
)
_FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("folder", type=_FOLDER)
@click.option(
    "--keep",
    type=click.IntRange(1),
    help="Make a folder in FOLDER, named by the time, and delete all but so many of them.",
)
def backup(folder: Path, keep: int | None) -> None:
    """Copy the state of the service into FOLDER while it serves."""
    settings = load()
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = folder / name if keep else folder
    elsewhere = _elsewhere(settings, target)
    local = files(settings)
    if local:
        with _whole(target) as made:
            for name, source in local.items():
                _copy(source, made / name)
            if settings.policy.is_file():
                shutil.copyfile(settings.policy, made / _POLICY)
            _write_manifest(made)
        events.emit("sys_backup", operator=operator(), folder=str(target))
        click.echo(f"{target}: {', '.join([*local, _POLICY])}")
        if keep:
            _delete_old(folder, keep)
    for line in elsewhere:
        click.echo(line, err=True)
    if elsewhere:
        sys.exit(NOT_ALL)


@click.command()
@click.argument("folder", type=_FOLDER)
def restore(folder: Path) -> None:
    """Put the backup in FOLDER in the place of the state; all sessions end.

    The service must not run. What was there is kept beside it.
    """
    settings = load()
    manifest = _read_manifest(folder)
    local = files(settings)
    if not local.keys() & manifest["files"].keys():
        # Said to be done, it would be taken for done.
        raise click.ClickException(
            f"nothing of {folder} was restored: it holds {', '.join(manifest['files'])}, and by"
            f" these settings the state is in {', '.join(local) or 'servers'}; name others by"
            " --env-file, or use the servers' own tools: `backup` says how"
        )
    with stopped(settings):
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        ready = {}
        for name, target in local.items():
            if name in manifest["files"]:
                require_unused(target)
                ready[name] = _placed(folder / name, target)
        if "store.sqlite3" in ready:
            _end_sessions(ready["store.sqlite3"], local["store.sqlite3"])
        for name, new in ready.items():
            _replace(new, local[name], now)
    events.emit("sys_restored", operator=operator(), folder=str(folder))
    click.echo(f"restored {', '.join(ready)} as of {manifest['created']}")
    missing = [name for name in ("app.sqlite3", "store.sqlite3") if name not in ready]
    try:
        versions.require_current(settings.database_url)
        if "store.sqlite3" in missing:
            _revoke_sessions()
    except StoreError as error:
        click.echo(str(error), err=True)
        if "store.sqlite3" in missing:
            click.echo(
                "no session has ended: then end those of each user, by `sessions revoke`", err=True
            )
            sys.exit(NOT_ALL)
    click.echo("all sessions have ended")
    if missing:
        click.echo(f"not in the backup, so as before: {', '.join(missing)}", err=True)
        sys.exit(NOT_ALL)


def _revoke_sessions() -> None:
    """End the sessions that were not put back, wherever they are (SES-10)."""
    # Not above: nothing else here knows users.
    from .people import open_desk

    desk = open_desk()
    for person in desk.people.all():
        desk.end_sessions(person, "restored")


def _elsewhere(settings: Settings, target: Path) -> list[str]:
    """Return what to do about state that servers keep."""
    lines = []
    if settings.database_url.startswith("postgresql:"):
        tool = "" if shutil.which("pg_dump") else " (it is not installed here)"
        lines.append(
            "the database is PostgreSQL's; use its own tool, of the server's version or newer"
            f'{tool}:\n  pg_dump --format=custom --file={target}.dump "$APP_DATABASE_URL"\n'
            f'  pg_restore --clean --if-exists --dbname="$APP_DATABASE_URL" {target}.dump'
        )
    if not settings.store_url.startswith("sqlite:"):
        lines.append(
            "sessions and login counters are in Valkey or Redis; copy them by its own tool:\n"
            f'  valkey-cli -u "$APP_STORE_URL" --rdb {target}.rdb\n'
            "after a restore end all sessions: start it without that file, everybody logs in again"
        )
    return lines


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """Give a folder to fill, which appears at `target` once it is full and on the disk."""
    if target.exists():
        raise click.ClickException(f"{target} exists; name a folder that does not")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise click.ClickException(f"{target}: {error.strerror}; name another folder") from None
    try:
        yield made
        for path in made.iterdir():
            path.chmod(0o600)
            _flush(path)
        _flush(made)
        made.rename(target)
        _flush(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise click.ClickException(f"{target}: {error}; nothing was left there") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment; whoever writes meanwhile is not held up."""
    if not source.is_file():
        raise click.ClickException(
            f"{source} is not there; make it: {versions.UPGRADE}, or start the service"
        )
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with (
        closing(sqlite3.connect(source.as_uri() + "?mode=rw", uri=True)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
        # One file, without a log beside it.
        new.execute("PRAGMA journal_mode = DELETE")
        (state,) = new.execute("PRAGMA integrity_check(1)").fetchone()
    if state != "ok":
        raise click.ClickException(f"{source} is damaged: {state}; restore an older backup")


def _write_manifest(folder: Path) -> None:
    manifest = {
        "format": _FORMAT,
        "package": PACKAGE,
        "version": _version(PACKAGE),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {
            path.name: {"sha256": _hash(path), "bytes": path.stat().st_size}
            for path in sorted(folder.iterdir())
        },
    }
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a backup that is what it says."""
    try:
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text("utf-8"))
        form, package = manifest["format"], manifest["package"]
        listed = {name: each["sha256"] for name, each in manifest["files"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise click.ClickException(
            f"{folder} is no backup, without a whole {_MANIFEST}; name a folder that `backup` made"
        ) from None
    if (form, package) != (_FORMAT, PACKAGE):
        raise click.ClickException(
            f"{folder} is a backup of {package}, format {form}; this is {PACKAGE}, format {_FORMAT}"
        )
    for name, digest in listed.items():
        path = folder / name
        if Path(name).name != name or not path.is_file() or _hash(path) != digest:
            raise click.ClickException(
                f"{path} is not what was saved: missing or changed; take another backup"
            )
    return manifest


def require_unused(path: Path) -> None:
    """Refuse a database that a process has open, also one that `run` did not start."""
    if not path.exists():
        return
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(path, timeout=1)) as database:
        try:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            raise click.ClickException(f"{path} is in use; stop what uses it first") from None


def _placed(source: Path, target: Path) -> Path:
    """Copy a file beside its place, for the one whose folder it is."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.restoring")
    new.unlink(missing_ok=True)
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    shutil.copyfile(source, new)
    owner = (target if target.exists() else target.parent).stat()
    if os.geteuid() == 0:
        os.chown(new, owner.st_uid, owner.st_gid)
    return new


def _end_sessions(new: Path, current: Path) -> None:
    """End the sessions of the backup, and of now; keep the counters of now (SES-10, THR-5).

    Epochs go beyond those of both files, so that nothing which began under either comes back.
    """
    with closing(sqlite3.connect(new)) as database:
        sources = [_SOURCES.format("main")]
        same = False
        if current.exists():
            # A file that is damaged has nothing to keep.
            with suppress(sqlite3.DatabaseError):
                database.execute("ATTACH ? AS now", (str(current),))
                database.execute("SELECT count(*) FROM now.store_epoch").fetchone()
                sources.append(_SOURCES.format("now"))
                versions_of = [
                    database.execute(f"PRAGMA {name}.user_version").fetchone()
                    for name in ("main", "now")
                ]
                same = versions_of[0] == versions_of[1]
        database.executescript(_END.format(sources=" UNION ALL ".join(sources)))
        if same:
            tables = database.execute(
                "SELECT name FROM now.sqlite_master WHERE type = 'table'"
                " AND name NOT IN ('store_session', 'store_epoch')"
            ).fetchall()
            for (table,) in tables:
                database.execute(f"DELETE FROM main.{table}")  # noqa: S608 - tables of the store
                database.execute(f"INSERT INTO main.{table} SELECT * FROM now.{table}")  # noqa: S608 - as above
        database.commit()
        database.execute("PRAGMA journal_mode = DELETE")


def _replace(new: Path, target: Path, now: str) -> None:
    """Put a file in its place; keep the one before, with its log, beside it."""
    _flush(new)
    for suffix in ("", "-wal", "-shm"):
        old = target.with_name(target.name + suffix)
        if old.exists():
            old.rename(target.with_name(f"{target.name}.before-{now}{suffix}"))
    new.rename(target)
    _flush(target.parent)


def _delete_old(folder: Path, keep: int) -> None:
    # Those with a dot are being made: by another `backup`, which may be deleting, too.
    made = [path for path in folder.iterdir() if (path / _MANIFEST).is_file()]
    for path in sorted(path for path in made if not path.name.startswith("."))[:-keep]:
        with suppress(FileNotFoundError):
            shutil.rmtree(path)
        click.echo(f"{path}: deleted, {keep} newer ones are there")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
