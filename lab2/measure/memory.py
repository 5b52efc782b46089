"""The memory of this process, now and at its peak, as the kernel counts it.

Source: proc(5), "VmRSS", "VmHWM" and "clear_refs"; malloc_trim(3); getrusage(2).
"""

from __future__ import annotations

import ctypes
import mmap
import resource
import sys
from pathlib import Path

import numpy as np


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


def resident_of_files() -> list[tuple[int, int]]:
    """(address, bytes) of this process's resident memory that is the content of files: libraries, most of all.

    Empty where the kernel does not say. Source: proc(5), "/proc/pid/maps" and "/proc/pid/pagemap", whose bit 63 says
    that a page is there.
    """
    found = []
    try:
        with Path("/proc/self/pagemap").open("rb") as pages:
            for line in Path("/proc/self/maps").read_text().splitlines():
                addresses, rights, _, _, inode = line.split()[:5]
                start, end = (int(address, 16) for address in addresses.split("-"))
                if inode == "0" or not rights.startswith("r"):
                    continue
                pages.seek(start // mmap.PAGESIZE * 8)
                entries = np.frombuffer(pages.read((end - start) // mmap.PAGESIZE * 8), np.uint64)
                there = np.flatnonzero(np.diff(np.pad(entries >> np.uint64(63), 1).astype(np.int8)))
                runs = start + there.reshape(-1, 2) * mmap.PAGESIZE
                found += [(int(first), int(last - first)) for first, last in runs]
    except (OSError, ValueError):
        return []
    return found


def make_resident(parts: list[tuple[int, int]]) -> None:
    """Read a byte of each page of `parts`, which `resident_of_files` found in the process that forked this one.

    A fork leaves out the pages of files. Without them, this process would seem to need less memory than one that has
    imported the same itself.
    """
    for address, size in parts:
        np.ctypeslib.as_array((ctypes.c_ubyte * size).from_address(address))[:: mmap.PAGESIZE].max()


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
