"""Sources over HTTP and in other clouds, from a real server on this machine: ranges, what it lacks, what it loses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import Bench
from servers import WebServer, free_port, serving

from flowbutton.engine.run import Status
from flowbutton.model.errors import BadInput, FlowbuttonError, MissingExtra, MissingInput, OptionError, Throttled
from flowbutton.stores.access import StoreAccess
from flowbutton.stores.memory import MemoryStore

READS = """
flowbutton: 1
name: reads
params: {reads: {type: uri}}
sources:
  reads: {partitioner: fastq, from: "${params.reads}", with: {size: 2KiB}}
stages:
  quality: {uses: genomics.read_quality, for_each: {reads: reads}}
  summary: {uses: genomics.merge_quality, gather: {parts: quality}}
outputs: {quality.json: summary}
"""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    (tmp_path / "www").mkdir()
    with serving(WebServer(tmp_path / "www")) as served:
        yield served


@pytest.fixture
def access(tmp_path: Path) -> StoreAccess:
    return StoreAccess(MemoryStore("web"), tmp_path / "cache")


def test_ranges_cost_a_request_and_their_bytes(web: WebServer, access: StoreAccess) -> None:
    data = bytes(range(256)) * 40
    (web.folder / "a b.bin").write_bytes(data)
    uri = f"{web.url}/a%20b.bin"
    info = access.head(uri)
    assert (info.size, info.uri) == (len(data), uri)
    web.asked.clear()
    assert access.read(uri, 300, 700) == data[300:700]
    assert access.read(uri, 10_000, 99_999) == data[10_000:]
    assert access.read(uri, 10_200) == data[10_200:]
    assert access.read(uri) == data
    assert access.read_bytes == 400 + 240 + 40 + len(data)
    assert len(web.asked) == 4
    assert access.read(uri, 50, 50) == access.read(uri, len(data), len(data) + 9) == b""
    assert access.fetch(uri).read_bytes() == data
    (web.folder / "a b.bin").write_bytes(data + b"more")
    assert access.head(uri).identity != info.identity


def test_an_address_with_a_query_is_asked_with_it_and_told_without(web: WebServer, access: StoreAccess) -> None:
    (web.folder / "signed").write_bytes(b"0123456789")
    uri = f"{web.url}/signed?token=hunter22"
    assert access.glob(uri) == [uri]
    assert access.read(uri, 2, 5) == b"234"
    assert any("token=hunter22" in line for line in web.asked)
    with pytest.raises(MissingInput) as caught:
        access.head(f"{web.url}/nothing?token=hunter22")
    assert "hunter22" not in str(caught.value)


def test_a_body_that_is_cut_is_asked_for_again(web: WebServer, access: StoreAccess) -> None:
    data = bytes(range(256)) * 400
    (web.folder / "a").write_bytes(data)
    web.cuts = 2
    assert access.read(f"{web.url}/a", 1000, 99_000) == data[1000:99_000]
    assert web.cuts == 0


@pytest.mark.parametrize(
    ("lacks", "what"),
    [
        ({"ranges": False}, "gives no ranges"),
        ({"ranges": False, "head": 403}, "gives no ranges"),
        ({"versions": False}, "does not tell what version"),
        ({"lengths": False}, "does not tell how long"),
    ],
)
def test_a_server_that_lacks_what_is_needed_is_told(
    tmp_path: Path, access: StoreAccess, lacks: dict[str, bool], what: str
) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    ask = access.head if "versions" in lacks or "head" in lacks else lambda uri: access.read(uri, 2, 5)
    with serving(WebServer(tmp_path, **lacks)) as poor, pytest.raises(BadInput, match=what) as caught:
        ask(f"{poor.url}/a")
    assert "download the file" in caught.value.hint


@pytest.mark.parametrize("status", [403, 404, 405])
def test_a_server_that_answers_no_head_is_asked_for_a_byte(tmp_path: Path, access: StoreAccess, status: int) -> None:
    """As one that was given an address signed for GET alone."""
    data = bytes(range(256)) * 40
    (tmp_path / "a").write_bytes(data)
    with serving(WebServer(tmp_path, head=status)) as web:
        uri = f"{web.url}/a?signature={'1' * 300}"
        assert access.head(uri).size == len(data)
        assert access.glob(uri) == [uri]
        assert access.read(uri, len(data), len(data) + 9) == b""
        assert access.fetch(uri).read_bytes() == data
        with pytest.raises(MissingInput, match="does not exist"):
            access.head(f"{web.url}/b")


def test_what_is_not_there_or_not_allowed_is_told(web: WebServer, access: StoreAccess) -> None:
    with pytest.raises(MissingInput, match="'b' does not exist"):
        access.head(f"{web.url}/a/b")
    assert access.glob(f"{web.url}/*.fq") == []
    with pytest.raises(OptionError, match="can't hold a password"):
        access.head(web.url.replace("//", "//me:secret@") + "/a")
    with pytest.raises(OptionError, match="names no bucket"):
        access.head("gs://me@/a")


@pytest.mark.slow
def test_a_server_that_is_not_there_is_told(access: StoreAccess) -> None:
    with pytest.raises(Throttled, match="can't be reached"):
        access.head(f"http://127.0.0.1:{free_port()}/a")


def test_without_the_library_the_error_is_the_install_command(
    access: StoreAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(MissingExtra, match=r"pip install 'flowbutton\[web\]'"):
        access.head("https://example.org/a")


def test_other_clouds_are_read_by_range(web: WebServer, access: StoreAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their reading is plain HTTP; listing them is not tested here, for want of their servers."""
    (web.folder / "open-data").mkdir()
    (web.folder / "open-data/a.bin").write_bytes(b"0123456789")
    key = {"gcs_base_url": web.url, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps(key))
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "lab")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", web.url)
    for uri in ("gs://anonymous@open-data/a.bin", "az://anonymous@open-data/a.bin"):
        assert access.read(uri, 2, 5) == b"234"


@pytest.mark.slow
def test_a_pipeline_reads_a_fastq_from_the_web(web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = b"".join(b"@r%d\n%s\n+\n%s\n" % (n, b"ACGT" * 20, b"I" * 80) for n in range(60))
    (web.folder / "r.fq").write_bytes(text)
    bench = Bench(tmp_path)
    (tmp_path / "r.fq").write_bytes(text)
    bench.run(READS, reads=str(tmp_path / "r.fq"))
    here = bench.result("quality.json")
    there = bench.run(READS, settings={"store": str(tmp_path / "other")}, reads=f"{web.url}/r.fq")
    assert there.status is Status.DONE
    assert bench.result("quality.json") == here
    (web.folder / "r.fq").write_bytes(text + text)
    assert bench.plan(READS, reads=f"{web.url}/r.fq").stages[0].ready, "another ETag is another file"


def test_a_file_replaced_during_the_run_ends_it(web: WebServer, access: StoreAccess) -> None:
    from flowbutton.partitioners.files import unchanged

    (web.folder / "a").write_bytes(b"one")
    before = access.head(f"{web.url}/a").identity
    with pytest.raises(FlowbuttonError, match="changed"), unchanged(f"{web.url}/a", before, access):
        (web.folder / "a").write_bytes(b"two")
