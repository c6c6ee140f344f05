from django.urls import include, path

from . import PARTS, api, views

app_name = "parts"
urlpatterns = [
    path("", views.IndexView.as_view(), name="index"),
    path("<int:pk>/", views.DetailView.as_view(), name="detail"),
    path("add/", views.QuestionCreateView.as_view(), name="add"),
    path("<int:pk>/edit/", views.QuestionUpdateView.as_view()),
    path("<int:pk>/delete/", views.QuestionDeleteView.as_view()),
    path("<int:question_id>/vote/", views.vote, name="vote"),
    path("<int:question_id>/choices/", views.manage_choices),
    path("name/", views.get_name),
    path("files/", views.FileFieldFormView.as_view()),
    path("crispy/", views.crispy),
    path("filtered/", views.filtered),
    path("filter-view/", views.Filtered.as_view()),
    path("htmx/", views.htmx),
    path("limited/", views.limited),
    path("translated/", views.translated),
    path("forget/", views.forget),
    path("export/", views.export),
    path("feed/", views.feed),
    path("listen/", views.listen),
    path("events/", views.events),
    path("sentry-debug/", views.sentry_debug),
    path("etag/", views.etag),
    path("video/", views.video),
    path("long/", views.long),
    path("cached/", views.cached),
    path("webhook/", views.webhook),
    path("missing/<str:kind>/", views.missing),
    path("list/", views.post_list),
    path("archive/", views.archive),
    path("astray/", views.astray),
    path("rest/token/", api.obtain_auth_token),
    path("rest/few/", api.few),
    path("rest/hello/", api.hello),
    path("rest/upload/<str:filename>", api.FileUploadView.as_view()),
    path("rest/", include(api.router.urls)),
]
if "opentelemetry" in PARTS:
    from .spans import spans

    urlpatterns += [path("spans/", spans)]
if "oauth" in PARTS:
    from . import oauth

    urlpatterns += [
        path("oauth/login/", oauth.login),
        path("oauth/authorize/", oauth.authorize, name="authorize"),
        path("oauth/profile/", oauth.profile),
    ]
if "celery" in PARTS:
    from . import background

    urlpatterns += [
        path("tasks/", background.start),
        path("tasks/<str:task_id>/", background.result),
    ]
if "jwt" in PARTS:
    from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
    from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

    urlpatterns += [
        path("rest/jwt/", TokenObtainPairView.as_view(), name="token_obtain_pair"),
        path("rest/jwt/refresh/", TokenRefreshView.as_view(), name="token_refresh"),
        path("rest/schema/", SpectacularAPIView.as_view(), name="schema"),
        path(
            "rest/schema/swagger-ui/",
            SpectacularSwaggerView.as_view(url_name="parts:schema"),
            name="swagger-ui",
        ),
    ]
