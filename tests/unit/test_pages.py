"""What the pages say to who fills them in: a field its limit, an objection its field."""

from __future__ import annotations

from html.parser import HTMLParser

import httpx
import pytest
from typing_extensions import override

from ..driver import Browser, Inside, new_user
from ..test_ppl_factors import enrolment, owner

PAGES = (
    "/login",
    "/login/factor",
    "/account",
    "/account/confirm",
    "/account/factors/totp",
    "/account/factors/passkey",
    "/account/email",
    "/forgot",
    "/signup",
)


class Form(HTMLParser):
    """The form of a page that somebody types into."""

    def __init__(self, page: httpx.Response) -> None:
        super().__init__()
        self.action = ""
        self.hidden: dict[str, str] = {}
        self.limits: dict[str, int] = {}
        """Of the fields by name, 0 for none."""
        self._forms: list[tuple[str, dict[str, str], dict[str, int]]] = []
        self.feed(page.text)
        typed = [form for form in self._forms if form[2]]
        assert len(typed) == 1, page.text
        self.action, self.hidden, self.limits = typed[0]

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._forms.append((found["action"], {}, {}))
        elif tag == "input" and "name" in found:
            _, hidden, limits = self._forms[-1]
            if found.get("type") == "hidden":
                hidden[found["name"]] = found.get("value", "")
            else:
                limits[found["name"]] = int(found.get("maxlength", 0))


def reader(inside: Inside, page: str) -> Browser:
    """Return a browser in which the page opens."""
    if page == "/login/factor":
        return owner(inside).half(inside)
    return inside.member() if page.startswith("/account") else inside.visitor()


@pytest.mark.parametrize("page", PAGES)
def test_who_types_until_the_browser_stops_keeps_the_page(inside: Inside, page: str) -> None:
    """Beyond that is a page that knows neither the limit nor what was typed."""
    browser = reader(inside, page)
    opened = browser.get(page)
    if opened.status_code == 404:
        pytest.skip("a page of services that send mail")
    form = Form(opened)
    assert all(form.limits.values()), form.limits
    full = {name: "a" * limit for name, limit in form.limits.items()}
    if "credential" in form.hidden:
        # Of a passkey, which a script fills in.
        full["credential"] = "x"
    answer = browser.post(form.action, **{**form.hidden, **full})
    assert "Invalid input" not in answer.text
    assert Form(answer).limits == form.limits


def test_objection_names_its_field(inside: Inside) -> None:
    user = inside.add_user()
    browser = inside.login(user)
    short = {"current_password": user.password, "new_password": "short"}
    answer = browser.post("/account/password", **short)
    assert '<a href="#new_password">New password: Use at least' in answer.text
    _, token = enrolment(browser.get("/account/factors/totp"))
    wrong = {"name": "Phone", "code": "1", "enrolment": token}
    answer = browser.post("/account/factors/totp", **wrong)
    assert '<a href="#code">Code: This is not the code' in answer.text
    visitor, new = inside.visitor(), new_user()
    answer = visitor.post("/signup", email="a@example.com", username=new.name, password="short")
    if answer.status_code != 404:
        assert '<a href="#password">Password: Use at least' in answer.text
