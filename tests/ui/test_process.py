"""The command's process: what holds before a command has begun."""

from __future__ import annotations

import shlex
import subprocess


def test_a_run_with_closed_standard_files_writes_what_it_prints_nowhere(place):
    command = shlex.join(place.command("run", "texts.yaml"))
    ended = subprocess.run(
        ["bash", "-c", f"{command} <&- >&- 2>&-"], cwd=place.folder, env=place.env, timeout=300, check=False
    )
    assert ended.returncode == 0
    assert (place.folder / "results/total.json").read_text() == '{"count":4}'
