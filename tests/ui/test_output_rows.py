"""Outputs at the end of a run: every file that a person looks for, and one row for a folder of many."""

from __future__ import annotations

from flowbutton.ui.output_rows import output_rows


def outputs(*names: str, results: str = "s3://lab/out/") -> list[dict[str, object]]:
    return [{"name": name, "path": results + name, "bytes": 1024} for name in names]


def test_a_folder_of_many_files_is_one_row_with_their_sum() -> None:
    chunks = [f"images.zarr/c/{n}/0" for n in range(9)]
    assert [*output_rows(outputs("a.csv", *chunks, "images.zarr/zarr.json", "b.csv"))] == [
        ("s3://lab/out/a.csv", "1.0 KiB"),
        ("s3://lab/out/images.zarr/ (10 files)", "10.0 KiB"),
        ("s3://lab/out/b.csv", "1.0 KiB"),
    ]


def test_a_folder_of_few_files_is_listed_and_so_is_all_that_lies_in_none() -> None:
    names = [*(f"bam/{n}.bam" for n in range(8)), *(f"{n}.csv" for n in range(30))]
    assert [path for path, _ in output_rows(outputs(*names))] == [f"s3://lab/out/{name}" for name in names]
