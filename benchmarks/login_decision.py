"""What a login decision costs: `Store.reserve()` with all three counters against raw writes.

Raw is the least that could count at all: one transaction (SQLite) or one script call (Redis,
Valkey) that writes the same three rows without looking at them. Pairs are interleaved, so that
both meet the same machine; the ratio is the median over all pairs.

    python -m benchmarks.login_decision [--json] [--pairs N]

Needs the redis client and, for that row, redis-server or valkey-server.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
SECURITY = ROOT / "template" / "src" / "{{ package }}" / "security"
NOW = 1_800_000_000
DAY = 86_400
WARM_UP = 200
RAW_SQL = f"REPLACE INTO store_counter VALUES {', '.join(['(?, ?, ?, ?, ?, ?)'] * 3)}"  # noqa: S608 - question marks
RAW_LUA = """
for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[1], 'EX', ARGV[2]) end
return 0
"""


@dataclass(frozen=True)
class Result:
    """One row of the report; times are medians in microseconds."""

    engine: str
    raw_us: float
    reserve_us: float
    ratio: float
    target: float
    pairs: int


def load_stores() -> ModuleType:
    """Import the stores from the template: they hold no Jinja and need nothing around them."""
    spec = importlib.util.spec_from_file_location(
        "security", SECURITY / "__init__.py", submodule_search_locations=[str(SECURITY)]
    )
    if spec is None or spec.loader is None:
        raise FileNotFoundError(SECURITY)
    module = importlib.util.module_from_spec(spec)
    sys.modules["security"] = module
    spec.loader.exec_module(module)
    return importlib.import_module("security.stores")


def compare(
    engine: str,
    target: float,
    pairs: int,
    raw: Callable[[list[str]], object],
    reserve: Callable[[list[str]], object],
) -> Result:
    """Time both in turn, each attempt by another user from another address."""
    raw_times: list[float] = []
    reserve_times: list[float] = []
    for attempt in range(WARM_UP + pairs):
        keys = [f"{name} {attempt}" for name in ("pair", "address", "account")]
        start = time.perf_counter()
        raw(keys)
        middle = time.perf_counter()
        reserve(keys)
        end = time.perf_counter()
        if attempt >= WARM_UP:
            raw_times.append(middle - start)
            reserve_times.append(end - middle)
    ratio = statistics.median(b / a for a, b in zip(raw_times, reserve_times, strict=True))
    raw_us, reserve_us = (
        round(statistics.median(times) * 1e6, 1) for times in (raw_times, reserve_times)
    )
    return Result(engine, raw_us, reserve_us, round(ratio, 2), target, pairs)


def reserver(stores: Any, store: Any) -> Callable[[list[str]], object]:
    """Return a function that makes the decision of one attempt, with the policy's three rules."""

    def reserve(keys: list[str]) -> None:
        rules = (
            stores.Counter(keys[0], 5, DAY, 900, DAY, label="pair"),
            stores.Counter(keys[1], 100, DAY, label="address"),
            stores.Counter(keys[2], 100, DAY, label="account"),
        )
        if store.reserve(rules, keys[0], NOW):
            raise AssertionError("blocked: the benchmark would measure less than it says")

    return reserve


def sqlite(stores: Any, pairs: int) -> Result:
    """Compare on two files with the same tables."""
    with tempfile.TemporaryDirectory() as folder:
        store = stores.open_store(f"sqlite:///{folder}/ours.db")
        twin = stores.open_store(f"sqlite:///{folder}/raw.db")
        twin.ping()
        with (
            closing(store),
            closing(twin),
            closing(sqlite3.connect(f"{folder}/raw.db", isolation_level=None)) as db,
        ):
            db.execute("PRAGMA synchronous = NORMAL")

            def raw(keys: list[str]) -> None:
                db.execute("BEGIN IMMEDIATE")
                db.execute(
                    RAW_SQL,
                    [value for key in keys for value in (key, 1, 0, NOW + DAY, key[:32], "pair")],
                )
                db.execute("COMMIT")

            name = f"SQLite {sqlite3.sqlite_version}"
            return compare(name, 2.0, pairs, raw, reserver(stores, store))


def redis(stores: Any, pairs: int) -> Result | None:
    """Compare on one server, with one connection each; None where there is no server."""
    with redis_server() as url:
        if url is None:
            return None
        from redis import Redis

        client = Redis.from_url(url, decode_responses=True, protocol=2)
        with client, closing(stores.open_store(url)) as store:
            sha = client.script_load(RAW_LUA)

            def raw(keys: list[str]) -> None:
                client.evalsha(sha, 3, *keys, f"1 0 {NOW + DAY}", DAY)

            server = client.info("server")
            # Valkey gives the Redis version it is compatible with as well.
            version = server.get("valkey_version", server["redis_version"])
            name = f"{server.get('server_name', 'redis').capitalize()} {version}"
            return compare(name, 1.3, pairs, raw, reserver(stores, store))


@contextmanager
def redis_server() -> Iterator[str | None]:
    """Run a server on loopback that keeps nothing; its URL, or None where none is installed."""
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        yield None
        return
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([program, *options, "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.01)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()
            server.wait()


def main() -> int:
    """Print one row per engine; exit 1 if one misses its target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON, one object per engine")
    parser.add_argument("--pairs", type=int, default=3000, help="pairs per engine")
    options = parser.parse_args()
    stores = load_stores()
    found = [sqlite(stores, options.pairs), redis(stores, options.pairs)]
    results = [result for result in found if result is not None]
    if None in found:
        print("no redis-server: apt-get install redis-server", file=sys.stderr)
    if options.json:
        for result in results:
            print(json.dumps({**asdict(result), "python": platform.python_version()}))
    else:
        print("| engine | raw, us | reserve(), us | ratio | target |\n|---|--:|--:|--:|--:|")
        for r in results:
            print(f"| {r.engine} | {r.raw_us} | {r.reserve_us} | {r.ratio} | <= {r.target} |")
    return 0 if all(result.ratio <= result.target for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
