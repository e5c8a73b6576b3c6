"""Copying from one open file of this machine to another, by the kernel where it can."""

from __future__ import annotations

import errno
import os
import shutil

_REFUSED = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


def copy_bytes(source: int, sink: int, size: int) -> None:
    """Copy by copy_file_range(2), which shares blocks where the file system can; by plain copying elsewhere.

    Args:
        source: Descriptor of the file that is read, from its start.
        sink: Descriptor of the file that is written, where it stands; nothing may be held back in a buffer.
        size: Of the source, in bytes.
    """
    done = 0
    try:
        while done < size:
            step = os.copy_file_range(source, sink, size - done)
            if step == 0:
                break
            done += step
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
    if done < size:
        os.lseek(source, done, os.SEEK_SET)
        with os.fdopen(os.dup(source), "rb") as reader, os.fdopen(os.dup(sink), "wb") as writer:
            shutil.copyfileobj(reader, writer, 1024**2)
