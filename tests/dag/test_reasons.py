"""Why a stage has something to run: each reason by itself, its words, and what holds for all identities."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowbutton.dag.reasons import Finished, Making, Present, Taken, reasons
from flowbutton.dag.why import Gone, New, Reason, Renamed, SomeNew, Waits

SOURCE = Making(
    "s", "partitioner fastq", 1, "3.11", shape={"from": '"in/*.fq"'}, files={"in/a.fq": "1-1", "in/b.fq": "1-1"}
)
ALIGN = Making(
    digest="d",
    uses="genomics.align",
    version=1,
    python="3.11",
    options={"quality": "1"},
    code={"align:write": "aa", "align:read": "bb"},
    libraries={"pysam": "0.24.0"},
)
INPUTS = {"reads": Taken("reads", "reads", "c1"), "index": Taken("index.fai", "index", "c2")}
BEFORE = {
    "reads": Finished(SOURCE, {}, 2, 0.5),
    "align": Finished(ALIGN, INPUTS, 10, 0.1),
}
NOW = Present("align", ALIGN, INPUTS, tasks=10, fresh=10, gone=0, waits=(), item="piece")


def told(now: Present, source: Making = SOURCE) -> list[str]:
    return [str(reason) for reason in reasons(now, {"reads": source, "align": now.making}, BEFORE)]


def made(**changes: object) -> Present:
    return replace(NOW, making=replace(ALIGN, digest="other", **changes))


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (made(options={"quality": "13"}), "option changed: quality 1 → 13"),
        (made(options={"quality": "1", "cap": "9"}), "option changed: cap nothing → 9"),
        (made(options={}), "option changed: quality 1 → nothing"),
        (made(version=2), "version 1 → 2"),
        (made(uses="mine:align", version=2, options={}), "uses genomics.align → mine:align"),
        (made(libraries={"pysam": "0.24.1"}), "library changed: pysam 0.24.0 → 0.24.1"),
        (made(libraries={"pysam": "0.24.0", "isal": "1.7"}), "library changed: isal nothing → 1.7"),
        (made(code={**ALIGN.code, "align:write": "ab"}), "code changed: align:write"),
        (made(code={**ALIGN.code, "align:write": "ab", "align:more": "cc"}), "code changed: align:write"),
        (made(code={**ALIGN.code, "align:more": "cc"}), "code changed: align:more"),
        (made(python="3.12", code={"align:write": "x", "align:read": "y"}), "library changed: Python 3.11 → 3.12"),
        (made(), str(Renamed())),
    ],
)
def test_what_changed_of_the_stage_is_named(now: Present, text: str) -> None:
    assert told(now) == [text]


def test_many_changed_functions_are_counted() -> None:
    code = {f"m:f{number}": "x" for number in range(6)}
    before = {"align": Finished(replace(ALIGN, code=code), INPUTS, 10, 0.1)}
    now = made(code=dict.fromkeys(code, "y"))
    [reason] = reasons(now, {}, before)
    assert str(reason) == "code changed: m:f0, m:f1, m:f2 and 3 more"
    assert reason.to_json() == {"kind": "code", "changed": sorted(code), "added": [], "gone": []}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (SOURCE, "input changed: reads"),
        (replace(SOURCE, files={"in/a.fq": "1-1", "in/b.fq": "2-2"}), "input changed: reads (b.fq)"),
        (replace(SOURCE, files={**SOURCE.files, "in/c.fq": "1-1"}), "input changed: reads (new: c.fq)"),
        (replace(SOURCE, files={"in/a.fq": "1-1"}), "input changed: reads (gone: b.fq)"),
        (
            replace(SOURCE, files={"in/a.fq": "3-3", "in/c.fq": "1"}),
            "input changed: reads (changed: a.fq, new: c.fq, gone: b.fq)",
        ),
        (replace(SOURCE, shape={**SOURCE.shape, "size": "5"}), "input changed: reads (size nothing → 5)"),
        (replace(SOURCE, digest="t", version=2), "input changed: reads (version 1 → 2)"),
    ],
)
def test_an_input_from_a_source_tells_what_changed_there(source: Making, text: str) -> None:
    taken = {**INPUTS, "reads": Taken("reads", "reads", "changed")}
    assert told(replace(NOW, inputs=taken), source) == [text]


def test_the_pieces_that_are_new_are_counted() -> None:
    taken = {**INPUTS, "reads": Taken("reads", "reads", "changed")}
    now = replace(NOW, inputs=taken, fresh=4)
    assert told(now) == ["input changed: reads", "4 of 10 pieces are new"]
    assert told(replace(now, fresh=1, item="task"))[1] == "1 of 10 tasks is new"
    assert told(replace(now, tasks=None, waits=("reads",)))[1] == "4 pieces are new"


def test_an_input_of_another_producer() -> None:
    taken = {**INPUTS, "index": Taken("other.fai", "other", "c3")}
    assert told(replace(NOW, inputs=taken)) == ["input changed: index from index.fai → other.fai"]
    one_less = {"reads": INPUTS["reads"]}
    assert told(replace(NOW, inputs=one_less)) == ["input removed: index from index.fai"]
    one_more = {**INPUTS, "mask": Taken("mask", "mask", "c4")}
    assert told(replace(NOW, inputs=one_more)) == ["input added: mask from mask"]


def test_an_input_of_a_stage_names_it() -> None:
    taken = {**INPUTS, "index": Taken("index.fai", "index", "c3")}
    assert told(replace(NOW, inputs=taken)) == ["input changed: index.fai"]


def test_results_that_are_gone() -> None:
    assert told(NOW) == ["its results are gone from the store"]
    assert told(replace(NOW, fresh=3, gone=3)) == ["3 of 10 results are gone from the store"]
    taken = {**INPUTS, "reads": Taken("reads", "reads", "changed")}
    assert told(replace(NOW, fresh=3, gone=1, inputs=taken))[1:] == [
        "1 of 10 results are gone from the store",
        "2 of 10 pieces are new",
    ]


def test_what_waits_promises_nothing() -> None:
    waiting = replace(NOW, inputs={}, fresh=0, waits=("reads", "index"))
    assert told(waiting) == ["after reads, index"]
    assert reasons(waiting, {}, {}) == (New(), Waits(("reads", "index")))
    changed = replace(waiting, making=replace(ALIGN, digest="e", version=2))
    assert told(changed) == ["version 1 → 2", "after reads, index"]


def test_a_source_tells_its_files() -> None:
    files = {"in/a.fq": "1-1", "in/b.fq": "9-9", "in/c.fq": "1-1"}
    now = Present("reads", replace(SOURCE, files=files), {}, tasks=3, fresh=2, gone=0, waits=())
    assert told(now) == ["changed: b.fq, new: c.fq"]
    assert told(replace(now, making=SOURCE, fresh=1, gone=1)) == ["1 of 3 results are gone from the store"]


texts = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"), max_size=3)
makings = st.builds(
    Making,
    digest=st.sampled_from(["d", "e"]),
    uses=st.sampled_from(["u", "v"]),
    version=st.integers(1, 2),
    python=st.sampled_from(["3.11", "3.12"]),
    options=texts,
    shape=texts,
    code=texts,
    libraries=texts,
    files=texts,
)
inputs = st.dictionaries(
    st.sampled_from("pq"), st.builds(Taken, st.just("n"), st.just("n"), st.sampled_from(["1", "2"])), max_size=2
)


@given(
    making=makings,
    past=st.none() | st.builds(Finished, makings, inputs, st.just(9), st.just(0.0)),
    taken=inputs,
    fresh=st.integers(0, 9),
    gone=st.integers(0, 9),
    waits=st.sampled_from([(), ("n",)]),
)
def test_there_is_a_reason_exactly_where_something_is_to_run(
    making: Making, past: Finished | None, taken: dict[str, Taken], fresh: int, gone: int, waits: tuple[str, ...]
) -> None:
    now = Present("x", making, taken, tasks=9, fresh=fresh, gone=min(gone, fresh), waits=waits)
    before = {} if past is None else {"x": past, "n": past}
    found = reasons(now, {"x": making, "n": making}, before)
    assert bool(found) is bool(fresh or waits)
    assert all(str(reason) and reason.to_json()["kind"] for reason in found)
    assert (Waits(waits) in found) is bool(waits)
    if past is None and found:
        assert found[0] == New()
    counted = [reason.count for reason in found if isinstance(reason, Gone | SomeNew)]
    assert sum(counted) <= fresh


@given(making=makings, taken=inputs, fresh=st.integers(1, 9))
def test_what_is_as_it_was_can_only_be_gone(making: Making, taken: dict[str, Taken], fresh: int) -> None:
    now = Present("x", making, taken, tasks=9, fresh=fresh, gone=0, waits=())
    expected: tuple[Reason, ...] = (Gone(fresh, 9),)
    assert reasons(now, {"x": making}, {"x": Finished(making, taken, 9, 0.0)}) == expected
