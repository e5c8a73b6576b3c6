"""The parts of the Lithops executor that need no function to run: post, versions, memory, errors of configuration."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowbutton.executors.lithops import LithopsExecutor
from flowbutton.executors.lithops_backend import lithops_home, runtime_memory_mb
from flowbutton.executors.lithops_call import Trip, code_digest, door
from flowbutton.executors.lithops_post import Post, framed, unframed
from flowbutton.executors.lithops_runtime import versions_here
from flowbutton.executors.opening import open_executor
from flowbutton.model.errors import MissingExtra, OptionError
from flowbutton.model.process import ProcessIdentity
from flowbutton.testing.carried import perform


@pytest.fixture
def objects() -> Any:
    """Lithops' own storage in folders; a bucket with an absolute path lies there."""
    lithops_home()
    from lithops.storage.backends.localhost.localhost import LocalhostStorageBackend

    return LocalhostStorageBackend({})


@pytest.fixture
def post(objects: Any, tmp_path: Path) -> Post:
    found = Post(objects, str(tmp_path), "p")
    found.open()
    return found


@given(st.lists(st.binary(max_size=300)), st.data())
def test_messages_are_read_whole_or_not_at_all(messages: list[bytes], data: st.DataObject) -> None:
    whole = framed(messages)
    assert unframed(whole) == messages
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert unframed(whole[:cut]) in (None, messages[:-1])


def test_signs_of_life_are_collected_in_the_order_of_each_call_and_once(post: Post, tmp_path: Path) -> None:
    for call in (3, 20):
        for number in range(12):
            post.beat(call, number, [b"%d" % number] if number % 2 else [])
    beats = post.collect()
    assert [beat.call for beat in beats] == [3] * 12 + [20] * 12
    assert [m for beat in beats if beat.call == 20 for m in beat.messages] == [b"1", b"3", b"5", b"7", b"9", b"11"]
    assert post.collect() == []
    assert [file.name for file in (tmp_path / "p").iterdir()] == ["open"]


def test_a_sign_that_is_being_written_holds_up_its_own_call_only(post: Post, tmp_path: Path) -> None:
    post.beat(1, 0, [b"torn"])
    post.beat(1, 1, [])
    post.beat(2, 0, [b"whole"])
    file = tmp_path / "p/beat-1-0-said"
    whole = file.read_bytes()
    file.write_bytes(whole[:5])
    assert post.collect() == [(2, [b"whole"])]
    file.write_bytes(whole)
    assert post.collect() == [(1, [b"torn"]), (1, [])]


def test_a_call_knows_that_it_or_all_should_stop(post: Post) -> None:
    assert not post.is_stopped(1)
    post.stop([1])
    assert (post.is_stopped(1), post.is_stopped(2)) == (True, False)
    post.stop_all()
    assert post.is_stopped(2)


@given(configured=st.sampled_from([256, 512, 2048]), wanted=st.integers(0, 1 << 36))
def test_the_memory_of_a_function_is_enough_and_one_of_few(configured: int, wanted: int) -> None:
    memory = runtime_memory_mb(configured, wanted)
    assert memory * 1024**2 >= wanted
    assert memory == configured or (memory // 2) * 1024**2 < wanted
    assert (memory // configured).bit_count() == 1


def trip(folder: Path, code: str = "") -> Trip:
    return Trip(pickle.dumps(perform), str(folder), "p", ProcessIdentity.current(), 60.0, code or code_digest())


def test_a_call_runs_where_all_is_as_it_is_here(objects: Any, post: Post, tmp_path: Path) -> None:
    outcome = door(trip(tmp_path), versions_here())(b"echo x", None, 7, objects)
    assert outcome[:3] == ("Returned", [], b"x")
    assert post.collect() == [(7, [])]


def test_other_versions_are_told_before_the_work_is_looked_at(tmp_path: Path) -> None:
    assert versions_here().keys() >= {"flowbutton", "pysam", "numpy"}
    assert "pytest" not in versions_here()
    wrong = {**versions_here(), "flowbutton": "0.0.9", "pysam": "0.1", "not-there-at-all": "1"}
    kind, _, why = door(trip(tmp_path), wrong)(b"die", None, 7, None)
    assert kind == "Unfit"
    assert re.fullmatch(r"it has flowbutton \S+ \(here 0.0.9\), pysam \S+ \(here 0.1\)", why.decode())


def test_other_code_of_the_same_version_is_told(tmp_path: Path) -> None:
    kind, _, why, *_ = door(trip(tmp_path, code="other"), versions_here())(b"die", None, 7, None)
    assert (kind, why) == ("Unfit", b"its flowbutton has the same version, but other code")


def test_the_function_that_travels_can_say_that_flowbutton_is_another_where_it_cant_be_loaded(tmp_path: Path) -> None:
    import cloudpickle

    sent = cloudpickle.dumps(door(trip(tmp_path), {"flowbutton": "0.0.9"}))
    there = (
        "import pickle, sys; sys.modules['flowbutton'] = None; print(pickle.load(sys.stdin.buffer)(b'', None, 1, None))"
    )
    ended = subprocess.run([sys.executable, "-c", there], input=sent, capture_output=True, check=True)
    assert ended.stdout.startswith(b"('Unfit', [], b'it has flowbutton ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("lithops: {backend: no_such}\n", "no_such"),
        ("lithops: {backend: aws_lambda}\n", "aws"),
        ("- a list\n", "TypeError"),
        ("lithops: {backend: [\n", "ParserError"),
        ("lithops: {backend: singularity, storage: localhost}\nrabbitmq: {amqp_url: amqp://x}\n", "storage"),
    ],
)
def test_a_wrong_configuration_is_told_with_its_file(
    text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lithops.yaml"
    file.write_text(text)
    monkeypatch.setenv("LITHOPS_CONFIG_FILE", str(file))
    with pytest.raises((OptionError, MissingExtra)) as caught:
        LithopsExecutor(perform, slots=1)
    if isinstance(caught.value, MissingExtra):
        assert "pip install" in caught.value.hint
    else:
        assert caught.value.where == {"file": str(file)}
        assert "lithops hello" in caught.value.hint
        assert why.lower() in caught.value.why.lower()


def test_without_lithops_the_error_is_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "lithops" or name.startswith("lithops.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lithops", None)
    with pytest.raises(MissingExtra) as caught:
        open_executor("lithops", perform, slots=1, memory_bytes=None)
    assert caught.value.hint == "run: pip install 'flowbutton[lithops]'"
