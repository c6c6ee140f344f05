"""Each file of the template comes from the base or from one layer, and arrives where it should."""

import gc
import itertools
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests import projects
from tests.conftest import Render
from tests.projects import BY_MAIL, CHOICES, ROOT

LAYER = re.compile(r"\{\{ use\.([a-z_]+) \}\}")
BASE = ""
DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
}
VERBATIM = {".html"}
"""Suffixes of files with Jinja of their own, which the service renders."""
LAYERED = {name: CHOICES[name] for name in ("framework", "sessions", "ci")}
"""The choices that select layers."""


def sources(template: Path) -> dict[str, dict[str, Path]]:
    """Return by layer, with `BASE` for none, each file's place in a project and its source."""
    found: dict[str, dict[str, Path]] = {}
    root = template / "template"
    for path in sorted(walk(root)):
        parts = path.relative_to(root).parts
        match = LAYER.fullmatch(parts[0])
        layer = match[1] if match else BASE
        assert not any("use." in part for part in parts[1:]), "a layer begins at the root"
        place = "/".join(parts[1:] if match else parts).removesuffix(".jinja")
        found.setdefault(layer, {})[place] = path
    return found


def walk(folder: Path) -> list[Path]:
    """Return all files below a folder, through the link hooks/ as well."""
    inside = [walk(path) if path.is_dir() else [path] for path in folder.iterdir()]
    return list(itertools.chain.from_iterable(inside))


def active(template: Path, answers: dict[str, str]) -> set[str]:
    """Return the layers that copier.yml switches on, read without Copier."""
    frameworks = yaml.safe_load((template / "copier.yml").read_text("utf-8"))["frameworks"]
    chosen = frameworks["default"][answers["framework"]]["layers"]
    admin = {"django_admin"} if answers.get("admin_path") else set()
    also = {name for name, value in BY_MAIL.items() if answers.get(name) == value}
    found = {*chosen, f"{answers['sessions']}_sessions", answers["ci"], *admin} - {"none"}
    return found | also | {f"{layer}_{name}" for layer in found for name in also}


COMBINATIONS = [
    dict(zip(LAYERED, row, strict=True)) for row in itertools.product(*LAYERED.values())
]
COMBINATIONS.append(
    {"framework": "django", "sessions": "server", "ci": "none", "admin_path": "office"}
)
COMBINATIONS += [
    {"framework": framework, "sessions": "server", "ci": "none", **by_mail}
    for framework in CHOICES["framework"]
    for by_mail in ({"mail": "smtp"}, BY_MAIL)
]


def test_every_layer_has_its_line(template: Path) -> None:
    known = set().union(*(active(template, answers) for answers in COMBINATIONS))
    folders = set(sources(template)) - {BASE}
    assert folders - known == set(), "folders that nothing switches on"


@pytest.mark.parametrize("answers", COMBINATIONS, ids=lambda answers: "-".join(answers.values()))
def test_no_path_in_two_active_layers(template: Path, answers: dict[str, str]) -> None:
    """Which of the two would win depends on the order of a temporary folder."""
    found = sources(template)
    layers = [BASE, *active(template, answers)]
    places = Counter(place for layer in layers for place in found.get(layer, {}))
    assert [place for place, count in places.items() if count > 1] == []
    folded = Counter(place.casefold() for place in places)
    assert [place for place, count in folded.items() if count > 1] == [], "same on Windows, macOS"


@pytest.mark.parametrize("answers", COMBINATIONS, ids=lambda answers: "-".join(answers.values()))
def test_a_project_is_the_base_and_its_layers(
    template: Path, rendered: Render, answers: dict[str, str]
) -> None:
    found = sources(template)
    project = rendered(**answers)
    expected = {
        place.replace("{{ package }}", project.package)
        .replace("{{ project_name }}", project.answers["project_name"])
        .replace("{{ _copier_conf.answers_file }}", ".copier-answers.yml")
        for layer in [BASE, *active(template, answers)]
        for place in found.get(layer, {})
    }
    assert set(project.files()) == expected


# Copier leaves an open folder to the garbage collector when it fails while it renders.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_misspelt_layer_is_an_error(tmp_path: Path) -> None:
    """Without StrictUndefined its folder would be left out without a word."""
    copy = projects.copy_template(tmp_path / "template")
    folder = copy / "template" / "{{ use.flaks }}"
    folder.mkdir()
    (folder / "file").touch()
    with pytest.raises(Exception, match="flaks"):
        projects.render(copy, tmp_path / "project", {})
    assert not (tmp_path / "project").exists()
    gc.collect()


def test_a_framework_is_one_line_and_its_folders(tmp_path: Path) -> None:
    copy = projects.copy_template(tmp_path / "template")
    config = copy / "copier.yml"
    line = '    bottle: {label: Bottle (WSGI), layers: [bottle, wsgi], requires: ["bottle>=0.1"]}\n'
    config.write_text(re.sub(r"(    flask: .*\n)", rf"\1{line}", config.read_text(), count=1))
    module = copy / "template" / "{{ use.bottle }}" / "src" / "{{ package }}" / "adapter" / "x.py"
    module.parent.mkdir(parents=True)
    module.write_text('"""The adapter."""\n')
    project = projects.render(copy, tmp_path / "project", {"framework": "bottle"})
    assert "src/my_service/adapter/x.py" in project.files()
    requirements = (project.path / "pyproject.toml").read_text()
    assert '"bottle>=0.1"' in requirements
    assert "sqlalchemy" not in requirements
    flask = projects.render(copy, tmp_path / "flask", {"framework": "flask"})
    assert "src/my_service/adapter/x.py" not in flask.files()


def test_names_are_legal_on_windows(template: Path, rendered: Render) -> None:
    names = {
        part
        for answers in COMBINATIONS
        for name in rendered(**answers).files()
        for part in name.split("/")
    }
    names |= {
        part
        for layer in sources(template).values()
        for path in layer.values()
        for part in path.relative_to(template).parts
    }
    for name in names:
        assert not re.search(r'[<>:"/\\|?*\x00-\x1f]', name), name
        assert not name.endswith((".", " ")), name
        assert name.split(".")[0].lower() not in DEVICES, name


def test_sources_are_printable_ascii(template: Path) -> None:
    """What a reviewer sees is what there is: no invisible and no reordered characters."""
    for path in walk(template):
        text = path.read_bytes()
        assert not re.search(rb"[^\x20-\x7e\n]", text), path.relative_to(template)
        assert not text or (text.endswith(b"\n") and not text.endswith(b"\n\n")), path


def test_no_file_is_empty(template: Path) -> None:
    empty = [path.name for path in walk(template) if not path.stat().st_size]
    assert set(empty) <= {"py.typed"}, "an __init__.py says what its package is for"


def test_no_jinja_is_left(template: Path, rendered: Render) -> None:
    """Neither a tag that was not rendered, nor one in a file without the suffix .jinja."""
    questions = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
    names = "|".join(name for name in questions if not name.startswith("_"))
    tag = re.compile(r"\{%|\{#|(?<!\$)\{\{")
    question = re.compile(rf"\{{[{{%][^}}]*\b({names}|_copier_\w+)\b")
    raw = re.compile(r"\{% raw -?%\}\s*(.*?)\s*\{%-? endraw", re.DOTALL)
    every = [item for layer in sources(template).values() for item in layer.items()]
    found = [(place, path) for place, path in every if path.name.endswith(".jinja")]
    rendered_sources = {place for place, _ in found}
    pages = [*(path for _, path in found), *(ROOT / "includes").glob("*.jinja")]
    examples = [each for path in pages for each in raw.findall(path.read_text("utf-8"))]
    for answers in COMBINATIONS:
        project = rendered(**answers)
        for name, content in project.files().items():
            text = content.decode()
            if name.replace(project.package, "{{ package }}") in rendered_sources:
                for example in examples:
                    text = text.replace(example, "")
                assert not tag.search(text), name
            elif not name.endswith(tuple(VERBATIM)):
                assert not question.search(text.replace("${{", "")), name


def test_hooks_can_be_run(rendered: Render) -> None:
    for name in ("_askpass", "gate", "pre-commit", "pre-push", "propose", "update", "verify"):
        path = rendered().path / "hooks" / name
        assert path.stat().st_mode & 0o111, name
        assert path.read_text().startswith("#!"), name
        assert not path.is_symlink()


def test_nothing_names_this_machine_or_a_package_index(rendered: Render) -> None:
    for answers in COMBINATIONS:
        for name, content in rendered(**answers).files().items():
            if name != ".copier-answers.yml":
                # Written so that this line does not find itself.
                found = re.search(rb"pytho[n]hosted|py[p]i[.]org|/root/|/home/", content)
                assert not found, name
