"""What lab2 asks torch about an accelerator, and makes of the answers: torch answers as it would where there is one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from lab2.data.datasets import load_training
from lab2.errors import ResourceError
from lab2.measure.hardware import choose_device, device_name, synchronize
from lab2.models.building import build
from lab2.models.cnn import CNNConfig
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.models.vit import ViTConfig
from lab2.train import make_trainer
from lab2.train.precision import choose_precision
from lab2.train.trainer import Trainer
from tests.conftest import SMALL, make_trial

GPU = torch.device("cuda", 0)
BF16, FP16, FP32 = torch.bfloat16, torch.float16, torch.float32


class TestDevice:
    @pytest.fixture
    def two_gpus(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))

    @pytest.mark.usefixtures("two_gpus")
    def test_the_first_gpu_is_taken_or_the_one_that_is_asked_for(self):
        assert choose_device("auto") == GPU
        assert choose_device("cuda:1") == torch.device("cuda", 1)
        assert choose_device("cuda") == torch.device("cuda")
        assert choose_device("cpu") == torch.device("cpu")
        with pytest.raises(ResourceError, match=r"--device cuda:2: not on this machine \(2 CUDA devices\)"):
            choose_device("cuda:2")

    def test_apples_is_taken_where_there_is_no_other(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
        assert choose_device("auto") == choose_device("mps") == torch.device("mps")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        with pytest.raises(ResourceError, match="--device mps: not on this machine"):
            choose_device("mps")

    def test_it_has_its_makers_name(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(torch.cuda, "get_device_name", {GPU: "NVIDIA T4"}.__getitem__)
        assert device_name(GPU) == "NVIDIA T4"

    def test_whoever_was_given_work_is_waited_for(self, monkeypatch: pytest.MonkeyPatch):
        waited: list[object] = []
        monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
        monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append("mps"))
        for device in ("cuda:1", "mps", "cpu"):
            synchronize(torch.device(device))
        assert waited == [torch.device("cuda", 1), "mps"]


class TestPrecision:
    @pytest.fixture
    def gpu(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[torch.device]]:
        """A GPU that has bf16, or emulates it, of AMD's or not, and makes so many FLOP/s in each type."""

        def make(has_bf16: bool, *, hip: str | None = None, **rates: float) -> list[torch.device]:
            forgotten: list[torch.device] = []
            monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
            monkeypatch.setattr(
                torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation or has_bf16
            )
            monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", forgotten.append)
            monkeypatch.setattr(torch.version, "hip", hip)
            by_type = {getattr(torch, name): rate for name, rate in rates.items()}
            measured = {(kind, 2048, GPU): rate for kind, rate in by_type.items()}
            monkeypatch.setattr("lab2.train.precision.product_rate", lambda *words: measured[words])
            return forgotten

        return make

    def test_one_that_has_bf16_takes_it_and_measures_nothing(self, gpu):
        forgotten = gpu(True)
        assert choose_precision("auto", CNNConfig(), GPU) == "bf16"
        assert forgotten == []

    def test_one_that_emulates_it_takes_what_is_faster_and_counts_no_memory_for_it(self, gpu):
        forgotten = gpu(False, float16=3.0, float32=1.0)
        assert choose_precision("auto", CNNConfig(), GPU) == "fp16"
        assert forgotten == [GPU, GPU]
        gpu(False, float16=1.0, float32=1.0)
        assert choose_precision("auto", CNNConfig(), GPU) == "fp32"

    def test_amds_are_believed_where_bf16_is_the_faster(self, gpu):
        """Of AMD's torch says that all have it."""
        gpu(True, hip="6.0", bfloat16=2.0, float32=1.0)
        assert choose_precision("auto", CNNConfig(), GPU) == "bf16"
        gpu(True, hip="6.0", bfloat16=1.0, float32=1.0, float16=2.0)
        assert choose_precision("auto", CNNConfig(), GPU) == "fp16"

    def test_what_is_narrow_or_a_detector_stays_in_fp32(self, gpu):
        gpu(True)
        narrow, wide = ViTConfig(dim=126, num_heads=2), ViTConfig(dim=128, num_heads=2)
        configs = (narrow, wide, FasterRCNNConfig())
        assert [choose_precision("auto", config, GPU) for config in configs] == ["fp32", "bf16", "fp32"]

    def test_on_apples_it_is_fp32(self):
        assert choose_precision("auto", CNNConfig(), torch.device("mps")) == "fp32"

    @pytest.mark.parametrize(
        ("has_bf16", "asked", "warned"), [(False, "bf16", True), (True, "bf16", False), (False, "fp16", False)]
    )
    def test_what_it_emulates_is_given_with_a_warning(self, gpu, caplog, has_bf16: bool, asked: str, warned: bool):
        gpu(has_bf16)
        assert choose_precision(asked, CNNConfig(), GPU) == asked
        assert ("which this GPU emulates" in caplog.text) == warned


@pytest.mark.parametrize("device", [GPU, torch.device("mps")], ids=str)
def test_an_accelerators_random_numbers_are_part_of_where_a_trial_stands(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
):
    numbers, restored = torch.tensor([7]), []
    monkeypatch.setattr(torch.cuda, "get_rng_state", {GPU: numbers}.__getitem__)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda *words: restored.append(words))
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: numbers)
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda *words: restored.append(words))

    def new_trainer() -> Trainer:
        data, job = load_training(SMALL), make_trial("cnn").job
        built = build(job.model, data.shape)
        return make_trainer(job, built, data.train, device=torch.device("cpu"), precision="fp32", seed=1)

    first, second, third = new_trainer(), new_trainer(), new_trainer()
    next(first.fit())
    assert first.state()["accelerator_random"] == {}
    first.device = second.device = device
    second.resume_from(first.state(), Path("checkpoint"))
    next(second.fit())
    assert restored == [(numbers, GPU) if device == GPU else (numbers,)]
    third.resume_from(first.state(), Path("checkpoint"))  # on a CPU
    next(third.fit())
    assert len(restored) == 1
