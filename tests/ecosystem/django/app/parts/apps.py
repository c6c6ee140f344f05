from django.apps import AppConfig


class Config(AppConfig):
    name = __package__
    label = "parts"
