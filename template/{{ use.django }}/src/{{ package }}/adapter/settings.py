# Owned by the template: extend, do not edit.
"""Django's settings, from the policy and the environment; change them in app/settings.py.

Headers, cookies and hosts are the policy's, outside of Django. Its own settings say the same, for
its checks and for the code of others that reads them.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from ..config import load
from ..security.cookies import CookieJar
from ..security.keys import Keys
from ..security.policy import load as _load_policy
from .database import entry
from .pages import JINJA_OPTIONS
from .pages import TEMPLATES as _FOLDER

_PACKAGE = __name__.partition(".")[0]
_service = load()
_policy = _load_policy(_service.policy)
_jar = CookieJar.of(_policy.cookies, https=_service.production)
_headers = _policy.headers

DEBUG = False
# An exception goes up to `Guarded`, which logs it and answers.
DEBUG_PROPAGATE_EXCEPTIONS = True
SECRET_KEY, *SECRET_KEY_FALLBACKS = [
    key.hex() for key in Keys(_service.secret_keys).derive("Django's SECRET_KEY")
]
ALLOWED_HOSTS = [urlsplit(f"//{host}").hostname for host in _service.hosts] or [
    "localhost",
    "127.0.0.1",
    "[::1]",
]

# Its lines repeat what the core logs, and hold addresses, which may hold secrets.
LOGGING_CONFIG = None
for _name in ("django.request", "django.security"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

ROOT_URLCONF = f"{_PACKAGE}.app.urls"
WSGI_APPLICATION = f"{_PACKAGE}.app.wsgi.application"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    f"{_PACKAGE}.app",
]
MIDDLEWARE = [
    # First, so that the others see what the policy has found out about the request.
    f"{_PACKAGE}.adapter.middleware.PolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    f"{_PACKAGE}.adapter.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# Every service answers an unknown address alike.
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [_FOLDER],
        "OPTIONS": {
            **JINJA_OPTIONS,
            "context_processors": [f"{_PACKAGE}.adapter.web.variables"],
        },
    },
]

DATABASES = {"default": entry(_service.database_url)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

AUTH_USER_MODEL = "app.User"
AUTHENTICATION_BACKENDS = [f"{_PACKAGE}.adapter.auth.Backend"]
PASSWORD_HASHERS = [f"{_PACKAGE}.adapter.auth.PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [{"NAME": f"{_PACKAGE}.adapter.auth.PasswordValidator"}]
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/account"
LOGOUT_REDIRECT_URL = "/"

SESSION_ENGINE = f"{_PACKAGE}.adapter.sessions"
SESSION_COOKIE_NAME = CSRF_COOKIE_NAME = f"{_jar.prefix}{_policy.cookies.session_name}"
SESSION_COOKIE_AGE = _policy.sessions.absolute_timeout
SESSION_COOKIE_DOMAIN = CSRF_COOKIE_DOMAIN = _policy.cookies.domain or None
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = _policy.cookies.same_site
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _service.production
# The token is in the session: no cookie for a visitor who has none.
CSRF_USE_SESSIONS = True
CSRF_HEADER_NAME = "HTTP_X_CSRF_TOKEN"
CSRF_FAILURE_VIEW = f"{_PACKAGE}.adapter.web.csrf_failure"

SECURE_HSTS_SECONDS = _headers.hsts.max_age
SECURE_HSTS_INCLUDE_SUBDOMAINS = _headers.hsts.include_subdomains
SECURE_HSTS_PRELOAD = bool(_headers.hsts.preload_confirmed_for)
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = _headers.values.get("referrer-policy")
SECURE_CROSS_ORIGIN_OPENER_POLICY = _headers.values.get("cross-origin-opener-policy")
X_FRAME_OPTIONS = _headers.values.get("x-frame-options", "DENY")
SILENCED_SYSTEM_CHECKS = [
    # The proxy in front redirects to https; it alone is spoken to by plain http.
    "security.W008",
    # Preloading cannot be taken back for months: the policy's headers.hsts.preload-confirmed-for.
    "security.W021",
]

# The policy has measured every request before Django sees it.
DATA_UPLOAD_MAX_MEMORY_SIZE = _policy.input.max_body
DATA_UPLOAD_MAX_NUMBER_FIELDS = _policy.input.max_form_fields
