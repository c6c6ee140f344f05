"""The questions as a person meets them: `copier copy` in a real terminal."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pexpect
import pytest

from tests.projects import BIN, Project, clean_environment
from tests.render.test_answers import QUESTIONS as ALL
from tests.render.test_answers import small_template

CLEAR, ENTER, DOWN, INTERRUPT = "\x15", "\r", "\x1b[B", "\x03"

QUESTIONS = {
    "project_name": "What is the project called?",
    "package": "What is its Python package called?",
    "description": "What does it do, in one line?",
    "domain": "Under which host name will people reach it?",
    "contact": "Who gets reports of security problems, by e-mail?",
    "framework": "Which web framework?",
    "sessions": "Where is the data of a session kept?",
    "storage": "What stores users, sessions and login counters?",
    "tls_profile": "Which browsers must be able to connect?",
    "mail": "How does it send mail?",
    "ci": "Where does CI run?",
}
WRONG = {
    "project_name": ("My App", "use a-z, 0-9 and single dashes"),
    "package": ("flask", "taken, choose another name"),
    "description": ("<b>", "no control or {}<>$`\\ characters"),
    "domain": ("example.com:443", "host name in lower case, no port"),
    "contact": ("me", "an address like me@example.org"),
}

Terminal = Callable[..., "pexpect.spawn[str]"]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return where the project will be."""
    return tmp_path / "project"


@pytest.fixture
def terminal(tmp_path: Path, target: Path) -> Iterator[Terminal]:
    """Return a function that starts `copier copy` in a terminal of so many columns.

    Of all our questions and no file, unless a template is given.
    """
    questions = small_template(tmp_path / "questions", ALL)
    with ExitStack() as stack:

        def start(
            columns: int = 80, *options: str, template: Path = questions
        ) -> "pexpect.spawn[str]":
            child = pexpect.spawn(
                str(BIN / "copier"),
                ["copy", *options, str(template), str(target)],
                dimensions=(40, columns),
                encoding="utf-8",
                timeout=30,
                # Nobody here answers where the cursor is; waiting for that takes a second each.
                env=clean_environment()
                | {"TERM": "xterm", "LC_ALL": "C.UTF-8", "PROMPT_TOOLKIT_NO_CPR": "1"},
            )
            stack.callback(child.close, force=True)
            return child

        yield start


def finish(child: "pexpect.spawn[str]") -> int:
    """Wait for the end and return the exit code."""
    child.expect(pexpect.EOF)
    child.close()
    return int(child.exitstatus if child.exitstatus is not None else -1)


@pytest.mark.parametrize("columns", [80, 200])
def test_defaults_by_enter(terminal: Terminal, template: Path, target: Path, columns: int) -> None:
    child = terminal(columns, template=template)
    for question in QUESTIONS.values():
        child.expect_exact(question)
        child.send(ENTER)
    child.expect_exact("One command installs it, runs its tests and says how to start it:")
    child.expect_exact("hooks/verify")
    assert finish(child) == 0
    assert Project(target).answers["project_name"] == "my-service"


def test_sign_up_is_asked_where_there_is_mail(terminal: Terminal, target: Path) -> None:
    child = terminal()
    for name, question in QUESTIONS.items():
        child.expect_exact(question)
        child.send((DOWN if name == "mail" else "") + ENTER)
        if name == "mail":
            child.expect_exact("Who may create an account?")
            child.send(DOWN + ENTER)
    assert finish(child) == 0
    answers = Project(target).answers
    assert (answers["mail"], answers["signup"]) == ("smtp", "open")


def test_a_wrong_answer_gets_our_message_and_another_try(terminal: Terminal, target: Path) -> None:
    child = terminal()
    for name, question in QUESTIONS.items():
        child.expect_exact(question)
        if name in WRONG:
            wrong, message = WRONG[name]
            child.send(CLEAR + wrong + ENTER)
            # The whole of it on 80 columns: Copier cuts what is longer than the line.
            child.expect_exact(f"Validation error for question '{name}': {message}")
            child.send(CLEAR)
        if name == "project_name":
            child.send("other-name" + ENTER)
        elif name == "package":
            child.send("other" + ENTER)
        elif name == "description":
            child.send('It\'s "fine" # here' + ENTER)
        elif name == "domain":
            child.send("www.example.org" + ENTER)
        elif name == "contact":
            child.send("me@example.org" + ENTER)
        elif name in {"framework", "sessions"}:
            child.send(DOWN + ENTER)
        else:
            child.send(ENTER)
    assert finish(child) == 0
    answers = Project(target).answers
    assert answers["project_name"] == "other-name"
    assert answers["package"] == "other"
    assert answers["description"] == 'It\'s "fine" # here'
    assert answers["domain"] == "www.example.org"
    assert answers["contact"] == "me@example.org"
    assert answers["framework"] == "flask"
    assert answers["sessions"] == "cookie"


def test_a_narrow_terminal_cuts_the_message_but_takes_the_answer(
    terminal: Terminal, target: Path
) -> None:
    child = terminal(40, *(f"--data={name}={value}" for name, value in GIVEN.items()))
    child.expect_exact("What is the project called?")
    child.send(CLEAR + "My App" + ENTER)
    child.expect_exact("Validation error for question")
    child.send(CLEAR + "narrow" + ENTER)
    assert finish(child) == 0
    assert Project(target).answers["project_name"] == "narrow"


GIVEN = {
    "package": "narrow",
    "description": "x",
    "domain": "x.example.org",
    "contact": "me@example.org",
    "framework": "flask",
    "sessions": "server",
    "storage": "embedded",
    "tls_profile": "modern",
    "mail": "none",
    "ci": "none",
}


def test_an_interrupt_leaves_nothing(terminal: Terminal, target: Path) -> None:
    child = terminal()
    child.expect_exact(QUESTIONS["project_name"])
    child.send(ENTER)
    child.expect_exact(QUESTIONS["package"])
    child.send(INTERRUPT)
    assert finish(child) != 0
    assert not target.exists()


def test_a_refused_option_leaves_nothing(terminal: Terminal, target: Path) -> None:
    child = terminal(200, "--defaults", "--data=domain=a b")
    child.expect_exact("Validation error for question 'domain': host name in lower case, no port")
    assert finish(child) == 1
    assert not target.exists()
