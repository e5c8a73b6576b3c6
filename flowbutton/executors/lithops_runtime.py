"""The files that make a Lithops runtime in which flowbutton runs as it runs here: a requirements file and a Dockerfile.

A runtime has this Python's minor version, this flowbutton, and the libraries of its extras in the versions that are
installed here, since functions compare them before their first task. What Lithops itself needs in an image is taken
from Lithops. Imports `flowbutton.model`, `executors`; lithops only inside functions.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import requires
from pathlib import Path

from flowbutton.executors.lithops_call import finder
from flowbutton.model.errors import OptionError
from flowbutton.model.extras import missing_extra
from flowbutton.model.near import did_you_mean

EXTRAS = ("genomics", "metabolomics", "geospatial", "s3", "redis", "web")
_DOCKERFILES = {
    "aliyun_fc": "DEFAULT_DOCKERFILE",
    "aws_batch": "DOCKERFILE_DEFAULT",
    "azure_containers": "DEFAULT_DOCKERFILE",
    "code_engine": "DOCKERFILE_DEFAULT",
    "gcp_cloudrun": "DEFAULT_DOCKERFILE",
    "k8s": "DOCKERFILE_DEFAULT",
    "knative": "DEFAULT_DOCKERFILE",
    "oracle_f": "DEFAULT_DOCKERFILE",
}
"""Backends of images, and what their part of a Dockerfile is called in Lithops."""
_REQUIREMENTS_ONLY = ("azure_functions", "gcp_functions")
BACKENDS = tuple(sorted([*_DOCKERFILES, *_REQUIREMENTS_ONLY, "aws_lambda", "singularity"]))

# Lithops has no default for images on Lambda. The client is AWS's: github.com/aws/aws-lambda-python-runtime-client
_LAMBDA = """
RUN pip install --no-cache-dir awslambdaric boto3 cloudpickle ps-mem psutil requests six tblib tqdm

WORKDIR /function
COPY lithops_lambda.zip .
RUN python -m zipfile -e lithops_lambda.zip . && rm lithops_lambda.zip \\
    && mkdir handler && touch handler/__init__.py && mv entry_point.py handler/

ENTRYPOINT ["/usr/local/bin/python", "-m", "awslambdaric"]
CMD ["handler.entry_point.lambda_handler"]
"""


@cache
def versions_here() -> Mapping[str, str]:
    """Return the versions of flowbutton and of the libraries that its extras name for users, as installed here."""
    return finder()({"flowbutton", *_needed(EXTRAS)})


def runtime_files(backend: str, extras: Sequence[str], wheel: str | None = None) -> dict[str, str]:
    """Return the files for ``lithops runtime build`` by their names, requirements first.

    Args:
        backend: A backend of Lithops, one of `BACKENDS`.
        extras: Extras of flowbutton that the runtime is to have, of `EXTRAS`.
        wheel: The name of a wheel of flowbutton that lies beside these files; without it an index has this version.

    Raises:
        OptionError: the backend is unknown, needs no runtime or takes no wheel, or there is no such extra.
        MissingExtra: Lithops is not installed.
    """
    _check(backend, extras)
    files = {"requirements.txt": _requirements(extras, wheel)}
    taken = ["requirements.txt", *([wheel] if wheel else [])]
    if backend == "singularity":
        files["flowbutton.def"] = _singularity(taken)
    elif backend not in _REQUIREMENTS_ONLY:
        files["Dockerfile"] = _dockerfile(taken, _LAMBDA if backend == "aws_lambda" else _of_lithops(backend))
    elif wheel:
        raise OptionError(
            f"a runtime of {backend} takes no wheel",
            why="it is made of requirements alone",
            hint="put flowbutton where pip finds it, and leave --wheel out",
        )
    return files


def build_command(backend: str, files: Mapping[str, str]) -> str:
    """Return the command that makes a runtime of the last of these files, in their folder."""
    return f"lithops runtime build -b {backend} -f {[*files][-1]} NAME"


def _check(backend: str, extras: Sequence[str]) -> None:
    for extra in extras:
        if extra not in EXTRAS:
            hint = did_you_mean(extra, EXTRAS)
            raise OptionError(f"there is no extra '{extra}' for a runtime", why="", hint=hint)
    if backend not in BACKENDS:
        why = "it runs the Python that is here" if backend == "localhost" else ""
        raise OptionError(f"no runtime is built for backend '{backend}'", why=why, hint=did_you_mean(backend, BACKENDS))


def _requirements(extras: Sequence[str], wheel: str | None) -> str:
    here = versions_here()
    pins = sorted({*_needed(extras)} & here.keys())
    name = f"flowbutton[{','.join(extras)}]" if extras else "flowbutton"
    first = f"{name} @ file:///{wheel}" if wheel else f"{name}=={here['flowbutton']}"
    return "\n".join([first, *(f"{pin}=={here[pin]}" for pin in pins)]) + "\n"


def _dockerfile(taken: Sequence[str], theirs: str) -> str:
    # Before what Lithops installs, so that it finds libraries in these versions and leaves them.
    ours = f"COPY {' '.join(taken)} /\nRUN pip install --no-cache-dir -r /requirements.txt\n"
    return f"FROM {_image()}\n\n{ours}\n{theirs.strip()}\n"


def _singularity(taken: Sequence[str]) -> str:
    files = "".join(f"    {name} /{name}\n" for name in taken)
    ours = f"%files\n{files}\n%post\n    pip install --no-cache-dir -r /requirements.txt\n"
    return f"Bootstrap: docker\nFrom: {_image()}\n\n{ours}\n{_of_lithops('singularity').strip()}\n"


def _image() -> str:
    return f"python:{sys.version_info.major}.{sys.version_info.minor}-slim-bookworm"


def _of_lithops(backend: str) -> str:
    """Return Lithops' own part of a Dockerfile. It is read, not imported: a backend's package needs its cloud's SDK."""
    wanted = _DOCKERFILES.get(backend, "SINGULARITYFILE_DEFAULT")
    try:
        import lithops
    except ModuleNotFoundError as error:
        raise missing_extra(error, f"runtime of backend '{backend}'") from error
    file = Path(lithops.__file__).parent / "serverless" / "backends" / backend / "config.py"
    for statement in ast.parse(file.read_text()).body:
        if isinstance(statement, ast.Assign) and wanted in map(ast.unparse, statement.targets):
            return str(ast.literal_eval(statement.value))
    raise OptionError(
        f"Lithops {lithops.__version__} has no {wanted} for {backend}",
        why="",
        hint="write its part of the Dockerfile by hand, as its documentation says",
        file=str(file),
    )


def _needed(extras: Collection[str]) -> Iterator[str]:
    """Yield the distributions that flowbutton needs with these extras."""
    for need in requires("flowbutton") or []:
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", need)
        if extra is None or extra[1] in extras:
            yield re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", need, maxsplit=1)[0]).lower()
