# Owned by the template: extend, do not edit.
"""Where a redirect may lead (guide: Prevent open redirects; ASVS 3.7.2).

The target is parsed by the browsers' own rules (WHATWG URL) and sent exactly as that parser writes
it: what was checked is what the browser gets. Checks on the text or with `urllib` miss backslashes,
tabs, `https:host`, extra slashes and more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from ada_url import URL

_SPECIAL = ("http:", "https:", "ftp:", "ws:", "wss:", "file:")
# What browsers drop anywhere in an address, and at its start.
_DROPPED = dict.fromkeys(map(ord, "\t\n\r"))
_STRIPPED = "".join(map(chr, range(0x21)))
_HOST = re.compile(r"[a-z0-9.-]+(:[0-9]{1,5})?")
# An address below our own root that every parser reads alike, and that is written as it stands.
_PLAIN = re.compile(r"/(?:[A-Za-z0-9_~-][A-Za-z0-9_~/-]*)?(?:\?[A-Za-z0-9._~=&%/-]*)?")
_LOOPBACK = frozenset({"127.0.0.1", "[::1]"})
_BLANKS = "\t\n\f\r "
_SECONDS = "0123456789."
_NAMED = re.compile(rf"url[{_BLANKS}]*=[{_BLANKS}]*", re.IGNORECASE)
_IN_PATH = "/:@!$&'()*+,;=~"
"""What stands in a path as it is."""


class Redirects:
    """Judges the targets of redirects."""

    def __init__(self, allowed: Iterable[str]) -> None:
        """Take what is allowed besides the own origin.

        A name, or name:port, stands for https on that host; anything else is an exact URL of an
        application on a device, whose query is free (RFC 8252 section 7).
        """
        names = set(allowed)
        self._hosts = frozenset(name for name in names if _HOST.fullmatch(name))
        self._applications = [URL(name) for name in sorted(names - self._hosts)]

    def safe_target(self, target: str, origin: str, page: str = "/") -> str | None:
        """Return the address to send a browser to, or None if `target` leads astray.

        `origin` is the service's own, such as `https://example.org`; `page` is the decoded path of
        the request, which a relative target is relative to (RFC 9110 section 10.2.2). An address of
        our own comes back as a path, unless the target names its host.
        """
        if _PLAIN.fullmatch(target) and "//" not in target.partition("?")[0]:
            return target
        seen = target.translate(_DROPPED).lstrip(_STRIPPED).lower()
        scheme = seen[: seen.find(":") + 1]
        if scheme in _SPECIAL and not seen.startswith(scheme + "//"):
            # `https:host` is relative on an https page and absolute on an http one.
            return None
        try:
            base = URL(origin + quote(page, safe=_IN_PATH))
            url = URL(target, base=base.href)
        except ValueError:
            return None
        if url.username or url.password:
            return None
        if url.protocol == base.protocol and url.host == base.host:
            path = f"{url.pathname}{url.search}{url.hash}"
            names_host = seen.startswith("//") or scheme in _SPECIAL
            return url.href if names_host or path.startswith("//") else path
        listed = url.protocol == "https:" and url.host in self._hosts
        listed = listed or any(_is_at(url, place) for place in self._applications)
        return url.href if listed else None


def split_refresh(value: str) -> tuple[str, str]:
    """Return what a Refresh header says before its target, and the target, "" for none.

    Browsers do not need the `url=` that everybody writes (WHATWG HTML, "shared declarative refresh
    steps"): `0; //elsewhere` leads there.
    """
    value = value.strip(_BLANKS)
    rest = value.lstrip(_SECONDS)
    seconds = value.removesuffix(rest)
    rest = rest.lstrip(_BLANKS)
    if rest.startswith((";", ",")):
        rest = rest[1:].lstrip(_BLANKS)
    named = _NAMED.match(rest)
    target = rest[named.end() :] if named else rest
    if target.startswith(("'", '"')):
        target = target[1:].partition(target[0])[0]
    return seconds, target


def _is_at(url: URL, application: URL) -> bool:
    """Tell whether a URL is that of the application, whatever its query.

    On the device itself the port is whatever was free (RFC 8252 section 7.3).
    """
    host = "hostname" if application.hostname in _LOOPBACK else "host"
    return all(
        getattr(url, part) == getattr(application, part) for part in ("protocol", host, "pathname")
    )
