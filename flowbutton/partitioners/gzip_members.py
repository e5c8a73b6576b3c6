"""Gzip without blocks: one pass from a member's start to the end of the file, as a stream of text.

Here: inflating one or several members, telling padding, garbage and a cut end apart.
Not here: BGZF (`bgzf`), which can be entered anywhere. Format: RFC 1952.
Imports `flowbutton.model`; isal only inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowbutton.model.errors import BadInput, TruncatedInput
from flowbutton.partitioners.bgzf import Read

MAGIC = b"\x1f\x8b"
_STEP = _TEXT_STEP = 1 << 18  # measured: larger steps fall out of the processor's cache


def inflate_members(read: Read, start: int, size: int, *, file: str) -> Iterator[bytes]:
    """Yield the text of all members from byte ``start`` to the end, in parts of at most 256 KiB; none is empty.

    Members may be empty. Zeros after the last member are padding, as for gzip(1).

    Raises:
        TruncatedInput: the file ends inside a member.
        BadInput: a member is damaged, or something else follows the last one.
    """
    stored = _Stored(read, start, size)
    while stored.peek(len(MAGIC)):
        if stored.peek(len(MAGIC)) != MAGIC[: len(stored.peek(len(MAGIC)))]:
            _refuse_garbage(stored, file=file)
            return
        yield from _member(stored, file=file)


class _Stored:
    """The stored bytes from a place on, read by steps: ``data`` is what is there of them, from byte ``at`` on."""

    def __init__(self, read: Read, start: int, size: int) -> None:
        self._read, self._next, self._size = read, start, size
        self.data = b""

    @property
    def at(self) -> int:
        return self._next - len(self.data)

    def more(self) -> bytes:
        """Read the next step; empty at the end of the object."""
        stop = min(self._next + _STEP, self._size)
        step = self._read(self._next, stop) if stop > self._next else b""
        self._next += len(step)
        return step

    def peek(self, count: int) -> bytes:
        """Return the next bytes without taking them, fewer than ``count`` at the end only."""
        if len(self.data) < count:
            self.data += self.more()
        return self.data[:count]


def _member(stored: _Stored, *, file: str) -> Iterator[bytes]:
    from isal import igzip_lib

    damage: type[Exception] = igzip_lib.error  # type: ignore[assignment]  # isal's stub takes the class for an instance
    begin = stored.at
    stream = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    step, stored.data = stored.data or stored.more(), b""
    while True:
        try:
            text = stream.decompress(step, _TEXT_STEP)
        except damage as error:
            raise BadInput(
                "a gzip file is damaged",
                why=f"{error}, in the member that begins at byte {begin}, not after byte {stored.at}",
                hint="fetch the file again; 'gzip -t' tests a whole file",
                file=file,
                byte=begin,
            ) from error
        if text:
            yield text
        if stream.eof:
            stored.data = stream.unused_data
            return
        step = stored.more() if stream.needs_input else b""
        if stream.needs_input and not step:
            raise TruncatedInput(
                "a gzip file ends too early",
                why=f"it ends inside the member that begins at byte {begin}",
                hint="compare its size with the sender's and fetch it again",
                file=file,
                byte=stored.at,
            )


def _refuse_garbage(stored: _Stored, *, file: str) -> None:
    begin = stored.at
    while stored.peek(1):
        if stored.data.strip(b"\0"):
            raise BadInput(
                "a gzip file has something else after its last member",
                why=f"the bytes from {begin} on are neither a gzip member nor padding with zeros",
                hint="fetch the file again; if the sender's looks the same, pack it anew: gzip -dc old | gzip > new",
                file=file,
                byte=begin,
            )
        stored.data = b""
