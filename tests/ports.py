"""Ports for servers that start later than their port is said: as the projects' suite has them."""

from __future__ import annotations

from collections.abc import Callable

from tests import suite

free_port: Callable[[], int] = suite.load("services").free_port
