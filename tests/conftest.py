"""Fixtures that all tests share: where the reference data lies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from servers import free_port, moto, running

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes, or making it, says something of the machine only: no test is timed.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add how long the soak lasts."""
    parser.addoption("--soak", type=float, default=20.0, metavar="SECONDS", help="how long tests/slow/faults soak")


def find_shared() -> Path | None:
    """Return the folder of reference data and server scripts, None if this machine has none."""
    place = Path(os.environ.get("FLOWBUTTON_SHARED", ROOT.parent / "shared"))
    return place if (place / "data").is_dir() else None


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared folder; a test that needs it is skipped, with the reason, where it is missing."""
    place = find_shared()
    if place is None:
        pytest.skip("no reference data: set FLOWBUTTON_SHARED to the folder that holds data/ and check/")
    return place


@pytest.fixture(scope="session")
def radosgw(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Variables of a real S3 server, one per test session."""
    with running(shared / "servers" / "radosgw", tmp_path_factory.mktemp("radosgw"), str(free_port())) as variables:
        yield variables


@pytest.fixture
def s3(radosgw: dict[str, str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """``s3://bucket`` of a new bucket; the environment, also of programs that are started, has what clients need."""
    with _bucket(radosgw, monkeypatch, request.node.nodeid) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def moto_s3(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    """The same as ``s3``, of moto's server, for all tests of a module."""
    with (
        moto(tmp_path_factory.mktemp("moto")) as variables,
        pytest.MonkeyPatch.context() as patch,
        _bucket(variables, patch, request.node.nodeid) as bucket,
    ):
        yield bucket


@contextmanager
def _bucket(server: dict[str, str], monkeypatch: pytest.MonkeyPatch, test: str) -> Iterator[str]:
    """A bucket whose name is the same in each session: the faults that a proxy makes follow from it."""
    from flowbutton.model.canonical import digest_bytes
    from flowbutton.stores.s3_client import client_for, forget_clients
    from flowbutton.stores.s3_places import S3Access

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {**server, "AWS_CONFIG_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    forget_clients()
    bucket = f"test-{digest_bytes(test.encode())[:32]}"
    client_for(S3Access()).create_bucket(Bucket=bucket)
    yield f"s3://{bucket}"
    forget_clients()


@pytest.fixture(scope="session")
def redis_server(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``redis://host:port`` of a real server, one per test session."""
    port = str(free_port())
    with running(shared / "servers" / "redis", tmp_path_factory.mktemp("redis"), port):
        yield f"redis://127.0.0.1:{port}"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep code identities of tests, and of the programs that they start, out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _own_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget the modules of a test's own folder: another test has another module of that name."""
    yield
    folder = str(tmp_path_factory.getbasetemp())
    for name, module in [*sys.modules.items()]:
        if str(getattr(module, "__file__", "")).startswith(folder):
            del sys.modules[name]
    code = sys.modules.get("flowbutton.stages.code")
    if code is not None:
        code._LOOKED_AT.clear()
