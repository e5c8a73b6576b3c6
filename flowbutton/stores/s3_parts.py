"""Large objects in S3, in parts: sent several at once, or copied on the server. Imports `stores.s3_client`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from flowbutton.stores.s3_client import code_of, repeated

LARGE = 64 * 1024**2
"""Bytes above which a file goes up in parts."""
PART, MOST_PARTS, AT_ONCE = 16 * 1024**2, 9_000, 4

Parts = list[dict[str, Any]]
"""What the last call of an upload names: numbers and ETags."""


def size_of(data: bytes | Path) -> int:
    """Return the number of bytes, of a file as it stands now."""
    return data.stat().st_size if isinstance(data, Path) else len(data)


def upload(
    client: Any, call: dict[str, Any], file: Path, condition: dict[str, str], is_there: Callable[[], bool]
) -> None:
    """Put a file in parts; memory: four parts of 16 MiB (more where there would be over 9,000 parts).

    ``condition`` goes with the call that makes the object visible. ``is_there`` tells, after an answer was lost,
    whether it happened. What fails is aborted, so that its parts cost nothing.
    """

    def read(start: int, stop: int) -> bytes:
        with file.open("rb") as opened:
            opened.seek(start)
            return opened.read(stop - start)

    plain = {name: value for name, value in call.items() if name != "Metadata"}
    upload_id = begin(client, call)
    try:
        parts = sent_parts(client, plain, upload_id, read, size_of(file), PART)
        complete(client, {**plain, **condition}, upload_id, parts, is_there)
    except BaseException:
        with contextlib.suppress(Exception):  # the first error is the one to tell; `clean` finds what is left
            abort(client, plain, upload_id)
        raise


def begin(client: Any, call: Mapping[str, Any]) -> str:
    """Begin an upload in parts; return its id. ``call`` may name metadata."""
    made = repeated(lambda: client.create_multipart_upload(**call))
    return str(made["UploadId"])


def abort(client: Any, call: Mapping[str, Any], upload_id: str) -> None:
    """End an upload and free its parts; no error if there is none."""
    try:
        repeated(lambda: client.abort_multipart_upload(**call, UploadId=upload_id))
    except Exception as error:
        if code_of(error) not in ("NoSuchUpload", "404"):
            raise


def sent_parts(
    client: Any, call: Mapping[str, Any], upload_id: str, read: Callable[[int, int], bytes], size: int, part: int
) -> Parts:
    """Send ``size`` bytes in parts of ``part`` bytes; memory: four of them. ``read`` gives bytes ``[start, stop)``."""

    def send(number: int, start: int, stop: int) -> str:
        body = read(start, stop)
        sent = repeated(lambda: client.upload_part(**call, UploadId=upload_id, PartNumber=number, Body=body))
        return str(sent["ETag"])

    return _each(_spans(size, part), send)


def copied_parts(
    client: Any, call: Mapping[str, Any], upload_id: str, source: Mapping[str, str], size: int, part: int
) -> Parts:
    """Let the server copy an object of ``size`` bytes in parts of ``part`` bytes (at least 5 MiB, but the last)."""

    def copy(number: int, start: int, stop: int) -> str:
        span = f"bytes={start}-{stop - 1}"
        order = {**call, "UploadId": upload_id, "PartNumber": number, "CopySource": source, "CopySourceRange": span}
        done = repeated(lambda: client.upload_part_copy(**order))
        return str(done["CopyPartResult"]["ETag"])

    return _each(_spans(size, part), copy)


def complete(client: Any, call: Mapping[str, Any], upload_id: str, parts: Parts, is_there: Callable[[], bool]) -> None:
    """Make an upload visible. ``is_there`` tells, after an answer was lost, whether it is."""
    try:
        order = {**call, "UploadId": upload_id, "MultipartUpload": {"Parts": parts}}
        repeated(lambda: client.complete_multipart_upload(**order))
    except Exception as error:
        # An answer was lost, and the server forgot the upload that it had ended.
        if code_of(error) != "NoSuchUpload" or not is_there():
            raise


def _spans(size: int, part: int) -> Iterator[tuple[int, int]]:
    length = max(part, -(-size // MOST_PARTS))
    return ((start, min(start + length, size)) for start in range(0, size, length))


def _each(spans: Iterator[tuple[int, int]], do: Callable[[int, int, int], str]) -> Parts:
    """Do something with each part, four at once; return their numbers and ETags."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        doing = [pool.submit(do, number, *span) for number, span in enumerate(spans, start=1)]
        try:
            return [{"PartNumber": number, "ETag": one.result()} for number, one in enumerate(doing, start=1)]
        except BaseException:
            for one in doing:
                one.cancel()
            raise
