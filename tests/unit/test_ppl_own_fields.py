"""Fields of an application's own come with the link of a sign-up (PPL-3)."""

from __future__ import annotations

from importlib import import_module
from unittest import mock

import pytest

from my_service.app.users import open_users

from ..conftest import Make
from ..driver import NOW, new_user
from ..process import scope

signup = pytest.importorskip("my_service.security.mail.signup", reason="of services with mail")
links = import_module("my_service.security.mail.links")
outbox = import_module("my_service.security.mail.outbox")
database = import_module("my_service.adapter.mail_database")
mails = import_module("..mails", __package__)


@pytest.mark.contract("PPL-3")
def test_fields_of_the_applications_own_come_with_the_link(make: Make) -> None:
    post, user, address = mails.Postbox(make()), new_user(), mails.new_email()
    own = {"company": "Tea & Co", "mark": "4711", "user": "", "message": "hello"}
    recovery = mock.MagicMock()
    recovery.mail.passwords.objection.return_value = ""
    recovery.mail.passwords.hash.return_value = "hash"
    asked = recovery.request
    assert signup.sign_up(recovery, address, user.name, user.password, **own) is asked.return_value
    fields = {**own, "name": user.name, "password_hash": "hash"}
    asked.assert_called_once_with(signup.SIGNUP, address, **fields)
    with scope(post.url):
        begin = database.transactions(open_users(post.url))
        outbox.Outbox(begin, lambda: NOW).put(signup.SIGNUP, address, **fields)
        token = mails.link_of(post.to(address)).rpartition("/")[2]
        link = links.Links(begin, lambda: NOW).find(links.digest_of(token))
    assert (link.user, link.address, link.mark, link.data) == ("", address, "", fields)
