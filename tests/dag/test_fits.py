"""Which results fit which arguments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import BaseModel

from flowbutton.dag.fits import column_fits, fits, item_type, outputs_fit, show_type, table_fits
from flowbutton.model.bundle import Parts
from flowbutton.model.canonical import Json
from flowbutton.model.composite import Composite, Stored
from flowbutton.model.stage import AnyFile, Items
from flowbutton.stages.bundles import Bundle


class Table(BaseModel):
    """A value."""


class Wider(Table):
    """A kind of it."""


class Pair(NamedTuple):
    """Two files."""

    vcf: Path
    index: Path


class SamePair(NamedTuple):
    """The same outputs under another name."""

    index: Path
    vcf: Path


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (Path, Path),
        (Wider, Table),
        (int, float),
        (str, str | int),
        (Path | None, Path),
        (Path, Path | None),
        (Annotated[Path, ".vcf"], Path),
        (Path, Annotated[Path, ".vcf"]),
        (bytes, Any),
        (Any, bytes),
        (Bundle, Parts),
        (Composite, Path),
        (Composite, bytes),
        (Composite, AnyFile),
        (Composite, Stored),
        (Path, Stored),
        (bytes, Stored),
        (list[Wider], list[Table]),
        (dict[str, int], dict[str, float]),
        (Items[Wider], Items[Table]),
        (NDArray[np.float32], NDArray[np.float32]),
        (NDArray[np.float32], np.ndarray),
    ],
)
def test_these_fit(made: Any, wanted: Any) -> None:
    assert fits(made, wanted)


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (Table, Wider),
        (float, int),
        (str, Path),
        (bytes, str),
        (Path | None | bytes, Path),
        (Path, Parts),
        (Bundle, Path),
        (list[Table], list[int]),
        (Items[Table], Items[Wider]),
        (Items[Table], Table),
        (NDArray[np.float32], NDArray[np.float64]),
    ],
)
def test_these_clash(made: Any, wanted: Any) -> None:
    assert not fits(made, wanted)


def test_a_named_tuple_takes_a_stage_with_its_outputs() -> None:
    made = {"vcf": Path, "index": Path}
    assert outputs_fit(made, Pair)
    assert outputs_fit(made, SamePair)
    assert outputs_fit(made, Pair | None)
    assert outputs_fit(made, Any)
    assert not outputs_fit({"vcf": Path}, Pair)
    assert not outputs_fit({"vcf": Path, "index": bytes}, Pair)
    assert not outputs_fit(made, Path)
    assert outputs_fit({"": Path}, Path)


def test_tables_and_columns() -> None:
    assert all(table_fits(wanted) for wanted in (Any, Json, list[dict[str, Any]], Table))
    assert not any(table_fits(wanted) for wanted in (str, Path, bytes, int))
    assert all(column_fits(wanted) for wanted in (str, int, str | int, Any))
    assert not column_fits(Path)


def test_the_values_of_items() -> None:
    assert item_type(Items[Table]) is Table
    assert item_type(Annotated[Items[Table], 1]) is Table
    assert item_type(Table) is None


@pytest.mark.parametrize(
    ("hint", "text"),
    [(Path, "Path"), (Path | None, "Path | None"), (Sequence[Table], "Sequence[Table]"), (Annotated[int, 1], "int")],
)
def test_types_are_shown_as_people_write_them(hint: Any, text: str) -> None:
    assert show_type(hint) == text
