"""Who talks to S3 and over what: authorities of one's own, roles, and credentials that run out, by both clients."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from servers import WebServer, serving

from flowbutton.model.errors import OptionError
from flowbutton.model.store import Store
from flowbutton.stores import s3_account, s3_client
from flowbutton.stores.opening import open_store
from flowbutton.stores.s3_account import account_of
from flowbutton.stores.s3_client import client_for, forget_clients, session_for
from flowbutton.stores.s3_parts import LARGE
from flowbutton.stores.s3_places import s3_store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority (``ca.pem``) and a server's certificate that it signed."""
    folder = tmp_path_factory.mktemp("authority")
    (folder / "server.ext").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    new = "-newkey rsa:2048 -nodes"
    for command in (
        f"req -x509 {new} -keyout ca.key -out ca.pem -days 2 -subj /CN=lab -addext keyUsage=critical,keyCertSign",
        f"req {new} -keyout server.key -out server.csr -subj /CN=127.0.0.1",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.pem",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder


HTTPS = """
import asyncio, contextlib, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem", "server.key")

async def copied(source, sink):
    with contextlib.suppress(OSError):
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
    sink.close()

async def serve(reader, writer):
    server_reader, server_writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    await asyncio.gather(copied(reader, server_writer), copied(server_reader, writer))

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@contextmanager
def https(authority: Path, target: str) -> Iterator[str]:
    """Stand before an http address as an https one."""
    command = [sys.executable, "-c", HTTPS, target.rpartition(":")[2]]
    with subprocess.Popen(
        command, cwd=authority, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as proxy:
        assert proxy.stdout is not None
        try:
            yield f"https://127.0.0.1:{proxy.stdout.readline().strip()}"
        finally:
            proxy.terminate()


def small_work(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put and get something small while boto3 may do nothing."""

    def never(**_: Any) -> None:
        raise AssertionError("obstore was not enough")

    with monkeypatch.context() as patch:
        client = client_for(s3_store(store.uri).access)
        for name in ("put_object", "get_object", "head_object"):
            patch.setattr(client, name, never)
        store.put("small", b"x")
        assert (store.get("small"), store.head("small")) == (b"x", 1)


@pytest.mark.parametrize("told_by", ["AWS_CA_BUNDLE", "ca_bundle"])
def test_https_with_an_authority_of_ones_own(
    s3: str, radosgw: dict[str, str], authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told_by: str
) -> None:
    """Its certificate stands among others in the file; small objects, large ones, and who does not trust it."""
    import certifi

    bundle, file = tmp_path / "bundle.pem", tmp_path / "large"
    bundle.write_text(Path(certifi.where()).read_text() + (authority / "ca.pem").read_text())
    file.write_bytes(bytes(LARGE + 1))
    with https(authority, radosgw["AWS_ENDPOINT_URL"]) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        forget_clients()
        with pytest.raises(OptionError, match="certificate is not trusted") as caught:
            open_store(f"{s3}/h").put("small", b"x")
        assert "AWS_CA_BUNDLE" in caught.value.hint
        if told_by == "AWS_CA_BUNDLE":
            monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
        else:
            configured(tmp_path, monkeypatch, f"[profile lab]\nca_bundle = {bundle}\n")
            s3 = s3.replace("s3://", "s3://lab@")
            monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
            keys = "aws_access_key_id = {AWS_ACCESS_KEY_ID}\naws_secret_access_key = {AWS_SECRET_ACCESS_KEY}\n"
            (tmp_path / "credentials").write_text("[lab]\n" + keys.format(**radosgw))
        forget_clients()
        store = open_store(f"{s3}/h")
        small_work(store, monkeypatch)
        assert store.put_if_absent("large", file) is True
        assert store.get("large") == file.read_bytes()


def test_a_bundle_that_is_missing_is_told(s3: str, authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority / "nothing.pem"))
    with https(authority, "http://127.0.0.1:9") as address, pytest.raises(OptionError, match="not trusted"):
        open_store(f"{s3}?endpoint_url={address}").get("a")


def configured(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let this be the AWS configuration."""
    (folder / "config").write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    forget_clients()


def test_credentials_that_run_out_are_asked_for_again_by_both_clients(
    s3: str, radosgw: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program gives them; they end in five minutes, so boto3 asks it anew each time, and obstore asks boto3."""
    monkeypatch.setattr(s3_account, "_LOOKED_AT_AGAIN", timedelta())

    def give(secret: str) -> None:
        until = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
        keys = {"Version": 1, "AccessKeyId": radosgw["AWS_ACCESS_KEY_ID"], "SecretAccessKey": secret}
        (tmp_path / "keys.json").write_text(json.dumps({**keys, "Expiration": until}))

    give(radosgw["AWS_SECRET_ACCESS_KEY"])
    configured(tmp_path, monkeypatch, f"[profile lab]\ncredential_process = cat {tmp_path / 'keys.json'}\n")
    store = open_store(s3.replace("s3://", "s3://lab@") + "/c")
    small_work(store, monkeypatch)
    give("withdrawn")
    with pytest.raises(OptionError, match="credentials"):
        store.get("small")
    give(radosgw["AWS_SECRET_ACCESS_KEY"])
    assert [*store.list("")] == ["small"]
    small_work(store, monkeypatch)


ROLE = "arn:aws:iam::123456789012:role/lab"


@pytest.mark.parametrize("method", ["assume-role", "assume-role-with-web-identity", "container-role"])
def test_roles_are_taken_by_both_clients(
    moto_s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """With their session's token, from the chain of boto3; large files go by boto3, small ones by obstore."""
    bucket = moto_s3
    if method == "assume-role":
        (tmp_path / "credentials").write_text("[me]\naws_access_key_id = a\naws_secret_access_key = b\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        configured(tmp_path, monkeypatch, f"[profile lab]\nrole_arn = {ROLE}\nsource_profile = me\n")
        bucket = moto_s3.replace("s3://", "s3://lab@")
    else:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    if method == "assume-role-with-web-identity":
        (tmp_path / "token").write_text("a.b.c")
        monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    file = tmp_path / "large"
    file.write_bytes(bytes(LARGE + 1))
    with container(tmp_path) as address:
        if method == "container-role":
            monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
        forget_clients()
        access = s3_store(bucket).access
        store = open_store(f"{bucket}/{method}")
        small_work(store, monkeypatch)
        assert store.put_if_absent("large", file) is True
        account = account_of(access)
        assert session_for(access).get_credentials().method == method
        assert account is not None
        assert account.credentials is not None
        assert account.credentials()["token"]
    forget_clients()


@contextmanager
def container(folder: Path) -> Iterator[str]:
    """Give credentials as the agent of a container does; its address."""
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    keys = {"AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c", "Expiration": until}
    (folder / "keys").write_text(json.dumps(keys))
    with serving(WebServer(folder)) as web:
        yield f"{web.url}/keys"


def test_a_clock_that_is_wrong_is_told(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.auth

    told = botocore.auth.get_current_datetime
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: told() + timedelta(minutes=20))
    monkeypatch.setattr(s3_client, "FIRST_PAUSE_S", 0.01)
    store = open_store(s3)
    with pytest.raises(OptionError, match="clock") as caught:
        [*store.list("")]
    assert "timedatectl" in caught.value.hint
