"""The memory of this process, now and at its peak, as the kernel counts it.

Source: proc(5), "VmRSS", "VmHWM" and "clear_refs"; malloc_trim(3); getrusage(2).
"""

from __future__ import annotations

import ctypes
import resource
import sys
from pathlib import Path


def in_use() -> int | None:
    """Bytes of resident memory, after free memory was given back to the kernel; None where the kernel does not say."""
    _give_back()
    return _status("VmRSS")


def process_peak() -> int:
    """The peak of resident memory, in bytes, since this program began or since `forget_peak`.

    Linux's VmHWM is used where it exists. `ru_maxrss` also counts the memory before exec, when the process was still a
    copy of its parent.
    """
    peak = _status("VmHWM")
    if peak is not None:
        return peak
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forget_peak() -> bool:
    """Give free memory back to the kernel and reset `process_peak`; returns False where the kernel cannot reset it."""
    _give_back()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _give_back() -> None:
    """Give free memory back to the kernel. The C library keeps it otherwise (environment.py), and it counts as used."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _status(field: str) -> int | None:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            name, _, amount = line.partition(":")
            if name == field:
                return 1024 * int(amount.split()[0])  # kB
    except OSError:
        pass
    return None
