"""The Lithops backend that the user's Lithops configuration names, opened for one executor.

Here: the configuration with what we rely on, one temporary folder per run, and errors that say what to correct.
Two runs in one folder break each other, since each executor that opens copies the library there anew.
Imports `flowbutton.model`; lithops only inside functions.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from flowbutton.model.errors import OptionError
from flowbutton.model.extras import missing_extra

_NEVER_S = 7 * 86400
_LOOK_S = {True: 0.2, False: 0.5}
"""How often Lithops looks for ends, by whether the backend is on this host."""


@dataclass(slots=True, eq=False)
class Lane:
    """A Lithops executor, and how many calls it can run at once."""

    functions: Any
    room: int
    busy: int = 0


class Backend:
    """An open backend. `close` stops what runs and removes what Lithops keeps, here and in its storage."""

    def __init__(self, slots: int) -> None:
        self._folder = _TemporaryFolder()
        try:
            with _told():
                config = _config(slots)
                self.lanes = [_lane(config, room) for room in _rooms(config, slots)]
        except BaseException:
            self._folder.leave()
            raise
        self._config = self.lanes[0].functions.config
        self.name = str(self._config["lithops"]["backend"])
        self.is_local = self.name == "localhost"
        self.internal_storage = self.lanes[0].functions.internal_storage
        self.storage, self.bucket = self.internal_storage.storage, str(self.internal_storage.bucket)

    @property
    def memory_mb(self) -> int | None:
        """The memory of a function as configured, None where it can't be chosen."""
        found = self._config[self.name].get("runtime_memory")
        return int(found) if found and self._config["lithops"]["mode"] == "serverless" else None

    @property
    def lives_s(self) -> float | None:
        """How long a function lives at most, None where nothing is said."""
        found = self._config[self.name].get("runtime_timeout")
        return float(found) if found and self._config["lithops"]["mode"] == "serverless" else None

    def map(self, lane: Lane, function: Any, rows: Sequence[tuple[Any, ...]], memory_mb: int | None) -> list[Any]:
        """Send calls out as one map; return their futures.

        Raises:
            OptionError: the backend refuses.
        """
        with _told():
            futures = lane.functions.map(function, list(rows), include_modules=None, runtime_memory=memory_mb)
        lane.functions.futures.clear()  # else it keeps those of all calls that ever were
        return list(futures)

    def forget(self, future: Any) -> list[str]:
        """Return the keys of what Lithops keeps of a call that is over; none where its folder goes in the end."""
        if self.is_local:
            return []
        start = f"lithops.jobs/{future.job_key}/{future.call_id}"
        return [f"{start}/{name}" for name in ("status.json", "output.pickle")]

    def close(self) -> None:
        """Stop and remove; what fails in it is not worth an error."""
        for lane in self.lanes:
            atexit.unregister(lane.functions._clean_at_exit)
            lane.functions.__exit__(None, None, None)
            if not self.is_local:
                self._clear(lane.functions.executor_id)
        self._folder.leave()

    def _clear(self, executor_id: str) -> None:
        keys = self.storage.list_keys(self.bucket, f"lithops.jobs/{executor_id}")
        for start in range(0, len(keys), 1000):
            self.storage.delete_objects(self.bucket, keys[start : start + 1000])


def configured_backend() -> str:
    """Return the backend that the Lithops configuration names.

    Raises:
        MissingExtra: Lithops is not installed.
        OptionError: the configuration can't be read.
    """
    with _told():
        return str(_config(1)["lithops"]["backend"])


def runtime_memory_mb(configured_mb: int, wanted_bytes: int) -> int:
    """Return the memory to ask for: what is configured, doubled until it is enough, so that few runtimes are made."""
    memory = configured_mb
    while memory * 1024**2 < wanted_bytes:
        memory *= 2
    return memory


def _lane(config: dict[str, Any], room: int) -> Lane:
    import lithops

    return Lane(lithops.FunctionExecutor(config=config, log_level=None), room)


def _rooms(config: dict[str, Any], slots: int) -> list[int]:
    """Return the rooms of the lanes: one, but for version 1 of localhost, which runs its maps one after the other."""
    local = config.get("localhost") or {}
    return [1] * slots if config["lithops"]["backend"] == "localhost" and local.get("version", 2) == 1 else [slots]


def _config(slots: int) -> dict[str, Any]:
    """Return the user's Lithops configuration with what we rely on."""
    from lithops.config import load_config

    logging.getLogger("lithops").addHandler(logging.NullHandler())  # else failed calls are told on standard error
    config: dict[str, Any] = load_config(log=False)
    if not isinstance(config, dict) or not isinstance(config.setdefault("lithops", {}) or {}, dict):
        raise TypeError("it is no mapping of sections")
    ours = config["lithops"] = config["lithops"] or {}
    # Our arguments and answers are small; our data never go through Lithops' storage.
    ours.update(data_limit=False, data_cleaner=False, telemetry=False)
    local = ours.setdefault("backend", "localhost") == "localhost"
    ours.setdefault("monitoring_interval", _LOOK_S[local])
    # Time limits are ours. Remote, Lithops takes the life of the runtime instead of this.
    ours["execution_timeout"] = _NEVER_S
    if local:
        ours.setdefault("storage", "localhost")
        ours["monitoring_interval"] = _LOOK_S[local]
        section = config["localhost"] = dict(config.get("localhost") or {})
        section["worker_processes"] = slots
        # By its name alone another python may be found; a path or an image is meant.
        if re.fullmatch(r"python[^:/\\]*", str(section.get("runtime") or "python")):
            section["runtime"] = sys.executable
    return config


@contextmanager
def _told() -> Iterator[None]:
    """Turn what Lithops raises into an error that says where to look."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing_extra(error, "executor 'lithops'") from error
    except Exception as error:  # a wall: Lithops and its backends raise what they like
        raise OptionError(
            "Lithops can't run functions with its configuration",
            why=f"{type(error).__name__}: {str(error).strip()}",
            hint="correct it, and try it alone with: lithops hello",
            file=_config_file(),
        ) from error


def _config_file() -> str:
    from lithops.config import get_default_config_filename

    if "LITHOPS_CONFIG" in os.environ:
        return "$LITHOPS_CONFIG"
    return str(get_default_config_filename() or "no Lithops configuration file")


class _TemporaryFolder:
    """TMPDIR while Lithops is in use, so that the processes that it starts use the same folder as this one."""

    def __init__(self) -> None:
        with _told_missing():
            self._home = lithops_home()
        self._before = os.environ.get("TMPDIR")
        if self._home is not None:
            self._made = [folder for folder in (self._home, self._home.parent) if not folder.exists()]
            self._home.mkdir(parents=True, exist_ok=True)
            os.environ["TMPDIR"] = str(self._home)

    def leave(self) -> None:
        if self._home is None:
            return
        _restore("TMPDIR", self._before)
        shutil.rmtree(self._home, ignore_errors=True)
        for folder in self._made:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _told_missing() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing_extra(error, "executor 'lithops'") from error


@cache
def lithops_home() -> Path | None:
    """Import Lithops with a folder of this process's own; return it, None if somebody else has imported it before.

    Lithops looks for the system's temporary folder once, at its import; so a process has one for all its runs.
    """
    if "lithops.constants" in sys.modules:
        return None
    before, chosen = os.environ.get("TMPDIR"), tempfile.tempdir
    home = tempfile.mkdtemp(prefix="lithops-")
    os.environ["TMPDIR"] = tempfile.tempdir = home
    try:
        import lithops.constants  # noqa: F401
    except ModuleNotFoundError:
        Path(home).rmdir()
        raise
    finally:
        tempfile.tempdir = chosen
        _restore("TMPDIR", before)
    return Path(home)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
