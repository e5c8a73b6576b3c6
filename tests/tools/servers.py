"""Real servers for tests: each is started once per test session, by the scripts in the shared folder, and stopped."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(script: Path, folder: Path, *arguments: str) -> Iterator[dict[str, str]]:
    """Run a server while the block lasts; give the variables that its clients need."""
    subprocess.run([script, "start", folder, *arguments], check=True, stdout=subprocess.DEVNULL)
    try:
        said = subprocess.run([script, "env", folder], check=True, capture_output=True, text=True).stdout
        yield dict(line.split("=", 1) for line in said.splitlines())
    finally:
        subprocess.run([script, "stop", folder], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def faulty(shared: Path, folder: Path, target: str, *options: str) -> Iterator[str]:
    """Run the proxy that cuts, delays and refuses in front of an http address; give its own address."""
    script, port = shared / "servers" / "faulty", free_port()
    command = [script, "start", folder, str(port), target.rpartition(":")[2], *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run([script, "stop", folder], check=True, stdout=subprocess.DEVNULL)
