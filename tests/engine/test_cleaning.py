"""What goes and what stays when a store is cleaned: the decision, on made-up inventories."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowbutton.engine.cleaning import Decision, Goes, Inventory, RunFacts, Wish, decide, replaced
from flowbutton.model.canonical import digest_bytes
from flowbutton.model.store import Entry
from flowbutton.stores.layout import manifest_key, object_key, pack_key, segment_key, selection_key

STAGE = digest_bytes(b"stage")
NOW_S = 1_000_000.0
REPLACED = Wish()


def digest(name: str) -> str:
    return digest_bytes(name.encode())


def run(number: int, *marks: str, group: str = "a", well: bool = True, bytes: int = 10, began_s: float = 0) -> RunFacts:
    tasks = {STAGE: frozenset(marks)}
    return RunFacts(f"r{number}", (group, "out"), well, began_s, NOW_S - 100 + number, tasks, bytes=bytes)


class Shelf:
    """A store in words: each task has a pack, an object of 100 bytes and a segment of its own."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.marks: dict[str, frozenset[str]] = {}
        self.named: dict[str, frozenset[str]] = {}
        self.objects: dict[str, frozenset[str]] = {}

    def task(self, mark: str, *, at_s: float = 0, objects: tuple[str, ...] | None = None) -> None:
        pack = pack_key(STAGE, digest(mark))
        names = (mark,) if objects is None else objects
        self.objects[pack] = frozenset(map(digest, names))
        self.marks[pack] = frozenset({mark})
        number = segment_key(STAGE, len(self.named))
        self.named[number] = frozenset({pack})
        known = {entry.key for entry in self.entries}
        fresh = [object_key(digest(name)) for name in names]
        self.entries += [Entry(key, 100, at_s) for key in fresh if key not in known]
        self.entries += [Entry(pack, 10, at_s), Entry(number, 1, at_s)]

    def decide(self, runs: list[RunFacts], wish: Wish = REPLACED, *, grace_s: float = 0) -> Decision:
        inventory = Inventory(sorted(self.entries, key=lambda entry: entry.key), [], self.marks, self.named)
        return decide(runs, inventory, lambda key: self.objects[key], wish, now_s=NOW_S, grace_s=grace_s)


def gone(decision: Decision, kind: Goes) -> set[str]:
    return {entry.key for entry in decision.keys.get(kind, ())}


def ids(decision: Decision) -> list[str]:
    return [one.id for one in decision.runs]


def test_the_latest_of_each_pipeline_and_results_stays_with_what_it_needs():
    shelf = Shelf()
    for mark in ("old", "shared", "new", "other"):
        shelf.task(mark)
    runs = [run(1, "old", "shared"), run(2, "other", group="b"), run(3, "new", "shared")]
    decision = shelf.decide(runs)
    assert ids(decision) == ["r1"]
    assert gone(decision, Goes.OBJECTS) == {object_key(digest("old"))}
    assert gone(decision, Goes.RECORDS) == {pack_key(STAGE, digest("old"))}
    assert gone(decision, Goes.LISTS) == {segment_key(STAGE, 0)}
    assert (decision.bytes, decision.stays_bytes) == (10 + 100 + 10 + 1, 3 * 111 + 20)


def test_runs_after_the_last_that_ended_well_are_what_a_resume_goes_on_from():
    runs = [run(1), run(2), run(3, well=False), run(4, well=False)]
    assert [one.id for one in replaced(runs)] == ["r1"]
    assert [one.id for one in replaced(runs[2:])] == []


def test_a_run_that_was_killed_before_it_said_what_it_is_needs_nothing():
    assert ids(Shelf().decide([RunFacts("r1", None, False, 0, 0)])) == ["r1"]


def test_what_was_written_since_a_run_began_that_did_not_end_well_stays():
    shelf = Shelf()
    shelf.task("before", at_s=10)
    shelf.task("since", at_s=60)
    decision = shelf.decide([run(1, well=False, began_s=50)])
    assert gone(decision, Goes.OBJECTS) == {object_key(digest("before"))}


def test_what_is_young_stays_and_is_told():
    shelf = Shelf()
    shelf.task("young", at_s=NOW_S - 5)
    shelf.entries.append(Entry(object_key(digest("orphan")), 7, NOW_S - 5))
    decision = shelf.decide([], Wish(everything=True), grace_s=10)
    assert decision.keys == {}
    assert decision.young_bytes == 7, "what a young record needs is not told: it stays for the record"
    assert shelf.decide([], Wish(everything=True), grace_s=1).bytes == 118


def test_age_chooses_among_those_that_were_replaced():
    runs = [run(1), run(2), run(3)]
    assert ids(Shelf().decide(runs, Wish(older_than_s=98.5))) == ["r1"]
    assert ids(Shelf().decide(runs, Wish(older_than_s=1e9))) == []
    assert ids(Shelf().decide(runs, Wish(older_than_s=0))) == ["r1", "r2"]


def test_a_named_run_goes_even_if_it_is_the_latest():
    assert ids(Shelf().decide([run(1), run(2)], Wish(runs=frozenset({"r2"})))) == ["r2"]
    assert ids(Shelf().decide([run(1), run(2)], Wish(everything=True))) == ["r1", "r2"]


def test_a_budget_takes_the_oldest_first_and_no_more_than_it_must():
    shelf = Shelf()
    for number in range(1, 5):
        shelf.task(f"t{number}")
    runs = [run(number, f"t{number}") for number in range(1, 5)]
    each = 10 + 10 + 100
    assert ids(shelf.decide(runs, Wish(keep_bytes=4 * each))) == []
    assert ids(shelf.decide(runs, Wish(keep_bytes=4 * each - 1))) == ["r1"]
    assert ids(shelf.decide(runs, Wish(keep_bytes=2 * each))) == ["r1", "r2"]
    assert ids(shelf.decide(runs, Wish(keep_bytes=0))) == ["r1", "r2", "r3"], "the latest stays"


def test_a_budget_counts_what_runs_share_once():
    shelf = Shelf()
    shelf.task("one", objects=("same",))
    shelf.task("two", objects=("same",))
    runs = [run(1, "one"), run(2, "one", "two"), run(3, "two")]
    assert ids(shelf.decide(runs, Wish(keep_bytes=100 + 2 * 10 + 2 * 10))) == ["r1"]
    assert gone(shelf.decide(runs, Wish(keep_bytes=0)), Goes.OBJECTS) == set()


def test_a_manifest_goes_with_any_of_its_packs_and_a_selection_unless_a_kept_call_names_it():
    shelf = Shelf()
    shelf.task("a")
    shelf.task("b")
    whole, half = manifest_key(STAGE, digest("a")), manifest_key(STAGE, digest("ab"))
    shelf.named[whole] = frozenset({pack_key(STAGE, digest("a"))})
    shelf.named[half] = shelf.named[whole] | {pack_key(STAGE, digest("b"))}
    kept, loose = selection_key(STAGE, digest("k")), selection_key(STAGE, digest("l"))
    shelf.entries += [Entry(key, 1, 0) for key in (whole, half, kept, loose)]
    one = RunFacts("r1", ("a", "out"), True, 0, 0, {STAGE: frozenset("a")}, frozenset({kept}))
    assert gone(shelf.decide([one]), Goes.LISTS) == {half, loose}, (
        "the last segment stays, so that none is numbered anew"
    )


def test_keys_of_others_stay():
    shelf = Shelf()
    foreign = ["objects/mine.txt", "objects/ab/cd", "records/notes", "samples/x/y", "objects/ab/" + "cd" * 32]
    shelf.entries += [Entry(key, 1, 0) for key in foreign]
    assert shelf.decide([], Wish(everything=True)).keys == {}


MARKS = st.frozensets(st.sampled_from("abcdefgh"))


@given(
    needs=st.lists(st.tuples(MARKS, st.sampled_from("xy"), st.booleans()), max_size=6),
    stored=st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("pqrs"), max_size=2), max_size=8),
    keep=st.none() | st.integers(0, 500),
)
def test_what_a_run_that_stays_needs_stays(needs, stored, keep):
    shelf = Shelf()
    for mark, objects in stored.items():
        shelf.task(mark, objects=tuple(objects))
    runs = [
        run(number, *marks, group=group, well=well, began_s=NOW_S) for number, (marks, group, well) in enumerate(needs)
    ]
    decision = shelf.decide(runs, Wish(keep_bytes=keep))
    left = [one for one in runs if one.id not in ids(decision)]
    needed = {mark for one in left for mark in one.tasks[STAGE]} & stored.keys()
    kept_objects = {object_key(digest(name)) for mark in needed for name in stored[mark]}
    all_objects = {object_key(digest(name)) for names in stored.values() for name in names}
    assert gone(decision, Goes.RECORDS) == {pack_key(STAGE, digest(mark)) for mark in stored.keys() - needed}
    assert gone(decision, Goes.OBJECTS) == all_objects - kept_objects
    assert {one.group for one in left if one.ended_well} == {one.group for one in runs if one.ended_well}
