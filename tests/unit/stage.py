"""The service with views for the suite alone: how the boundary treats what an application does.

`views.py` has them as the framework's own documentation writes such views. All are below `/stage/`
and public, in the framework's idiom, but those that are said to be silent, which say nothing of who
may see them. Parameters come in the query.

| Address | What it does |
| --- | --- |
| GET answer | responds with `status`, `body` and each `header` (`name: value`, sent as UTF-8) |
| GET raise | raises the framework's HTTP exception with `status`, and with `text` where given |
| GET document | the same with 409 and the document `{"left": 2}` |
| GET problem | raises the door's `Problem` with `status`, `detail`, and a Location `to` |
| GET crash | raises `ValueError("secret-4711")` |
| GET slow | "slow" after `seconds`; with `begin` it is sent in pieces, the first at once |
| GET events | a stream of events: "tick" so many `times`, 20 in a second; silent |
| GET broken | stores something under `key` where given, streams `first` ("first"), then fails |
| GET drop | makes a page and a redirect to /stage/dropped, drops both, then as `then` says: answers the page "kept", raises `Problem(409)`, or crashes |
| GET redirect | the framework's redirect to `to` |
| GET seen | JSON: `url` of itself, absolute, as the framework writes it, `client`, `scheme`, `host`, and `headers`, the names that begin with "x-" or "forwarded" |
| GET basic | the framework's challenge of HTTP Basic, 401 |
| GET long | 5,000 letters as text, compressed by the framework's idiom for who accepts it |
| GET closed | "inside"; silent |
| HEAD count | for HEAD alone: the header `x-total-count: 3` |
| HEAD count/closed | the same, silent |
| GET, OPTIONS able | the framework's own way to answer OPTIONS: `{"can": "much"}`; something else for GET |
| GET, OPTIONS able/closed | the same, silent |
| POST json | reads a JSON object with the framework's usual means; responds `{"got": ...}` |
| POST form | reads a form likewise; responds `{"got": {name: value}}` |
| POST upload | reads a form with files likewise; responds `{"got": {name: text, or bytes of the file}}` |
| POST text | takes the form's field `text` with the framework's usual means; responds `{"size": of it}` |
| POST raw, POST callback | reads the body as bytes; responds `{"size": ..., "user": signed in or not}` |
| POST silent | as json; silent |
| GET session | responds the session's content |
| POST session/set | stores `value` under `key` |
| POST session/append | appends `value` to the list under `key` in place |
| POST session/date | stores under "when" what the framework's sessions cannot keep |
| POST session/clear | empties the session by the framework's idiom |
| POST session/replace | puts `{"b": "2"}` in the place of the content by the framework's idiom |
| GET greeted | "hello" and the name of who is signed in, "hello visitor" for all others |
| GET guess | "right" where `word` is "4711", else "wrong", counted by the door under `name`; "crash" raises meanwhile |
| GET ended | "ended": ends all sessions of the user of `name`, as who disables them does; 404 for nobody |
| GET member | "inside" for who is signed in, as the framework's extensions find that out; for all others the framework's HTTP exception with `status`, a response of its own with `own`, or a redirect to /login |
| GET, POST enter | logs the user of the `name` in by what the framework's extensions call, without a word of second factors, then as `then` says: answers the page "inside", JSON ("json"), `redirect`s to `to`, `refuse`s (403), or `crash`es |
| GET, POST enter/otherwise | the same in a view of the other kind, `async def` or `def`; Flask, which has one kind by itself, writes the session in one go |
| included/mounted/ | an application of the framework mounted in an included router or the like, silent, with GET page ("inside"), GET public ("public", which says that it is public), GET problem (`Problem(409)`), GET crash (`ValueError("secret-4711")`), and the documentation pages that it has by default |
| raw/ | a raw ASGI or WSGI application, mounted: "raw" for all below |
| extension | a route as an extension adds it, beside the application's own means: "extension" |
| early | answered by a middleware before any route is looked for: "early"; silent |
| WebSocket socket/echo | sends back what comes; says first `{"user": its name or null, "session": its content}`; "bye" ends it; "set" writes into the session |
| WebSocket socket/sends | accepts and says "tick" for ever, listening to nobody; with `ticks` so many times, then takes two texts and says both in one |
| WebSocket socket/silent | the same, silent |
| WebSocket socket/header | accepts with the headers `x-secret: 1` and `x-total-count: 1` |
| WebSocket socket/refuses | closes instead of accepting |
| WebSocket socket/crash | raises `ValueError("secret-4711")` |
| WebSocket socket/late | the same, once it has accepted |
| WebSocket socket/after | the same, once it is over: its client has gone or, with `closes`, it has closed itself |
| WebSocket socket/raises | raises the framework's HTTP exception with 409 |
| WebSocket socket/problem | raises `Problem(409)` |
| WebSocket socket/member | asks the door for the user, by an argument |
| WebSocket socket/typed | accepts, then the framework's own validation refuses the `number` of the query or, where that can be, the first message, which should be an object of numbers |
| WebSocket socket/says | accepts, then raises what the framework has for that, with the words "Only two left" |
| WebSocket socket/number | takes a `number` from the query |
| opened/ | the raw application again; a fact opens it |
"""  # noqa: E501 - a table

from __future__ import annotations

from typing import Any

from typing_extensions import override

from ..driver import Inside
from .views import add_views

FACTS = """
response-headers = ["x-total-count", "hx-redirect", "hx-location", "refresh"]
script-cookies = ["theme"]
[service.csp]
img-src = ["https://images.test"]
[[route]]
path = "/stage/opened/"
access = "public"
[[route]]
path = "/stage/upload"
methods = ["POST"]
body = ["multipart/form-data"]
max-body = 2_000_000
max-fields = 5
[[route]]
path = "/stage/text"
max-body = 3_000_000
max-fields = 1_500
[[route]]
path = "/stage/raw"
body = ["application/octet-stream", "application/xml", "text/*"]
[[route]]
path = "/stage/callback"
cross-site = "without-session"
[[route]]
path = "/stage/slow"
max-seconds = 1
"""


class Stage(Inside):
    """The service with these views."""

    @override
    def build(self, settings: Any) -> Any:
        application = super().build(settings)
        add_views(application)
        self.application = application
        return application
