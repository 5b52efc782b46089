"""The baselines: what scikit-learn answers, as rows of every run."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from lab2.data import pictures
from lab2.data.datasets import DataShape, check_batch
from lab2.data.source import Images
from lab2.errors import ConfigError, DataError
from lab2.models.building import build, check_model
from lab2.models.commonest_class import CommonestClassConfig
from lab2.models.logistic_regression import LogisticRegressionConfig
from lab2.models.nearest_neighbour import NearestNeighbourConfig
from lab2.report.caption import caption
from lab2.results.collect import collect
from lab2.results.journal import read_history
from lab2.spec.architectures import ModelConfig, PixelsConfig
from lab2.spec.job import JobSpec, Trial
from lab2.stop import Stopped, StopSignal
from lab2.train import make_trainer
from lab2.train.baseline import BaselineTrainer
from lab2.train.checkpoint import load_checkpoint
from lab2.trial import run_trial
from tests.conftest import SMALL, make_run, make_trial, on_folder

CONFIGS: list[ModelConfig] = [CommonestClassConfig(), LogisticRegressionConfig(), NearestNeighbourConfig()]
IDS = [config.architecture for config in CONFIGS]


def digits(count: int, *, side: int = 8, channels: int = 1, classes: int = 3, seed: int = 0) -> Images:
    """Noise around a picture of each class; of class 0 there are twice as many."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(9).integers(60, 200, (classes, channels, side, side))
    labels = np.maximum(generator.integers(-1, classes, count), 0)
    pixels = centres[labels] + generator.normal(0, 60, (count, channels, side, side))
    return Images(pixels.clip(0, 255).astype(np.uint8), labels.astype(np.int64))


def fitted(config: ModelConfig, train: Images, classes: int = 3) -> BaselineTrainer:
    shape = DataShape(train.pixels.shape[1], train.pixels.shape[2], tuple("abcdefgh"[:classes]), (0.5,), (0.2,), False)
    job = JobSpec(name="one", model=config)
    trainer = make_trainer(job, build(config, shape), train, device=torch.device("cpu"), precision="fp32", seed=1)
    assert isinstance(trainer, BaselineTrainer)
    (step,) = trainer.fit()
    assert (step.number, step.total, step.loss) == (1, 1, None)
    return trainer


def rows(images: Images, side: int | None = None) -> NDArray[np.float32]:
    """The pixels in [0, 1], averaged to `side`."""
    pixels: NDArray[np.float32] = np.asarray(images.pixels).astype(np.float32) / np.float32(255)
    if side:
        n, c, s, _ = pixels.shape
        pixels = pixels.reshape(n, c, side, s // side, side, s // side).mean((3, 5))
    return pixels.reshape(len(pixels), -1)


class TestTheyAnswerAsScikitLearn:
    THEIRS = (DummyClassifier(strategy="prior"), LogisticRegression(), KNeighborsClassifier(1, algorithm="brute"))
    PAIRS = tuple(zip(CONFIGS, THEIRS, strict=True))

    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize(("config", "theirs"), PAIRS, ids=IDS)
    def test_labels_and_probabilities(self, config: ModelConfig, theirs, classes: int):
        train, test = digits(400, classes=classes), digits(150, classes=classes, seed=1)
        found = fitted(config, train, classes).predict(test)
        theirs.fit(rows(train), train.labels)
        assert found.y_pred.tolist() == theirs.predict(rows(test)).tolist()
        np.testing.assert_allclose(found.probabilities, theirs.predict_proba(rows(test)), atol=1e-4)

    @pytest.mark.parametrize(("config", "theirs"), PAIRS, ids=IDS)
    def test_of_large_images_in_colour_that_are_averaged(self, config: ModelConfig, theirs):
        train, test = digits(200, side=16, channels=3), digits(60, side=16, channels=3, seed=1)
        if isinstance(config, PixelsConfig):
            config = replace(config, averaged_side=4)
        found = fitted(config, train).predict(test)
        theirs.fit(rows(train, 4), train.labels)
        assert (found.y_pred == theirs.predict(rows(test, 4))).all()

    def test_settings_reach_the_solver(self):
        train, test = digits(300), digits(100, seed=1)
        config = LogisticRegressionConfig(penalty=100.0, most_iterations=500)
        theirs = LogisticRegression(C=0.01, max_iter=500).fit(rows(train), train.labels)
        found = fitted(config, train).predict(test).probabilities
        np.testing.assert_allclose(found, theirs.predict_proba(rows(test)), atol=1e-3)
        early = fitted(LogisticRegressionConfig(most_iterations=1), train).predict(test).probabilities
        assert np.abs(early - LogisticRegression().fit(rows(train), train.labels).predict_proba(rows(test))).max() > 0.1

    @pytest.mark.parametrize("config", CONFIGS, ids=IDS)
    @pytest.mark.parametrize("known", [[1], [0, 2]])
    def test_a_class_without_a_training_image_is_never_named(self, config: ModelConfig, known: list[int]):
        everything = digits(300)
        train = everything.take(np.flatnonzero(np.isin(everything.labels, known)))
        found = fitted(config, train).predict(digits(100, seed=1))
        assert set(found.y_pred) <= set(known)
        assert found.probabilities is not None
        assert found.probabilities[:, [c for c in range(3) if c not in known]].max() == 0

    def test_near_ties_are_decided_exactly(self):
        """|t|² - 2 t·x in fp32 cannot tell apart bright images that differ by one level in one pixel."""
        pixels = np.full((6, 1, 32, 32), 250, np.uint8)
        for number in range(6):
            pixels[number, 0, 0, 0] = 250 - number
        train = Images(pixels, np.arange(6))
        assert fitted(NearestNeighbourConfig(), train, 6).predict(train).y_pred.tolist() == [0, 1, 2, 3, 4, 5]

    def test_of_equally_near_images_the_first_counts(self):
        train = Images(np.zeros((4, 1, 2, 2), np.uint8), np.array([2, 1, 0, 1]))
        assert fitted(NearestNeighbourConfig(), train).predict(train).y_pred.tolist() == [2, 2, 2, 2]


class TestLimits:
    def test_of_many_images_a_draw_is_used_each_class_in_its_share_always_the_same(self):
        train = digits(400)
        first, second = (fitted(NearestNeighbourConfig(most_images=100), train) for _ in range(2))
        assert len(first.drawn) == 100
        assert (np.asarray(first.drawn.pixels) == np.asarray(second.drawn.pixels)).all()
        shares = np.bincount(first.drawn.labels) - np.bincount(train.labels) / 4
        assert np.abs(shares).max() < 1

    def test_fewer_than_classes_is_refused(self):
        with pytest.raises(DataError, match=r"one: cannot take model\.most_images=2 of 400 images"):
            fitted(NearestNeighbourConfig(most_images=2), digits(400))

    @pytest.mark.parametrize("name", ["averaged_side", "most_images", "penalty", "most_iterations"])
    def test_none_below_one(self, name: str):
        with pytest.raises(ConfigError, match=f"logistic_regression: {name}=0 must be positive"):
            LogisticRegressionConfig(**{name: 0})

    @pytest.mark.parametrize("config", CONFIGS, ids=IDS)
    def test_a_set_smaller_than_a_batch_is_none_for_them(self, config: ModelConfig):
        trial = Trial(job=JobSpec(name="one", model=config), data=SMALL, seed=1)
        few = digits(20)
        check_batch(trial, few)
        with pytest.raises(DataError, match="larger than the 20"):
            check_batch(make_trial(), few)

    @pytest.mark.parametrize("config", CONFIGS, ids=IDS)
    def test_they_can_be_checked_before_anything_starts(self, config: ModelConfig):
        check_model(config, DataShape(3, 48, ("a", "b"), (0.5,) * 3, (0.2,) * 3, plain_background=False))


def trial_of(config: ModelConfig) -> Trial:
    return Trial(job=JobSpec(name="one", model=config), data=SMALL, seed=1)


class TestTrial:
    @pytest.mark.parametrize("config", CONFIGS, ids=IDS)
    def test_its_row_says_what_is_sensible(self, config: ModelConfig, tmp_path: Path):
        trial = trial_of(config)
        run = make_run(tmp_path, trial)
        shard = run_trial(trial, run, device="cpu")
        assert (shard.status, shard.reason) == ("ok", "")
        kept = {"commonest_class": 10, "logistic_regression": 7850, "nearest_neighbour": 0}[config.architecture]
        assert (shard.parameters, shard.trained_parameters, shard.train_images, shard.epochs) == (kept, kept, 300, 1)
        products = {"commonest_class": 0, "logistic_regression": 7840, "nearest_neighbour": 300 * 784}
        assert (shard.flops_per_image, shard.flops_uncounted) == (2 * products[config.architecture], "")
        assert (shard.precision, shard.weights, shard.map_50) == ("fp32", "", None)
        assert 0 < shard.train_seconds < shard.wall_seconds
        assert shard.latency_p50_seconds > 0 < shard.throughput_images_per_second
        ((epoch, loss),) = [(point.epoch, point.loss) for point in read_history(run, trial.name)]
        assert (epoch, loss) == (1, None)
        assert "weights" not in caption(collect(run))

    @pytest.mark.parametrize("config", CONFIGS, ids=IDS)
    def test_images_that_stay_in_their_file_give_the_same_bits(
        self, config: ModelConfig, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        if isinstance(config, PixelsConfig):
            config = replace(config, averaged_side=6, most_images=50)  # of 64
        trial = on_folder(trial_of(config), image_folder)
        found = []
        for folder, limit in (("memory", 2**29), ("file", 0)):
            monkeypatch.setattr(pictures, "IN_MEMORY", limit)
            run = make_run(tmp_path / folder, trial)
            shard = run_trial(trial, run, device="cpu")
            assert (shard.status, shard.reason) == ("ok", "")
            assert shard.epochs == (50 / 64 if isinstance(config, PixelsConfig) else 1)
            found.append(run.predictions(trial.name).read_bytes())
        assert found[0] == found[1]

    @pytest.mark.parametrize("config", CONFIGS, ids=IDS)
    def test_what_a_checkpoint_holds_is_not_fitted_again(
        self, config: ModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        trial = trial_of(config)
        run = make_run(tmp_path, trial)

        def stop(*_: object, **__: object) -> None:
            raise Stopped("cancelled", "stopped here")

        with monkeypatch.context() as patched:
            patched.setattr("lab2.trial.with_test_scores", stop)
            assert run_trial(trial, run, device="cpu").status == "cancelled"
        assert run.checkpoint(trial.name).stat().st_size < 100_000  # not the training images
        shard = run_trial(trial, run, device="cpu")
        assert (shard.status, shard.attempts, len(read_history(run, trial.name))) == ("ok", 2, 1)
        whole = make_run(tmp_path, trial, run_id="whole")
        run_trial(trial, whole, device="cpu")
        assert run.predictions(trial.name).read_bytes() == whole.predictions(trial.name).read_bytes()

    def test_a_signal_ends_a_fit_at_once_and_it_starts_anew(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        trial = trial_of(LogisticRegressionConfig())
        run = make_run(tmp_path, trial)
        real: Callable[..., object] = LogisticRegression.fit

        def interrupted(self: LogisticRegression, *given: object) -> object:
            signal.raise_signal(signal.SIGTERM)
            return real(self, *given)

        with monkeypatch.context() as patched, StopSignal() as asked:
            patched.setattr(LogisticRegression, "fit", interrupted)
            shard = run_trial(trial, run, device="cpu", stop=asked)
        assert (shard.status, shard.reason) == ("cancelled", "stopped by SIGTERM")
        assert load_checkpoint(run.checkpoint(trial.name), digest="", made_by="") is None
        assert run_trial(trial, run, device="cpu").status == "ok"
