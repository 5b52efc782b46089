"""What trains a network fastest is measured before it trains, disturbs nothing, and is kept for its whole training."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lab2 import kernel_choice
from lab2.file_lock import held
from lab2.kernel_choice import choose_kernels, fastest, measure
from lab2.models.layers.conv3x3 import Conv3x3
from lab2.models.network import NetworkConfig
from lab2.models.resnet20 import ResNet20Config
from lab2.results.run_dir import RunDir
from lab2.spec.job import TrainConfig, Trial
from lab2.train.classifier import ClassifierTrainer
from lab2.train.kernels import Kernels, candidates, default_kernels, use_kernels
from lab2.trial import Ready, run_trial, set_up
from tests.conftest import TINY, make_run, make_trial
from tests.test_train import interrupt

CPU = torch.device("cpu")
LAST = Kernels(precision="fp32", memory_format="channels_last", convolution="direct")
FIRST = replace(LAST, memory_format="channels_first")

# Slow with images in the order that $SLOW names, and another function in each.
NETWORK = """
import os
import time
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        body = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.1)
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x):
        order = "channels_last" if x.is_contiguous(memory_format=torch.channels_last) else "channels_first"
        if order == os.environ.get("BROKEN"):
            raise RuntimeError("not with these")
        if self.training and order == os.environ.get("SLOW"):
            time.sleep(0.5)  # much longer than a step takes on a busy machine
        return self.head(self.body(x)) * (1.5 if order == "channels_last" else 1)
"""


@pytest.fixture
def trial(tmp_path: Path, monkeypatch) -> Trial:
    """Of the network above, and measured however short its training is."""
    monkeypatch.setattr(kernel_choice, "SHARE", math.inf)
    monkeypatch.setenv("SLOW", "channels_last")
    path = tmp_path / "net.py"
    path.write_text(NETWORK)
    return make_trial("own", model=NetworkConfig(name=f"{path}:Net"), precision="fp32", epochs=2)


def ready(trial: Trial) -> tuple[Ready, ClassifierTrainer]:
    found = set_up(trial, "cpu", 1)
    assert isinstance(found.trainer, ClassifierTrainer)
    return found, found.trainer


def chosen(trial: Trial, run: RunDir) -> Kernels:
    found, trainer = ready(trial)
    return choose_kernels(trial, run, trainer, found.data)


@pytest.mark.slow
def test_what_is_measured_to_be_faster_is_used_and_recorded(trial: Trial, tmp_path: Path):
    run = make_run(tmp_path, trial)
    shard = run_trial(trial, run, device="cpu")
    assert (shard.status, shard.reason) == ("ok", "")
    assert (shard.memory_format, shard.convolution, shard.precision) == ("channels_first", "direct", "fp32")
    (file,) = (run.path / "kernels").glob("own-*.json")
    seconds = json.loads(file.read_text())["seconds"]
    assert seconds.keys() == {"fp32, channels_last, direct", "fp32, channels_first, direct"}
    assert shard.startup_seconds > kernel_choice.ROUNDS * sum(seconds.values())
    assert shard.startup_seconds + shard.train_seconds < shard.wall_seconds


@pytest.mark.slow
def test_measuring_ends_where_it_would_take_too_much_of_a_budget(trial: Trial):
    found, trainer = ready(trial)
    tried = candidates(trainer.model, trainer.config, trainer.device, trainer.kernels)
    assert set(kernel_choice.measure(trainer, tried, found.data, 0.001).values()) == {math.inf}
    assert math.inf not in kernel_choice.measure(trainer, tried, found.data, 600).values()


@pytest.mark.slow
def test_a_trial_that_goes_on_has_the_same_bits_where_it_would_be_measured_otherwise(
    trial: Trial, tmp_path: Path, monkeypatch
):
    whole, broken, other = (make_run(tmp_path, trial, run_id=name) for name in ("whole", "broken", "other"))
    assert run_trial(trial, whole, device="cpu").memory_format == "channels_first"
    interrupt(broken, trial)
    (file,) = (broken.path / "kernels").glob("*.json")
    file.unlink()
    monkeypatch.setenv("SLOW", "channels_first")
    assert run_trial(trial, other, device="cpu").memory_format == "channels_last"
    shard = run_trial(trial, broken, device="cpu", requeue=True)
    assert (shard.memory_format, shard.attempts) == ("channels_first", 2)
    bits = [run.predictions(trial.name).read_bytes() for run in (whole, broken, other)]
    assert bits[0] == bits[1] != bits[2]


@pytest.mark.slow  # each step of its network sleeps
class TestSeeds:
    def test_all_take_what_the_first_has_measured(self, trial: Trial, tmp_path: Path, monkeypatch):
        run = make_run(tmp_path, trial)
        assert chosen(trial, run) == FIRST
        monkeypatch.setenv("SLOW", "channels_first")
        assert chosen(replace(trial, seed=2), run) == FIRST

    def test_another_kind_of_machine_measures_for_itself(self, trial: Trial, tmp_path: Path, monkeypatch):
        run = make_run(tmp_path, trial)
        assert chosen(trial, run) == FIRST
        monkeypatch.setenv("SLOW", "channels_first")
        found, trainer = ready(trial)
        torch.set_num_threads(2)
        assert choose_kernels(trial, run, trainer, found.data) == LAST
        assert len(list((run.path / "kernels").glob("*.json"))) == 2

    @pytest.mark.parametrize("harm", ["{}", "", '{"machine": "x"', None])
    def test_a_note_that_cannot_be_used_is_made_anew(self, trial: Trial, tmp_path: Path, monkeypatch, harm: str | None):
        run = make_run(tmp_path, trial)
        chosen(trial, run)
        (file,) = (run.path / "kernels").glob("*.json")
        file.write_text(file.read_text().replace('"fp32"', '"fp16"') if harm is None else harm)
        monkeypatch.setenv("SLOW", "channels_first")
        assert chosen(trial, run) == LAST
        assert json.loads(file.read_text())["chosen"]["memory_format"] == "channels_last"

    def test_one_that_cannot_wait_measures_as_well(self, trial: Trial, tmp_path: Path, monkeypatch, caplog):
        run = make_run(tmp_path, trial)
        chosen(trial, run)
        (file,) = (run.path / "kernels").glob("*.json")
        file.unlink()
        monkeypatch.setattr(kernel_choice, "_PATIENCE", 0.0)
        with held(file.with_suffix(".lock")):
            assert chosen(trial, run) == FIRST
        assert "another trial is measuring the kernels" in caplog.text


def test_measuring_moves_neither_the_network_nor_random_numbers(trial: Trial):
    found, trainer = ready(trial)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    numbers = torch.get_rng_state(), trainer.generator.get_state()
    others = random.getstate(), np.random.get_state()[1].tolist()
    measure(trainer, [LAST, FIRST], found.data)
    after = trainer.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(p.grad is None for p in trainer.model.parameters())
    assert trainer.kernels == LAST
    assert torch.equal(numbers[0], torch.get_rng_state())
    assert torch.equal(numbers[1], trainer.generator.get_state())
    assert others == (random.getstate(), np.random.get_state()[1].tolist())


class TestWhatIsNotMeasured:
    @pytest.mark.parametrize("name", sorted(TINY))
    def test_the_five_whose_kernels_are_settled(self, name: str):
        assert TINY[name].settled
        assert not ResNet20Config.settled

    @pytest.mark.usefixtures("trial")
    def test_a_settled_network_leaves_no_note(self, tmp_path: Path):
        settled = make_trial("cnn", precision="fp32")
        run = make_run(tmp_path, settled)
        assert chosen(settled, run) == LAST
        assert not (run.path / "kernels").exists()

    def test_a_training_of_which_it_would_be_much(self, trial: Trial, tmp_path: Path, monkeypatch):
        run = make_run(tmp_path, trial)
        monkeypatch.setattr(kernel_choice, "SHARE", 0.5)  # 12 steps, of which 6 would be measured
        assert chosen(trial, run) == FIRST
        monkeypatch.setattr(kernel_choice, "SHARE", 0.49)
        assert chosen(trial, make_run(tmp_path, trial, run_id="b")) == LAST

    def test_what_the_recipe_says(self, trial: Trial, tmp_path: Path):
        recipe = replace(trial.job.train, memory_format="channels_last")
        asked = replace(trial, job=replace(trial.job, train=recipe))
        run = make_run(tmp_path, asked)
        assert chosen(asked, run) == LAST
        assert not (run.path / "kernels").exists()


class TestWhatFails:
    def test_kernels_with_which_a_network_fails_are_left_out(self, trial: Trial, tmp_path: Path, monkeypatch):
        monkeypatch.setenv("BROKEN", "channels_first")
        run = make_run(tmp_path, trial)
        assert chosen(trial, run) == LAST
        (file,) = (run.path / "kernels").glob("*.json")
        assert json.loads(file.read_text())["seconds"]["fp32, channels_first, direct"] is None

    def test_an_attempt_that_died_while_it_measured_is_not_repeated(self, trial: Trial, tmp_path: Path, caplog):
        run = make_run(tmp_path, trial)
        assert chosen(trial, run) != LAST
        (note,) = (run.path / "kernels").glob("own-*.json")
        assert not note.with_suffix(".started").exists()
        note.rename(note.with_suffix(".started"))  # as if it had been killed before it wrote its choice
        assert chosen(trial, run) == LAST
        assert "an earlier attempt ended while it measured the kernels" in caplog.text

    def test_a_network_that_cannot_be_copied_keeps_the_default(self, trial: Trial, tmp_path: Path, caplog):
        path = Path(trial.job.model.code.partition(":")[0])
        path.write_text(NETWORK + "\n    def __deepcopy__(self, memo):\n        raise TypeError('only one of me')\n")
        assert chosen(trial, make_run(tmp_path, trial)) == LAST
        assert "the kernels were not measured (TypeError: only one of me)" in caplog.text


class TestFastest:
    @pytest.mark.parametrize(
        ("default", "other", "best"),
        [(1.1, 1.0, FIRST), (1.09, 1.0, LAST), (1.0, 2.0, LAST), (math.inf, 1.0, LAST), (1.0, math.inf, LAST)],
    )
    def test_the_default_stays_unless_another_is_a_tenth_faster(self, default: float, other: float, best: Kernels):
        assert fastest({LAST: default, FIRST: other}, LAST) == best


class TestCandidates:
    WIDE = Conv3x3(48, 48)

    def found(self, model: nn.Module, config: TrainConfig, precision: str = "fp32") -> list[str]:
        return [str(one) for one in candidates(model, config, CPU, default_kernels(model, config, CPU, precision))]

    def on(self, monkeypatch, *, amx: bool) -> None:
        monkeypatch.setattr(
            torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx, "architecture": "x86_64"}, raising=False
        )

    def test_of_wide_convolutions(self, monkeypatch):
        self.on(monkeypatch, amx=False)
        assert self.found(self.WIDE, TrainConfig()) == [
            "fp32, channels_last, winograd",
            "fp32, channels_last, direct",
            "fp32, channels_first, direct",
        ]

    def test_bf16_where_the_hardware_has_it(self, monkeypatch):
        self.on(monkeypatch, amx=True)
        assert self.found(self.WIDE, TrainConfig(), "bf16") == [
            "bf16, channels_last, direct",
            "fp32, channels_last, winograd",
            "fp32, channels_last, direct",
            "fp32, channels_first, direct",
            "bf16, channels_first, direct",
        ]

    def test_of_others_no_algorithm(self, monkeypatch):
        self.on(monkeypatch, amx=False)
        assert self.found(nn.Conv2d(3, 4, 3), TrainConfig()) == [str(LAST), str(FIRST)]

    def test_nothing_that_the_recipe_fixes(self, monkeypatch):
        self.on(monkeypatch, amx=True)
        fixed = TrainConfig(precision="fp32", memory_format="channels_last", convolution="winograd")
        assert self.found(self.WIDE, fixed) == ["fp32, channels_last, winograd"]
        assert self.found(self.WIDE, replace(fixed, convolution="direct")) == ["fp32, channels_last, direct"]
        open_layout = replace(fixed, memory_format="auto", convolution="direct")
        assert self.found(self.WIDE, open_layout) == [str(LAST), str(FIRST)]


class TestKernels:
    @pytest.mark.parametrize("asked", ["channels_first", "channels_last"])
    def test_a_recipe_decides_for_any_network(self, asked: str):
        trial = make_trial("cnn", memory_format=asked)
        trainer = set_up(trial, "cpu", 1).trainer
        weights = [one.weight for one in trainer.model.modules() if isinstance(one, nn.Conv2d)]
        last = [one.is_contiguous(memory_format=torch.channels_last) for one in weights[1:]]
        assert last == [asked == "channels_last"]
        assert trainer.kernels.memory_format == asked
        assert trial.digest != make_trial("cnn").digest

    def test_direct_is_the_convolution_itself_bit_for_bit(self):
        ours, theirs = Conv3x3(48, 48), nn.Conv2d(48, 48, 3, padding=1)
        theirs.load_state_dict(ours.state_dict())
        x = torch.rand(2, 48, 9, 9)
        assert not torch.equal(ours(x), theirs(x))
        use_kernels(ours, FIRST)
        assert torch.equal(ours(x), theirs(x))
