"""Which process is meant, also on another host or after its pid is used again, and whether it is gone.

Format: proc(5), /proc/pid/stat. Imports nothing of flowbutton.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

_GONE_STATES = ("Z", "X")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process: ``host`` tells machines, boots and process namespaces apart, ``started`` reused pids."""

    host: str
    pid: int
    started: str

    @classmethod
    def current(cls) -> ProcessIdentity:
        """Return this process."""
        return cls(host_name(), os.getpid(), process_start(os.getpid()) or "")

    def is_gone(self, observer: ProcessIdentity) -> bool:
        """Return whether ``observer``, on the same host, can see that this process runs no more. In doubt: False."""
        return self.host == observer.host and process_start(self.pid) != self.started


def host_name() -> str:
    """Return what two processes share when, and only when, one's pid means the same to the other."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()} {boot[:8]} {namespace}"


def process_start(pid: int) -> str | None:
    """Return a running process's start time (ticks since boot; empty where there is no /proc), None if it is gone."""
    try:
        # The name in parentheses may hold blanks and parentheses itself.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return _start_without_proc(pid)
    return None if fields[0] in _GONE_STATES else fields[19]


def _start_without_proc(pid: int) -> str | None:
    if Path("/proc/self/stat").exists():
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ""
    return ""
