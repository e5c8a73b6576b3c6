"""Hosts of their own for tests: network, disk and processes apart, Lithops workers on them (shared/hosts)."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from servers import patiently

ROOT = Path(__file__).resolve().parent.parent.parent
BROKER = {"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-rabbit heartbeat 20"}
"""What it handed to a host that is lost goes to another when two heartbeats (in seconds; else 60) were missed."""


@dataclass(frozen=True)
class Hosts:
    """A running set of hosts ``h1``, ``h2``, ...; ``variables`` are what a driver needs to use them."""

    scripts: Path
    folder: Path
    variables: Mapping[str, str]

    def kill(self, host: str) -> None:
        """End a host's processes at once; others see closed sockets."""
        self._script("netns", "-C", self.folder, "kill", host)

    def lose(self, host: str) -> None:
        """Cut a host's power: nobody is told."""
        self._script("netns", "-C", self.folder, "lose", host)

    def pids(self, host: str) -> set[int]:
        """Return the processes of a host."""
        command = ["bash", self.scripts / "netns", "-C", self.folder, "pids", host]
        return {int(pid) for pid in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()}

    def restart(self, host: str) -> None:
        """Boot a host again, with its Lithops worker."""
        self._script("netns", "-C", self.folder, "start", host)
        self._script("lithops", "worker", host, self.folder)

    def _script(self, name: str, *arguments: str | Path) -> None:
        passed = " ".join(["PYTHONPATH", *(name for name in self.variables if name.startswith("AWS_"))])
        environment = {**os.environ, **BROKER, **self.variables, "NETNS_PASS": passed}
        command = ["bash", self.scripts / name, *arguments]
        # Not a pipe: the workers that it starts would hold it open.
        with (self.folder.parent / "hosts.log").open("ab") as log:
            subprocess.run(command, check=True, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


@contextmanager
def lithops_hosts(shared: Path, folder: Path, count: int, s3: Mapping[str, str]) -> Iterator[Hosts]:
    """Start hosts with a Lithops worker each, which reach a local S3 server with the variables ``s3``."""
    scripts, port = shared / "hosts", urlsplit(s3["AWS_ENDPOINT_URL"]).port or 80
    bare = Hosts(scripts, folder, {})
    # Of an editable install the checkout has to be seen too.
    seen = [part for place in (ROOT, Path(sys.prefix)) for part in ("--ro", place)]
    bare._script("netns", "up", *seen, str(count), folder)
    try:
        said = dict(line.split("=", 1) for line in (folder / "set").read_text().splitlines())
        with relay(f"{said['NET']}.{said['K']}.1", port) as address:
            found = {**s3, "AWS_ENDPOINT_URL": address, "LITHOPS_CONFIG_FILE": str(folder / "lithops.yaml")}
            hosts = Hosts(scripts, folder, found)
            _start_workers(hosts, address, count)
            try:
                yield hosts
            finally:
                hosts._script("lithops", "down", folder)
    finally:
        bare._script("netns", "down", folder)


def _start_workers(hosts: Hosts, address: str, count: int) -> None:
    keys = (hosts.variables["AWS_ACCESS_KEY_ID"], hosts.variables["AWS_SECRET_ACCESS_KEY"])
    start = partial(hosts._script, "lithops", "up", "--s3", address, *keys, Path(sys.prefix), str(count), hosts.folder)
    patiently(start)


@contextmanager
def relay(host: str, target_port: int) -> Iterator[str]:
    """Pass connections to an address of this machine on to a port of its loopback; give the http address."""
    with socket.create_server((host, 0)) as server:
        threading.Thread(target=_accept, args=(server, target_port), daemon=True).start()
        yield f"http://{host}:{server.getsockname()[1]}"


def _accept(server: socket.socket, target_port: int) -> None:
    with contextlib.suppress(OSError):  # closed at the end
        while True:
            near = server.accept()[0]
            far = socket.create_connection(("127.0.0.1", target_port))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=_pass, args=pair, daemon=True).start()


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    sink.close()
