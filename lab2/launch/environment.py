"""The environment variables of a trial's process: memory allocation and threads.

They are set before the process starts, because glibc and OpenMP read them only then.

Allocation: with glibc's defaults, the memory of large tensors is given back to the system at every step and has to be
paged in again at the next. AlexNet at 64 pixels, batch 512, one backward pass on a busy 2-core machine: 13.1 s with
glibc's defaults, 3.7 s with gradients kept, 1.1 s with the settings below.

Threads: with `OMP_PROC_BIND`, `OMP_PLACES` or `GOMP_CPU_AFFINITY` set, OpenMP's library binds the main thread to one
core as soon as torch is imported. After that the process counts only one core as its own, and so do all processes
that it starts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ALLOCATION = {
    "THP_MEM_ALLOC_ENABLE": "1",  # torch: huge pages for large tensors
    "MALLOC_MMAP_THRESHOLD_": str(2**32),  # bytes; glibc: keep large blocks on the heap
    "MALLOC_TRIM_THRESHOLD_": str(2**32),  # and keep the heap
    "MALLOC_TOP_PAD_": str(2**27),
}


@contextmanager
def trial_environment(threads: int) -> Iterator[None]:
    """Set the variables that a trial needs, for processes started inside. A variable that is already set is kept."""
    # A folder called lab2 where lab2 is called, as the clone is in its parent, is not the package.
    wanted = {**ALLOCATION, "OMP_NUM_THREADS": str(threads), "PYTHONSAFEPATH": "1"}
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def leave_threads_unbound() -> None:
    """Let this process and its children use all cores that they were given. Call it before torch is imported.

    This overrides the settings of a user or of a cluster's modules: binding gave no speed-up (benchmarks/LOG.md),
    and two trials on one machine would be bound to the same core.
    """
    os.environ["OMP_PROC_BIND"] = "false"  # also undoes the other two (libgomp's manual, "Environment Variables")


def restart_with_allocation() -> None:
    """Start this command again with the allocation settings, unless it has them: glibc reads them only at start."""
    if all(name in os.environ for name in ALLOCATION):
        return
    os.environ.update({name: value for name, value in ALLOCATION.items() if name not in os.environ})
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "lab2.cli", *sys.argv[1:]])
