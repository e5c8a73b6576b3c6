"""The extras of flowbutton: which libraries each has, by its own metadata, and which one cures a failed import.

Not here: what is installed (`ui.doctor`). Imports `model.errors`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import requires

from flowbutton.model.errors import MissingExtra

_REQUIREMENT = re.compile(r"""([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*([^;]*)(?:;.*extra == ['"]([^'"]+)['"])?""")
_ALL = "all"
_NO_ONES = {"", _ALL, "dev", "docs"}
_OF_PARTITIONERS = {
    **dict.fromkeys(("fastq", "bam", "fasta", "regions"), "genomics"),
    "imzml": "metabolomics",
    **dict.fromkeys(("lidar", "raster", "vector"), "geospatial"),
}
"""Who needs numpy, which three extras have."""


def libraries_of(requirements: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """Return the libraries of each extra with the versions that it takes (``==0.24.1``); under ``""`` those of all.

    Args:
        requirements: What a distribution requires, as its metadata have it (PEP 508).
    """
    extras: dict[str, dict[str, str]] = {"": {}}
    for requirement in requirements:
        if match := _REQUIREMENT.match(requirement):
            extras.setdefault(match[3] or "", {})[match[1]] = match[2].strip()
    return extras


def extra_with(library: str, wanted_by: str, extras: Mapping[str, Mapping[str, str]]) -> str | None:
    """Return the extra to install for a library: that of who wants it, if it has it; None if none has it.

    Args:
        library: The module's name.
        wanted_by: A partitioner, or an extra's own name: that of a domain's stages, of a store, of an executor.
        extras: As `libraries_of` returns them.
    """
    having = [name for name, libraries in extras.items() if name not in _NO_ONES and library.lower() in libraries]
    wanted = _OF_PARTITIONERS.get(wanted_by, wanted_by)
    if wanted in having:
        return wanted
    return having[0] if len(having) == 1 else _ALL if having else None


def missing_extra(
    error: ModuleNotFoundError, needed_by: str, *, wanted_by: str = "", home: str = "flowbutton"
) -> MissingExtra:
    """Turn a failed import into the command that cures it.

    Args:
        error: What the import raised; where it stands tells whether flowbutton's own code needs the library.
        needed_by: What can't be used without it, in the words of the message.
        wanted_by: As `extra_with` takes it.
        home: The package that needs the library, with its version.
    """
    library = (error.name or "").partition(".")[0]
    ours = home.partition(" ")[0] == "flowbutton"
    extras = libraries_of(requires("flowbutton") or []) if ours and _in_ours(error) else {}
    extra = extra_with(library, wanted_by, extras)
    return MissingExtra(
        f"the {needed_by} needs the library '{library}', which is not installed",
        why="" if ours else f"{home} is installed without it",
        hint=f"run: pip install {library}" if extra is None else f"run: pip install 'flowbutton[{extra}]'",
    )


def _in_ours(error: ModuleNotFoundError) -> bool:
    """Return whether the import stands in flowbutton's own code: a user's stage may need numpy, and no extra."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is None or str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == "flowbutton"
