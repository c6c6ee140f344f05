# Owned by the template: extend, do not edit.
"""Response headers (guide: Use Helmet, Reduce fingerprinting; ASVS 3.4, 13.4).

One place decides which headers leave the service, with which values and in which order, for every
response of every framework. What does not depend on the request is computed once, at start.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from . import csp
from .policy import Policy, PolicyError

Pairs = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Block:
    """The policy's headers for one kind of response, for ASGI (`raw`) and for WSGI (`text`)."""

    raw: tuple[tuple[bytes, bytes], ...]
    text: tuple[tuple[str, str], ...]
    nonce_csp: tuple[bytes, ...]
    """Where the CSP has a nonce: its header name, and the text before and after the nonce."""


class HasNonce(Protocol):
    """What makes the nonce of a response when its policy needs one."""

    @property
    def nonce(self) -> str:
        """The nonce: the same each time for one response."""


class HeaderPolicy:
    """Turns the headers that a view made into the ones that are sent."""

    def __init__(self, policy: Policy, *, blank_server: bool = False) -> None:
        """Compute what is the same for all responses.

        `blank_server` sends `Server` without a value, for a server that would otherwise name itself
        (RFC 9110 section 10.2.4). Raises `PolicyError` for an HSTS preload that is not confirmed.
        """
        self._policy = policy
        self._common = {
            **policy.headers.values,
            "permissions-policy": ", ".join(
                f"{name}=()" for name in policy.headers.permissions_off
            ),
            **({"server": ""} if blank_server else {}),
        }
        self._said = {
            name: value
            for name, value in self._common.items()
            if name not in policy.headers.dangerously_omit
        }
        self._csp = csp.header_name(policy.csp)
        self._hsts = _hsts(policy)
        self._rank = {name.encode(): rank for rank, name in enumerate(policy.headers.allowed)}
        self._order = lru_cache(maxsize=256)(self._order_of)
        self._known = {
            name.encode() for name in (*self._common, self._csp, "strict-transport-security")
        }
        self._blocks = {
            (html, https): self._block(html=html, https=https, own={})
            for html in (False, True)
            for https in (False, True)
        }

    def finish(self, own: Pairs, *, https: bool, visit: HasNonce) -> tuple[Pairs, Block]:
        """Return the response's own headers in policy order, and the block to send after them.

        Names in `own` are lower-case. A name that is not allowed is dropped, one that came twice is
        sent once, and one that the policy has too stands unless it is fixed.
        """
        order, known, typed = self._order(tuple([pair[0] for pair in own]))
        kept = [own[index] for index in order]
        html = typed >= 0 and own[typed][1].startswith(b"text/html")
        views = {own[index][0].decode(): own[index][1].decode("latin-1") for index in known}
        if views:
            # A framework may say what the policy says.
            views = {each: views[each] for each in views if views[each] != self._said.get(each)}
        block = (
            self._block(html=html, https=https, own=views) if views else self._blocks[html, https]
        )
        if block.nonce_csp:
            name, before, after = block.nonce_csp
            kept.append((name, before + visit.nonce.encode() + after))
        return kept, block

    def _order_of(self, names: tuple[bytes, ...]) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        """Return the places of the headers to keep, in policy order, and of those the policy has.

        And the place of the content type, -1 without one.

        The last of a name stands, but every cookie. Cached: an application has few combinations.
        """
        last = {name: index for index, name in enumerate(names)}
        kept = [
            index
            for index, name in enumerate(names)
            if name in self._rank and (name == b"set-cookie" or last[name] == index)
        ]
        kept.sort(key=lambda index: self._rank[names[index]])
        known = tuple(index for index, name in enumerate(names) if name in self._known)
        typed = last.get(b"content-type", -1)
        return tuple(kept), known, typed if typed in kept else -1

    def _block(self, *, html: bool, https: bool, own: dict[str, str]) -> Block:
        # First where it is static, since the one with a nonce stands before the block.
        values = {} if html else {self._csp: self._policy.csp.other}
        values |= self._common
        if https:
            values["strict-transport-security"] = self._hsts
        for name in self._policy.headers.dangerously_omit:
            values.pop(name, None)
        fixed = {*self._policy.headers.fixed, "server"}
        values |= {name: value for name, value in own.items() if name not in fixed}
        nonce_csp: tuple[bytes, ...] = ()
        if html and self._csp not in values:
            before, after = csp.html_policy(self._policy.csp, self._policy.service, https=https)
            nonce_csp = (self._csp.encode(), before.encode(), after.encode())
        return Block(
            tuple((name.encode(), value.encode("latin-1")) for name, value in values.items()),
            tuple(values.items()),
            nonce_csp,
        )


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
