"""The Python API: what `load` takes, what `plan` and `run` give, and what they leave as it was."""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import os
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import flowbutton
import flowbutton.api
from flowbutton.model.errors import MissingInput, OptionError, SpecError
from flowbutton.partitioners.whole import WholeFile

WHERE: dict[str, Any] = {"executor": "serial"}


def test_a_pipeline_is_loaded_planned_and_run(place: Path) -> None:
    pipeline = flowbutton.load("local.yaml", params={"least": 4})
    assert (pipeline.name, pipeline.params["least"], pipeline.warnings) == ("words", 4, ())
    assert repr(pipeline).startswith("<Pipeline words of local.yaml: ")
    assert "count" in repr(pipeline.plan())
    assert not (place / "results").exists()
    heard: list[str] = []
    report = pipeline.run(**WHERE, listener=lambda kind, _: heard.append(kind))
    assert report.status is flowbutton.Status.DONE
    assert json.loads(report.files["total.json"].read_text()) == 2
    assert str(report) == f"done: 5 tasks ran, 0 reused; 1 output; run folder {report.folder}"
    assert repr(report) == f"<Report {report}>"
    assert heard[0] == "planned"
    assert heard[-1] == "ended"
    assert pipeline.plan().nothing_to_run
    assert (place / ".flowbutton").is_dir()


def test_the_command_line_reuses_what_python_has_done(place: Path) -> None:
    flowbutton.load("local.yaml").run(**WHERE)
    asked = [sys.executable, "-m", "flowbutton", "run", "local.yaml", "-q"]
    ended = subprocess.run(asked, cwd=place, capture_output=True, text=True, timeout=300, check=True)
    assert ended.stdout.startswith("nothing to do")


def test_params_are_values_of_python(place: Path) -> None:
    (place / "params.yaml").write_text("least: 3\ntexts: nowhere\n")
    given = flowbutton.load("local.yaml", params={"texts": place / "texts/a.txt"}, params_file="params.yaml")
    assert given.params == {"texts": str(place / "texts/a.txt"), "least": 3}
    with pytest.raises(SpecError) as caught:
        flowbutton.load("local.yaml", params={"least": "3", "laest": 1})
    assert len(caught.value.problems) == 2


def test_settings_come_from_the_call_then_the_profile_then_defaults(place: Path) -> None:
    pipeline = flowbutton.load("local.yaml", profile="one")
    assert pipeline.settings().executor == "serial"
    assert pipeline.settings().results == "of_profile"
    assert pipeline.settings(executor="processes", results="here", workers=3).executor == "processes"
    assert pipeline.settings(store=place / "kept").store == str(place / "kept")
    assert (pipeline.settings().wait_s, pipeline.settings(wait=True).wait_s) == (0.0, None)
    with pytest.raises(OptionError, match="no executor called 'clouds'"):
        pipeline.settings(executor="clouds")
    with pytest.raises(OptionError, match="0 is not a number of workers"):
        pipeline.settings(workers=0)


def test_a_failed_run_raises_with_its_report(place: Path) -> None:
    (place / "texts/b.txt").write_text("refuse this")
    with pytest.raises(flowbutton.RunFailed) as caught:
        flowbutton.load("local.yaml").run(**WHERE)
    error = caught.value
    assert error.what == "stage 'count' failed: the stage's code raised ValueError"
    assert error.why == "the text says refuse"
    assert error.report.status is flowbutton.Status.FAILED
    assert len(error.report.failures) == 1
    assert Path(str(error.where["run"])) == error.report.folder
    assert pickle.loads(pickle.dumps(error)).what == error.what
    assert 'raise ValueError("the text says refuse")' in error.__notes__[0]


@pytest.mark.usefixtures("place")
def test_what_is_not_there_is_told_by_errors_of_flowbutton() -> None:
    with pytest.raises(MissingInput, match=r"there is no pipeline 'wrds\.yaml'") as caught:
        flowbutton.load("wrds.yaml")
    assert caught.value.hint == "did you mean 'words.yaml'?"
    with pytest.raises(OptionError, match="no profile called 'two'"):
        flowbutton.load("local.yaml", profile="two")
    with pytest.raises(MissingInput, match="no file matches"):
        flowbutton.load("local.yaml", params={"texts": "none/*.txt"}).plan()


def test_a_pipeline_that_ships_is_loaded_by_its_name() -> None:
    assert flowbutton.load("genomics").name == "genomics"


@pytest.mark.usefixtures("place")
def test_nothing_of_the_process_is_changed() -> None:
    before = [*sys.path], dict(os.environ)
    flowbutton.load("local.yaml").run(executor="processes", workers=1)
    assert ([*sys.path], dict(os.environ)) == before


@pytest.mark.usefixtures("place")
def test_a_run_in_a_thread_needs_no_signals() -> None:
    done: list[flowbutton.Report] = []
    thread = threading.Thread(target=lambda: done.append(flowbutton.load("local.yaml").run(workers=1)))
    thread.start()
    thread.join()
    assert done[0].status is flowbutton.Status.DONE


def count(file: WholeFile, *, least: int) -> int:
    """Count all words."""
    return len(file.read().split()) + 0 * least


def add(parts: Sequence[int]) -> int:
    """Add."""
    return sum(parts)


def test_functions_of_a_module_are_named_by_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(place))
    module = importlib.import_module("words_here")
    pipeline = flowbutton.load("words.yaml", stages={"my.count": module.count, "my.add": module.add})
    assert pipeline.graph.stages["count"].definition.uses == "words_here:count"
    assert pipeline.run(executor="processes", workers=1).status is flowbutton.Status.DONE


def test_a_module_that_was_changed_is_refused(place: Path) -> None:
    pipeline = flowbutton.load("local.yaml")
    pipeline.run(**WHERE)
    (place / "words_here.py").write_text((place / "words_here.py").read_text() + "\n\nmore = 1\n")
    for again in (pipeline.plan, pipeline.run, lambda: flowbutton.load("local.yaml")):
        with pytest.raises(OptionError, match="'words_here' was changed since this Python imported it"):
            again()


def test_another_module_of_the_same_name_is_refused(place: Path) -> None:
    flowbutton.load("local.yaml")
    (place / "other").mkdir()
    for name in ("local.yaml", "words_here.py"):
        (place / "other" / name).write_text((place / name).read_text())
    with pytest.raises(OptionError, match="is not the one that this Python has imported") as caught:
        flowbutton.load("other/local.yaml")
    assert str(place / "other") in caught.value.why


@pytest.mark.usefixtures("place")
def test_a_stage_that_no_file_names_is_refused() -> None:
    with pytest.raises(OptionError, match=r"no stage uses 'my\.cuont'") as caught:
        flowbutton.load("words.yaml", stages={"my.cuont": count, "my.add": add})
    assert caught.value.hint == "did you mean 'my.count'?"


def test_importing_the_package_imports_no_library() -> None:
    code = "import sys; before = set(sys.modules); import flowbutton; print(*sorted(set(sys.modules) - before))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert [name for name in ended.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names] == [
        "flowbutton"
    ]
    code = "import sys, flowbutton; flowbutton.load; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert not {"numpy", "pysam", "click", "rich", "cloudpickle"} & {*ended.stdout.split()}


def test_every_public_name_is_there_and_in_the_stub() -> None:
    assert all(getattr(flowbutton, name) is not None for name in flowbutton.__all__)
    assert {*flowbutton.__all__} <= {*dir(flowbutton)}
    stub = Path(inspect.getfile(flowbutton)).with_suffix(".pyi").read_text()
    told = dict(re.findall(r"^from flowbutton\.([\w.]+) import (\w+) as \w+$", stub, re.MULTILINE))
    assert {*told} == {*flowbutton._HOMES}
    assert {*re.findall(r" as (\w+)$", stub, re.MULTILINE)} == {*flowbutton.__all__} - {"__version__"}
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        _ = flowbutton.laod  # type: ignore[attr-defined]


def test_the_examples_in_docstrings_run(place: Path) -> None:
    (place / "words.yaml").write_text((place / "local.yaml").read_text())
    ended = doctest.testmod(
        flowbutton.api, extraglobs={"flowbutton": flowbutton}, optionflags=doctest.IGNORE_EXCEPTION_DETAIL
    )
    assert ended.attempted >= 5
    assert ended.failed == 0
