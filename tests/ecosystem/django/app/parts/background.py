"""Celery: views that start a task and ask for its result."""

from celery.result import AsyncResult
from django.http import JsonResponse

from .models import Question
from .tasks import measure


def start(request):
    question = Question.objects.create(question_text=request.POST["text"])
    return JsonResponse({"id": measure.delay(question.id).id})


def result(request, task_id):
    found = AsyncResult(task_id)
    return JsonResponse({"ready": found.ready(), "result": found.result if found.ready() else None})
