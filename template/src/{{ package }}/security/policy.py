# Owned by the template: extend, do not edit.
"""The policy: `baseline.toml`, changed only by the dated exceptions in the service's `policy.toml`.

Values have no defaults in code, so the two files are the whole policy. A mistake in either is a
`PolicyError` that names the file, the setting, the value seen and the remedy.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)

from . import facts

HeaderName = Annotated[str, Field(pattern=r"\A[a-z][a-z0-9-]*\z")]
HeaderValue = Annotated[str, Field(pattern=r"\A[\x20-\x7e]*\z")]
HostName = Annotated[str, Field(pattern=r"\A[a-z0-9.-]+(:[0-9]{1,5})?\z")]
RedirectTarget = Annotated[
    str, Field(pattern=r"\A([a-z0-9.-]+(:[0-9]{1,5})?|[a-z][a-z0-9+.-]*:[\x21-\x7e]+)\z")
]
CookieName = Annotated[str, Field(pattern=r"\A[!#$%&'*+.^_`|~0-9A-Za-z-]+\z")]
CspSource = Annotated[str, Field(pattern=r"\A[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]+\z")]
MediaType = Annotated[str, Field(pattern=r"\A[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+*-]+\z")]
Method = Literal["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
CspText = Annotated[str, Field(pattern=r"\A[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e ]*\z")]
"""What a directive says: sources with a space between them."""
_COMPUTED = (
    *("content-security-policy", "content-security-policy-report-only", "permissions-policy"),
    *("server", "strict-transport-security"),
)
"""Headers of the policy besides those with a fixed value."""
Positive = Annotated[int, Field(gt=0, le=2**53)]
"""Databases and nginx count in 64 bits, and time is added to it."""
JsonDepth = Annotated[int, Field(gt=0, le=256)]
"""Parsers recurse, and Python gives up at some thousand levels."""


class PolicyError(ValueError):
    """Raised if `baseline.toml` or `policy.toml` cannot be used."""


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=lambda name: name.replace("_", "-"),
    )


_M = TypeVar("_M", bound=_Model)


HstsStep = Literal[300, 604800, 63072000]


class Hsts(_Model):
    """Strict-Transport-Security (RFC 6797)."""

    max_age: HstsStep
    include_subdomains: bool
    preload_confirmed_for: str


class HeadersPolicy(_Model):
    """Response headers (guide: Use Helmet; ASVS 3.4)."""

    allowed: tuple[HeaderName, ...]
    fixed: tuple[HeaderName, ...]
    dangerously_omit: tuple[HeaderName, ...]
    permissions_off: tuple[HeaderName, ...]
    values: dict[HeaderName, HeaderValue]
    hsts: Hsts

    @model_validator(mode="after")
    def _omits_what_is_sent(self) -> Self:
        """Refuse a name that is mistyped: who writes it believes that it holds."""
        sent = {*self.values, *_COMPUTED}
        if strange := {*self.dangerously_omit} - sent:
            raise ValueError(
                f"dangerously-omit has {', '.join(sorted(strange))}, and the policy sends"
                f" {', '.join(sorted(sent))}"
            )
        return self


class CspPolicy(_Model):
    """Content-Security-Policy level 3."""

    dangerously_report_only: bool
    exception_only: tuple[str, ...]
    """Sources that no fact of a service may add; with a directive before it, in that one alone."""
    other: HeaderValue
    html: dict[HeaderName, HeaderValue]


class CookiePolicy(_Model):
    """Cookie names and attributes (guide: Use cookies securely; ASVS 3.3; RFC 6265bis)."""

    session_name: Annotated[str, Field(pattern=r"\A[a-z]+\z")]
    device_name: Annotated[str, Field(pattern=r"\A[a-z]+\z")]
    same_site: Literal["Lax", "Strict"]
    domain: Annotated[str, Field(pattern=r"\A[a-z0-9.-]*\z")]
    max_bytes: Positive


class SessionPolicy(_Model):
    """Session lifetimes in seconds (ASVS 7.3)."""

    idle_timeout: Positive
    absolute_timeout: Positive
    touch_interval: Positive


class LimitPolicy(_Model):
    """How many failures a login counter allows, and for how long it remembers them (seconds)."""

    limit: Positive
    window: Positive


class BlockingLimitPolicy(LimitPolicy):
    """A limit whose blocks get longer: each further `limit` failures double the block."""

    block: Positive
    max_block: Positive


class ThrottlePolicy(_Model):
    """Login throttle (guide: Prevent brute-force attacks; ASVS 6.3.1)."""

    ipv6_prefix: Annotated[int, Field(ge=32, le=128)]
    device_lifetime: Positive
    pair: BlockingLimitPolicy
    address: LimitPolicy
    account: LimitPolicy


class PasswordPolicy(_Model):
    """Password rules and hashing cost (ASVS 6.2, 11.4.2)."""

    min_length: Annotated[int, Field(ge=8)]
    max_length: Annotated[int, Field(ge=64)]
    min_guesses_log10: float
    memory_kib: Annotated[int, Field(ge=7168)]
    time_cost: Positive
    parallelism: Positive
    concurrent: Positive
    waiting: Positive


class AccountsPolicy(_Model):
    """Proofs besides the password (ASVS 6.3, 7.5) and links by mail (ASVS 6.4); seconds."""

    second_factor: Literal["optional", "required"]
    factor_timeout: Positive
    proof_lifetime: Positive
    reset_link_lifetime: Annotated[int, Field(gt=0, le=86_400)]
    confirm_link_lifetime: Annotated[int, Field(gt=0, le=604_800)]
    mail_give_up_after: Positive


class InputPolicy(_Model):
    """What a request may be (ASVS 4.2, 5.2)."""

    methods: tuple[Annotated[str, Field(pattern=r"\A[A-Z]+\z")], ...]
    max_body: Positive
    max_url: Positive
    max_header_count: Positive
    max_header_bytes: Positive
    max_form_fields: Positive
    max_json: Positive
    max_json_depth: JsonDepth
    body_pause: Positive
    body_rate: Positive
    api_prefix: Annotated[str, Field(pattern=r"\A/[a-z]+/\z")]


class CorsPolicy(_Model):
    """What holds for every route that other origins may use by a fact."""

    max_age: Annotated[int, Field(ge=0)]


class WebSocketPolicy(_Model):
    """Limits of WebSockets, which exist by fact only (ASVS 4.4); times in seconds."""

    max_message: Positive
    messages_per_second: Positive
    idle_timeout: Positive
    session_check: Positive
    connections_per_client: Positive
    connections: Positive


class StaticPolicy(_Model):
    """Static files, named by content hash."""

    max_age: Positive


class EdgePolicy(_Model):
    """What nginx refuses before the application sees it (ASVS 2.4.1, 15.2.2); times in seconds."""

    login_rate_per_minute: Positive
    login_burst: Positive
    connections: Positive
    header_timeout: Positive
    body_timeout: Positive
    send_timeout: Positive
    idle_timeout: Positive
    answer_timeout: Positive


class Supported(_Model):
    """Lines of Python and the frameworks that get security fixes (guide: deprecated versions)."""

    warn_days: Positive
    lines: dict[
        Annotated[str, Field(pattern=r"\A[a-z]+\z")],
        dict[Annotated[str, Field(pattern=r"\A[0-9]+(-[0-9]+)?\z")], date | Literal["newest"]],
    ]


class Baseline(_Model):
    """Everything in `baseline.toml`."""

    headers: HeadersPolicy
    csp: CspPolicy
    cookies: CookiePolicy
    sessions: SessionPolicy
    throttle: ThrottlePolicy
    passwords: PasswordPolicy
    accounts: AccountsPolicy
    input: InputPolicy
    cors: CorsPolicy
    websocket: WebSocketPolicy
    static: StaticPolicy
    edge: EdgePolicy
    supported: Supported


class Service(_Model):
    """Facts about this service that are no policy: `[service]` in `policy.toml`."""

    name: str
    description: str
    domain: HostName
    contact: str
    redirect_hosts: tuple[RedirectTarget, ...] = ()
    """Hosts, https only, that a redirect may lead to; for applications on a device an exact URL."""
    response_headers: tuple[HeaderName, ...] = ()
    """Names that may leave the service besides the policy's."""
    script_cookies: tuple[CookieName, ...] = ()
    """Cookies that scripts may read, so without HttpOnly."""
    hsts_max_age: HstsStep | None = None
    """Where a new host is on the ladder of HSTS; None: at its end."""
    csp: dict[HeaderName, tuple[CspSource, ...]] = {}
    """Sources added to a directive of the pages' policy, also to one that the baseline lacks."""


class Route(_Model):
    """One `[[route]]` in `policy.toml`: opens one thing for one path, and keeps the rest.

    A path ending in "/" stands for all below it. The longest path that fits counts, as a whole.
    """

    path: Annotated[str, Field(pattern=r"\A/[\x21-\x7e]*\z")]
    methods: tuple[Method, ...] = ()
    """Empty: all."""
    access: Literal["login", "public"] = "login"
    body: tuple[MediaType, ...] = (
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json",
    )
    max_body: Positive | None = None
    """Bytes; None: the policy's."""
    max_fields: Positive | None = None
    """Fields and files of a form; None: the policy's."""
    cross_site: Literal["refused", "without-session"] = "refused"
    origins: tuple[str, ...] = ()
    """Other origins whose scripts may use the path (CORS), as browsers write them."""
    request_headers: tuple[HeaderName, ...] = ()
    """Headers that those may send besides Authorization and Content-Type."""
    websocket: bool = False
    max_seconds: Annotated[int, Field(gt=0, le=86_400)] | None = None
    """How long an answer may take, from the request's head to its last byte; None: no limit here,
    and the policy's at the edge."""
    csp: dict[HeaderName, CspText] = {}
    """Sources added to a directive of the path's Content-Security-Policy."""


class _Dated(_Model):
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10)]
    owner: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    expires: date


class Deviation(_Dated):
    """One `[[exception]]` in `policy.toml`."""

    setting: str
    value: JsonValue


class Advisory(_Dated):
    """One `[[advisory-exception]]` in `policy.toml`: a known vulnerability that may stay."""

    id: Annotated[str, Field(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._:-]*\z")]
    """The advisory's name or one of its aliases."""
    until_fixed: bool = False
    """End at the first release without it, before `expires`."""


class _Local(_Model):
    service: Service
    route: tuple[Route, ...] = ()
    exception: tuple[Deviation, ...] = ()
    advisory_exception: tuple[Advisory, ...] = ()


class Policy(Baseline):
    """The policy in force: the baseline with the exceptions applied."""

    service: Service
    routes: tuple[Route, ...]
    exceptions: tuple[Deviation, ...]
    advisory_exceptions: tuple[Advisory, ...]
    replaced: dict[str, JsonValue]
    """Baseline value of each setting that an exception changes."""

    def expired(self, today: date) -> tuple[Deviation, ...]:
        """Return the exceptions whose last day is over.

        They stay in force in a running service, which only logs them: a date must not cause an
        outage. `check`, and so CI, fails.
        """
        return tuple(each for each in self.exceptions if each.expires < today)


def load(local: Path) -> Policy:
    """Read the baseline and the service's file at `local`, or raise `PolicyError`."""
    baseline: dict[str, Any] = json.loads(_baseline())
    try:
        # With the mark that some editors begin with.
        text = local.read_text("utf-8-sig")
    except OSError as error:
        raise PolicyError(
            f"{local}: {error.strerror}; run from the project's folder, or restore the file"
        ) from None
    except UnicodeDecodeError:
        raise PolicyError(f"{local} is no text of UTF-8; save it as such") from None
    try:
        own = _validate(_Local, tomllib.loads(text), local.name)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{local.name}: {error}") from None
    _refuse_twice(local.name, "[[exception]] setting", [each.setting for each in own.exception])
    ids = [each.id for each in own.advisory_exception]
    _refuse_twice(local.name, "[[advisory-exception]] id", ids)
    _refuse_twice(
        local.name,
        "[[route]]",
        [f"{verb} {item.path}" for item in own.route for verb in item.methods or ("any method,",)],
    )
    if own.service.hsts_max_age:
        baseline["headers"]["hsts"]["max-age"] = own.service.hsts_max_age
    replaced = {each.setting: _replace(baseline, each, local.name) for each in own.exception}
    exception_only = frozenset(baseline["csp"]["exception-only"])
    objections = [*facts.of_service(own.service, exception_only)]
    for item in own.route:
        objections += facts.of_route(item, own.service.domain, exception_only)
    if objections:
        raise PolicyError("\n".join(f"{local.name}: {text}" for text in objections))
    return _validate(
        Policy,
        {
            **baseline,
            "service": own.service.model_dump(by_alias=True),
            "routes": [item.model_dump(by_alias=True, exclude_unset=True) for item in own.route],
            "exceptions": [each.model_dump(by_alias=True) for each in own.exception],
            "advisory-exceptions": [
                each.model_dump(by_alias=True) for each in own.advisory_exception
            ],
            "replaced": replaced,
        },
        f"{local.name}: after its [[exception]] entries",
    )


@cache
def _baseline() -> str:
    """Return the baseline as JSON; the file is a part of the release."""
    read = tomllib.loads(files(__package__).joinpath("baseline.toml").read_text("utf-8"))
    _validate(Baseline, read, "baseline.toml")
    return json.dumps(read, default=str)


def _refuse_twice(place: str, key: str, names: list[str]) -> None:
    if twice := {name for name in names if names.count(name) > 1}:
        raise PolicyError(f"{place}: {key} {min(twice)!r} occurs twice; keep one of them")


def _replace(baseline: dict[str, Any], deviation: Deviation, name: str) -> JsonValue:
    *path, last = deviation.setting.split(".")
    table: Any = baseline
    for part in path:
        table = table.get(part) if isinstance(table, dict) else None
    if not isinstance(table, dict) or last not in table or isinstance(table[last], dict):
        close = difflib.get_close_matches(deviation.setting, settings(baseline), n=1)
        hint = f"did you mean {close[0]!r}?" if close else "see `policy show` for the names"
        raise PolicyError(f"{name}: [[exception]] setting {deviation.setting!r} is unknown; {hint}")
    before: JsonValue = table[last]
    table[last] = deviation.value
    return before


def settings(table: dict[str, Any], prefix: str = "") -> dict[str, JsonValue]:
    """Flatten nested tables to dotted names, as exceptions and reports use them."""
    flat: dict[str, JsonValue] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= settings(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _hint(kind: str, place: list[str]) -> str:
    """Return what to write in the place of a name that is unknown, or of a table that is a list."""
    tables: dict[str, type[_Model]] = {
        "service": Service,
        "route": Route,
        "exception": Deviation,
        "advisory-exception": Advisory,
    }
    if kind == "tuple_type" and place[0] in tables and len(place) == 1:
        return f"; write [[{place[0]}]], with two brackets"
    if kind != "extra_forbidden":
        return ""
    model = tables.get(place[0], _Local) if len(place) > 1 else _Local
    names = sorted(name.replace("_", "-") for name in model.model_fields)
    close = difflib.get_close_matches(place[-1].replace("_", "-").lower(), names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(names)}"


def _validate(model: type[_M], data: dict[str, Any], place: str) -> _M:
    try:
        # As JSON: strict about types, but a list is what TOML has for a tuple.
        return model.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        lines = [
            f"{place}: {'.'.join(str(part) for part in each['loc'])}: {each['msg']}"
            + ("; add it" if each["type"] == "missing" else f" (found {each['input']!r})")
            + _hint(each["type"], [str(part) for part in each["loc"]])
            for each in error.errors(include_url=False)
        ]
        raise PolicyError("\n".join(lines)) from None
