"""A trained network as a file: its answers on all test images are those of the trained one, or there is no file."""

from __future__ import annotations

import io
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lab2.data.datasets import load_test, load_training
from lab2.data.identity import identities
from lab2.export import model_file
from lab2.export.formats import export as exported
from lab2.export.formats import opened
from lab2.export.network import load_network
from lab2.measure.predictions import Predictions, write_predictions
from lab2.measure.scores import accuracy
from lab2.models.building import build
from lab2.models.building.weights import save_weights
from lab2.models.cnn import CNNConfig
from lab2.models.layers.conv3x3 import Conv3x3
from lab2.models.nearest_neighbour import NearestNeighbourConfig
from lab2.results.run_dir import RunDir
from lab2.results.shard import write_shard
from lab2.spec.job import JobSpec, Trial
from lab2.train.classifier import to_unit
from tests.conftest import SMALL, finished, make_run, make_trial

pytestmark = pytest.mark.slow  # torch.export takes seconds

ONNX = ("onnx", "onnxscript", "onnxruntime")
FORMATS = [
    "torch-export",
    pytest.param(
        "onnx",
        marks=pytest.mark.skipif(
            any(find_spec(one) is None for one in ONNX),
            reason=f"{', '.join(ONNX)} are not all installed: the export to ONNX is NOT tested here",
        ),
    ),
]


def trained(run: RunDir, trial: Trial) -> nn.Module:
    """Leave in `run` what a trial leaves that kept the weights of an untrained network; returns that."""
    data, test = load_training(trial.data), load_test(trial.data)
    torch.manual_seed(0)
    model = build(trial.job.model, data.shape).model.eval()
    with torch.inference_mode():
        logits = model(to_unit(torch.from_numpy(np.array(test.pixels))))
    found = Predictions(test.labels, logits.argmax(1).numpy(), logits.softmax(1).numpy(), identities(test.pixels))
    write_predictions(run.predictions(trial.name), found)
    save_weights(run.weights(trial.name), model, trial.job.model.architecture, "mnist")
    write_shard(run.shard(trial.name), finished(trial, accuracy(found), precision="fp32", device="cpu"))
    return model


@pytest.fixture
def run(runs: Path) -> RunDir:
    return make_run(runs, make_trial("cnn"), make_trial("vit"))


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("name", ["cnn", "vit"])
def test_the_file_answers_as_the_network_does_for_any_batch(name: str, to: str, run: RunDir, run_cli):
    trial = run.read_plan().trial(f"{name}-seed1")
    model = trained(run, trial)
    code, said, warned = run_cli("export", trial.name, "run", "--to", to)
    assert (code, warned) == (0, "")
    path = run.path / "export" / (trial.name + {"onnx": ".onnx", "torch-export": ".pt2"}[to])
    assert said.startswith(f"{path}: {path.stat().st_size:,} bytes; on all 100 test images the same predictions")
    infer = opened(path.read_bytes(), to)
    for size in (1, 3, 64):
        images = torch.rand(size, 1, 28, 28)
        with torch.inference_mode():
            assert torch.allclose(infer(images), model(images), atol=1e-4)


def test_the_file_says_what_it_takes_and_what_its_classes_are(run: RunDir, run_cli):
    trial = run.read_plan().trials[0]
    trained(run, trial)
    assert run_cli("export", trial.name, "run", "--to", "torch-export")[0] == 0
    extra = {"lab2.json": ""}
    torch.export.load(io.BytesIO((run.path / "export" / "cnn-seed1.pt2").read_bytes()), extra_files=extra)
    facts = json.loads(extra["lab2.json"])
    assert json.loads(facts["classes"]) == list("0123456789")
    assert facts["input"] == "images: float32 (N, 1, 28, 28) in [0, 1]; normalised inside"
    assert facts["digest"] == trial.digest


def test_a_single_flip_is_a_failure_and_leaves_no_file(run: RunDir, run_cli, monkeypatch):
    trial = run.read_plan().trials[0]
    model = trained(run, trial)

    def wrong(content: bytes, to: str):
        def infer(images: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = model(images).clone()
            logits[7] = -logits[7]
            return logits

        return infer

    monkeypatch.setattr(model_file, "opened", wrong)
    out = run.path / "net.pt2"
    code, _, said = run_cli("export", trial.name, "run", "--to", "torch-export", "--out", str(out))
    assert code == 1
    assert "not written: for 1 of 100 test images the exported network predicts another class" in said
    assert "(the first, from 0: 7)" in said
    assert not out.exists()


def test_weights_of_another_attempt_are_told_of(run: RunDir, run_cli):
    trial = run.read_plan().trials[0]
    model = trained(run, trial)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.neg_()
    save_weights(run.weights(trial.name), model, "cnn", "mnist")
    code, _, said = run_cli("export", trial.name, "run", "--to", "torch-export")
    assert code == 0
    assert "predictions differ from those of the trial, which was tested in fp32 on cpu, for 100 of 100" in said


class Wide(nn.Module):
    """A convolution wide enough for Winograd's algorithm, on maps of 7 x 7, and one on maps of 2 x 2."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 48, 4, stride=4)
        self.wide, self.small = Conv3x3(48, 48), Conv3x3(48, 48)
        self.head = nn.Linear(48, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = nn.functional.max_pool2d(self.wide(self.first(images)), 3)
        return self.head(self.small(x).mean((2, 3)))  # type: ignore[no-any-return]


@pytest.mark.parametrize("to", FORMATS)
def test_what_trains_by_winograds_algorithm_is_exported_as_the_convolution_it_is(to: str):
    torch.manual_seed(0)
    model = Wide().eval()
    images = torch.rand(5, 1, 28, 28)
    infer = opened(exported(model, images[:2], to, {}), to)
    with torch.inference_mode():
        assert torch.allclose(infer(images), model(images), atol=1e-4)


class TestRefused:
    def refusal(self, run_cli, *trials: Trial, runs: Path) -> str:
        make_run(runs, *trials)
        code, _, said = run_cli("export", trials[0].name, "run", "--to", "torch-export")
        assert code == 2
        assert "Traceback" not in said
        return str(said)

    def test_a_detector(self, run_cli, runs: Path):
        assert "an export is of a classifier" in self.refusal(run_cli, make_trial("faster_rcnn"), runs=runs)

    def test_a_baseline(self, run_cli, runs: Path):
        trial = Trial(job=JobSpec(name="nearest", model=NearestNeighbourConfig()), data=SMALL, seed=1)
        assert "a baseline keeps no weights" in self.refusal(run_cli, trial, runs=runs)

    def test_a_trial_that_kept_no_weights(self, run_cli, runs: Path):
        said = self.refusal(run_cli, make_trial("cnn"), runs=runs)
        assert "kept no weights; start its run anew, with its options and --set train.save_weights" in said

    def test_weights_of_another_network(self, run: RunDir, run_cli):
        trial = run.read_plan().trials[0]
        trained(run, trial)
        other = CNNConfig(filters=(4, 8), hidden=24)
        save_weights(run.weights(trial.name), build(other, load_training(SMALL).shape).model, "cnn", "mnist")
        code, _, said = run_cli("export", trial.name, "run", "--to", "torch-export")
        assert (code, "not the weights of this trial's network" in said) == (2, True)

    def test_predictions_of_other_images(self, run: RunDir, run_cli):
        trial = run.read_plan().trials[0]
        trained(run, trial)
        assert load_network(run, trial).kept.images is not None
        truth = np.zeros(100, np.int64)
        known = Predictions(truth, truth, np.eye(10, dtype=np.float32)[truth], np.arange(100, dtype=np.uint64))
        write_predictions(run.predictions(trial.name), known)
        code, _, said = run_cli("export", trial.name, "run", "--to", "torch-export")
        assert (code, "of other test images than mnist has now" in said) == (2, True)
