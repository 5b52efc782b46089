"""How much memory a process has had at most."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def process_peak() -> int:
    """Bytes that lay in memory at once since this program began.

    Linux's VmHWM where there is one: `ru_maxrss` also counts what the process had before it started this program,
    which is a copy of whoever launched it. Source: proc(5), getrusage(2).
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            name, _, amount = line.partition(":")
            if name == "VmHWM":
                return 1024 * int(amount.split()[0])  # kB
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
