"""What the admin shows: put your models here."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import BaseUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group

from .models import User


class _New(BaseUserCreationForm):  # type: ignore[type-arg] # no generic while it runs
    class Meta:
        model = User
        fields = ("username",)


class _Changed(UserChangeForm):  # type: ignore[type-arg] # no generic while it runs
    class Meta:
        model = User
        fields = ("username", "password", "is_active", "is_staff", "is_superuser")


@admin.register(User)
class _Users(UserAdmin):  # type: ignore[type-arg] # no generic while it runs
    add_form = _New
    form = _Changed
    list_display = ("username", "is_active", "is_staff")
    list_filter = ("is_active", "is_staff")
    search_fields = ("username",)
    ordering = ("username",)
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("May", {"fields": ("is_active", "is_staff", "is_superuser")}),
    )
    add_fieldsets = ((None, {"fields": ("username", "password1", "password2")}),)


admin.site.unregister(Group)
