"""Large objects in S3, sent in parts, several at once. Imports `stores.s3_client`.

Parts go by boto3, whose uploads can be conditional, repeated part by part, and aborted: obstore's can't. They cost as
little for two reasons: a thread reads into the same memory again and again, and a part is bytes, not a file, for which
boto3 would wait for the server's word before it sends (``Expect: 100-continue``).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from flowbutton.stores.s3_client import code_of, repeated

LARGE = 16 * 1024**2
"""Bytes above which a file goes up in parts."""
PART, MOST_PARTS, AT_ONCE = 8 * 1024**2, 9_000, 8
IN_MEMORY = 64 * 1024**2
"""Bytes of the parts that are on their way at once; a part that is larger goes alone."""

PartT = TypeVar("PartT")

Parts = list[dict[str, Any]]
"""What the last call of an upload names: numbers and ETags."""
Read = Callable[[int, int], bytes | bytearray]
"""Gives bytes ``[start, stop)``, in several threads; what it gave a thread is that thread's until it asks again."""


def size_of(data: bytes | Path) -> int:
    """Return the number of bytes, of a file as it stands now."""
    return data.stat().st_size if isinstance(data, Path) else len(data)


def upload(
    client: Any, call: dict[str, Any], file: Path, condition: dict[str, str], is_there: Callable[[], bool]
) -> None:
    """Put a file in parts; memory: 64 MiB, or one part where 9,000 parts are larger than that.

    ``condition`` goes with the call that makes the object visible. ``is_there`` tells, after an answer was lost,
    whether it happened. What fails is aborted, so that its parts cost nothing.
    """
    plain = {name: value for name, value in call.items() if name != "Metadata"}
    upload_id = begin(client, call)
    try:
        parts = sent_parts(client, plain, upload_id, _reader(file), size_of(file), PART)
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


def sent_parts(client: Any, call: Mapping[str, Any], upload_id: str, read: Read, size: int, part: int) -> Parts:
    """Send ``size`` bytes in parts of ``part`` bytes; memory: as `upload`."""

    def send(number: int, span: tuple[int, int]) -> str:
        return sent_part(client, call, upload_id, number, read(*span))

    length = _length(size, part)
    return each_part(_spans(size, length), send, at_once(length))


def sent_part(client: Any, call: Mapping[str, Any], upload_id: str, number: int, body: bytes | bytearray) -> str:
    """Send one part; return its ETag."""
    sent = repeated(lambda: client.upload_part(**call, UploadId=upload_id, PartNumber=number, Body=body))
    return str(sent["ETag"])


def at_once(length: int) -> int:
    """Return how many parts of up to ``length`` bytes may be in memory."""
    return max(1, min(AT_ONCE, IN_MEMORY // max(length, 1)))


def complete(client: Any, call: Mapping[str, Any], upload_id: str, parts: Parts, is_there: Callable[[], bool]) -> None:
    """Make an upload visible. ``is_there`` tells, after an answer was lost, whether it is."""
    try:
        order = {**call, "UploadId": upload_id, "MultipartUpload": {"Parts": parts}}
        repeated(lambda: client.complete_multipart_upload(**order))
    except Exception as error:
        # An answer was lost, and the server forgot the upload that it had ended.
        if code_of(error) != "NoSuchUpload" or not is_there():
            raise


def _reader(file: Path) -> Read:
    """Return what reads a file. It raises OSError where the file became shorter since."""
    own = threading.local()

    def read(start: int, stop: int) -> bytearray:
        if len(getattr(own, "memory", b"")) != stop - start:
            own.memory = bytearray(stop - start)
        memory: bytearray = own.memory
        with file.open("rb", buffering=0) as opened:
            opened.seek(start)
            done = 0
            while got := opened.readinto(memoryview(memory)[done:]):
                done += got
        if done < len(memory):
            raise OSError(f"{file} became shorter while it was put")
        return memory

    return read


def _length(size: int, part: int) -> int:
    return max(part, -(-size // MOST_PARTS))


def _spans(size: int, length: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + length, size)) for start in range(0, size, length))


def each_part(parts: Iterable[PartT], do: Callable[[int, PartT], str], at_once: int) -> Parts:
    """Do something with each part, several at once; return their numbers and ETags."""
    with ThreadPoolExecutor(at_once) as pool:
        doing = [pool.submit(do, number, part) for number, part in enumerate(parts, start=1)]
        try:
            return [{"PartNumber": number, "ETag": one.result()} for number, one in enumerate(doing, start=1)]
        except BaseException:
            for one in doing:
                one.cancel()
            raise
