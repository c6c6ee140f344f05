"""The Dockerfile and compose.yaml: what they let a container do, and that what they name exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conftest import Render
from tests.containers import Service, Stage, compose, scratch, stages, volumes
from tests.projects import BIN, CHOICES, ROOT, Project

DIGEST = re.compile(r"[a-z0-9.-]+\.[a-z]+/[a-z0-9/_-]+:[\w.-]+@sha256:[0-9a-f]{64}")
OWN = {"tables": "app", "app-1": "app", "app-2": "app", "edge": "edge"}
"""Services whose images the Dockerfile makes."""
STATE = {"database", "store"}


@pytest.fixture(params=CHOICES["storage"])
def project(request: pytest.FixtureRequest, rendered: Render) -> Project:
    """Return a project for each kind of storage."""
    return rendered(storage=request.param)


@pytest.fixture
def services(project: Project) -> dict[str, Service]:
    """Return the services of compose.yaml."""
    found: dict[str, Service] = compose(project)["services"]
    return found


@pytest.fixture
def images(project: Project) -> dict[str, Stage]:
    """Return the images of the Dockerfile."""
    return stages(project)


def test_linter_finds_nothing(project: Project) -> None:
    done = subprocess.run(
        [str(BIN / "hadolint"), "Dockerfile"],
        cwd=project.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


# The images.


def test_images_of_others_are_pinned(
    images: dict[str, Stage], services: dict[str, Service]
) -> None:
    foreign = [stage.base for stage in images.values() if stage.base not in images]
    foreign += [service["image"] for name, service in services.items() if name not in OWN]
    assert foreign
    for image in foreign:
        assert DIGEST.fullmatch(image), image


def test_digests_are_kept_current(project: Project, images: dict[str, Stage]) -> None:
    """Dependabot reads no image that is named by a variable, or in COPY."""
    text = (project.path / ".github/dependabot.yml").read_text("utf-8")
    read = {each["package-ecosystem"] for each in yaml.safe_load(text)["updates"]}
    assert {"docker", "docker-compose"} <= read
    for stage in images.values():
        assert "$" not in stage.base
        for line in stage.values("COPY"):
            assert line.startswith(tuple(f"--from={name} " for name in images)) or (
                not line.startswith("--from")
            )
    named = (project.path / "compose.yaml").read_text("utf-8").count("@sha256:")
    whole = compose(project)["services"].values()
    assert named == sum("@" in service["image"] for service in whole)


def test_digests_are_renewed_as_the_page_says(rendered: Render, tmp_path: Path) -> None:
    """With a stand-in for docker, which is not here."""
    page = (ROOT / "docs" / "containers.md").read_text("utf-8")
    (block,) = re.findall(r"```console\n\$ (grep .*?)```", page, re.DOTALL)
    files = ("Dockerfile", "compose.yaml")
    for name in files:
        shutil.copy(rendered(storage="distributed").path / name, tmp_path)
    before = "".join((tmp_path / name).read_text("utf-8") for name in files)
    new = "sha256:" + "0" * 64
    docker = tmp_path / "docker"
    wanted = "buildx imagetools inspect --format {{.Manifest.Digest}}"
    docker.write_text(f'#!/bin/sh\n[ "$1 $2 $3 $5 $6" = "{wanted}" ] && echo {new}\n')
    docker.chmod(0o700)
    subprocess.run(
        ["bash", "-c", block.replace("\n> ", "\n")],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        check=True,
    )
    after = "".join((tmp_path / name).read_text("utf-8") for name in files)
    assert after == re.sub("sha256:[0-9a-f]{64}", new, before)


@pytest.mark.parametrize("name", ["app", "edge"])
def test_nobody_is_root(images: dict[str, Stage], name: str) -> None:
    assert images[name].values("USER")[-1] == "10001:10001"


def test_commands_need_no_shell(images: dict[str, Stage]) -> None:
    for name in ("app", "edge"):
        (command,) = images[name].values("CMD")
        assert json.loads(command)
        (health,) = images[name].values("HEALTHCHECK")
        assert json.loads(health.partition(" CMD ")[2])


def test_nothing_is_fetched_without_its_hash(images: dict[str, Stage]) -> None:
    for stage in images.values():
        assert not stage.values("ADD")
        for line in stage.values("RUN"):
            assert not re.search(r"\b(curl|wget|pip|npm|git)\b", line), line
            for command in re.findall(r"\buv [a-z]+ [^&]*", line.replace("/uv", "")):
                assert command.startswith("uv sync --locked --no-dev "), command


def test_the_image_holds_no_secret_and_no_tests(project: Project, images: dict[str, Stage]) -> None:
    for stage in images.values():
        for line in (*stage.values("ENV"), *stage.values("ARG")):
            assert "APP_" not in line
            assert not re.search("secret|password|token", line, re.IGNORECASE)
    ignored = (project.path / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    # What is not named stays outside: .env, secrets/, var/, .git.
    assert rules[0] == "*"
    let_in = {line[1:] for line in rules if line.startswith("!")}
    copied = {
        source
        for stage in images.values()
        for line in stage.values("COPY")
        if not line.startswith("--from=")
        for source in line.split()[:-1]
    }
    assert copied == let_in
    assert all((project.path / source).exists() for source in copied - {"uv.lock"})


# The containers.


def test_it_is_a_compose_file(project: Project, services: dict[str, Service]) -> None:
    checker = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    done = project.run(*checker, check=False)
    assert done.returncode == 0, done.stdout
    distributed = project.answers["storage"] == "distributed"
    assert set(services) == {*OWN, *(STATE if distributed else ())}


def test_containers_may_do_little(services: dict[str, Service]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == ("no" if name == "tables" else "unless-stopped"), name
        assert service["pids_limit"], name
        assert service["mem_limit"], name
        dangerous = {"privileged", "cap_add", "devices", "userns_mode", "ipc", "volumes_from"}
        # One that shares another's processes or network stays away when that one has crashed.
        dangerous |= {"pid"}
        assert not service.get("network_mode", "none").startswith(("service:", "container:")), name
        assert not dangerous & set(service), name
        if name not in OWN:
            assert service["user"] not in {"root", "0"}, name
        for source in volumes(service).values():
            assert re.fullmatch("[a-z]+", source), "a folder of the host, or its Docker"


def test_only_the_edge_is_reachable(project: Project, services: dict[str, Service]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"edge": ["80:80", "443:443"]}
    networks = compose(project)["networks"]
    assert services["edge"]["networks"] == ["edge"]
    for name in ("app-1", "app-2"):
        if project.answers["storage"] == "embedded":
            assert services[name]["network_mode"] == "none"
            assert "networks" not in services[name]
        else:
            assert services[name]["networks"] == ["state"]
    for name in STATE & set(services):
        assert services[name]["networks"] == ["state"]
    for name, network in networks.items():
        assert network == ({} if name == "edge" else {"internal": True})


def test_names_lead_somewhere(project: Project, services: dict[str, Service]) -> None:
    whole = compose(project)
    for name, service in services.items():
        assert {*volumes(service).values()} <= set(whole["volumes"]), name
        assert {*service.get("secrets", [])} <= set(whole["secrets"]), name
        assert {*service.get("depends_on", {})} <= set(services), name
        assert {*service.get("networks", [])} <= set(whole["networks"]), name
        if name in OWN:
            assert service.get("build", {"target": OWN[name]})["target"] == OWN[name]
    used = {volume for service in services.values() for volume in volumes(service).values()}
    assert used == set(whole["volumes"])


def test_only_servers_of_the_inner_network_are_reached_without_tls(
    rendered: Render,
) -> None:
    whole = compose(rendered(storage="distributed"))
    applications = [each for each in whole["services"].values() if "environment" in each]
    excused = {
        host
        for each in applications
        for host in each["environment"].get("APP_DANGEROUSLY_UNENCRYPTED_HOSTS", "").split(",")
        if host
    }
    assert excused == {"database", "store"}
    for host in excused:
        assert whole["services"][host]["networks"] == ["state"]
    assert whole["networks"]["state"]["internal"] is True
    assert "APP_DANGEROUSLY" not in json.dumps(compose(rendered(storage="embedded")))


def test_store_is_full_before_it_is_killed(rendered: Render) -> None:
    store = compose(rendered(storage="distributed"))["services"]["store"]
    command = store["command"]
    # The other half is for the process that rewrites the log.
    assert command[command.index("--maxmemory") + 1] == "512mb"
    assert store["mem_limit"] == "1g"


def test_secrets_are_files_that_a_program_makes(
    project: Project, services: dict[str, Service], tmp_path: Path
) -> None:
    program = project.path / "deploy" / "docker" / "make_secrets.py"
    subprocess.run([sys.executable, str(program)], cwd=tmp_path, check=True, capture_output=True)
    folder = tmp_path / "secrets"
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    subprocess.run([sys.executable, str(program)], cwd=tmp_path, check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made
    declared = compose(project)["secrets"]
    assert declared == {name: {"file": f"./secrets/{name}"} for name in declared}
    passwords = {f"{server}_password" for server in STATE if server in services}
    assert set(declared) | passwords == set(made)
    ignored = (project.path / ".gitignore").read_text("utf-8").splitlines()
    assert "/secrets/" in ignored
    for service in services.values():
        given = {*service.get("secrets", [])}
        named = re.findall(r"/run/secrets/(\w+)", json.dumps(service))
        assert set(named) == given
        for value in service.get("environment", {}).values():
            assert "://" not in str(value) or str(value).startswith("sqlite:///")


def test_settings_are_settings_of_the_service(
    project: Project, services: dict[str, Service]
) -> None:
    config = (project.path / "src" / project.package / "config.py").read_text("utf-8")
    body = config.partition("class Settings")[2].partition("@classmethod")[0]
    known = {f"APP_{name.upper()}" for name in re.findall(r"^    (\w+): ", body, re.MULTILINE)}
    assert "APP_SECRET_KEYS" in known
    for name in ("app-1", "app-2"):
        given = {key.removesuffix("_FILE") for key in services[name]["environment"]}
        apart = set() if "database" in services else {"APP_DANGEROUSLY_UNENCRYPTED_HOSTS"}
        assert given == known - {"APP_POLICY"} - apart
        assert services[name]["environment"]["APP_ENV"] == "production"


def test_commands_exist(
    project: Project, services: dict[str, Service], images: dict[str, Stage]
) -> None:
    for name, target in OWN.items():
        (default,) = images[target].values("CMD")
        words = services[name].get("command", json.loads(default))
        if words[0] == "sh":
            assert (project.path / words[1]).is_file()
        else:
            assert words[:2] == [project.package, "db" if name == "tables" else "run"]
        (health,) = images[target].values("HEALTHCHECK")
        health_words = json.loads(health.partition(" CMD ")[2])
        own = services[name].get("healthcheck", {})
        if not own.get("disable"):
            words = own.get("test", ["CMD", *health_words])[1:]
            assert words[0] == "python"
            assert (project.path / words[1]).is_file()


def test_sockets_are_the_edges(
    project: Project, services: dict[str, Service], images: dict[str, Stage]
) -> None:
    machine = tomllib.loads((project.path / "deploy" / "docker" / "edge.toml").read_text("utf-8"))
    shipped = tomllib.loads((project.path / "deploy" / "edge.toml").read_text("utf-8"))
    # One copy of each service is exchanged after the other: there is no link between two.
    assert set(machine) == set(shipped) - {"live"}
    assert machine["tls-profile"] == shipped["tls-profile"]
    served = []
    for name in ("app-1", "app-2"):
        command = services[name]["command"]
        served.append(command[command.index("--uds") + 1])
        (health,) = images["app"].values("HEALTHCHECK")
        default = json.loads(health.partition(" CMD ")[2])
        probe = services[name].get("healthcheck", {}).get("test", default)
        assert probe[-1] == served[-1]
        assert volumes(services[name])[str(Path(served[-1]).parent)] == "sockets"
    assert machine["sockets"] == served
    assert volumes(services["edge"])["/run/app:ro"] == "sockets"
    assert volumes(services["edge"])[str(Path(machine["certificates"]).parent)] == "certificates"
    in_memory = scratch(services["edge"])
    for place in (str(Path(machine["pid"]).parent), machine["webroot"], machine["cache"]):
        assert place in in_memory


def test_edge_gets_its_certificates(project: Project) -> None:
    folder = project.path / "deploy" / "docker"
    *_, beside, last = (folder / "edge").read_text("utf-8").splitlines()
    assert beside == 'sh deploy/docker/certificates "$@" &'
    assert last.startswith("exec nginx ")
    assert (folder / "certificates").is_file()


def test_page_replaces_one_after_the_other() -> None:
    page = (ROOT / "docs" / "containers.md").read_text("utf-8")
    section = page.split("\n## Update\n")[1].partition("\n## ")[0]
    ups = [line for line in section.splitlines() if line.startswith("$ docker compose up")]
    found = [line.partition("  #")[0].split()[1:] for line in ups]
    # Without --wait the second one goes before the first one listens. After --no-deps a plain `up`
    # takes all containers for changed, and replaces them at once.
    assert found == [
        ["docker", "compose", "up", "--detach", "--wait", name]
        for name in ("app-1", "app-2", "edge")
    ]
