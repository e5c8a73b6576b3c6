"""Depth profiles against counting base by base, and the intervals that follow from them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

np = pytest.importorskip("numpy", reason="needs the extra 'genomics'")

from flowbutton.stages.genomics.depth import BLOCK, TILE, Profile, ProfileFile, write_profiles  # noqa: E402
from flowbutton.stages.genomics.survey import joined_ranges  # noqa: E402

LENGTH = 3 * TILE
READS = st.lists(st.tuples(st.integers(0, LENGTH - 1), st.integers(1, 400)), max_size=60)


def counted(reads: list[tuple[int, int]]) -> Profile:
    table = np.array(reads, dtype=np.int64).reshape(-1, 2)
    return Profile.counted(table[:, 0], table[:, 1])


def same(one: Profile, other: Profile) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("at", "by", "tiles", "spans"))


@given(reads=READS)
def test_the_depth_of_a_block_is_never_below_that_of_its_bases(reads) -> None:
    bases = np.zeros(LENGTH + 500, dtype=np.int64)
    for position, span in reads:
        bases[position : position + span] += 1
    bound = np.repeat(counted(reads).depth(LENGTH // BLOCK), BLOCK)
    assert (bound >= bases[:LENGTH]).all()
    assert bound.sum() <= sum(span + 3 * BLOCK for _, span in reads)


@given(reads=READS)
def test_a_tile_knows_the_longest_span_that_begins_in_it(reads) -> None:
    longest: dict[int, int] = {}
    for position, span in reads:
        longest[position // TILE] = max(span, longest.get(position // TILE, 0))
    profile = counted(reads)
    assert dict(zip(profile.tiles.tolist(), profile.spans.tolist(), strict=True)) == longest


@given(parts=st.lists(READS, min_size=1, max_size=5))
def test_joining_in_any_order_and_steps_is_counting_all(parts) -> None:
    everything = counted([read for reads in parts for read in reads])
    profiles = [counted(reads) for reads in parts]
    stepwise = profiles[-1]
    for profile in profiles[-2::-1]:
        stepwise = Profile.joined([profile, stepwise])
    assert same(Profile.joined(profiles), everything)
    assert same(stepwise, everything)
    assert same(Profile.decode(everything.encode()), everything)


def test_a_profile_file_gives_back_what_was_written(tmp_path: Path) -> None:
    profiles = {("b", 0): counted([(5, 100)]), ("a", 1): counted([(LENGTH - 1, 1), (0, 16)])}
    file = ProfileFile(write_profiles(tmp_path / "profile", iter(profiles.items())))
    assert set(file.keys) == set(profiles)
    assert all(same(file.get(key), profile) for key, profile in profiles.items())
    assert file.get(("a", 0)) is None


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 60)), max_size=12).map(sorted), st.integers(1, 40))
def test_joined_ranges_cover_the_same_and_lie_apart(pairs, near) -> None:
    ranges = [(start, start + length) for start, length in pairs]
    joined = joined_ranges(ranges, nearer_than=near)
    assert all(any(a <= start and stop <= b for a, b in joined) for start, stop in ranges)
    assert all(after[0] - before[1] >= near for before, after in pairwise(joined))
    assert {a for a, _ in joined} <= {start for start, _ in ranges}
    assert {b for _, b in joined} <= {stop for _, stop in ranges}
