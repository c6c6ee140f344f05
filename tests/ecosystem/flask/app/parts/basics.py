"""Flask's own documentation: patterns that services use."""

import hashlib
import hmac
import os
import time
from pathlib import Path

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    g,
    jsonify,
    make_response,
    render_template,
    request,
    send_file,
    stream_with_context,
)
from werkzeug.exceptions import HTTPException

from ...adapter import login_not_required

HERE = Path(__file__).parent
blueprint = Blueprint("basics", __name__, url_prefix="/basics", template_folder="templates")
shop = Blueprint("shop", __name__, static_folder="assets", static_url_path="/shop/assets")


@blueprint.post("/list")
def names():
    return {"names": request.form.getlist("name"), "args": request.args.getlist("q")}


@blueprint.post("/files")
def files():
    return {"sizes": [len(file.read()) for file in request.files.getlist("file")]}


@blueprint.get("/events")
@login_not_required
def events():
    def stream():
        for number in range(3):
            yield f"data: {number} {request.args['q']}\n\n"
            time.sleep(0.3)

    return Response(stream_with_context(stream()), mimetype="text/event-stream")


@blueprint.get("/etag")
@login_not_required
def etag():
    response = make_response("same" * 100)
    response.add_etag()
    response.last_modified = 1_700_000_000
    return response.make_conditional(request)


@blueprint.get("/video")
@login_not_required
def video():
    return send_file(HERE / "assets" / "video.txt", conditional=True, max_age=60)


@blueprint.get("/download")
@login_not_required
def download():
    return send_file(HERE / "assets" / "video.txt", as_attachment=True, download_name="übung.txt")


@blueprint.post("/webhook")
def webhook():
    secret = os.environ["PARTS_SECRET"].encode()
    payload = request.get_data()
    signature = "sha256=" + hmac.new(secret, payload, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature, request.headers.get("X-Hub-Signature-256", "")):
        abort(403)
    if request.is_json:
        return {"event": request.get_json()["event"]}
    if request.mimetype == "application/x-www-form-urlencoded":
        return {"event": request.form["event"]}
    return {"bytes": len(payload)}


@blueprint.get("/bearer")
def bearer():
    if request.authorization is None or request.authorization.type != "bearer":
        return {"error": "no token"}, 401, {"WWW-Authenticate": "Bearer"}
    if request.authorization.token != "good":
        return {"error": "invalid_token"}, 403
    return {"token": request.authorization.token}


@blueprint.get("/missing")
@login_not_required
def missing():
    abort(404, description="Resource not found")


@blueprint.get("/teapot")
@login_not_required
def teapot():
    abort(418)


@blueprint.get("/json-error")
@login_not_required
def json_error():
    return jsonify(error="left"), 409


class InvalidAPIUsage(Exception):
    def __init__(self, message, status_code=400):
        super().__init__()
        self.message, self.status_code = message, status_code


@blueprint.errorhandler(InvalidAPIUsage)
def invalid_api_usage(e):
    return jsonify(message=e.message), e.status_code


@blueprint.get("/invalid")
@login_not_required
def invalid():
    raise InvalidAPIUsage("No user id provided!")


@blueprint.before_app_request
def started():
    g.started = True


@blueprint.after_app_request
def after(response):
    response.headers["X-Started"] = str(g.get("started", False))
    return response


@shop.get("/shop/own-errors/<int:code>")
@login_not_required
def own_errors(code):
    abort(code)


@shop.errorhandler(410)
def gone(e):
    return render_template("gone.html", name=e.name), 410


@shop.errorhandler(HTTPException)
def generic(e):
    return {"code": e.code, "name": e.name, "description": e.description}, e.code


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.register_blueprint(shop)
