"""Celery: a task, which uses the database."""

from celery import shared_task

from .models import Question


@shared_task
def measure(question_id):
    return len(Question.objects.get(id=question_id).question_text)
