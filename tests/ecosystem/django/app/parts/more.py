import asyncio

import django_tables2 as tables
from django import forms
from django.contrib.auth import aauthenticate, alogin, alogout
from django.contrib.auth.decorators import login_not_required
from django.contrib.sitemaps import Sitemap
from django.contrib.sitemaps.views import sitemap
from django.contrib.syndication.views import Feed
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from formtools.wizard.views import SessionWizardView
from ninja import NinjaAPI, Schema
from ninja.security import HttpBearer, django_auth

from .models import Question


# https://docs.djangoproject.com/en/stable/topics/async/
@login_not_required
async def current(request):
    names = [question.question_text async for question in Question.objects.order_by("-id")[:5]]
    count = await request.session.aget("count", 0) + 1
    await request.session.aset("count", count)
    user = await request.auser()
    return JsonResponse({"questions": names, "count": count, "user": user.get_username()})


@login_not_required
async def enter(request):
    user = await aauthenticate(
        request, username=request.POST["username"], password=request.POST["password"]
    )
    if user is None:
        return HttpResponse("invalid login", status=401)
    await alogin(request, user)
    return HttpResponse("in")


async def leave(request):
    await alogout(request)
    return HttpResponse("out")


@method_decorator(login_not_required, name="dispatch")
class AsyncView(View):
    async def get(self, request, *args, **kwargs):
        await asyncio.sleep(0)
        return HttpResponse("Hello async world!")


@login_not_required
async def pieces(request):
    async def generate():
        for number in range(3):
            yield f"{number}\n"

    return StreamingHttpResponse(generate())


# https://django-ninja.dev/
class Item(Schema):
    name: str
    price: float = 1


class AuthBearer(HttpBearer):
    def authenticate(self, request, token):
        if token == "supersecret":
            return token
        return None


api = NinjaAPI()


@api.get("/add")
def add(request, a: int, b: int):
    return {"result": a + b}


@api.post("/items")
def create(request, item: Item):
    return item


@api.get("/bearer", auth=AuthBearer())
def bearer(request):
    return {"token": request.auth}


@api.get("/me", auth=django_auth)
def me(request):
    return request.user.get_username()


# https://django-tables2.readthedocs.io/
class QuestionTable(tables.Table):
    class Meta:
        model = Question
        fields = ("question_text", "status")


class QuestionTableView(tables.SingleTableView):
    model = Question
    table_class = QuestionTable
    template_name = "parts/table.html"


# https://django-formtools.readthedocs.io/
class ContactForm1(forms.Form):
    subject = forms.CharField(max_length=100)
    sender = forms.EmailField()


class ContactForm2(forms.Form):
    message = forms.CharField(widget=forms.Textarea)


class ContactWizard(SessionWizardView):
    form_list = [ContactForm1, ContactForm2]
    template_name = "parts/wizard.html"

    def done(self, form_list, **kwargs):
        return JsonResponse({"data": [form.cleaned_data for form in form_list]})


class LatestEntriesFeed(Feed):
    title = "Questions"
    link = "/parts/"

    def items(self):
        return Question.objects.order_by("-id")[:5]


class QuestionSitemap(Sitemap):
    def items(self):
        return Question.objects.order_by("id")


urlpatterns = [
    path("current/", current),
    path("enter/", enter),
    path("leave/", leave),
    path("async/", AsyncView.as_view()),
    path("pieces/", pieces),
    path("api/", api.urls),
    path("table/", QuestionTableView.as_view()),
    path("wizard/", ContactWizard.as_view()),
    path("feed/", LatestEntriesFeed()),
    path("feed/open/", login_not_required(LatestEntriesFeed())),
    path("sitemap.xml", login_not_required(sitemap), {"sitemaps": {"all": QuestionSitemap}}),
    path("hijack/", include("hijack.urls")),
    path("knox/", include("knox.urls")),
]
