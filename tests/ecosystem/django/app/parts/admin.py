from django.contrib import admin

from .models import Choice, Question, Tag


class ChoiceInline(admin.TabularInline):
    model = Choice
    extra = 2


@admin.action(description="Mark selected questions as published")
def make_published(modeladmin, request, queryset):
    queryset.update(status="p")


@admin.register(Question)
class QuestionAdmin(admin.ModelAdmin):
    fieldsets = [
        (None, {"fields": ["question_text", "status", "picture"]}),
        ("Tags", {"fields": ["tags"]}),
    ]
    inlines = [ChoiceInline]
    list_display = ["question_text", "status"]
    list_filter = ["status", "tags"]
    search_fields = ["question_text"]
    filter_horizontal = ["tags"]
    actions = [make_published]


@admin.register(Tag)
class TagAdmin(admin.ModelAdmin):
    pass
