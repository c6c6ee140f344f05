# Owned by the template: extend, do not edit.
"""Who may see a view: everybody, where the application says `login_not_required` (RTE-2)."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.http import Http404, HttpRequest
from django.urls import resolve

from ..config import PACKAGE

_OWN = frozenset({PACKAGE, "django"})
_METHODS = "request_method_list"
"""What Django's `require_http_methods` keeps the methods in."""


def is_public(view: Callable[..., Any]) -> bool:
    """Tell whether the application, or Django, opens a view to everybody.

    A library's own flag does not count: Django REST framework sets it on each of its views, and
    checks permissions that are open by default. A fact opens such a view: [[route]] access.
    """
    if getattr(view, "login_required", True) is not False:
        return False
    made_of = getattr(view, "view_class", None) or getattr(view, "cls", None)
    if made_of is None:
        return not _is_library(getattr(view, "__module__", "") or type(view).__module__)
    flagged = _owner(made_of, "dispatch")
    if getattr(made_of.dispatch, "login_required", True) is False:
        return not _is_library(flagged.__module__)
    # The flag is on what `as_view` returned: that of a library may have put it there.
    makers = (made_of, _owner(made_of, "as_view"))
    return not any(_is_library(maker.__module__) for maker in makers)


def is_open_address(path: str, method: str) -> bool | None:
    """Tell the same of an address, before there is a request; None where only Django can tell."""
    try:
        view = resolve(path).func
    except Http404:
        return None
    if is_public(view):
        return True
    methods = allowed_methods(view)
    return None if methods and method not in methods else False


def is_public_request(request: HttpRequest | None) -> bool:
    """Tell the same of a request; of one that answers at no view False."""
    if request is None:
        return False
    match = request.resolver_match
    if match is None:
        # A middleware reads the body, or answers, before Django has looked for the view.
        try:
            match = resolve(request.path_info, getattr(request, "urlconf", None))
        except Exception:  # noqa: BLE001 - a converter fails again: the crash is logged already
            return False
    return is_public(match.func)


def allowed_methods(view: Callable[..., Any]) -> frozenset[str]:
    """Return the methods of a view as far as they can be told, in upper case; else nothing."""
    made_of = getattr(view, "view_class", None) or getattr(view, "cls", None)
    if made_of is not None:
        names = getattr(view, "actions", None) or [
            name for name in made_of.http_method_names if hasattr(made_of, name)
        ]
        return frozenset(name.upper() for name in names)
    for function in _layers(view):
        code = getattr(function, "__code__", None)
        if code and _METHODS in code.co_freevars:
            cell = function.__closure__[code.co_freevars.index(_METHODS)]
            return frozenset(cell.cell_contents)
    return frozenset()


def _layers(view: Any) -> Iterator[Any]:
    while view is not None:
        yield view
        view = getattr(view, "__wrapped__", None)


def _owner(made_of: type, name: str) -> type:
    return next(each for each in made_of.__mro__ if name in vars(each))


@cache
def _is_library(module: str) -> bool:
    top = module.partition(".")[0]
    if top in _OWN:
        return False
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return False
    places = [*(spec.submodule_search_locations or ()), spec.origin or ""] if spec else []
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return any(Path(place).is_relative_to(folder) for place in places for folder in folders)
