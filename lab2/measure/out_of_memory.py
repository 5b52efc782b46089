"""Whether an error says that memory ran out, of the machine or of an accelerator, and a trial's share of it."""

from __future__ import annotations

import errno
import re

import torch

# torch raises `OutOfMemoryError` for its own allocator alone. What the driver and NVIDIA's and AMD's libraries allocate
# besides, and what Apple's MPS does, ends in another error, which only its text tells from a fault of the program.
_TEXT = re.compile(
    r"can't allocate memory|not enough memory: you tried to allocate"  # torch's allocator on a CPU
    r"|(CUDA|HIP) error: out of memory|(CUDA|HIP|MPS backend|XPU) out of memory"
    r"|[A-Z]+_STATUS_ALLOC_FAILED|CUDNN_STATUS\w*_ALLOCATION_FAILED|CUFFT_ALLOC_FAILED|miopenStatusAllocFailed"
)
OUTSIDE = 2**29  # bytes of a GPU that a process takes outside torch's allocator: CUDA's context and its kernels


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether `error`, or what it was raised from or after, says so.

    A recording of a CUDA graph that runs out of memory ends in another error: that it was not completed.
    """
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        if isinstance(one, MemoryError | torch.OutOfMemoryError) or _TEXT.search(str(one)):
            return True
        if isinstance(one, OSError) and one.errno == errno.ENOMEM:
            return True
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return False


def keep_to_share(device: torch.device, share: float) -> None:
    """Let this process take that share of a GPU's memory, so that it runs out of its own before its neighbours do."""
    if device.type != "cuda" or share >= 1:
        return
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(max(share - OUTSIDE / total, share / 2), device)
