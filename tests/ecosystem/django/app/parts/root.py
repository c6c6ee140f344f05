"""Addresses that belong to packages, and Django's own views as its documentation includes them."""

from django.conf import settings
from django.contrib.auth import views as auth_views
from django.urls import include, path

urlpatterns = [
    path("parts/", include("my_service.app.parts.urls")),
    path("accounts/", include("allauth.urls")),
    path("api-auth/", include("rest_framework.urls")),
    path("auth/change/", auth_views.PasswordChangeView.as_view(), name="stock_change"),
    path(
        "auth/change/done/",
        auth_views.PasswordChangeDoneView.as_view(),
        name="password_change_done",
    ),
    path("auth/reset/", auth_views.PasswordResetView.as_view(), name="password_reset"),
    path(
        "auth/reset/done/", auth_views.PasswordResetDoneView.as_view(), name="password_reset_done"
    ),
    path(
        "auth/reset/<uidb64>/<token>/",
        auth_views.PasswordResetConfirmView.as_view(),
        name="password_reset_confirm",
    ),
    path(
        "auth/reset/complete/",
        auth_views.PasswordResetCompleteView.as_view(),
        name="password_reset_complete",
    ),
]
if "ninja" in settings.INSTALLED_APPS:
    from . import more

    urlpatterns += [path("more/", include(more.urlpatterns))]
if "debug_toolbar" in settings.INSTALLED_APPS:
    from debug_toolbar.toolbar import debug_toolbar_urls

    urlpatterns += debug_toolbar_urls()
if "django_prometheus" in settings.INSTALLED_APPS:
    urlpatterns += [path("", include("django_prometheus.urls"))]
