"""How much memory this process has, and has had at most: the kernel's own count.

Source: proc(5), "VmRSS", "VmHWM" and "clear_refs"; malloc_trim(3); getrusage(2).
"""

from __future__ import annotations

import ctypes
import resource
import sys
from pathlib import Path


def in_use() -> int | None:
    """Bytes that lie in memory now, free memory given back to the kernel; None where the kernel does not say."""
    _give_back()
    return _status("VmRSS")


def process_peak() -> int:
    """Bytes that lay in memory at once since this program began, or since `forget_peak`.

    Linux's VmHWM where there is one: `ru_maxrss` also counts what the process had before it started this program,
    which is a copy of whoever launched it.
    """
    peak = _status("VmHWM")
    if peak is not None:
        return peak
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forget_peak() -> bool:
    """Give free memory back to the kernel and let `process_peak` begin anew; False where the kernel cannot do that."""
    _give_back()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _give_back() -> None:
    """Memory that the C library keeps for later would count as used: trials tell it to keep all (environment.py)."""
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
