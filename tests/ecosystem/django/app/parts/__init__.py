"""What the documentation of packages shows, as an application beside those of the service."""

import os

PARTS = os.environ.get("PARTS", "").split()
SITES = ("sites", "flatpages", "redirects")
if "celery" in PARTS:
    from .celery import app as celery_app

    __all__ = ("celery_app",)


def settings(names):
    """Change Django's settings, as a user does at the end of `app/settings.py`."""
    package = names["_PACKAGE"]
    names["INSTALLED_APPS"] += [
        f"{package}.app.parts",
        "rest_framework",
        "rest_framework.authtoken",
        "django_filters",
        "django_htmx",
        "crispy_forms",
        "crispy_bootstrap5",
        "corsheaders",
        "allauth",
        "allauth.account",
        "allauth.mfa",
    ]
    names["MIDDLEWARE"] += [
        "django.middleware.locale.LocaleMiddleware",
        "django_htmx.middleware.HtmxMiddleware",
        "allauth.account.middleware.AccountMiddleware",
    ]
    common = names["MIDDLEWARE"].index("django.middleware.common.CommonMiddleware")
    names["MIDDLEWARE"].insert(common, "corsheaders.middleware.CorsMiddleware")
    names["MIDDLEWARE"].insert(common, "django.middleware.gzip.GZipMiddleware")
    names["CORS_ALLOWED_ORIGINS"] = ["https://spa.example.com"]
    names["AUTHENTICATION_BACKENDS"] += ["allauth.account.auth_backends.AuthenticationBackend"]
    names["ACCOUNT_LOGIN_METHODS"] = {"email"}
    names["ACCOUNT_SIGNUP_FIELDS"] = ["email*", "password1*", "password2*"]
    names["MFA_TOTP_TOLERANCE"] = 1
    # Its own limits would come first.
    names["ACCOUNT_RATE_LIMITS"] = False
    names["CRISPY_ALLOWED_TEMPLATE_PACKS"] = names["CRISPY_TEMPLATE_PACK"] = "bootstrap5"
    names["EMAIL_HOST"] = "127.0.0.1"
    names["EMAIL_PORT"] = int(os.environ.get("PARTS_MAIL_PORT", "25"))
    names["USE_I18N"] = True
    names["LANGUAGES"] = [("en", "English"), ("de", "Deutsch")]
    names["MEDIA_ROOT"] = os.environ.get("PARTS_FOLDER", ".") + "/media"
    names["MEDIA_URL"] = "/media/"
    names["REST_FRAMEWORK"] = {
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "rest_framework.authentication.SessionAuthentication",
            "rest_framework.authentication.TokenAuthentication",
            "rest_framework.authentication.BasicAuthentication",
        ],
        "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
        "DEFAULT_THROTTLE_RATES": {"few": "2/hour"},
        "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
        "PAGE_SIZE": 2,
    }
    names["DATABASES"]["archive"] = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("PARTS_FOLDER", ".") + "/archive.sqlite3",
    }
    if "axes" in PARTS:
        names["INSTALLED_APPS"] += ["axes"]
        names["AUTHENTICATION_BACKENDS"].insert(0, "axes.backends.AxesStandaloneBackend")
        names["MIDDLEWARE"] += ["axes.middleware.AxesMiddleware"]
        names["AXES_FAILURE_LIMIT"] = 2
    if "whitenoise" in PARTS:
        security = names["MIDDLEWARE"].index("django.middleware.security.SecurityMiddleware")
        names["MIDDLEWARE"].insert(security + 1, "whitenoise.middleware.WhiteNoiseMiddleware")
        names["STATIC_URL"] = "/files/"
        names["STATIC_ROOT"] = os.environ["PARTS_FOLDER"] + "/collected"
        names["STORAGES"] = {
            "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
            "staticfiles": {
                "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage",
            },
        }
    if "prometheus" in PARTS:
        names["INSTALLED_APPS"] += ["django_prometheus"]
        names["MIDDLEWARE"] = [
            "django_prometheus.middleware.PrometheusBeforeMiddleware",
            *names["MIDDLEWARE"],
            "django_prometheus.middleware.PrometheusAfterMiddleware",
        ]
    if "sentry" in PARTS:
        # https://docs.sentry.io/platforms/python/integrations/django/
        import sentry_sdk

        sentry_sdk.init(dsn=os.environ["PARTS_DSN"], traces_sample_rate=1.0)
    if "jwt" in PARTS:
        names["INSTALLED_APPS"] += ["drf_spectacular"]
        names["REST_FRAMEWORK"]["DEFAULT_AUTHENTICATION_CLASSES"] += [
            "rest_framework_simplejwt.authentication.JWTAuthentication",
        ]
        names["REST_FRAMEWORK"]["DEFAULT_SCHEMA_CLASS"] = "drf_spectacular.openapi.AutoSchema"
        names["SPECTACULAR_SETTINGS"] = {"TITLE": "Your Project API", "VERSION": "1.0.0"}
    if "celery" in PARTS:
        names["CELERY_BROKER_URL"] = names["CELERY_RESULT_BACKEND"] = os.environ["PARTS_REDIS"]
    if "more" in PARTS:
        names["INSTALLED_APPS"] += ["django.contrib.sitemaps"]
        names["INSTALLED_APPS"] += ["django_tables2", "formtools", "hijack", "ninja"]
        names["INSTALLED_APPS"] += [f"django.contrib.{app}" for app in SITES]
        names["INSTALLED_APPS"] += ["knox"]
        names["SITE_ID"] = 1
        names["MIDDLEWARE"] += [
            "hijack.middleware.HijackUserMiddleware",
            "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
            "django.contrib.redirects.middleware.RedirectFallbackMiddleware",
        ]
    if "csp" in PARTS:
        names["MIDDLEWARE"] += ["csp.middleware.CSPMiddleware"]
        names["CONTENT_SECURITY_POLICY"] = {
            "DIRECTIVES": {"default-src": ["'self'"], "script-src": [_csp_nonce()]},
        }
    if "toolbar" in PARTS:
        names["INSTALLED_APPS"] += ["debug_toolbar"]
        after = names["MIDDLEWARE"].index("django.middleware.gzip.GZipMiddleware") + 1
        names["MIDDLEWARE"].insert(after, "debug_toolbar.middleware.DebugToolbarMiddleware")


def _csp_nonce():
    from csp.constants import NONCE

    return NONCE


def instrument():
    """Do what the documentation of OpenTelemetry has in `manage.py`, which serves nobody here."""
    if "opentelemetry" in PARTS:
        from opentelemetry import trace
        from opentelemetry.instrumentation.django import DjangoInstrumentor
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor

        from .spans import exporter

        trace.set_tracer_provider(TracerProvider())
        trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
        DjangoInstrumentor().instrument()
