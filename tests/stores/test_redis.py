"""Intermediates in a real Redis server: the contract, what is lost, what does not fit; results never suffer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from bench import Bench, bench_with_files
from recovery import OUTPUTS
from servers import free_port, losing_first_answer, running

from flowbutton.engine.run import Status
from flowbutton.engine.verify import verify
from flowbutton.model.errors import NoSpace, NotInStore, OptionError, Throttled
from flowbutton.model.store import Store
from flowbutton.stores.intermediates import joined
from flowbutton.stores.objects import Objects
from flowbutton.stores.opening import open_store
from flowbutton.stores.redis_store import RedisStore
from flowbutton.testing.stores import StoreContract

FILLING = """
flowbutton: 1
name: filling
sources:
  files: {partitioner: whole, from: "in/*.txt"}
stages:
  fill: {uses: "troubled:fill", for_each: {file: files}, with: {size: 600000}}
  large: {uses: "troubled:fill", for_each: {file: files}, with: {size: 9000000}}
  heads: {uses: "troubled:heads", gather: {parts: fill}}
  ends: {uses: "troubled:tails", gather: {parts: large}}
outputs:
  heads.txt: heads
  ends.txt: ends
"""

pytestmark = pytest.mark.slow

_numbers = itertools.count()


class TestRedisStore(StoreContract):
    late = True

    @pytest.fixture(autouse=True)
    def _server(self, redis_server: str) -> None:
        self.server = redis_server

    def store(self) -> Store:
        return open_store(f"{self.server}?prefix=store-{next(_numbers)}")

    def reopen(self, store: Store) -> Store:
        return open_store(store.uri)


class TestIntermediates(TestRedisStore):
    late = False

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def store(self) -> Store:
        number = next(_numbers)
        return open_store(joined(f"{self.server}?prefix=store-{number}", str(self.folder / str(number))))


@pytest.fixture
def client(redis_server: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_server) as made:
        made.flushall()
        yield made


@pytest.fixture
def small(shared: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A server of some MB of memory that drops nothing, or by a policy."""
    port = str(free_port())
    with running(
        shared / "servers" / "redis", tmp_path / "redis", port, *getattr(request, "param", ("3mb", "noeviction"))
    ):
        yield f"redis://127.0.0.1:{port}"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.chdir(tmp_path)
    return bench_with_files(tmp_path, monkeypatch, lines=400)


def test_what_is_put_or_looked_for_lives_for_its_time(client: Any, redis_server: str) -> None:
    store = open_store(f"{redis_server}?prefix=p&ttl=500s")
    store.put("a", b"1")
    assert 300 < client.ttl("p:a") <= 500
    client.expire("p:a", 99)
    assert store.head("a") == 1
    assert client.ttl("p:a") > 300
    client.expire("p:a", 99)
    assert not store.put_if_absent("a", b"2")
    assert client.ttl("p:a") > 300
    client.expire("p:a", -1)
    assert store.head("a") is None


def test_a_lost_answer_is_read_back(redis_server: str) -> None:
    """The server did it, the answer was cut off, and the client's second try finds what its first one put."""
    with losing_first_answer(int(redis_server.rpartition(":")[2]), b"SET") as port:
        store = RedisStore.open(f"redis://127.0.0.1:{port}?prefix=lost-{next(_numbers)}")
        assert store.put_if_absent("a", b"mine")
        assert not store.put_if_absent("a", b"other")
        assert store.get("a") == b"mine"


def _fill(store: Store) -> None:
    for number in range(100):
        store.put(f"a/{number}", bytes(100_000))


def test_full_memory_is_an_honest_error_alone_and_none_beside_a_durable_store(small: str, tmp_path: Path) -> None:
    alone = open_store(f"{small}?prefix=alone")
    with pytest.raises(NoSpace, match="memory of the Redis server is full"):
        _fill(alone)
    both = open_store(joined(small, str(tmp_path / "store")))
    objects = Objects(both)
    digests = [objects.put(bytes([number]) * 200_000)[0] for number in range(20)]
    assert all(Objects(open_store(both.uri)).get(digest) == bytes([n]) * 200_000 for n, digest in enumerate(digests))
    assert list(open_store(str(tmp_path / "store")).list("objects/")), "what did not fit is in the durable store"


def test_a_server_that_is_not_there(redis_server: str) -> None:
    with pytest.raises(Throttled, match="can't be reached"):
        RedisStore.open(f"redis://127.0.0.1:{free_port()}").head("a")
    with pytest.raises(OptionError, match="does not let us in"):
        RedisStore.open(redis_server.replace("//", "//nobody@")).head("a")


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_what_is_lost_is_made_again(bench: Bench, client: Any, redis_server: str, executor: str) -> None:
    alone = bench.run()
    expected = {name: bench.result(name) for name in OUTPUTS}
    fast = f"{redis_server}?ttl=1h&limit=1MiB"
    settings = {"store": str(bench.folder / "other"), "intermediates": fast, "executor": executor, "workers": 2}
    first = bench.run(settings=settings)
    assert first.ran == alone.ran
    durable = open_store(str(bench.folder / "other"))
    assert not list(durable.list("objects/")), "all objects are small"
    assert client.dbsize() > 0
    assert verify(first.folder, open_store(joined(fast, durable.uri))).mismatches == []
    assert bench.run(settings=settings).ran == 0
    client.flushall()
    again = bench.run(settings=settings)
    assert again.status is Status.DONE
    assert 0 < again.ran < first.ran, "what lies in records is not lost"
    assert {name: bench.result(name) for name in OUTPUTS} == expected


@pytest.mark.parametrize("small", [("20mb", "allkeys-lru")], indirect=True)
def test_a_server_that_drops_values_is_full_before_it_does(bench: Bench, small: str) -> None:
    """Not all results fit: those that do not are in the durable store, and none was dropped for another."""
    for number in range(6, 16):
        bench.file(f"f{number}.txt", f"abc{number} hello world\n")
    text, settings = FILLING.replace("600000", "1000000").replace("9000000", "1000001"), {"intermediates": small}
    report = bench.run(text, settings=settings)
    assert (report.status, report.ran) == (Status.DONE, 47)
    with redis.Redis.from_url(small) as client:
        assert client.info("stats")["evicted_keys"] == 0
        assert client.dbsize() > 0
    assert bench.run(text, settings=settings).ran == 0


@pytest.mark.parametrize("away", [False, True], ids=["flushed", "gone"])
def test_a_server_that_loses_all_amid_a_run_costs_tasks_only(bench: Bench, shared: Path, away: bool) -> None:
    folder, port = bench.folder / "redis", str(free_port())
    with running(shared / "servers" / "redis", folder, port):
        fast = f"redis://127.0.0.1:{port}"

        def harm(kind: str, fields: dict[str, Any]) -> None:
            if kind == "finished" and fields["stage"] == "fill":
                with redis.Redis.from_url(fast) as client:
                    client.shutdown(nosave=True) if away else client.flushall()

        first = bench.run(FILLING, settings={"intermediates": fast, "listeners": [harm]})
        assert (first.status, first.ran) == (Status.FAILED, 16)
        [failure] = first.failures
        assert failure.task.node == "heads", "large results are in the durable store with the lists of their blocks"
        assert isinstance(failure.error, Throttled if away else NotInStore)
        if away:
            with pytest.raises(Throttled, match="can't be reached"):
                bench.run(FILLING, settings={"intermediates": fast})
        again = bench.run(FILLING, settings={"intermediates": None if away else fast})
    assert (again.status, again.ran) == (Status.DONE, 6), "what was lost, and what follows from it"
    assert [line.split()[:2] for line in json.loads(bench.result("heads.txt")).splitlines()] == [
        [f"abc{number}", "600000"] for number in range(1, 6)
    ]


def test_redis_is_no_store_for_records(bench: Bench, redis_server: str) -> None:
    with pytest.raises(OptionError, match="can't be the store of a run"):
        bench.run(settings={"store": redis_server})
