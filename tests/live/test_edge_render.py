"""What `edge` decides on the machine, and what it refuses to put in place (TLS-1)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Render
from tests.live import commands
from tests.live.nginx import Edge
from tests.live.service import HOST, folder
from tests.projects import clean_environment

LONG = ".".join(["a" * 48] * 3 + ["b" * 41, "example", "com"])


@pytest.fixture
def edge(installed: Render) -> Iterator[Edge]:
    """Return an edge that does not run."""
    with folder() as made:
        yield Edge(installed(framework="fastapi"), made, ["/nonexistent/app.sock"])


def knowing(edge: Edge, pattern: str) -> None:
    """Let `edge` meet an nginx that refuses only what matches a pattern."""
    program = edge.folder / "nginx"
    program.write_text(f'#!/bin/sh\nfor file; do :; done\n! grep -qE "{pattern}" "$file"\n')
    program.chmod(0o755)
    edge.facts["nginx"] = str(program)


def test_two_at_once_are_each_whole(edge: Edge) -> None:
    """A certificate is renewed while a release is under way: nginx judges what is put in place."""
    program, begun = edge.folder / "nginx", edge.folder / "begun"
    edge.facts["nginx"] = str(program)
    python = (edge.project.python, "-m", edge.project.package)
    again = f"[ -e {begun} ] || {{ touch {begun}; {shlex.join([*python, *edge.words()])}; }}"
    asked = f'for file; do :; done; case "$file" in {edge.file}*) {again} && test -s "$file";; esac'
    program.write_text(f"#!/bin/sh\n{asked}\n")
    program.chmod(0o755)
    assert "nginx -t passes" in edge.render()
    assert begun.exists()
    assert edge.file.read_text("utf-8").endswith("}\n")
    assert {path.name for path in edge.folder.glob("nginx.conf*")} == {edge.file.name}


def test_new_nginx(edge: Edge) -> None:
    knowing(edge, "nothing at all")
    said = edge.render()
    text = edge.file.read_text("utf-8")
    assert "HTTP/2: http2 on" in said
    assert text.count("http2 on;") == 2
    assert "ssl http2" not in text
    assert "ssl_ecdh_curve X25519MLKEM768:X25519:prime256v1:secp384r1;" in text


def test_old_nginx_with_an_old_openssl(edge: Edge) -> None:
    knowing(edge, "http2 on|MLKEM|more_clear")
    said = edge.render()
    text = edge.file.read_text("utf-8")
    assert "HTTP/2: on the listen line" in said
    assert "this OpenSSL has no X25519MLKEM768" in said
    assert "headers-more would remove it" in said
    assert "http2 on" not in text
    assert f"listen 127.0.0.1:{edge.https} ssl http2" in text
    assert "ssl_ecdh_curve X25519:prime256v1:secp384r1;" in text
    assert "more_clear_headers" not in text
    assert "load_module" not in text


@pytest.mark.parametrize(
    ("profile", "there", "missing", "served"),
    [
        ("intermediate", ("ecdsa", "rsa"), "", 2),
        ("intermediate", ("rsa",), "missing: ecdsa", 1),
        ("modern", ("ecdsa", "rsa"), "", 1),
        ("modern", ("rsa",), "missing: ecdsa", 0),
        ("intermediate", (), "missing: ecdsa, rsa", 0),
    ],
)
def test_profile_and_certificates(
    edge: Edge, profile: str, there: tuple[str, ...], missing: str, served: int
) -> None:
    for key_type in {"ecdsa", "rsa"} - set(there):
        (edge.folder / "live" / f"{HOST}-{key_type}" / "fullchain.pem").unlink()
    edge.facts["tls-profile"] = profile
    said = edge.render()
    text = edge.file.read_text("utf-8")
    assert ("missing" in said) == bool(missing)
    assert missing in said
    assert text.count("ssl_certificate ") == served
    assert ("ssl_protocols TLSv1.3;" in text) == (profile == "modern")
    for never in ("ssl_stapling", "ssl_dhparam", "DHE-RSA-AES128-GCM-SHA256:DHE", "TLSv1.1"):
        assert never not in text
    assert "ssl_session_tickets off;" in text


def test_long_names(edge: Edge) -> None:
    assert len(LONG) == 200
    policy = (edge.project.path / "policy.toml").read_text("utf-8")
    own = edge.folder / "policy.toml"
    own.write_text(policy.replace(f'domain = "{HOST}"', f'domain = "{LONG}"'))
    for key_type in ("ecdsa", "rsa"):
        edge.authority.issue(edge.folder / "live", LONG, key_type)
    edge.facts["further-names"] = [f"www.{LONG}"]
    assert "nginx -t passes" in edge.render(policy=str(own))
    assert f"server_name {LONG} www.{LONG};" in edge.file.read_text("utf-8")


def test_what_nginx_refuses_is_not_put_in_place(edge: Edge) -> None:
    edge.render()
    before = edge.file.read_bytes()
    (edge.folder / "live" / f"{HOST}-rsa" / "privkey.pem").write_text("no key")
    said = edge.render(check=False)
    assert "nginx refuses" in said
    assert "Traceback" not in said
    assert edge.file.read_bytes() == before


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"http-port": "80"}, "http-port"),
        ({"tls-profile": "old"}, "tls-profile"),
        ({"certificate": "/etc"}, "certificate"),
        ({"nginx": "/nonexistent/nginx"}, "/nonexistent/nginx"),
    ],
    ids=lambda value: str(value),
)
def test_mistakes_are_named(edge: Edge, facts: dict[str, object], said: str) -> None:
    edge.facts.update(facts)
    printed = edge.render(check=False)
    assert said in printed
    assert "Traceback" not in printed
    assert not edge.file.exists()


def test_every_value_of_the_policy_comes_from_it(edge: Edge) -> None:
    """No number, header or page is written down a second time."""
    source = (edge.project.path / "deploy" / "nginx" / "nginx.conf.j2").read_text("utf-8")
    for value in ("1048576", "63072000", "nosniff", "default-src", "/api/", "16384", "<html"):
        assert value not in source
    changed = {
        "headers.hsts.max-age": ("300", "max-age=300; includeSubDomains"),
        "headers.values.x-frame-options": ('"SAMEORIGIN$\'\\\\"', "'SAMEORIGIN${dollar}\\'\\\\'"),
        "input.max-body": ("4711", "client_max_body_size 4711;"),
        "input.api-prefix": ('"/rest/"', "location ^~ /rest/ {"),
        "edge.header-timeout": ("7", "client_header_timeout 7s;"),
        "throttle.ipv6-prefix": ("56", "(?<network>.{7}).{9}$"),
    }
    policy = (edge.project.path / "policy.toml").read_text("utf-8")
    for setting, (value, _) in changed.items():
        policy += (
            f'\n[[exception]]\nsetting = "{setting}"\nvalue = {value}\n'
            'reason = "Needed by a test of it"\nowner = "tests"\nexpires = 2100-01-01\n'
        )
    own = edge.folder / "policy.toml"
    own.write_text(policy, "utf-8")
    edge.render(policy=str(own))
    text = edge.file.read_text("utf-8")
    for _, wanted in changed.values():
        assert wanted in text


def test_configuration_belongs_to_the_template(installed: Render) -> None:
    project = installed(framework="fastapi")
    for path in (project.path / "deploy").rglob("*"):
        if path.is_file():
            assert "Owned by the template" in path.read_text("utf-8"), Path(path).name


def run_edge(edge: Edge, *options: str) -> tuple[int, str]:
    """Run the command for the edge's file without saying which machine this is."""
    words = ("edge", str(edge.file), "--policy", edge.policy, *options)
    done = commands.run(edge.project, words, clean_environment())
    return done.returncode, done.stdout + done.stderr


def test_facts_of_the_machine_are_remembered(edge: Edge) -> None:
    edge.facts["further-names"] = [f"www.{HOST}"]
    edge.sockets = ["/run/one.sock", "/run/two.sock"]
    edge.render()
    before = edge.file.read_text("utf-8")
    assert f"# machine: {edge.folder}/edge.toml\n" in before
    assert run_edge(edge)[0] == 0
    assert edge.file.read_text("utf-8") == before


def test_where_a_link_leads_is_asked_first(edge: Edge) -> None:
    edge.sockets = ["/run/one.sock", "/run/two.sock"]
    edge.render()
    assert " backup;" not in edge.file.read_text("utf-8")
    edge.facts["live"] = "/opt/live.sock"
    edge.render()
    text = edge.file.read_text("utf-8")
    assert "server 'unix:/opt/live.sock' max_fails=0;" in text
    assert "server 'unix:/run/one.sock' max_fails=0 backup;" in text
    assert "server 'unix:/run/two.sock' max_fails=0 backup;" in text


def test_facts_that_are_gone_are_asked_for(edge: Edge) -> None:
    edge.render()
    before = edge.file.read_text("utf-8")
    (edge.folder / "edge.toml").unlink()
    code, said = run_edge(edge)
    assert code == 1
    assert f"{edge.folder}/edge.toml, which is gone: name another one by --machine" in said
    assert edge.file.read_text("utf-8") == before


def test_nothing_vanishes_without_a_word(edge: Edge) -> None:
    edge.facts["further-names"] = [f"www.{HOST}"]
    edge.sockets = ["/run/one.sock", "/run/two.sock"]
    edge.render()
    before = edge.file.read_text("utf-8")
    own = (edge.folder / "edge.toml").rename(edge.folder / "own.toml")
    del edge.facts["further-names"]
    edge.sockets = ["/run/one.sock"]
    other = edge.machine().rename(edge.folder / "other.toml")
    code, said = run_edge(edge, "--machine", str(other))
    assert code == 1
    for each in (f"server_name www.{HOST}", "socket unix:/run/two.sock", "--remove"):
        assert each in said
    assert edge.file.read_text("utf-8") == before
    # An edit of the same facts is meant, and listed.
    edge.file.write_text(before.replace("/edge.toml\n", "/own.toml\n"), "utf-8")
    own.write_bytes(other.read_bytes())
    code, said = run_edge(edge)
    assert code == 0
    assert f"no longer served: server_name www.{HOST}, socket unix:/run/two.sock" in said


def test_other_facts_are_taken_where_that_is_meant(edge: Edge) -> None:
    edge.facts["further-names"] = [f"www.{HOST}"]
    edge.render()
    (edge.folder / "edge.toml").rename(edge.folder / "own.toml")
    del edge.facts["further-names"]
    code, said = run_edge(edge, "--machine", str(edge.machine()))
    assert code == 0, said  # the same place
    edge.facts["further-names"] = [f"www.{HOST}"]
    edge.render()
    del edge.facts["further-names"]
    other = edge.machine().rename(edge.folder / "other.toml")
    assert run_edge(edge, "--machine", str(other))[0] == 1
    code, said = run_edge(edge, "--machine", str(other), "--remove")
    assert code == 0
    assert f"no longer served: server_name www.{HOST}" in said


FACTS = """
[[route]]
path = "/upload/"
methods = ["POST"]
body = ["multipart/form-data"]
max-body = 26_214_400
[[route]]
path = "/upload/small"
access = "public"
[[route]]
path = "/report$1'"
max-seconds = 3600
[[route]]
path = "/quick"
max-seconds = 3
[[route]]
path = "/live/"
websocket = true
[[route]]
path = "/login"
max-body = 2_000_000
[[route]]
path = "/account/"
max-body = 3_000_000
"""


def blocks(text: str) -> dict[str, str]:
    """Return what stands in each location of the service's own server."""
    server = text[text.rindex("ssl_certificate_key") :]
    found = re.findall(r"\n    location ([^\n]+) \{\n(.*?)\n    \}(?=\n)", server, re.DOTALL)
    return {re.sub(r"^(= )?'(.*)'$", r"\1\2", match): body for match, body in found}


def with_facts(edge: Edge, facts: str) -> dict[str, str]:
    own = edge.folder / "policy.toml"
    own.write_text((edge.project.path / "policy.toml").read_text("utf-8") + facts, "utf-8")
    assert "nginx -t passes" in edge.render(policy=str(own))
    return blocks(edge.file.read_text("utf-8"))


def test_facts_make_locations(edge: Edge) -> None:
    """The edge follows the same facts as the application (RTE-1, TLS-3)."""
    before, made = with_facts(edge, ""), with_facts(edge, FACTS)
    secrets = {"/login", "/login/factor", "/login/passkey", "/account/confirm", "/account/password"}
    assert set(before) == {"/", *(f"= {path}" for path in secrets), "/static/"}
    assert "client_max_body_size 26214400;" in made["/upload/"]
    assert "proxy_request_buffering off;" in made["/upload/"]
    # Without it nginx would lead from there to the folder.
    assert made["= /upload"] == made["/"] == before["/"]
    assert made["= /upload/small"] == before["/"]
    assert "client_max_body_size 2000000;" in made["= /login"]
    assert "limit_req zone=login" in made["= /login"]
    # What a longer path of the edge's own covers, the shorter fact says.
    assert "client_max_body_size 3000000;" in made["= /account/password"]
    assert "limit_req zone=login" in made["= /account/password"]
    (report,) = [body for match, body in made.items() if match.startswith("= /report")]
    for line in ("proxy_read_timeout 3630s;", "proxy_send_timeout 3630s;", "proxy_buffering off;"):
        assert line in report
    assert "proxy_read_timeout 33s;" in made["= /quick"]
    live = made["/live/"]
    assert "proxy_set_header Upgrade $http_upgrade;" in live
    assert "proxy_set_header Connection $connection_upgrade;" in live
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in live
    text = edge.file.read_text("utf-8")
    assert text.count("proxy_set_header Upgrade $http_upgrade;") == 1
    assert text.count('proxy_set_header Upgrade "";') == 1
    assert made["/static/"] == before["/static/"]
