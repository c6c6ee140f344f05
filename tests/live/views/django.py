"""Views of Django for tests of bodies and connections; in a generated project `app/probe/`."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import FileResponse, HttpRequest, HttpResponseBase, JsonResponse
from django.http import StreamingHttpResponse as Stream
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from . import material


@login_not_required
def facts(request: HttpRequest) -> HttpResponseBase:
    client = request.META["REMOTE_ADDR"]
    return JsonResponse(
        material.facts(client, request.scheme or "", request.get_host(), request.headers)
    )


@csrf_exempt
@login_not_required
def upload(request: HttpRequest) -> HttpResponseBase:
    return JsonResponse(material.stored(request.POST["text"], request.FILES["file"].read()))


@login_not_required
def broken(request: HttpRequest) -> HttpResponseBase:
    return Stream(material.broken(), content_type="text/plain")


@login_not_required
def large(request: HttpRequest) -> HttpResponseBase:
    return Stream(material.large(int(request.GET["size"])), content_type="text/plain")


@login_not_required
def file(request: HttpRequest) -> HttpResponseBase:
    return FileResponse(material.FILE.open("rb"), content_type="text/plain")


@login_not_required
def behind(request: HttpRequest) -> HttpResponseBase:
    return Stream(material.Sent(request.GET["folder"]), content_type="text/plain")


@login_not_required
def hang(request: HttpRequest) -> HttpResponseBase:
    material.hang(int(request.GET["seconds"]))
    return JsonResponse({})


urlpatterns = [
    path(f"probe/{view.__name__}", view)
    for view in (facts, upload, broken, large, file, behind, hang)
]
