"""Services that run for real: as the user starts them in production, behind an edge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Render
from tests.live.nginx import Deployed, deployed
from tests.live.service import Service, User, running
from tests.projects import Project
from tests.weekly import frameworks


@pytest.fixture(scope="session", params=frameworks("fastapi", "django"))
def project(request: pytest.FixtureRequest, installed: Render) -> Project:
    """Return an installed project of each framework, with its sessions on the server."""
    return installed(framework=request.param)


@pytest.fixture(scope="session")
def service(project: Project) -> Iterator[Service]:
    """Run the service in four processes: do not stop it, and use addresses of your own."""
    with running(project, workers=4) as started:
        yield started


@pytest.fixture(scope="module")
def user(service: Service) -> User:
    """Return a user of the service: failures count by user and address, so use new addresses."""
    return service.add_user()


@pytest.fixture(scope="session")
def chain(installed: Render) -> Iterator[Deployed]:
    """Run a service behind its edge: do not stop either; failures count by address."""
    with deployed(installed(framework="fastapi")) as started:
        yield started
