"""Where the time goes: shares that add up, and a trace that other programs read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lab2.models.alexnet import AlexNetConfig
from lab2.models.building import build
from lab2.models.building.weights import save_weights
from lab2.models.cnn import CNNConfig
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.spec.job import DataConfig, TrainConfig
from lab2.trace import FEATURES, PHASES, STEPS, trace_trial
from tests.conftest import make_trial
from tests.test_local import lab2, settings
from tests.test_models import DIGITS

FEW = DataConfig(train_images=300, validation_images=50, test_images=50)


def traced(tmp_path: Path, model, **recipe):
    trial = make_trial()
    job = replace(trial.job, model=model, train=TrainConfig(batch_size=10, **recipe))
    return trace_trial(replace(trial, job=job, data=FEW), tmp_path / "traces" / "t.json", device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        pytest.param(CNNConfig(filters=(4, 8), hidden=16), id="classifier"),
        pytest.param(FasterRCNNConfig(widths=(8, 8, 16), hidden=16, proposals=8), id="detector"),
    ],
)
def test_the_shares_are_of_one_whole_and_the_file_names_the_parts(tmp_path: Path, model):
    trace = traced(tmp_path, model, epochs=2)
    assert sum(trace.shares.values()) == pytest.approx(1)
    assert all(trace.shares[phase] > 0 for phase in PHASES)
    assert trace.shares[FEATURES] == 0
    assert (trace.steps, trace.total_steps) == (STEPS, 60)
    seconds = [operation.seconds_per_step for operation in trace.operations]
    assert len(seconds) == 10
    assert seconds == sorted(seconds, reverse=True)
    names = {event.get("name") for event in json.loads(trace.file.read_text())["traceEvents"]}
    assert set(PHASES) <= names


def test_a_training_of_one_step_is_traced_too(tmp_path: Path):
    trace = traced(tmp_path, CNNConfig(filters=(4, 8), hidden=16), epochs=0.01)
    assert (trace.steps, trace.total_steps) == (1, 1)


@pytest.mark.slow
def test_the_caching_of_frozen_features_has_its_share(tmp_path: Path):
    weights = tmp_path / "alexnet.safetensors"
    save_weights(weights, build(AlexNetConfig(weights="random"), DIGITS).model, "alexnet", "mnist")
    trace = traced(tmp_path, AlexNetConfig(weights=str(weights)), epochs=1)
    assert trace.shares[FEATURES] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("option", "noted"), [("--trace", False), ("--profile", True)])
def test_train_traces_instead_of_training(tmp_path: Path, option: str, noted: bool):
    words = settings("train.batch_size=10", "train.epochs=2")
    done = lab2("train", "cnn", option, *words, "--runs", str(tmp_path))
    assert "costliest operations" in done.stdout
    assert "of the whole training: " in done.stdout
    assert ("--profile of lab2 train is called --trace now" in done.stderr) == noted
    assert len(list((tmp_path / "traces").glob("cnn-seed1-*.json"))) == 1
