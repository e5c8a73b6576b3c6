"""``flowbutton doctor``: what it finds on a machine that is sound, and on one that is not."""

from __future__ import annotations

import json
import os
import re

from flowbutton.ui.doctor import State, _libraries


def findings(place, *arguments: str, code: int = 0) -> dict[str, dict[str, str]]:
    ended = place.call("doctor", "--json", *arguments)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return {finding["about"]: finding for finding in json.loads(ended.stdout)}


def test_a_sound_machine_is_told_check_by_check_and_nothing_is_left_behind(place):
    before = sorted(place.folder.rglob("*"))
    ended = place.call("doctor")
    assert ended.returncode == 0, ended.stdout
    for line in (
        r"ok      Python: 3\.\d+\.\d+ at \S+, ",
        r"ok      libraries: .*pydantic \d",
        r"ok      CPUs: \d+ may be used of \d+",
        r"ok      temporary folder: \S+, [\d.]+ \w+ free",
        r"ok      store: \S+/\.flowbutton is not there yet; ",
        r"ok      store's promises: files appear whole or not at all",
        r"ok      clock: ",
        r"ok      executors: .*processes, serial",
        r"ok      configuration: none \(",
    ):
        assert re.search(f"^{line}", ended.stdout, re.MULTILINE), line
    assert sorted(place.folder.rglob("*")) == before


def test_a_plug_in_that_fails_to_load_is_a_fault_and_the_others_are_tried(place):
    info = place.folder / "plugins/broken-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[flowbutton.stores]\nsmash = smash:Store\nlibless = libless:Store\n")
    place.write("plugins/smash.py", "raise ZeroDivisionError('as if')\n")
    place.write("plugins/libless.py", "import a_library_that_nobody_has\n")
    place.env["PYTHONPATH"] = os.pathsep.join([str(place.folder / "plugins"), place.env.get("PYTHONPATH", "")])
    found = findings(place, code=1)
    assert found["store 'smash'"]["state"] == "fault"
    assert "ZeroDivisionError: as if" in found["store 'smash'"]["told"]
    assert found["store 'libless'"]["state"] == "missing"
    assert "pip install a_library_that_nobody_has" in found["store 'libless'"]["hint"]
    assert "file" in found["stores"]["told"]


def test_a_folder_that_can_not_be_written_is_a_fault_with_the_way_out(place):
    found = findings(place, "--store", "/proc/flowbutton", code=1)["store"]
    assert (found["state"], found["hint"]) == ("fault", "choose another folder with --store")
    assert findings(place, "--store", "gopher://hole", code=1)["store"]["state"] == "fault"


def test_a_configuration_with_a_mistake_is_a_fault(place):
    (place.folder / "config/flowbutton").mkdir(parents=True)
    place.write("config/flowbutton/config.yaml", "profils: {}\n")
    assert findings(place, code=1)["configuration"]["state"] == "fault"


def test_a_missing_extra_is_told_with_what_it_gives_and_is_no_fault():
    wanted = ["click>=8", 'no-such-library>=1; extra == "genomics"', 'click==0.1; extra == "metabolomics"']
    libraries, genomics, metabolomics, *_ = _libraries([*wanted, "x; extra == 'dev'"])
    assert libraries.state is State.OK
    assert genomics.state is State.MISSING
    assert genomics.told.startswith("not installed: no-such-library; it gives the genomics pipeline")
    assert genomics.hint == "run: pip install 'flowbutton[genomics]'"
    assert metabolomics.state is State.FAULT, "a pinned library of another version answers differently"
    assert "click==0.1" in metabolomics.told
    [needed] = [finding for finding in _libraries(["no-such-library>=1"]) if finding.about == "libraries"]
    assert needed.state is State.FAULT
