"""Which samples there are, and making them once per cache folder.

Here: names, the ``sample:`` scheme, the atomic making. Not here: what is in a sample (`samples.genomics`).
Imports `flowbutton.model`; a sample's generator (and numpy with it) only when it is made.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from flowbutton.model.errors import MissingInput, NoSpace
from flowbutton.model.registry import missing_extra

SCHEME = "sample:"
SAMPLES = (
    "genomics/reads.tsv",
    "genomics/reference.fa",
    "genomics/truth.vcf.gz",
    "geospatial/points_*.laz",
    "geospatial/truth_dtm.tif",
    "metabolomics/dataset.imzML",
    "metabolomics/molecules.csv",
    "metabolomics/truth.csv",
)
"""Every name that `sample_path` knows: ``<sample>/<file>``; the file may be a glob for several."""

_VERSIONS = {
    "genomics": 1,
    "geospatial": 1,
    "metabolomics": 1,
}  # raised when a generator's bytes change, so that an old cache is not taken for the new


def resolve_sample_uri(uri: str, cache: Path) -> Path:
    """Return the file that ``sample:<name>`` means, made first if ``cache`` does not hold it.

    Raises:
        MissingInput: there is no such sample; the hint lists those there are.
    """
    return sample_path(uri.removeprefix(SCHEME), cache)


def sample_path(name: str, cache: Path) -> Path:
    """Return a file of a generated sample, made first if ``cache`` does not hold it.

    The files of one sample lie in one folder, which appears whole or not at all; two processes may ask at once, and
    get the same bytes.

    Args:
        name: One of `SAMPLES`.
        cache: Folder that keeps samples between runs; made if missing.
    Raises:
        MissingInput: there is no such sample; the hint lists those there are.
        MissingExtra: a library that makes the sample is not installed.
        NoSpace: the disk is full.
    """
    if name not in SAMPLES:
        known = ", ".join(SCHEME + known for known in SAMPLES)
        raise MissingInput(f"there is no sample called '{name}'", why="", hint=f"there are: {known}")
    sample, _, file = name.partition("/")
    folder = cache / f"{sample}-v{_VERSIONS[sample]}"
    if not folder.is_dir():
        try:
            _make(folder, _generator(sample))
        except ModuleNotFoundError as error:
            raise missing_extra(error, f"sample '{sample}'") from error
    return folder / file


def _generator(sample: str) -> Callable[[Path], None]:
    from flowbutton.samples.genomics import write_genomics
    from flowbutton.samples.geospatial import write_geospatial
    from flowbutton.samples.metabolomics import write_metabolomics

    generators: dict[str, Callable[[Path], None]] = {
        "genomics": write_genomics,
        "geospatial": write_geospatial,
        "metabolomics": write_metabolomics,
    }
    return generators[sample]


def _make(folder: Path, write: Callable[[Path], None]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        write(made)
        made.chmod(0o755)
        made.rename(folder)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise NoSpace(
                "no room for the generated sample", why=str(error), hint="make room", file=str(folder)
            ) from error
        # Another process was first; its bytes are ours.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
