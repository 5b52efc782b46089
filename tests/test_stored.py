"""Pixels in a memory-mapped file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lab2.data import pictures
from lab2.data.datasets import load_training, mean_and_deviation
from lab2.data.inspect import inspect
from lab2.data.stored import Measured, StoredPixels
from lab2.measure.predictions import read_predictions
from lab2.models.alexnet import AlexNetConfig
from lab2.models.building import build
from lab2.models.building.weights import save_weights
from lab2.trial import run_trial
from tests.conftest import TINY, make_run, make_trial, on_folder
from tests.test_decoded import config, linux, resident


@pytest.fixture
def from_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even small sets stay in their file."""
    monkeypatch.setattr(pictures, "IN_MEMORY", 0)


class TestStored:
    @pytest.fixture
    def stored(self, tmp_path: Path) -> tuple[StoredPixels, np.ndarray]:
        pixels = np.random.default_rng(0).integers(0, 3, (40, 3, 9, 9), np.uint8)
        pixels.tofile(tmp_path / "pixels")
        measured = Measured.empty(40, 3)
        for row, one in enumerate(pixels):
            measured.put(row, one)
        return StoredPixels(tmp_path / "pixels", pixels.shape, measured), pixels

    def test_it_is_indexed_as_an_array(self, stored):
        found, pixels = stored
        for key in (3, slice(2, 9), np.array([5, 1, 1]), (slice(None), 1), (4, 2), (np.array([7, 2]), 0, slice(3), 2)):
            assert np.array_equal(found[key], pixels[key])
        some = np.arange(30)[::-3]
        assert np.array_equal(np.asarray(found.take(some).take(np.array([2, 0]))), pixels[some][[2, 0]])
        assert (found.shape, len(found), found.nbytes) == (pixels.shape, 40, pixels.nbytes)

    def test_what_was_measured_is_exact(self, stored):
        found, pixels = stored
        some = np.array([1, 5, 8, 30])
        for channel in range(3):
            assert found.take(some).mean_and_deviation(channel) == mean_and_deviation(pixels[some][:, channel])
        rim = np.concatenate([pixels[some][:, :, [0, -1]].ravel(), pixels[some][:, :, :, [0, -1]].ravel()])
        assert found.take(some).black_rim_share() == (rim == 0).mean()

    @linux
    def test_what_was_read_does_not_stay_in_the_process(self, tmp_path: Path):
        count, side = 3000, 224
        measured = Measured.empty(count, 3)
        blank = np.zeros((3, side, side), np.uint8)
        for row in range(count):
            measured.digests[row] = 0
        measured.put(0, blank)
        measured.digests[:] = measured.digests[0]
        with (tmp_path / "pixels").open("wb") as file:
            file.truncate(count * blank.nbytes)  # 450 MB
        found = StoredPixels(tmp_path / "pixels", (count, *blank.shape), measured)
        before, most = resident(), 0
        for start in range(0, count, 100):
            found[start : start + 100]
            most = max(most, resident() - before)
        assert most < 300e6

    def test_a_set_in_its_file_has_the_same_shape_as_in_memory(self, image_folder: Path, monkeypatch):
        memory = load_training(config(image_folder))
        monkeypatch.setattr(pictures, "IN_MEMORY", 0)
        file = load_training(config(image_folder))
        assert isinstance(file.train.pixels, StoredPixels)
        assert file.shape == memory.shape
        assert np.array_equal(np.asarray(file.validation.pixels), memory.validation.pixels)

    @pytest.mark.usefixtures("from_the_file")
    def test_it_is_inspected_without_being_read(self, image_folder: Path):
        (image_folder / "train/left/copy.png").write_bytes((image_folder / "test/left/0.png").read_bytes())
        found, _ = inspect(config(image_folder))
        assert found.leaked == {"test in train": 1}

    @pytest.mark.parametrize("name", ["cnn", "faster_rcnn"])
    def test_training_from_the_file_gives_the_same_bits(
        self, name: str, image_folder: Path, tmp_path: Path, monkeypatch
    ):
        trial = on_folder(make_trial(name, batch_size=16, precision="fp32"), image_folder)
        found = []
        for folder, limit in (("memory", 2**29), ("file", 0)):
            monkeypatch.setattr(pictures, "IN_MEMORY", limit)
            run = make_run(tmp_path / folder, trial)
            shard = run_trial(trial, run, device="cpu", threads=1)
            assert shard.status == "ok", shard.reason
            found.append(read_predictions(run.predictions(trial.name)))
        assert np.array_equal(found[0].probabilities, found[1].probabilities)

    @pytest.mark.slow
    def test_fine_tuning_from_the_file_gives_the_same_bits(self, image_folder: Path, tmp_path, monkeypatch):
        weights = tmp_path / "a.safetensors"
        shape = load_training(config(image_folder)).shape
        save_weights(weights, build(TINY["alexnet"], shape).model, "alexnet", "mnist")
        model = AlexNetConfig(weights=str(weights), head_epochs=1)
        trial = on_folder(make_trial("alexnet", model=model, batch_size=16, precision="fp32"), image_folder)
        found = []
        for folder, limit in (("memory", 2**29), ("file", 0)):
            monkeypatch.setattr(pictures, "IN_MEMORY", limit)
            run = make_run(tmp_path / folder, trial)
            shard = run_trial(trial, run, device="cpu", threads=1)
            assert shard.status == "ok", shard.reason
            found.append(read_predictions(run.predictions(trial.name)))
        assert np.array_equal(found[0].probabilities, found[1].probabilities)
