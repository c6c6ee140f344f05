# Owned by the template: extend, do not edit.
"""Response headers (guide: Use Helmet, Reduce fingerprinting; ASVS 3.4, 13.4).

One place decides which headers leave the service, with which values and in which order, for every
response of every framework. What does not depend on the request is computed once, at start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter

from . import csp
from .policy import Policy, PolicyError, Route
from .responses import Headers

_NOT_MODIFIED = 304
_DIGITS = 19
"""Of the longest Content-Length that can be meant: Python refuses to read very long numbers."""
_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09})
_NAME = itemgetter(0)
"""Returns the name of a header."""
_OF_SERVER = frozenset({b"connection", b"keep-alive", b"date"})
"""What the server says itself, of a connection alone (RFC 9110 sections 6.6.1, 7.6.1): no loss."""
_FORMER = frozenset({b"expires", b"pragma"})
"""What Cache-Control says since HTTP/1.1: beside it no loss (RFC 9111 sections 5.3, 5.4)."""
_BOUND = frozenset({b"content-length", b"cache-control"})
_SEVERAL = frozenset(
    {
        *(b"allow", b"content-language", b"link", b"server-timing"),
        *(b"set-cookie", b"vary", b"www-authenticate"),
    }
)
"""What may come in several lines: each of them counts (RFC 9110 section 5.3)."""


@dataclass(frozen=True, slots=True)
class HeaderSet:
    """The policy's headers for one kind of response."""

    pairs: tuple[tuple[bytes, bytes], ...]
    nonce_csp: tuple[bytes, ...]
    """Where the CSP has a nonce: its header name, and the texts between which the nonce stands."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of the headers that an application made, by their names alone."""

    judged: bool
    """True if one of them is to be judged before, or is not in lower case."""
    kept: Callable[[Headers], Iterable[tuple[bytes, bytes]]]
    """Returns those that leave, in policy order."""
    shared: tuple[int, ...]
    """Places of those that the policy has too."""
    content_type: int
    """Place of the content type, -1 without one."""
    dropped: tuple[str, ...]
    """Names that are not allowed to leave."""
    is_open: bool
    """True if nothing says how long the body is, nor how long it may be kept."""
    vary: tuple[int, ...]
    """Places of what the answer depends on."""
    frames: int
    """Place of X-Frame-Options, -1 without it, or where the CSP is the view's too, or no rule."""
    length: int
    """Place of Content-Length, -1 without one."""


class SecureHeaders:
    """Turns the headers that a view made into the ones that are sent."""

    def __init__(
        self, policy: Policy, *, sticky: bool = True, judged: Set[bytes] = frozenset()
    ) -> None:
        """Compute what is the same for all responses.

        `Server` is sent without a value: servers that fill it in otherwise name themselves (RFC
        9110 section 10.2.4). Without `sticky`, for plain http in development, browsers may say
        where a form of ours comes from. A plan says which responses have one of the names `judged`.
        Raises `PolicyError` for an HSTS preload that is not confirmed.
        """
        self._policy = policy
        self._common = {
            **policy.headers.values,
            "permissions-policy": ", ".join(
                f"{name}=()" for name in policy.headers.permissions_off
            ),
            "server": "",
        }
        self._sticky = sticky
        self._judged = judged
        self._stated = {
            name: value
            for name, value in self._common.items()
            if name not in policy.headers.dangerously_omit
        }
        self._csp = csp.header_name(policy.csp)
        self._hsts = _hsts(policy)
        allowed = dict.fromkeys((*policy.headers.allowed, *policy.service.response_headers))
        self._rank = {name.encode(): rank for rank, name in enumerate(allowed)}
        self._known = {
            name.encode() for name in (*self._common, self._csp, "strict-transport-security")
        }
        self._plan = lru_cache(maxsize=256)(self._made_plan)
        plain = self._sets_of(None)
        self._sets = [plain]
        """For no fact, and for each of `policy.routes`."""
        self._facts: list[Route | None] = [None]
        for route in policy.routes:
            self._sets.append(self._sets_of(route) if route.csp else plain)
            self._facts.append(route if route.csp else None)

    def _sets_of(self, route: Route | None) -> list[list[HeaderSet]]:
        """Return the sets by whether it is a page, and by https."""
        both = (False, True)
        return [
            [self._set(html=html, https=https, own={}, route=route) for https in both]
            for html in both
        ]

    def constant(self) -> set[tuple[bytes, bytes]]:
        """Return what is the same for all responses of a kind."""
        return {
            pair
            for sets in self._sets
            for by_https in sets
            for each in by_https
            for pair in each.pairs
        }

    def unfit(self, own: Headers) -> list[str]:
        """Return the names of those that would leave with a value that no header can have.

        A server refuses the whole response then, headers of the policy and all, or lets a line
        break begin another header (RFC 9110 section 5.5).
        """
        if not _has_control(b"".join([value for _, value in own])):
            return []
        leaving = self._rank.keys() | self._known
        found = dict.fromkeys(
            name for name, value in own if name in leaving and _has_control(value)
        )
        return [name.decode() for name in found]

    def plan(self, own: Headers) -> Plan:
        """Return what becomes of headers with these names, which are lower-case."""
        return self._plan(tuple(map(_NAME, own)))

    def finish(
        self,
        status: int,
        own: Headers,
        *,
        https: bool,
        nonce: Callable[[], str],
        fact: int = 0,
        plan: Plan | None = None,
    ) -> tuple[Headers, tuple[str, ...]]:
        """Return all headers in policy order, and the names of those that were dropped.

        Names in `own` are lower-case. A name that is not allowed is dropped, of one that came twice
        the last is sent, unless it is a list, and one that the policy has too stands unless it is
        fixed. `fact` is the number of the path's fact, 0 for none; `plan` that of `own`, where it
        is known.
        """
        plan = plan or self.plan(own)
        kept = [*plan.kept(own)]
        typed = plan.content_type
        html = typed >= 0 and own[typed][1].startswith(b"text/html")
        views = self._views(own, plan.shared) if plan.shared else None
        if views:
            ours = self._set(html=html, https=https, own=views, route=self._facts[fact])
        else:
            ours = self._sets[fact][html][https]
        if ours.nonce_csp:
            name, *texts = ours.nonce_csp
            kept.append((name, nonce().encode().join(texts)))
        kept += ours.pairs
        if status == _NOT_MODIFIED:
            # Browsers put a 304's headers over those of the page they kept, nonce and all.
            own_csp = views is not None and views.get(self._csp)
            kept = [pair for pair in kept if own_csp or pair[0] != self._csp.encode()]
        return kept, plan.dropped

    def _views(self, own: Headers, shared: tuple[int, ...]) -> dict[str, str]:
        """Return what differs of what the policy has too: a framework may state the same."""
        found = {own[index][0].decode(): own[index][1].decode("latin-1") for index in shared}
        return {name: value for name, value in found.items() if value != self._stated.get(name)}

    def _made_plan(self, names: tuple[bytes, ...]) -> Plan:
        """Plan for these names; the last of a name stands, but all of a list's.

        Cached: an application has few combinations.
        """
        last = {name: index for index, name in enumerate(names)}
        kept = [
            index
            for index, name in enumerate(names)
            if name in self._rank and (name in _SEVERAL or last[name] == index)
        ]
        kept.sort(key=lambda index: self._rank[names[index]])
        shared = tuple(index for index, name in enumerate(names) if name in self._known)
        typed = last.get(b"content-type", -1)
        no_loss = _OF_SERVER | _FORMER if b"cache-control" in last else _OF_SERVER
        gone = dict.fromkeys(
            name.decode("latin-1")
            for name in names
            if name not in self._rank and name not in self._known and name not in no_loss
        )
        typed = typed if typed in kept else -1
        judged = not self._judged.isdisjoint(names) or any(name != name.lower() for name in names)
        is_open = _BOUND.isdisjoint(names)
        vary = tuple(index for index, name in enumerate(names) if name == b"vary")
        length = last.get(b"content-length", -1)
        length = length if length in kept else -1
        ruled = self._csp == "content-security-policy" and self._csp.encode() not in last
        frames = last.get(b"x-frame-options", -1) if ruled else -1
        return Plan(
            judged, _picking(kept), shared, typed, tuple(gone), is_open, vary, frames, length
        )

    def _set(
        self, *, html: bool, https: bool, own: dict[str, str], route: Route | None
    ) -> HeaderSet:
        # First where it is static, since the one with a nonce stands before the set.
        values = {} if html else {self._csp: csp.other_policy(self._policy.csp, route)}
        values |= self._common
        if route and "frame-ancestors" in route.csp:
            # It knows no list; browsers that know the other ignore it.
            values.pop("x-frame-options", None)
        if https:
            values["strict-transport-security"] = self._hsts
        elif not self._sticky and values.get("referrer-policy") == "no-referrer":
            # With it browsers send `Origin: null`, and over plain http no Sec-Fetch-Site: a form of
            # ours could not be told from another site's.
            values["referrer-policy"] = "same-origin"
        for name in self._policy.headers.dangerously_omit:
            values.pop(name, None)
        fixed = {*self._policy.headers.fixed, "server"}
        values |= {name: value for name, value in own.items() if name not in fixed}
        nonce_csp: tuple[bytes, ...] = ()
        if html and self._csp not in values:
            policy = self._policy
            texts = csp.html_policy(policy.csp, policy.service, route, https=https)
            if len(texts) == 1:
                values = {self._csp: texts[0], **values}
            else:
                nonce_csp = (self._csp.encode(), *(text.encode() for text in texts))
        pairs = tuple((name.encode(), value.encode("latin-1")) for name, value in values.items())
        return HeaderSet(pairs, nonce_csp)


def is_length(value: bytes) -> bool:
    """Tell whether a Content-Length is the number of bytes that it should be."""
    return value.isdigit() and len(value) <= _DIGITS


def _has_control(value: bytes) -> bool:
    # In half of the time that a regular expression takes.
    return len(value.translate(None, _CONTROLS)) < len(value)


def _picking(places: Sequence[int]) -> Callable[[Headers], Iterable[tuple[bytes, bytes]]]:
    """Return what takes those at the places out of a list."""
    # For one place `itemgetter` returns no sequence, and for none it cannot be made.
    return itemgetter(*places) if len(places) > 1 else lambda own: [own[place] for place in places]


def _hsts(policy: Policy) -> str:
    hsts = policy.headers.hsts
    value = f"max-age={hsts.max_age}"
    if hsts.include_subdomains:
        value += "; includeSubDomains"
    if hsts.preload_confirmed_for:
        if hsts.preload_confirmed_for != policy.service.domain:
            raise PolicyError(
                f"headers.hsts.preload-confirmed-for is {hsts.preload_confirmed_for!r}, but the"
                f" service is {policy.service.domain!r}; preloading lasts for months:"
                " repeat the service's own name, or leave it empty"
            )
        value += "; preload"
    return value
