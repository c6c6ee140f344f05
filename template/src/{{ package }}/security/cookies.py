# Owned by the template: extend, do not edit.
"""Cookies (guide: Use cookies securely; ASVS 3.3; RFC 6265bis)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from .policy import CookiePolicy

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SAME_SITE = frozenset({"strict", "lax", "none"})
_BLANKS = " \t"
"""What browsers take off; Python takes off more, such as bytes that some put before a prefix."""


class CookieTooLarge(Exception):
    """Raised if a cookie would exceed what browsers keep; nothing is sent, cut or split."""


@dataclass(frozen=True, slots=True)
class CookieFormat:
    """Names and attributes of the service's own cookies, for https or for http://localhost."""

    prefix: str
    attributes: str
    max_bytes: int
    same_site: str
    secure: bool

    @classmethod
    def of(cls, policy: CookiePolicy, *, https: bool) -> CookieFormat:
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
        return cls(prefix, attributes, policy.max_bytes, policy.same_site, https)

    def read(self, header: str, name: str) -> str:
        """Return the value of our cookie `name` in a Cookie header, or "".

        A name that occurs twice counts as absent: one of them is somebody else's doing.
        """
        if not header:
            return ""
        wanted = f"{self.prefix}{name}="
        parts = [part.strip(_BLANKS) for part in header.split(";")]
        found = [part[len(wanted) :] for part in parts if part.startswith(wanted)]
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

    def harden(self, line: str, script_cookies: Collection[str]) -> tuple[str, tuple[str, ...]]:
        """Return a Set-Cookie line of the application as it may leave, and what was added (SES-11).

        Added are Secure on https, SameSite where it is missing or no value that browsers know, and
        HttpOnly unless the name is one of `script_cookies`.
        """
        name, present = cookie_name(line), _attributes(line)
        if present.get("samesite", "").lower() not in _SAME_SITE:
            # To some browsers any other is none. Of two they take the last.
            present.pop("samesite", None)
        wanted = [("samesite", f"SameSite={self.same_site}")]
        if self.secure:
            wanted.append(("secure", "Secure"))
        if name not in script_cookies:
            wanted.append(("httponly", "HttpOnly"))
        added = tuple(text for key, text in wanted if key not in present)
        return "; ".join([line, *added]), added


def cookie_name(line: str) -> str:
    """Return the name in a Set-Cookie line, "" where it has none."""
    name, named, _ = line.partition(";")[0].partition("=")
    return name.strip(_BLANKS) if named else ""


def is_token(text: str) -> bool:
    """Tell whether a text is a token, as names in headers are (RFC 9110 section 5.6.2)."""
    return _TOKEN.fullmatch(text) is not None


def is_cookie_name(name: str) -> bool:
    """Tell whether a cookie may have that name (RFC 6265 section 4.1.1).

    Without a name browsers send the value alone back, which then can look like any other cookie;
    blanks and separators in a name are read in as many ways as there are programs.
    """
    return is_token(name)


def breaks_prefix(line: str) -> bool:
    """Tell whether browsers drop the cookie, since its name promises what its attributes lack."""
    # They do not look at the case.
    name, attributes = cookie_name(line).lower(), _attributes(line)
    if name.startswith("__host-"):
        return "secure" not in attributes or "domain" in attributes or attributes.get("path") != "/"
    return name.startswith("__secure-") and "secure" not in attributes


def _attributes(line: str) -> dict[str, str]:
    """Return the attributes of a Set-Cookie line by their lower-case names."""
    pairs = (part.partition("=") for part in line.split(";")[1:])
    return {key.strip(_BLANKS).lower(): value.strip(_BLANKS) for key, _, value in pairs}
