"""A budget is time, images or FLOPs; time ends a training with its schedule, and a training may end early."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lab2.attempt import TrialAttempt
from lab2.errors import ConfigError
from lab2.measure.cost import Stopwatch
from lab2.pace import Pace
from lab2.report.caption import caption
from lab2.report.summary import summarise
from lab2.results.collect import collect
from lab2.results.journal import CurvePoint, Journal, PacePoint, read_history, read_pace
from lab2.results.shard import write_shard
from lab2.spec.budget import Budget, parse_budget
from lab2.spec.job import TrainConfig
from lab2.stop import StopSignal
from lab2.train.stage import Stage, Step
from lab2.trial import run_trial
from tests.conftest import finished, make_run, make_trial
from tests.test_train import interrupt, make_stage


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("90s", Budget(amount=90, unit="seconds")),
        ("5m", Budget(amount=300, unit="seconds")),
        ("1.5h", Budget(amount=5400, unit="seconds")),
        ("20000-images", Budget(amount=20_000, unit="images")),
        ("3e15-FLOPs", Budget(amount=3e15, unit="flops")),
    ],
)
def test_a_budget_is_time_or_images_or_flops(text: str, budget: Budget):
    assert parse_budget(text) == budget


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "0s", "5 minutes", "1e400s", "nan-images", "20000 images"])
def test_a_budget_that_is_none_is_refused_where_it_is_written(text: str):
    with pytest.raises(ConfigError, match="budget '"):
        TrainConfig(budget=text)


class Clock(Stopwatch):
    """A stopwatch that a test moves on."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))

    def await_device(self) -> None:
        """There is none."""


def paced(
    pace: Pace, stage: Stage, rate: Any, stop_at: int | None = None, begun: float = 0.0, uneven: int = 1
) -> tuple[float, list[float], int]:
    """Walk `stage` with steps of `rate(number)` seconds: the time, the learning rates, the steps."""
    watch, rates = Clock(), []
    watch.seconds = begun
    (weight,) = stage.optimizer.parameters
    trainer: Any = SimpleNamespace(
        stage_name="all", end_in=stage.end_in, steps_left=1, earlier_steps=0, uneven_steps=uneven
    )
    for _ in stage:
        rates.append(stage.optimizer.optimizers[0].param_groups[0]["lr"])
        watch.seconds += rate(stage.number + 1)
        step: Step = stage.step(lambda w: w * 0, weight)
        pace.ends(step, watch, trainer)
        if stage.number == stop_at:
            break
    return watch.seconds, rates, stage.number


class TestPace:
    def pace(self, folder: Path, seconds: float, known: list[PacePoint] | None = None) -> Pace:
        trial = make_trial("cnn")
        return Pace(seconds, "here", known or [], Journal(make_run(folder, trial), trial.name))

    @pytest.mark.parametrize(
        "rate",
        [
            lambda _: 0.05,
            lambda number: 5.0 if number == 1 else 0.05,  # the first step takes memory
            lambda number: 0.05 if number < 500 else 0.15,  # a neighbour comes
            lambda number: 0.15 if number < 300 else 0.05,  # and goes
            lambda _: 0.9,
        ],
    )
    def test_it_ends_with_the_time_and_the_learning_rate_with_it(self, rate: Any, tmp_path: Path):
        stage = make_stage(images=1000, batch_size=10, epochs=100)
        seconds, rates, steps = paced(self.pace(tmp_path, 60), stage, rate)
        assert seconds == pytest.approx(60, rel=0.02)
        assert max(rates) == pytest.approx(0.1, rel=0.02)
        assert rates[-1] < 0.1 / 50
        assert stage.total == steps

    @pytest.mark.parametrize(("cost", "steps"), [(70.0, 1), (31.0, 2), (25.0, 2), (14.0, 4)])
    def test_of_steps_that_take_a_good_part_of_it_as_many_are_made_as_are_nearest(
        self, cost: float, steps: int, tmp_path: Path
    ):
        stage = make_stage(images=1000, batch_size=10, epochs=100)
        assert paced(self.pace(tmp_path, 60), stage, lambda _: cost)[2] == steps

    def test_recording_a_graph_says_nothing_of_the_rate(self, tmp_path: Path):
        """Two eager steps, one that is recorded, then replays."""
        stage = make_stage(images=1000, batch_size=10, epochs=100)
        costs = {1: 0.06, 2: 0.06, 3: 1.0}
        seconds, rates, _ = paced(self.pace(tmp_path, 60), stage, lambda n: costs.get(n, 0.025), uneven=3)
        assert seconds == pytest.approx(60, rel=0.02)
        assert max(rates) == pytest.approx(0.1, rel=0.02)
        assert rates.index(max(rates)) == pytest.approx(0.2 * len(rates), rel=0.1)

    def test_an_attempt_that_begins_anew_takes_the_steps_that_were_counted(self, tmp_path: Path):
        first = self.pace(tmp_path, 60)
        whole = paced(first, make_stage(images=1000, batch_size=10, epochs=100), lambda _: 0.05)
        known = [PacePoint(step=step, left=left, machine="here") for step, left in _written(first)]
        again = self.pace(tmp_path / "again", 60, known)
        _, rates, steps = paced(again, make_stage(images=1000, batch_size=10, epochs=100), lambda _: 0.2)
        assert (rates, steps) == (whole[1], whole[2])

    def test_one_that_was_cut_short_goes_on_as_counted_then_counts_for_itself(self, tmp_path: Path):
        first = self.pace(tmp_path, 60)
        paced(first, make_stage(images=1000, batch_size=10, epochs=100), lambda _: 0.05, stop_at=500)
        known = [PacePoint(step=step, left=left, machine="here") for step, left in _written(first)]
        again = self.pace(tmp_path / "again", 60, known)
        seconds, _, _ = paced(again, make_stage(images=1000, batch_size=10, epochs=100), lambda _: 0.06)
        assert seconds == pytest.approx(60, rel=0.02)

    def test_one_that_goes_on_from_a_checkpoint_counts_nothing_by_its_first_two_steps(self, tmp_path: Path):
        """They say little of the rate, and the stage was counted before."""
        first = self.pace(tmp_path, 60)
        stage = make_stage(images=1000, batch_size=10, epochs=100)
        seconds, _, _ = paced(first, stage, lambda _: 0.05, stop_at=500)
        known = [PacePoint(step=step, left=left, machine="here") for step, left in _written(first)]
        again = self.pace(tmp_path / "again", 60, known)
        paced(again, stage, lambda number: 5.0 if number < 503 else 0.05, begun=seconds, stop_at=504)
        assert all(step > 504 for step, _ in _written(again))

    def test_what_another_kind_of_machine_counted_is_not_repeated(self, tmp_path: Path):
        known = [PacePoint(step=2, left=1, machine="there")]
        stage = make_stage(images=1000, batch_size=10, epochs=100)
        seconds, _, _ = paced(self.pace(tmp_path, 60, known), stage, lambda _: 0.1)
        assert seconds == pytest.approx(60, rel=0.02)

    def test_a_head_takes_no_more_than_its_share_and_no_more_than_its_steps(self, tmp_path: Path):
        for steps, wanted in ((10_000, 240), (100, 100)):
            stage = make_stage(images=1000, batch_size=10, epochs=steps / 100)
            pace, watch = self.pace(tmp_path / str(steps), 60), Clock()
            (weight,) = stage.optimizer.parameters
            for _ in stage:
                watch.seconds += 0.05
                step = stage.step(lambda w: w * 0, weight)
                left = stage.total - stage.number
                pace.ends(
                    step,
                    watch,
                    SimpleNamespace(
                        stage_name="head", end_in=stage.end_in, steps_left=left, earlier_steps=0, uneven_steps=1
                    ),
                )
            assert stage.number == pytest.approx(wanted, abs=2)


def _written(pace: Pace) -> list[tuple[int, int]]:
    return [(point.step, point.left) for point in read_pace(pace.journal.run, pace.journal.trial)]


class TestTrial:
    def test_a_budget_of_images_is_what_it_sees(self, tmp_path: Path):
        trial = make_trial("cnn", budget="450-images")
        shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
        assert (shard.status, shard.images_seen, shard.budget) == ("ok", 450, "450-images")

    def test_a_budget_of_flops_is_three_forward_passes_an_image(self, tmp_path: Path):
        plain = make_trial("cnn")
        flops = run_trial(plain, make_run(tmp_path / "a", plain), device="cpu").flops_per_image
        trial = make_trial("cnn", budget=f"{3 * flops * 500}-flops")
        shard = run_trial(trial, make_run(tmp_path / "b", trial), device="cpu")
        assert shard.images_seen == pytest.approx(500, abs=50)  # in whole batches

    def test_a_recipe_for_any_data_says_what_it_became(self, tmp_path: Path):
        trial = make_trial("cnn", epochs=1, images=6000, batch_size=256, learning_rate=1e-3)
        shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
        seen = 6000 * math.sqrt(300 / 60_000)
        assert (shard.batch_size, shard.images_seen) == (9, int(seen / 9) * 9)
        assert shard.learning_rate == pytest.approx(1e-3 * math.sqrt(9 / 256))

    def test_time_ends_it(self, tmp_path: Path):
        trial = make_trial("cnn", budget="0.5s")
        run = make_run(tmp_path, trial)
        shard = run_trial(trial, run, device="cpu")
        assert (shard.status, shard.budget) == ("ok", "0.5s")
        assert read_pace(run, trial.name)

    def test_what_was_counted_is_kept_and_an_interrupted_one_ends_with_the_same_bits(self, tmp_path: Path, monkeypatch):
        monkeypatch.setattr("lab2.attempt.describe_machine", lambda *_: "here")
        monkeypatch.setattr("lab2.attempt._made_by", lambda _: "this code")
        trial = make_trial("cnn", budget="1h")  # far away: only what was counted before ends it, after step 3 + 20 + 9
        whole, parts = make_run(tmp_path / "whole", trial), make_run(tmp_path / "parts", trial)
        for run in (whole, parts):
            journal = Journal(run, trial.name)
            for step, left in ((3, 30), (23, 9)):
                journal.add_pace(PacePoint(step=step, left=left, machine="here; this code"))
                journal.add_pace(PacePoint(step=step, left=left + 7, machine="here; older code"))
        shard = run_trial(trial, whole, device="cpu")
        for _ in range(3):  # in steps 3, 6 and 9
            interrupt(parts, trial)
        again = run_trial(trial, parts, device="cpu")
        assert (again.attempts, again.images_seen, shard.images_seen) == (4, 32 * 50, 32 * 50)
        assert parts.predictions(trial.name).read_bytes() == whole.predictions(trial.name).read_bytes()

    def test_it_ends_early_where_validation_gets_no_better_and_says_so(self, tmp_path: Path):
        trial = make_trial("cnn", epochs=40, learning_rate=1e-12, patience=2)  # it learns nothing
        run = make_run(tmp_path, trial)
        shard = run_trial(trial, run, device="cpu")
        assert shard.ended_early is True
        assert len(read_history(run, trial.name)) == 3
        assert shard.images_seen == 600

    def test_the_table_says_what_each_made_of_it_and_which_ended_early(self, tmp_path: Path):
        trials = [make_trial("cnn", seed=1, budget="60s"), make_trial("cnn", seed=2, budget="60s")]
        run = make_run(tmp_path, *trials)
        for trial, seen in zip(trials, (1000, 3000), strict=True):
            more = {"budget": "60s", "images_seen": seen, "train_seconds": 59.5, "ended_early": seen == 1000}
            write_shard(run.shard(trial.name), finished(trial, **more))
        comparison = collect(run)
        assert "budget 60s of training for each: cnn saw 2,000 images in 59.5 s" in caption(comparison)
        assert "1 of 2 trainings ended early" in summarise(comparison)["notes"].iloc[0]

    def test_validations_of_the_head_alone_do_not_count_against_all_parameters(self, tmp_path: Path):
        trainer: Any = SimpleNamespace(
            stage_name="all", steps_left=9, earlier_steps=8, config=TrainConfig(batch_size=50), ended=[]
        )
        trainer.end_in = trainer.ended.append
        trial = make_trial("cnn", patience=2)
        attempt = TrialAttempt(trial, make_run(tmp_path, trial), StopSignal())
        for images, share in ((200, 0.9), (400, 0.9), (600, 0.5), (800, 0.6), (1000, 0.6), (1200, 0.6)):
            attempt.so_far.curve.append(
                CurvePoint(
                    epoch=0, images=images, loss=None, validation_accuracy=share, validation_macro_f1=0, train_seconds=0
                )
            )
            assert attempt._ends_early(trainer) == (images == 1200)
        assert trainer.ended == [0]

    def test_without_patience_it_never_does(self, tmp_path: Path):
        trial = make_trial("cnn", epochs=2, learning_rate=1e-12)
        shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
        assert (shard.ended_early, shard.images_seen) == (False, 600)
