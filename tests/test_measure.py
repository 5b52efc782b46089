"""Scores against hand-worked cases, the clock against what it goes around."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import lab2
from lab2.errors import ResourceError
from lab2.measure import cost
from lab2.measure.cores import available_cores
from lab2.measure.cost import LEAST_SECONDS, Stopwatch, latency, throughput
from lab2.measure.hardware import choose_device, product_rate
from lab2.measure.provenance import provenance, source_commit
from lab2.models.cnn import CNNConfig
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.models.vit import ViTConfig
from lab2.spec.recipe import Precision
from lab2.train.precision import choose_precision, cpu_capabilities, fastest_on_gpu, recorded


class TestDevice:
    def test_the_cpu_is_always_there(self):
        assert choose_device("cpu").type == "cpu"

    @pytest.mark.skipif(torch.cuda.is_available(), reason="LOUD: there is a GPU here")
    def test_a_gpu_that_is_not_there_is_an_error(self):
        assert choose_device("auto").type in ("cpu", "mps")
        with pytest.raises(ResourceError, match="--device cpu is"):
            choose_device("cuda")

    def test_cuda_comes_first(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
        assert choose_device("auto") == torch.device("cuda", 0)
        assert choose_device("cuda:1") == torch.device("cuda", 1)
        with pytest.raises(ResourceError, match="2 CUDA devices"):
            choose_device("cuda:2")

    def test_nonsense_is_an_error(self):
        with pytest.raises(ResourceError, match="wanted auto, cpu, mps, cuda"):
            choose_device("abacus")

    def test_slurm_says_how_many_cores(self, monkeypatch):
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
        assert available_cores() == 1


class TestPrecision:
    CPU = torch.device("cpu")

    @pytest.fixture
    def cpu(self, monkeypatch) -> Callable[..., None]:
        """Put another CPU in: its name, and what it can."""

        def put_in(name: str, *able: str) -> None:
            known = {"cpu_name": name, "architecture": "x86_64"}
            monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known | dict.fromkeys(able, True), raising=False)

        return put_in

    def test_amx_makes_bf16_worth_it_but_not_for_small_operations(self, cpu):
        cpu("Intel Xeon", "avx512_bf16", "amx_bf16")
        assert choose_precision("auto", CNNConfig(), self.CPU) == "bf16"
        assert choose_precision("auto", ViTConfig(), self.CPU) == "fp32"
        assert choose_precision("auto", ViTConfig(dim=192), self.CPU) == "bf16"
        assert choose_precision("auto", FasterRCNNConfig(), self.CPU) == "fp32"

    def test_amds_vectors_make_it_worth_it_for_classifiers(self, cpu):
        cpu("AMD EPYC", "avx512_bf16")
        assert [choose_precision("auto", c, self.CPU) for c in (CNNConfig(), ViTConfig())] == ["bf16", "bf16"]
        assert choose_precision("auto", FasterRCNNConfig(), self.CPU) == "fp32"

    @pytest.mark.parametrize(
        ("name", "able"), [("Intel Xeon", "avx512_bf16"), ("AMD EPYC", "avx2"), ("Neoverse", "sve")]
    )
    def test_elsewhere_fp32_is_faster(self, cpu, name: str, able: str):
        cpu(name, able)
        assert choose_precision("auto", CNNConfig(), self.CPU) == "fp32"

    @pytest.mark.skipif(platform.machine() != "x86_64", reason="LOUD: not an x86-64")
    def test_torch_knows_this_cpu_as_linux_does(self, monkeypatch: pytest.MonkeyPatch):
        known = cpu_capabilities()
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)  # as in torch 2.9
        read = cpu_capabilities()
        names = read.keys() - {"cpu_name"}  # torch asks the CPU, which may write its name otherwise
        assert names
        assert {name: known[name] for name in names} == {name: read[name] for name in names}
        assert str(known["cpu_name"]).startswith("AMD") == str(read["cpu_name"]).startswith("AMD")
        flags = set(Path("/proc/cpuinfo").read_text().split())
        assert known["architecture"] == "x86_64"
        for name in ("avx512_bf16", "amx_bf16"):
            assert known[name] == (name in flags)
        assert known["avx512_bw"] == ("avx512bw" in flags)

    def test_fp32_on_a_gpu_that_has_tf32_is_said_to_be_that(self, monkeypatch):
        gpu = torch.device("cuda", 0)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
        assert [recorded(p, gpu) for p in ("fp32", "bf16")] == ["tf32", "bf16"]
        assert recorded("fp32", self.CPU) == "fp32"
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))  # a T4
        assert recorded("fp32", gpu) == "fp32"

    @pytest.mark.parametrize("asked", ["fp32", "bf16", "fp16"])
    def test_what_is_asked_for_is_given(self, asked: Precision):
        assert choose_precision(asked, ViTConfig(), self.CPU) == asked

    @pytest.mark.parametrize(
        ("has_bf16", "rates", "chosen"),
        [
            (True, {}, "bf16"),  # nothing is measured
            (False, {"fp16": 3.0, "fp32": 1.0}, "fp16"),
            (False, {"fp16": 1.0, "fp32": 64.0}, "fp32"),
            (False, {"fp16": 1.0, "fp32": 1.0}, "fp32"),
        ],
    )
    def test_a_gpu_without_bf16_takes_the_faster_of_fp16_and_fp32(self, has_bf16, rates, chosen):
        assert fastest_on_gpu(has_bf16, rates.__getitem__) == chosen

    @pytest.mark.parametrize(
        ("asked", "able", "warned"),
        [
            *[("bf16", "avx2", True), ("bf16", "avx512_bw", False)],
            ("fp16", "avx512_bw", True),
            *[("auto", "avx2", False), ("fp32", "avx2", False)],
        ],
    )
    def test_what_is_emulated_is_warned_of(self, cpu, caplog, asked: Precision, able: str, warned: bool):
        cpu("AMD EPYC", able)
        choose_precision(asked, CNNConfig(), self.CPU)
        assert ("emulates" in caplog.text) == warned

    def test_fp16_is_warned_of_on_any_cpu(self, cpu, caplog):
        cpu("Intel Xeon", "avx512_fp16")
        choose_precision("fp16", CNNConfig(), self.CPU)
        assert "fp16 is for GPUs" in caplog.text


class TestStopwatch:
    def test_counts_the_steps_and_not_what_lies_between(self):
        def steps():
            for _ in range(3):
                time.sleep(0.02)
                yield None

        watch = Stopwatch(torch.device("cpu"))
        started = time.perf_counter()
        for _ in watch.around(steps()):
            time.sleep(0.1)
        whole = time.perf_counter() - started
        assert 0.06 <= watch.seconds <= whole - 0.3

    def test_what_the_accelerator_still_has_to_do_belongs_to_the_steps(self, monkeypatch):
        queued = [0.05, 0.2, 0.0]  # seconds of work: when it starts, when the loss is read, at the end
        monkeypatch.setattr("lab2.measure.cost.synchronize", lambda _: time.sleep(queued.pop(0)))
        watch = Stopwatch(torch.device("cuda", 0))
        for _ in watch.around(iter([None])):
            watch.await_device()
        assert 0.2 <= watch.seconds < 0.25
        assert queued == []


def test_latency_is_of_single_images_and_throughput_of_batches():
    seen: list[int] = []

    def predict(images: torch.Tensor) -> None:
        seen.append(len(images))
        time.sleep(0.001 if len(images) == 1 else 0.01)

    images = torch.zeros(300, 1, 8, 8, dtype=torch.uint8)
    p50, p95 = latency(predict, images)
    assert set(seen) == {1}
    assert 0.001 <= p50.value <= p95.value
    seen.clear()
    assert throughput(predict, images) <= 250 / 0.01
    assert set(seen) == {250}
    seen.clear()
    throughput(predict, torch.zeros(50, 3, 224, 224, dtype=torch.uint8))
    assert set(seen) == {40}  # 500 images of 64 x 64 pixels have as many


def test_latency_is_the_median_and_the_95th_percentile_of_all(monkeypatch):
    monkeypatch.setattr(cost, "_seconds", lambda predict, batch: predict(batch))
    images = torch.arange(1, 101, dtype=torch.uint8).view(100, 1, 1, 1)
    p50, p95 = latency(lambda one: float(one.max()), images)  # 1 to 100 seconds, each once
    assert (p50.value, p95.value) == pytest.approx((50.5, 95.05))
    assert (p50.low, p50.high, p95.low, p95.high) == (40, 61, 90, 100)  # of 100, as tables of order statistics have it


@pytest.mark.parametrize(("seconds", "calls"), [(0.1, 5), (0.3, 3), (0.01, 50)])
def test_short_calls_are_repeated_until_they_take_half_a_second(monkeypatch, seconds: float, calls: int):
    monkeypatch.setattr(cost, "LEAST_SECONDS", LEAST_SECONDS)
    monkeypatch.setattr(cost, "_seconds", lambda predict, batch: timed.append(len(batch)) or seconds * (1 + 1e-9))
    timed: list[int] = []
    assert throughput(lambda images: images, torch.zeros(300, 1, 1, 1)) == pytest.approx(250 / seconds)
    assert timed == [250] * calls


def test_a_core_that_this_process_may_not_use_is_not_counted():
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, cores)


def test_provenance_names_the_commit_that_an_image_states(monkeypatch):
    monkeypatch.setenv("LAB2_COMMIT", "abc")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "5")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    found = provenance()
    assert (found.git_commit, found.git_dirty, found.scheduler_job_id) == ("abc", False, "5_2")
    monkeypatch.setenv("LAB2_COMMIT", "abc-dirty")
    assert (provenance().git_commit, provenance().git_dirty) == ("abc", True)


def test_a_commit_is_that_of_the_code_and_it_is_dirty_where_the_code_changed(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("LAB2_COMMIT", raising=False)
    monkeypatch.setattr(lab2, "__file__", str(tmp_path / "lab2" / "__init__.py"))
    for name in ("lab2/__init__.py", "jobs/cnn.py", "tests/test_x.py", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert source_commit() == (None, None)  # no repository
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@localhost"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    assert source_commit() == (commit, False)
    (tmp_path / "README.md").write_text("changed")
    (tmp_path / "tests" / "test_x.py").write_text("changed")
    assert source_commit() == (commit, False)
    assert source_commit("tests") == (commit, True)
    (tmp_path / "jobs" / "cnn.py").write_text("changed")
    assert source_commit() == (commit, True)
    subprocess.run([*git, "commit", "-qam", "x"], check=True)
    (tmp_path / "lab2" / "__init__.py").write_text("changed")
    assert source_commit()[1] is True


@pytest.mark.parametrize(("flops_per_second", "largest"), [(1e12, 512), (1e7, 128)])
def test_a_product_that_would_take_long_is_not_timed(monkeypatch, flops_per_second, largest):
    sides: list[int] = []

    def seconds(product):
        sides.append(len(product.args[0]))
        return 2 * sides[-1] ** 3 / flops_per_second

    monkeypatch.setattr("lab2.measure.hardware.least_seconds", seconds)
    assert product_rate(torch.float32, 512) == pytest.approx(flops_per_second)
    assert max(sides) == largest
