"""What a new lock takes from an index whose newest release is still being uploaded (DEP-3)."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from tests.conftest import Render
from tests.package_index import Index, running
from tests.projects import clean_environment

TYPE = "application/vnd.pypi.simple.v1+json"
PLATFORMS = (
    "linux_armv6l",
    "manylinux_2_17_aarch64",
    "manylinux_2_17_x86_64",
    "macosx_11_0_arm64",
    "win_amd64",
)
"""In the order in which the files of a release are uploaded; the newest has only the first yet."""
OLD = [f"half-1.0-py3-none-{platform}.whl" for platform in PLATFORMS]
NEW = [f"half-1.1-py3-none-{PLATFORMS[0]}.whl"]


class _Uploading(Index):
    """An index with one package, old enough for any cooldown."""

    def answer(self) -> tuple[str, bytes]:
        if self.path == "/simple/half/":
            files = [
                {"filename": name, "url": f"/files/{name}", "hashes": {}, "upload-time": day}
                for names, day in ((OLD, "2024-01-01T00:00:00Z"), (NEW, "2024-02-01T00:00:00Z"))
                for name in names
            ]
            about = {"meta": {"api-version": "1.1"}, "name": "half", "files": files}
            return TYPE, json.dumps(about).encode()
        return "application/octet-stream", _wheel(Path(self.path).name)


def _wheel(file: str) -> bytes:
    name, version, *_ = file.split("-")
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        wheel.writestr(f"{name}-{version}.dist-info/METADATA", about)
    return buffer.getvalue()


@pytest.fixture
def index() -> Iterator[str]:
    """Run that index on loopback, and return its address."""
    with running(_Uploading) as address:
        yield address


def test_half_a_release_is_not_taken(rendered: Render, index: str, tmp_path: Path) -> None:
    """With days of cooldown each release is half there for some seconds, days later."""
    settings = (rendered().path / "pyproject.toml").read_text("utf-8")
    tool = settings[settings.index("[tool.uv]") :].partition("\n[")[0]
    assert tomllib.loads(tool)["tool"]["uv"]["exclude-newer"]
    project = tmp_path / "pyproject.toml"
    wishes = '[project]\nname = "x"\nversion = "0"\ndependencies = ["half"]\n'
    project.write_text(f'{wishes}requires-python = ">=3.11"\n{tool}', "utf-8")
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run(
        [uv, "sync", "--dry-run", "--python", sys.executable, "--default-index", index],
        cwd=tmp_path,
        env={**clean_environment(), "UV_CACHE_DIR": str(tmp_path / "empty")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "half==1.0" in done.stderr
