"""Downloads into the cache, from a mirror on this disk; the survey of a machine."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
import torchvision

from lab2.cache import IMAGENET, cache_folder
from lab2.check import local_gpus
from lab2.data.datasets import load_training
from lab2.errors import DataError, ResourceError, WeightsError
from lab2.machine import prepare
from lab2.machine.survey import Finding, survey
from lab2.measure.hardware import choose_device, without_kernels
from lab2.spec.job import DataConfig
from tests.test_data import write_idx

pytestmark = pytest.mark.usefixtures("small_products")


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A mirror of KMNIST with 40 images, and of AlexNet's weights, served on this machine."""
    folder = tmp_path / "mirror"
    for part in ("train", "t10k"):
        write_idx(folder, np.zeros((40, 28, 28), np.uint8), np.tile(np.arange(10), 4), part)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    resources = [(p.name, hashlib.md5(p.read_bytes()).hexdigest()) for p in sorted(folder.iterdir())]
    monkeypatch.setattr(torchvision.datasets.KMNIST, "mirrors", [address])
    monkeypatch.setattr(torchvision.datasets.KMNIST, "resources", resources)
    torch.save({"x": torch.zeros(1)}, folder / "weights")
    digest = hashlib.sha256((folder / "weights").read_bytes()).hexdigest()[:8]
    (folder / "weights").rename(folder / f"alexnet-owt-{digest}.pth")
    monkeypatch.setitem(IMAGENET, "alexnet", f"alexnet-owt-{digest}.pth")
    monkeypatch.setattr(prepare, "WEIGHTS_URL", address)
    yield folder
    server.shutdown()
    server.server_close()


def test_a_data_set_is_downloaded_and_then_read(mirror: Path):
    ((name, place),) = prepare.prepare_all(["kmnist"])
    assert (name, place.name) == ("kmnist", "raw")
    assert len(load_training(DataConfig(dataset="kmnist", validation_images=10)).train) == 30


def test_a_download_that_broke_off_is_mended_by_the_next(mirror: Path):
    part = cache_folder() / "data" / "KMNIST" / "raw"
    part.mkdir(parents=True)
    (part / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b half of it")
    ((_, folder),) = prepare.prepare_all(["kmnist"])
    assert folder == part
    assert len(load_training(DataConfig(dataset="kmnist", validation_images=10)).train) == 30


def test_weights_are_downloaded_once_and_checked(mirror: Path):
    ((_, place),) = prepare.prepare_all(["alexnet"])
    before = place.stat().st_mtime_ns
    list(prepare.prepare_all(["alexnet"]))
    assert place.stat().st_mtime_ns == before
    place.write_bytes(b"altered")
    with pytest.raises(WeightsError, match="run lab2 prepare again"):
        list(prepare.prepare_all(["alexnet"]))


def test_a_download_of_something_else_is_refused(mirror: Path):
    (path,) = mirror.glob("*.pth")
    path.write_bytes(gzip.compress(b"something else"))
    with pytest.raises(DataError, match="prepare alexnet: invalid hash value"):
        list(prepare.prepare_all(["alexnet"]))


def test_without_a_network_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(prepare, "WEIGHTS_URL", f"{tmp_path.as_uri()}/nothing/")
    with pytest.raises(DataError, match="run this on a machine with a network"):
        list(prepare.prepare_all(["vgg16"]))


def test_the_survey_names_everything_once():
    found = list(survey())
    assert len({finding.what for finding in found}) == len(found)
    assert next(f for f in found if f.what == "mnist").there


def test_gpus_are_called_as_the_driver_does(monkeypatch: pytest.MonkeyPatch):
    assert local_gpus("cpu") == []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert (local_gpus("auto"), local_gpus("cuda:1")) == (["0", "1"], ["1"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert (local_gpus("auto"), local_gpus("cuda:1")) == (["2", "3"], ["3"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8932f937, GPU-1f0c, -1,GPU-none")
    assert local_gpus("cuda") == ["GPU-8932f937", "GPU-1f0c"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # of parts a process sees one
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-41b3,MIG-7c02")
    assert local_gpus("cuda") == ["MIG-41b3", "MIG-7c02"]


def test_gpus_of_rocm_are_called_as_hip_does(monkeypatch: pytest.MonkeyPatch):
    """HIP counts among those that ROCR_VISIBLE_DEVICES leaves."""
    monkeypatch.setattr(torch.version, "hip", "7.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("ROCR_VISIBLE_DEVICES", "4,6")
    assert local_gpus("auto") == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert local_gpus("auto") == ["2", "3"]
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "1,0")
    assert (local_gpus("auto"), local_gpus("cuda:1")) == (["1", "0"], ["0"])


class TestKernels:
    """torch's own builds: of CUDA 13.0 from Turing on, of CUDA 12.6 from Maxwell to Hopper."""

    NEW = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")
    OLD = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")

    @pytest.fixture
    def gpu(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[int, int], tuple[str, ...]], None]:
        """Gives torch a GPU of that compute capability and kernels of these architectures."""
        for name in ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_GPUS_ON_NODE", "CUDA_VISIBLE_DEVICES"):
            monkeypatch.delenv(name, raising=False)

        def give(capability: tuple[int, int], built: tuple[str, ...]) -> None:
            monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
            monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
            monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla V100-SXM2-16GB")
            monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
            monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: list(built))

        return give

    @pytest.mark.parametrize(
        ("capability", "built", "runs"),
        [
            ((7, 0), NEW, False),
            ((7, 0), OLD, True),
            ((7, 5), NEW, True),
            ((8, 9), NEW, True),  # by the binaries of 8.6
            ((8, 0), ("sm_86",), False),
            ((12, 0), OLD, False),
            ((12, 0), (*OLD, "compute_90"), True),  # PTX is compiled for it
            ((9, 0), ("sm_90a",), True),
            ((7, 0), (), True),  # a build that does not say
        ],
    )
    def test_a_gpu_runs_kernels_of_its_major_version_and_ptx(self, gpu, capability, built, runs):
        gpu(capability, built)
        assert (without_kernels() is None) == runs
        assert choose_device("auto").type == ("cuda" if runs else "cpu")

    def test_a_granted_gpu_without_kernels_is_refused_and_the_image_is_named(self, gpu, monkeypatch):
        gpu((7, 0), self.NEW)
        monkeypatch.setenv("SLURM_JOB_GPUS", "0")
        with pytest.raises(ResourceError) as refused:
            choose_device("auto")
        assert "Tesla V100-SXM2-16GB has compute capability 7.0, for which torch" in str(refused.value)
        assert "--build-arg CUDA=12.6" in str(refused.value)

    def test_one_that_is_asked_for_is_refused(self, gpu):
        gpu((7, 0), self.NEW)
        with pytest.raises(ResourceError, match=r"--device cuda: Tesla .* \(it has sm_75, .*--build-arg CUDA=12.6"):
            choose_device("cuda")

    def test_a_gpu_that_is_too_new_needs_no_older_cuda(self, gpu):
        gpu((12, 0), self.OLD)
        assert "a newer torch has" in (without_kernels() or "")

    def test_of_rocm_nothing_is_compared(self, gpu, monkeypatch):
        gpu((9, 4), ("gfx90a",))
        monkeypatch.setattr(torch.version, "hip", "7.0")
        assert without_kernels() is None

    def test_the_survey_says_so(self, gpu):
        gpu((7, 0), self.NEW)
        found = next(finding for finding in survey() if finding.what == "GPUs")
        assert not found.there
        assert "--build-arg CUDA=12.6" in found.found
        assert found.found.endswith("; trials run on cpu")


class TestDriver:
    OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build\nGCC version: 13"
    CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version: 12"

    def finding(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str | None, cuda: str) -> Finding | None:
        if says is not None:
            file = tmp_path / "proc" / "driver" / "nvidia" / "version"
            file.parent.mkdir(parents=True)
            file.write_text(says)
        monkeypatch.setattr(torch.version, "cuda", cuda)
        return next((found for found in survey(tmp_path) if found.what == "NVIDIA driver"), None)

    @pytest.mark.parametrize(
        ("says", "cuda", "there", "found"),
        [
            (OPEN, "13.0", True, "580.159.04; CUDA 13.0 of this torch needs 580 or newer"),
            (CLOSED, "12.6", True, "535.104.05; CUDA 12.6 of this torch needs 525 or newer"),
            (CLOSED, "13.0", False, "535.104.05; CUDA 13.0 of this torch needs 580 or newer"),
            (None, "13.0", False, "none here; CUDA 13.0 of this torch needs 580 or newer"),
            ("nonsense", "12.8", False, "its version cannot be read; CUDA 12.8 of this torch needs 525"),
        ],
    )
    def test_it_is_held_against_what_torch_needs(self, tmp_path, monkeypatch, says, cuda, there, found):
        finding = self.finding(tmp_path, monkeypatch, says, cuda)
        assert finding.there == there
        assert finding.found.startswith(found)

    def test_torch_without_cuda_needs_none(self, tmp_path, monkeypatch):
        assert self.finding(tmp_path, monkeypatch, None, "") is None


class TestImage:
    """Inside an image, `lab2 doctor` compares what is there with the bill of materials."""

    def finding(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, components: list[dict[str, str]]):
        bill = tmp_path / "bill.json"
        bill.write_text(json.dumps({"bomFormat": "CycloneDX", "components": components}))
        monkeypatch.setenv("LAB2_BILL", str(bill))
        return next(found for found in survey() if found.what == "image")

    def test_an_image_is_whole_when_its_packages_are_those_of_the_bill(self, tmp_path, monkeypatch):
        found = self.finding(tmp_path, monkeypatch, [{"name": "torch", "version": version("torch")}])
        assert found.there
        assert "1 packages" in found.found

    def test_another_version_is_named(self, tmp_path, monkeypatch):
        found = self.finding(tmp_path, monkeypatch, [{"name": "torch", "version": "0.1"}])
        assert (found.there, found.needed) == (False, True)
        assert "torch 0.1" in found.found

    def test_no_bill_is_said(self, tmp_path, monkeypatch):
        monkeypatch.setenv("LAB2_BILL", str(tmp_path / "none.json"))
        found = next(found for found in survey() if found.what == "image")
        assert (found.there, found.needed) == (False, True)
