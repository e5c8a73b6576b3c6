"""Functions of a real notebook's cells, run by a real kernel; and the button that interrupts it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default::DeprecationWarning:jupyter_client"),
    pytest.mark.filterwarnings("default::ResourceWarning"),  # of the kernel's sockets, when it is shut down
]

PIPELINE = """\
flowbutton: 1
name: words
sources: {texts: {partitioner: whole, from: "texts/*.txt"}}
stages:
  count: {uses: my.count, for_each: {file: texts}}
  total: {uses: my.add, gather: {parts: count}}
outputs: {total.json: total}
"""
FUNCTIONS = """
from collections.abc import Sequence
import time
import flowbutton
from pydantic import BaseModel
from flowbutton.partitioners.whole import WholeFile

class Words(BaseModel):
    words: int

def count(file: WholeFile) -> Words:
    return Words(words=len(file.read().split()))

def add(parts: Sequence[Words]) -> Words:
    return Words(words=sum(part.words for part in parts))
"""
SLOW = """
import os, pathlib

def count(file: WholeFile) -> Words:
    pathlib.Path(f"pid.{os.getpid()}").touch()
    time.sleep(600)
    return Words(words=0)
"""
RUN = """
report = flowbutton.load("words.yaml", stages={"my.count": count, "my.add": add}).run(workers=2)
print(report.ran, report.files["total.json"].read_text())
"""


class Notebook:
    """A kernel, and what its cells print."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, code: str) -> str:
        """Run a cell to its end; return what it prints, or how it failed."""
        printed: list[str] = []

        def take(message: dict) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                printed.append(content["text"])
            elif message["msg_type"] == "error":
                printed.append(f"{content['ename']}: {content['evalue']}")

        self._client.execute_interactive(code, output_hook=take, timeout=300)
        return "".join(printed).strip()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with texts and a pipeline."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("one two three\n")
    (tmp_path / "texts/b.txt").write_text("four\n")
    (tmp_path / "words.yaml").write_text(PIPELINE)
    return tmp_path


@pytest.fixture
def kernel(place: Path) -> Iterator[tuple]:
    """A kernel that works in that folder, and a client of it."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(place))
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


def test_cells_run_in_workers_and_a_changed_cell_runs_again(kernel: tuple) -> None:
    notebook = Notebook(kernel[1])
    assert notebook.run(FUNCTIONS) == ""
    assert notebook.run(RUN) == '5 {"words":4}'
    assert notebook.run(RUN) == '0 {"words":4}'
    assert notebook.run("def count(file: WholeFile) -> Words:\n    return Words(words=7)") == ""
    assert notebook.run(RUN) == '3 {"words":14}'
    notebook.run(FUNCTIONS)
    assert notebook.run(RUN) == '0 {"words":4}'


def test_an_interrupted_cell_stops_its_workers_and_goes_on_later(place: Path, kernel: tuple) -> None:
    manager, client = kernel
    notebook = Notebook(client)
    notebook.run(FUNCTIONS)
    notebook.run(SLOW)
    asked = client.execute(RUN)
    end = time.monotonic() + 300
    # Both texts must be counted: a worker that still cuts when the button is pressed cuts again afterwards.
    while len(pids := [int(path.suffix[1:]) for path in place.glob("pid.*")]) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    manager.interrupt_kernel()
    while True:
        reply = client.get_shell_msg(timeout=300)
        if reply["parent_header"].get("msg_id") == asked:
            break
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    while alive := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < end, f"workers {alive} are alive"
        time.sleep(0.05)
    notebook.run(FUNCTIONS)
    assert notebook.run(RUN) == '3 {"words":4}'
