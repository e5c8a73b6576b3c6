"""Which samples there are, and making them once per cache folder.

Here: names, the ``sample:`` scheme, the atomic making. Not here: what is in a sample (`samples.genomics`).
Imports `flowbutton.model`; a sample's generator (and numpy with it) only when it is made.
"""

from __future__ import annotations

import errno
import fnmatch
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from flowbutton.model.errors import MissingInput, NoSpace
from flowbutton.model.extras import missing_extra

SCHEME = "sample:"
SAMPLES = (
    "genomics/reads.tsv",
    "genomics/reference.fa",
    "genomics/truth.vcf.gz",
    "geospatial/image_1.tif",
    "geospatial/image_2.tif",
    "geospatial/points_1.laz",
    "geospatial/points_2.laz",
    "geospatial/points_3.copc.laz",
    "geospatial/points_4.copc.laz",
    "geospatial/truth_dtm.tif",
    "geospatial/truth_ndvi.tif",
    "geospatial/truth_zones.csv",
    "geospatial/zones.geojson",
    "metabolomics/dataset.imzML",
    "metabolomics/molecules.csv",
    "metabolomics/truth.csv",
)
"""Every name that `sample_path` knows: ``<sample>/<file>``."""

_VERSIONS = {
    "genomics": 1,
    "geospatial": 2,
    "metabolomics": 1,
}  # raised when a generator's bytes change, so that an old cache is not taken for the new


def resolve_sample_uri(uri: str, cache: Path) -> str:
    """Return a source's URI with the path of the file for each ``sample:<name>``, made first if ``cache`` lacks it.

    A URI may be a list with commas between, and what is behind a ``#`` stays: ``sample:geospatial/image_1.tif#4``.

    Raises:
        MissingInput: there is no such sample; the hint lists those there are.
    """
    return ",".join(_resolved(one, cache) for one in uri.split(",")) if SCHEME in uri else uri


def _resolved(uri: str, cache: Path) -> str:
    if not uri.strip().startswith(SCHEME):
        return uri
    name, mark, part = uri.strip().removeprefix(SCHEME).partition("#")
    return f"{sample_path(name, cache)}{mark}{part}"


def sample_path(name: str, cache: Path) -> Path:
    """Return a file of a generated sample, made first if ``cache`` does not hold it.

    The files of one sample lie in one folder, which appears whole or not at all; two processes may ask at once, and
    get the same bytes.

    Args:
        name: One of `SAMPLES`, or a glob that one of them matches; then the path is this glob.
        cache: Folder that keeps samples between runs; made if missing.
    Raises:
        MissingInput: there is no such sample; the hint lists those there are.
        MissingExtra: a library that makes the sample is not installed.
        NoSpace: the disk is full.
    """
    sample, _, file = name.partition("/")
    if "/" in file or not fnmatch.filter(SAMPLES, name) or sample not in _VERSIONS:
        known = ", ".join(SCHEME + known for known in SAMPLES)
        raise MissingInput(f"there is no sample called '{name}'", why="", hint=f"there are: {known}")
    folder = cache / f"{sample}-v{_VERSIONS[sample]}"
    if not folder.is_dir():
        try:
            _make(folder, _generator(sample))
        except ModuleNotFoundError as error:
            raise missing_extra(error, f"sample '{sample}'", wanted_by=sample) from error
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
                "no room for the generated sample",
                why=str(error.strerror),
                hint="make room there, or name a store elsewhere with --store",
                file=str(folder),
            ) from error
        # Another process was first; its bytes are ours.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
