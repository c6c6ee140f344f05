# Owned by the template: extend, do not edit.
"""Cookies of our own (guide: Use cookies securely; ASVS 3.3; RFC 6265bis)."""

from __future__ import annotations

from dataclasses import dataclass

from .policy import Cookies


class CookieTooLarge(Exception):
    """Raised if a cookie would exceed what browsers keep; nothing is sent, cut or split."""


@dataclass(frozen=True, slots=True)
class CookieJar:
    """Names and attributes of the service's cookies, for https or for http://localhost."""

    prefix: str
    attributes: str
    max_bytes: int

    @classmethod
    def of(cls, policy: Cookies, *, https: bool) -> CookieJar:
        """Build from the policy.

        `__Host-` makes browsers insist on Secure, Path=/ and no Domain, so that a sibling subdomain
        cannot plant a cookie. On http://localhost browsers refuse that prefix.
        """
        attributes = f"; Path=/; HttpOnly; SameSite={policy.same_site}"
        if policy.domain:
            attributes += f"; Domain={policy.domain}"
        if https:
            attributes += "; Secure"
        prefix = ("__Secure-" if policy.domain else "__Host-") if https else ""
        return cls(prefix, attributes, policy.max_bytes)

    def read(self, header: str, name: str) -> str:
        """Return the value of our cookie `name` in a Cookie header, or "".

        A name that occurs twice counts as absent: one of them is somebody else's doing.
        """
        if not header:
            return ""
        wanted = f"{self.prefix}{name}="
        found = [
            part[len(wanted) :]
            for part in map(str.strip, header.split(";"))
            if part.startswith(wanted)
        ]
        return found[0] if len(found) == 1 else ""

    def write(self, name: str, value: str, max_age: int, *, beside: int = 0) -> str:
        """Return a Set-Cookie line; `max_age` in seconds, 0 deletes.

        Raises `CookieTooLarge` if it and the `beside` bytes of our other cookies are too much.
        """
        line = f"{self.prefix}{name}={value}; Max-Age={max_age}{self.attributes}"
        if len(line) + beside > self.max_bytes:
            raise CookieTooLarge(
                f"cookie {name!r}: {len(line) + beside} bytes with the others, but browsers keep"
                f" {self.max_bytes}; keep less in the session, or generate the service with"
                " server-side sessions"
            )
        return line
