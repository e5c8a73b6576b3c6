"""Planted credentials are in nothing that is written by runs that succeed and that fail, on S3, Redis and Lithops."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from servers import WebServer, serving

from flowbutton.stores.opening import open_store

pytestmark = pytest.mark.slow

PASSWORD = "planted/Redis+password/0123"
WRONG, TOKEN = "planted/Wrong+secret/4567", "planted/Session+token/89ab"
PIPELINE = """
flowbutton: 1
name: door
params: {break: {type: bool, default: false}}
stages:
  look: {uses: "door:look"}
  open: {uses: "door:open_it", share: {seen: look}, with: {breaks: "${params.break}"}}
outputs: {seen.json: open}
"""
MODULE = """
import contextlib
import os
from pathlib import Path

NAMES = ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "REDISCLI_AUTH")


def look() -> list[str]:
    \"\"\"Search the temporary folder, where Lithops has this very call; print what must not be kept.\"\"\"
    secrets = [os.environ[name].encode() for name in NAMES if name in os.environ]
    print(*(os.environ.get(name) for name in NAMES))
    files = [place for place in Path(os.environ["TMPDIR"]).rglob("*") if place.is_file()]
    return [str(place) for place in files if any(secret in content(place) for secret in secrets)]


def content(place: Path) -> bytes:
    \"\"\"Return what is in a file; nothing of a sign of life that the driver has taken in since.\"\"\"
    with contextlib.suppress(FileNotFoundError):
        return place.read_bytes()
    return b""


def open_it(seen: list[str], *, breaks: bool) -> list[str]:
    if breaks:
        raise PermissionError("no entry with " + " ".join(os.environ.get(name, "") for name in NAMES))
    return seen
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    for name, value in {"HOME": "home", "TMPDIR": "tmp", "XDG_CACHE_HOME": "cache", "XDG_CONFIG_HOME": "home"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setenv("LITHOPS_CONFIG_FILE", str(tmp_path / "none.yaml"))
    (tmp_path / "door.yaml").write_text(PIPELINE)
    (tmp_path / "door.py").write_text(MODULE)
    return tmp_path


@pytest.fixture
def locked(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The Redis server, with the planted password."""
    open_one = redis.Redis.from_url(redis_server)
    open_one.config_set("requirepass", PASSWORD)
    monkeypatch.setenv("REDISCLI_AUTH", PASSWORD)
    try:
        yield redis_server
    finally:
        redis.Redis.from_url(redis_server, password=PASSWORD).config_set("requirepass", "")


def flowbutton(place: Path, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "flowbutton", *words]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def everything(place: Path, s3: str, cache: str | None = None) -> dict[str, bytes]:
    """Return all that stands in the folder, in the bucket and in Redis, by where; but for the AWS configuration."""
    found = {str(file): file.read_bytes() for file in place.rglob("*") if file.is_file() and ".aws" not in file.parts}
    store = open_store(s3)
    found |= {f"{s3}/{key}": store.get(key) for key in store.list("")}
    if cache is not None:
        server = redis.Redis.from_url(cache, password=PASSWORD)
        found |= {f"{cache} {key!r}": server.get(key) or b"" for key in server.scan_iter()}
    return found | {f"the name {name}": name.encode() for name in found}


def nowhere(found: dict[str, bytes], told: str, *secrets: str) -> None:
    for secret in secrets:
        assert [name for name, data in found.items() if secret.encode() in data] == []
        assert secret not in told


SIGNED = """
flowbutton: 1
name: signed
params: {address: {type: uri}, break: {type: bool, default: false}}
sources:
  raw: {partitioner: whole, from: "${params.address}"}
  named: {partitioner: whole, from: "${env:ADDRESS}"}
stages:
  open: {uses: "signed:open_it", for_each: {file: raw}, with: {breaks: "${params.break}"}}
  again: {uses: "signed:open_it", for_each: {file: named}, with: {breaks: "${params.break}"}}
outputs: {"{file}": open}
"""
OPENS = """
import os
from pathlib import Path


def open_it(file: Path, *, breaks: bool) -> str:
    if breaks:
        raise PermissionError("not at " + os.environ["ADDRESS"])
    return file.name
"""


def test_a_signed_address_is_in_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one that comes from the environment, whatever the names in its query are."""
    signature, whole = "planted%2FSignature%2B0123", "planted-plain-query-4567"
    (place / "signed.yaml").write_text(SIGNED)
    (place / "signed.py").write_text(OPENS)
    (place / "www").mkdir()
    (place / "www" / "a.txt").write_text("a")
    with serving(WebServer(place / "www", head=403)) as web:
        monkeypatch.setenv("ADDRESS", f"{web.url}/a.txt?{whole}")
        run = ["run", "signed.yaml", "--workers", "1", "-p", f"address={web.url}/a.txt?n=1&sig={signature}"]
        code, told = flowbutton(place, *run)
        assert code == 0, told
        assert (place / "results" / "a.txt").is_file()
        code, failed = flowbutton(place, *run, "-p", "break=true")
        assert code == 1, failed
        assert "piece: of" in failed
        assert any(signature in line for line in web.asked)
    found = {str(file): file.read_bytes() for file in place.rglob("*") if file.is_file()}
    nowhere(found | {f"the name {name}": name.encode() for name in found}, told + failed, signature, whole)


@pytest.mark.parametrize("executor", ["processes", "lithops"])
def test_keys_and_a_password_are_in_nothing(
    executor: str, place: Path, s3: str, locked: str, radosgw: dict[str, str]
) -> None:
    secrets = (radosgw["AWS_SECRET_ACCESS_KEY"], radosgw["AWS_ACCESS_KEY_ID"], PASSWORD)
    where = ["--store", f"{s3}/work", "--intermediates", locked, "--executor", executor, "--workers", "1"]
    code, told = flowbutton(place, "run", "door.yaml", *where)
    assert code == 0, told
    assert (place / "results" / "seen.json").read_text().strip() == "[]", "not even while it ran"
    code, failed = flowbutton(place, "run", "door.yaml", "-p", "break=true", *where)
    assert code == 1, failed
    assert "no entry with" in failed
    found = everything(place, s3, locked)
    assert any(b"no entry with ${env:AWS_SECRET_ACCESS_KEY}" in data for data in found.values())
    assert any(b"${env:REDISCLI_AUTH}" in data for name, data in found.items() if name.startswith(s3)), (
        "the log is kept"
    )
    nowhere(found, told + failed, *secrets)


def test_a_profiles_keys_are_in_nothing(
    place: Path, s3: str, radosgw: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = (radosgw["AWS_SECRET_ACCESS_KEY"], radosgw["AWS_ACCESS_KEY_ID"])
    (place / "home" / ".aws").mkdir()
    keys = f"[lab]\naws_access_key_id = {secrets[1]}\naws_secret_access_key = {secrets[0]}\n"
    (place / "home" / ".aws" / "credentials").write_text(keys)
    with monkeypatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONFIG_FILE"):
            patch.delenv(name)
        code, told = flowbutton(place, "run", "door.yaml", "--store", s3.replace("s3://", "s3://lab@") + "/work")
        assert code == 0, told
        code, failed = flowbutton(place, "plan", "door.yaml", "--store", s3.replace("s3://", "s3://lba@") + "/work")
        assert code != 0, failed
    nowhere(everything(place, s3), told + failed, *secrets)


def test_what_is_refused_is_not_repeated(place: Path, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong keys, and URIs that hold a secret: the errors and what is left of the runs tell none of it."""
    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", WRONG)
        patch.setenv("AWS_SESSION_TOKEN", TOKEN)
        code, told = flowbutton(place, "run", "door.yaml", "--store", f"{s3}/work")
        assert code != 0, told
    for options in (
        ["--store", s3.replace("s3://", f"s3://key:{WRONG}@") + "/work"],
        ["--store", f"{s3}/work?endpoint_url=http://me:{WRONG}@host"],
        ["--store", f"{s3}/work?secret={WRONG}"],
        ["--store", "here", "--intermediates", f"redis://me:{PASSWORD}@localhost"],
    ):
        code, failed = flowbutton(place, "run", "door.yaml", *options)
        assert code != 0, failed
        told += failed
    nowhere(everything(place, s3), told, WRONG, TOKEN, PASSWORD)
