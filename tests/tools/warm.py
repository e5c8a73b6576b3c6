"""The command ``flowbutton`` in a process of its own, forked from one that has imported it already.

Importing takes a command a second of CPU, and the tests call hundreds. One process per test session imports what
commands need, runs none of it, and forks for each call: folder, environment, arguments, output and exit code are the
call's own, and its workers are started as ever. Where the import itself is the subject, or a signal, tests start the
command as users do.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

ROOMS = ("model", "partitioners", "stages", "stores", "executors", "dag", "engine", "ui")


def call(
    arguments: Sequence[str], folder: Path, env: Mapping[str, str], *, timeout_s: float = 300.0
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end in a folder; raises `subprocess.TimeoutExpired` after it was killed."""
    command = [sys.executable, "-m", "flowbutton", *arguments]
    if env.get("PYTHONPATH", "") != os.environ.get("PYTHONPATH", ""):  # it finds other modules
        return subprocess.run(
            command, cwd=folder, env=env, text=True, capture_output=True, timeout=timeout_s, check=False
        )
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        asked = json.dumps({"arguments": [*arguments], "folder": str(folder), "env": dict(env)}).encode()
        code = _Forks.started().run(asked, (out, err), command, timeout_s)
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(command, code, out.read(), err.read())


class _Forks:
    """The process that forks, as the tests see it: one call at a time."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        command = [sys.executable, __file__, str(theirs.fileno())]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        theirs.close()  # it ends when this end is closed, with the process that holds it

    @staticmethod
    @cache
    def started() -> _Forks:
        return _Forks()

    def run(self, asked: bytes, files: tuple[IO[str], IO[str]], command: Sequence[str], timeout_s: float) -> int:
        self._socket.settimeout(None)
        socket.send_fds(self._socket, [len(asked).to_bytes(8, "big")], [file.fileno() for file in files])
        self._socket.sendall(asked)
        pid = self._number()
        self._socket.settimeout(timeout_s)
        try:
            return self._number()
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self._socket.settimeout(None)
            self._number()
            raise subprocess.TimeoutExpired(command, timeout_s) from None

    def _number(self) -> int:
        told = self._socket.recv(8, socket.MSG_WAITALL)
        assert len(told) == 8, "the process that forks commands has ended"
        return int.from_bytes(told, "big", signed=True)


def _serve(ours: socket.socket) -> None:
    """Fork for each call until the other end is closed; a fork returns to be the command."""
    while True:
        head, files, _, _ = socket.recv_fds(ours, 8, 2)
        if not head:
            os._exit(0)
        asked = ours.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
        pid = os.fork()
        if pid == 0:
            ours.close()
            return _become(json.loads(asked), files)
        for file in files:
            os.close(file)
        ours.sendall(pid.to_bytes(8, "big", signed=True))
        ours.sendall(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]).to_bytes(8, "big", signed=True))


def _become(asked: dict[str, object], files: Sequence[int]) -> None:
    """Take on the folder, environment, arguments and output of a call."""
    for file, number in zip(files, (1, 2), strict=True):
        os.dup2(file, number)
        os.close(file)
    os.chdir(str(asked["folder"]))
    os.environ.clear()
    os.environ.update(asked["env"])  # type: ignore[arg-type]
    sys.argv = ["flowbutton", *asked["arguments"]]  # type: ignore[misc]
    sys.path[0] = str(Path.cwd())


def main() -> None:
    """Import what commands need, then fork; in a fork, be the command."""
    for room in ROOMS:
        package = importlib.import_module(f"flowbutton.{room}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    from flowbutton.ui.cli import main as command

    command()


if __name__ == "__main__":
    main()
