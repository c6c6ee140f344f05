# Owned by the template: extend, do not edit.
"""Odd and hostile requests by which frameworks can be told apart; every service answers them alike.

Requests that a client library may send: what no HTTP parser lets through is not here.
"""

from __future__ import annotations

from dataclasses import dataclass

FORM = ("Content-Type", "application/x-www-form-urlencoded")
JSON = ("Content-Type", "application/json")
ACCEPT_JSON = ("Accept", "application/json")
SAME = ("Sec-Fetch-Site", "same-origin")
CROSS = ("Sec-Fetch-Site", "cross-site")


@dataclass(frozen=True)
class Probe:
    """One request: method, target as it goes over the wire, headers, body."""

    name: str
    method: str
    target: str
    headers: tuple[tuple[str, str | bytes], ...] = ()
    content: bytes = b""


def _get(name: str, target: str, *headers: tuple[str, str | bytes]) -> Probe:
    return Probe(name, "GET", target, headers)


def _post(name: str, target: str, content: bytes, *headers: tuple[str, str | bytes]) -> Probe:
    return Probe(name, "POST", target, headers, content)


PROBES = (
    # Pages as they are.
    _get("home", "/"),
    _get("home with a query", "/?a=b"),
    _get("login page", "/login"),
    _get("login page, next", "/login?next=/notes"),
    _get("alive", "/healthz"),
    _get("ready", "/readyz"),
    _get("security.txt", "/.well-known/security.txt"),
    _get("account of a visitor", "/account"),
    _get("notes of a visitor", "/notes"),
    _get("notes of a visitor, query", "/notes?a=b&c=%C3%A9"),
    _get("API of a visitor", "/api/notes", ACCEPT_JSON),
    _get("API of a visitor, any type", "/api/notes"),
    _get("API, one note of a visitor", "/api/notes/1", ACCEPT_JSON),
    _get("redirect home", "/go?url=/"),
    _get("redirect elsewhere", "/go?url=https://evil.example/"),
    _get("redirect to nothing", "/go"),
    _get("redirect to an empty target", "/go?url="),
    _get("redirect twice", "/go?url=/&url=https://evil.example/"),
    # Addresses.
    _get("unknown path", "/unknown"),
    _get("unknown path, program", "/unknown", ACCEPT_JSON),
    _get("unknown path below the API", "/api/unknown"),
    _get("unknown path below a page", "/login/unknown"),
    _get("trailing slash", "/login/"),
    _get("trailing slash, API", "/api/notes/"),
    _get("double slash first", "//login"),
    _get("double slash in the middle", "/api//notes"),
    _get("dot segment", "/./login"),
    _get("parent segment", "/notes/../login"),
    _get("parent segment, encoded", "/notes/%2e%2e/login"),
    _get("slash, encoded", "/api%2Fnotes"),
    _get("backslash", "/%5Clogin"),
    _get("semicolon", "/login;a=b"),
    _get("upper case", "/LOGIN"),
    _get("encoded letter", "/%6Cogin"),
    _get("encoded space", "/login%20"),
    _get("NUL in the path", "/login%00"),
    _get("newline in the path", "/login%0a"),
    _get("not UTF-8 in the path", "/%ff%fe"),
    _get("half an escape in the path", "/%"),
    _get("escape of no digits", "/%zz"),
    _get("overlong UTF-8", "/%c0%af"),
    _get("not UTF-8 in the query", "/?a=%ff"),
    _get("NUL in the query", "/?a=%00"),
    _get("half an escape in the query", "/?a=%"),
    _get("empty query", "/?"),
    _get("script in the path", "/%3Cscript%3Ealert(1)%3C/script%3E"),
    _get("template in the path", "/%7B%7B7*7%7D%7D"),
    _get("long address", "/" + "a" * 5000),
    _get("long query", "/?" + "a" * 5000),
    _get("id that is no number", "/api/notes/abc", ACCEPT_JSON),
    _get("id below zero", "/api/notes/-1", ACCEPT_JSON),
    _get("id too large", "/api/notes/99999999999999999999999", ACCEPT_JSON),
    _get("id with a sign", "/api/notes/+1", ACCEPT_JSON),
    _get("id in other digits", "/api/notes/%D9%A1", ACCEPT_JSON),
    _get("static file that is not there", "/static/0000000000000000/app.css"),
    _get("static folder", "/static/"),
    _get("static, upwards", "/static/..%2f..%2fmain.py"),
    _get("static, no hash", "/static/app.css"),
    # What frameworks ship.
    _get("docs", "/docs"),
    _get("redoc", "/redoc"),
    _get("openapi", "/openapi.json"),
    _get("schema", "/schema"),
    _get("console", "/console"),
    _get("admin", "/admin/"),
    _get("debugger", "/?__debugger__=yes&cmd=resource&f=style.css"),
    _get("favicon", "/favicon.ico"),
    _get("robots", "/robots.txt"),
    _get("environment file", "/.env"),
    # Methods.
    Probe("HEAD of home", "HEAD", "/"),
    Probe("HEAD of the login page", "HEAD", "/login"),
    Probe("HEAD of nothing", "HEAD", "/unknown"),
    Probe("HEAD of the API", "HEAD", "/api/notes"),
    Probe("OPTIONS of home", "OPTIONS", "/"),
    Probe("OPTIONS of the login page", "OPTIONS", "/login"),
    Probe("OPTIONS of the API", "OPTIONS", "/api/notes"),
    Probe("OPTIONS of nothing", "OPTIONS", "/unknown"),
    Probe("OPTIONS of logout", "OPTIONS", "/logout"),
    Probe("PUT home", "PUT", "/", (SAME,)),
    Probe("DELETE the login page", "DELETE", "/login", (SAME,)),
    Probe("PATCH the API", "PATCH", "/api/notes", (SAME, JSON), b"{}"),
    Probe("POST to a page", "POST", "/account", (SAME,)),
    Probe("GET logout", "GET", "/logout"),
    Probe("GET password", "GET", "/account/password"),
    Probe("TRACE", "TRACE", "/"),
    Probe("unknown method", "BREW", "/"),
    Probe("unknown method of nothing", "BREW", "/unknown"),
    Probe("method in lower case", "get", "/"),
    Probe("PROPFIND", "PROPFIND", "/"),
    Probe(
        "preflight",
        "OPTIONS",
        "/api/notes",
        (("Origin", "https://evil.example"), ("Access-Control-Request-Method", "PUT")),
    ),
    Probe(
        "preflight of home",
        "OPTIONS",
        "/",
        (("Origin", "https://evil.example"), ("Access-Control-Request-Method", "GET")),
    ),
    _get("foreign origin", "/", ("Origin", "https://evil.example")),
    # Bodies.
    _post("login without a body", "/login", b"", SAME),
    _post("login, empty form", "/login", b"", SAME, FORM),
    _post("login, no password", "/login", b"username=nobody", SAME, FORM),
    _post("login, no form", "/login", b"nonsense", SAME, FORM),
    _post("login, JSON", "/login", b'{"username":"a"}', SAME, JSON),
    _post("login, text", "/login", b"username=a", SAME, ("Content-Type", "text/plain")),
    _post("login, type unknown", "/login", b"username=a&password=b", SAME),
    _post("login, half an escape", "/login", b"username=%&password=%zz", SAME, FORM),
    _post("login, not UTF-8", "/login", b"username=%ff&password=x", SAME, FORM),
    _post("login, name twice", "/login", b"username=a&username=b&password=c", SAME, FORM),
    _post("login, many fields", "/login", b"&".join(b"a%d=b" % n for n in range(200)), SAME, FORM),
    _post(
        "login, multipart without boundary",
        "/login",
        b"--x\r\n",
        SAME,
        ("Content-Type", "multipart/form-data"),
    ),
    _post(
        "login, multipart",
        "/login",
        b'--x\r\nContent-Disposition: form-data; name="username"\r\n\r\na\r\n--x--\r\n',
        SAME,
        ("Content-Type", "multipart/form-data; boundary=x"),
    ),
    _post("API, no JSON", "/api/notes", b"{", SAME, JSON),
    _post("API, empty", "/api/notes", b"", SAME, JSON),
    _post("API, form", "/api/notes", b"title=a&body=b", SAME, FORM),
    _post("API, deep", "/api/notes", b"[" * 200 + b"]" * 200, SAME, JSON),
    _post("API, NaN", "/api/notes", b"NaN", SAME, JSON),
    _post("API, name twice", "/api/notes", b'{"a":1,"a":2}', SAME, JSON),
    _post("API, not UTF-8", "/api/notes", b'{"title":"\xff"}', SAME, JSON),
    _post("API, right, of a visitor", "/api/notes", b'{"title":"a","body":"b"}', SAME, JSON),
    _post("body of nothing", "/unknown", b"a=b", SAME, FORM),
    _post("body too large", "/login", b"a=" + b"b" * 1_100_000, SAME, FORM),
    # Where it comes from.
    _post("forged login", "/login", b"username=a&password=b", CROSS, FORM),
    _post("forged logout", "/logout", b"", CROSS),
    _post("forged, foreign origin", "/logout", b"", ("Origin", "https://evil.example")),
    _post("forged, null origin", "/logout", b"", ("Origin", "null")),
    _post("logout of a visitor", "/logout", b"", SAME),
    # Headers.
    _get("bad cookie", "/", ("Cookie", "__Host-session=nonsense")),
    _get("bad cookie, private page", "/account", ("Cookie", "__Host-session=nonsense")),
    _get("cookie without a name", "/account", ("Cookie", "=;;;=a; b")),
    _get("cookie, not ASCII", "/account", ("Cookie", b"__Host-session=\xff\xfe")),
    _get("unknown host", "/", ("Host", "evil.example")),
    _get("unknown host, unknown path", "/unknown", ("Host", "evil.example")),
    _get("unknown host, API", "/api/notes", ("Host", "evil.example"), ACCEPT_JSON),
    _get("host with a path", "/", ("Host", "evil.example/login")),
    _get("huge header", "/", ("X-Filler", "a" * 20_000)),
    _get("many headers", "/", *((f"X-Filler-{n}", "a") for n in range(80))),
    _get("accepts an image", "/unknown", ("Accept", "image/png")),
    _get("accepts a problem", "/unknown", ("Accept", "application/problem+json")),
    _get("accepts nonsense", "/unknown", ("Accept", ";;;q=;")),
    _get("range", "/", ("Range", "bytes=0-1")),
    _get("upgrade", "/", ("Upgrade", "websocket"), ("Connection", "Upgrade")),
    _get("method override", "/", ("X-HTTP-Method-Override", "DELETE")),
    _get("rewritten address", "/", ("X-Original-URL", "/account"), ("X-Rewrite-URL", "/account")),
    _get("prefix", "/", ("X-Forwarded-Prefix", "/evil"), ("X-Script-Name", "/evil")),
)
