"""Metrics against their definitions, word by word: thirty labelings, numpy's corrcoef, whole images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metabolomics_reference import labelled_chaos
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree

from flowbutton.stages.metabolomics.fdr import by_medians, by_one_ranking
from flowbutton.stages.metabolomics.images import IonImages
from flowbutton.stages.metabolomics.metrics import chaos, spatial, spectral
from flowbutton.stages.metabolomics.spanning_forest import forest_weight

Image = npt.NDArray[np.float32]


@st.composite
def images(draw: st.DrawFn) -> Image:
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    image = random.gamma(0.5, 100.0, (height, width)).astype(np.float32)
    image[random.random((height, width)) < draw(st.sampled_from([0.0, 0.3, 0.8, 0.95, 0.99]))] = 0
    if draw(st.booleans()):
        image[: height // 2] = 0
    return image


@settings(deadline=None, max_examples=300)
@given(image=images(), levels=st.sampled_from([1, 7, 30]))
def test_one_forest_counts_as_many_parts_as_all_labelings(image: Image, levels: int) -> None:
    rows, columns = np.nonzero(image)
    found = chaos(rows, columns, image[rows, columns], image.shape, levels=levels)  # type: ignore[arg-type]
    assert found == pytest.approx(labelled_chaos(image, levels), abs=1e-12)


@settings(deadline=None)
@given(image=images())
def test_the_forest_weighs_what_scipy_says(image: Image) -> None:
    ranks = np.searchsorted([0, 20, 50, 90, 200], image)
    number = np.arange(image.size).reshape(image.shape)
    ends = (number[:, :-1], number[:, 1:]), (number[:-1], number[1:])
    first, second = (np.concatenate([pair[end].ravel() for pair in ends]) for end in (0, 1))
    lower = np.minimum(ranks.ravel()[first], ranks.ravel()[second])
    there = lower > 0
    graph = csr_array((-1.0 * lower[there], (first[there], second[there])), shape=(image.size, image.size))
    assert forest_weight(ranks) == -minimum_spanning_tree(graph).data.sum()


def test_chaos_of_few_pixels() -> None:
    one = np.zeros((9, 9), np.float32)
    assert chaos(*np.nonzero(one), one[one > 0], one.shape, levels=30) == 0
    one[4, 4] = 5
    assert chaos(*np.nonzero(one), one[one > 0], one.shape, levels=30) == 0
    one[4, 5] = 5
    assert chaos(*np.nonzero(one), one[one > 0], one.shape, levels=30) == pytest.approx(labelled_chaos(one, 30))


def sparse(whole: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return whole[:, whole.any(axis=0)]


@st.composite
def quadruples(draw: st.DrawFn) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    pixels = draw(st.integers(2, 300))
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    whole = random.gamma(1.0, 1e4, (4, pixels)).astype(np.float32)
    whole[random.random((4, pixels)) < draw(st.sampled_from([0.0, 0.5, 0.95]))] = 0
    if draw(st.booleans()):
        whole[draw(st.integers(1, 3))] = draw(st.sampled_from([0.0, 7.25]))
    whole[0, 0] = 1.0
    theory = np.array([100, 40, 7, 0.5], np.float32)
    theory[draw(st.integers(1, 4)) :] = 0
    return whole, theory


@settings(deadline=None, max_examples=200)
@given(given_images=quadruples())
def test_the_spatial_metric_is_that_of_whole_images(given_images: Any) -> None:
    whole, theory = given_images
    found = spatial(sparse(whole), theory, whole.shape[1], analysis_version=1)
    if np.count_nonzero(whole[0]) < 2 or not theory[1:].any():
        assert found == 0
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.nan_to_num(np.corrcoef(whole.astype(np.float64))[0, 1:], nan=0, posinf=0, neginf=0)
    wanted = np.clip(np.average(correlation, weights=theory[1:]), 0, 1)
    assert found == pytest.approx(wanted, abs=1e-9)
    assert spatial(sparse(whole), theory, whole.shape[1], analysis_version=3) == pytest.approx(wanted, abs=1e-4)


@settings(deadline=None, max_examples=100)
@given(given_images=quadruples())
def test_the_spectral_metric(given_images: Any) -> None:
    whole, theory = given_images
    totals = whole[:, whole[0] > 0].astype(np.float64).sum(axis=1)
    wanted = 1 - np.mean(np.abs(theory / np.linalg.norm(theory) - totals / np.linalg.norm(totals)))
    found = spectral(sparse(whole), theory)
    assert found == pytest.approx(wanted, abs=2e-7) or (found == 0 and wanted == pytest.approx(1.0))


def test_a_perfect_spectrum_is_none() -> None:
    images = np.array([[3.0], [4.0]], np.float32)
    assert spectral(images, np.array([3.0, 4.0], np.float32)) in (0.0, pytest.approx(1.0, abs=1e-7))
    assert spectral(np.array([[1.0], [0.0]], np.float32), np.array([1.0, 0.0], np.float32)) == 0


def test_points_of_a_pixel_are_added_in_their_order() -> None:
    intensity = np.array([1e8, 1.0, 1.0, 1.0, -1e8 + 2e8], np.float32)
    pixels = np.array([3, 3, 3, 3, 5])
    images = IonImages.of([slice(0, 4), slice(4, 5)], np.linspace(100, 101, 5), pixels, intensity)
    total = np.float32(1e8)
    for _ in range(3):
        total = np.float32(total + np.float32(1.0))
    assert images.values.tolist() == [[float(total), 0.0], [0.0, 1e8]]
    assert images.points.tolist() == [4, 1]
    again = IonImages.decode(images.encode())
    assert again.encode() == images.encode()
    assert again.dense(1, (2, 3)).tolist() == [[0, 0, 0], [0, 0, 1e8]]


scores = st.lists(st.sampled_from([0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 0.9]), max_size=30)


@given(targets=scores.filter(len), rankings=st.lists(scores, min_size=1, max_size=6))
def test_rates_by_medians_are_levels_and_do_not_rise_with_the_score(
    targets: list[float], rankings: list[list[float]]
) -> None:
    found = by_medians(np.array(targets), [np.array(ranking) for ranking in rankings])
    rates = [
        np.median(
            [sum(decoy >= score for decoy in ranking) for ranking in rankings]
            / np.array(sum(one >= score for one in targets))
        )
        for score in targets
    ]
    for score, fdr in zip(targets, found.tolist(), strict=True):
        levels = [
            level
            for level in (0.05, 0.1, 0.2, 0.5)
            for rate, one in zip(rates, targets, strict=True)
            if rate < level and one <= score
        ]
        assert fdr == min(levels, default=1.0)


@given(targets=scores.filter(len), decoys=scores, ratio=st.integers(1, 20))
def test_rates_by_one_ranking(targets: list[float], decoys: list[float], ratio: int) -> None:
    found = by_one_ranking(np.array(targets), np.array(decoys), ratio)
    for score, fdr in zip(targets, found.tolist(), strict=True):
        rates = [
            (sum(decoy >= limit for decoy in decoys) + 1) / ratio / (sum(one >= limit for one in targets) + 1)
            for limit in {*targets, *decoys}
            if limit <= score
        ]
        assert fdr == pytest.approx(min(rates))


def test_no_targets() -> None:
    assert by_medians(np.zeros(0), [np.zeros(0)]).tolist() == []
    assert by_one_ranking(np.zeros(0), np.array([0.5]), 1).tolist() == []
