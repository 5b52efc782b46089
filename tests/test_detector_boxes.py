"""Detectors on data sets with boxes and without: what they learn from, what is scored, and what the table says."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lab2.data.annotation import Objects
from lab2.data.datasets import load_test, load_training
from lab2.data.scenes import compose, ink_boxes
from lab2.launch.environment import ALLOCATION
from lab2.measure.predictions import read_predictions
from lab2.measure.scores import score_detections
from lab2.models.building import build
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.results.run_dir import open_run
from lab2.results.shard import read_shard
from lab2.spec.job import JobSpec, TrainConfig, Trial
from lab2.train.detector import DetectorTrainer, padded, truth
from lab2.trial import run_trial
from tests.boxed_sets import EVEN_BOXES, ODD_BOXES, SIDE, config, draw, make_coco
from tests.conftest import TINY, make_run, make_trial, on_folder

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache_elsewhere(own_places: None, tmp_path_factory, monkeypatch) -> None:
    """Not among the pictures."""
    monkeypatch.setenv("LAB2_CACHE", str(tmp_path_factory.mktemp("cache")))


def boxed_trial(folder: Path, **train: object) -> Trial:
    recipe = TrainConfig(**{"epochs": 1, "batch_size": 4, "precision": "fp32", **train})
    model = FasterRCNNConfig(widths=(8, 16, 16), hidden=32, proposals=16)
    return Trial(job=JobSpec(name="faster_rcnn", model=model, train=recipe), data=config(folder), seed=1)


def test_a_trial_trains_on_real_boxes_and_has_map_on_real_images(tmp_path: Path):
    trial = boxed_trial(make_coco(tmp_path / "data"))
    run = make_run(tmp_path / "runs", trial)
    shard = run_trial(trial, run, device="cpu", threads=1)
    assert shard.status == "ok", shard.reason
    assert (shard.boxes, shard.test_images, shard.train_images, shard.image_side) == ("real", 4, 8, SIDE)
    assert shard.map_50 is not None
    predictions = read_predictions(run.predictions(trial.name))
    assert sorted(predictions.y_true.tolist()) == [0, 0, 1, 1]  # of each picture, the class of its largest box


@pytest.mark.slow
def test_it_learns_to_find_the_rectangles(tmp_path: Path):
    trial = boxed_trial(make_coco(tmp_path / "data"), epochs=60, learning_rate=1e-2)
    shard = run_trial(trial, make_run(tmp_path / "runs", trial), device="cpu")
    assert shard.map_50 is not None
    assert shard.map_50 > 0.8


def test_the_network_is_given_the_images_themselves_with_their_boxes(tmp_path: Path, monkeypatch):
    trial = boxed_trial(make_coco(tmp_path))
    data = load_training(trial.data)
    model = build(trial.job.model, data.shape).model
    seen: list[tuple[torch.Tensor, ...]] = []

    def losses(*batch: torch.Tensor) -> torch.Tensor:
        seen.extend(zip(*batch, strict=True))
        return sum(p.sum() for p in model.parameters())  # type: ignore[return-value]

    monkeypatch.setattr(model, "losses", losses)
    trainer = DetectorTrainer(model, trial.job.train, data.train, device=CPU, precision="fp32", seed=1)
    assert [step.images for step in trainer.fit()] == [4, 8]
    real = {pixels.tobytes() for pixels in np.asarray(data.train.pixels)}
    assert {(255 * image).round().byte().numpy().tobytes() for image, *_ in seen} == real
    for image, boxes, labels, present, _ in seen:
        grey = round(255 * float(image[0, 14, 19]))  # beside the rectangles: 100 plus the picture's number
        assert boxes[present].tolist() == (ODD_BOXES if grey % 2 else EVEN_BOXES)
        assert labels[present].tolist() == [0, 1]


def test_images_with_unlike_numbers_of_objects_are_one_batch():
    """Of one shape for all batches, where a step asks for that: at least three objects."""
    one, none = np.array([[1.0, 2, 3, 4]], np.float32), np.empty((0, 4), np.float32)
    each = [Objects(none, np.array([], np.int64)), Objects(np.tile(one, (2, 1)), np.array([5, 6]))]
    for least, most in ((1, 2), (3, 3)):
        boxes, labels, present = padded(each, least, CPU)
        assert (boxes.shape, boxes.dtype, labels.dtype) == ((2, most, 4), torch.float32, torch.int64)
        assert present.sum(1).tolist() == [0, 2]
        assert (boxes[present].tolist(), labels[present].tolist()) == ([[1, 2, 3, 4]] * 2, [5, 6])


def test_map_is_of_the_test_images_own_boxes(tmp_path: Path, monkeypatch):
    """Of two boxes an image, all of one class are found exactly, none of the other: by hand, mAP is 1/2."""
    trial = boxed_trial(make_coco(tmp_path))
    data, test = load_training(trial.data), load_test(trial.data)
    model = build(trial.job.model, data.shape).model
    trainer = DetectorTrainer(model, trial.job.train, data.train, device=CPU, precision="fp32", seed=1)
    assert test.objects is not None
    whole = iter([truth(one) for one in test.objects])

    def infer(images: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        found = [next(whole) for _ in images]
        return [{**{k: v[:1] for k, v in one.items()}, "scores": torch.ones(1)} for one in found]

    monkeypatch.setattr(trainer, "infer", infer)
    scores = score_detections(*trainer.detect(test))
    assert (scores.map_50, scores.map_50_95) == pytest.approx((0.5, 0.5))


def test_predictions_hold_the_best_box_as_shares_of_the_side(tmp_path: Path, monkeypatch):
    trial = boxed_trial(make_coco(tmp_path))
    data, test = load_training(trial.data), load_test(trial.data)
    model = build(trial.job.model, data.shape).model
    trainer = DetectorTrainer(model, trial.job.train, data.train, device=CPU, precision="fp32", seed=1)
    boxes = SIDE * torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.25, 0.5, 0.75, 1.0]])

    def infer(images: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        """Two boxes in the first image, the second of them the better one; none in the others."""
        counts = [2, *[0] * (len(images) - 1)]
        return [{"boxes": boxes[:n], "labels": torch.tensor([0, 1])[:n], "scores": torch.tensor([0.3, 0.6])[:n]}
                for n in counts]  # fmt: skip

    monkeypatch.setattr(trainer, "infer", infer)
    found = trainer.predict(test)
    assert found.boxes is not None
    assert (found.y_pred[0], found.boxes[0].tolist()) == (1, [0.25, 0.5, 0.75, 1.0])
    assert np.isnan(found.boxes[1:]).all()


def test_a_classifier_names_the_largest_box(tmp_path: Path):
    trial = replace(boxed_trial(make_coco(tmp_path / "data")), job=make_trial("cnn", batch_size=4).job)
    shard = run_trial(trial, make_run(tmp_path / "runs", trial), device="cpu", threads=1)
    assert (shard.status, shard.classes, shard.boxes, shard.majority_accuracy) == ("ok", 2, None, 0.5)


def test_anchors_fit_real_boxes_only_where_there_are_some(tmp_path: Path, mnist):
    real = build(TINY["faster_rcnn"], load_training(config(make_coco(tmp_path))).shape).model
    composed = build(TINY["faster_rcnn"], mnist.shape).model
    assert real.network.rpn.anchor_generator.sizes == ((2, 3, 6, 13),)  # of 20 pixels
    assert composed.network.rpn.anchor_generator.sizes == ((11, 20),)  # of 28


def test_composed_scenes_are_what_they_were(mnist):
    """The digest was taken before there were real boxes."""
    pixels, labels = torch.from_numpy(mnist.train.pixels[:40]), torch.from_numpy(mnist.train.labels[:40])
    generator = torch.Generator().manual_seed(0)
    scenes = compose(pixels, labels, ink_boxes(pixels, True), side=112, max_objects=9, generator=generator)
    digest = hashlib.sha256()
    for part in (scenes.images, scenes.boxes, scenes.labels, scenes.present):
        digest.update(part.numpy().tobytes())
    assert digest.hexdigest() == "6adcff50891cfbdfc85955a35c327254f597c1a2b03c42e51ddc6517c9ebe368"


def test_a_trial_on_scenes_is_the_trial_that_it_was():
    trial = make_trial("faster_rcnn", precision="fp32")
    assert trial.digest == "e113798179fc8420f9d17206737d581b7433fe3cf31654aca7451b6940e4f350"


class TestWhatIsSaid:
    @pytest.fixture
    def words(self, tmp_path: Path, monkeypatch) -> tuple[str, ...]:
        """A command that trains a tiny detector; without its --dataset."""
        for name, value in ALLOCATION.items():
            monkeypatch.setenv(name, value)  # else it would start this very process again
        (tmp_path / "jobs").mkdir()
        (tmp_path / "jobs/tiny.py").write_text(
            '"""Does it run?"""\n'
            "from lab2.models.faster_rcnn import FasterRCNNConfig\n"
            "from lab2.spec.job import JobSpec, TrainConfig\n"
            'JOB = JobSpec(name="tiny", train=TrainConfig(epochs=1, batch_size=4),\n'
            "    model=FasterRCNNConfig(widths=(8, 8, 16), hidden=16, proposals=8, test_scenes=5))\n"
        )
        return "train", "tiny", "--jobs", f"{tmp_path / 'jobs'}/", "--set", f"data.image_side={SIDE}", "--dataset"

    def test_real_boxes(self, words: tuple[str, ...], tmp_path: Path, run_cli, runs: Path):
        code, out, said = run_cli(*words, str(make_coco(tmp_path / "data")))
        assert code == 0, said
        assert "the label of a picture, for networks that classify, is the class of its largest box" in said
        assert "scenes" not in out + said
        run = open_run(runs, "latest")
        assert read_shard(run.shard("tiny-seed1")).boxes == "real"
        assert "tiny trained on the data set's own boxes" in (run.report / "table.md").read_text()

    def test_composed_scenes(self, words: tuple[str, ...], tmp_path: Path, run_cli, runs: Path):
        for part, count in (("train", 20), ("test", 8)):
            for number in range(count):
                draw(tmp_path / "data" / part / "ab"[number % 2] / f"{number}.png", number + 30 * (part == "test"))
        code, out, said = run_cli(*words, str(tmp_path / "data"))
        assert code == 0, said
        assert out.count("tiny: " + str(tmp_path / "data") + " has no boxes: trained, and mAP measured, on scenes") == 1
        run = open_run(runs, "latest")
        assert read_shard(run.shard("tiny-seed1")).boxes == "composed"
        table = (run.report / "table.md").read_text()
        assert "tiny trained on scenes that are composed of the images (mAP is of such scenes" in table


def test_a_folder_without_boxes_composes(image_folder: Path, tmp_path: Path):
    trial = on_folder(make_trial("faster_rcnn", batch_size=16), image_folder)
    assert run_trial(trial, make_run(tmp_path / "runs", trial), device="cpu", threads=1).boxes == "composed"
