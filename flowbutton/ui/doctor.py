"""What this machine offers flowbutton, check by check; `doctor` prints it.

Here: the checks. Each does the real thing once (writes a file, loads a plug-in) and leaves nothing behind.
Imports `flowbutton.model`, `executors.machine`, `stores`, `profiles`.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from flowbutton import __version__
from flowbutton.executors.machine import cpu_slots, memory_bytes
from flowbutton.model.errors import FlowbuttonError, MissingExtra
from flowbutton.model.extras import libraries_of
from flowbutton.model.registry import load, registered
from flowbutton.model.store import Store
from flowbutton.model.units import show_bytes
from flowbutton.profiles import config_file, read_config
from flowbutton.stores.local import LocalStore
from flowbutton.stores.opening import open_store
from flowbutton.stores.uris import path_of, scheme_of

OLDEST_PYTHON = (3, 11)
LITTLE_BYTES = 1024**3
"""Less free space than this is told as a fault to come."""

_GIVES = {
    "genomics": "the genomics pipeline: FASTQ, BAM and FASTA, alignment, variants",
    "metabolomics": "the metabolomics pipeline: imzML, isotope patterns, annotation",
    "geospatial": "the geospatial pipeline: LAS, LAZ and COPC point clouds, GeoTIFF",
}
_SKEW_S = 2.0


class State(StrEnum):
    """What a check found."""

    OK = "ok"
    MISSING = "missing"  # something that not everybody needs
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer: of what, how it stands, and what to do about it."""

    about: str
    state: State
    told: str
    hint: str = ""

    def to_json(self) -> dict[str, str]:
        """Return it as JSON."""
        return {name: str(value) for name, value in asdict(self).items()}


def examine(store: str, env: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what each check finds; ``store`` is where work would be kept."""
    yield _python()
    yield Finding("flowbutton", State.OK, f"{__version__} in {Path(__file__).parents[1]}")
    yield from _libraries(requires("flowbutton") or [])
    yield from _machine()
    yield _folder("temporary folder", Path(tempfile.gettempdir()), "point TMPDIR at another disk")
    yield from _store(store)
    for group in ("executors", "stores", "partitioners", "stages"):
        yield from _plugins(group)
    yield _config(env)


def _python() -> Finding:
    told = f"{platform.python_version()} at {sys.executable}, {platform.platform()}"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("Python", State.FAULT, told, f"install Python {'.'.join(map(str, OLDEST_PYTHON))} or later")
    return Finding("Python", State.OK, told)


def _libraries(requirements: list[str]) -> Iterator[Finding]:
    """Yield what is installed of each extra, the libraries that all need first; those for developers are left out."""
    extras = libraries_of(requirements)
    for extra in ("", *_GIVES):
        yield _extra(extra, {name: (_installed(name), rule) for name, rule in extras.get(extra, {}).items()})


def _extra(extra: str, found: Mapping[str, tuple[str | None, str]]) -> Finding:
    about = f"extra '{extra}'" if extra else "libraries"
    told = ", ".join(f"{name} {installed}" for name, (installed, _) in found.items() if installed)
    missing = [name for name, (installed, _) in found.items() if installed is None]
    pinned = {name: rule[2:] for name, (_, rule) in found.items() if rule.startswith("==")}
    other = [name for name, wanted in pinned.items() if found[name][0] != wanted]
    hint = f"run: pip install 'flowbutton[{extra}]'" if extra else "run: pip install --force-reinstall flowbutton"
    if missing:
        what = f"not installed: {', '.join(missing)}" + (f"; it gives {_GIVES[extra]}" if extra else "")
        return Finding(about, State.MISSING if extra else State.FAULT, what, hint)
    if other:
        wanted = ", ".join(f"{name}{found[name][1]}" for name in other)
        return Finding(about, State.FAULT, f"{told}; but what it answers was tested with {wanted}", hint)
    return Finding(about, State.OK, told)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _machine() -> Iterator[Finding]:
    cpus = os.cpu_count() or 1
    yield Finding("CPUs", State.OK, f"{cpu_slots()} may be used of {cpus}")
    usable = memory_bytes()
    if usable is None:
        yield Finding("memory", State.OK, "not known on this system: tasks are not held back by it")
    else:
        yield Finding("memory", State.OK, f"{show_bytes(usable)} may be used")


def _folder(about: str, folder: Path, hint: str) -> Finding:
    """Look at a folder by writing a file in it."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(about, State.FAULT, f"{folder} can't be written: {error.strerror}", hint)
    if free < LITTLE_BYTES:
        return Finding(about, State.FAULT, f"{folder} has only {show_bytes(free)} left", hint)
    return Finding(about, State.OK, f"{folder}, {show_bytes(free)} free")


def _store(uri: str) -> Iterator[Finding]:
    if scheme_of(uri) != "file":
        yield _guarded("store", lambda: _answers(uri))
        return
    place = path_of(uri).absolute()
    base = next(folder for folder in (place, *place.parents) if folder.is_dir())
    writable = _folder("store", base, "choose another folder with --store")
    if base != place and writable.state is State.OK:
        writable = Finding("store", State.OK, f"{place} is not there yet; {writable.told}")
    yield writable
    if writable.state is State.OK:
        with tempfile.TemporaryDirectory(prefix=".flowbutton-doctor-", dir=base) as folder:
            yield _guarded("store's promises", lambda: _keeps_promises(LocalStore(Path(folder))))
            yield _clock(Path(folder))


def _answers(uri: str) -> str:
    open_store(uri).head("doctor")
    return f"{uri} answers"


def _keeps_promises(store: Store) -> str:
    """Put if absent twice: the first one wins, or two runs could spoil each other's results."""
    answers = store.put_if_absent("doctor", b"first"), store.put_if_absent("doctor", b"second")
    if answers != (True, False) or store.get("doctor") != b"first":
        raise AssertionError(f"put if absent answered {answers}")
    return "files appear whole or not at all, and the first writer of a name wins"


def _clock(folder: Path) -> Finding:
    """Compare this machine's clock with that of the file system, which may be another machine's."""
    place = folder / "clock"
    before = time.time()
    place.touch()
    skew = place.stat().st_mtime - before
    told = f"{time.strftime('%Y-%m-%d %H:%M:%S %z')}, {abs(skew):.1f} s from the file system's"
    if abs(skew) > _SKEW_S:
        return Finding("clock", State.FAULT, told, "set both clocks by NTP: runs are ordered by time")
    return Finding("clock", State.OK, told)


def _plugins(group: str) -> Iterator[Finding]:
    """Load everything of a group; tell what works in one line, and each fault in its own."""
    works: list[str] = []
    for name in sorted(registered(group)):
        try:
            load(group, name)
        except MissingExtra as error:
            yield Finding(f"{group.removesuffix('s')} '{name}'", State.MISSING, error.what, error.hint)
        except FlowbuttonError as error:
            yield Finding(f"{group.removesuffix('s')} '{name}'", State.FAULT, f"{error.what}: {error.why}", error.hint)
        else:
            works.append(name)
    yield Finding(group, State.OK, ", ".join(works))


def _config(env: Mapping[str, str]) -> Finding:
    place = config_file(env)
    if not place.exists():
        return Finding("configuration", State.OK, f"none ({place})")

    def read() -> str:
        said = read_config(place.read_text(encoding="utf-8"), str(place)).said
        return f"{place}, profiles: {', '.join(said.profiles) or 'none'}"

    return _guarded("configuration", read)


def _guarded(about: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(about, State.OK, check())
    except FlowbuttonError as error:
        return Finding(about, State.FAULT, f"{error.what}: {error.why}" if error.why else error.what, error.hint)
    except (OSError, UnicodeDecodeError, AssertionError) as error:
        return Finding(about, State.FAULT, str(error))
