"""A GPU that was granted and cannot be used is refused, where nobody granted one the CPU is taken."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
import torch

from lab2 import cli
from lab2.check import check_trials, local_gpus
from lab2.errors import ResourceError
from lab2.machine.survey import survey
from lab2.measure.hardware import choose_device, unused_gpu
from lab2.spec.catalogue import default_folder
from lab2.trial import run_trial
from tests.conftest import make_run, make_trial

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available() or torch.backends.mps.is_available(),
    reason="LOUD: torch can use a GPU here; these tests are of machines where it cannot",
)

VARIABLES = ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_GPUS_ON_NODE", "SLURM_JOB_ID")
VISIBLE = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
TOO_OLD = "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver"


@pytest.fixture(autouse=True)
def nothing_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, *VISIBLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def old_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch as it answers where the driver is too old."""

    def refuse() -> None:
        raise RuntimeError(TOO_OLD + ".\nA second line.")

    monkeypatch.setattr(torch.cuda, "init", refuse)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLURM_JOB_GPUS", "0"),
        ("SLURM_JOB_GPUS", "2,3"),
        ("SLURM_STEP_GPUS", "1"),
        ("SLURM_GPUS_ON_NODE", "2"),
        ("CUDA_VISIBLE_DEVICES", "0"),
        ("CUDA_VISIBLE_DEVICES", "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"),
        ("CUDA_VISIBLE_DEVICES", "0,-1"),
        ("ROCR_VISIBLE_DEVICES", "0"),
        ("HIP_VISIBLE_DEVICES", "1"),
        ("NVIDIA_VISIBLE_DEVICES", "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"),
    ],
)
@pytest.mark.usefixtures("old_driver")
def test_a_granted_gpu_that_torch_cannot_use_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(ResourceError) as refused:
        choose_device("auto")
    said = str(refused.value)
    assert f"({name}={value})" in said  # what was granted, and who says so
    assert TOO_OLD in said  # what torch says
    assert "second line" not in said
    assert "--device cpu" in said
    assert "lab2 doctor" in said
    assert choose_device("cpu").type == "cpu"  # asked for, it is given


def test_the_reason_is_torchs_own(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises((RuntimeError, AssertionError)) as own:
        torch.cuda.init()
    monkeypatch.setenv("SLURM_JOB_GPUS", "0")
    with pytest.raises(ResourceError) as refused:
        choose_device()
    assert str(own.value).splitlines()[0].rstrip(".") in str(refused.value)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"SLURM_GPUS_ON_NODE": "0"},
        {"SLURM_JOB_GPUS": "NoDevFiles", "CUDA_VISIBLE_DEVICES": "NoDevFiles"},  # Slurm's word for none
        {"SLURM_JOB_GPUS": ""},
        {"SLURM_JOB_GPUS": "0", "CUDA_VISIBLE_DEVICES": ""},  # given to the job, hidden from this process
        {"SLURM_JOB_GPUS": "0", "CUDA_VISIBLE_DEVICES": "-1"},
        {"CUDA_VISIBLE_DEVICES": "-1,0"},
        {"NVIDIA_VISIBLE_DEVICES": "all"},  # as images say of themselves
        {"NVIDIA_VISIBLE_DEVICES": "void"},
        {"NVIDIA_VISIBLE_DEVICES": "none"},
        {"SLURM_JOB_GPUS": "0", "ROCR_VISIBLE_DEVICES": "None"},
        {"SLURM_JOB_GPUS": "0", "HIP_VISIBLE_DEVICES": "-1"},
    ],
    ids=str,
)
def test_where_none_was_granted_the_cpu_is_taken(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert choose_device("auto").type == "cpu"


def test_of_a_machine_without_a_gpu_nothing_is_said(tmp_path: Path):
    assert unused_gpu(tmp_path) is None


class TestWhereItIsNoticed:
    @pytest.fixture(autouse=True)
    def granted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SLURM_JOB_GPUS", "0")

    def test_a_trial_leaves_a_row_that_says_so(self, tmp_path: Path):
        trial = make_trial()
        run = make_run(tmp_path, trial)
        shard = run_trial(trial, run)
        assert shard.status == "failed"
        assert "a GPU was granted (SLURM_JOB_GPUS=0)" in shard.reason
        assert shard.device is None

    def test_a_launch_is_refused_before_it_starts(self, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys):
        monkeypatch.chdir(default_folder().parent)
        monkeypatch.setattr(sys, "argv", ["lab2", "run-local", "--jobs", "cnn", "--quick"])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr().err
        assert left.value.code == 2
        assert said.startswith("lab2: ")
        assert len(said.strip().splitlines()) == 1
        assert not runs.exists()

    def test_the_cpu_that_is_asked_for_is_checked_and_given(self):
        check_trials([make_trial()], "cpu")  # as `lab2 submit` checks on a login node
        assert local_gpus("cpu") == []

    @pytest.mark.usefixtures("small_products")
    def test_the_survey_says_so_and_goes_on(self):
        found = {finding.what: finding for finding in survey()}
        assert not found["GPUs"].there
        assert "a GPU was granted (SLURM_JOB_GPUS=0)" in found["GPUs"].found
        assert found["mnist"].there


class TestGpuThatNobodyGranted:
    """A laptop whose driver is too old: the CPU is taken, and the log says why."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        (tmp_path / "dev").mkdir()
        (tmp_path / "dev" / "nvidia0").touch()
        return tmp_path

    @pytest.mark.usefixtures("old_driver")
    def test_the_log_says_once_why_it_is_not_used(self, root: Path, caplog: pytest.LogCaptureFixture):
        with caplog.at_level(logging.WARNING, "lab2"):
            assert choose_device("auto", root).type == "cpu"
            choose_device("auto", root)
        (warning,) = caplog.messages
        assert f"{root}/dev/nvidia0 is there" in warning
        assert TOO_OLD in warning

    @pytest.mark.usefixtures("old_driver", "small_products")
    def test_the_survey_says_why(self, root: Path):
        found = next(finding for finding in survey(root) if finding.what == "GPUs")
        assert not found.there
        assert f"{root}/dev/nvidia0 is there" in found.found
        assert TOO_OLD in found.found
        assert found.found.endswith("; trials run on cpu")

    @pytest.mark.parametrize(
        "environment", [{"CUDA_VISIBLE_DEVICES": ""}, {"SLURM_JOB_ID": "7"}, {"HIP_VISIBLE_DEVICES": "-1"}], ids=str
    )
    def test_who_wants_none_is_not_warned(
        self, root: Path, environment: dict[str, str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with caplog.at_level(logging.WARNING, "lab2"):
            assert choose_device("auto", root).type == "cpu"
        assert not caplog.messages

    def test_a_machine_without_a_gpu_is_not_warned_of_one(self, tmp_path: Path, caplog: pytest.LogCaptureFixture):
        with caplog.at_level(logging.WARNING, "lab2"):
            assert choose_device("auto", tmp_path).type == "cpu"
        assert not caplog.messages
