"""Real servers for tests: each is started once per test session, by the scripts in the shared folder, and stopped."""

from __future__ import annotations

import socket
import subprocess
import threading
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


@contextmanager
def losing_first_answer(target: int, word: bytes) -> Iterator[int]:
    """Stand between clients and a port; give the own one. The first request with ``word`` in it reaches the server, but
    its answer is lost and the connection is cut."""
    lost = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(client: socket.socket) -> None:
            with client, socket.create_connection(("127.0.0.1", target)) as server:
                while request := client.recv(1 << 16):
                    server.sendall(request)
                    answer = server.recv(1 << 16)
                    if word in request and not lost.is_set():
                        lost.set()
                        return
                    client.sendall(answer)

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:  # closed: the block is over
                    return
                threading.Thread(target=serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield int(listener.getsockname()[1])
        assert lost.is_set(), "no answer was lost"
        listener.shutdown(socket.SHUT_RDWR)
