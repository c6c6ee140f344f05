"""Flask-Caching: its documentation."""

from itertools import count

from flask import Blueprint, Flask, render_template, render_template_string
from flask_caching import Cache

from ...adapter import login_not_required

cache = Cache(config={"CACHE_TYPE": "SimpleCache"})
blueprint = Blueprint("cached", __name__)
numbers = count()


@blueprint.route("/cached")
@login_not_required
@cache.cached(timeout=50)
def index():
    return f"number {next(numbers)}"


@blueprint.route("/cached/private")
@cache.cached(timeout=50)
def private():
    return f"private {next(numbers)}"


@blueprint.route("/cached/page")
@login_not_required
@cache.cached(timeout=50)
def page():
    return render_template("home.html")


@blueprint.route("/cached/part")
@login_not_required
def part():
    return render_template_string(
        "{% cache 50, 'part' %}{{ number() }}{% endcache %}", number=number
    )


@cache.memoize(50)
def big_foo(a, b):
    return a + b + next(numbers)


@blueprint.route("/memoized/<int:a>")
@login_not_required
def memoized(a):
    return {"value": big_foo(a, 1)}


def number():
    return next(numbers)


def init_app(app: Flask) -> None:
    cache.init_app(app)
    app.register_blueprint(blueprint)
