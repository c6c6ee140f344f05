"""Copier, loaded once: of the seconds that one run of it takes, most go to loading its libraries.

A process that has loaded it forks for each call. What runs then is Copier's own command, in a
process of its own, with the arguments, the folder, the variables and the streams of who called.
A Copier that has to die with its caller is the real program.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

REAL = Path(sys.executable).parent / "copier"
STREAMS = 3
SIZE = 4
"""Bytes of the length that comes first."""
PROGRAM = f"""\
#!{sys.executable} -IS
import json
import os
import socket
import sys

if "PYTHONIOENCODING" in os.environ:
    # Python reads it when it starts.
    os.execv({str(REAL)!r}, [{str(REAL)!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as server:
    server.connect(__file__ + ".socket")
    call = json.dumps([os.getcwd(), sys.argv[1:], dict(os.environ)]).encode()
    socket.send_fds(server, [len(call).to_bytes({SIZE}, "big")], range({STREAMS}))
    server.sendall(call)
    code = server.recv(1)
sys.exit(code[0] if code else "copier: it was killed")
"""


@contextmanager
def served() -> Iterator[Path]:
    """Give a folder whose program `copier` runs the loaded one."""
    # The path of a socket has 107 letters at most.
    with tempfile.TemporaryDirectory(prefix="copier-") as name, socket.socket(socket.AF_UNIX) as at:
        program = Path(name, "copier")
        program.write_text(PROGRAM)
        program.chmod(0o700)
        # It takes calls from now on, which wait until all is loaded.
        at.bind(f"{program}.socket")
        at.listen()
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.loaded"],
            cwd=Path(__file__).resolve().parents[1],
            stdin=at.fileno(),
            stdout=subprocess.DEVNULL,
        )
        # Who calls it where it has died is refused.
        at.close()
        try:
            yield program.parent
        finally:
            server.kill()
            server.wait()


def serve(at: socket.socket) -> NoReturn:
    """Answer calls, each in a process of its own."""
    gc.freeze()
    while True:
        caller, _ = at.accept()
        if os.fork() == 0:
            at.close()
            answer(caller)
        caller.close()
        while ended():
            pass


def ended() -> bool:
    """Tell whether a process that has ended was found, and bury it."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def answer(caller: socket.socket) -> NoReturn:
    """Be Copier for one call, and tell its exit code."""
    code: object = 1
    try:
        size, streams, _, _ = socket.recv_fds(caller, SIZE, STREAMS)
        with caller.makefile("rb") as file:
            folder, arguments, variables = json.loads(file.read(int.from_bytes(size, "big")))
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        # Of which plumbum, by which Copier calls git, took a copy.
        local.env.clear()
        local.env.update(variables)
        CopierApp.run(["copier", *arguments])
    except SystemExit as stopped:
        code = stopped.code
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    caller.send(bytes([code if isinstance(code, int) else code is not None]))
    os._exit(0)


if __name__ == "__main__":
    from copier._cli import CopierApp
    from plumbum import local

    from tests import quicker

    quicker.begin()
    serve(socket.socket(fileno=os.dup(0)))
