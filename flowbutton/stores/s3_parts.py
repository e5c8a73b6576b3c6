"""Large files to S3: in parts, several at once, straight from disk. Imports `stores.s3_client`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from flowbutton.stores.s3_client import code_of, repeated

LARGE = 64 * 1024**2
"""Bytes above which a file goes up in parts."""
PART, MOST_PARTS, AT_ONCE = 16 * 1024**2, 9_000, 4


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
    plain = {name: value for name, value in call.items() if name != "Metadata"}
    made = repeated(lambda: client.create_multipart_upload(**call))
    upload_id = str(made["UploadId"])
    try:
        parts = _send(client, plain, file, upload_id)
        _complete(client, {**plain, **condition, "UploadId": upload_id}, parts, is_there)
    except BaseException:
        with contextlib.suppress(Exception):  # the first error is the one to tell; `clean` finds what is left
            abort(client, plain, upload_id)
        raise


def abort(client: Any, call: dict[str, Any], upload_id: str) -> None:
    """End an upload and free its parts; no error if there is none."""
    try:
        repeated(lambda: client.abort_multipart_upload(**call, UploadId=upload_id))
    except Exception as error:
        if code_of(error) not in ("NoSuchUpload", "404"):
            raise


def _send(client: Any, call: dict[str, Any], file: Path, upload_id: str) -> list[dict[str, Any]]:
    size = size_of(file)
    length = max(PART, -(-size // MOST_PARTS))

    def send(number: int) -> dict[str, Any]:
        with file.open("rb") as opened:
            opened.seek(number * length)
            body = opened.read(length)
        sent = repeated(lambda: client.upload_part(**call, UploadId=upload_id, PartNumber=number + 1, Body=body))
        return {"PartNumber": number + 1, "ETag": sent["ETag"]}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        sending = [pool.submit(send, number) for number in range(-(-size // length))]
        try:
            return [part.result() for part in sending]
        except BaseException:
            for part in sending:
                part.cancel()
            raise


def _complete(client: Any, call: dict[str, Any], parts: list[dict[str, Any]], is_there: Callable[[], bool]) -> None:
    try:
        repeated(lambda: client.complete_multipart_upload(**call, MultipartUpload={"Parts": parts}))
    except Exception as error:
        # An answer was lost, and the server forgot the upload that it had ended.
        if code_of(error) != "NoSuchUpload" or not is_there():
            raise
