"""Views for the suite alone, as Django's documentation writes them; `stage` says what they do.

They stand in an urlconf of their own, which has the service's addresses too.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import alogin, get_user_model, login
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.test import override_settings
from django.urls import include, path, re_path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.generic import View

from my_service.adapter import Problem, current_auth

STREAM_BEGUN = threading.Event()
"""Set by a stream of events."""
MORE = "stage.more"
EXCEPTIONS: dict[int, type[Exception]] = {400: BadRequest, 403: PermissionDenied, 404: Http404}


def is_right(word: str) -> bool:
    if word == "crash":
        raise ValueError("secret-4711")
    return word == "4711"


@login_not_required
def answer(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(request.GET.get("body", ""), status=int(request.GET.get("status", 200)))
    lines = [line.partition(":") for line in request.GET.getlist("header")]
    if not any(name.lower() == "content-type" for name, _, _ in lines):
        del response["Content-Type"]
    for name, _, value in lines:
        text = value.strip().encode().decode("latin-1")
        # Others are dropped there without a word.
        if name == "Set-Cookie" and re.match(r"[\w-]+=", text):
            response.cookies.load(text)
        elif name in response:
            # More than Django's dictionary holds: `more_headers` adds it.
            request.META.setdefault(MORE, []).append((name, text))
        else:
            response[name] = text
    return response


@login_not_required
def raise_(request: HttpRequest) -> HttpResponse:
    status, text = int(request.GET["status"]), request.GET.get("text", "")
    if kind := EXCEPTIONS.get(status):
        raise kind(text) if text else kind
    raise Problem(status, detail=text)


@login_not_required
def document(_: HttpRequest) -> HttpResponse:
    return JsonResponse({"left": 2}, status=409)


@login_not_required
def problem(request: HttpRequest) -> HttpResponse:
    headers = [("location", to) for to in request.GET.getlist("to")]
    detail = request.GET.get("detail", "")
    raise Problem(int(request.GET["status"]), detail=detail, headers=headers)


@login_not_required
def crash(_: HttpRequest) -> HttpResponse:
    raise ValueError("secret-4711")


@login_not_required
def slow(request: HttpRequest) -> HttpResponseBase:
    seconds = float(request.GET["seconds"])
    if "begin" not in request.GET:
        time.sleep(seconds)
        return HttpResponse("slow")

    def parts() -> Iterator[str]:
        yield "first"
        time.sleep(seconds)
        if request.GET["begin"] == "write":
            request.session["late"] = 1
        yield "second"

    return StreamingHttpResponse(parts(), content_type="text/plain")


def events(request: HttpRequest) -> StreamingHttpResponse:
    def ticks() -> Iterator[str]:
        for _ in range(times):
            yield "data: tick\n\n"
            STREAM_BEGUN.set()
            time.sleep(0.05)

    times = int(request.GET["times"])
    return StreamingHttpResponse(ticks(), content_type="text/event-stream")


@login_not_required
def broken(request: HttpRequest) -> StreamingHttpResponse:
    first = request.GET.get("first", "first")
    if key := request.GET.get("key"):
        request.session[key] = "lost"

    def parts() -> Iterator[str]:
        if first:
            yield first
        raise ValueError("secret-4711")

    return StreamingHttpResponse(parts(), content_type="text/plain")


@login_not_required
def drop(request: HttpRequest) -> HttpResponse:
    HttpResponse("<p>dropped")
    HttpResponseRedirect("/stage/dropped")
    if request.GET["then"] == "page":
        return HttpResponse("<p>kept")
    if request.GET["then"] == "problem":
        raise Problem(409)
    raise ValueError("secret-4711")


@login_not_required
def redirect(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(request.GET["to"])


@login_not_required
def seen(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {
            "url": request.build_absolute_uri(reverse("seen")),
            "client": request.META["REMOTE_ADDR"],
            "scheme": request.scheme,
            "host": request.get_host(),
            "headers": [
                name for name in request.headers if name.lower().startswith(("x-", "forwarded"))
            ],
        }
    )


@login_not_required
def basic(_: HttpRequest) -> HttpResponse:
    return HttpResponse(status=401, headers={"WWW-Authenticate": 'Basic realm="stage"'})


@login_not_required
@gzip_page
def long(_: HttpRequest) -> HttpResponse:
    return HttpResponse("a" * 5000, content_type="text/plain")


@require_GET
def closed(_: HttpRequest) -> HttpResponse:
    return HttpResponse("inside", content_type="text/plain")


@login_not_required
@require_http_methods(["HEAD"])
def count(_: HttpRequest) -> HttpResponse:
    return HttpResponse(headers={"X-Total-Count": "3"})


class ClosedCount(View):
    def head(self, _: HttpRequest) -> HttpResponse:
        return HttpResponse(headers={"X-Total-Count": "3"})


@method_decorator(login_not_required, name="dispatch")
class Able(View):
    def get(self, _: HttpRequest) -> HttpResponse:
        return HttpResponse("inside")

    def options(self, _: HttpRequest) -> HttpResponse:
        return JsonResponse({"can": "much"})


class ClosedAble(View):
    def get(self, _: HttpRequest) -> HttpResponse:
        return HttpResponse("inside")

    def options(self, _: HttpRequest) -> HttpResponse:
        return JsonResponse({"can": "much"})


@login_not_required
@require_POST
def json_(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"got": json.loads(request.body)})


@require_POST
def silent(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"got": json.loads(request.body)})


@login_not_required
@require_POST
def form(request: HttpRequest) -> HttpResponse:
    sizes = {name: file.size for name, file in request.FILES.items() if not isinstance(file, list)}
    return JsonResponse({"got": request.POST.dict() | sizes})


@login_not_required
@require_POST
def text(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"size": len(request.POST["text"])})


@login_not_required
@require_POST
def raw(request: HttpRequest) -> HttpResponse:
    user = current_auth(request).user
    return JsonResponse({"size": len(request.body), "user": user is not None})


@login_not_required
def session(request: HttpRequest) -> HttpResponse:
    return JsonResponse(dict(request.session.items()))


@login_not_required
@require_POST
def set_(request: HttpRequest) -> HttpResponse:
    request.session[request.GET["key"]] = request.GET["value"]
    return HttpResponse()


@login_not_required
@require_POST
def append(request: HttpRequest) -> HttpResponse:
    request.session.setdefault(request.GET["key"], []).append(request.GET["value"])
    return HttpResponse()


@login_not_required
@require_POST
def date(request: HttpRequest) -> HttpResponse:
    request.session["when"] = datetime.now(UTC)
    return HttpResponse()


@login_not_required
@require_POST
def clear(request: HttpRequest) -> HttpResponse:
    request.session.clear()
    return HttpResponse()


@login_not_required
@require_POST
def replace(request: HttpRequest) -> HttpResponse:
    request.session.flush()
    request.session["b"] = "2"
    return HttpResponse()


@login_not_required
def greeted(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"hello {request.user.get_username() or 'visitor'}")


@login_not_required
def guess(request: HttpRequest) -> HttpResponse:
    word = request.GET["word"]
    right = current_auth(request).counted(request.GET["name"], lambda: is_right(word))
    return HttpResponse("right" if right else "wrong")


@login_not_required
def ended(request: HttpRequest) -> HttpResponse:
    user = get_object_or_404(get_user_model(), username=request.GET["name"])
    current_auth(request).end_sessions_of(user.pk)
    return HttpResponse("ended")


@login_not_required
def member(request: HttpRequest) -> HttpResponseBase:
    if request.user.is_authenticated:
        return HttpResponse("inside")
    if "own" in request.GET:
        return HttpResponse("not you", status=int(request.GET["own"]))
    if request.GET.get("status") == "401":
        raise Problem(401)
    if request.GET.get("status") == "403":
        raise PermissionDenied("not you")
    return redirect_to_login(request.get_full_path())


@login_not_required
def enter(request: HttpRequest) -> HttpResponse:
    user = get_user_model().objects.get_by_natural_key(request.GET["name"])
    login(request, user, settings.AUTHENTICATION_BACKENDS[0])
    return entered(request, request.user)


@login_not_required
async def enter_otherwise(request: HttpRequest) -> HttpResponse:
    user = await get_user_model().objects.aget(username=request.GET["name"])
    await alogin(request, user, settings.AUTHENTICATION_BACKENDS[0])
    return entered(request, await request.auser())


def entered(request: HttpRequest, user: AbstractBaseUser | AnonymousUser) -> HttpResponse:
    then = request.GET["then"]
    if then == "crash":
        assert user.is_authenticated  # as django-allauth has it
    if then == "refuse":
        raise PermissionDenied("not you")
    if then == "redirect":
        return HttpResponseRedirect(request.GET["to"])
    made = JsonResponse({"inside": True}) if then == "json" else HttpResponse("inside")
    made.set_cookie("remember", "me")
    return made


def extension(_: HttpRequest) -> HttpResponse:
    return HttpResponse("extension", content_type="text/plain")


# As Django REST framework does with each of its views.
extension.login_required = False  # type: ignore[attr-defined] # of a function
extension.__module__ = "argon2"


@require_GET
def inside(_: HttpRequest) -> HttpResponse:
    return HttpResponse("inside", content_type="text/plain")


@login_not_required
def public(_: HttpRequest) -> HttpResponse:
    return HttpResponse("public", content_type="text/plain")


def closed_problem(_: HttpRequest) -> HttpResponse:
    raise Problem(409)


def closed_crash(_: HttpRequest) -> HttpResponse:
    raise ValueError("secret-4711")


def catch_all(_: HttpRequest) -> HttpResponse:
    raise Http404


# The last one as the admin has it, so that strangers do not learn what is there.
mounted = (
    [
        path("page", inside),
        path("public", public),
        path("problem", closed_problem),
        path("crash", closed_crash),
        re_path("", catch_all),
    ],
    "mounted",
)
urlpatterns = [
    path("stage/answer", answer),
    path("stage/raise", raise_),
    path("stage/document", document),
    path("stage/problem", problem),
    path("stage/crash", crash),
    path("stage/slow", slow),
    path("stage/broken", broken),
    path("stage/events", events),
    path("stage/drop", drop),
    path("stage/redirect", redirect),
    path("stage/seen", seen, name="seen"),
    path("stage/basic", basic),
    path("stage/long", long),
    path("stage/closed", closed),
    path("stage/count", count),
    path("stage/count/closed", ClosedCount.as_view()),
    path("stage/able", Able.as_view()),
    path("stage/able/closed", ClosedAble.as_view()),
    path("stage/json", json_),
    path("stage/silent", silent),
    path("stage/form", form),
    path("stage/upload", form),
    path("stage/text", text),
    path("stage/raw", raw),
    path("stage/callback", raw),
    path("stage/session", session),
    path("stage/session/set", set_),
    path("stage/session/append", append),
    path("stage/session/date", date),
    path("stage/session/clear", clear),
    path("stage/session/replace", replace),
    path("stage/greeted", greeted),
    path("stage/guess", guess),
    path("stage/ended", ended),
    path("stage/member", member),
    path("stage/enter", enter),
    path("stage/enter/otherwise", enter_otherwise),
    path("stage/extension", extension),
    path("stage/included/mounted/", include(mounted)),
    path("", include("my_service.app.urls")),
]


def early(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Any:
    """Answer before any view is looked for."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path == "/stage/early":
            return HttpResponse("early", content_type="text/plain")
        return get_response(request)

    return middleware


Environ = dict[str, Any]
Start = Callable[..., Any]
App = Callable[[Environ, Start], Iterable[bytes]]


def raw_application(environ: Environ, start_response: Start) -> Iterable[bytes]:
    if environ["PATH_INFO"].endswith("/crash"):
        raise RuntimeError("secret-4711")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"raw"]


def more_headers(app: App) -> App:
    """Send what the view `answer` leaves over."""

    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, headers + environ.get(MORE, []), *rest)

        return app(environ, start)

    return application


def dispatch(app: App) -> App:
    """Mount a WSGI application beside Django, as `DispatcherMiddleware` does."""

    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(("/stage/raw/", "/stage/opened/")):
            return raw_application(environ, start_response)
        return app(environ, start_response)

    return application


def add_views(application: Any) -> None:
    """Add them to an application that has not started."""
    settings.ROOT_URLCONF = __name__
    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, f"{__name__}.early"]):
        application.app.load_middleware()
    application.app = dispatch(more_headers(application.app))
