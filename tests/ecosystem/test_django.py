"""Packages for Django, written as their documentation shows, in a service as in production.

`django/app/parts/` has the code, an application beside those of the service.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.ecosystem import environment
from tests.ecosystem.checks import (
    CALLER,
    HOOK,
    PLAIN,
    TRACE,
    check_authlib,
    check_celery,
    check_events,
    check_webhook,
    dsn,
    told_sentry,
)
from tests.ecosystem.environment import Edit
from tests.ecosystem.loopback import Received, mail_server, provider, silent, web_server
from tests.ecosystem.service import (
    FOREIGN,
    GZIP,
    JSON,
    SECRET,
    Client,
    Facts,
    Page,
    Service,
    asks_for_login,
    development,
    member,
    production,
    public,
    send,
    submit,
    window,
)
from tests.live.backends import PostgresServer, RedisServer, serving
from tests.live.service import ORIGIN, User, totp
from tests.projects import Project

ANSWERS = {"admin_path": "backoffice"}
EDITS = (
    Edit(
        "app/settings.py",
        "_PACKAGE = __name__",
        "from . import parts\n\n_PACKAGE = __name__",
    ),
    Edit("app/settings.py", '.app.notes",\n]\n', '.app.notes",\n]\nparts.settings(globals())\n'),
    Edit(
        "app/main.py",
        '.settings")\n',
        '.settings")\n    parts.instrument()\n',
    ),
    Edit(
        "app/main.py",
        "from ..adapter import Settings, load_settings, secure\n",
        "from ..adapter import Settings, load_settings, secure\nfrom . import parts\n",
    ),
    Edit(
        "app/urls.py",
        '    path("", include("my_service.app.notes.urls")),\n',
        '    path("", include("my_service.app.notes.urls")),\n'
        '    path("", include("my_service.app.parts.root")),\n',
    ),
    Edit(
        "app/models.py",
        "    is_active = models",
        "    email = models.EmailField(blank=True)\n    is_active = models",
        unless=" email = ",
    ),
    Edit(
        "app/migrations/0001_initial.py",
        '                ("is_active", models',
        '                ("email", models.EmailField(blank=True, max_length=254)),\n'
        '                ("is_active", models',
        unless='"email"',
    ),
)
TOKEN = "csrfmiddlewaretoken"  # noqa: S105 - the name of a field


FACTS = Facts(
    service={
        "response-headers": ["hx-trigger"],
        "redirect-hosts": ["provider.example"],
    },
    csp={"img-src": ["data:"]},
    routes=[
        *map(public, ("/accounts/", "/metrics", "/parts/rest/")),
        public("/parts/etag/", origins=["https://spa.example.com"]),
        {"path": "/parts/webhook/", **HOOK},
        {"path": "/parts/rest/upload/", "access": "public", "body": ["text/plain"]},
    ],
)
"""What rows of the page name as the fact that opens something."""


@pytest.fixture(scope="session")
def project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with all packages and the code for them."""
    target = tmp_path_factory.mktemp("django") / "project"
    made = environment.build("django", template, target, EDITS, **ANSWERS)
    manage(made, target, "makemigrations", "parts")
    return made


def manage(project: Project, folder: Path, *arguments: str, **variables: Any) -> str:
    """Run `manage.py`, with state in a folder, and return what it prints."""
    own: dict[str, Any] = {
        "APP_DATABASE_URL": f"sqlite:///{folder}/app.sqlite3",
        "APP_STORE_URL": f"sqlite:///{folder}/store.sqlite3",
        "PARTS_FOLDER": str(folder),
        **variables,
    }
    return project.run(project.python, "manage.py", *arguments, **own).stdout


@pytest.fixture(scope="session")
def mails() -> Iterator[Received]:
    """Run a mail server on loopback."""
    with mail_server() as received:
        yield received


@pytest.fixture(scope="session")
def opened(project: Project, mails: Received) -> Iterator[Service]:
    """Run the service with all parts, and their facts."""
    own: dict[str, Any] = {"PARTS_SECRET": SECRET, "PARTS_MAIL_PORT": str(mails.port)}
    with production(project, FACTS, **own) as service:
        yield service


@pytest.fixture(scope="session")
def closed(project: Project) -> Iterator[Service]:
    """Run the same without a fact."""
    with production(project, PARTS_SECRET=SECRET) as service:
        yield service


@pytest.fixture(scope="session")
def user(opened: Service) -> User:
    """Return a user of the service with the facts, who may use the admin."""
    return superuser(opened)


def superuser(service: Service) -> User:
    """Make somebody who may do everything."""
    user = service.add_user()
    code = (
        "from django.contrib.auth import get_user_model as m; u = m().objects.get(username={!r});"
        "u.is_staff = u.is_superuser = True; u.email = u.username + '@example.com'; u.save()"
    )
    command = [service.project.python, "manage.py", "shell", "-c", code.format(user.name)]
    service.project.run(*command, **service.environment())  # type: ignore[arg-type] # texts
    return user


def add_question(client: Client, text: str, **fields: str) -> str:
    """Add one by the generic view, and return its address."""
    answer = submit(client, "/parts/add/", {"question_text": text, **fields})
    assert answer.status_code == 302, Page(answer.text).forms
    return str(answer.headers["location"])


@pytest.mark.sample
def test_rest_framework(opened: Service, user: User) -> None:
    with member(opened, user) as client, opened.client() as visitor:
        made = client.post("/parts/rest/questions/", json={"question_text": "Why?"})
        assert made.status_code == 201
        wrong = client.post("/parts/rest/questions/", json={"status": "x"})
        assert wrong.status_code == 400
        assert wrong.json() == {
            "question_text": ["This field is required."],
            "status": ['"x" is not a valid choice.'],
        }
        found = client.get("/parts/rest/questions/?question_text=WHY&status=d").json()
        assert found["results"][0]["question_text"] == "Why?"
        url = f"/parts/rest/questions/{made.json()['id']}/"
        assert client.request("PATCH", url, json={"status": "p"}).json()["status"] == "p"
        token = {"x-csrftoken": client.token()}
        assert client.request("DELETE", url).status_code == 403
        assert client.request("DELETE", url, headers=token).status_code == 204
        assert client.get(url).json() == {"detail": "No Question matches the given query."}
        answers = [client.get("/parts/rest/few/") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert "Request was throttled." in answers[2].json()["detail"]
        assert int(answers[2].headers["retry-after"]) > 3000
        assert visitor.get("/parts/rest/questions/", headers=JSON).status_code in {401, 403}
        assert visitor.get("/parts/rest/hello/").status_code == 200


def test_rest_framework_is_closed_without_a_fact(stranger: Client) -> None:
    assert stranger.get("/parts/rest/hello/", headers=JSON).status_code == 401
    assert asks_for_login(stranger.get("/parts/rest/questions/"))


def test_rest_framework_browsable(client: Client) -> None:
    page = client.get("/parts/rest/questions/", headers={"accept": "text/html"})
    assert "Django REST framework" in page.text
    style = re.search(r'href="(/static/[^"]*rest_framework[^"]*\.css)"', page.text)
    assert style
    assert client.get(style[1]).status_code == 200
    sent = submit(
        client,
        "/parts/rest/questions/",
        {"question_text": "By the form?"},
        headers={"accept": "text/html"},
    )
    assert sent.status_code == 201
    # The scripts have no nonce: what they do, such as tabs, is missing.
    assert "script-src 'nonce-" in page.headers["content-security-policy"]


def test_rest_framework_tokens(visitor: Client, user: User) -> None:
    fields = {"username": user.name, "password": user.password}
    token = visitor.post("/parts/rest/token/", json=fields).json()["token"]
    by_token = {"authorization": f"Token {token}"}
    assert visitor.get("/parts/rest/questions/", headers=by_token).status_code == 200
    made = visitor.post("/parts/rest/questions/", json={"question_text": "T?"}, headers=by_token)
    assert made.status_code == 201
    wrong = visitor.get("/parts/rest/questions/", headers={"authorization": "Token no"})
    # The status by its first way to authenticate, which is the session.
    assert (wrong.status_code, wrong.json()) == (403, {"detail": "Invalid token."})
    basic = httpx.BasicAuth(user.name, user.password)
    assert visitor.get("/parts/rest/hello/", auth=basic).json() == {"user": user.name}


def test_rest_framework_tokens_are_throttled(opened: Service) -> None:
    victim = opened.add_user()
    with opened.client("198.51.100.77") as client:
        fields = {"username": victim.name, "password": "wrong"}
        answers = [client.post("/parts/rest/token/", json=fields) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [400] * 5 + [429]


def test_rest_framework_upload(client: Client) -> None:
    headers = {"content-type": "text/plain", "content-disposition": "attachment; filename=a.txt"}
    url = "/parts/rest/upload/a.txt"
    sent = client.request(
        "PUT", url, content=b"12345", headers={**headers, "x-csrftoken": client.token()}
    )
    assert (sent.status_code, sent.json()) == (201, {"name": "a.txt", "size": 5})


def test_allauth(opened: Service, visitor: Client, mails: Received) -> None:
    email = f"ada-{time.monotonic_ns()}@example.com"
    password = "Birke Tisch 4711 Wolke"  # noqa: S105 - of this test
    fields = {"email": email, "password1": password, "password2": password}
    answer = submit(visitor, "/accounts/signup/", fields)
    assert answer.status_code == 302, re.findall("errorlist.*", answer.text)
    mail = mails.wait(lambda text: email in text)
    assert f"{ORIGIN}/accounts/confirm-email/" in mail
    assert visitor.get("/account").status_code == 200
    with opened.client() as again:
        login = {"login": email, "password": password}
        assert submit(again, "/accounts/login/", login).status_code == 302
        assert "<title>" in again.get("/account").text
        assert submit(again, "/accounts/logout/", {}, known_by=TOKEN, last=True).status_code == 302
        assert asks_for_login(again.get("/account"))
    for page in ("email", "password/change"):
        assert visitor.get(f"/accounts/{page}/").status_code == 200, page


def test_allauth_is_the_first_of_two_proofs(
    opened: Service, visitor: Client, mails: Received
) -> None:
    """Whatever view logs somebody in: who has a second factor is asked for it (PPL-4)."""
    email = f"ada-{time.monotonic_ns()}@example.com"
    password = "Birke Tisch 4711 Wolke"  # noqa: S105 - of this test
    signup = {"email": email, "password1": password, "password2": password}
    assert submit(visitor, "/accounts/signup/", signup).status_code == 302
    mails.wait(lambda text: email in text)
    page = visitor.get("/account/factors/totp")
    secret = re.search(r"<code>([A-Z2-7]{32})</code>", page.text)
    assert secret
    action, given = Page(page.text).form("enrolment")
    data = {**given, "code": totp(secret[1])}
    added = visitor.request("POST", page.url.join(action), data=data)
    code = re.search(r"<code>([a-z0-9-]{19})</code>", added.text)
    assert code
    with opened.client() as again:
        login = {"login": email, "password": password}
        half = submit(again, "/accounts/login/?next=/account/factors", login)
        asked = half.headers["location"]
        assert (half.status_code, asked) == (303, "/login/factor?next=/account/factors")
        assert asks_for_login(again.get("/account"))
        # Without a place to go on to, its adapter insists on a user.
        half = submit(again, "/accounts/login/", login)
        assert (half.status_code, half.headers["location"]) == (303, "/login/factor")
        assert submit(again, asked, {"code": code[1]}).headers["location"] == "/account/factors"
        assert again.get("/account").status_code == 200


def test_allauth_counts_in_the_throttle(opened: Service, user: User) -> None:
    with opened.client("198.51.100.78") as client:
        login = {"login": f"{user.name}@example.com", "password": "wrong"}
        answers = [submit(client, "/accounts/login/", login) for _ in range(6)]
        assert [answer.status_code for answer in answers][:5] == [200] * 5
        assert answers[5].status_code == 429


def test_allauth_mfa(opened: Service, visitor: Client, stranger: Client, mails: Received) -> None:
    email = f"ada-{time.monotonic_ns()}@example.com"
    password = "Birke Tisch 4711 Wolke"  # noqa: S105 - of this test
    signup = {"email": email, "password1": password, "password2": password}
    assert submit(visitor, "/accounts/signup/", signup).status_code == 302
    link = re.search(r"(/accounts/confirm-email/\S+)", mails.wait(lambda text: email in text))
    assert link
    assert submit(visitor, link[1], {}, known_by=TOKEN, last=True).status_code == 302
    # It asks for the password once more, before it shows a secret.
    activate = "/accounts/2fa/totp/activate/"
    asked = visitor.get(activate)
    assert asked.headers["location"].startswith("/accounts/reauthenticate/?next=")
    again = submit(visitor, asked.headers["location"], {"password": password})
    assert again.headers["location"] == activate
    page = visitor.get(again.headers["location"])
    # The code to scan is an image in its address, which the fact allows.
    assert 'src="data:image/svg+xml;base64,' in page.text
    assert "img-src 'self' data:" in page.headers["content-security-policy"]
    assert "data:" not in stranger.get("/").headers["content-security-policy"]
    secret = re.search(r'value="([A-Z2-7]{32})"', page.text)
    assert secret
    assert "Incorrect code." in send(visitor, page, {"code": "wrong"}).text
    added = send(visitor, page, {"code": totp(secret[1])})
    assert added.headers["location"] == "/accounts/2fa/recovery-codes/"
    listed = visitor.get(f"{added.headers['location']}download/").text
    codes = re.findall(r"^(\d{8})$", listed, re.M)
    assert len(codes) == 10
    login = {"login": email, "password": password}
    # The next code, which the tolerance allows: no test waits until it is shown.
    for code in (totp(secret[1], steps=1), codes[0]):
        with opened.client() as browser:
            half = submit(browser, "/accounts/login/", login).headers["location"]
            assert half == "/accounts/2fa/authenticate/"
            assert asks_for_login(browser.get("/account"))
            assert "Incorrect code." in submit(browser, half, {"code": "1"}).text
            assert submit(browser, half, {"code": code}).status_code == 302
            assert browser.get("/account").status_code == 200
            # Each is used up.
            again = submit(browser, "/accounts/2fa/reauthenticate/", {"code": code})
            assert "Incorrect code." in again.text
    name = re.search(r'autocomplete="username" value="([^"]+)"', visitor.get("/account").text)
    assert name
    # The service's own login knows nothing of them, so `/login` has to lead to the other one.
    with member(opened, User(name[1], password)) as one_proof:
        assert one_proof.logged_in()


def test_allauth_in_the_place_of_our_login(project: Project, tmp_path: Path) -> None:
    ours = 'path("login", views.LoginView.as_view(), name="login"),'
    theirs = """path(
        "login",
        login_not_required(RedirectView.as_view(pattern_name="account_login", query_string=True)),
        name="login",
    ),"""
    copy = copy_of(project, tmp_path)
    urls = copy.path / "src" / "my_service" / "app" / "urls.py"
    text = urls.read_text("utf-8")
    assert ours in text
    imports = (
        "from django.contrib.auth.decorators import login_not_required\n"
        "from django.views.generic import RedirectView\n"
    )
    before = "from django.urls import"
    urls.write_text(text.replace(ours, theirs).replace(before, f"{imports}{before}", 1), "utf-8")
    own: dict[str, Any] = {"PARTS_SECRET": SECRET, "PYTHONPATH": str(copy.path / "src")}
    with production(copy, FACTS, **own) as service:
        with service.client() as visitor:
            asked = visitor.get("/account")
            assert asks_for_login(asked)
            page = visitor.get(asked.headers["location"])
            assert page.headers["location"] == "/accounts/login/?next=/account"
            user = service.add_user()
            own_form = {"username": user.name, "password": user.password}
            assert visitor.request("POST", "/login", data=own_form).status_code == 302
            assert not visitor.get("/account").is_success


def copy_of(project: Project, folder: Path) -> Project:
    """Return a copy of which one test may edit files; `PYTHONPATH` has to name its `src`."""
    copy = project.copy(folder / "copy")
    (copy.path / ".venv").symlink_to(project.path / ".venv")
    return copy


def test_admin(opened: Service, client: Client) -> None:
    base = "/backoffice/parts/question"
    tag = submit(client, "/backoffice/parts/tag/add/", {"name": "green"})
    assert tag.status_code == 302
    texts = {"question_text": "Admin?", "choice_set-0-choice_text": "yes"}
    picture = {"picture": ("a.txt", b"file")}
    page = client.get(f"{base}/add/")
    number = re.search(r'<option value="(\d+)">green', page.text)
    assert number
    made = submit(client, f"{base}/add/", {**texts, "tags": [number[1]]}, files=picture)
    assert made.status_code == 302, re.findall("errorlist.*", made.text)
    listed = client.get(f"{base}/?q=Admin&status__exact=d&tags__id__exact={number[1]}")
    assert "was added successfully" in listed.text
    assert "1 question" in listed.text
    key = re.search(r'name="_selected_action" value="(\d+)"', listed.text)
    assert key
    fields: dict[str, Any] = {"action": "make_published", "_selected_action": [key[1]]}
    done = submit(client, f"{base}/", fields, known_by="action")
    assert done.status_code == 302
    changed = client.get(f"{base}/{key[1]}/change/").text
    assert re.search(r'<option value="p" selected', changed)
    assert 'value="yes"' in changed
    assert "questions/a" in changed
    fields["action"] = "delete_selected"
    confirm = submit(client, f"{base}/", fields, known_by="action")
    assert "Are you sure" in confirm.text
    hidden = Page(confirm.text).form("post")[1]
    client.request("POST", confirm.url, data=hidden)
    assert "0 questions" in client.get(f"{base}/?q=Admin").text
    assert client.get("/backoffice/jsi18n/").status_code == 200


def test_generic_views_and_messages(client: Client) -> None:
    url = add_question(client, "Generic?")
    page = client.get(url)
    assert "Generic? was created successfully" in page.text
    assert "was created" not in client.get(url).text
    changed = submit(client, f"{url}edit/", {"question_text": "Changed?"})
    assert changed.headers["location"] == page.url.path or changed.status_code == 302
    assert "Changed?" in client.get("/parts/").text
    assert submit(client, f"{url}delete/", {"sent": "yes"}).status_code == 302
    assert client.get(url).status_code == 404


def test_formsets_and_votes(client: Client) -> None:
    url = add_question(client, "Formset?")
    fields = {"choice_set-0-choice_text": "a", "choice_set-1-choice_text": "b"}
    assert submit(client, f"{url}choices/", fields).status_code == 302
    assert submit(client, url, {}, known_by="choice").status_code == 302
    assert "b: 1" in client.get(url).text
    none = client.post(f"{url}vote/", data={})
    assert "select a choice." in none.text


def test_repeated_names_and_several_uploads(client: Client) -> None:
    answer = client.post("/parts/list/?q=1&q=2", data={"name": ["a", "b"]})
    assert answer.json() == {"names": ["a", "b"], "q": ["1", "2"]}
    sent = submit(client, "/parts/name/", {"your_name": "Ada", "colours": ["r", "g"]})
    assert sent.headers["location"].endswith("/parts/?rg")
    assert "Profile details updated." in client.get("/parts/").text
    files = [("file_field", ("a", b"1")), ("file_field", ("b", b"22"))]
    sent = submit(client, "/parts/files/", {"sent": "yes"}, files=files)
    assert sent.json() == {"sizes": [1, 2]}


def test_forms_need_their_token(client: Client) -> None:
    refused = client.request("POST", "/parts/list/", data={"name": "a"})
    assert refused.status_code == 403


def test_password_change_stock(opened: Service, visitor: Client) -> None:
    user = opened.add_user()
    new = "Wolke Birke 84 Tisch"
    with member(opened, user) as client:
        fields = {"old_password": "wrong", "new_password1": new, "new_password2": new}
        before = client.cookies["__Host-session"]
        wrong = [submit(client, "/auth/change/", fields) for _ in range(5)]
        assert [answer.status_code for answer in wrong] == [200] * 5
        # The right one too: it counts as a login does.
        fields["old_password"] = user.password
        assert submit(client, "/auth/change/", fields).status_code == 429
    with opened.client("198.51.100.99") as client, member(opened, user, "198.51.100.98") as other:
        login = {"username": user.name, "password": user.password}
        assert submit(client, "/login", login).status_code in {302, 303}
        answer = submit(client, "/auth/change/", fields)
        assert answer.status_code == 302, re.findall("errorlist.*", answer.text)
        assert client.cookies["__Host-session"] != before
        assert client.logged_in()
        assert not other.logged_in()


def test_password_reset(opened: Service, mails: Received) -> None:
    user = superuser(opened)
    with member(opened, user) as signed_in, opened.client() as client:
        asked = submit(client, "/auth/reset/", {"email": f"{user.name}@example.com"})
        assert asked.status_code == 302
        mail = mails.wait(lambda text: f"To: {user.name}@example.com" in text)
        mail = mail.replace("=\r\n", "").replace("=3D", "=")
        link = re.search(rf"{ORIGIN}(/auth/reset/\S+)", mail)
        assert link
        page = client.get(link[1], headers={"sec-fetch-site": "none"})
        assert page.status_code == 302
        new = "Wolke Birke 84 Tisch"
        fields = {"new_password1": new, "new_password2": new}
        assert submit(client, page.headers["location"], fields).status_code == 302
        login = {"username": user.name, "password": new}
        assert submit(client, "/login", login).status_code in {302, 303}
        assert not signed_in.logged_in()


def test_crispy_forms(client: Client) -> None:
    page = client.get("/parts/crispy/").text
    assert 'id="div_id_question_text" class="mb-3"' in page
    assert "csrfmiddlewaretoken" in page
    again = submit(client, "/parts/crispy/", {"question_text": ""})
    assert "This field is required." in again.text


def test_django_filter(client: Client) -> None:
    add_question(client, "Filter me")
    for url in ("/parts/filtered/", "/parts/filter-view/"):
        assert "<li>Filter me" in client.get(f"{url}?question_text=filter").text
        assert "<li>Filter me" not in client.get(f"{url}?question_text=other").text


def test_django_htmx(stranger: Client, visitor: Client) -> None:
    asked = {"hx-request": "true"}
    assert visitor.get("/parts/htmx/").text == "whole page"
    answer = visitor.get("/parts/htmx/", headers=asked)
    assert (answer.text, answer.headers["hx-trigger"]) == ("<b>part</b>", "done")
    assert "hx-trigger" not in stranger.get("/parts/htmx/", headers=asked).headers


def test_django_cors_headers(stranger: Client, visitor: Client) -> None:
    name = "access-control-allow-origin"
    origin = {"origin": "https://spa.example.com", **FOREIGN}
    asked = {**origin, "access-control-request-method": "PUT"}
    assert name not in stranger.get("/parts/etag/", headers=origin).headers
    assert name not in stranger.options("/parts/etag/", headers=asked).headers
    # The policy says it, and answers the preflight; what the package says is taken off.
    answer = visitor.get("/parts/etag/", headers=origin)
    assert answer.headers.get_list(name) == ["https://spa.example.com"]
    preflight = visitor.options("/parts/etag/", headers=asked)
    assert preflight.headers[name] == "https://spa.example.com"


def test_django_ratelimit(opened: Service) -> None:
    with opened.client("198.51.100.50") as client:
        answers = [client.get("/parts/limited/") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 403]
        assert answers[0].text == "198.51.100.50"
    with opened.client("198.51.100.51") as other:
        assert other.get("/parts/limited/").status_code == 200


def test_locale_middleware(visitor: Client) -> None:
    for language, text in (("de", "Montag de"), ("en", "Monday en")):
        assert visitor.get("/parts/translated/", headers={"accept-language": language}).text == text


def test_set_expiry_of_zero(client: Client) -> None:
    answer = client.get("/parts/forget/")
    assert answer.text == "True"
    # No new cookie, so a browser that was closed still has the one of the login.
    assert "set-cookie" not in answer.headers


def test_second_database(client: Client) -> None:
    assert client.get("/parts/archive/").json() == {"two": 2}


def test_streaming(client: Client, visitor: Client) -> None:
    for number in range(3):
        add_question(client, f"Row {number}")
    answer = client.get("/parts/export/")
    assert answer.text.count("\r\n") >= 3
    assert "somefilename.csv" in answer.headers["content-disposition"]
    check_events(visitor, "/parts/events/", "data: 0\n\ndata: 1\n\ndata: 2\n\n")


def test_conditional_requests_and_gzip(client: Client, visitor: Client) -> None:
    found = visitor.get("/parts/etag/", headers=PLAIN)
    headers = {"if-none-match": found.headers["etag"]}
    assert visitor.get("/parts/etag/", headers=headers).status_code == 304
    assert b"FileResponse" in visitor.get("/parts/video/").content
    assert visitor.get("/parts/cached/").text == visitor.get("/parts/cached/").text
    assert visitor.get("/parts/long/", headers=GZIP).headers["content-encoding"] == "gzip"
    assert "content-encoding" not in client.get("/parts/long/", headers=GZIP).headers


def test_webhook_with_a_signature(visitor: Client) -> None:
    check_webhook(visitor, "/parts/webhook/")


def test_own_errors(client: Client, visitor: Client) -> None:
    assert "Poll does not exist" in visitor.get("/parts/missing/404/").text
    assert "Not yours" in visitor.get("/parts/missing/403/").text
    answer = visitor.get("/parts/missing/409/")
    assert (answer.status_code, answer.json()) == (409, {"left": 2})
    assert client.get("/parts/astray/").status_code == 400


def test_debug_toolbar(project: Project) -> None:
    with development(project, PARTS="toolbar", PARTS_SECRET=SECRET) as service:
        with service.client() as client:
            page = client.get("/")
            assert 'id="djDebug"' in page.text
            script = re.search(r'src="(/static/[^"]*debug_toolbar[^"]*\.js)"', page.text)
            assert script
            assert client.get(script[1]).status_code == 200
        with window(service) as (browser, complaints):
            browser.goto("/parts/")
            browser.wait_for_selector("#djDebugToolbar", state="visible")
            assert not complaints
            # The content of a panel is written as HTML that comes as text.
            with browser.expect_console_message(lambda line: "TrustedHTML" in line.text):
                browser.click("#djdt-SQLPanel a")


def test_email_as_the_name(project: Project, tmp_path: Path) -> None:
    """A user of its own kind, as Django's documentation has it: before the first migration."""
    copy = copy_of(project, tmp_path)
    app = copy.path / "src" / "my_service" / "app"
    models = app / "models.py"
    text = models.read_text("utf-8")
    for old, new in EMAIL_AS_THE_NAME:
        assert old in text, old
        text = text.replace(old, new)
    models.write_text(text, "utf-8")
    for file in (app / "admin.py", *(app / "templates").rglob("*.html")):
        text = file.read_text("utf-8")
        text = text.replace('"username"', '"email"') if file.suffix == ".py" else text
        file.write_text(text.replace("user.username", "user.email"), "utf-8")
    settings = app / "settings.py"
    # So that allauth knows it.
    settings.write_text(f"{settings.read_text()}\nACCOUNT_USER_MODEL_USERNAME_FIELD = None\n")
    (app / "migrations" / "0001_initial.py").unlink()
    own: Any = {"PARTS_SECRET": SECRET, "PYTHONPATH": str(copy.path / "src")}
    manage(copy, tmp_path, "makemigrations", "app", **own)
    with production(copy, FACTS, **own) as service:
        user = service.add_user("Ada@example.com")
        with member(service, user) as client:
            assert "ada@example.com" in client.get("/account").text.lower()
        with service.client() as visitor:
            login = {"username": "ada@example.com", "password": user.password}
            assert submit(visitor, "/login", login).is_redirect
            assert visitor.logged_in()


EMAIL_AS_THE_NAME = (
    ("    username = models.CharField(max_length=100, unique=True)\n", ""),
    (
        'models.EmailField("e-mail", blank=True, null=True)',
        'models.EmailField("e-mail", unique=True)',
    ),
    ('USERNAME_FIELD = "username"', 'USERNAME_FIELD = "email"'),
    (
        "self, username: str, email: str | None = None, password: str | None = None",
        "self, email: str, password: str | None = None",
    ),
    ("self.model(username=username, email=email or None,", "self.model(email=email,"),
    ("self.create_user(username, email, password", "self.create_user(email, password"),
)


@pytest.fixture(scope="module")
def more(project: Project) -> Iterator[Service]:
    """Run the service with the packages of `parts/more.py`."""
    facts = Facts(
        service={"response-headers": ["x-robots-tag"]},
        routes=[*map(public, ("/more/api/", "/more/knox/", "/open/"))],
    )
    with production(project, facts, PARTS="more", PARTS_SECRET=SECRET) as service:
        # The tables are those that services of the project have without them.
        assert service.command("db", "upgrade").returncode == 0
        yield service


def test_async_views(more: Service) -> None:
    user = more.add_user()
    with more.client() as client:
        assert client.get("/more/async/").text == "Hello async world!"
        wrong = {"username": user.name, "password": "a wrong password"}
        assert client.post("/more/enter/", data=wrong).status_code == 401
        right = {"username": user.name, "password": user.password}
        assert client.post("/more/enter/", data=right).text == "in"
        assert client.logged_in()
        for count in (1, 2):
            found = client.get("/more/current/").json()
            assert (found["user"], found["count"]) == (user.name, count)
        assert client.get("/more/leave/").text == "out"
        assert not client.logged_in()
        assert client.get("/more/current/").json()["user"] == ""
    with more.client("198.51.100.77") as client:
        wrong = {"username": "nobody", "password": "a wrong password"}
        tried = [client.post("/more/enter/", data=wrong).status_code for _ in range(6)]
        assert tried == [401] * 5 + [429]


def test_async_generators_are_sent_as_a_whole(more: Service) -> None:
    mark = more.mark()
    with more.client() as client:
        assert client.get("/more/pieces/", headers=PLAIN).text == "0\n1\n2\n"
    assert any("asynchronous iterators" in line["event"] for line in more.lines(mark))


def test_django_ninja(more: Service) -> None:
    with more.client() as client:
        assert client.get("/more/api/add?a=1&b=2").json() == {"result": 3}
        assert client.get("/more/api/add?a=x", headers=JSON).status_code == 422
        answer = client.post("/more/api/items", json={"name": "x"})
        assert answer.json() == {"name": "x", "price": 1}
        assert client.get("/more/api/bearer", headers=JSON).status_code == 401
        token = {"authorization": "Bearer supersecret"}
        assert client.get("/more/api/bearer", headers=token).json() == {"token": "supersecret"}
        assert client.get("/more/api/me", headers=JSON).status_code == 401
        assert "/more/api/add" in client.get("/more/api/openapi.json").json()["paths"]
        page = client.get("/more/api/docs").text
        assert "<script" in page
        assert "nonce=" not in page
    user = more.add_user()
    with member(more, user) as client:
        assert client.get("/more/api/me").json() == user.name


def test_tables_and_wizards(more: Service) -> None:
    with member(more, superuser(more)) as client:
        add_question(client, "Which tea?")
        assert "Which tea?" in client.get("/more/table/?sort=-question_text").text
        first = {"0-subject": "Tea", "0-sender": "a@example.com"}
        answer = send(client, submit(client, "/more/wizard/", first), {"1-message": "Hello"})
        given = {"subject": "Tea", "sender": "a@example.com"}
        assert answer.json() == {"data": [given, {"message": "Hello"}]}


def test_feeds_and_sitemaps(more: Service) -> None:
    with more.client() as client:
        assert asks_for_login(client.get("/more/feed/"))
        answer = client.get("/more/feed/open/")
        assert answer.headers["content-type"].startswith("application/rss+xml")
        assert "<urlset" in (answer := client.get("/more/sitemap.xml")).text
        assert answer.headers["x-robots-tag"] == "noindex, noodp, noarchive"


def test_flatpages_and_redirects(more: Service) -> None:
    code = (
        "from django.contrib.flatpages.models import FlatPage as page;"
        "from django.contrib.redirects.models import Redirect as redirect;"
        "from django.contrib.sites.models import Site; site = Site.objects.get(pk=1);"
        "[page.objects.create(url=url, title='t', content='About us').sites.add(site)"
        " for url in ('/open/about/', '/about/')];"
        "[redirect.objects.create(site=site, old_path=old, new_path='/open/about/')"
        " for old in ('/open/old/', '/old/')]"
    )
    own: dict[str, Any] = more.environment()
    more.project.run(more.project.python, "manage.py", "shell", "-c", code, **own)
    with more.client() as client:
        assert "About us" in client.get("/open/about/").text
        assert client.get("/open/old/").headers["location"] == "/open/about/"
        assert client.get("/open/nothing/").status_code == 404
        for closed in ("/about/", "/old/"):
            assert asks_for_login(client.get(closed))
    with member(more, more.add_user()) as client:
        assert "About us" in client.get("/about/").text
        assert client.get("/old/").headers["location"] == "/open/about/"


def test_knox(more: Service) -> None:
    """It tells of the login by Django's signal, and begins no session (SES-9)."""
    user = more.add_user()
    with more.client() as client:
        assert client.post("/more/knox/login/", auth=(user.name, "wrong")).status_code == 403
        answer = client.post("/more/knox/login/", auth=(user.name, user.password))
        assert answer.json()["token"]
        assert not client.cookies
        assert asks_for_login(client.get("/account"))
    with more.client("198.51.100.78") as client:
        auth = (user.name, "a wrong password")
        tried = [client.post("/more/knox/login/", auth=auth).status_code for _ in range(6)]
        assert tried == [403] * 5 + [429]


def test_django_csp(project: Project) -> None:
    """A policy that a view has set stands; the pages know its nonce."""
    with production(project, PARTS="csp", PARTS_SECRET=SECRET) as service:
        with service.client() as client:
            page = client.get("/login")
        policy = page.headers["content-security-policy"]
        (nonce,) = set(re.findall(r'nonce="([^"]+)"', page.text))
        assert policy == f"script-src 'nonce-{nonce}'; default-src 'self'"
        # What the policy fixes stays.
        assert page.headers["strict-transport-security"].startswith("max-age=300")


def test_hijack(more: Service) -> None:
    staff, user = superuser(more), more.add_user()
    code = (
        "from django.contrib.auth import get_user_model as m;"
        f"print(m().objects.get(username={user.name!r}).pk)"
    )
    command = [more.project.python, "manage.py", "shell", "-c", code]
    own: dict[str, Any] = more.environment()
    number = more.project.run(*command, **own).stdout.split()[-1]
    with member(more, staff) as client:
        taken = client.post("/more/hijack/acquire/", data={"user_pk": number, "next": "/account"})
        assert taken.status_code == 302
        assert client.get("/more/current/").json()["user"] == user.name
        assert client.post("/more/hijack/release/", data={"next": "/account"}).status_code == 302
        assert client.get("/more/current/").json()["user"] == staff.name
    with member(more, user) as client:
        refused = client.post("/more/hijack/acquire/", data={"user_pk": number})
        assert refused.status_code == 403


def test_pytest_django(project: Project, tmp_path: Path) -> None:
    file = project.path / "tests" / "app" / "test_with_pytest_django.py"
    file.write_text(PYTEST_DJANGO, "utf-8")
    done = project.run(
        project.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/app", str(file)
    )
    assert re.search(r"\d+ passed", done.stdout)


PYTEST_DJANGO = """
import pytest
from asgiref.sync import async_to_sync
from django.shortcuts import render
from pytest_django.asserts import assertRedirects

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(django_user_model):
    return django_user_model.objects.create_user(username="ada", password="Birke Tisch 84 Wolke")


def test_client(client, ada):
    assertRedirects(client.get("/parts/"), "/login?next=/parts/", status_code=303)
    assert client.login(username="ada", password="Birke Tisch 84 Wolke")
    assert client.get("/parts/").status_code == 200
    client.logout()
    client.force_login(ada)
    response = client.post("/parts/add/", {"question_text": "Why?"}, follow=True)
    assert response.redirect_chain
    assert "Why? was created successfully" in response.content.decode()


def test_hosts(client, settings):
    assert client.get("/login", headers={"host": "otherserver"}).status_code == 400
    settings.ALLOWED_HOSTS = ["otherserver", "testserver"]
    assert client.get("/login", headers={"host": "otherserver"}).status_code == 200


def test_settings_and_mail(client, settings, mailoutbox, ada):
    ada.email = "ada@example.com"
    ada.save()
    response = client.post("/auth/reset/", {"email": "ada@example.com"})
    assertRedirects(response, "/auth/reset/done/")
    assert len(mailoutbox) == 1


def test_other_ways_to_ask(async_client, rf, ada):
    async_to_sync(async_client.aforce_login)(ada)
    assert async_to_sync(async_client.get)("/parts/").status_code == 200
    request = rf.get("/")
    request.user = ada
    assert render(request, "home.html").status_code == 200


def test_queries(client, ada, django_assert_max_num_queries):
    client.force_login(ada)
    with django_assert_max_num_queries(10):
        client.get("/parts/")
"""


@pytest.mark.parametrize("facts", [Facts(routes=[public("/files/")]), Facts()])
def test_whitenoise(project: Project, facts: Facts) -> None:
    with production(project, facts, PARTS="whitenoise", PARTS_SECRET=SECRET) as service:
        own: Any = service.environment()
        project.run(project.python, "manage.py", "collectstatic", "--noinput", **own)
        service.stop()
        service.start()
        with service.client() as client:
            style = re.search(r'href="(/files/[^"]+\.css)"', client.get("/").text)
            assert style
            answer = client.get(style[1])
            if facts.routes:
                assert answer.status_code == 200
                assert "immutable" in answer.headers["cache-control"]
            else:
                assert asks_for_login(answer)


def test_axes(project: Project) -> None:
    with production(project, PARTS="axes", PARTS_SECRET=SECRET) as service:
        # The tables are those that services of the project have without it.
        assert service.command("db", "upgrade").returncode == 0
        user = service.add_user()
        with service.client("198.51.100.60") as client:
            fields = {"username": user.name, "password": "wrong"}
            answers = [submit(client, "/login", fields) for _ in range(3)]
            assert [answer.status_code for answer in answers[:1]] == [401]
            assert answers[2].status_code in {403, 429}
        with member(service, user, "198.51.100.61") as client:
            assert client.logged_in()


def test_sentry(project: Project) -> None:
    with web_server(silent) as sentry:
        own: dict[str, Any] = {"PARTS_SECRET": SECRET, "PARTS_DSN": dsn(sentry)}
        with production(project, PARTS="sentry", **own) as service:
            user = service.add_user()
            with member(service, user) as client:
                path = "/parts/sentry-debug/"
                told = told_sentry(service, client, user, sentry, path, "ZeroDivisionError")
                assert told == []


def test_django_prometheus(project: Project) -> None:
    for facts in (FACTS, Facts()):
        with production(project, facts, PARTS="prometheus", PARTS_SECRET=SECRET) as service:
            with service.client() as visitor:
                assert visitor.get("/").status_code == 200
                answer = visitor.get("/metrics")
                if facts is FACTS:
                    assert 'view="home"' in answer.text
                    assert "django_http_responses_total_by_status_total" in answer.text
                else:
                    assert asks_for_login(answer)


def test_opentelemetry(project: Project) -> None:
    with production(project, PARTS="opentelemetry", PARTS_SECRET=SECRET) as service:
        with member(service, service.add_user()) as client:
            assert client.get("/parts/", headers=CALLER).status_code == 200
            spans = client.get("/parts/spans/").json()
    (span,) = [span for span in spans if span["name"] == "GET parts/"]
    assert span["attributes"]["http.url"] == f"{ORIGIN}/parts/"
    assert span["attributes"]["net.peer.ip"] == "198.51.100.1"
    assert span["trace"] == TRACE


def test_authlib(project: Project) -> None:
    with web_server(provider) as oauth:
        own: dict[str, Any] = {
            "PARTS_SECRET": SECRET,
            "PARTS_PROVIDER": f"http://127.0.0.1:{oauth.port}",
        }
        with production(project, FACTS, PARTS="oauth", **own) as service:
            with service.client() as visitor:
                check_authlib(visitor, "/parts/oauth/login/", redirect=302)


def test_simplejwt_and_spectacular(project: Project) -> None:
    with production(project, FACTS, PARTS="jwt", PARTS_SECRET=SECRET) as service:
        user = service.add_user()
        fields = {"username": user.name, "password": user.password}
        with service.client() as visitor:
            pair = visitor.post("/parts/rest/jwt/", json=fields).json()
            bearer = {"authorization": f"Bearer {pair['access']}"}
            made = visitor.post(
                "/parts/rest/questions/", json={"question_text": "J?"}, headers=bearer
            )
            assert made.status_code == 201
            again = visitor.post("/parts/rest/jwt/refresh/", json={"refresh": pair["refresh"]})
            assert set(again.json()) == {"access"}
            schema = visitor.get("/parts/rest/schema/?format=json", headers=bearer)
            assert "/parts/rest/questions/" in schema.json()["paths"]
            page = visitor.get("/parts/rest/schema/swagger-ui/", headers=bearer)
            assert "<script" in page.text
            assert "nonce=" not in page.text
        with service.client("198.51.100.79") as client:
            wrong = {"username": user.name, "password": "wrong"}
            answers = [client.post("/parts/rest/jwt/", json=wrong) for _ in range(6)]
            assert [answer.status_code for answer in answers] == [401] * 5 + [429]


def test_celery(project: Project) -> None:
    with serving(RedisServer) as redis:
        own: dict[str, Any] = {"PARTS_SECRET": SECRET, "PARTS_REDIS": redis.url}
        with production(project, PARTS="celery", **own) as service:
            check_celery(service, "my_service.app.parts", "/parts/tasks/")


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL."""
    with serving(PostgresServer) as server:
        yield server


def test_streaming_from_postgresql(project: Project, postgres: PostgresServer) -> None:
    own: dict[str, Any] = {"PARTS_SECRET": SECRET, "APP_DATABASE_URL": postgres.url}
    with (
        production(project, FACTS, **own) as service,
        psycopg.connect(postgres.url, autocommit=True) as database,
        member(service, service.add_user()) as client,
    ):
        database.execute(
            "INSERT INTO parts_question (question_text, status, picture)"
            " SELECT 'Row ' || n, 'd', '' FROM generate_series(1, 20000) n"
        )
        assert client.get("/parts/export/").text.count("Row ") == 20_000
        events = client.get("/parts/feed/", headers=PLAIN)
        assert events.headers["content-type"] == "text/event-stream"
        assert events.text.count("\n\n") == 20_000
        for _ in range(3):
            # Who leaves in the middle.
            with client.stream("GET", "/parts/feed/", headers=PLAIN) as left:
                assert next(left.iter_text()).startswith("id: 1\ndata: Row 1\n\n")
        with client.stream("GET", "/parts/listen/", headers=PLAIN) as stream:
            pieces = stream.iter_text()
            assert next(pieces) == "data: listening\n\n"
            for word in ("one", "two"):
                database.execute("SELECT pg_notify('questions', %s)", (word,))
                assert next(pieces) == f"data: {word}\n\n"
            assert list(pieces) == []
        wait_for_idle(database)
        assert client.get("/parts/1/").status_code == 200


def wait_for_idle(database: psycopg.Connection) -> None:
    """Return once no other connection is at work or has a transaction open."""
    busy = (
        "SELECT state, query FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " AND state <> 'idle' AND pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + 60
    while found := database.execute(busy).fetchall():
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_startapp_beside_the_app(project: Project, tmp_path: Path) -> None:
    copy = copy_of(project, tmp_path)
    own: Any = {"PYTHONPATH": str(copy.path / "src"), "PARTS_FOLDER": str(tmp_path)}
    copy.run(copy.python, "manage.py", "startapp", "polls", **own)
    (copy.path / "polls" / "views.py").write_text(
        "from django.http import HttpResponse\n\n\n"
        "def index(request):\n"
        '    return HttpResponse("Hello, world. You\'re at the polls index.")\n'
    )
    settings = copy.path / "src" / "my_service" / "app" / "settings.py"
    settings.write_text(settings.read_text() + '\nINSTALLED_APPS += ["polls"]\n')
    urls = settings.with_name("urls.py")
    urls.write_text(
        f"{urls.read_text()}\nfrom polls.views import index\n\n"
        'urlpatterns += [path("polls/", index)]\n'
    )
    with production(copy, PARTS_SECRET=SECRET, PYTHONPATH=own["PYTHONPATH"]) as service:
        with service.client() as visitor:
            assert asks_for_login(visitor.get("/polls/"))
        with member(service, service.add_user()) as client:
            assert "polls index" in client.get("/polls/").text
