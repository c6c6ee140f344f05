"""The example feature: notes, as pages and as a JSON API.

Without it: `manage.py migrate notes zero`, then delete this folder, its line in INSTALLED_APPS
(app/settings.py) and its `include` (app/urls.py).
"""
