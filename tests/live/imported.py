"""Runs a project's commands in copies of one process, which has imported the libraries before.

Started by commands.py with the project's Python. A copy begins as `python -m` does: with files,
environment and folder of its own, and imports the project itself.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import sys
from contextlib import suppress
from importlib import import_module

LIBRARIES = (
    "alembic.command",
    "argon2",
    "click",
    "django.core.management",
    "django.db.models",
    "django.template",
    "email_validator",
    "fastapi.templating",
    "flask",
    "jinja2",
    "litestar.openapi",
    "litestar.template",
    "psycopg",
    "pydantic_settings",
    "sqlalchemy.orm",
    "structlog",
)
"""What takes long of all that the frameworks' projects import; none has all."""

for library in LIBRARIES:
    with suppress(ImportError):
        import_module(library)
# A copy shares this memory until it writes to it, as the collector would.
gc.collect()
gc.freeze()
print("ready", flush=True)

# Not by sys.stdin, which reads ahead.
with open(0, "rb", buffering=0, closefd=False) as asked:
    while text := asked.readline():
        if child := os.fork():
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        else:
            break
if not text:
    sys.exit()
job = json.loads(text)
for number, name in enumerate(("in", "out", "err")):
    file = os.open(os.path.join(job["files"], name), os.O_RDWR)  # noqa: PTH118 - as os.open
    os.dup2(file, number)
    os.close(file)
sys.stdin = open(0, closefd=False)  # noqa: SIM115 - a descriptor
os.chdir(job["folder"])
os.environ.clear()
os.environ.update(job["environment"])
sys.path.insert(0, job["folder"])
sys.argv = ["-m", *job["words"]]
runpy.run_module(job["package"], run_name="__main__", alter_sys=True)
