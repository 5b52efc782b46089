"""Checkpoints: an interrupted trial goes on as if nothing had been, and nothing foreign is gone on from."""

from __future__ import annotations

import random
import re
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lab2.data.datasets import load_training
from lab2.measure.random_numbers import random_state, restore_random_state
from lab2.models.alexnet import AlexNetConfig
from lab2.models.building import build
from lab2.models.building.weights import save_weights
from lab2.models.network import NetworkConfig
from lab2.results.journal import read_history
from lab2.results.run_dir import RunDir
from lab2.spec.job import Trial
from lab2.train.checkpoint import Checkpoint, save_checkpoint
from lab2.trial import run_trial
from tests.conftest import SMALL, TINY, augmentation, make_run, make_trial
from tests.test_train import interrupt


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TINY, "batch_norm", "transfer", "muon"])
def test_an_interrupted_trial_ends_with_the_same_bits(name: str, tmp_path: Path):
    architecture = {"batch_norm": "cnn", "transfer": "alexnet", "muon": "vit"}.get(name, name)
    small = architecture in ("cnn", "vit", "faster_rcnn")
    trial = make_trial(architecture, **augmentation(architecture), epochs=3 if small else 1)
    if name == "muon":
        trial = replace(trial, job=replace(trial.job, train=replace(trial.job.train, optimizer="muon")))
    if name == "batch_norm":
        trial = replace(trial, job=replace(trial.job, model=replace(TINY["cnn"], batch_norm=True)))
    if name == "transfer":
        path = tmp_path / "w.safetensors"
        save_weights(path, build(TINY["alexnet"], load_training(SMALL).shape).model, "alexnet", "mnist")
        trial = replace(trial, job=replace(trial.job, model=AlexNetConfig(weights=str(path), dropout=0.5)))
    whole, broken = (make_run(tmp_path, trial, run_id=name) for name in ("whole", "broken"))
    assert run_trial(trial, whole, device="cpu").status == "ok"
    times = 3 if small else 1  # the checkpoints of the others are large
    for _ in range(times):
        interrupt(broken, trial)
    checkpoint = torch.load(broken.checkpoint(trial.name), weights_only=True)
    before = checkpoint["so_far"]["now"]["train_seconds"]
    shard = run_trial(trial, broken, device="cpu", requeue=True)
    assert shard.status == "ok", shard.reason
    assert shard.attempts == times + 1
    moved = {
        "vgg16": 33_638_218,
        "alexnet": 20_344_650,
        "transfer": 20_344_650,
    }  # by hand, with one cell for all copies
    assert shard.trained_parameters == moved.get(name, shard.parameters)
    assert broken.predictions(trial.name).read_bytes() == whole.predictions(trial.name).read_bytes()
    points = [[(p.epoch, p.loss, p.validation_accuracy) for p in read_history(r, trial.name)] for r in (whole, broken)]
    assert points[0] == points[1]
    assert not broken.checkpoint(trial.name).exists()
    assert before < shard.train_seconds  # of all attempts, not of the last


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_trial_goes_on_in_the_precision_in_which_it_began(precision: str, tmp_path: Path, monkeypatch):
    trial = make_trial("cnn", epochs=3)
    whole, broken = (make_run(tmp_path, trial, run_id=name) for name in ("whole", "broken"))
    monkeypatch.setattr("lab2.trial.choose_precision", lambda *_: precision)
    assert run_trial(trial, whole, device="cpu").precision == precision
    interrupt(broken, trial)
    monkeypatch.setattr("lab2.trial.choose_precision", lambda *_: "fp32")  # of a node of another kind
    assert run_trial(trial, broken, device="cpu").precision == precision
    assert broken.predictions(trial.name).read_bytes() == whole.predictions(trial.name).read_bytes()


DRAWING_NETWORK = """
import random
import numpy as np
import torch

class Net(torch.nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.AvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(147, num_classes))

    def forward(self, images):
        if self.training:
            images = images * (0.5 + random.random()) + random.gauss(0, 0.1) + np.random.normal(0, 0.1)
        return self.layers(images)
"""


class TestNetworkThatDrawsFromPythonAndNumpy:
    @pytest.fixture
    def drawing(self, tmp_path: Path) -> Trial:
        (tmp_path / "net.py").write_text(DRAWING_NETWORK)
        return make_trial("drawing", model=NetworkConfig(name=f"{tmp_path}/net.py:Net", image_side=28), epochs=2)

    def test_it_repeats_and_goes_on_with_the_same_bits(self, drawing: Trial, tmp_path: Path):
        whole, again, broken = (make_run(tmp_path, drawing, run_id=name) for name in ("whole", "again", "broken"))
        assert run_trial(drawing, whole, device="cpu").status == "ok"
        random.random()
        np.random.normal()  # an odd number of these: the second of a pair is kept, and is part of the state
        assert run_trial(drawing, again, device="cpu").status == "ok"
        interrupt(broken, drawing)
        random.seed(17)
        np.random.seed(17)
        assert run_trial(drawing, broken, device="cpu", requeue=True).attempts == 2
        bits = [one.predictions(drawing.name).read_bytes() for one in (whole, again, broken)]
        assert bits[0] == bits[1] == bits[2]

    def test_a_checkpoint_without_their_states_is_still_gone_on_from(self, drawing: Trial, tmp_path: Path):
        run = make_run(tmp_path, drawing)
        interrupt(run, drawing)
        content = torch.load(run.checkpoint(drawing.name), weights_only=True)
        del content["trainer"]["other_random"]
        torch.save(content, run.checkpoint(drawing.name))
        shard = run_trial(drawing, run, device="cpu", requeue=True)
        assert (shard.status, shard.attempts) == ("ok", 2)


def test_the_states_of_both_generators_are_kept_whole():
    random.seed(5)
    np.random.seed(5)
    random.gauss(0, 1)
    np.random.normal()  # the second of the pair is kept for the next call
    state = random_state()
    drawn = [(random.gauss(0, 1), np.random.normal(), random.random(), np.random.rand()) for _ in range(700)]
    restore_random_state(state)
    assert drawn == [(random.gauss(0, 1), np.random.normal(), random.random(), np.random.rand()) for _ in range(700)]


class TestCheckpoint:
    @pytest.fixture
    def trial(self) -> Trial:
        return make_trial("cnn", epochs=2)

    @pytest.fixture
    def run(self, trial: Trial, tmp_path: Path, monkeypatch) -> RunDir:
        """A run in which the trial was interrupted."""
        monkeypatch.setenv("SLURM_JOB_ID", "17")
        run = make_run(tmp_path, trial)
        interrupt(run, trial)
        return run

    def test_it_is_read_as_data_alone(self, trial: Trial, run: RunDir):
        assert torch.load(run.checkpoint(trial.name), weights_only=True)["digest"] == trial.digest

    @pytest.mark.parametrize("room", [100, 5000])  # bytes; torch meets the refusal when it closes, or before
    def test_one_that_the_disk_refuses_leaves_the_one_before(self, trial: Trial, run: RunDir, room: int):
        before = run.checkpoint(trial.name).read_bytes()
        larger = Checkpoint(digest="", made_by="", trainer={"weight": torch.zeros(100_000)}, so_far={})
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                save_checkpoint(run.checkpoint(trial.name), larger)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert run.checkpoint(trial.name).read_bytes() == before

    @pytest.mark.parametrize("harm", ["cut", "emptied", "foreign", "of another commit"])
    def test_one_that_cannot_be_gone_on_from_is_left_aside(self, trial: Trial, run: RunDir, harm: str, caplog):
        path = run.checkpoint(trial.name)
        content = {"cut": path.read_bytes()[:-500], "emptied": b"", "foreign": b"not a checkpoint"}
        if harm in content:
            path.write_bytes(content[harm])
        else:
            torch.save({**torch.load(path, weights_only=True), "made_by": "lab2 0.0"}, path)
        shard = run_trial(trial, run, device="cpu")
        assert shard.status == "ok"
        assert str(path) in caplog.text
        assert "starts over" in caplog.text
        reasons = {
            "emptied": "cannot be read (it ends too soon)",
            "of another commit": "made_by is lab2 0.0, now it is lab2 ",
        }
        assert reasons.get(harm, "") in caplog.text
        assert "None" not in caplog.text

    @pytest.mark.parametrize(
        ("harm", "message"),
        [
            ("renamed", "network.0.weight is not in it; stem.weight is in it, and not here"),
            ("absent", "network.0.weight is not in it"),
            ("more", "stem.weight is in it, and not here"),
            ("other shapes", r"network.0.weight has shape \(4, 1, 5, 4\), here \(4, 1, 5, 5\)"),
            ("other stage", "it was made in the stage head, here that is all"),
            ("other order", "its optimisers moved the parameters in other groups, or in another order"),
            ("other optimiser", "its optimisers moved the parameters in other groups, or in another order"),
        ],
    )
    def test_one_of_another_network_or_recipe_is_refused(self, trial: Trial, run: RunDir, harm: str, message: str):
        path = run.checkpoint(trial.name)
        content = torch.load(path, weights_only=True)
        trainer = content["trainer"]
        model, (optimizer,) = trainer["model"], trainer["moved"]
        first = "network.0.weight"
        match harm:
            case "renamed":
                model["stem.weight"] = model.pop(first)
            case "absent":
                del model[first]
            case "more":
                model["stem.weight"] = model[first]
            case "other shapes":
                model[first] = model[first][..., :4]
            case "other stage":
                trainer["stage"] = "head"
            case "other order":  # as of a network whose layers were written down in another order
                optimizer[1].reverse()
            case "other optimiser":
                optimizer[0] = "SGD"
        torch.save(content, path)
        shard = run_trial(trial, run, device="cpu", requeue=True)
        assert shard.status == "failed"
        assert shard.reason.startswith(f"{path}: of another network or recipe than this trial's: ")
        assert re.search(message, shard.reason)
        assert shard.reason.endswith("; remove it, then lab2 resume starts the trial over")
        path.unlink()
        assert run_trial(trial, run, device="cpu", requeue=True).status == "ok"

    def test_a_trial_that_gets_no_further_is_given_up_after_three_attempts(
        self, trial: Trial, run: RunDir, monkeypatch
    ):
        for _ in range(2):
            run.checkpoint(trial.name).unlink()
            run.progress(trial.name).unlink()
            interrupt(run, trial)
        run.checkpoint(trial.name).unlink()
        shard = run_trial(trial, run, device="cpu", requeue=True)
        assert shard.status == "failed"
        assert "3 attempts in a row ended without getting further than step 0" in shard.reason
        monkeypatch.setenv("SLURM_JOB_ID", "18")  # a user who resumes has a new job, and three attempts again
        assert run_trial(trial, run, device="cpu", requeue=True).status == "ok"
