"""The identity of a test image goes with its predictions, so that rows are paired by what an image shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from lab2.data.datasets import load_test
from lab2.data.identity import identities
from lab2.data.places import open_source
from lab2.data.stored import StoredPixels, digest_of
from lab2.errors import ShardError
from lab2.measure.predictions import Predictions, read_predictions, write_predictions
from lab2.spec.job import DataConfig
from lab2.trial import run_trial
from tests.conftest import make_run, make_trial


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 1, 4, 4), dtype=np.uint8)


class TestIdentity:
    def test_it_goes_with_the_image_and_not_with_its_place(self):
        pixels = pictures(5)
        pixels[4] = pixels[1]
        found = identities(pixels)
        assert found.tolist() == identities(pixels[::-1]).tolist()[::-1]
        assert len(set(found.tolist())) == 4
        assert found[4] == found[1]

    def test_one_bit_changes_it(self):
        pixels = pictures(1)
        before = identities(pixels)[0]
        pixels[0, 0, 0, 0] ^= 1
        assert identities(pixels)[0] != before

    def test_of_pictures_in_a_file_it_is_that_of_their_pixels(self, image_folder: Path):
        images = open_source(DataConfig(dataset=str(image_folder), image_side=12)).read("test")
        stored = images.pixels
        pixels = np.asarray(stored[:])
        wanted = [int.from_bytes(digest_of(one)[:8], "little") for one in pixels]
        assert identities(pixels).tolist() == wanted
        if isinstance(stored, StoredPixels):
            assert identities(stored).tolist() == wanted


class TestPredictions:
    WRITTEN = Predictions(
        np.array([1, 2]), np.array([1, 1]), np.eye(3, dtype=np.float32)[[1, 1]], np.array([7, 2**64 - 1], np.uint64)
    )

    def test_they_keep_it(self, tmp_path: Path):
        write_predictions(tmp_path / "p", self.WRITTEN)
        images = read_predictions(tmp_path / "p").images
        assert images is not None
        assert images.tolist() == [7, 2**64 - 1]

    @pytest.mark.parametrize("known", [True, False])
    def test_the_file_says_whether_it_has_it(self, known: bool, tmp_path: Path):
        w = self.WRITTEN
        write_predictions(tmp_path / "p", w if known else Predictions(w.y_true, w.y_pred, w.probabilities))
        with safe_open(tmp_path / "p", "numpy") as file:
            assert file.metadata() == {"lab2": "predictions 2" if known else "predictions 1"}
        assert (read_predictions(tmp_path / "p").images is not None) == known

    def test_they_are_read_without_their_probabilities(self, tmp_path: Path):
        write_predictions(tmp_path / "p", self.WRITTEN)
        found = read_predictions(tmp_path / "p", probabilities=False)
        assert found.probabilities is None
        assert (found.y_true.tolist(), found.right.tolist()) == ([1, 2], [True, False])

    @pytest.mark.parametrize(("shape", "kind"), [((3,), np.uint64), ((2,), np.float64), ((2, 8), np.uint8)])
    def test_other_identities_are_refused(self, shape: tuple[int, ...], kind: type, tmp_path: Path):
        w = self.WRITTEN
        assert w.probabilities is not None
        arrays = {"y_true": w.y_true, "y_pred": w.y_pred, "probabilities": w.probabilities}
        arrays["images"] = np.zeros(shape, kind)
        save_file(arrays, tmp_path / "p")
        with pytest.raises(ShardError, match="not the predictions of a trial: images are"):
            read_predictions(tmp_path / "p")

    def test_boxes_come_back_and_others_are_refused(self, tmp_path: Path):
        boxes = np.array([[0, 0.25, 0.5, 1], [np.nan] * 4], np.float32)
        write_predictions(tmp_path / "p", replace(self.WRITTEN, boxes=boxes))
        assert np.array_equal(read_predictions(tmp_path / "p").boxes, boxes, equal_nan=True)
        write_predictions(tmp_path / "p", replace(self.WRITTEN, boxes=boxes[:1]))
        with pytest.raises(ShardError, match=r"boxes are float16 of shape \(1, 4\), wanted float16 of shape \(2, 4\)"):
            read_predictions(tmp_path / "p")


def test_a_trial_keeps_those_of_its_test_images(tmp_path: Path):
    trial = make_trial()
    run = make_run(tmp_path, trial)
    assert run_trial(trial, run).status == "ok"
    found = read_predictions(run.predictions(trial.name)).images
    assert found is not None
    assert found.tolist() == identities(np.asarray(load_test(trial.data).pixels)).tolist()


def test_and_the_groups_of_data_that_have_them(tmp_path: Path):
    generator = np.random.default_rng(0)
    lines = ["path,label,split,group"]
    for number in range(48):
        Image.fromarray(generator.integers(256, size=(12, 12), dtype=np.uint8)).save(tmp_path / f"{number}.png")
        part = "test" if number < 16 else "train"
        lines.append(f"{number}.png,{'ab'[number % 2]},{part},patient {number // 4}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    trial = replace(make_trial(batch_size=8), data=DataConfig(dataset=str(tmp_path / "table.csv"), image_side=12))
    run = make_run(tmp_path / "runs", trial)
    shard = run_trial(trial, run)
    assert (shard.status, shard.reason) == ("ok", "")
    found = read_predictions(run.predictions(trial.name)).groups
    assert found is not None
    assert sorted(Counter(found.tolist()).values()) == [4, 4, 4, 4]
