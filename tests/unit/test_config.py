"""The environment, and what the service says about itself (guide: production vs development)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from my_service.config import Settings
from my_service.operate.edge import read
from my_service.security.policy import PolicyError, load

from ..conftest import Make
from ..driver import KEY, Files, Inside, new_user, run_cli
from ..test_cfg_configuration import environment, run, started

UNSAFE = {
    "no key": ({"APP_SECRET_KEYS": ""}, "APP_SECRET_KEYS"),
    "key missing": ({"APP_SECRET_KEYS": None}, "APP_SECRET_KEYS"),
    "short key": ({"APP_SECRET_KEYS": "tooshort"}, "APP_SECRET_KEYS"),
    "simple key": ({"APP_SECRET_KEYS": "a" * 64}, "APP_SECRET_KEYS"),
    "example key": (
        {"APP_SECRET_KEYS": "changeme-changeme-changeme-1234567890"},
        "APP_SECRET_KEYS",
    ),
    "second key short": ({"APP_SECRET_KEYS": f"{KEY},tooshort"}, "APP_SECRET_KEYS"),
    "no hosts": ({"APP_HOSTS": ""}, "APP_HOSTS"),
    "hosts missing": ({"APP_HOSTS": None}, "APP_HOSTS"),
    "any host": ({"APP_HOSTS": "*"}, "APP_HOSTS"),
    "any subdomain": ({"APP_HOSTS": "*.app.test"}, "APP_HOSTS"),
    "http origin": ({"APP_HOSTS": "http://app.test"}, "APP_HOSTS"),
    "origin": ({"APP_HOSTS": "https://app.test"}, "APP_HOSTS"),
    "host with a path": ({"APP_HOSTS": "app.test/login"}, "APP_HOSTS"),
    **{
        f"host {host}": ({"APP_HOSTS": host}, "APP_HOSTS")
        for host in (
            "app.test b.test",
            "app.test;b.test",
            "'app.test'",
            '["app.test"]',
            "[app.test",
            "[127.0.0.1]",
            "[::1::]",
            "::1",
            "app.test:",
            "app.test:0",
            "app.test:99999",
            "app.test:80:80",
            "app..test",
            ".app.test",
            "-",
            "app.test\\",
            "app@app.test",
        )
    },
    "any proxy": ({"APP_TRUSTED_PROXIES": "*"}, "APP_TRUSTED_PROXIES"),
    "the whole network": ({"APP_TRUSTED_PROXIES": "0.0.0.0/0"}, "APP_TRUSTED_PROXIES"),
    "the whole IPv6 network": ({"APP_TRUSTED_PROXIES": "::/0"}, "APP_TRUSTED_PROXIES"),
    "two halves": ({"APP_TRUSTED_PROXIES": "0.0.0.0/1,128.0.0.0/1"}, "APP_TRUSTED_PROXIES"),
    "proxy by name": ({"APP_TRUSTED_PROXIES": "proxy.internal"}, "APP_TRUSTED_PROXIES"),
    "store in memory": ({"APP_STORE_URL": "sqlite:///:memory:"}, "APP_STORE_URL"),
    "store without a file": ({"APP_STORE_URL": "sqlite://"}, "APP_STORE_URL"),
    "store of another kind": ({"APP_STORE_URL": "memory://"}, "APP_STORE_URL"),
    "database in memory": ({"APP_DATABASE_URL": "sqlite:///:memory:"}, "APP_DATABASE_URL"),
    "database that is a folder": ({"APP_DATABASE_URL": "sqlite:////"}, "APP_DATABASE_URL"),
    "store that is a folder": ({"APP_STORE_URL": "sqlite:////tmp"}, "APP_STORE_URL: /tmp is a"),
    "database that is something else": (
        {"APP_DATABASE_URL": f"sqlite:///{__file__}"},
        "is no SQLite file; correct the path",
    ),
    "one file for both": (
        {"APP_DATABASE_URL": "sqlite:///var/a.db", "APP_STORE_URL": "sqlite:///var/../var/a.db"},
        "the same file as APP_STORE_URL",
    ),
    **{
        f"{kind} {url}": ({f"APP_{kind}_URL": url}, f"APP_{kind}_URL: ")
        for kind in ("DATABASE", "STORE")
        for url in (
            "sqlite:///var/a.db?mode=ro",
            "sqlite:///var/a.db ",
            "sqlite:///var/a\n.db",
            "sqlite:///var/a/",
        )
    },
    **{
        f"store {url}": ({"APP_STORE_URL": url}, "APP_STORE_URL: its ")
        for url in (
            "redis://127.0.0.1:sesame/0",
            "redis://:sesame/1@127.0.0.1/0",
            "redis://:a@sesame/w@127.0.0.1/0",
            "redis://127.0.0.1/sesame",
            "redis://[::1/0",
            "redis://127.0.0.1/0?socket_timeout=sesame",
        )
    },
    "store with an option that is none": (
        {"APP_STORE_URL": "redis://127.0.0.1/0?nonsense=1"},
        "leave out what its query has too much",
    ),
    **{
        f"store {name}": ({"APP_STORE_URL": url}, "APP_STORE_URL: to ")
        for name, url in {
            "in clear": "redis://store.test:6379/0",
            "in clear, by address": "valkey://:sesame@192.0.2.1:6379/0",
            "by a name like this machine's": "redis://localhost.store.test/0",
            "at a host in the query": "redis:///0?host=store.test",
            "with any certificate": "rediss://store.test/0?ssl_cert_reqs=none",
            "with a certificate for another name": "valkeys://store.test/0?ssl_check_hostname=no",
        }.items()
    },
    **{
        f"database {name}": ({"APP_DATABASE_URL": url}, "APP_DATABASE_URL: to ")
        for name, url in {
            "in clear": "postgresql://app:sesame@db.test/app?sslmode=disable",
            "perhaps in clear": "postgresql://app:sesame@db.test/app",
            "with any certificate": "postgresql://app:sesame@db.test/app?sslmode=require",
            "with a certificate for another name": "postgresql://db.test/app?sslmode=verify-ca",
            "of several": "postgresql://127.0.0.1,db.test/app",
            "at a host in the query": "postgresql://127.0.0.1/app?host=db.test",
            "at an address in the query": "postgresql://127.0.0.1/app?hostaddr=192.0.2.1",
        }.items()
    },
    "database with two hosts": (
        {"APP_DATABASE_URL": "postgresql:///app?host=db.test&host=127.0.0.1"},
        "APP_DATABASE_URL: a parameter",
    ),
    "database of a service file": (
        {"APP_DATABASE_URL": "postgresql:///app?service=elsewhere"},
        "APP_DATABASE_URL: a parameter",
    ),
    "database that libpq cannot read": (
        {"APP_DATABASE_URL": "postgresql://app:sesame@127.0.0.1/app?mode=verify-full"},
        "APP_DATABASE_URL: libpq",
    ),
    "database by the environment": (
        {"APP_DATABASE_URL": "postgresql:///app", "PGHOST": "db.test"},
        "APP_DATABASE_URL: to ",
    ),
    **{
        f"database {url}": ({"APP_DATABASE_URL": url}, "APP_DATABASE_URL: ")
        for url in (
            "postgresql://app:sesame@127.0.0.1:sesame/app",
            "postgresql://app:sesame@127.0.0.1:5432,127.0.0.1:sesame/app",
            "postgresql://app:sesame@[::1/app",
        )
    },
    "keys in lines": ({"APP_SECRET_KEYS": f"{KEY}\n{KEY}"}, "separate keys by commas"),
    **{
        f"{name} for {meant}": (
            {name: "sesame", meant: None, f"{meant}_FILE": None},
            f"{name} is not read, and {meant} is not set",
        )
        for name, meant in {
            "APP_HOST": "APP_HOSTS",
            "APP_HOSTS_FIL": "APP_HOSTS",
            "APP_SECRET_KEY": "APP_SECRET_KEYS",
            "APP_TRUSTED_PROXY": "APP_TRUSTED_PROXIES",
            "APP_STORE_URI": "APP_STORE_URL",
            "APP_DATABASE_URLS": "APP_DATABASE_URL",
        }.items()
    },
    "debug": ({"APP_DEBUG": "1"}, "APP_DEBUG"),
    "debug mode of a framework": ({"FLASK_DEBUG": "true"}, "FLASK_DEBUG"),
    "debug mode of another": ({"LITESTAR_DEBUG": "1"}, "LITESTAR_DEBUG"),
    "unknown environment": ({"APP_ENV": "staging"}, "APP_ENV"),
}


def report(files: Files, changes: dict[str, str | None] | None = None) -> tuple[int, Any]:
    result = run(environment(files, changes or {}), "check", "--json")
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, exceptions={})


DEVIATION = {"setting": "sessions.idle-timeout", "value": 3600}
ADVISORY = {"id": "CVE-2099-12345"}


def with_exception(files: Files, **changes: object) -> None:
    """Write a policy with one exception, changed in some of its parts."""
    write_policy(files, "exception", {**DEVIATION, **changes})


def with_advisory(files: Files, **changes: object) -> None:
    """Write a policy with one exception for an advisory, changed in some of its parts."""
    write_policy(files, "advisory-exception", {**ADVISORY, **changes})


def write_policy(files: Files, table: str, own: dict[str, object]) -> None:
    entry: dict[str, object] = {
        "reason": "Kiosks are used once an hour",
        "owner": "ops@app.test",
        "expires": datetime.now(UTC).date() + timedelta(days=1),
        **own,
    }
    lines = [
        f"{name} = {json.dumps(value) if isinstance(value, str) else value}"
        for name, value in entry.items()
        if value is not None
    ]
    text = Files(files.folder, exceptions={}).policy().read_text("utf-8")
    (files.folder / "policy.toml").write_text("\n".join([text, f"[[{table}]]", *lines]), "utf-8")


@pytest.mark.contract("CFG-1")
@pytest.mark.parametrize(("changes", "name"), UNSAFE.values(), ids=UNSAFE.keys())
def test_unsafe_environment_does_not_start(
    files: Files, changes: dict[str, str | None], name: str
) -> None:
    unsafe = environment(files, changes)
    assert not started(unsafe)
    result = run(unsafe)
    assert result.exit_code == 1
    assert name in result.output
    assert "Traceback" not in result.output
    for value in (KEY, "tooshort", "changeme-changeme", "sesame"):
        assert value not in result.output


SAFE = {
    "store over TLS": {"APP_STORE_URL": "rediss://:sesame@store.test:6379/0?ssl_ca_certs=/ca.pem"},
    "store, certificate required": {"APP_STORE_URL": "valkeys://store.test?ssl_cert_reqs=required"},
    "store here": {"APP_STORE_URL": "redis://[::1]:6379/0"},
    "store by name here": {"APP_STORE_URL": "valkey://localhost/0"},
    "database over TLS": {"APP_DATABASE_URL": "postgresql://a,b/app?sslmode=verify-full"},
    "database here": {"APP_DATABASE_URL": "postgresql://app@127.0.0.1,[::1]/app"},
    "database at a socket": {"APP_DATABASE_URL": "postgresql:///app"},
    "database at a named socket": {"APP_DATABASE_URL": "postgresql:///app?host=/run/postgresql"},
    "mode by the environment": {
        "APP_DATABASE_URL": "postgresql://db.test/app",
        "PGSSLMODE": "verify-full",
    },
    "a name of somebody else": {"APP_NAME": "x", "APP_TEST_DATABASE_URL": "x", "APP_HOST": "x"},
    "hosts of all kinds": {"APP_HOSTS": "app.test, App.test:8443, a_b.test., 192.0.2.1, [::1]:80"},
    "database at two ports": {"APP_DATABASE_URL": "postgresql://app@127.0.0.1:1,[::1]:2/app"},
    "network of one's own": {
        "APP_DATABASE_URL": "postgresql://app@database/app",
        "APP_STORE_URL": "redis://store/0",
        "APP_DANGEROUSLY_UNENCRYPTED_HOSTS": "database,store",
    },
}


@pytest.mark.contract("CFG-1")
@pytest.mark.parametrize("changes", SAFE.values(), ids=SAFE.keys())
def test_database_and_store_may_be_reached(files: Files, changes: dict[str, str | None]) -> None:
    """Seen by `check`: nothing listens there."""
    status, items = report(files, changes)
    (item,) = [each for each in items if each["title"] == "Environment"]
    excused = "APP_DANGEROUSLY_UNENCRYPTED_HOSTS" in changes
    assert (status, item["state"]) == (0, "warn" if excused else "ok"), item
    assert excused == ("database, store" in item["remedy"])


@pytest.mark.contract("CFG-1")
def test_only_the_named_hosts_may_be_reached_in_clear(files: Files) -> None:
    changes: dict[str, str | None] = {
        "APP_DATABASE_URL": "postgresql://app@database,db.test/app",
        "APP_DANGEROUSLY_UNENCRYPTED_HOSTS": "database,*,test",
    }
    result = run(environment(files, changes))
    assert result.exit_code == 1
    assert "APP_DATABASE_URL: to db.test: " in result.output


@pytest.mark.contract("CFG-1")
@pytest.mark.parametrize("mode", [0o666, 0o660, 0o602])
def test_database_that_others_can_write_is_refused(files: Files, mode: int) -> None:
    files.folder.chmod(0o700)
    for path in (files.database, files.store):
        path.touch(0o600)
        assert started(files.environment())
        path.chmod(mode)
        result = run(files.environment())
        assert result.exit_code == 1
        assert str(path) in result.output
        assert "chmod" in result.output
        path.chmod(0o600)


@pytest.mark.contract("CFG-1")
def test_folder_that_others_can_write_is_refused(files: Files) -> None:
    files.folder.chmod(0o777)
    try:
        assert not started(files.environment())
    finally:
        files.folder.chmod(0o700)


@pytest.mark.contract("CFG-2")
@pytest.mark.usefixtures("restored_logging")
def test_secrets_come_from_files(files: Files, tmp_path: Path) -> None:
    secret = tmp_path / "keys"
    secret.write_text(f"{KEY}\n", "utf-8")
    changes: dict[str, str | None] = {"APP_SECRET_KEYS": None, "APP_SECRET_KEYS_FILE": str(secret)}
    assert started(environment(files, changes))
    secret.write_text("tooshort\n", "utf-8")
    assert not started(environment(files, changes))


@pytest.mark.contract("CFG-2")
@pytest.mark.usefixtures("restored_logging")
def test_a_mark_that_editors_begin_files_with_is_no_content(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, policy = tmp_path / "keys", tmp_path / "policy.toml"
    secret.write_text(KEY, "utf-8-sig")
    policy.write_text(files.policy().read_text("utf-8"), "utf-8-sig")
    changes: dict[str, str | None] = {
        "APP_SECRET_KEYS": None,
        "APP_SECRET_KEYS_FILE": str(secret),
        "APP_POLICY": str(policy),
    }
    assert started(environment(files, changes))
    monkeypatch.delenv("APP_SECRET_KEYS", raising=False)
    monkeypatch.setenv("APP_SECRET_KEYS_FILE", str(secret))
    assert Settings().secret_keys == (KEY,)
    facts = tmp_path / "edge.toml"
    shipped = Path("deploy", "edge.toml")
    facts.write_text(shipped.read_text("utf-8"), "utf-8-sig")
    assert read(facts) == read(shipped)


@pytest.mark.contract("CFG-2")
@pytest.mark.parametrize(
    "changes",
    [
        {"APP_SECRET_KEYS": None, "APP_SECRET_KEYS_FILE": "/nowhere/keys"},
        {"APP_SECRET_KEYS_FILE": "/nowhere/keys"},
    ],
    ids=["no file", "both"],
)
def test_file_of_a_secret_must_be_the_only_place(
    files: Files, changes: dict[str, str | None]
) -> None:
    result = run(environment(files, changes))
    assert result.exit_code == 1
    assert "APP_SECRET_KEYS_FILE" in result.output
    assert "Traceback" not in result.output
    assert KEY not in result.output


@pytest.mark.contract("CFG-2")
def test_a_file_that_is_no_text_is_named(files: Files, tmp_path: Path) -> None:
    secret = tmp_path / "keys"
    secret.write_bytes(b"\xe9" * 40)
    changes: dict[str, str | None] = {"APP_SECRET_KEYS": None, "APP_SECRET_KEYS_FILE": str(secret)}
    result = run(environment(files, changes))
    assert result.exit_code == 1
    assert f"APP_SECRET_KEYS_FILE: {secret} is no text; save it as UTF-8" in result.output


@pytest.mark.contract("CFG-2")
def test_no_secret_is_printed(files: Files) -> None:
    secret = "redis://:sesame-of-the-store@127.0.0.1:1/0"
    changed = environment(files, {"APP_STORE_URL": secret})
    for arguments in (("check",), ("check", "--json"), ("policy", "show"), ("run", "--help")):
        output = run(changed, *arguments).output
        assert KEY not in output
        assert "sesame" not in output


@pytest.mark.contract("CFG-3")
def test_check_reports_each_item_of_the_guide(files: Files) -> None:
    status, items = report(files)
    assert status == 0, items
    assert len({item["id"] for item in items}) >= 8
    titles = " ".join(item["title"] for item in items)
    for words in ("TLS", "user input", "redirects", "Helmet", "fingerprinting", "cookies", "brute"):
        assert words in titles
    for item in items:
        assert item["state"] in {"ok", "warn", "fail"}
        assert item["title"]
        assert item["evidence"]
        assert item["remedy"] or item["state"] == "ok"
    printed = run(files.environment(), "check")
    assert printed.exit_code == 0
    for item in items:
        assert item["title"] in printed.output


@pytest.mark.contract("CFG-3")
@pytest.mark.parametrize("changes", [{"APP_SECRET_KEYS": "tooshort"}, {"APP_HOSTS": None}])
def test_check_fails_on_an_unsafe_environment(files: Files, changes: dict[str, str | None]) -> None:
    status, items = report(files, changes)
    assert status == 1
    (failed,) = [item for item in items if item["state"] == "fail"]
    assert next(iter(changes)) in json.dumps(failed)
    assert "tooshort" not in json.dumps(items)


@pytest.mark.contract("CFG-3")
def test_check_lists_exceptions_and_fails_on_an_expired_one(files: Files) -> None:
    with_exception(files)
    (files.folder / "kept.toml").write_bytes((files.folder / "policy.toml").read_bytes())
    policy: dict[str, str | None] = {"APP_POLICY": str(files.folder / "kept.toml")}
    status, items = report(files, policy)
    assert status == 0
    (item,) = [each for each in items if "idle-timeout" in each["title"]]
    assert item["state"] == "warn"
    assert "Kiosks are used once an hour" in item["evidence"]
    with_exception(files, expires=datetime.now(UTC).date() - timedelta(days=2))
    (files.folder / "kept.toml").write_bytes((files.folder / "policy.toml").read_bytes())
    status, items = report(files, policy)
    assert status == 1
    (item,) = [each for each in items if "idle-timeout" in each["title"]]
    assert item["state"] == "fail"
    assert item["remedy"]


@pytest.mark.contract("CFG-3")
@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[[exceptions]]\nsetting = 'x'", "exceptions: .*; did you mean 'exception'\\?"),
        ("[[routes]]\npath = '/x'", "routes: .*; did you mean 'route'\\?"),
        ("[nonsense]", "nonsense: .*; there are advisory-exception, exception, route, service"),
        ("[[route]]\npath = '/x'\nmax_body = 1", "max_body: .*; did you mean 'max-body'\\?"),
        ("[[route]]\naccess = 'public'", "route.0.path: Field required; add it"),
        ("[route]\npath = '/x'", "route: .*; write \\[\\[route\\]\\], with two brackets"),
        ("[[route]]\npath = '/x'\nmax-body = 99999999999999999999", "max-body: .* less than"),
    ],
)
def test_a_name_that_is_unknown_names_the_right_one(files: Files, written: str, said: str) -> None:
    path = Files(files.folder, exceptions={}).policy()
    path.write_text(f"{path.read_text('utf-8')}\n{written}\n", "utf-8")
    with pytest.raises(PolicyError, match=said):
        load(path)


@pytest.mark.contract("CFG-3")
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"setting": "sessions.idle-timeuot"}, "idle-timeout"),
        ({"setting": "sessions"}, "sessions"),
        ({"setting": ""}, "setting"),
        ({"value": "an hour"}, "idle-timeout"),
        ({"value": 0}, "idle-timeout"),
        ({"value": 2**63}, "idle-timeout"),
        ({"value": None}, "value"),
        ({"reason": None}, "reason"),
        ({"reason": "short"}, "reason"),
        ({"reason": " " * 12}, "reason"),
        ({"owner": None}, "owner"),
        ({"owner": ""}, "owner"),
        ({"owner": " "}, "owner"),
        ({"expires": None}, "expires"),
        ({"expires": "never"}, "expires"),
        ({"approved": "yes"}, "approved"),
    ],
    ids=str,
)
def test_exception_that_is_wrong_names_the_place(
    files: Files, changes: dict[str, object], named: str
) -> None:
    with_exception(files, **changes)
    (files.folder / "kept.toml").write_bytes((files.folder / "policy.toml").read_bytes())
    unsafe = environment(files, {"APP_POLICY": str(files.folder / "kept.toml")})
    assert not started(unsafe)
    for arguments in (("run",), ("check",), ("policy", "show")):
        result = run(unsafe, *arguments)
        assert result.exit_code == 1
        assert "kept.toml" in result.output
        assert named in result.output
        assert "Traceback" not in result.output


@pytest.mark.contract("DEP-1")
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"id": None}, "id"),
        ({"id": "two words"}, "id"),
        ({"id": ""}, "id"),
        ({"reason": None}, "reason"),
        ({"reason": "short"}, "reason"),
        ({"reason": " " * 12}, "reason"),
        ({"owner": ""}, "owner"),
        ({"owner": " "}, "owner"),
        ({"expires": None}, "expires"),
        ({"expires": "never"}, "expires"),
        ({"until-fixed": "yes"}, "until-fixed"),
        ({"package": "idna"}, "package"),
        ({"expires": "2099-01-01\n[[advisory-exception]]\nid = 1"}, "advisory-exception"),
    ],
    ids=str,
)
def test_advisory_exception_that_is_wrong_names_the_place(
    files: Files, changes: dict[str, object], named: str
) -> None:
    with_advisory(files, **changes)
    (files.folder / "kept.toml").write_bytes((files.folder / "policy.toml").read_bytes())
    unsafe = environment(files, {"APP_POLICY": str(files.folder / "kept.toml")})
    for command in ("audit", "check"):
        result = run(unsafe, command)
        assert result.exit_code == 1
        assert "kept.toml" in result.output
        assert named in result.output
        assert "Traceback" not in result.output


@pytest.mark.contract("DEP-1")
def test_advisory_excepted_twice_is_refused(files: Files) -> None:
    with_advisory(files)
    first = (files.folder / "policy.toml").read_text("utf-8")
    entry = first[first.rindex("[[advisory-exception]]") :]
    path = files.folder / "kept.toml"
    path.write_text(f"{first}\n{entry}", "utf-8")
    result = run(environment(files, {"APP_POLICY": str(path)}), "policy", "show")
    assert result.exit_code == 1
    assert "CVE-2099-12345" in result.output


@pytest.mark.contract("CFG-3")
@pytest.mark.parametrize("text", ["nonsense", "[service]\nname = 1", "", "[unknown]\na = 1"])
def test_policy_that_is_wrong_names_the_place(files: Files, text: str) -> None:
    path = files.folder / "kept.toml"
    path.write_text(text, "utf-8")
    result = run(environment(files, {"APP_POLICY": str(path)}))
    assert result.exit_code == 1
    assert "kept.toml" in result.output
    path.unlink()
    assert str(path) in run(environment(files, {"APP_POLICY": str(path)})).output


@pytest.mark.contract("CFG-3")
def test_policy_in_force_is_shown(inside: Inside) -> None:
    output = inside.cli("policy", "show").output
    assert f"sessions.idle-timeout = {inside.policy.sessions.idle_timeout}" in output
    (line,) = [each for each in output.splitlines() if "passwords.time-cost" in each]
    assert "baseline: 2" in line


@pytest.mark.contract("CFG-1")
def test_command_refuses_unsafe_environments_too(files: Files) -> None:
    unsafe = environment(files, {"APP_SECRET_KEYS": "tooshort"})
    user = new_user()
    result = run_cli("user", "add", user.name, environment=unsafe, typed=f"{user.password}\n")
    assert result.exit_code == 1
    assert "APP_SECRET_KEYS" in result.output


@pytest.mark.contract("CFG-1")
@pytest.mark.contract("CFG-2")
@pytest.mark.parametrize(
    "key", ["kX9-vT2_qLw7Zr4mB8nYc3Jd6Hs1Pf", "abababababababababababababababababab"]
)
def test_weak_key_is_refused_and_not_shown(inside: Inside, key: str) -> None:
    result = run_cli("check", environment=inside.files.environment() | {"APP_SECRET_KEYS": key})
    assert result.exit_code == 1
    assert "APP_SECRET_KEYS" in result.output
    assert key not in result.output


@pytest.mark.contract("CFG-2")
def test_secret_in_two_places_is_refused(inside: Inside, tmp_path: Path) -> None:
    secret = tmp_path / "keys"
    secret.write_text(KEY[::-1], "utf-8")
    changes = {"APP_SECRET_KEYS_FILE": str(secret)}
    result = run_cli("policy", "show", environment=inside.files.environment() | changes)
    assert result.exit_code == 1
    assert "both" in result.output
    assert KEY not in result.output


@pytest.mark.contract("CFG-2")
def test_password_of_a_store_is_not_shown(inside: Inside) -> None:
    url = "memcached://user:hunter2@127.0.0.1/0"
    result = run_cli("check", environment=inside.files.environment() | {"APP_STORE_URL": url})
    assert result.exit_code == 1
    assert "APP_STORE_URL" in result.output
    assert "hunter2" not in result.output


@pytest.mark.contract("CFG-3")
@pytest.mark.parametrize("name", ["x-frame-options", "permissions-policy"])
def test_protection_that_is_left_out_fails_the_check(tmp_path: Path, name: str) -> None:
    files = Files(tmp_path, {"headers.dangerously-omit": [name]})
    result = run_cli("check", "--json", environment=files.environment())
    assert result.exit_code == 1
    failed = [item for item in json.loads(result.stdout) if item["state"] == "fail"]
    assert len(failed) == 1
    assert name in failed[0]["remedy"]


@pytest.mark.contract("CFG-3")
def test_exceptions_end(inside: Inside) -> None:
    assert inside.policy.exceptions
    assert not inside.policy.expired(date(2100, 1, 1))
    assert inside.policy.expired(date(2100, 1, 2)) == inside.policy.exceptions


@pytest.mark.contract("CFG-3")
@pytest.mark.parametrize("value", ["3000", True])
def test_setting_of_the_wrong_type_is_refused(make: Make, value: object) -> None:
    with pytest.raises(ValueError, match="max-bytes"):
        make(exceptions={"cookies.max-bytes": value})


@pytest.mark.contract("CFG-3")
@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("headers.dangerously-omit", ["x-frame-option"], "x-frame-option, and the policy sends"),
        ("input.methods", ["GET", "post"], "input.methods"),
    ],
)
def test_exception_that_means_nothing_is_refused(
    tmp_path: Path, setting: str, value: list[str], said: str
) -> None:
    """Who writes it believes that it holds."""
    result = run_cli("check", environment=Files(tmp_path, {setting: value}).environment())
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output
