import csv
import hashlib
import hmac
import json
import os
import time

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required, login_required
from django.contrib.messages.views import SuccessMessageMixin
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import (
    FileResponse,
    Http404,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext as _
from django.views import generic
from django.views.decorators.cache import cache_page
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition, require_POST
from django.views.generic.edit import FormView
from django_filters.views import FilterView
from django_ratelimit.decorators import ratelimit

from .api import QuestionFilter
from .forms import ChoiceFormSet, ExampleForm, FileFieldForm, NameForm
from .models import Choice, Question


class IndexView(generic.ListView):
    template_name = "parts/index.html"
    context_object_name = "latest_question_list"
    paginate_by = 50

    def get_queryset(self):
        return Question.objects.order_by("-id")


class DetailView(generic.DetailView):
    model = Question
    template_name = "parts/detail.html"


class QuestionCreateView(SuccessMessageMixin, generic.CreateView):
    model = Question
    fields = ["question_text", "tags", "picture"]
    template_name = "parts/form.html"
    success_message = "%(question_text)s was created successfully"


class QuestionUpdateView(generic.UpdateView):
    model = Question
    fields = ["question_text"]
    template_name = "parts/form.html"


class QuestionDeleteView(generic.DeleteView):
    model = Question
    success_url = reverse_lazy("parts:index")
    template_name = "parts/form.html"


def vote(request, question_id):
    question = get_object_or_404(Question, pk=question_id)
    try:
        selected_choice = question.choice_set.get(pk=request.POST["choice"])
    except (KeyError, Choice.DoesNotExist):
        return render(
            request,
            "parts/detail.html",
            {"question": question, "error_message": "You didn't select a choice."},
        )
    else:
        selected_choice.votes = F("votes") + 1
        selected_choice.save()
        return HttpResponseRedirect(reverse("parts:detail", args=(question.id,)))


def get_name(request):
    if request.method == "POST":
        form = NameForm(request.POST)
        if form.is_valid():
            messages.success(request, "Profile details updated.")
            return HttpResponseRedirect("/parts/?" + "".join(form.cleaned_data["colours"]))
    else:
        form = NameForm()
    return render(request, "parts/form.html", {"form": form})


class FileFieldFormView(FormView):
    form_class = FileFieldForm
    template_name = "parts/form.html"

    def form_valid(self, form):
        return JsonResponse({"sizes": [len(f.read()) for f in form.cleaned_data["file_field"]]})


def manage_choices(request, question_id):
    question = Question.objects.get(pk=question_id)
    if request.method == "POST":
        formset = ChoiceFormSet(request.POST, instance=question)
        if formset.is_valid():
            formset.save()
            return HttpResponseRedirect(question.get_absolute_url())
    else:
        formset = ChoiceFormSet(instance=question)
    return render(request, "parts/formset.html", {"formset": formset})


def crispy(request):
    return render(request, "parts/crispy.html", {"form": ExampleForm(request.POST or None)})


@login_required
def filtered(request):
    f = QuestionFilter(request.GET, queryset=Question.objects.all())
    return render(request, "parts/filtered.html", {"filter": f})


class Filtered(FilterView):
    filterset_class = QuestionFilter
    template_name = "parts/filtered.html"


@login_not_required
def htmx(request):
    if request.htmx:
        response = HttpResponse("<b>part</b>")
        response["HX-Trigger"] = "done"
        return response
    return HttpResponse("whole page")


@login_not_required
@ratelimit(key="ip", rate="2/d", block=True)
def limited(request):
    return HttpResponse(request.META["REMOTE_ADDR"])


@login_not_required
def translated(request):
    return HttpResponse(f"{_('Monday')} {request.LANGUAGE_CODE}")


def forget(request):
    request.session.set_expiry(0)
    return HttpResponse(request.session.get_expire_at_browser_close())


def export(request):
    class Echo:
        def write(self, value):
            return value

    writer = csv.writer(Echo())
    rows = Question.objects.values_list("id", "question_text").iterator(chunk_size=1)
    return StreamingHttpResponse(
        (writer.writerow(row) for row in rows),
        content_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="somefilename.csv"'},
    )


def feed(request):
    def stream():
        for question in Question.objects.order_by("id").iterator(chunk_size=1):
            yield f"id: {question.id}\ndata: {question.question_text}\n\n"

    return StreamingHttpResponse(stream(), content_type="text/event-stream")


def listen(request):
    def stream():
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("LISTEN questions")
            yield "data: listening\n\n"
            for notify in cursor.connection.notifies(timeout=60, stop_after=2):
                yield f"data: {notify.payload}\n\n"

    return StreamingHttpResponse(stream(), content_type="text/event-stream")


@login_not_required
def events(request):
    def stream():
        for number in range(3):
            yield f"data: {number}\n\n"
            time.sleep(0.3)

    return StreamingHttpResponse(stream(), content_type="text/event-stream")


@login_not_required
@condition(etag_func=lambda request: '"v1"')
def etag(request):
    return HttpResponse("same" * 100)


@login_not_required
def video(request):
    response = FileResponse(open(__file__, "rb"))  # noqa: PTH123, SIM115 - as documented
    response["X-Length"] = os.path.getsize(__file__)  # noqa: PTH202 - as documented
    return response


@login_not_required
def long(request):
    return HttpResponse("word " * 2000)


@login_not_required
@cache_page(60)
def cached(request):
    return HttpResponse(f"{time.monotonic()}")


@csrf_exempt
@require_POST
def webhook(request):
    secret = os.environ["PARTS_SECRET"].encode()
    signature = "sha256=" + hmac.new(secret, request.body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature, request.headers.get("X-Hub-Signature-256", "")):
        raise PermissionDenied
    if request.content_type == "application/json":
        return JsonResponse({"event": json.loads(request.body)["event"]})
    if request.content_type == "application/x-www-form-urlencoded":
        return JsonResponse({"event": request.POST["event"]})
    return JsonResponse({"bytes": len(request.body)})


def sentry_debug(request):
    division_by_zero = 1 / 0  # noqa: F841 - as the documentation has it


@login_not_required
def missing(request, kind):
    if kind == "404":
        raise Http404("Poll does not exist")
    if kind == "403":
        raise PermissionDenied("Not yours")
    return JsonResponse({"left": 2}, status=409)


def post_list(request):
    return JsonResponse({"names": request.POST.getlist("name"), "q": request.GET.getlist("q")})


def archive(request):
    from django.db import connections

    with connections["archive"].cursor() as cursor:
        cursor.execute("SELECT 1 + 1")
        return JsonResponse({"two": cursor.fetchone()[0]})


def astray(request):
    return redirect("https://evil.example/")
