"""Runs a project's command line in copies of one process, which has imported the libraries before.

Started by commands.py with the project's Python. A copy begins as `python -m` does: with files,
environment, folder and session of its own, and imports the project itself.
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
        job = json.loads(text)
        if ended := job.get("ended"):
            print(os.waitstatus_to_exitcode(os.waitpid(ended, 0)[1]), flush=True)
        elif copy := os.fork():
            print(copy, flush=True)
        else:
            break
if not text:
    sys.exit()
os.setsid()
ways = (os.O_RDONLY, os.O_WRONLY | os.O_APPEND, os.O_WRONLY | os.O_APPEND)
for number, (path, way) in enumerate(zip(job["files"], ways, strict=True)):
    file = os.open(path, way)
    os.dup2(file, number)
    os.close(file)
sys.stdin = open(0, closefd=False)  # noqa: SIM115 - a descriptor
os.chdir(job["folder"])
os.environ.clear()
os.environ.update(job["environment"])
sys.path.insert(0, job["folder"])
sys.argv = ["-m", *job["words"]]
runpy.run_module(job["package"], run_name="__main__", alter_sys=True)
