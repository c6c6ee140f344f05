"""Ways to break each line of the contract: one place in a generated project, and what that opens.

A change is exact text, found once in its file; code that moves on makes it stale, and its test
says so. Redis and the server on the socket have tests of their own; the rest of the contract is
here. What no test in the project can see, its CI and its gates, is broken in the template.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

Answers = frozenset[tuple[str, str]]

FLASK: Answers = frozenset({("framework", "flask")})
FASTAPI: Answers = frozenset({("framework", "fastapi")})
DJANGO: Answers = frozenset({("framework", "django")})
ADMIN: Answers = DJANGO | {("admin_path", "office")}
LITESTAR: Answers = frozenset({("framework", "litestar")})
COOKIE: Answers = frozenset({("framework", "fastapi"), ("sessions", "cookie")})

_COUNTS = {
    **{"HDR": 5, "FPR": 4, "RED": 3, "SES": 9, "THR": 8, "CSR": 2},
    **{"PRX": 3, "INP": 4, "ACC": 2, "LOG": 2, "CFG": 3, "DEP": 4},
}
LINES = tuple(f"{name}-{number + 1}" for name, count in _COUNTS.items() for number in range(count))
"""The lines that a project itself must keep, in its code or in what looks after it."""


@dataclass(frozen=True)
class Mutation:
    """One change, which the tests must notice."""

    line: str
    """Contract id."""
    name: str
    file: str
    """Relative to the package's folder; in `GATES`, to the template repository."""
    old: str
    new: str
    attack: str
    """What the change would let through."""
    answers: Answers = FLASK
    judge: str = ""
    """The test of the template repository that must notice; "" for the conformance suite."""


_numbers: Counter[str] = Counter()


def _break(
    line: str, file: str, old: str, new: str, attack: str, answers: Answers = FLASK
) -> Mutation:
    _numbers[line] += 1
    return Mutation(line, f"{line}.{_numbers[line]}", file, old, new, attack, answers)


def _gate(line: str, file: str, old: str, new: str, attack: str, judge: str) -> Mutation:
    _numbers[line] += 1
    test = f"tests/supply/test_ci.py::{judge}"
    return Mutation(line, f"{line}.{_numbers[line]}", file, old, new, attack, judge=test)


POLICY = "security/baseline.toml"
HEADERS = "security/headers.py"
CSP = "security/csp.py"
GUARD = "security/guard.py"
VISIT = "security/visit.py"
ERRORS = "security/errors.py"
REDIRECTS = "security/redirects.py"
SESSIONS = "security/sessions.py"
COOKIES = "security/cookies.py"
CARRIER = "security/carrier.py"
SQLITE = "security/stores/sqlite.py"
THROTTLE = "security/throttle.py"
ACCOUNTS = "security/accounts.py"
PASSWORDS = "security/passwords.py"
CSRF = "security/csrf.py"
PROXY = "security/proxy.py"
HOSTS = "security/hosts.py"
LIMITS = "security/limits.py"
BUILTIN = "security/builtin.py"
STATIC = "security/static.py"
EVENTS = "security/events.py"
CHECKS = "security/checks.py"
RULES = "security/policy.py"
SUPPORTED = "security/supported.py"
CONFIG = "config.py"
AUDIT = "audit.py"
PATTERNS = "../../tests/contract/patterns.py"
CLI = "cli.py"
WSGI = "adapter/wsgi.py"
ASGI = "adapter/asgi.py"
WEB = "adapter/web.py"
MIDDLEWARE = "adapter/middleware.py"
STORE = "adapter/sessions.py"
AUTH = "adapter/auth.py"
SETTINGS = "adapter/settings.py"
DATABASE = "adapter/database.py"
ADMIN_SITE = "adapter/admin.py"
VIEWS = "adapter/pages.py"
SCHEMAS = "app/schemas.py"
NOTES = "app/notes.py"
PAGES = "app/pages.py"


def _headers() -> Iterator[Mutation]:
    yield _break(
        "HDR-1",
        WSGI,
        "[*own_text, *block.text]",
        "own_text",
        "no protection at all leaves a WSGI service",
    )
    yield _break(
        "HDR-1",
        ASGI,
        "headers = [*pairs, *block.raw]",
        "headers = [*pairs]",
        "no protection at all leaves an ASGI service",
        FASTAPI,
    )
    yield _break(
        "HDR-1",
        HEADERS,
        ' and (name == b"set-cookie" or last[name] == index)',
        "",
        "two values of one header: a cache or browser takes the weaker one",
    )
    yield _break(
        "HDR-1",
        HEADERS,
        "{name: value for name, value in own.items() if name not in fixed}",
        "own",
        "a view switches off a protection that the policy has fixed",
    )
    yield _break(
        "HDR-1",
        HEADERS,
        "{name: value for name, value in own.items() if name not in fixed}",
        "{}",
        "a view's stricter policy is overwritten by the general one",
    )
    yield _break(
        "HDR-1",
        WSGI,
        "except Exception as error:",
        "except KeyboardInterrupt as error:",
        "an exception is answered by the server, without headers",
    )
    yield _break(
        "HDR-1",
        ASGI,
        "except Exception as error:",
        "except KeyboardInterrupt as error:",
        "an exception is answered by the server, without headers",
        FASTAPI,
    )
    for name, old, new, attack in (
        ("x-content-type-options", "nosniff", "", "an upload is run as a script"),
        ("x-frame-options", "DENY", "SAMEORIGIN", "a page of ours is framed for clickjacking"),
        (
            "referrer-policy",
            "no-referrer",
            "unsafe-url",
            "addresses with secrets reach other sites",
        ),
        ("cross-origin-opener-policy", "same-origin", "unsafe-none", "a popup drives our window"),
        (
            "cross-origin-resource-policy",
            "same-origin",
            "cross-origin",
            "responses read by Spectre",
        ),
        (
            "cross-origin-embedder-policy",
            "require-corp",
            "unsafe-none",
            "no cross-origin isolation",
        ),
        ("origin-agent-cluster", "?1", "?0", "sibling hosts share our process"),
        ("x-dns-prefetch-control", "off", "on", "links are looked up before they are followed"),
        ("x-permitted-cross-domain-policies", "none", "all", "old plugins read across origins"),
        ("x-xss-protection", "0", "1", "the old filter is used to disable scripts of ours"),
    ):
        yield _break("HDR-2", POLICY, f'{name} = "{old}"', f'{name} = "{new}"', attack)
    yield _break("HDR-2", POLICY, '"camera", ', "", "a script that got in may ask for the camera")
    yield _break(
        "HDR-2",
        POLICY,
        "max-age = 63072000",
        "max-age = 300",
        "after five minutes the first request goes out in the clear",
    )
    yield _break(
        "HDR-2",
        POLICY,
        "include-subdomains = true",
        "include-subdomains = false",
        "cookies are planted from a subdomain over http",
    )
    yield _break(
        "HDR-2",
        HEADERS,
        "if hsts.preload_confirmed_for != policy.service.domain:",
        "if False:",
        "a name is preloaded that nobody confirmed, for months",
    )
    yield _break(
        "HDR-2",
        POLICY,
        "dangerously-omit = []",
        'dangerously-omit = ["permissions-policy"]',
        "a protection is left out without an exception",
    )
    yield _break(
        "HDR-3",
        VISIT,
        "self._nonce = secrets.token_urlsafe(16)",
        'self._nonce = "A" * 22',
        "injected scripts carry the nonce, which never changes",
    )
    yield _break(
        "HDR-3",
        VISIT,
        "self._nonce = secrets.token_urlsafe(16)",
        "self._nonce = secrets.token_urlsafe(4)",
        "the nonce can be guessed",
    )
    for old, new, attack in (
        ("default-src = \"'none'\"", 'default-src = "*"', "whatever has no directive is open"),
        ("'nonce' 'strict-dynamic'", "'nonce' 'unsafe-inline' https:", "injected scripts run"),
        ("script-src-attr = \"'none'\"", "script-src-attr = \"'unsafe-inline'\"", "onclick runs"),
        ("style-src = \"'self'\"", "style-src = \"'self' 'unsafe-inline'\"", "CSS steals input"),
        ("connect-src = \"'self'\"", 'connect-src = "*"', "scripts send data anywhere"),
        ("form-action = \"'self'\"", 'form-action = "*"', "an injected form sends passwords away"),
        ("base-uri = \"'none'\"", "base-uri = \"'self'\"", "an injected base moves scripts"),
        ("frame-ancestors = \"'none'\"\nreq", "frame-ancestors = \"'self'\"\nreq", "clickjacking"),
        ("require-trusted-types-for = \"'script'\"\n", "", "text becomes script in the DOM"),
        (
            "other = \"default-src 'none'; frame-ancestors 'none'\"",
            'other = "default-src *"',
            "a response that is no page runs what it contains when opened",
        ),
        (
            "dangerously-report-only = false",
            "dangerously-report-only = true",
            "the policy is only reported",
        ),
    ):
        yield _break("HDR-3", POLICY, old, new, attack)
    yield _break(
        "HDR-3",
        CSP,
        '    if https:\n        text += "; upgrade-insecure-requests"\n',
        "",
        "a link to http inside a page is read on the way",
    )
    yield _break(
        "HDR-3",
        CSP,
        '"-report-only" if csp.dangerously_report_only else ""',
        '""',
        "the setting for a trial of the policy does nothing",
    )
    yield _break(
        "HDR-4",
        VISIT,
        'extra.append((b"cache-control", b"no-store"))',
        "pass",
        "the next user of the browser goes back to the account page",
    )
    yield _break(
        "HDR-4",
        SESSIONS,
        "        self.accessed = True\n",
        "        self.accessed = False\n",
        "a shared cache hands one user's page to another",
    )
    yield _break(
        "HDR-4",
        GUARD,
        'own.append((b"cache-control", b"no-store"))',
        "pass",
        "a cache goes on serving an error",
    )
    yield _break(
        "HDR-4",
        STATIC,
        "hashlib.sha256(body)",
        "hashlib.sha256(name.encode())",
        "browsers keep a broken script for a year",
    )
    yield _break(
        "HDR-4",
        STATIC,
        "public, max-age={max_age}, immutable",
        "no-store",
        "static files are not kept",
    )
    yield _break(
        "HDR-5",
        HEADERS,
        "        if https:\n            values[",
        "        if True:\n            values[",
        "localhost becomes unreachable over http for all projects of a developer",
    )
    yield _break(
        "HDR-5", CSP, "    if https:\n", "    if True:\n", "pages on http://localhost lose styles"
    )
    yield _break(
        "HDR-5",
        VISIT,
        "[self.https or self.guard.production]",
        "[True]",
        "nobody can log in on http://localhost",
    )


def _errors() -> Iterator[Mutation]:
    yield _break(
        "FPR-1",
        HEADERS,
        "if name in self._known)",
        "if name not in self._rank)",
        "X-Powered-By and the like tell an attacker what to try",
    )
    yield _break(
        "FPR-1",
        HEADERS,
        '({"server": ""} if blank_server else {})',
        '{"server": "granian/2"}',
        "the server's name and version tell an attacker what to try",
    )
    yield _break(
        "FPR-2",
        GUARD,
        "        if status >= _ERROR and not visit.final:",
        "        if False:",
        "pages of the framework name it",
    )
    yield _break(
        "FPR-2",
        GUARD,
        "        if status >= _ERROR and not visit.final:",
        "        if False:",
        "pages of the framework name it",
        FASTAPI,
    )
    yield _break(
        "FPR-2",
        GUARD,
        "        return self.refuse(visit, Problem(500))",
        '        return Answer(500, "text/plain", repr(error).encode())',
        "an exception's text shows the inside",
    )
    yield _break(
        "FPR-2",
        VISIT,
        "            self._request_id = secrets.token_hex(16)",
        '            self._request_id = self.head.header("x-request-id") or secrets.token_hex(16)',
        "a client makes up the id that an investigation relies on",
    )
    yield _break(
        "FPR-2",
        ERRORS,
        'return "json" in accept or path.startswith(api_prefix)',
        "return False",
        "programs get pages that they cannot read",
    )
    yield _break(
        "FPR-2",
        ERRORS,
        '"application/problem+json"',
        '"application/json"',
        "programs cannot tell an error from an answer",
    )
    yield _break(
        "FPR-3",
        WEB,
        "app.router.redirect_slashes = False",
        "app.router.redirect_slashes = True",
        "a trailing slash tells Starlette, and redirects without the policy",
        FASTAPI,
    )
    yield _break(
        "FPR-3",
        WEB,
        "    app.asgi_handler = _exact(app.asgi_handler)\n",
        "",
        "Litestar answers an address with a trailing slash, the others do not",
        LITESTAR,
    )
    yield _break(
        "FPR-3",
        GUARD,
        'allow_header(text.split(", ")) if name == b"allow" else text',
        "text",
        "the Allow header tells the framework",
    )
    yield _break(
        "FPR-3",
        WEB,
        "    app.add_exception_handler(405, _method_not_allowed)\n",
        "",
        "the Allow header tells the framework",
        FASTAPI,
    )
    yield _break(
        "FPR-3",
        GUARD,
        "            visit.answer = self._builtin.options\n            return\n",
        "            pass\n",
        "each framework answers OPTIONS in its own way",
    )
    yield _break(
        "FPR-3",
        LIMITS,
        'if "//" in text or (',
        "if (",
        "a proxy and the router see different addresses",
    )
    yield _break(
        "FPR-3",
        VISIT,
        "if len(values) > 1 or not",
        "if not",
        "a filter in front checks the other of two values",
    )
    yield _break(
        "FPR-3",
        ASGI,
        'if name == "content-type":',
        "if False:",
        "two types of one body tell WSGI from ASGI",
        FASTAPI,
    )
    yield _break(
        "FPR-3",
        LIMITS,
        "            text = body.decode()\n",
        "            text = body\n",
        "JSON that is not UTF-8 means different things to different parsers",
    )
    yield _break(
        "FPR-4",
        "app/main.py",
        'None if settings.production else "/openapi.json"',
        '"/openapi.json"',
        "the schema lists every address",
        FASTAPI,
    )
    yield _break(
        "FPR-4",
        "app/main.py",
        "openapi_config=None if settings.production else schema",
        "openapi_config=schema",
        "the schema lists every address",
        LITESTAR,
    )
    yield _break(
        "FPR-4",
        CONFIG,
        '            if os.environ.get(name, "").lower() not in {"", "0", "false", "no", "off"}\n',
        "            if False\n",
        "an interactive debugger faces the internet",
    )


def _redirects() -> Iterator[Mutation]:
    yield _break(
        "RED-1",
        REDIRECTS,
        "return url.href if own or elsewhere else None",
        "return url.href",
        "our link leads to a fake login page",
    )
    yield _break(
        "RED-1",
        REDIRECTS,
        "return url.href if own",
        "return target if own",
        "what was checked is not what the browser parses",
    )
    yield _break(
        "RED-1",
        REDIRECTS,
        'if scheme in _SPECIAL and not seen.startswith(scheme + "//"):',
        "if False:",
        "https:host is relative here and absolute elsewhere",
    )
    yield _break(
        "RED-1",
        REDIRECTS,
        "if url.username or url.password:",
        "if False:",
        "a trusted name before an @ deceives the reader",
    )
    yield _break(
        "RED-1",
        REDIRECTS,
        "own = url.protocol == base.protocol and url.host",
        "own = url.host",
        "a redirect leaves https and is read on the way",
    )
    yield _break(
        "RED-1",
        REDIRECTS,
        'url.protocol == "https:" and url.host in allowed_hosts',
        "url.host in allowed_hosts",
        "a redirect leaves https and is read on the way",
    )
    yield _break(
        "RED-1",
        REDIRECTS,
        "url.host in allowed_hosts",
        "any(url.host.endswith(each) for each in allowed_hosts)",
        "evilpartner.example passes for partner.example",
    )
    yield _break(
        "RED-1",
        REDIRECTS,
        "url.host == base.host",
        "base.host in url.host",
        "our-name.evil.example passes for our name",
    )
    yield _break(
        "RED-1",
        REDIRECTS,
        'url.protocol == "https:" and url.host in allowed_hosts',
        "False",
        "a listed host cannot be reached, so somebody turns the check off",
    )
    yield _break(
        "RED-1",
        VISIT,
        "safe_target(target, self.origin, hosts) if target else None",
        "target or None",
        "no check of redirects at all",
    )
    yield _break(
        "RED-2", VISIT, 'events.emit("malicious_redirect")', "pass", "an attack leaves no trace"
    )
    yield _break(
        "RED-2",
        VISIT,
        "            if not default:\n                raise Problem(400)\n",
        "",
        "a refused target is answered as if it were fine",
    )
    yield _break(
        "RED-2",
        VISIT,
        "            if not default:\n",
        "            if True:\n",
        "a bad link keeps people from logging in",
    )
    yield _break(
        "RED-3",
        REDIRECTS,
        "return url.href if own",
        'return url.href.partition("#")[0] if own',
        "fragments are lost",
    )
    yield _break(
        "RED-3",
        REDIRECTS,
        "if url.username or url.password:",
        'if url.username or "//" in url.search:',
        "legal targets are refused",
    )
    yield _break(
        "RED-3",
        GUARD,
        'return f"{_LOGIN}?next={quote(here)}"',
        "return _LOGIN",
        "nobody comes back to where they wanted to go",
    )


def _sessions() -> Iterator[Mutation]:
    yield _break(
        "SES-1",
        CARRIER,
        'keys.derive("session cookie")',
        'keys.derive("session cookie")[:1]',
        "a new key logs everybody out, so keys are never changed",
        COOKIE,
    )
    yield _break(
        "SES-1",
        CARRIER,
        'AESGCM(key) for key in keys.derive("session cookie")',
        'AESGCM(bytes(32)) for key in keys.derive("session cookie")',
        "anybody can make cookies",
        COOKIE,
    )
    yield _break(
        "SES-1",
        CARRIER,
        "nonce = secrets.token_bytes(_NONCE)",
        "nonce = bytes(_NONCE)",
        "two cookies under one nonce give away content and key stream",
        COOKIE,
    )
    yield _break(
        "SES-1",
        CARRIER,
        'return urlsafe_b64encode(sealed).decode().rstrip("="), "{}"',
        'return urlsafe_b64encode(sealed).decode().rstrip("=") + "." + content[:0]'
        ' + urlsafe_b64encode(content.encode()).decode().rstrip("="), "{}"',
        "the content can be read in the cookie",
        COOKIE,
    )
    for old, new, attack in (
        ("; HttpOnly", "", "an injected script takes the session away"),
        ('attributes += "; Secure"', "pass", "the session is sent in the clear"),
        ("; Path=/;", "; Path=/account;", "browsers drop the cookie with this prefix"),
        (" Max-Age={max_age}", "", "the cookie outlives its session, or dies with the window"),
        (
            'if policy.domain else "__Host-"',
            'if policy.domain else ""',
            "a sibling host plants a session",
        ),
        (
            '"__Secure-" if policy.domain else "__Host-"',
            '"__Host-"',
            "browsers drop the cookie, so somebody removes the prefix",
        ),
    ):
        yield _break("SES-2", COOKIES, old, new, attack)
    yield _break(
        "SES-2", POLICY, 'same-site = "Lax"', 'same-site = "Strict"', "links from outside log out"
    )
    yield _break(
        "SES-2",
        POLICY,
        'session-name = "session"',
        'session-name = "sessionid"',
        "the name tells the framework",
    )
    yield _break(
        "SES-2",
        VISIT,
        "[self.https or self.guard.production]",
        "[self.https]",
        "over http a cookie without prefix is planted or read",
    )
    yield _break(
        "SES-3",
        SESSIONS,
        "self._id = secrets.token_urlsafe(32)",
        "self._id = self._id or secrets.token_urlsafe(32)",
        "a planted id becomes the victim's",
    )
    yield _break(
        "SES-3",
        SESSIONS,
        "self._id = secrets.token_urlsafe(32)",
        'self._id = secrets.token_urlsafe(3).ljust(43, "A")',
        "ids can be guessed",
    )
    yield _break(
        "SES-3",
        SESSIONS,
        "return hashlib.sha256(session_id.encode()).hexdigest()",
        "return session_id",
        "who reads the store takes over every session",
    )
    yield _break(
        "SES-4",
        SESSIONS,
        "self._rotate = self._restart = True",
        "self._restart = True",
        "an id known from before the login is good after it",
    )
    yield _break(
        "SES-4",
        SESSIONS,
        "        self._open()\n        self._rotate = True\n",
        "        self._open()\n",
        "a stolen id survives the change of password",
    )
    yield _break(
        "SES-4",
        SESSIONS,
        'replaces=old.id_hash if old else ""',
        'replaces=""',
        "the old id lives on beside the new one",
    )
    yield _break(
        "SES-4",
        SQLITE,
        'db.execute("DELETE FROM store_session WHERE id_hash = ?", (replaces,))',
        "pass",
        "the old id lives on beside the new one",
    )
    yield _break(
        "SES-5",
        SESSIONS,
        "now - row.seen < self.times.idle_timeout",
        "True",
        "a session left open at a shared computer stays open",
    )
    yield _break(
        "SES-5",
        SESSIONS,
        "and now - row.created < self.times.absolute_timeout",
        "",
        "a stolen session is kept alive for ever",
    )
    yield _break(
        "SES-5",
        SESSIONS,
        "old.created if old and not self._restart else now",
        "now",
        "a stolen session is kept alive for ever by changing its id",
    )
    yield _break(
        "SES-5",
        SESSIONS,
        "if not changed and now - row.seen < self._sessions.times.touch_interval:",
        "if False:",
        "reading floods the store with writes",
    )
    yield _break(
        "SES-5",
        SESSIONS,
        "if not changed and now - row.seen < self._sessions.times.touch_interval:",
        "if not changed:",
        "people are logged out while they work",
    )
    yield _break(
        "SES-5",
        POLICY,
        "idle-timeout = 1800",
        "idle-timeout = 43200",
        "a session left open at a shared computer stays open",
    )
    yield _break(
        "SES-5",
        POLICY,
        "absolute-timeout = 43200",
        "absolute-timeout = 4320000",
        "a stolen session is good for weeks",
    )
    yield _break(
        "SES-6",
        SESSIONS,
        '            self._sessions.store.delete(row.id_hash)\n            return write("", 0)',
        '            return write("", 0)',
        "a copied cookie is good after logout",
    )
    yield _break(
        "SES-6",
        SESSIONS,
        '            self._sessions.store.delete(row.id_hash)\n            return write("", 0)',
        '            return write("", 0)',
        "a copied cookie is good after logout",
        COOKIE,
    )
    yield _break(
        "SES-6",
        PAGES,
        '@blueprint.post("/logout")',
        '@blueprint.route("/logout", methods=["GET", "POST"])',
        "an image logs people out",
    )
    yield _break(
        "SES-6",
        PAGES,
        '@router.post("/logout")',
        '@router.api_route("/logout", methods=["GET", "POST"])',
        "an image logs people out",
        FASTAPI,
    )
    yield _break(
        "SES-6",
        PAGES,
        '@post("/logout", sync_to_thread=True)',
        '@get("/logout", sync_to_thread=True)',
        "an image logs people out",
        LITESTAR,
    )
    yield _break(
        "SES-6",
        VISIT,
        """extra.append((b"clear-site-data", b'"cache", "storage"'))""",
        "pass",
        "the next user of the browser finds what it kept",
    )
    yield _break(
        "SES-7",
        SQLITE,
        "WHERE user = ? ORDER BY",
        "WHERE user = ? OR TRUE ORDER BY",
        "anybody sees and ends everybody's sessions",
    )
    yield _break(
        "SES-7",
        VISIT,
        "self.guard.store.delete_of_user(self.user(), keep=self.session.id_hash)",
        "self.user()",
        "ending the other sessions does nothing",
    )
    yield _break(
        "SES-7",
        SESSIONS,
        "            self.store.delete(row.id_hash)\n            for row",
        "            True\n            for row",
        "ending a session does nothing",
    )
    yield _break(
        "SES-7",
        ACCOUNTS,
        "        visit.guard.store.delete_of_user(account.id, keep=visit.session.id_hash)\n",
        "",
        "a thief stays logged in after the change of password",
    )
    yield _break(
        "SES-7",
        CLI,
        "open_store(settings.store_url).delete_of_user(account.id)",
        "0",
        "the command that should throw out a thief does nothing",
    )
    yield _break(
        "SES-7", SESSIONS, " if self.alive(row, now)]", "]", "dead sessions hide a foreign one"
    )
    yield _break(
        "SES-8",
        COOKIES,
        "if len(line) + beside > self.max_bytes:",
        "if False:",
        "browsers drop the cookie without a word",
        COOKIE,
    )
    yield _break(
        "SES-8",
        COOKIES,
        "if len(line) + beside > self.max_bytes:",
        "line = line[: self.max_bytes]\n        if False:",
        "a cut cookie loses its attributes",
        COOKIE,
    )
    yield _break(
        "SES-8",
        POLICY,
        "max-bytes = 4093",
        "max-bytes = 40930",
        "browsers drop the cookie without a word",
        COOKIE,
    )
    yield _break(
        "SES-9",
        SESSIONS,
        '            if row is None:\n                return ""\n',
        '            if row is None:\n                return self._begin("{}", now, write)\n',
        "every visitor is tracked, and fills the store",
    )
    yield _break(
        "SES-9",
        CARRIER,
        "except InvalidTag:\n                continue",
        "except MemoryError:\n                continue",
        "a forged cookie crashes",
        COOKIE,
    )
    yield _break(
        "SES-9",
        CARRIER,
        "except ValueError:\n",
        "except MemoryError:\n",
        "a forged cookie crashes",
        COOKIE,
    )
    yield _break(
        "SES-9",
        CARRIER,
        "if len(sealed) < _SHORTEST:",
        "if False:",
        "a truncated cookie crashes",
        COOKIE,
    )
    yield _break(
        "SES-9",
        COOKIES,
        "return found[0] if len(found) == 1 else",
        "return found[0] if found else",
        "a cookie planted beside ours wins",
    )
    yield _break(
        "SES-9",
        SESSIONS,
        '            events.emit("sys_store_unavailable", error=str(error))\n            return\n',
        "            raise\n",
        "the store's outage takes down pages that need no session",
    )


def _throttle() -> Iterator[Mutation]:
    yield _break("THR-1", POLICY, "limit = 5\n", "limit = 50\n", "fifty guesses")
    yield _break("THR-1", POLICY, "block = 900\n", "block = 1\n", "a guess a second")
    yield _break("THR-1", POLICY, "max-block = 86400", "max-block = 900", "blocks never get longer")
    yield _break(
        "THR-1",
        SQLITE,
        "rule.block * 2 ** (count // rule.limit - 1)",
        "rule.block",
        "blocks never get longer",
    )
    yield _break(
        "THR-1",
        SQLITE,
        "now + min(block, rule.max_block)",
        "now + block",
        "an owner is locked out for months",
    )
    yield _break(
        "THR-1",
        THROTTLE,
        '            _counter(self._policy.pair, "pair", user, address),\n',
        "",
        "a hundred guesses before anything happens",
    )
    yield _break(
        "THR-1",
        THROTTLE,
        '"pair", user, address)',
        '"pair", user)',
        "anybody locks anybody out",
    )
    yield _break(
        "THR-1",
        THROTTLE,
        '"pair", user, address)',
        '"pair", address)',
        "one user locks out everybody behind the same address",
    )
    yield _break(
        "THR-1",
        ACCOUNTS,
        'return unicodedata.normalize("NFKC", name).strip().casefold()',
        "return name",
        "each spelling of a name has guesses of its own",
    )
    yield _break(
        "THR-1",
        ACCOUNTS,
        "        guard.throttle.succeed(counters, now)\n",
        "",
        "the owner is locked out by logging in",
    )
    yield _break(
        "THR-2",
        POLICY,
        "[throttle.address]\nlimit = 100",
        "[throttle.address]\nlimit = 100000",
        "one address tries every name",
    )
    yield _break(
        "THR-2",
        THROTTLE,
        '            _counter(self._policy.address, "address", address),\n',
        "",
        "one address tries every name",
    )
    yield _break(
        "THR-2",
        PROXY,
        "return str(ip_network((address, ipv6_prefix), strict=False))",
        "return client",
        "one customer has 2^64 addresses to guess from",
    )
    yield _break(
        "THR-2",
        POLICY,
        "ipv6-prefix = 64",
        "ipv6-prefix = 128",
        "one customer has 2^64 addresses to guess from",
    )
    yield _break(
        "THR-2",
        PROXY,
        "        if address.ipv4_mapped:\n",
        "        if False:\n",
        "all IPv4 clients of a dual-stack socket lock each other out",
    )
    yield _break(
        "THR-3",
        THROTTLE,
        "            _counter(self._policy.account, *account),\n",
        "",
        "a botnet guesses without end",
    )
    yield _break(
        "THR-3",
        THROTTLE,
        '("device", user, device) if device else ("account", user)',
        '("account", user)',
        "a botnet locks the owner out",
    )
    yield _break(
        "THR-3",
        THROTTLE,
        'f"{text}\\0{user}".encode()',
        "text.encode()",
        "a cookie of the attacker's own account opens every other one to guessing",
    )
    yield _break(
        "THR-3",
        THROTTLE,
        "            hmac.compare_digest(_sign(key, text, user), signature.encode())",
        "            bool(signature)",
        "made-up device cookies each have guesses of their own",
    )
    yield _break(
        "THR-3",
        THROTTLE,
        'return device if now - int(issued) < lifetime else ""',
        "return device",
        "a device sold years ago may still guess",
    )
    yield _break(
        "THR-3",
        THROTTLE,
        '("device", user, device) if device',
        '("device", user, str(id(user))) if device',
        "a stolen device cookie guesses without end",
    )
    yield _break(
        "THR-4",
        ACCOUNTS,
        "        if wait := guard.throttle.reserve(counters, now):",
        "        guard.passwords.verify(None, password)\n"
        "        if wait := guard.throttle.reserve(counters, now):",
        "passwords are computed for attempts that are refused",
    )
    yield _break(
        "THR-4",
        SQLITE,
        '            db.execute("BEGIN IMMEDIATE")\n            result = work(db)\n'
        '            db.execute("COMMIT")\n',
        "            result = work(db)\n",
        "two workers read the same count, so simultaneous guesses pass",
    )
    yield _break(
        "THR-4",
        ACCOUNTS,
        "        if wait := guard.throttle.reserve(counters, now):\n"
        '            emit("authn_login_lock", user=name, seconds=wait)\n'
        '            raise Problem(429, headers=[("retry-after", str(wait))])\n'
        "        try:\n"
        "            account = accounts.find(name)\n"
        "            right = guard.passwords.verify("
        "account.password_hash if account else None, password)\n"
        "        except (Busy, StoreError):\n"
        "            # Else who tries while the database is away is locked out once it is back.\n"
        "            guard.throttle.withdraw(counters, now)\n"
        "            raise\n",
        "        account = accounts.find(name)\n"
        "        right = guard.passwords.verify("
        "account.password_hash if account else None, password)\n"
        "        if wait := guard.throttle.reserve(counters, now):\n"
        '            emit("authn_login_lock", user=name, seconds=wait)\n'
        '            raise Problem(429, headers=[("retry-after", str(wait))])\n',
        "counted after verifying: simultaneous guesses all reach the password",
    )
    yield _break(
        "THR-5",
        THROTTLE,
        '"\\0".join(parts).encode()',
        "repr((id(rule), parts)).encode()",
        "every worker, and every restart, gives new guesses",
    )
    yield _break(
        "THR-5",
        THROTTLE,
        "        return self._store.reserve(counters, now)",
        "        try:\n            return self._store.reserve(counters, now)\n"
        "        except Exception:\n            return 0",
        "who brings the store down guesses without end",
    )
    yield _break(
        "THR-6",
        ACCOUNTS,
        'Problem(429, headers=[("retry-after", str(wait))])',
        "Problem(429)",
        "clients try again at once",
    )
    yield _break(
        "THR-6",
        ACCOUNTS,
        "        if wait := guard.throttle.reserve(counters, now):",
        "        if accounts.find(name) and (wait := guard.throttle.reserve(counters, now)):",
        "being blocked tells that a user exists",
    )
    yield _break(
        "THR-7",
        PASSWORDS,
        "        with self._slot():\n            try:\n",
        "        if hashed is None:\n            return False\n"
        "        with self._slot():\n            try:\n",
        "a quick answer tells that a user does not exist",
    )
    yield _break(
        "THR-7",
        ACCOUNTS,
        "        if account is None or not right:\n            return None\n",
        "        if account is None:\n            raise Problem(404)\n"
        "        if not right:\n            return None\n",
        "the answer tells that a user does not exist",
    )
    yield _break(
        "THR-8",
        PASSWORDS,
        "            with self._slots:\n",
        "            if True:\n",
        "a flood of logins takes memory and processors from all pages",
    )
    yield _break(
        "THR-8",
        PASSWORDS,
        "if not self._room.acquire(blocking=False):",
        "if not self._room.acquire():",
        "a flood of logins takes the threads of all pages",
    )
    yield _break(
        "THR-8",
        WEB,
        "            set_asyncio_executor(ThreadPoolExecutor(_THREADS))",
        "            pass",
        "a flood of logins takes the few threads that read sessions too",
        LITESTAR,
    )
    yield _break(
        "THR-8",
        THROTTLE,
        "[replace(each, block=0) for each in counters]",
        "counters",
        "an attacker clears the counters by filling the pool",
    )
    yield _break(
        "THR-8",
        ACCOUNTS,
        "            guard.throttle.withdraw(counters, now)\n",
        "",
        "a flood locks out people whose password nobody looked at",
    )
    yield _break(
        "THR-8", POLICY, "memory-kib = 19456", "memory-kib = 7168", "a stolen table is cracked"
    )
    yield _break("THR-8", POLICY, "time-cost = 2", "time-cost = 1", "a stolen table is cracked")


def _cross_site() -> Iterator[Mutation]:
    yield _break(
        "CSR-1",
        GUARD,
        "            raise Problem(403)",
        "            pass",
        "any site acts in the user's name",
    )
    yield _break(
        "CSR-1",
        CSRF,
        '{"same-origin", "none"}',
        '{"same-origin", "none", "same-site"}',
        "a sibling host acts in the user's name",
    )
    yield _break(
        "CSR-1",
        CSRF,
        "    if site:\n        return site not in",
        "    if False:\n        return site not in",
        "a form acts in the user's name",
    )
    yield _break(
        "CSR-1",
        CSRF,
        "return origin != own_origin",
        "return False",
        "any site acts in the name of users with old browsers",
    )
    yield _break(
        "CSR-1",
        CSRF,
        "return origin != own_origin",
        'return origin.partition("//")[2] != own_origin.partition("//")[2]',
        "a page on http acts in the user's name",
    )
    yield _break(
        "CSR-1",
        CSRF,
        "return has_session",
        "return False",
        "any site acts in the name of users with very old browsers",
    )
    yield _break(
        "CSR-1",
        CSRF,
        '{"GET", "HEAD", "OPTIONS"}',
        '{"GET", "HEAD", "OPTIONS", "DELETE"}',
        "another site deletes",
    )
    yield _break(
        "CSR-1",
        PAGES,
        '@blueprint.post("/notes/<note_id>/delete")',
        '@blueprint.route("/notes/<note_id>/delete", methods=["GET", "POST"])',
        "a link deletes",
    )
    yield _break(
        "CSR-1",
        LIMITS,
        "        raise Problem(415)\n",
        "        pass\n",
        "a form of another site writes to the API",
    )
    yield _break(
        "CSR-2",
        POLICY,
        'x-frame-options = "DENY"',
        'x-frame-options = "DENY"\naccess-control-allow-origin = "*"',
        "any site reads answers",
    )
    yield _break(
        "CSR-2",
        POLICY,
        '"vary", "link",',
        '"vary", "link", "access-control-allow-origin",',
        "a view opens itself to other sites",
    )


def _proxy() -> Iterator[Mutation]:
    yield _break(
        "PRX-1",
        GUARD,
        "if self._proxies.trusts(head.peer):",
        "if True:",
        "every client claims any address, host and scheme",
    )
    yield _break(
        "PRX-1",
        PROXY,
        'reversed(forwarded_for.split(","))',
        'forwarded_for.split(",")',
        "the client's own claim counts",
    )
    yield _break(
        "PRX-1",
        PROXY,
        "            if not self.trusts(client):\n                break\n",
        "",
        "the client's own claim counts",
    )
    yield _break(
        "PRX-1",
        PROXY,
        'values.rpartition(",")[2].strip()',
        'values.partition(",")[0].strip()',
        "the client's own claim of host and scheme counts",
    )
    yield _break(
        "PRX-1",
        PROXY,
        "client = str(ip_address(part.strip()))",
        "client = part.strip()",
        "text that is no address is logged and counted",
    )
    yield _break(
        "PRX-1",
        PROXY,
        "return not peer and self._unix",
        "return not peer",
        "a Unix socket counts as a proxy although nobody said so",
    )
    yield _break(
        "PRX-1",
        PROXY,
        "return any(address in network for network in self._networks)",
        "return True",
        "every client is a proxy",
    )
    yield _break(
        "PRX-2",
        GUARD,
        "        if not self._hosts.allows(host):",
        "        if False:",
        "a made-up host ends up in links and caches",
    )
    yield _break(
        "PRX-2",
        HOSTS,
        "return host in self._names or host.lower() in self._names",
        "return any(host.lower().endswith(name) for name in self._names)",
        "evil-our.name passes for our.name",
    )
    yield _break(
        "PRX-2",
        HOSTS,
        "return host in self._names or host.lower() in self._names",
        "return not host or host.lower() in self._names",
        "requests without a host are served",
    )
    yield _break(
        "PRX-2",
        HOSTS,
        "return host in self._names or host.lower() in self._names",
        'return host.lower().partition(":")[0] in self._names',
        "any port, also one that is no port, ends up in links",
    )
    yield _break(
        "PRX-3",
        ACCOUNTS,
        "counters(name, visit.client,",
        "counters(name, visit.head.peer,",
        "all clients behind the proxy share their guesses",
    )
    yield _break(
        "PRX-3",
        EVENTS,
        'line["client"] = request.client',
        'line["client"] = request.head.peer',
        "the log names the proxy only",
    )
    yield _break(
        "PRX-3",
        VISIT,
        "://{self.host.lower()}",
        "://{self.head.header('host')}",
        "redirects lead to the inner name",
    )
    yield _break(
        "PRX-1",
        GUARD,
        'visit.https = scheme == "https"',
        'visit.https = head.scheme == "https"',
        "behind the proxy nothing is https",
    )


def _input() -> Iterator[Mutation]:
    yield _break(
        "INP-1",
        VISIT,
        "if len(body) > policy.max_body:",
        "if False:",
        "a body without length fills the memory",
    )
    yield _break(
        "INP-1",
        POLICY,
        "max-body = 1048576",
        "max-body = 1048576000",
        "a body fills the memory",
    )
    yield _break(
        "INP-1",
        GUARD,
        "if len(head.path) + len(head.query) > limits.max_url:",
        "if False:",
        "endless addresses reach logs and views",
    )
    yield _break(
        "INP-1",
        GUARD,
        "if count > limits.max_header_count or size > limits.max_header_bytes:",
        "if size > limits.max_header_bytes:",
        "thousands of headers slow every request",
    )
    yield _break(
        "INP-1",
        GUARD,
        "if count > limits.max_header_count or size > limits.max_header_bytes:",
        "if count > limits.max_header_count:",
        "huge headers fill the memory",
    )
    yield _break(
        "INP-1",
        ASGI,
        'len(b"".join(headers)) + len(b"".join(headers.values()))',
        "0",
        "huge headers fill the memory",
        FASTAPI,
    )
    yield _break(
        "INP-1",
        LIMITS,
        "max_num_fields=policy.max_form_fields,",
        "",
        "a million fields stall the parser",
    )
    yield _break(
        "INP-1",
        LIMITS,
        "        if depth > policy.max_json_depth:",
        "        if False:",
        "deep JSON exhausts the stack of what reads it",
    )
    yield _break(
        "INP-1",
        LIMITS,
        "    except (ValueError, RecursionError):",
        "    except ValueError:",
        "deep JSON crashes",
    )
    yield _break(
        "INP-2",
        SCHEMAS,
        'strict=True, extra="forbid"',
        'strict=True, extra="ignore"',
        "fields pass that nobody checks",
    )
    yield _break("INP-2", SCHEMAS, "max_length=100)", "max_length=100000)", "the store is filled")
    yield _break("INP-2", SCHEMAS, "max_length=5000)", "max_length=500000)", "the store is filled")
    yield _break(
        "INP-2",
        SCHEMAS,
        "max_length=5000), AfterValidator(_text)",
        "max_length=5000)",
        "control characters reach terminals and the database",
    )
    yield _break("INP-2", LIMITS, '{"Cc", "Cs"}', '{"Cs"}', "NUL cuts what the database stores")
    yield _break(
        "INP-2",
        LIMITS,
        '"unknown field" if error["type"] == "extra_forbidden" else ".".join(where) or "body"',
        '".".join(where) or "body"',
        "a name made up by the client is on our page",
    )
    yield _break(
        "INP-2",
        LIMITS,
        "    if len(fields) != len(pairs):",
        "    if False:",
        "two readers of one request take different values",
    )
    yield _break(
        "INP-2", LIMITS, ", parse_constant=_refuse", "", "NaN passes every comparison", FASTAPI
    )
    yield _break(
        "INP-2",
        WEB,
        "    async def json(self)",
        "    async def another_json(self)",
        "two parsers read one body and do not agree",
        LITESTAR,
    )
    yield _break(
        "INP-2",
        LIMITS,
        '    if "\\0" in text:\n        raise Problem(400)\n',
        "",
        "NUL in a query cuts what C code reads",
    )
    yield _break(
        "INP-3", VIEWS, "autoescape=True", "autoescape=False", "a stored script runs", FASTAPI
    )
    yield _break(
        "INP-3",
        "app/templates/notes.html",
        '">{{ note.title }}</h3>',
        '">{{ note.title | safe }}</h3>',
        "a stored script runs",
    )
    yield _break(
        "INP-3",
        "app/templates/notes.html",
        '<p class="text">{{ note.body }}</p>',
        '<p class="text">{{ note.body | safe }}</p>',
        "a stored script runs",
        FASTAPI,
    )
    yield _break(
        "INP-3",
        NOTES,
        "select(Note).where(Note.id == note_id, ",
        "select(Note).where(__import__('sqlalchemy').text(f\"note.id = '{note_id}'\"), ",
        "an id carries SQL",
    )
    yield _break(
        "INP-4",
        NOTES,
        "Note.id == note_id, Note.owner == self._owner",
        "Note.id == note_id",
        "anybody reads, changes and deletes everybody's notes",
    )
    yield _break(
        "INP-4",
        NOTES,
        "select(Note).where(Note.owner == self._owner)",
        "select(Note)",
        "anybody lists everybody's notes",
    )
    yield _break(
        "INP-4", NOTES, "raise Problem(404)", "raise Problem(403)", "the answer tells which exist"
    )


def _accounts() -> Iterator[Mutation]:
    yield _break(
        "ACC-1", POLICY, "min-length = 12", "min-length = 8", "short passwords are guessed"
    )
    yield _break(
        "ACC-1", POLICY, "max-length = 256", "max-length = 64", "long passphrases are refused"
    )
    yield _break(
        "ACC-1",
        PASSWORDS,
        "if len(password) > self._policy.max_length:",
        "if False:",
        "endless passwords take time",
    )
    yield _break(
        "ACC-1",
        PASSWORDS,
        "if user and user.casefold() in password.casefold():",
        "if False:",
        "the name is the first guess",
    )
    yield _break(
        "ACC-1",
        PASSWORDS,
        "if float(guesses) < self._policy.min_guesses_log10:",
        "if False:",
        "common passwords are guessed first",
    )
    yield _break(
        "ACC-1",
        PASSWORDS,
        'return unicodedata.normalize("NFC", password)',
        "return password",
        "the owner cannot log in from another keyboard",
    )
    yield _break(
        "ACC-1",
        PASSWORDS,
        'return unicodedata.normalize("NFC", password)',
        'return unicodedata.normalize("NFC", password)[:12]',
        "the first letters are enough",
    )
    yield _break(
        "ACC-1",
        "app/users.py",
        "if objection := passwords.objection(password, name):",
        'if objection := "":',
        "the command line takes any password",
    )
    yield _break(
        "ACC-1",
        CLI,
        'sys.stdin.readline().rstrip("\\r\\n")',
        "sys.stdin.readline().strip()",
        "spaces of a password are lost",
    )
    yield _break(
        "ACC-2",
        ACCOUNTS,
        "account = _checked(visit, accounts, name, current)",
        "account = accounts.find(name)",
        "an open session is enough to take the account",
    )
    yield _break(
        "ACC-2",
        ACCOUNTS,
        "if guard.passwords.outdated(account.password_hash):",
        "if False:",
        "hashes stay as weak as they were made",
    )
    yield _break(
        "ACC-2",
        ACCOUNTS,
        "if objection := visit.guard.passwords.objection(new, name):",
        'if objection := "":',
        "a weak password replaces a good one",
    )


def _log() -> Iterator[Mutation]:
    for event in (
        'emit("authn_login_fail", user=normalise(name))',
        'emit("authn_login_lock", user=name, seconds=wait)',
        'emit("authn_login_success", user=account.name)',
        'emit("authn_password_change_fail", user=name)',
        'emit("authn_password_change", user=name)',
    ):
        yield _break("LOG-1", ACCOUNTS, event, "pass", "an attack leaves no trace")
    yield _break(
        "LOG-1",
        GUARD,
        'emit("input_validation_fail", status=problem.status)',
        "pass",
        "an attack leaves no trace",
    )
    yield _break(
        "LOG-1",
        GUARD,
        'emit("authz_fail", reason="cross-site request")',
        "pass",
        "an attack leaves no trace",
    )
    yield _break(
        "LOG-1",
        VISIT,
        'events.emit("session_revoked", user=user)',
        "pass",
        "nobody can tell when a session ended",
    )
    yield _break(
        "LOG-1",
        VISIT,
        'events.emit("session_revoked", user=self.user(), scope="others")',
        "pass",
        "nobody can tell who ended the sessions",
    )
    yield _break(
        "LOG-1",
        GUARD,
        '        _log.error("sys_crash", exc_info=error)\n        return self',
        "        return self",
        "a defect leaves no trace",
    )
    yield _break(
        "LOG-1",
        WEB,
        "                Exception: _other,\n",
        "",
        "a defect leaves no trace",
        LITESTAR,
    )
    yield _break(
        "LOG-1",
        ACCOUNTS,
        'emit("authn_login_fail", user=normalise(name))',
        'emit("authn_login_fail", user=normalise(name), tried=password)',
        "who reads the log reads passwords",
    )
    yield _break(
        "LOG-1",
        EVENTS,
        '        line["request_id"] = request.request_id\n',
        "",
        "an error page cannot be found in the log",
    )
    yield _break(
        "LOG-1",
        EVENTS,
        '        line["client"] = request.client\n',
        "",
        "nobody can tell where an attack came from",
    )
    yield _break(
        "LOG-1",
        EVENTS,
        'fmt="iso", utc=True',
        'fmt="iso", utc=False',
        "times of several machines cannot be put in order",
    )
    yield _break(
        "LOG-1",
        EVENTS,
        "        if production\n",
        "        if False\n",
        "programs cannot read the log",
    )
    yield _break(
        "LOG-1",
        GUARD,
        "        REQUEST.set(visit)\n",
        "",
        "no event says which request it belongs to",
    )
    yield _break(
        "LOG-1",
        EVENTS,
        '        line["user_id"] = request.known_user\n',
        "",
        "nobody can tell whose account an event is about",
    )
    yield _break(
        "LOG-2",
        EVENTS,
        "structlog.processors.JSONRenderer()",
        "(lambda _, __, line: ' '.join(f'{key}={value}' for key, value in line.items()))",
        "a user name with a newline forges a line",
    )


def _config() -> Iterator[Mutation]:
    for old, new, attack in (
        ("if len(key) < _SHORTEST_KEY\n", "if False\n", "a short key is guessed"),
        ("or len(set(key)) < _FEWEST_SYMBOLS\n", "\n", "a simple key is guessed"),
        (
            "or any(word in key.lower() for word in _EXAMPLES)\n",
            "\n",
            "the key of the documentation is known to all",
        ),
        ("        if not self.secret_keys:\n", "        if False:\n", "no key at all"),
        ("        if not self.hosts:\n", "        if False:\n", "any host name is ours"),
        (
            'if urlsplit(f"//{host}").netloc != host\n            or',
            "if",
            "a host list with a scheme matches nothing, and somebody turns it off",
        ),
        ('or "*" in host\n', "\n", "a wildcard that looks as if it worked"),
        (
            "or network.prefixlen < _WIDEST_PROXIES[network.version]",
            "",
            "every client counts as a proxy",
        ),
        (
            'if ":memory:" in url or not',
            "if not",
            "each worker has sessions and counters of its own",
        ),
        (
            "if each.exists() and each.stat().st_mode & (stat.S_IWOTH | stat.S_IWGRP)",
            "if False",
            "other users of the machine write sessions",
        ),
        (
            "for each in (path, path.parent)",
            "for each in (path,)",
            "other users of the machine replace the file",
        ),
        (
            "        if self.production:\n            found +=",
            "        if False:\n            found +=",
            "production starts with the settings of development",
        ),
        (
            "        return found\n\n    def _key_problems",
            "        return found[:1]\n\n    def _key_problems",
            "problems come to light one failed start after the other",
        ),
        (
            "            found += self._transit_problems()\n",
            "",
            "sessions and password hashes cross the network for all to read",
        ),
        (
            "if hosts and link.flaw:",
            "if len(hosts) > 1 and link.flaw:",
            "sessions and password hashes cross the network for all to read",
        ),
        (
            "if each not in self.dangerously_unencrypted_hosts]",
            "if not self.dangerously_unencrypted_hosts]",
            "an excuse for one host is one for all",
        ),
        (
            "    if found := settings.problems():\n        raise ConfigError",
            "    if found := []:\n        raise ConfigError",
            "production starts with whatever it finds",
        ),
    ):
        yield _break("CFG-1", CONFIG, old, new, attack)
    for old, new, attack in (
        (
            "if pool.connection_class is not SSLConnection:",
            "if False:",
            "the store is asked in clear",
        ),
        (
            'options.get("ssl_cert_reqs", "required") != "required"',
            "False",
            "whoever is on the way answers for the store",
        ),
        (
            'not options.get("ssl_check_hostname", True)',
            "False",
            "whoever has any certificate answers for the store",
        ),
        (
            'flaw = f"sslmode={mode} goes on without TLS; use sslmode=verify-full"',
            'flaw = ""',
            "the database is asked in clear, or when somebody on the way says so",
        ),
        (
            'elif mode != "verify-full":',
            'elif mode not in {"require", "verify-full"}:',
            "whoever is on the way answers for the database",
        ),
        (
            'elif mode != "verify-full":',
            'elif mode not in {"verify-ca", "verify-full"}:',
            "whoever has any certificate answers for the database",
        ),
        (
            'options.get(b"hostaddr") or options.get(b"host", "")',
            'options.get(b"host", "")',
            "a host of this machine in the address, another by hostaddr",
        ),
        (
            "any(count > 1 for count in names.values())",
            "False",
            "two hosts: this machine is looked at, the other is connected to",
        ),
        (
            "[*Conninfo.get_defaults(), *Conninfo.parse(url.encode())]",
            "Conninfo.parse(url.encode())",
            "the environment leads elsewhere",
        ),
        (
            'in {"", "localhost"}',
            'in {"", "localhost"} or host.startswith("localhost")',
            "a name that looks like this machine",
        ),
    ):
        yield _break("CFG-1", "security/transit.py", old, new, attack)
    yield _break(
        "CFG-1",
        "adapter/compose.py",
        "if problems := settings.problems():",
        "if problems := []:",
        "production starts with whatever it is given",
    )
    yield _break(
        "CFG-2",
        CONFIG,
        'if path := os.environ.get(f"{name}_FILE"):',
        'if path := "":',
        "secrets can only come by the environment, where others see them",
    )
    yield _break(
        "CFG-2",
        CONFIG,
        "            if value is not None:\n",
        "            if False:\n",
        "nobody can tell which of two keys is in use",
    )
    yield _break(
        "CFG-2",
        CONFIG,
        'f"APP_SECRET_KEYS: key {number} is too short',
        'f"APP_SECRET_KEYS: key {key} is too short',
        "the log holds the key",
    )
    yield _break(
        "CFG-2",
        "security/stores/__init__.py",
        "not {scheme}:...",
        "not {url}",
        "the log holds the store's password",
    )
    yield _break(
        "CFG-2",
        THROTTLE,
        'keys.derive("device cookie")',
        'keys.derive("device cookie")[:1]',
        "a new key makes every device unknown",
    )
    yield _break(
        "CFG-3",
        CLI,
        'sys.exit(any(item.state == "fail" for item in items))',
        "sys.exit(0)",
        "the build passes whatever the report says",
    )
    yield _break(
        "CFG-3",
        CHECKS,
        '"fail" if problems else "warn"',
        '"warn"',
        "bad settings are reported as good",
    )
    yield _break(
        "CFG-3", CHECKS, '"fail" if expired else "warn"', '"warn"', "an exception is there for ever"
    )
    yield _break(
        "CFG-3",
        CHECKS,
        '"fail" if omitted else "warn"',
        '"warn"',
        "a protection that is off is reported as on",
    )
    yield _break(
        "CFG-3",
        CHECKS,
        '"; ".join(problems)',
        '""',
        "a failure says nothing about its remedy",
    )
    yield _break("CFG-3", RULES, "each.expires < today", "False", "an exception is there for ever")
    yield _break(
        "CFG-3",
        RULES,
        "reason: Annotated[str, Field(min_length=10)]",
        "reason: str",
        "a protection is off and nobody knows why",
    )
    yield _break(
        "CFG-3", RULES, 'extra="forbid",', 'extra="ignore",', "a misspelt setting does nothing"
    )
    yield _break(
        "CFG-3",
        RULES,
        "        strict=True,\n",
        "        strict=False,\n",
        "a setting of the wrong type means something else",
    )


def _django() -> Iterator[Mutation]:
    """Break what Django brings along: a second way to each of these."""
    for line, file, old, new, attack in (
        (
            "SES-2",
            STORE,
            "    def cycle_key(self) -> None:\n        self._session.rotate()",
            "    def cycle_key(self) -> None:\n        pass",
            "an id from before the login is one from after it",
        ),
        (
            "SES-7",
            STORE,
            "self._visit.logout()",
            "self._visit.session.clear()",
            "logout leaves the session alive",
        ),
        (
            "SES-6",
            STORE,
            "deadline <= self._now()",
            "deadline < 0",
            "set_expiry does nothing",
        ),
        (
            "SES-9",
            STORE,
            "if key == CSRF_SESSION_KEY and not self:",
            "if False:",
            "every visitor of a form fills the store with a session",
        ),
        (
            "SES-7",
            AUTH,
            "if isinstance(instance, get_user_model()) and (gone or not instance.is_active):",
            "if False:",
            "somebody who was locked out stays inside",
        ),
        (
            "SES-7",
            AUTH,
            "current_guard().store.delete_of_user(str(user.pk), keep=own)",
            "pass",
            "who knew the old password stays inside after it was changed",
        ),
        (
            "THR-1",
            AUTH,
            "account = check(visit, Users(), username, password)",
            "from django.contrib.auth.hashers import check_password\n"
            "        account = Users().find(username)\n"
            "        stored = 'argon2' + account.password_hash if account else ''\n"
            "        account = account if check_password(password, stored) else None",
            "whoever asks Django guesses passwords uncounted",
        ),
        (
            "ACC-1",
            AUTH,
            "if objection := current_guard().passwords.objection(password, name):",
            'if objection := "":',
            "Django's forms accept any password",
        ),
        (
            "CSR-1",
            MIDDLEWARE,
            "if api or not (visit.session.user or visit.session):",
            "if visit:",
            "no token is ever checked",
        ),
        (
            "CSR-1",
            SETTINGS,
            '    "django.middleware.csrf.CsrfViewMiddleware",\n',
            "",
            "no token is ever checked",
        ),
        (
            "HDR-1",
            MIDDLEWARE,
            "if headers.get(name) == value:",
            "if False:",
            "Django's own headers replace the policy's",
        ),
        (
            "CFG-1",
            DATABASE,
            'engine = f"{__package__}.sqlite"',
            'engine = "django.db.backends.sqlite3"',
            "other users of the machine read hashes and notes",
        ),
    ):
        yield _break(line, file, old, new, attack, DJANGO)
    yield _break(
        "HDR-3",
        ADMIN_SITE,
        "if html and request.visit.path.startswith(PREFIX):",
        "if html:",
        "the admin's wider policy is that of every page",
        ADMIN,
    )


def _dependencies() -> Iterator[Mutation]:
    for old, new, attack in (
        (
            '"error: ") for line in lines if not line.startswith("warning:")]\n    raise',
            '"error: ") for line in lines if not line.startswith("warning:")]\n'
            '    return {"vulnerabilities": [], "adverse_statuses": []}\n    raise',
            "an advisory service that is away is a clean bill",
        ),
        (
            'return FINDINGS if "open" in states else',
            'return FINDINGS if "open" in states and self.packages < 0 else',
            "a known vulnerability passes the build",
        ),
        ("EXPIRED if self.expired", "CLEAN if self.expired", "an exception is there for ever"),
        (
            "elif exception and exception.expires < today:",
            "elif exception and False:",
            "an exception excuses after its last day",
        ),
        (
            "elif exception and exception.expires < today:",
            "elif exception and exception.expires <= today:",
            "an exception ends a day before it says so: a red build with nothing to blame",
        ),
        (
            "next((each for each in exceptions if each.id in found.names), None)",
            "next(iter(exceptions), None)",
            "an exception for one advisory excuses the next one too",
        ),
        (
            "elif exception and not (exception.until_fixed and found.fixed):",
            "elif exception:",
            "what was excused for want of a fix stays when there is one",
        ),
        (
            'names=frozenset({each["id"], each["display_id"], *each["aliases"]}),',
            'names=frozenset({each["display_id"]}),',
            "an exception by CVE does nothing, so people take away the gate",
        ),
        (
            "each for each in exceptions if not any(each.id in found.names for found in findings)",
            "each for each in exceptions if not exceptions",
            "exceptions that match nothing stay, until they match something again",
        ),
        (
            'notice = each["status"] != "quarantined"',
            "notice = True",
            "malware that the index has put into quarantine passes",
        ),
        (
            '**package.get("dev-dependencies", {}),\n',
            "",
            "nobody sees how a tool of the developers came in",
        ),
        (
            'each if each.isprintable() else " "',
            "each",
            "the text of an advisory writes over its own row",
        ),
        (
            'if each.exception and each.state == "excepted":\n                reason',
            "if each.exception:\n                reason",
            "code scanning closes the alert of an exception that is over",
        ),
    ):
        yield _break("DEP-1", AUDIT, old, new, attack)
    for file, old, new, attack in (
        (
            SUPPORTED,
            '"hash" not in file',
            '"url" not in file',
            "whoever stands in the place of the index chooses what is installed",
        ),
        (
            CHECKS,
            "    if unhashed:\n",
            "    if False:\n",
            "whoever stands in the place of the index chooses what is installed",
        ),
        (
            CHECKS,
            "    if expired:\n        faults",
            "    if False:\n        faults",
            "an exception for an advisory is there for ever",
        ),
        (
            RULES,
            "    id: Annotated[str, Field(pattern=",
            "    id: Annotated[str, Field(title=",
            "an exception without the name of an advisory",
        ),
    ):
        yield _break("DEP-1", file, old, new, attack)
    for file, old, new, attack in (
        (
            SUPPORTED,
            "    if end < today:\n",
            "    if False:\n",
            "a line without fixes stays in use",
        ),
        (
            SUPPORTED,
            'return Line("fail", f"{name} {version} is in no',
            'return Line("warn", f"{name} {version} is in no',
            "a line that nobody has judged is in use",
        ),
        (
            SUPPORTED,
            "<= timedelta(days=warn_days)",
            "< timedelta(0)",
            "the end comes without a warning",
        ),
        (
            SUPPORTED,
            'f"{version}.".startswith(line.replace("-", ".") + ".")',
            "True",
            "a line that nobody has judged is in use",
        ),
        (
            SUPPORTED,
            'f"{version}.".startswith(line.replace("-", ".") + ".")',
            'version.startswith(line.replace("-", "."))',
            "3.10 is taken for 3.1",
        ),
        (
            SUPPORTED,
            'versions.setdefault(each["name"], []).append',
            'versions.setdefault(each["name"], [""])[:1].append',
            "of two locked versions one is looked at",
        ),
        (
            SUPPORTED,
            "for version in versions.get(name, ()):",
            "for version in versions.get(name, ())[-1:]:",
            "of two locked versions one is looked at",
        ),
        (
            SUPPORTED,
            'versions = {"python": [lowest[1] if lowest else ""]}',
            "versions: dict[str, list[str]] = {}",
            "nobody looks at Python",
        ),
        (
            CHECKS,
            "next(each for each in _WORST_FIRST if",
            "next(each for each in _WORST_FIRST[1:] if",
            "the build passes on a line without fixes",
        ),
        (
            CHECKS,
            '"; ".join(each.remedy for each in lines if each.remedy)',
            '""',
            "a failure says nothing about its remedy",
        ),
        (POLICY, "[supported.lines.flask]", "[supported.lines.flask-2]", "nobody looks at Flask"),
    ):
        yield _break("DEP-2", file, old, new, attack)
    for file, old, new, attack in (
        (
            PATTERNS,
            "if any(self._twice_around(loop) for loop in loops):",
            "if False:",
            "a text of 40 characters keeps a worker busy for hours",
        ),
        (
            PATTERNS,
            "return CUBIC if any(",
            'return "" if any(',
            "a text of 10000 characters keeps a worker busy for hours",
        ),
        (
            PATTERNS,
            "            return TOO_LARGE\n",
            '            return ""\n',
            "what nobody can judge passes",
        ),
        (
            PATTERNS,
            'if each.arg in {"pattern", "regex"}]',
            'if each.arg in {"regex"}]',
            "nobody looks at the expressions that check input",
        ),
        (
            SUPPORTED,
            'r">=\\s*(3\\.[0-9]+)"',
            'r"(?:>=|\\s*)*(3\\.[0-9]+)"',
            "an expression of the service takes exponential time",
        ),
    ):
        yield _break("DEP-4", file, old, new, attack)


def _gates() -> Iterator[Mutation]:
    workflows = "template/{{ use.github }}/.github/workflows"
    pinned = "test_actions_are_pinned_and_jobs_bounded"
    for file, old, new, attack, judge in (
        (
            f"{workflows}/verify.yml",
            "upload-artifact@043fb46d1a93c77aae656e7c1c64a875d1fc6a0a # v7.0.1",
            "upload-artifact@v7",
            "whoever moves the tag of an action runs code in our CI",
            pinned,
        ),
        (
            f"{workflows}/codeql.yml",
            "contents: read",
            "contents: write",
            "a step that is taken over pushes to main",
            pinned,
        ),
        (
            f"{workflows}/codeql.yml",
            "persist-credentials: false",
            "persist-credentials: true",
            "a later step finds the token in .git",
            pinned,
        ),
        (
            f"{workflows}/verify.yml",
            "run: hooks/gate sbom",
            "run: hooks/gate audit",
            "nobody can tell which services have a package that is found to be bad",
            "test_both_run_the_same_gates",
        ),
        (
            "template/{{ use.gitlab }}/renovate.json",
            '"minimumReleaseAge": "7 days"',
            '"minimumReleaseAge": "0 days"',
            "a hijacked release is proposed within the hour",
            "test_update_bots_wait",
        ),
        (
            "template/{{ use.github }}/.github/dependabot.yml",
            "cooldown:\n      default-days: 7\n    groups:\n      minor:",
            "cooldown:\n      default-days: 1\n    groups:\n      minor:",
            "a hijacked release is proposed within the day",
            "test_update_bots_wait",
        ),
    ):
        yield _gate("DEP-3", file, old, new, attack, judge)
    for file, old, new, attack, judge in (
        (
            "template/ruff.toml",
            '  "S",     # bandit: security\n',
            "",
            "a shell with a client's text in it passes",
            "test_gate_finds_what_is_planted[shell]",
        ),
        (
            "template/ruff.toml",
            '  "S",     # bandit: security\n',
            "",
            "a query with a client's text in it passes",
            "test_gate_finds_what_is_planted[sql]",
        ),
        (
            "hooks/_steps.py",
            '[python, "-m", "mypy"]',
            '[python, "-m", "mypy", "--version"]',
            "a value of the wrong type passes",
            "test_gate_finds_what_is_planted[types]",
        ),
        (
            "hooks/gate",
            "(uv\\.lock|tests/contract/.*)",
            "(.*)",
            "a key of a cloud passes",
            "test_gate_finds_what_is_planted[key]",
        ),
        (
            "hooks/gate",
            '"pedantic"]',
            '"pedantic", "--no-exit-codes"]',
            "an action by tag passes",
            "test_gate_finds_what_is_planted[unpinned action]",
        ),
        (
            "hooks/gate",
            "return abs(result.code)",
            "return 0",
            "the build passes whatever a gate finds",
            "test_gate_finds_what_is_planted[format]",
        ),
    ):
        yield _gate("DEP-4", file, old, new, attack, judge)


MUTATIONS: tuple[Mutation, ...] = (
    *_headers(),
    *_errors(),
    *_redirects(),
    *_sessions(),
    *_throttle(),
    *_cross_site(),
    *_proxy(),
    *_input(),
    *_accounts(),
    *_log(),
    *_config(),
    *_dependencies(),
    *_django(),
)
"""Each is noticed by the conformance suite."""

GATES: tuple[Mutation, ...] = (*_gates(),)
"""Each is noticed by a test of the template repository."""
