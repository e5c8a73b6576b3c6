"""The graph of a pipeline as text, Mermaid and SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from flowbutton.dag.draw import Arrow, Form, Node, Picture, Way, as_mermaid
from flowbutton.dag.draw_svg import as_svg
from flowbutton.ui.cli import call

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"

TEXT = """\
texts

sources
  files  whole

stages
  count   texts:count
    file  ← each files
  total   texts:add
    parts  ← all count
  wait    texts:wait
    file   ← each files
    after  ← one total
  waited  texts:add
    parts  ← all wait

outputs
  total.json   ← total
  waited.json  ← waited

each a task for each item
all  all gathered into a task
one  one value shared by all tasks
"""


def drawn(capsys, *arguments):
    assert call(["dag", *arguments]) == 0
    return capsys.readouterr().out


def test_the_text_names_all_and_how_each_gets_its_values(place):
    ended = place.call("dag", "texts.yaml", "-p", "waits=true")
    assert (ended.returncode, ended.stdout) == (0, TEXT)


def test_what_a_condition_dropped_is_told(place):
    text = place.call("dag", "texts.yaml").stdout
    assert "wait    " not in text
    assert "dropped by 'when': wait, waited, waited.json" in text


def test_mermaid_tells_the_ways_apart(place):
    lines = place.call("dag", "texts.yaml", "--format", "mermaid", "-p", "waits=true").stdout.splitlines()
    assert lines[0] == "flowchart TD"
    assert '  n0[("files<br/>whole")]:::source' in lines
    assert '  n1[["count<br/>texts:count"]]:::stage' in lines
    assert {"  n0 ==> n1", "  n1 --> n2", "  n2 -.-> n3", "  n2 --o n5"} <= {*lines}


def test_the_form_follows_the_name_of_the_file(place):
    for name, head in (("g.svg", "<svg "), ("g.mmd", "flowchart TD"), ("g.txt", "texts\n")):
        ended = place.call("dag", "texts.yaml", "-o", name)
        assert (ended.returncode, ended.stdout) == (0, "")
        assert (place.folder / name).read_text().startswith(head)


def test_a_mistake_in_the_pipeline_is_told(place):
    place.write("bad.yaml", (place.folder / "texts.yaml").read_text().replace("texts:add", "texts:ad"))
    ended = place.call("dag", "bad.yaml")
    assert (ended.returncode, ended.stdout) == (2, "")


def test_the_svg_of_genomics_shows_every_name(capsys):
    root = ET.fromstring(drawn(capsys, "genomics", "--format", "svg"))
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert {"reads", "reference", "truth", "align", "call", "genomics.call", "report.html", "evaluation.json"} <= {
        *words
    }
    arrows = [
        element.get("class") for element in root.iter(f"{SVG}path") if (element.get("class") or "").startswith("arrow")
    ]
    assert {kind: arrows.count(f"arrow {kind}") - 1 for kind in Way} == {"each": 8, "all": 15, "one": 28, "file": 5}


def test_the_picture_in_the_documents_is_current(capsys):
    """Made by: flowbutton dag genomics -o docs/pictures/genomics.svg"""
    assert drawn(capsys, "genomics", "--format", "svg") == (ROOT / "docs/pictures/genomics.svg").read_text()


ODD = Picture(
    'a "pipeline" & <more>',
    (
        Node("s", Form.SOURCE, ("s",), "<whole>"),
        Node("x", Form.STAGE, ("x",), 'uses "quotes" & ]', many=True),
        Node("output x", Form.OUTPUT, ("{sample}.<b>", "two"), ""),
    ),
    (Arrow("s", "x", Way.EACH, (("a", "each <s>"),)), Arrow("x", "output x", Way.FILE, (("{sample}.<b>", "x"),))),
    ("<gone>",),
)


def test_svg_is_one_file_of_its_own():
    svg = as_svg(ODD)
    root = ET.fromstring(svg)
    shown = "".join(root.itertext())
    assert all(words in shown for words in ('a "pipeline" & <more>', "{sample}.<b>", "a ← each <s>", "<gone>"))
    assert svg.count("http") == 1, "the name space alone"
    assert not [element for element in root.iter() if element.tag in (f"{SVG}script", f"{SVG}image", f"{SVG}a")]


def test_words_fit_into_their_shapes():
    root = ET.fromstring(as_svg(ODD))
    width = float(root.get("width", "0"))
    for element in root.iter(f"{SVG}text"):
        assert 0 <= float(element.get("x", "0")) <= width


def test_mermaid_is_not_broken_by_odd_names():
    text = as_mermaid(ODD)
    for line in text.splitlines():
        assert line.count('"') in (0, 2), line
    assert "<b>" not in text
    assert "#34;quotes#34;" in text


@pytest.mark.parametrize("path", sorted((ROOT / "pipelines").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_pipeline_that_ships_is_drawn(capsys, path):
    root = ET.fromstring(drawn(capsys, str(path), "--format", "svg"))
    assert root.find(f"{SVG}title").text == path.stem
