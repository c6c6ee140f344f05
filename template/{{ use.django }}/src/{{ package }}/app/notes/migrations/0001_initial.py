"""Notes."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import migrations, models

from ...forms import validate_line, validate_text
from ...models import new_id
from ..models import now


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations: ClassVar = [
        migrations.CreateModel(
            name="Note",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=new_id,
                        editable=False,
                        max_length=16,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("title", models.CharField(max_length=100, validators=[validate_line])),
                (
                    "body",
                    models.TextField(
                        blank=True,
                        max_length=5000,
                        validators=[validate_text],
                        verbose_name="text",
                    ),
                ),
                ("created", models.DateTimeField(default=now)),
                (
                    "owner",
                    models.ForeignKey(on_delete=models.CASCADE, to=settings.AUTH_USER_MODEL),
                ),
            ],
            options={"ordering": ["-created", "id"]},
        ),
    ]
