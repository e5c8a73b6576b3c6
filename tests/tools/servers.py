"""Real servers for tests: each is started once per test session, by the scripts in the shared folder, and stopped."""

from __future__ import annotations

import fcntl
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

_held: list[socket.socket] = []
"""A UDP socket for each port that `free_port` has given."""


def free_port() -> int:
    """Return a port for a server that is started later. Until this process ends, no other of these tests gets it.

    It is below those that the system gives to clients, one of which could have it before the server does.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            mark.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
        else:
            _held.append(mark)
            return port


def patiently(start: Callable[[], object]) -> None:
    """Call a script that starts a server, again where that failed: on a busy machine one takes longer than it waits."""
    for tries_left in (2, 1, 0):
        try:
            start()
        except subprocess.CalledProcessError:
            if not tries_left:
                raise
        else:
            return


@contextmanager
def running(script: Path, folder: Path, *arguments: str) -> Iterator[dict[str, str]]:
    """Run a server while the block lasts; give the variables that its clients need.

    One starts at a time on this machine: of its other ports it finds out which are free, and takes them later.
    """
    command = [script, "start", folder, *arguments]
    with (Path(tempfile.gettempdir()) / "flowbutton-tests-start-servers").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        patiently(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
    try:
        said = subprocess.run([script, "env", folder], check=True, capture_output=True, text=True).stdout
        yield dict(line.split("=", 1) for line in said.splitlines())
    finally:
        subprocess.run([script, "stop", folder], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def moto(folder: Path) -> Iterator[dict[str, str]]:
    """Run moto's S3 server while the block lasts; give the variables that its clients need."""
    port = str(free_port())
    with (folder / "moto.log").open("w") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            while not _answers(int(port)):
                assert server.poll() is None, (folder / "moto.log").read_text()
                time.sleep(0.05)
            keys = {"AWS_ACCESS_KEY_ID": "moto", "AWS_SECRET_ACCESS_KEY": "moto", "AWS_DEFAULT_REGION": "us-east-1"}
            yield {**keys, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        finally:
            server.terminate()
            server.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@contextmanager
def faulty(shared: Path, folder: Path, target: str, *options: str) -> Iterator[str]:
    """Run the proxy that cuts, delays and refuses in front of an http address; give its own address."""
    script, port = shared / "servers" / "faulty", free_port()
    command = [script, "start", folder, str(port), target.rpartition(":")[2], *options]
    patiently(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
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


@dataclass
class WebServer:
    """A folder over HTTP. ``asked`` has a line per request; the first ``cuts`` bodies end in the middle.

    It may lack ranges, versions, and lengths, and answer HEAD with another status than 200.
    """

    folder: Path
    ranges: bool = True
    versions: bool = True
    lengths: bool = True
    head: int = 200
    cuts: int = 0
    url: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving(web: WebServer) -> Iterator[WebServer]:
    """Serve a folder while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            web.asked.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())
            place = web.folder / unquote(self.path.partition("?")[0]).lstrip("/")
            found, status, headers = place.read_bytes() if place.is_file() else b"", 200, {}
            body = found
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if web.ranges else None
            if not place.is_file():
                status = 404
            elif asked and int(asked[1]) >= len(found):
                status, body = 416, b""
            elif asked:
                body = found[int(asked[1]) : int(asked[2]) + 1 if asked[2] else None]
                status = 206
                headers["Content-Range"] = f"bytes {asked[1]}-{int(asked[1]) + len(body) - 1}/{len(found)}"
            if web.versions:
                headers["ETag"] = f'"{hash(found):x}"'
                headers["Last-Modified"] = "Sun, 29 Nov 2026 10:00:00 GMT"
            if not with_body and web.head != 200:
                status, headers, body = web.head, {}, b""
            self.send_response(status)
            if web.lengths:
                headers["Content-Length"] = str(len(body))
            else:
                headers["Transfer-Encoding"], body = "chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body and web.cuts and len(body) > 1:
                web.cuts -= 1
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            elif with_body:
                self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        web.url = f"http://127.0.0.1:{server.server_port}"
        yield web
        server.shutdown()
