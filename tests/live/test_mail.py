"""Mails of a service that runs, by real mail servers, and by some that are none (PPL-2)."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import Render
from tests.live.mail_servers import (
    PASSWORD,
    USER,
    MailServer,
    certificate,
    dialogue,
    mail_server,
    odd_server,
)
from tests.live.service import HOST, ORIGIN, START_SECONDS, Service, running
from tests.projects import BY_MAIL, Project
from tests.weekly import frameworks

LINK = re.compile(rf"{ORIGIN}(/reset/\S+)")
HIDDEN = re.compile(r'name="(csrfmiddlewaretoken)" value="([^"]+)"')
NEXT = "Vierzehn alte Birken rauschen"
FROM = "Service <service@example.com>"
LOGIN = f"{USER}:{quote(PASSWORD, safe='')}"
TO = "somebody@example.com"
PAUSE = 30
"""Seconds until the second try, at least."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return an authority, and the folder of a certificate for localhost."""
    return certificate(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture(scope="module", params=frameworks("flask", "litestar"))
def project(request: pytest.FixtureRequest, installed: Render) -> Project:
    return installed(framework=request.param, **BY_MAIL)


@pytest.fixture(scope="module")
def one(installed: Render) -> Project:
    """Return a project, where all have the same file."""
    return installed(framework="fastapi", **BY_MAIL)


@pytest.fixture(scope="module")
def desk(one: Project, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """Return a service that does not run, for its commands."""
    service = Service(one, tmp_path_factory.mktemp("desk"), variables("smtp://127.0.0.1:9"))
    assert service.command("db", "upgrade").returncode == 0
    return service


def variables(url: str) -> dict[str, str]:
    return {"APP_SMTP_URL": url, "APP_MAIL_FROM": FROM}


def outcome_of(desk: Service, url: str) -> tuple[int, str]:
    """Send a mail by the command; return its exit code and what it says."""
    desk.variables = variables(url)
    done = desk.command("mail", "test", TO)
    assert PASSWORD not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def asked(service: Service, address: str, client: str = "198.51.100.1") -> float:
    """Ask for a link; return how many seconds the answer took."""
    with service.client(client) as browser:
        begun = time.monotonic()
        assert browser.post("/forgot", data={"email": address}).status_code == 200
        return time.monotonic() - begun


def with_address(service: Service, address: str) -> None:
    user = service.add_user()
    done = service.command("user", "email", user.name, address)
    assert done.returncode == 0, done.stdout + done.stderr


# One mail ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_tls_and_login(desk: Service, certificates: tuple[Path, Path], scheme: str) -> None:
    authority, folder = certificates
    with mail_server(folder, implicit=scheme == "smtps") as server:
        where = f"{LOGIN}@localhost:{server.port}?cafile={authority}"
        code, said = outcome_of(desk, f"{scheme}://{where}")
        assert code == 0, said
    (mail,) = server.mails
    assert (mail["To"], mail["From"]) == (TO, FROM)
    assert server.logins == [(USER.encode(), PASSWORD.encode())]


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
@pytest.mark.parametrize("flaw", ["unknown authority", "another name"])
def test_who_cannot_prove_its_name_gets_nothing(
    desk: Service, certificates: tuple[Path, Path], scheme: str, flaw: str
) -> None:
    authority, folder = certificates
    name = "localhost"
    if flaw == "another name":
        name = "127.0.0.1"
    with mail_server(folder, implicit=scheme == "smtps") as server:
        option = f"?cafile={authority}" if flaw == "another name" else ""
        code, said = outcome_of(desk, f"{scheme}://{LOGIN}@{name}:{server.port}{option}")
    assert code == 1
    assert "CERTIFICATE_VERIFY_FAILED" in said
    assert (server.mails, server.logins) == ([], [])


def test_a_wrong_password_is_said(desk: Service, certificates: tuple[Path, Path]) -> None:
    authority, folder = certificates
    with mail_server(folder, implicit=True) as server:
        url = f"smtps://{USER}:wrong@localhost:{server.port}?cafile={authority}"
        code, said = outcome_of(desk, url)
    assert code == 1
    assert "535" in said
    assert server.mails == []


def test_taking_starttls_away_gets_nothing(desk: Service) -> None:
    """Somebody on the way answers that there is no TLS here."""
    with odd_server(dialogue(b"220 hi\r\n", b"250-hi\r\n250 AUTH PLAIN\r\n")) as port:
        code, said = outcome_of(desk, f"smtp+starttls://{LOGIN}@localhost:{port}")
    assert code == 1
    assert "STARTTLS" in said


EHLO = b"250-hi\r\n250 8BITMIME\r\n"
ODD = {
    "nothing": dialogue(b""),
    "another protocol": dialogue(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "a web page": dialogue(b"HTTP/1.1 200 OK\r\n\r\n<html>"),
    "bytes": dialogue(bytes(range(256)) * 40 + b"\r\n"),
    "a line without end": dialogue(b"220 " + b"x" * 100_000),
    "no numbers": dialogue(b"hello there\r\n"),
    "refuses": dialogue(b"554 go away\r\n"),
    "busy": dialogue(b"421 later\r\n"),
    "ends in EHLO": dialogue(b"220 hi\r\n", b""),
    "refuses the sender": dialogue(b"220 hi\r\n", EHLO, b"550 not you\r\n"),
    "no DATA": dialogue(b"220 hi\r\n", EHLO, b"250 ok\r\n", b"250 ok\r\n", b"500 what?\r\n"),
    "unicode": dialogue(
        "220 h\u00ef\r\n".encode(), b"250-\xff\xfe\r\n250 \xc3\xa4\r\n", b"\xff\r\n"
    ),
}


@pytest.mark.parametrize("talk", ODD.values(), ids=ODD)
def test_nonsense_is_no_success_and_no_traceback(desk: Service, talk: object) -> None:
    assert callable(talk)
    with odd_server(talk) as port:
        code, said = outcome_of(desk, f"smtp://127.0.0.1:{port}")
    assert code == 1
    assert "not sent: " in said
    assert "Traceback" not in said


def test_silence_after_the_last_byte_is_said(desk: Service) -> None:
    ok, go = b"250 ok\r\n", b"354 go\r\n"
    with odd_server(dialogue(b"220 hi\r\n", EHLO, ok, ok, go, b"")) as port:
        code, said = outcome_of(desk, f"smtp://127.0.0.1:{port}")
    assert code == 1
    assert "it may have it" in said


def test_a_mail_that_is_forwarded_is_sent(desk: Service) -> None:
    ok, go, forwarded = b"250 ok\r\n", b"354 go\r\n", b"251 not here; will forward\r\n"
    with odd_server(dialogue(b"220 hi\r\n", EHLO, ok, forwarded, go, ok)) as port:
        code, said = outcome_of(desk, f"smtp://127.0.0.1:{port}")
    assert code == 0, said


# A service --------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as started:
        yield started


def test_a_link_arrives_and_works(project: Project, server: MailServer) -> None:
    with running(project, variables=variables(f"smtp://127.0.0.1:{server.port}")) as service:
        with_address(service, TO)
        asked(service, TO)
        (mail,) = server.wait(1)
        assert mail["To"] == TO
        found = LINK.search(mail.get_content())
        assert found, mail.get_content()
        with service.client() as browser:
            answer = browser.get(found[1], follow_redirects=True)
            assert answer.status_code == 200
            assert answer.url.path == "/reset"
            hidden = dict(HIDDEN.findall(answer.text))
            done = browser.post("/reset", data={**hidden, "new_password": NEXT})
            assert done.status_code in {302, 303}
        (sent,) = service.events("mail_sent")
        assert sent["message_id"] in mail["Message-ID"]
        log = service.log.read_text("utf-8")
        assert found[1] not in log
        assert found[1].rpartition("/")[2] not in log
        assert TO not in log


@pytest.mark.weekly
def test_each_mail_is_sent_once_by_many_workers(one: Project, server: MailServer) -> None:
    addresses = [f"user-{number}@example.com" for number in range(20)]
    with running(one, variables=variables(f"smtp://127.0.0.1:{server.port}"), workers=4) as service:
        for address in addresses:
            with_address(service, address)
        for number, address in enumerate(addresses):
            asked(service, address, f"198.51.100.{number + 1}")
        server.wait(len(addresses))
        time.sleep(1)
        assert sorted(str(mail["To"]) for mail in server.mails) == sorted(addresses)


def test_no_page_waits_for_a_server_that_stalls(one: Project) -> None:
    def stall(connection: object) -> None:
        time.sleep(60)

    with odd_server(stall) as port:
        url = f"smtp://127.0.0.1:{port}"
        with running(one, variables=variables(url), workers=2) as service:
            with_address(service, TO)
            times = [asked(service, TO, f"198.51.100.{number}") for number in range(1, 6)]
            assert max(times) < 1
            begun = time.monotonic()
            with service.client() as browser:
                assert browser.get("/login").status_code == 200
            assert time.monotonic() - begun < 1


def test_a_mail_waits_for_a_server_that_is_away(one: Project, server: MailServer) -> None:
    """Also through a restart of the service; none is lost, none comes twice."""
    nobody = variables("smtp://127.0.0.1:9")
    with running(one, variables=nobody, workers=2) as service:
        with_address(service, TO)
        asked(service, TO)
        deadline = time.monotonic() + START_SECONDS
        while not service.events("mail_delayed"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        waiting = service.command("mail", "list")
        assert TO in waiting.stdout
        service.stop()
        with closing(sqlite3.connect(service.folder / "app.sqlite3")) as database:
            (pause,) = database.execute("SELECT due - created FROM mail_message").fetchone()
            assert pause >= PAUSE
            # As if it had passed.
            database.execute("UPDATE mail_message SET due = created")
            database.commit()
        service.variables = variables(f"smtp://127.0.0.1:{server.port}")
        service.start()
        (mail,) = server.wait(1)
        assert mail["To"] == TO
        time.sleep(1)
        assert len(server.mails) == 1
        assert service.command("mail", "list").stdout == ""


def test_who_is_refused_is_given_up(one: Project) -> None:
    with mail_server(refuse="550 no such user") as server:
        url = f"smtp://127.0.0.1:{server.port}"
        with running(one, variables=variables(url), workers=1) as service:
            with_address(service, TO)
            asked(service, TO)
            deadline = time.monotonic() + START_SECONDS
            while not service.events("mail_given_up"):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert service.command("mail", "list").stdout == ""
            assert HOST not in service.events("mail_given_up")[0]["reason"]
