"""Reading from S3: a head, and a range that is whole or an error. Imports `stores.s3_client`."""

from __future__ import annotations

from typing import Any

from flowbutton.stores.s3_client import ShortAnswer, code_of, is_missing, repeated


def head_object(client: Any, call: dict[str, Any]) -> dict[str, Any] | None:
    """Return the head of an object, None if there is none."""
    try:
        found: dict[str, Any] = repeated(lambda: client.head_object(**call))
    except Exception as error:
        if is_missing(error):
            return None
        raise
    return found


def get_range(client: Any, call: dict[str, Any], start: int, stop: int | None) -> bytes | None:
    """Return bytes ``[start, stop)``, fewer where the object ends before; None if there is no object."""
    span = f"bytes={start}-{'' if stop is None else stop - 1}"

    def read() -> bytes:
        answer = client.get_object(**call, Range=span)
        data: bytes = answer["Body"].read()
        # A proxy that cuts a body may mend its length; what the range says is not mended.
        expected = _length(answer.get("ContentRange", ""))
        if expected is not None and expected != len(data):
            raise ShortAnswer(f"{len(data)} bytes came of {expected}")
        return data

    try:
        return repeated(read)
    except Exception as error:
        if code_of(error) in ("InvalidRange", "416"):
            return b""
        if is_missing(error):
            return None
        raise


def _length(content_range: str) -> int | None:
    """Return the bytes that ``bytes 0-99/1234`` announces; None if it announces none."""
    low, dash, high = content_range.removeprefix("bytes ").partition("/")[0].partition("-")
    return int(high) - int(low) + 1 if dash and low.isdigit() and high.isdigit() else None
