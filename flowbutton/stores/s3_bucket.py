"""A bucket: heads, ranges that are whole or an error, and puts; what is small by obstore, the rest by boto3.

boto3 is asked too when obstore has no certain answer (`stores.s3_hot`), so errors, repeats and waits are always its.
Imports `model`, `stores.s3_client`, `stores.s3_hot`, `stores.s3_parts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from flowbutton.model.errors import OptionError
from flowbutton.stores.s3_client import ShortAnswer, client_for, code_of, is_missing, repeated, status_of
from flowbutton.stores.s3_hot import SMALL, TOKEN, Head, Hot, Taken, Unsure, hot_for, signs
from flowbutton.stores.s3_parts import LARGE, size_of, upload
from flowbutton.stores.s3_places import S3Place

T = TypeVar("T")

_HEADS = 4
"""Heads that are asked for before an object without a token counts as another's."""


class Bucket:
    """The bucket of a place, for this process; keys are whole names in it.

    Raises, when it is made: MissingExtra, OptionError, as `client_for`.
    """

    def __init__(self, place: S3Place) -> None:
        self.place = place
        self._common: dict[str, str] = {"Bucket": place.bucket}
        if place.access.requester_pays:
            self._common["RequestPayer"] = "requester"
        if self._hot is None:
            client_for(place.access)  # what is wrong with it is told now

    @property
    def client(self) -> Any:
        """boto3's client of this process."""
        return client_for(self.place.access)

    @property
    def _hot(self) -> Hot | None:
        return hot_for(self.place)

    def call(self, name: str | None = None) -> dict[str, Any]:
        """Return the arguments that each call of boto3's client has, with the key's if there is one."""
        return dict(self._common) if name is None else {**self._common, "Key": name}

    def head(self, name: str) -> Head | None:
        """Return the head of an object, None if there is none."""
        try:
            return self._quick(lambda hot: hot.head(name))
        except Unsure:
            pass
        try:
            return repeated(lambda: self._head(name))
        except Exception as error:
            if is_missing(error):
                return None
            if status_of(error) == 403:  # the answer to a HEAD has no body that could say why
                repeated(lambda: self.client.get_object(**self.call(name), Range="bytes=0-0")["Body"].close())
            raise

    def get(self, name: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """Return bytes ``[start, stop)``, fewer where the object ends before; None if there is no object."""
        try:
            return self._quick(lambda hot: hot.get(name, start, stop))
        except Unsure:
            pass
        try:
            return repeated(lambda: self._read(name, start, stop))
        except Exception as error:
            if code_of(error) in ("InvalidRange", "416"):
                return b""
            if is_missing(error):
                return None
            raise

    def put(self, name: str, data: bytes | Path, token: str, *, first: bool = False) -> None:
        """Put bytes, or a file's, with a token in their metadata; a large file in parts.

        With ``first`` only where there is nothing (but see `S3Store.put_if_absent`).

        Raises:
            Taken: the server says that there is something, perhaps by this very call.
            Unanswered: it is not known whether it was put.
        """
        if size_of(data) <= SMALL:
            data = data.read_bytes() if isinstance(data, Path) else data
            small = data
            try:
                return self._quick(lambda hot: hot.put(name, small, token, first=first))
            except Unsure:
                pass  # if it was put after all, a conditional try hears 412 now, and the token tells whose it is
        call = {**self.call(name), "Metadata": signs(token, size_of(data))}
        condition = {"IfNoneMatch": "*"} if first else {}
        try:
            if isinstance(data, Path) and size_of(data) > LARGE:
                upload(self.client, call, data, condition, lambda: self.is_mine(name, token) is True)
            else:
                repeated(lambda: _put_object(self.client, {**call, **condition}, data))
        except Exception as error:
            if code_of(error) in ("PreconditionFailed", "412", "ConditionalRequestConflict"):
                raise Taken from error
            raise
        return None

    def is_mine(self, name: str, token: str) -> bool | None:
        """Return whether what stands there came with this token; None if there is nothing."""
        for _ in range(_HEADS):
            found = self.head(name)
            if found is None or found.token == token:
                return None if found is None else True
            if found.token is not None and not token.startswith(found.token):
                return False
            # boto3 takes an answer whose headers are cut off for a whole one: perhaps the token was behind the cut
        return False

    def _quick(self, ask: Callable[[Hot], T]) -> T:
        hot = self._hot
        if hot is None:
            raise Unsure
        return ask(hot)

    def _head(self, name: str) -> Head:
        try:
            found = self.client.head_object(**self.call(name))
        except ValueError as error:  # a number that was cut off
            raise ShortAnswer(str(error)) from error
        if "ContentLength" not in found or not found.get("ETag") or found["ETag"].count('"') == 1:
            raise ShortAnswer("a head without a length or an ETag")  # it was cut off
        return Head(int(found["ContentLength"]), found["ETag"].strip('"'), found.get("Metadata", {}).get(TOKEN))

    def _read(self, name: str, start: int, stop: int | None) -> bytes:
        span = f"bytes={start}-{'' if stop is None else stop - 1}"
        answer = self.client.get_object(**self.call(name), Range=span)
        if answer["ResponseMetadata"]["HTTPStatusCode"] != 206:
            return self._whole(answer, start, stop)
        data: bytes = answer["Body"].read()
        # A proxy that cuts a body may mend its length; what the range says is not mended.
        found = _span(answer.get("ContentRange", ""))
        if found is None or found[0] != start:
            raise ShortAnswer("a part of an object that does not say which, or another")  # its headers were cut off
        if found[1] - start != len(data):
            raise ShortAnswer(f"{len(data)} bytes came of {found[1] - start}")
        return data

    def _whole(self, answer: Mapping[str, Any], start: int, stop: int | None) -> bytes:
        """Read an answer that has all of an object, which is right where all of it was asked for."""
        if start or (stop is not None and stop < answer["ContentLength"]):
            answer["Body"].close()
            raise OptionError(
                "the server gives no ranges of its objects",
                why="asked for a part it sent the whole, and objects are read in parts",
                hint="read from a server of S3 that knows 'Range', or copy the files to a folder",
                bucket=self.place.bucket,
            )
        whole: bytes = answer["Body"].read()
        return whole


def _span(content_range: str) -> tuple[int, int] | None:
    """Return the first byte, and the one behind the last, of ``bytes 0-99/1234``; None if it says none."""
    low, dash, high = content_range.removeprefix("bytes ").partition("/")[0].partition("-")
    return (int(low), int(high) + 1) if dash and low.isdigit() and high.isdigit() else None


def _put_object(client: Any, call: dict[str, Any], data: bytes | Path) -> None:
    if isinstance(data, Path):
        with data.open("rb") as file:
            client.put_object(**call, Body=file)
    else:
        client.put_object(**call, Body=data)
