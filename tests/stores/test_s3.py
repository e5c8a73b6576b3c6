"""The S3 store: URIs, errors that teach, lost answers, parts, pages, and no secret anywhere."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import obstore
import pytest
from servers import faulty

from flowbutton.model.errors import MissingExtra, NotInStore, OptionError, Throttled
from flowbutton.stores import s3_client, s3_hot, s3_parts, s3_sources
from flowbutton.stores.leases import LeaseOwner, acquire
from flowbutton.stores.objects import Objects, digest_of
from flowbutton.stores.opening import open_store
from flowbutton.stores.s3_account import account_of
from flowbutton.stores.s3_bucket import Bucket
from flowbutton.stores.s3_client import client_for, repeated
from flowbutton.stores.s3_parts import LARGE, PART
from flowbutton.stores.s3_places import S3Access, s3_store

pytestmark = pytest.mark.slow

SECRET = "wJalrXUtnFEMIplantedByATest"


def test_without_boto3_the_error_is_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    s3_client.forget_clients()
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtra, match=r"pip install 'flowbutton\[s3\]'"):
        open_store("s3://data/a")


def test_a_profile_that_does_not_exist(s3: str) -> None:
    with pytest.raises(OptionError, match="nobody"):
        open_store(s3.replace("s3://", "s3://nobody@"))


def test_a_missing_bucket_is_told(s3: str) -> None:
    store = open_store(f"{s3}-not/there")
    for call in (lambda: store.put("a", b""), lambda: store.put_if_absent("a", b""), lambda: [*store.list("")]):
        with pytest.raises(OptionError, match="bucket does not exist") as caught:
            call()
        assert "aws s3 mb" in caught.value.hint


def test_a_bucket_that_vanishes_is_told(s3: str) -> None:
    store = open_store(s3)
    store.put("a", b"x")
    store.delete("a")
    client_for(S3Access()).delete_bucket(Bucket=s3.removeprefix("s3://"))
    with pytest.raises(OptionError, match="bucket does not exist"):
        store.put("a", b"x")


def test_wrong_credentials_and_missing_permission_are_told_and_not_shown(
    s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(s3).put("a", b"x")
    with pytest.raises(OptionError, match="does not allow it") as caught:
        open_store(s3.replace("s3://", "s3://anonymous@")).get("a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    s3_client.forget_clients()
    with pytest.raises(OptionError, match="credentials") as caught:
        open_store(s3).get("a")
    assert SECRET not in repr(caught.value) + str(caught.value) + str(pickle.dumps(caught.value))


@pytest.mark.parametrize(
    ("right", "resource"),
    [
        ("s3:PutObject", "/p/objects/*"),
        ("s3:GetObject", "/p/objects/*"),
        ("s3:DeleteObject", "/*"),
        ("s3:ListBucket", ""),
        ("s3:AbortMultipartUpload", "/*"),
        ("s3:ListBucketMultipartUploads", ""),
    ],
)
def test_a_denial_names_the_right_that_is_missing(s3: str, right: str, resource: str) -> None:
    """Also where it is one right on one prefix. Who may not delete learns it before a run, and leaves no lease."""
    store, bucket, owner = open_store(f"{s3}/p"), s3.removeprefix("s3://"), LeaseOwner.current()
    store.put("objects/there", b"x")
    acquire(store, "name", owner=owner, ttl_s=600, now=time.monotonic, wait_s=0).release()
    rule = {"Effect": "Deny", "Principal": "*", "Action": right, "Resource": f"arn:aws:s3:::{bucket}{resource}"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [rule]})
    client_for(S3Access()).put_bucket_policy(Bucket=bucket, Policy=policy)
    calls: dict[str, Callable[[], object]] = {
        "s3:PutObject": lambda: store.put_if_absent("objects/a", b"x"),
        "s3:GetObject": lambda: store.get("objects/there"),
        "s3:DeleteObject": lambda: acquire(store, "name", owner=owner, ttl_s=600, now=time.monotonic, wait_s=0),
        "s3:ListBucket": lambda: [*store.list("records/")],
        "s3:AbortMultipartUpload": lambda: store.drop_leftover("2~none objects/a"),
        "s3:ListBucketMultipartUploads": lambda: [*store.leftovers()],
    }
    for _ in range(2):
        with pytest.raises(OptionError, match="does not allow it") as caught:
            calls[right]()
        assert right in caught.value.hint
    if right == "s3:DeleteObject":
        with pytest.raises(OptionError, match="does not allow it"):
            open_store(f"{s3}/another").put_if_absent("a", b"x")


def test_who_may_neither_put_nor_delete_hears_of_putting_first(s3: str) -> None:
    bucket = s3.removeprefix("s3://")
    actions, places = ["s3:PutObject", "s3:DeleteObject"], f"arn:aws:s3:::{bucket}/*"
    rule = {"Effect": "Deny", "Principal": "*", "Action": actions, "Resource": places}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [rule]})
    client_for(S3Access()).put_bucket_policy(Bucket=bucket, Policy=policy)
    with pytest.raises(OptionError, match="does not allow it") as caught:
        open_store(f"{s3}/p").put_if_absent("a", b"x")
    assert "s3:PutObject" in caught.value.hint


def test_nobody_listens_at_the_endpoint(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "FIRST_PAUSE_S", 0.0)
    with pytest.raises(Throttled, match="does not answer") as caught:
        open_store(f"{s3}/a?endpoint_url=http://127.0.0.1:9").get("a")
    assert "endpoint" in caught.value.hint


@pytest.mark.parametrize("kind", ["lost", "cut-answer", "truncate", "shorten", "error", "twice", "refuse"])
def test_through_faults_the_first_wins_and_knows_it(
    s3: str, radosgw: dict[str, str], shared: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_client, "FIRST_PAUSE_S", 0.01)
    open_store(f"{s3}/f").put_if_absent("first", b"")  # the probe is another test's
    options = ("--rate", "0.2", "--seed", "7", "--kinds", kind)
    with faulty(shared, tmp_path / "faulty", radosgw["AWS_ENDPOINT_URL"], *options) as address:
        store = open_store(f"{s3}/f?endpoint_url={address}")
        bodies = {f"k/{number}": bytes([number]) * 50_000 for number in range(12)}
        for key, body in bodies.items():
            assert store.put_if_absent(key, body) is True, "its own write is not taken for another's"
            assert store.put_if_absent(key, b"late") is False
            assert store.get(key) == body
            assert store.get(key, 10, 20_000) == body[10:20_000]
        assert [*store.list("k/")] == sorted(bodies)
        with pytest.raises(NotInStore):
            store.get("not/there")


WHOLE = (
    b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "abc"\r\nx-amz-meta-flowbutton-size: 5\r\n'
    b"x-amz-meta-flowbutton-token: mine\r\nDate: Sun, 29 Nov 2026 10:00:00 GMT\r\n\r\n"
)


def test_a_head_that_is_cut_anywhere_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 takes what came of the headers for all of them: its own put would look like another's."""
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    monkeypatch.setattr(s3_client, "FIRST_PAUSE_S", 0.0)
    s3_client.forget_clients()
    cuts: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:  # closed: the test is over
                    return
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(cuts.pop() if cuts else WHOLE)

        threading.Thread(target=serve, daemon=True).start()
        bucket = Bucket(s3_store(f"s3://data?endpoint_url=http://127.0.0.1:{listener.getsockname()[1]}"))
        for cut in range(0, len(WHOLE), 3):
            cuts.append(WHOLE[:cut])
            head = bucket.head("a")
            assert head is not None
            assert (head.size, head.etag) == (5, "abc")
            cuts[:] = [WHOLE[:cut]]
            assert bucket.is_mine("a", "mine") is True
        listener.shutdown(socket.SHUT_RDWR)
    s3_client.forget_clients()


def test_a_large_file_goes_up_in_parts_and_is_whole(s3: str, tmp_path: Path) -> None:
    file, store = tmp_path / "large", open_store(f"{s3}/p")
    file.write_bytes(os.urandom(1024**2) * (LARGE // 1024**2 + 3))
    assert Objects(store).put(file) == (digest_of(file), file.stat().st_size)
    assert Objects(store).is_sound(digest_of(file))
    assert store.put_if_absent("again", file) is True
    assert store.put_if_absent("again", file) is False
    assert [*store.leftovers()] == []


def test_through_faults_a_large_file_is_whole_and_leaves_no_parts(
    s3: str, radosgw: dict[str, str], shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers to all of its calls are lost, cut, refused or doubled: to begin, to send parts, to end."""
    monkeypatch.setattr(s3_client, "FIRST_PAUSE_S", 0.01)
    file, direct = tmp_path / "large", open_store(f"{s3}/f")
    direct.put_if_absent("first", b"")
    file.write_bytes(os.urandom(LARGE + PART + 1))
    with faulty(
        shared, tmp_path / "faulty", radosgw["AWS_ENDPOINT_URL"], "--rate", "0.3", "--seed", "3", "--delay", "0.1"
    ) as address:
        store = open_store(f"{s3}/f?endpoint_url={address}")
        for number in range(3):
            assert store.put_if_absent(f"k/{number}", file) is True
            assert store.put_if_absent(f"k/{number}", file) is False
            assert direct.get(f"k/{number}") == file.read_bytes()
    log = (tmp_path / "faulty" / "faults.jsonl").read_text().splitlines()
    posts = [found for found in map(json.loads, log) if found["method"] == "POST"]
    assert posts, "an end or a beginning of an upload was disturbed"
    # An upload whose beginning was not answered has no name here; `clean` finds it.
    assert len([*direct.leftovers()]) <= len(posts)


def test_a_file_that_became_shorter_is_an_error_and_leaves_nothing(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, store = tmp_path / "large", open_store(f"{s3}/p")
    file.write_bytes(bytes(LARGE + 1))
    monkeypatch.setattr(s3_parts, "size_of", lambda _: LARGE + 2)
    with pytest.raises(OSError, match="became shorter"):
        store.put("a", file)
    assert [*store.leftovers()] == [*store.list("")] == []


def test_a_failing_upload_is_aborted_and_a_killed_one_is_found(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, store = tmp_path / "large", open_store(f"{s3}/p")
    file.write_bytes(bytes(LARGE + 1))
    client = client_for(S3Access())

    def interrupted(**_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(client, "complete_multipart_upload", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.put("a", file)
        assert [*store.leftovers()] == []
        patch.setattr(client, "abort_multipart_upload", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.put("a", file)
    [left] = store.leftovers()
    store.drop_leftover(left.key)
    store.drop_leftover(left.key)
    assert [*store.leftovers()] == [*store.list("")] == []


def test_lists_of_many_pages(s3: str) -> None:
    store = open_store(f"{s3}/l")
    for number in range(1_005):
        store.put(f"a/{number:05d}", b"")
    assert [*store.list("a/")] == [f"a/{number:05d}" for number in range(1_005)]


@pytest.fixture(params=["boto3", "obstore"])
def deaf(request: pytest.FixtureRequest, s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket whose server takes every conditional write, as told through the one client or the other."""
    if request.param == "boto3":
        monkeypatch.setitem(sys.modules, "obstore.store", None)
        s3_client.forget_clients()
        client = client_for(S3Access())
        put = client.put_object
        monkeypatch.setattr(client, "put_object", lambda IfNoneMatch="", **call: put(**call))  # noqa: ARG005, N803
    else:
        send = obstore.put
        monkeypatch.setattr(obstore, "put", lambda *given, **options: send(*given, **{**options, "mode": "overwrite"}))
    return s3


def test_a_server_that_takes_every_conditional_write_is_not_trusted(deaf: str) -> None:
    with pytest.raises(OptionError, match="conditional") as caught:
        open_store(f"{deaf}/n").put_if_absent("a", b"x")
    assert "conditional=no" in caught.value.hint
    store = open_store(f"{deaf}/n?conditional=no")
    assert [store.put_if_absent("a", b"x"), store.put_if_absent("a", b"y")] == [True, False]
    assert store.get("a") == b"x"
    assert [*store.list("")] == ["a"], "the probe leaves nothing behind"


SMALL_WORK = """
import sys
from flowbutton.stores.opening import open_store
from flowbutton.stores.s3_sources import head, read
uri = sys.argv[1]
store = open_store(uri)
print(store.put_if_absent("a", b"x"), store.put_if_absent("a", b"y"), store.get("a"), store.head("a"), store.head("b"))
store.put("a", b"z")
print(read(uri + "/a", 0, 1), head(uri + "/a").size, sorted({"boto3", "botocore"} & set(sys.modules)))
"""


def test_small_work_needs_no_boto3_where_the_environment_says_all(s3: str) -> None:
    """Nor does it where obstore is missing: it is boto3 then, and nothing is said."""
    open_store(f"{s3}/w").put_if_absent("first", b"")  # the probe lists nothing, but deletes by boto3
    told = subprocess.run([sys.executable, "-c", SMALL_WORK, f"{s3}/w"], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["True False b'x' 1 None", "b'z' 1 []"]
    work = "import sys; sys.modules['obstore'] = None; " + SMALL_WORK
    open_store(f"{s3}/w").delete("a")
    told = subprocess.run([sys.executable, "-c", work, f"{s3}/w"], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["True False b'x' 1 None", "b'z' 1 ['boto3', 'botocore']"]
    assert told.stderr == ""


def test_both_clients_see_one_identity(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the records of a source would not be found from a process that uses the other client."""
    open_store(s3).put("a", b"x")
    quick = s3_sources.head(f"{s3}/a")
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    s3_client.forget_clients()
    assert s3_sources.head(f"{s3}/a") == quick


def test_a_server_that_obstore_cannot_use_is_left_to_boto3(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here for wrong credentials: after three tries nothing is sent in vain, and all is right."""
    store = open_store(f"{s3}/l")
    sent: list[int] = []
    send = obstore.put

    def counted(*given: Any, **options: Any) -> Any:
        sent.append(1)
        return send(*given, **options)

    monkeypatch.setattr(obstore, "put", counted)
    wrong = {"access_key_id": "nobody", "secret_access_key": SECRET, "token": None, "expires_at": None}
    account = account_of(S3Access())
    assert account is not None
    monkeypatch.setattr(s3_hot, "account_of", lambda _: replace(account, credentials=lambda: wrong))
    s3_client.forget_clients()
    store.put_if_absent("first", b"")
    sent.clear()
    for number in range(6):
        store.put(f"a{number}", b"x")
    assert len(sent) <= 3
    assert len([*store.list("a")]) == 6


@pytest.mark.usefixtures("s3")
def test_a_client_has_time_limits_and_checksums_that_every_server_takes() -> None:
    config = client_for(S3Access()).meta.config
    assert config.request_checksum_calculation == config.response_checksum_validation == "when_required"
    assert config.retries["total_max_attempts"] == 1
    assert (config.connect_timeout, config.read_timeout) == (s3_client.CONNECT_S, s3_client.ANSWER_S)


def test_a_forked_child_has_a_client_of_its_own(s3: str) -> None:
    store = open_store(s3)
    store.put("a", b"x")
    forked = multiprocessing.get_context("fork")
    answers = forked.SimpleQueue()
    child = forked.Process(target=lambda: answers.put(open_store(s3).get("a")))
    child.start()
    child.join(300)
    assert (child.exitcode, answers.get()) == (0, b"x")


def test_repeats_are_bounded_and_only_for_what_may_pass() -> None:
    from botocore.exceptions import ClientError

    pauses: list[float] = []
    calls: list[int] = []

    def fails(status: int, code: str) -> None:
        calls.append(status)
        answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(answer, "GetObject")  # type: ignore[arg-type]

    with pytest.raises(s3_client.Unanswered, match="SlowDown"):
        repeated(lambda: fails(503, "SlowDown"), pause=pauses.append)
    assert len(calls) == s3_client.TRIES
    assert len(pauses) == s3_client.TRIES - 1
    assert sum(pauses) < 20
    with pytest.raises(ClientError):
        repeated(lambda: fails(403, "AccessDenied"), pause=pauses.append)
    assert len(calls) == s3_client.TRIES + 1
