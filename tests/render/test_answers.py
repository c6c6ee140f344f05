"""Each answer is refused with our message, or arrives unharmed in every file that uses it."""

import ast
import json
import re
import shutil
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from copier.errors import InvalidTypeError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests import projects
from tests.projects import CHOICES, DEPENDENT, ROOT, Project

SETTINGS = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
QUESTIONS = {name: entry for name, entry in SETTINGS.items() if not name.startswith("_")}
FREE = [
    name
    for name, entry in QUESTIONS.items()
    if "choices" not in entry and entry.get("when") is not False
    if not name.startswith("generated_")
]

HOSTILE = [
    "", " ", "a\n", "a\nb", "a\r\nb", "a\0b", "a\x1b[31mb", "a\x7fb", "a\x85b", "a\u2028b",
    "a\u202eb", "a\u200bb", "a\ufeffb", "a\ud800b", "a\ufffeb", "a\U000e0041b", " a", "a ", "a\t",
    "{{ 7 * 7 }}", "{% raw %}", "{# #}", "${HOME}", "$(id)", "`id`", "${{ github.token }}", "a\\b",
    "</title><script>alert(1)</script>", "<!--", "a" * 121, "a" * 100_000, "..", "../x", "/etc/x",
    "A", "1a", "a--b", "a-", "-a", "a_b-c", "__init__", "import", "none", "con", "flask", "django",
    "json", "test", "\u0430bc", "localhost", "127.0.0.1", "x.example.com:443", "http://example.com",
    "-x.example.com", "x-.example.com", "*.example.com", "x..example.com", ".example.com",
    "example.com.", "x.example.com;return 301 /", "x.1", f"{'a' * 64}.com", f"{'a.' * 150}com",
    "a@b", "@example.com", "a@example.com, b@example.com", "a@example.com\nBcc: b@example.com",
    "a b@example.com", "a@example.com?subject=x", ".a@example.com", "mailto:a@example.com",
    "true", "null", "~", "7 days", "-1", "007", "100", "[1, 2]", "{a: 1}", "!!python/none",
]  # fmt: skip
HARMLESS = [
    "It's \"quoted\", isn't it?", "# not a comment", "key: value", "- item", "1. first", "=x", "+",
    "* * *", "_a_ **b** ~~c~~ [d](e) ![f](g) | h", "&amp; & &#35;", "%(a)s %s %d", "'''", '"""',
    "\u00fc\u00f1\u00ed \u4e2d\u6587 \u0627\u0644", "\U0001f600 \U0001f468", "caf\u00e9 e\u0301",
    "true", "null", "~", "0x1F", "1e3", "2026-11-23", "a, b; c", "no", "@x", "!x", "?", "---",
]  # fmt: skip


def plausible() -> st.SearchStrategy[str]:
    """Return text near the border: of characters with a meaning somewhere, or a mended bad one."""
    marks = st.text(st.sampled_from("aZ09 -_.@:,;'\"#*&|![]()=+~%?^/\u00e9\u4e2d\U0001f600"))
    return st.one_of(
        st.sampled_from(HOSTILE + HARMLESS), marks, st.text(), st.text(st.characters(codec=None))
    )


BASELINE = "template/src/{{ package }}/security/baseline.toml"


def small_template(target: Path, names: Iterable[str]) -> Path:
    """Write a template with only these questions of ours and no file but the answers: fast."""
    template = {"_subdirectory": "made", "_envops": SETTINGS["_envops"]}
    template |= {name: QUESTIONS[name] for name in names}
    answers_file = "{{ _copier_conf.answers_file }}.jinja"
    shutil.copytree(ROOT / "includes", target / "includes")
    (target / "made").mkdir()
    shutil.copy(ROOT / "template" / answers_file, target / "made")
    # Its dates are read by the questions.
    (target / BASELINE).parent.mkdir(parents=True)
    shutil.copy(ROOT / BASELINE, target / BASELINE)
    (target / "copier.yml").write_text(yaml.safe_dump(template, sort_keys=False), "utf-8")
    return target


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a template with all our questions and no file."""
    return small_template(tmp_path_factory.mktemp("questions") / "template", QUESTIONS)


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that gives a template with the questions named and no file."""
    folder = tmp_path_factory.mktemp("question")

    @cache
    def template(*names: str) -> Path:
        return small_template(folder / "-".join(names), names)

    return template


@pytest.fixture(scope="module")
def with_answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return our template with only the files that answers can reach, and the baseline."""
    copy = projects.copy_template(tmp_path_factory.mktemp("with_answers") / "template")
    for path in (copy / "template").rglob("*"):
        if path.is_file() and path.suffix != ".jinja" and path != copy / BASELINE:
            path.unlink()
    (copy / "template" / "hooks").unlink(missing_ok=True)
    # It speaks of all files.
    (copy / "template" / ".template" / "manifest.jinja").unlink()
    return copy


def answer(template: Path, target: Path, **answers: Any) -> Project | str:
    """Render a project, or return the message of the refusal, which must leave nothing behind."""
    try:
        return projects.render(template, target, answers)
    except ValueError as error:
        assert not target.exists(), "a refused answer leaves something behind"
        return str(error)


@pytest.fixture
def target(tmp_path: Path) -> Callable[[], Path]:
    """Return a function that gives a new path at each call."""
    count = iter(range(10**6))
    return lambda: tmp_path / str(next(count))


quick = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def our_message(name: str, message: str) -> bool:
    """Tell whether this is a validator's message, short enough to be read at the prompt."""
    start = f"Validation error for question '{name}': "
    return message.startswith(start) and 5 < len(message) - len(start) < 35


def test_the_choices_that_tests_use_are_all() -> None:
    offered = {
        name: tuple(entry["choices"].values())
        for name, entry in QUESTIONS.items()
        if isinstance(entry.get("choices"), dict)
    }
    assert offered | {"framework": tuple(QUESTIONS["frameworks"]["default"])} == {
        **CHOICES,
        **DEPENDENT,
    }


def test_questions_in_order() -> None:
    asked = [
        name
        for name, entry in QUESTIONS.items()
        if entry.get("when") is not False and entry.get("ask") is not False
    ]
    assert asked == ["project_name", "package", "description", "domain", "contact", "framework",
                     "sessions", "storage", "tls_profile", "mail", "signup", "ci"]  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
def test_question_is_well_made(name: str) -> None:
    entry = QUESTIONS[name]
    assert "default" in entry, "an update from a version without the question needs one"
    if entry.get("when") is False:
        return
    assert entry["type"] == "str", "type bool would turn any unknown word into true"
    assert "secret" not in entry
    assert "validator" in entry or "choices" in entry
    if "ask" not in entry or name == "framework":
        assert entry["help"].endswith("?")
        assert len(entry["help"]) < 60


def test_defaults_pass_their_validators(questions: Path, target: Callable[[], Path]) -> None:
    project = answer(questions, target())
    assert isinstance(project, Project), project
    assert set(project.answers) == {n for n, q in QUESTIONS.items() if q.get("when") is not False}


slug = st.from_regex(r"[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,5}){0,4}", fullmatch=True)


@quick
@given(name=st.one_of(slug, st.sampled_from(["import", "json", "test", "tests", "x" * 32])))
def test_derived_defaults_pass_for_every_project_name(
    question: Callable[..., Path], target: Callable[[], Path], name: str
) -> None:
    project = answer(question("project_name", "package"), target(), project_name=name)
    assert isinstance(project, Project) or our_message("project_name", project), project


@quick
@given(labels=st.lists(st.from_regex(r"[a-z0-9]{1,63}", fullmatch=True), min_size=1, max_size=5))
def test_derived_contact_passes_for_every_domain(
    question: Callable[..., Path], target: Callable[[], Path], labels: list[str]
) -> None:
    project = answer(question("domain", "contact"), target(), domain=".".join([*labels, "example"]))
    assert isinstance(project, Project) or our_message("domain", project), project


@pytest.mark.parametrize("name", FREE)
def test_any_text_is_refused_by_us_or_kept(
    question: Callable[..., Path], target: Callable[[], Path], name: str
) -> None:
    @quick
    @given(value=plausible())
    def check(value: str) -> None:
        refused_or_kept(question(name), target(), name, value)

    check()


@pytest.mark.parametrize("name", FREE)
def test_hostile_text_is_refused_where_it_could_do_harm(
    question: Callable[..., Path], target: Callable[[], Path], name: str
) -> None:
    harmless = {
        "project_name": r"[a-z][a-z0-9-]*",
        "package": r"[a-z][a-z0-9_]*",
        "domain": r"[a-z0-9.-]+\.[a-z][a-z0-9-]+",
        "contact": r"[A-Za-z0-9._+-]+@[a-z0-9.-]+",
        "cooldown_days": r"[0-9]{1,2}",
        "admin_path": "",
        "description": r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202e\ud800-\udfff{}<>$`\\]+",
    }[name]
    for value in HOSTILE:
        if refused_or_kept(question(name), target(), name, value):
            assert re.fullmatch(harmless, value), ascii(value)


def refused_or_kept(template: Path, target: Path, name: str, value: str) -> bool:
    """Answer a question: either our message refuses it, or it is stored as it is (True)."""
    project = answer(template, target, **{name: value})
    if isinstance(project, str):
        assert our_message(name, project), (value, project)
        return False
    assert project.answers[name] == value
    return True


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_takes_only_its_values(
    questions: Path, target: Callable[[], Path], name: str
) -> None:
    for value in ("", "x", "True", CHOICES[name][0].title(), f"{CHOICES[name][0]}\n", "${{ x }}"):
        result = answer(questions, target(), **{name: value})
        assert isinstance(result, str)
        assert result.startswith(f"Invalid choice for '{name}'")


def test_sign_up_needs_mail(questions: Path, target: Callable[[], Path]) -> None:
    result = answer(questions, target(), signup="open")
    assert isinstance(result, str)
    assert our_message("signup", result), result
    project = answer(questions, target(), mail="smtp", signup="open")
    assert isinstance(project, Project), project
    assert project.answers["signup"] == "open"


@pytest.mark.parametrize("name", FREE)
def test_an_answer_of_another_type_is_refused(
    question: Callable[..., Path], target: Callable[[], Path], name: str
) -> None:
    """An answers file can hold anything; Copier itself refuses what is no text."""
    for value in (None, [], {}, ["a"], {"a": 1}):
        with pytest.raises((ValueError, InvalidTypeError)):
            projects.render(question(name), target(), {name: value})


def test_names_of_others_are_refused(questions: Path, target: Callable[[], Path]) -> None:
    for name in ("fastapi", "flask", "django", "litestar", "redis", "click", "nginx", "con"):
        assert "taken" in str(answer(questions, target(), project_name=name))
    for name in ("import", "match", "json", "test", "tests", "fastapi", "sqlalchemy", "argon2",
                 "pydantic_settings", "activate", "python"):  # fmt: skip
        assert "taken" in str(answer(questions, target(), package=name))


@pytest.mark.parametrize("value", ["", "office", "back-office-2"])
def test_admin_paths_that_are_taken_over(
    questions: Path, target: Callable[[], Path], value: str
) -> None:
    project = answer(questions, target(), framework="django", admin_path=value)
    assert isinstance(project, Project)
    assert project.answers["admin_path"] == value


@pytest.mark.parametrize(
    "value",
    [
        "admin",
        "static",
        "api",
        "notes",
        "Office",
        "a/b",
        "/office",
        "a.b",
        "a--b",
        "a\nb",
        "a" * 33,
    ],
)
def test_admin_paths_that_are_refused(
    questions: Path, target: Callable[[], Path], value: str
) -> None:
    result = answer(questions, target(), framework="django", admin_path=value)
    assert isinstance(result, str)
    assert our_message("admin_path", result), result


def test_messages_fit_the_prompt() -> None:
    """Also those that no example above provokes."""
    source = (ROOT / "includes" / "validators.jinja").read_text()
    macros = source[source.index("{%- macro") :]
    messages = re.findall(r"-%\}([^{\n]\S[^\n]*?)(?:\n|\{%)", macros)
    assert len(messages) >= 14
    assert [message for message in messages if len(message) >= 35] == []


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(description=plausible(), contact=plausible(), storage=st.sampled_from(CHOICES["storage"]))
@example(description=HARMLESS[0], contact="a.b+c@example.org", storage="embedded")
def test_accepted_text_arrives_unharmed(
    with_answers: Path, target: Callable[[], Path], description: str, contact: str, storage: str
) -> None:
    answers = {"description": description, "storage": storage}
    if "@" in contact:
        answers["contact"] = contact
    result = answer(with_answers, target(), **answers)
    if isinstance(result, str):
        assert our_message("description", result) or our_message("contact", result), result
    else:
        check_files(result)


@pytest.mark.parametrize("description", HARMLESS, ids=ascii)
def test_harmless_text_is_accepted(
    with_answers: Path, target: Callable[[], Path], description: str
) -> None:
    result = answer(with_answers, target(), description=description)
    assert isinstance(result, Project), result
    check_files(result)


def check_files(project: Project) -> None:
    """Parse what was rendered and find the answers in it."""
    files = {name: content.decode() for name, content in project.files().items()}
    answers = project.answers
    for name, text in files.items():
        if name.endswith(".toml"):
            tomllib.loads(text)
        elif name.endswith((".yml", ".yaml")):
            yaml.safe_load(text)
        elif name.endswith(".json"):
            json.loads(text)
        elif name.endswith(".py"):
            ast.parse(text)
    metadata = tomllib.loads(files["pyproject.toml"])["project"]
    assert metadata["name"] == answers["project_name"]
    assert metadata["description"] == answers["description"]
    assert metadata["scripts"] == {answers["package"]: f"{answers['package']}.operate.cli:main"}
    service = tomllib.loads(files["policy.toml"])["service"]
    assert {name: service[name] for name in ("description", "domain", "contact")} == {
        name: answers[name] for name in ("description", "domain", "contact")
    }
    assert paragraph(files["README.md"], 1) == answers["description"]
    assert answers["contact"] in files["SECURITY.md"]
    assert f"APP_HOSTS={answers['domain']}\n" in files[".env.example"]


def paragraph(markdown: str, number: int) -> str:
    """Return the text of a block of Markdown, which must hold nothing but text."""
    blocks = [token for token in MarkdownIt().parse(markdown) if token.type == "inline"]
    children = blocks[number].children or []
    assert {token.type for token in children} <= {"text", "text_special"}
    return "".join(token.content for token in children)
