# Owned by the template: extend, do not edit.
"""What is open, on one screen: every route with what the application and the facts say (RTE-3)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ..adapter.compose import require_secured
from ..adapter.inventory import REST, Endpoint
from ..adapter.listing import endpoints
from ..app.main import create_app
from ..config import PACKAGE, Settings
from ..security.health import READY
from ..security.policy import Policy, Route
from ..security.routes import RouteRules, Routes
from ..security.static import PREFIX

_OPTIONS = "OPTIONS"
_READING = frozenset({"GET", "HEAD", _OPTIONS})
_ALWAYS = frozenset({"GET", "HEAD"})
_BELOW = "\x7f"
"""A segment that no fact names: what holds for it, holds for all that is below."""
# fmt: off
_PAGES = frozenset({
    "/", "/account", "/account/confirm", "/account/factors", "/account/factors/codes",
    "/account/factors/passkey", "/account/factors/remove", "/account/factors/rename",
    "/account/factors/totp", "/account/password", "/account/sessions/end",
    "/account/sessions/end-others", "/api/notes", "/api/notes/{}", "/go", "/login", "/login/factor",
    "/login/passkey", "/logout", "/notes", "/notes/{}/delete",
})
# fmt: on
"""What the template gives to every service; it may have been changed since."""
_MODULES = frozenset({f"{PACKAGE}.app.recovery", f"{PACKAGE}.app.signup"})
"""What it gives to those that send mail."""
_POLICYS = (f"{PREFIX.rstrip('/')}{REST}", "/.well-known/security.txt", "/healthz", READY)


@dataclass(frozen=True, slots=True)
class Row:
    """One route, or those of its methods for which the same holds."""

    path: str
    methods: tuple[str, ...]
    """Empty: any."""
    access: Literal["login", "public"]
    said: str
    """Where that was said: "view", "dependency", "default", "policy", or the path of a fact."""
    body: tuple[str, ...]
    """Media types; empty where no body is taken."""
    max_body: int
    max_fields: int
    max_seconds: int
    """0: only the edge has a limit."""
    cross_site: str
    origins: tuple[str, ...]
    csp: dict[str, str]
    websocket: bool
    owner: str
    """"template", "service", or the library that answers."""
    handler: str

    def as_dict(self) -> dict[str, Any]:
        """Return the row for `--json`, with the names of `policy.toml`."""
        return {name.replace("_", "-"): value for name, value in asdict(self).items()}

    def opened(self, policy: Policy) -> str:
        """Return what differs from what holds without a fact."""
        default = Route(path="/")
        said = []
        if self.websocket:
            said.append("websocket")
        if self.body and self.body != default.body:
            said.append(f"body {' '.join(self.body)}")
        if self.body and self.max_body != policy.input.max_body:
            said.append(f"max-body {self.max_body}")
        if self.body and self.max_fields != policy.input.max_form_fields:
            said.append(f"max-fields {self.max_fields}")
        if self.max_seconds:
            said.append(f"max-seconds {self.max_seconds}")
        if self.cross_site != default.cross_site:
            said.append(f"cross-site {self.cross_site}")
        if self.origins:
            said.append(f"origins {' '.join(self.origins)}")
        said += [f"csp {name} {value}" for name, value in self.csp.items()]
        return ", ".join(said)


def found(settings: Settings) -> list[Endpoint]:
    """Return the routes of the application, made with a database and a store that are thrown away.

    Raises what the application raises when it cannot be made.
    """
    with tempfile.TemporaryDirectory() as folder:
        own = settings.model_copy(
            update={
                "database_url": f"sqlite:///{folder}/app.db",
                "store_url": f"sqlite:///{folder}/store.db",
            }
        )
        if own.production:
            from ..adapter import schema

            # Elsewhere the application does it itself.
            schema.scratch(own.database_url)
        return endpoints(lambda: require_secured(create_app(own)))


def rows(policy: Policy, routes: Iterable[Endpoint]) -> list[Row]:
    """Return the table, in an order that depends on nothing but what is in it."""
    facts = Routes(policy.routes, policy.input)
    named = {str(method) for fact in policy.routes for method in fact.methods} - {_OPTIONS}
    own = [Endpoint(path, frozenset({"GET"}), True, "default", "the policy") for path in _POLICYS]
    merged: dict[str, tuple[Row, set[str]]] = {}
    for endpoint in [*own, *(each for each in routes if not each.beside)]:
        paths = [endpoint.path, *_narrower(policy.routes, endpoint.path)]
        for path in paths:
            probe = _probe(path)
            for method in _methods(endpoint, facts, named, probe):
                rules = facts.find("GET" if endpoint.websocket else method, probe)
                row = _row(replace(endpoint, path=path), method, rules)
                key = json.dumps(row.as_dict(), sort_keys=True)
                merged.setdefault(key, (row, set()))[1].add(method)
    table = [
        replace(row, methods=() if "" in methods else tuple(sorted(methods)))
        for row, methods in merged.values()
    ]
    return sorted(table, key=lambda row: (row.path, row.websocket, row.methods, row.handler))


def _methods(endpoint: Endpoint, facts: Routes, named: set[str], probe: str) -> list[str]:
    """Return those that the application answers: of any, those `named` in a fact, "" for the rest.

    And OPTIONS, where a fact says so.
    """
    if endpoint.websocket:
        return [""]
    methods = {*endpoint.methods} - {_OPTIONS}
    if not endpoint.methods:
        rest = facts.find("", probe)
        methods = {"", *(name for name in named if facts.find(name, probe) is not rest)}
    asked = not endpoint.methods or _OPTIONS in endpoint.methods
    asked = asked and facts.find(_OPTIONS, probe).asks_options
    return [*sorted(methods), *([_OPTIONS] if asked else [])]


def _row(endpoint: Endpoint, method: str, rules: RouteRules) -> Row:
    fact = rules.fact
    policys = endpoint.path in _POLICYS and endpoint.handler == "the policy"
    public = endpoint.public or rules.public
    said: str = endpoint.said
    if rules.public and not endpoint.public:
        said = f"[[route]] {fact.path}"
    reads = bool(method in _READING or policys or endpoint.websocket)
    return Row(
        path=endpoint.path,
        methods=(),
        access="public" if public else "login",
        said="policy" if policys else said,
        body=() if reads else tuple(fact.body),
        max_body=0 if reads else rules.max_body,
        max_fields=0 if reads else rules.max_fields,
        max_seconds=rules.max_seconds,
        cross_site=fact.cross_site,
        origins=tuple(fact.origins),
        csp=dict(fact.csp),
        websocket=endpoint.websocket,
        owner=_owner(endpoint, policys=policys),
        handler=endpoint.handler,
    )


def _owner(endpoint: Endpoint, *, policys: bool) -> str:
    module = endpoint.handler.partition(":")[0]
    top = module.partition(".")[0]
    if policys:
        return "template"
    if top != PACKAGE:
        return top
    plain = "/".join("{}" if part.startswith("{") else part for part in endpoint.path.split("/"))
    mine = module.startswith(f"{PACKAGE}.adapter") or module in _MODULES or plain in _PAGES
    return "template" if mine else "service"


def _probe(path: str) -> str:
    """Return an address of which nothing is said but what holds for all that a path stands for."""
    literal, named, _ = path.partition("{")
    if named:
        return literal + _BELOW
    return path.removesuffix("*") + _BELOW if path.endswith(REST) else path


def _narrower(facts: Iterable[Route], path: str) -> list[str]:
    """Return the paths of facts that hold for a part of what a path with names stands for."""
    if "{" not in path and not path.endswith(REST):
        return []
    return sorted(
        {
            fact.path + ("*" if fact.path.endswith("/") else "")
            for fact in facts
            if fits(fact.path, path) and not _probe(path).startswith(fact.path)
        }
    )


def fits(fact: str, path: str) -> bool:
    """Tell whether a fact can hold for an address that a path stands for."""
    folder = fact.endswith("/")
    said, parts = fact.rstrip("/").split("/"), path.split("/")
    for index, word in enumerate(said):
        if index >= len(parts):
            return False
        part = parts[index]
        if part == "*" or part.endswith(":path}"):
            return True
        if "{" not in part and part != word:
            return False
    if folder:
        return len(parts) > len(said)
    return len(parts) == len(said) or (parts[len(said)] == "*" and len(parts) == len(said) + 1)


def objections(
    policy: Policy, routes: Iterable[Endpoint], *, production: bool
) -> Iterator[tuple[str, str]]:
    """Return what is wrong with the facts, each with its state, "fail" or "warn" (RTE-1)."""
    everything = list(routes)
    known = [each for each in everything if not each.beside]
    others = ", ".join(each.handler for each in everything if each.beside)
    yield from (
        ("warn", f"{handler} at {path!r} is never asked: {said}; take another path")
        for path, handler in {each.path: each.handler for each in known}.items()
        if (said := _policys_answer(path))
    )
    for fact in policy.routes:
        place = f"[[route]] {fact.path!r}"
        fitting = [each for each in known if fits(fact.path, each.path)]
        if not fitting and fact.access == "public" and others:
            # What they answer, a fact opens, and it is on no list of the framework.
            yield "warn", f"{place} fits no route; if {others} does not answer there, drop it"
            continue
        if not fitting:
            yield "fail", f"{place} fits no route; correct the path, or take the fact out"
            continue
        yield from (("fail", f"{place} {said}") for said in _useless(fact, fitting))
        if production:
            local = [origin for origin in fact.origins if origin.startswith("http:")]
            yield from (
                ("warn", f"{place} origins: {origin} counts in development alone")
                for origin in local
            )
        asked = fitting
        if _OPTIONS not in fact.methods:
            # The policy answers it, so a view for nothing else has no say.
            asked = [each for each in fitting if each.methods != {_OPTIONS}]
        if fact.access == "public" and asked and all(each.public for each in asked):
            yield "warn", f"{place} access: the views say so themselves; leave it out"
        if dropped := _dropped(fact, policy.routes):
            shorter, names = dropped
            yield (
                "warn",
                (
                    f"{place} drops what {shorter!r} says: {', '.join(names)}; facts do not"
                    " inherit: say it again, or what holds without a fact"
                ),
            )


def _policys_answer(path: str) -> str:
    """Return what the policy answers at an address before the application is asked, "" if none."""
    if f"{path.removesuffix(REST)}/".startswith(PREFIX):
        return f"the policy answers below {PREFIX}, with what lies in app/static/"
    return f"the policy answers {path}" if path in _POLICYS else ""


def _useless(fact: Route, fitting: list[Endpoint]) -> Iterator[str]:
    pages = [each for each in fitting if not each.websocket]
    answered = {method for each in pages for method in each.methods} | _ALWAYS
    anything = any(not each.methods for each in pages)
    if not anything and (unused := [name for name in fact.methods if name not in answered]):
        yield f"methods: no route there answers {', '.join(unused)}; leave it out"
    if fact.websocket and len(pages) == len(fitting):
        yield "websocket: no route there is a WebSocket; leave it out"
    said = fact.model_fields_set & {"body", "max_body", "max_fields"}
    if said and not (anything or answered - _READING):
        name = min(said).replace("_", "-")
        yield f"{name}: no route there takes a body; leave it out"


def _dropped(fact: Route, facts: Iterable[Route]) -> tuple[str, list[str]] | None:
    """Return the next shorter fact that would hold, and what of it does not any more."""
    shorter = [
        other
        for other in facts
        if other is not fact
        and other.path.endswith("/")
        and other.path != fact.path
        and fact.path.startswith(other.path)
        and (not other.methods or not fact.methods or {*other.methods} & {*fact.methods})
    ]
    if not shorter:
        return None
    other = max(shorter, key=lambda each: len(each.path))
    names = other.model_fields_set - fact.model_fields_set - {"path", "methods"}
    return (other.path, sorted(name.replace("_", "-") for name in names)) if names else None


def as_text(table: list[Row], policy: Policy) -> str:
    """Return the table for a person; what holds everywhere is said once, above it."""
    cells = [
        (
            "WS" if row.websocket else " ".join(row.methods) or "any",
            row.path,
            row.access,
            row.said,
            row.owner,
            row.opened(policy),
        )
        for row in table
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(5)]
    holds = f"login, forms and JSON up to {policy.input.max_body} bytes, own origin"
    lines = [f"{len(table)} routes; without a fact: {holds}"]
    for cell in cells:
        padded = [text.ljust(width) for text, width in zip(cell, widths, strict=False)]
        lines.append("  ".join([*padded, cell[5]]).rstrip())
    return "\n".join(lines)
