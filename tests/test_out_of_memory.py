"""Which errors say that memory ran out, and how much of a GPU's a trial may take."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lab2.launch.gpus import Gpus
from lab2.measure.out_of_memory import OUTSIDE, keep_to_share, ran_out_of_memory
from lab2.trial import run_trial
from tests.conftest import make_run, make_trial
from tests.test_gpu_sharing import trial


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        torch.AcceleratorError("CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA` to enable ...", 2),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`"),
        RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
        RuntimeError("HIP error: out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 5.00 GB, other allocations: 1.00 GB, max: 6.00 GB)."),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you ..."
        ),
    ],
    ids=str,
)
def test_memory_that_ran_out_is_told_by_its_type_or_its_text(error: Exception, tmp_path: Path, monkeypatch):
    assert ran_out_of_memory(error)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("lab2.attempt.TrialAttempt.train", fail)
    one = make_trial("cnn")
    assert run_trial(one, make_run(tmp_path, one), device="cpu").status == "out_of_memory"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: no kernel image is available for execution on the device"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
    ids=str,
)
def test_what_else_goes_wrong_is_no_lack_of_memory(error: Exception):
    assert not ran_out_of_memory(error)


def test_what_was_raised_while_memory_ran_out_says_so_unless_it_hides_it():
    def raised(*, hides: bool) -> None:
        try:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        finally:
            error = RuntimeError("operation failed due to a previous error during capture")
            error.__suppress_context__ = hides
            raise error

    for hides in (False, True):
        with pytest.raises(RuntimeError) as failed:
            raised(hides=hides)
        assert ran_out_of_memory(failed.value) == (not hides)


class TestShare:
    @pytest.fixture
    def fractions(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """What torch is told; its GPU has 16 GiB."""
        told: list[float] = []
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=2**34))
        monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda share, _: told.append(share))
        return told

    def test_it_is_less_by_what_is_taken_outside_torchs_allocator(self, fractions: list[float]):
        keep_to_share(torch.device("cuda"), 1 / 4)
        assert 2**34 * fractions[0] == 2**32 - OUTSIDE

    def test_a_small_share_is_halved_at_most(self, fractions: list[float]):
        keep_to_share(torch.device("cuda"), 1 / 64)
        assert fractions == [1 / 128]

    def test_a_whole_gpu_and_a_cpu_have_no_limit(self, fractions: list[float]):
        keep_to_share(torch.device("cuda"), 1.0)
        keep_to_share(torch.device("cpu"), 0.25)
        assert fractions == []

    def test_it_is_what_the_resources_say_where_more_run_than_there_are_gpus(self):
        gpus, quarter = Gpus(["a", "b"]), trial(1, per_gpu=4)
        assert [gpus.memory_share(quarter, at_once) for at_once in (1, 2, 3, 8)] == [1, 1, 0.25, 0.25]
