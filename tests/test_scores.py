"""Scores against hand-worked cases and other libraries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lab2.errors import ShardError
from lab2.measure.predictions import NO_PREDICTION, Predictions, read_predictions, write_predictions
from lab2.measure.scores import DetectionScores, accuracy, macro_f1, majority_accuracy, score_detections


def test_a_detector_that_finds_nothing_is_wrong_not_absent():
    p = Predictions(y_true=np.array([0, 1, 2, 1]), y_pred=np.array([0, 1, NO_PREDICTION, 1]))
    assert (accuracy(p), macro_f1(p)) == pytest.approx((3 / 4, 2 / 3))  # by hand: F1 = 1, 1, 0


def test_macro_f1_by_hand():
    # class 0: precision 1/2, recall 1; class 1: precision 1, recall 1/2: F1 is 2/3 for both
    p = Predictions(y_true=np.array([0, 1, 1]), y_pred=np.array([0, 0, 1]))
    assert macro_f1(p) == pytest.approx(2 / 3)


def test_a_class_without_an_image_is_not_averaged_over():
    # Of three classes the images hold two: F1 is 1, and 2/3 (precision 1, recall 1/2); class 2 was only guessed.
    p = Predictions(y_true=np.array([0, 0, 1, 1]), y_pred=np.array([0, 0, 1, 2]))
    assert macro_f1(p) == pytest.approx(5 / 6)


def test_naming_the_commonest_class_by_hand():
    truth = np.array([1, 0, 1, 2])
    assert majority_accuracy(Predictions(truth, truth)) == 2 / 4


def boxes(*rows: tuple[float, ...], labels: list[int], scores: list[float] | None = None) -> dict[str, torch.Tensor]:
    found = {"boxes": torch.tensor(rows).view(-1, 4), "labels": torch.tensor(labels, dtype=torch.int64)}
    return found if scores is None else {**found, "scores": torch.tensor(scores)}


class TestMeanAveragePrecision:
    TRUTH = boxes((0, 0, 10, 10), labels=[0])

    def test_a_perfect_detector_has_one(self):
        found = boxes((0, 0, 10, 10), labels=[0], scores=[0.9])
        assert score_detections([found], [self.TRUTH]) == DetectionScores(map_50=1.0, map_50_95=1.0)

    def test_an_overlap_of_0_82_counts_at_seven_of_ten_thresholds(self):
        # 8.2 x 10 within 10 x 10: intersection over union 0.82, right at 0.5, 0.55, ... 0.8
        found = boxes((0, 0, 8.2, 10), labels=[0], scores=[0.9])
        scores = score_detections([found], [self.TRUTH])
        assert scores.map_50 == pytest.approx(1.0)
        assert scores.map_50_95 == pytest.approx(0.7)

    def test_a_wrong_label_is_a_miss(self):
        found = boxes((0, 0, 10, 10), labels=[1], scores=[0.9])
        assert score_detections([found], [self.TRUTH]).map_50 == 0.0

    def test_nothing_found_is_zero(self):
        found = boxes(labels=[], scores=[])
        assert score_detections([found], [self.TRUTH]) == DetectionScores(map_50=0.0, map_50_95=0.0)


def coco_map(found: list[dict[str, torch.Tensor]], wanted: list[dict[str, torch.Tensor]]) -> DetectionScores:
    """COCO's own implementation, fed by hand."""

    def rows(images: list[dict[str, torch.Tensor]]) -> list[dict[str, object]]:
        return [
            {"image_id": i, "category_id": int(one["labels"][n]), "id": 1000 * i + n + 1, "iscrowd": 0,
             "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1),
             "score": float(one["scores"][n]) if "scores" in one else 0.0}
            for i, one in enumerate(images) for n, (x1, y1, x2, y2) in enumerate(one["boxes"].tolist())
        ]  # fmt: skip

    coco, truth = COCO(), rows(wanted)
    categories = [{"id": c} for c in {row["category_id"] for row in truth}]
    coco.dataset = {
        "info": {}, "images": [{"id": i} for i in range(len(wanted))], "categories": categories, "annotations": truth,
    }  # fmt: skip
    coco.createIndex()
    judge = COCOeval(coco, coco.loadRes(rows(found)), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    return DetectionScores(map_50=float(judge.stats[1]), map_50_95=float(judge.stats[0]))


def test_map_is_that_of_pycocotools():
    generator = torch.Generator().manual_seed(0)
    found, wanted = [], []
    for _ in range(40):
        count = int(torch.randint(1, 9, (), generator=generator))
        corner, size = (
            60 * torch.rand(count, 2, generator=generator),
            5 + 20 * torch.rand(count, 2, generator=generator),
        )
        truth, labels = torch.cat([corner, corner + size], 1), torch.randint(0, 4, (count,), generator=generator)
        moved = truth + 2 * torch.randn(count, 4, generator=generator)  # some off, some of another class, some missed
        named = torch.where(torch.rand(count, generator=generator) < 0.8, labels, (labels + 1) % 4)
        seen = torch.rand(count, generator=generator) < 0.9
        wanted.append({"boxes": truth, "labels": labels})
        scores = torch.rand(count, generator=generator)
        found.append({"boxes": moved[seen], "labels": named[seen], "scores": scores[seen]})
    ours, theirs = score_detections(found, wanted), coco_map(found, wanted)
    assert 0.1 < theirs.map_50_95 < theirs.map_50 < 0.9
    assert (ours.map_50, ours.map_50_95) == pytest.approx((theirs.map_50, theirs.map_50_95), abs=1e-6)


class TestPredictions:
    def test_come_back_from_their_file(self, tmp_path: Path):
        written = Predictions(
            np.array([1, 2]), np.array([1, NO_PREDICTION]), np.array([[0, 1, 0], [0, 0, 0]], np.float32)
        )
        write_predictions(tmp_path / "p", written)
        read = read_predictions(tmp_path / "p")
        assert read.y_pred.tolist() == [1, NO_PREDICTION]
        assert np.array_equal(read.probabilities, written.probabilities)

    def test_are_compact(self, tmp_path: Path):
        zeros = np.zeros(10_000, np.int64)
        scores, images = np.zeros((10_000, 10), np.float32), np.arange(10_000, dtype=np.uint64)
        write_predictions(tmp_path / "p", Predictions(zeros, zeros, scores, images))
        assert (tmp_path / "p").stat().st_size < 330_000  # 24 bytes an image, and 8 for its identity

    @pytest.mark.parametrize("content", [b"", b"x" * 100, b"\x80\x04cos\nsystem\n."])
    def test_a_foreign_file_is_an_error(self, tmp_path: Path, content: bytes):
        (tmp_path / "p").write_bytes(content)
        with pytest.raises(ShardError, match="not the predictions"):
            read_predictions(tmp_path / "p")

    @pytest.mark.parametrize(
        ("truth", "answer", "shape", "wrong"),
        [
            ([0, 1], [0], (2, 3), r"found probabilities \(2, 3\), y_pred \(1,\), y_true \(2,\)"),
            ([0, 1], [0, 1], (3, 3), r"wanted \(N,\), \(N,\) and \(N, K\)"),
            ([], [], (0, 3), "found"),
            ([0, 3], [0, 1], (2, 3), "labels beyond its 3 classes"),
            ([0, -1], [0, 1], (2, 3), "labels beyond"),
            ([0, 1], [0, -2], (2, 3), "labels beyond"),
            ([0, 1], [0, 3], (2, 3), "labels beyond"),
        ],
    )
    def test_arrays_that_do_not_fit_are_refused(self, tmp_path: Path, truth, answer, shape, wrong):
        y_true, y_pred = (np.array(one, dtype=np.int64) for one in (truth, answer))
        write_predictions(tmp_path / "p", Predictions(y_true, y_pred, np.zeros(shape, np.float32)))
        with pytest.raises(ShardError, match=wrong):
            read_predictions(tmp_path / "p")
