"""Addresses: put yours here."""

from __future__ import annotations

from django.urls import path

from . import api, pages

urlpatterns = [
    path("", pages.Home.as_view()),
    path("login", pages.Login.as_view()),
    path("logout", pages.Logout.as_view()),
    path("go", pages.Go.as_view()),
    path("account", pages.Account.as_view()),
    path("account/password", pages.ChangePassword.as_view()),
    path("account/sessions/end", pages.EndSession.as_view()),
    path("account/sessions/end-others", pages.EndOtherSessions.as_view()),
    path("notes", pages.Notes.as_view()),
    path("notes/<str:note_id>/delete", pages.DeleteNote.as_view()),
    path("api/notes", api.Notes.as_view()),
    path("api/notes/<str:note_id>", api.OneNote.as_view()),
]
