"""Copying from one open file of this machine to another, by the kernel where it can."""

from __future__ import annotations

import errno
import os

_REFUSED = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
_STEP = 1024**2


def copy_bytes(source: int, sink: int, start: int, stop: int) -> None:
    """Copy by copy_file_range(2), which shares blocks where the file system can; by plain copying elsewhere.

    Args:
        source: Descriptor of the file that is read.
        sink: Descriptor of the file that is written, where it stands; nothing may be held back in a buffer.
        start: The first byte of the source.
        stop: Where it ends, in bytes of the source.
    """
    try:
        while start < stop:
            step = os.copy_file_range(source, sink, stop - start, start)
            if step == 0:
                break
            start += step
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
    while start < stop and (data := os.pread(source, min(_STEP, stop - start), start)):
        start += len(data)
        while data:
            data = data[os.write(sink, data) :]
