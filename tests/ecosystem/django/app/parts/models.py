from django.db import models
from django.urls import reverse


class Tag(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name


class Question(models.Model):
    question_text = models.CharField(max_length=200)
    status = models.CharField(
        max_length=1, choices=[("d", "Draft"), ("p", "Published")], default="d"
    )
    tags = models.ManyToManyField(Tag, blank=True)
    picture = models.FileField(upload_to="questions", blank=True)

    def __str__(self):
        return self.question_text

    def get_absolute_url(self):
        return reverse("parts:detail", kwargs={"pk": self.pk})


class Choice(models.Model):
    question = models.ForeignKey(Question, on_delete=models.CASCADE)
    choice_text = models.CharField(max_length=200)
    votes = models.IntegerField(default=0)

    def __str__(self):
        return self.choice_text
