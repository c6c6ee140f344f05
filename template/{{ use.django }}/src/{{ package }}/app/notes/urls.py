"""Addresses of notes."""

from __future__ import annotations

from django.urls import path

from . import api, views

app_name = "notes"
urlpatterns = [
    path("notes", views.NoteListView.as_view(), name="list"),
    path("notes/<str:pk>/delete", views.NoteDeleteView.as_view(), name="delete"),
    path("api/notes", api.NoteListApi.as_view(), name="api_list"),
    path("api/notes/<str:pk>", api.NoteApi.as_view(), name="api_note"),
]
