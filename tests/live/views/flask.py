"""Views of Flask for tests of bodies and connections; in a generated project `app/probe/`."""

from __future__ import annotations

from flask import Blueprint, Response, request, send_file
from flask.typing import ResponseReturnValue

from ...adapter import login_not_required
from . import material
from .material import NAVIGATION as NAVIGATION

blueprint = Blueprint("probe", __name__, url_prefix="/probe")


@blueprint.get("/facts")
@login_not_required
def facts() -> ResponseReturnValue:
    names = [name for name, _ in request.headers]
    return material.facts(request.remote_addr, request.scheme, request.host, names)


@blueprint.post("/upload")
@login_not_required
def upload() -> ResponseReturnValue:
    return material.stored(request.form["text"], request.files["file"].read())


@blueprint.get("/broken")
@login_not_required
def broken() -> ResponseReturnValue:
    return Response(material.broken(), mimetype="text/plain")


@blueprint.get("/large")
@login_not_required
def large() -> ResponseReturnValue:
    return Response(material.large(int(request.args["size"])), mimetype="text/plain")


@blueprint.get("/file")
@login_not_required
def file() -> ResponseReturnValue:
    return send_file(material.FILE, mimetype="text/plain")


@blueprint.get("/behind")
@login_not_required
def behind() -> ResponseReturnValue:
    return Response(material.Sent(request.args["folder"]), mimetype="text/plain")


@blueprint.get("/hang")
@login_not_required
def hang() -> ResponseReturnValue:
    material.hang(int(request.args["seconds"]))
    return {}
