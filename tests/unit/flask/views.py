"""Views for the suite alone, as Flask's documentation writes them; `stage` says what they do."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    jsonify,
    make_response,
    redirect,
    render_template_string,
    request,
    session,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized, default_exceptions
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from my_service.adapter import Problem, current_auth, login_not_required

STREAM_BEGUN = threading.Event()
"""Set by a stream of events."""
blueprint = Blueprint("stage", __name__, url_prefix="/stage")


def is_right(word: str) -> bool:
    if word == "crash":
        raise ValueError("secret-4711")
    return word == "4711"


@blueprint.get("/answer")
@login_not_required
def answer() -> ResponseReturnValue:
    response = Response(request.args.get("body", ""), int(request.args.get("status", 200)))
    del response.headers["Content-Type"]
    for line in request.args.getlist("header"):
        name, _, value = line.partition(":")
        response.headers.add(name, value.strip())
    return response


@blueprint.get("/raise")
@login_not_required
def raise_() -> ResponseReturnValue:
    status, text = int(request.args["status"]), request.args.get("text", "")
    if status not in default_exceptions:
        raise Problem(status, detail=text)
    if text:
        abort(status, description=text)
    abort(status)


@blueprint.get("/document")
@login_not_required
def document() -> ResponseReturnValue:
    abort(make_response({"left": 2}, 409))


@blueprint.get("/problem")
@login_not_required
def problem() -> ResponseReturnValue:
    headers = [("location", to) for to in request.args.getlist("to")]
    detail = request.args.get("detail", "")
    raise Problem(int(request.args["status"]), detail=detail, headers=headers)


@blueprint.get("/crash")
@login_not_required
def crash() -> ResponseReturnValue:
    raise ValueError("secret-4711")


@blueprint.get("/slow")
@login_not_required
def slow() -> ResponseReturnValue:
    seconds = float(request.args["seconds"])
    if "begin" not in request.args:
        time.sleep(seconds)
        return "slow"

    def parts() -> Iterator[str]:
        yield "first"
        time.sleep(seconds)
        if request.args["begin"] == "write":
            session["late"] = 1
        yield "second"

    return stream_with_context(parts()), {"Content-Type": "text/plain"}


@blueprint.get("/events")
def events() -> Response:
    def ticks() -> Iterator[str]:
        for _ in range(times):
            yield "data: tick\n\n"
            STREAM_BEGUN.set()
            time.sleep(0.05)

    times = int(request.args["times"])
    return Response(ticks(), mimetype="text/event-stream")


@blueprint.get("/broken")
@login_not_required
def broken() -> ResponseReturnValue:
    first = request.args.get("first", "first")
    if key := request.args.get("key"):
        session[key] = "lost"

    def parts() -> Iterator[str]:
        if first:
            yield first
        raise ValueError("secret-4711")

    return parts(), {"Content-Type": "text/plain"}


@blueprint.get("/drop")
@login_not_required
def drop() -> ResponseReturnValue:
    render_template_string("<p>dropped")
    redirect("/stage/dropped")
    if request.args["then"] == "page":
        return "<p>kept"
    if request.args["then"] == "problem":
        raise Problem(409)
    raise ValueError("secret-4711")


@blueprint.get("/redirect")
@login_not_required
def redirect_() -> ResponseReturnValue:
    return redirect(request.args["to"], 303)


@blueprint.get("/seen")
@login_not_required
def seen() -> ResponseReturnValue:
    names = [name.lower() for name in request.headers.keys()]  # noqa: SIM118 - pairs otherwise
    return jsonify(
        url=url_for(".seen", _external=True),
        client=request.remote_addr,
        scheme=request.scheme,
        host=request.host,
        headers=[name for name in names if name.startswith(("x-", "forwarded"))],
    )


@blueprint.get("/basic")
@login_not_required
def basic() -> ResponseReturnValue:
    raise Unauthorized(www_authenticate=WWWAuthenticate("basic", {"realm": "stage"}))


@blueprint.get("/long")
@login_not_required
def long() -> ResponseReturnValue:
    response = Response("a" * 5000, mimetype="text/plain")
    # As extensions do after a request.
    if request.accept_encodings.quality("gzip"):
        response.data = gzip.compress(response.data)
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    return response


@blueprint.get("/closed")
def closed() -> ResponseReturnValue:
    return "inside", {"Content-Type": "text/plain"}


@blueprint.route("/count", methods=["HEAD"])
@login_not_required
def count() -> ResponseReturnValue:
    return "", {"X-Total-Count": "3"}


@blueprint.route("/count/closed", methods=["HEAD"])
def count_closed() -> ResponseReturnValue:
    return "", {"X-Total-Count": "3"}


@blueprint.route("/able", methods=["GET", "OPTIONS"])
@login_not_required
def able() -> ResponseReturnValue:
    return {"can": "much"} if request.method == "OPTIONS" else "inside"


@blueprint.get("/able/closed", provide_automatic_options=False)
def able_closed() -> ResponseReturnValue:
    return "inside"


@blueprint.route("/able/closed", methods=["OPTIONS"])
def options_closed() -> ResponseReturnValue:
    return {"can": "much"}


@blueprint.post("/json")
@login_not_required
def json() -> ResponseReturnValue:
    return {"got": dict(request.get_json())}


@blueprint.post("/silent")
def silent() -> ResponseReturnValue:
    return {"got": dict(request.get_json())}


@blueprint.post("/form")
@blueprint.post("/upload")
@login_not_required
def form() -> ResponseReturnValue:
    sizes = {name: len(file.read()) for name, file in request.files.items()}
    return {"got": {**request.form.to_dict(), **sizes}}


@blueprint.post("/text")
@login_not_required
def text() -> ResponseReturnValue:
    return {"size": len(request.form["text"])}


@blueprint.post("/raw")
@blueprint.post("/callback")
@login_not_required
def raw() -> ResponseReturnValue:
    return {"size": len(request.get_data()), "user": current_auth.user is not None}


@blueprint.get("/session")
@login_not_required
def show() -> ResponseReturnValue:
    return dict(session)


@blueprint.post("/session/set")
@login_not_required
def set_() -> ResponseReturnValue:
    session[request.args["key"]] = request.args["value"]
    return ""


@blueprint.post("/session/append")
@login_not_required
def append() -> ResponseReturnValue:
    session.setdefault(request.args["key"], []).append(request.args["value"])
    return ""


@blueprint.post("/session/date")
@login_not_required
def date() -> ResponseReturnValue:
    session["when"] = datetime.now(UTC).date()
    return ""


@blueprint.post("/session/clear")
@login_not_required
def clear() -> ResponseReturnValue:
    session.clear()
    return ""


@blueprint.post("/session/replace")
@login_not_required
def replace() -> ResponseReturnValue:
    session.clear()
    session["b"] = "2"
    return ""


@blueprint.get("/greeted")
@login_not_required
def greeted() -> ResponseReturnValue:
    user = current_auth.shown_user
    return f"hello {user.name if user else 'visitor'}"


@blueprint.get("/guess")
@login_not_required
def guess() -> ResponseReturnValue:
    word = request.args["word"]
    right = current_auth.counted(request.args["name"], lambda: is_right(word))
    return "right" if right else "wrong"


@blueprint.get("/ended")
@login_not_required
def ended() -> ResponseReturnValue:
    account = current_auth.service.accounts.find(request.args["name"])
    if account is None:
        abort(404)
    current_auth.end_sessions_of(account.id)
    return "ended"


@blueprint.get("/member")
@login_not_required
def member() -> ResponseReturnValue:
    if "_user_id" in session:
        return "inside"
    if "own" in request.args:
        return "not you", int(request.args["own"])
    if "status" in request.args:
        abort(int(request.args["status"]), "not you")
    return redirect("/login?next=/a")


@blueprint.route("/enter", methods=["GET", "POST"])
@login_not_required
def enter() -> ResponseReturnValue:
    # As Flask-Login does.
    account = current_auth.service.accounts.find(request.args["name"])
    session["_user_id"] = account and account.id
    session["_fresh"] = True
    return entered()


@blueprint.route("/enter/otherwise", methods=["GET", "POST"])
@login_not_required
def enter_otherwise() -> ResponseReturnValue:
    account = current_auth.service.accounts.find(request.args["name"])
    session.update(_user_id=account and account.id, _fresh=True)
    return entered()


def entered() -> ResponseReturnValue:
    then = request.args["then"]
    if then == "crash":
        raise ValueError("secret-4711")
    if then == "refuse":
        abort(403, "not you")
    if then == "redirect":
        return redirect(request.args["to"])
    made = jsonify(inside=True) if then == "json" else make_response("inside")
    made.set_cookie("remember", "me")
    return made


def raw_application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ["PATH_INFO"].endswith("/crash"):
        raise RuntimeError("secret-4711")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"raw"]


class Beside:
    """Mounts the raw application, as an extension's own middleware does."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raw = environ["PATH_INFO"].startswith("/stage/raw/")
        answered: Iterable[bytes] = (raw_application if raw else self.app)(environ, start_response)
        return answered


def early() -> ResponseReturnValue | None:
    return "early" if request.path == "/stage/early" else None


def extension() -> ResponseReturnValue:
    return "extension", {"Content-Type": "text/plain"}


def mounted_application() -> Flask:
    app = Flask("mounted")

    @app.get("/page")
    def page() -> ResponseReturnValue:
        return "inside", {"Content-Type": "text/plain"}

    @app.get("/public")
    @login_not_required
    def public() -> ResponseReturnValue:
        return "public", {"Content-Type": "text/plain"}

    @app.get("/problem")
    def problem() -> ResponseReturnValue:
        raise Problem(409)

    @app.get("/crash")
    def crash() -> ResponseReturnValue:
        raise ValueError("secret-4711")

    return app


def add_views(app: Flask) -> None:
    """Add them to an application that has not started."""
    app.register_blueprint(blueprint)
    app.add_url_rule("/stage/extension", view_func=extension)
    app.before_request_funcs[None].append(early)
    mounts: dict[str, Any] = {
        "/stage/included/mounted": mounted_application(),
        "/stage/opened": raw_application,
    }
    beside = Beside(app.wsgi_app)
    app.wsgi_app = DispatcherMiddleware(beside, mounts)  # type: ignore[method-assign] # Flask's documented way
