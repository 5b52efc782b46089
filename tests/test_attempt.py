"""An attempt asks when it should, ends what has diverged, and keeps honest time."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lab2.attempt import TrialAttempt
from lab2.report.summary import summarise
from lab2.results.collect import collect
from lab2.results.journal import Journal, Progress, clear_for_attempt, read_history, read_progress, time_taken
from lab2.spec.architectures import ImportedConfig
from lab2.train.schedule import ValidationSchedule
from lab2.train.stage import Stage, Step
from lab2.trial import run_trial
from tests.conftest import make_run, make_trial, on_folder
from tests.paced import PACED_NETWORK
from tests.test_train import interrupt


def step_at(images: int, *, last: bool = False) -> Step:
    return Step(
        number=1, total=1 if last else 2, images=images, epoch=0, loss=torch.ones(()), gradient_norm=torch.ones(())
    )


class TestSchedule:
    def test_every_second_v_then_every_twentieth_more(self):
        schedule, asked = ValidationSchedule(5000), []
        for images in range(0, 500_000, 50):
            if schedule.is_due_after(step_at(images)):
                asked.append(images)
                schedule.resume_at(images)
        assert asked[:21] == [10_000 * n for n in range(1, 22)]
        gaps = [b - a for a, b in itertools.pairwise(asked)]
        assert gaps[-1] == pytest.approx(asked[-2] / 20, abs=50)

    def test_batches_of_any_size_are_asked_at_the_same_points(self):
        for size in (64, 1000, 12_000):
            schedule, asked = ValidationSchedule(5000), []
            for images in range(size, 100_000, size):
                if schedule.is_due_after(step_at(images)):
                    asked.append(images)
                    schedule.resume_at(images)
            assert all(b // 10_000 > a // 10_000 for a, b in itertools.pairwise(asked))

    def test_the_end_is_always_asked(self):
        assert ValidationSchedule(5000).is_due_after(step_at(7, last=True))

    def test_who_goes_on_is_not_asked_again(self):
        schedule = ValidationSchedule(100, seen=450)
        assert not schedule.is_due_after(step_at(500))
        assert schedule.is_due_after(step_at(600))


def test_the_target_is_looked_for_within_an_epoch(tmp_path: Path):
    trial = make_trial("cnn", epochs=2, target_accuracy=0.01)  # 300 images an epoch, 100 to validate with
    run = make_run(tmp_path, trial)
    shard = run_trial(trial, run, device="cpu")
    curve = read_history(run, trial.name)
    assert [point.images for point in curve] == [200, 400, 600]
    assert shard.seconds_to_target == curve[0].train_seconds < shard.train_seconds


@pytest.mark.slow
@pytest.mark.parametrize("launched", [False, True])
def test_the_time_of_an_attempt_that_was_killed_is_counted(launched: bool, tmp_path: Path):
    paced = ImportedConfig(network=PACED_NETWORK)
    trial = make_trial("paced", model=paced, epochs=50)  # 300 steps, 0.025 s each
    run = make_run(tmp_path, trial)
    code = (
        "import pathlib, sys; from lab2.launch.task import TrialTask; "
        "TrialTask(pathlib.Path(sys.argv[1]), sys.argv[2], 'cpu')()"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(run.path), trial.name])
    while (told := read_progress(run, trial.name)) is None or told.train_seconds < 1:
        time.sleep(0.05)
    process.kill()
    process.wait()
    killed = read_progress(run, trial.name)
    assert killed is not None
    if launched:  # as `lab2 resume` does before it starts a trial
        clear_for_attempt(run, trial.name)
        assert read_progress(run, trial.name) is None
    short = replace(trial, job=replace(trial.job, train=replace(trial.job.train, epochs=1)))
    shard = run_trial(short, run, device="cpu")
    assert shard.attempts == 2
    assert shard.wall_seconds is not None
    assert shard.wall_seconds > killed.wall_seconds > 1
    assert shard.startup_seconds is not None
    assert shard.startup_seconds > killed.startup_seconds > 0
    assert shard.train_seconds is not None
    assert shard.train_seconds < killed.wall_seconds  # it began anew: only what it trained then is its training


def test_the_time_of_attempts_is_kept_where_their_notes_make_way(tmp_path: Path):
    trial = make_trial("cnn")
    run = make_run(tmp_path, trial)
    nothing = Progress(state="starting")
    assert time_taken(run, trial.name) == nothing
    clear_for_attempt(run, trial.name)
    assert time_taken(run, trial.name) == nothing
    Journal(run, trial.name).note(Progress(state="training", wall_seconds=3, cpu_seconds=2, startup_seconds=1, epoch=1))
    clear_for_attempt(run, trial.name)
    assert read_progress(run, trial.name) is None
    assert time_taken(run, trial.name) == replace(nothing, wall_seconds=3, cpu_seconds=2, startup_seconds=1)


def test_a_trial_that_went_on_elsewhere_says_so_and_has_no_mean_times(tmp_path: Path, monkeypatch):
    trial = make_trial("cnn", epochs=3)
    run = make_run(tmp_path, trial)
    monkeypatch.setattr("lab2.measure.hardware.device_name", lambda _: "Xeon")
    interrupt(run, trial)
    monkeypatch.setattr("lab2.measure.hardware.device_name", lambda _: "EPYC")
    shard = run_trial(trial, run, device="cpu")
    assert shard.all_machines is not None
    assert [name in shard.all_machines for name in ("Xeon (cpu", "then EPYC (cpu")] == [True, True]
    (row,) = summarise(collect(run)).to_dict("records")
    assert (row["train_seconds"], row["peak_memory_bytes"]) == (None, None)
    assert "ran on different machines or threads (Xeon" in row["notes"]


def test_pictures_that_change_while_it_trains_fail_it(tmp_path: Path, image_folder: Path, monkeypatch):
    trial = on_folder(make_trial("cnn", batch_size=16), image_folder)
    train = TrialAttempt.train

    def train_then_edit(*arguments: object) -> None:
        train(*arguments)
        next(iter((image_folder / "test" / "left").iterdir())).unlink()

    monkeypatch.setattr(TrialAttempt, "train", train_then_edit)
    shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
    assert (shard.status, shard.fault) == ("failed", "machine")
    assert "its files changed while the trial trained" in shard.reason


class TestDivergence:
    def test_a_loss_that_is_not_finite_fails_the_trial_and_names_the_step(self, tmp_path: Path):
        trial = make_trial("cnn", epochs=4, learning_rate=1e9, warmup=0.0)
        run = make_run(tmp_path, trial)
        shard = run_trial(trial, run, device="cpu")
        assert (shard.status, shard.fault) == ("failed", "recipe")
        assert shard.accuracy is None
        assert "the training diverged at step " in shard.reason
        assert "of 24: loss" in shard.reason
        assert "train.learning_rate" in shard.reason
        assert not run.predictions(trial.name).exists()

    def test_a_diverged_network_is_not_kept_as_a_checkpoint(self, tmp_path: Path):
        trial = make_trial("cnn", epochs=4, learning_rate=1e9, warmup=0.0)
        resources = replace(trial.job.resources, checkpoint_seconds=1e-9)  # at each step
        trial = replace(trial, job=replace(trial.job, resources=resources))
        run = make_run(tmp_path, trial)
        reason = run_trial(trial, run, device="cpu").reason
        saved = torch.load(run.checkpoint(trial.name), weights_only=True)
        assert all(torch.isfinite(w).all() for w in saved["trainer"]["model"].values() if w.is_floating_point())
        assert f"diverged at step {saved['so_far']['step'] + 1} of" in reason

    def test_logits_that_are_not_finite_fail_it_too(self, tmp_path: Path):
        model = ImportedConfig(network=f"{Path(__file__).resolve()}:InfiniteInTesting")
        trial = make_trial("odd", model=model, epochs=2)
        shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
        assert shard.status == "failed"
        assert "by step 4: the logits of 100 of 100 images are not finite" in shard.reason

    def test_weights_that_are_not_finite_fail_a_detector(self, tmp_path: Path, monkeypatch):
        trial = make_trial("faster_rcnn")
        step = Stage.step

        def last_breaks(stage: Stage, loss_of: Callable[..., Tensor], *inputs: Tensor) -> Step:
            done = step(stage, loss_of, *inputs)
            if done.last:
                stage.optimizer.parameters[-1].data.fill_(torch.nan)
            return done

        monkeypatch.setattr(Stage, "step", last_breaks)
        shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
        assert shard.status == "failed"
        assert "holds numbers that are not finite" in shard.reason

    @pytest.mark.parametrize("name", ["vit", "faster_rcnn"])
    def test_in_every_loop(self, name: str, tmp_path: Path):
        trial = make_trial(name, epochs=4, learning_rate=1e20, warmup=0.0)
        shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
        assert (shard.status, "diverged at step" in shard.reason) == ("failed", True), shard.reason


class InfiniteInTesting(nn.Module):
    """Learns, and divides by zero when it is asked."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * 28 * 28, num_classes))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits if self.training else logits / 0
