"""The outputs of a run as rows: each file, but one row for a folder that has many, so that the rest stays in sight.

Pure. Imports `flowbutton.model`, `ui.words`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from flowbutton.model.units import show_bytes
from flowbutton.ui.words import shown_path

_LISTED = 8  # files of one folder of the results; of more the folder stands alone


def output_rows(outputs: Sequence[Mapping[str, object]]) -> Iterator[tuple[str, str]]:
    """Yield path and size of each output, in their order.

    Args:
        outputs: Each with ``name``, its path below the results, ``path`` and ``bytes``.
    """
    for folder, group in groupby(outputs, key=_folder):
        files = [*group]
        sizes = [int(str(file["bytes"])) for file in files]
        if folder and len(files) > _LISTED:
            base = str(files[0]["path"]).removesuffix(str(files[0]["name"]))
            yield f"{shown_path(base + folder)}/ ({len(files):,} files)", show_bytes(sum(sizes))
        else:
            yield from (
                (shown_path(str(file["path"])), show_bytes(size)) for file, size in zip(files, sizes, strict=True)
            )


def _folder(output: Mapping[str, object]) -> str:
    """Return the first folder of an output's name, "" where it lies in none."""
    first, slash, _ = str(output["name"]).partition("/")
    return first if slash else ""
