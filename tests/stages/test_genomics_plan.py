"""Regions: what they own, what they see, and which of them are deep."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowbutton.model.errors import OptionError

np = pytest.importorskip("numpy", reason="needs the extra 'genomics'")

from flowbutton.stages.genomics import merge_profiles, plan_regions, survey  # noqa: E402
from flowbutton.stages.genomics.depth import Profile, write_profiles  # noqa: E402
from flowbutton.stages.genomics.regions import Region, without  # noqa: E402

LENGTHS = (40_000, 20_000, 64)
READS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 19_000), st.integers(1, 300), st.integers(1, 400)))


def planned(folder: Path, reads: list[tuple[int, int, int, int]], size: int, max_depth: int) -> list[Region]:
    """Plan for reads of (contig, position, span, how many of them)."""
    fai = folder / "ref.fa.fai"
    fai.write_text("".join(f"c{number}\t{length}\t9\t60\t61\n" for number, length in enumerate(LENGTHS)))
    profiles = []
    for number, (contig, position, span, times) in enumerate(reads):
        profile = Profile.counted(np.full(times, position), np.full(times, span))
        profiles.append(write_profiles(folder / f"profile{number}", [(("s", contig), profile)]))
    facts = survey(profiles, fai, str(folder), max_depth=max_depth)
    rows = plan_regions(facts, fai, size=size).rows
    assert [key for key, _ in rows] == [{"ordinal": number} for number in range(len(rows))]
    return [region for _, region in rows]


@settings(max_examples=60, deadline=None)
@given(reads=READS, size=st.integers(1, 5000).map(lambda size: max(size, 40)), max_depth=st.sampled_from([100, 10**6]))
def test_regions_own_every_covered_base_once_and_see_far_enough(tmp_path_factory, reads, size, max_depth) -> None:
    regions = planned(tmp_path_factory.mktemp("plan"), reads, size, max_depth)
    owner = [np.full(length, -1) for length in LENGTHS]
    for number, region in enumerate(regions):
        for part in region.intervals:
            assert (owner[part.contig][part.start : part.stop] == -1).all()
            owner[part.contig][part.start : part.stop] = number
        seen = [(w.contig, w.start, w.stop) for w in region.window]
        assert seen == sorted(seen)
        assert all(a[0] != b[0] or a[2] < b[1] for a, b in pairwise(seen))
        for part in region.intervals:
            near = [span for c, at, span, _ in reads if c == part.contig and part.start - 900 < at < part.stop]
            left, right = part.start - 3 * max(near, default=0), part.stop + max(near, default=0)
            fits = (max(left, 0), min(right, LENGTHS[part.contig]))
            assert any(c == part.contig and a <= fits[0] and fits[1] <= b for c, a, b in seen)
    for contig, position, span, _ in reads:
        assert (owner[contig][position : position + span] >= 0).all()
    assert all(not region.deep for region in regions[1:])
    assert all(sum(p.stop - p.start for p in region.intervals) <= size for region in regions if not region.deep)


@settings(max_examples=60, deadline=None)
@given(reads=READS, max_depth=st.sampled_from([10, 100, 250, 10**6]))
def test_all_bases_where_the_caller_draws_or_drops_are_in_the_first_region(tmp_path_factory, reads, max_depth) -> None:
    regions = planned(tmp_path_factory.mktemp("deep"), reads, 2000, max_depth)
    depth = [np.zeros(length, dtype=int) for length in LENGTHS]
    for contig, position, span, times in reads:
        depth[contig][position : position + span] += times
    owned = [np.zeros(length, dtype=bool) for length in LENGTHS]
    for part in regions[0].intervals if regions and regions[0].deep else ():
        owned[part.contig][part.start : part.stop] = True
    assert all(own[deep > min(255, max_depth - 1)].all() for own, deep in zip(owned, depth, strict=True))


def test_where_the_cap_drops_reads_the_deep_interval_is_three_spans_longer(tmp_path: Path) -> None:
    reads = [(0, 1600, 160, 200), (0, 10_000, 160, 1)]
    capped = planned(tmp_path, reads, 10**6, 150)
    assert [(p.start, p.stop) for p in capped[0].intervals] == [(1600, 1776 + 3 * 160)]
    assert capped[0].deep
    (free,) = planned(tmp_path, reads, 10**6, 250)
    assert not free.deep


def test_nothing_is_planned_where_nothing_is_aligned(tmp_path: Path) -> None:
    assert planned(tmp_path, [], 1000, 10**6) == []
    (only,) = planned(tmp_path, [(1, 5000, 100, 1)], 10**6, 10**6)
    assert [(p.contig, p.start, p.stop) for p in only.intervals] == [(1, 4992, 5104)]
    assert [(w.start, w.stop) for w in only.window] == [(4992 - 300, 5104 + 100)]


def test_short_contigs_share_a_region(tmp_path: Path) -> None:
    (only,) = planned(tmp_path, [(0, 100, 50, 1), (1, 100, 50, 1), (2, 0, 64, 1)], 10**6, 10**6)
    assert [p.contig for p in only.intervals] == [0, 1, 2]


def test_a_size_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="region of 0 bases"):
        planned(tmp_path, [], 0, 10**6)


def test_joined_profiles_give_the_same_plan(tmp_path: Path) -> None:
    files = [
        write_profiles(tmp_path / f"p{n}", [((f"s{n % 2}", n % 3), Profile.counted(np.array([n]), np.array([50])))])
        for n in range(5)
    ]
    folders = [tmp_path / name for name in ("left", "right", "all", "both")]
    for folder in folders:
        folder.mkdir()
    left, right = merge_profiles(files[:2], str(folders[0])), merge_profiles(files[2:], str(folders[1]))
    assert merge_profiles([left, right], str(folders[3])).read_bytes() == (
        merge_profiles(files, str(folders[2])).read_bytes()
    )


SPANS = (
    st.lists(st.integers(0, 60), unique=True, max_size=12)
    .map(sorted)
    .map(lambda b: list(zip(b[::2], b[1::2], strict=False)))
)


@given(ranges=SPANS, holes=SPANS)
def test_without_is_the_difference_of_sets(ranges, holes) -> None:
    points = lambda spans: {p for a, b in spans for p in range(a, b)}  # noqa: E731
    left = list(without(ranges, holes))
    assert points(left) == points(ranges) - points(holes)
    assert sum(b - a for a, b in left) == len(points(left))
    assert all(a < b for a, b in left)
