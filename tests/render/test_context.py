"""What the files are rendered with follows from the answers: layers, and facts by default."""

from __future__ import annotations

import itertools

import pytest
from pytest_copier.plugin import CopierFixture

from tests.projects import CHOICES

SESSIONS = {f"{choice}_sessions" for choice in CHOICES["sessions"]}


def layers(copier: CopierFixture, **answers: str) -> set[str]:
    """Return the overlays that land in the project."""
    use = copier.context(**answers)["use"]
    assert set(use.values()) == {"", "."}
    return {name for name, place in use.items() if place}


@pytest.mark.parametrize(
    ("framework", "sessions", "ci"),
    [*itertools.product(*(CHOICES[name] for name in ("framework", "sessions", "ci")))],
)
def test_one_layer_for_each_choice(
    copier: CopierFixture, framework: str, sessions: str, ci: str
) -> None:
    active = layers(copier, framework=framework, sessions=sessions, ci=ci)
    assert active & set(CHOICES["framework"]) == {framework}
    assert active & SESSIONS == {f"{sessions}_sessions"}
    assert active & set(CHOICES["ci"]) == {ci} - {"none"}
    assert len(active & {"asgi", "wsgi"}) == 1
    assert "django_admin" not in active


@pytest.mark.parametrize("framework", CHOICES["framework"])
def test_storage_and_tls_add_no_layer(copier: CopierFixture, framework: str) -> None:
    base = layers(copier, framework=framework)
    grown = {"storage": "distributed", "tls_profile": "modern"}
    assert layers(copier, framework=framework, **grown) == base


def test_an_admin_adds_its_layer(copier: CopierFixture) -> None:
    added = layers(copier, framework="django", admin_path="office")
    assert added - layers(copier, framework="django") == {"django_admin"}


def test_facts_follow_from_the_name(copier: CopierFixture) -> None:
    context = copier.context(project_name="tea-shop")
    assert context["package"] == "tea_shop"
    assert context["domain"] == "tea-shop.example.com"
    assert context["contact"] == "security@tea-shop.example.com"
    own = copier.context(project_name="tea-shop", domain="tea.example.org")
    assert own["contact"] == "security@tea.example.org"


def test_a_project_that_is_there_keeps_its_names(copier: CopierFixture) -> None:
    """An update renders the new version with the stored answers."""
    stored = {"project_name": "tea-shop", "generated_project_name": "tea-shop"}
    assert copier.context(**stored)["project_name"] == "tea-shop"
    assert copier.context(generated_project_name="tea-shop")["project_name"] == "tea-shop"
