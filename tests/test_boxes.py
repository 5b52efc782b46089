"""Data sets with boxes: what is read of them, by hand, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lab2.data.datasets import load_test, load_training
from lab2.data.inspect import inspect
from lab2.data.pixels import letterbox
from lab2.data.places import open_source
from lab2.data.samples import sample_pages
from lab2.errors import DataError
from lab2.spec.job import DataConfig
from tests.boxed_sets import (
    EVEN_BOXES,
    ODD_BOXES,
    boxes_of,
    coco_content,
    config,
    draw,
    make_coco,
    make_voc,
    make_yolo,
    numbered,
    opened,
)

MAKERS = {"coco": make_coco, "voc": make_voc, "yolo": make_yolo, "roboflow": partial(make_yolo, roboflow=True)}


@pytest.fixture(autouse=True)
def cache_elsewhere(own_places: None, tmp_path_factory, monkeypatch) -> None:
    """Not among the pictures."""
    monkeypatch.setenv("LAB2_CACHE", str(tmp_path_factory.mktemp("cache")))


def change(path: Path, edit: Callable[[Any], None]) -> None:
    """Change a JSON file."""
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("kind", MAKERS)
class TestEachFormat:
    def test_boxes_are_those_worked_out_by_hand(self, kind: str, tmp_path: Path):
        source = opened(MAKERS[kind](tmp_path))
        assert source.classes == ("blue", "red")
        for part, count in (("train", 8), ("validation", 4), ("test", 4)):
            images = source.read(part)
            found = boxes_of(images)
            assert len(found) == count
            assert sorted(found) == sorted([(EVEN_BOXES, [0, 1]), (ODD_BOXES, [0, 1])] * (count // 2))
            largest = [1 if boxes == EVEN_BOXES else 0 for boxes, _ in found]
            assert images.labels.tolist() == largest
            for pixels, (boxes, _) in zip(images.pixels, found, strict=True):
                for (x1, y1, x2, y2), colour in zip(np.array(boxes, int), ((0, 0, 255), (255, 0, 0)), strict=True):
                    assert (colour == pixels[:, y1 + 1 : y2 - 1, x1 + 1 : x2 - 1].T).all()
                assert (pixels[:, :5] == 114).all()
                assert (pixels[:, 15:] == 114).all()

    def test_an_archives_wrapping_does_not_hide_it(self, kind: str, tmp_path: Path):
        MAKERS[kind](tmp_path / "archive" / "data-1.2")
        assert opened(tmp_path).facts.boxes

    def test_the_content_is_known_by_its_boxes_and_not_by_its_place(self, kind: str, tmp_path: Path):
        one, other = (opened(MAKERS[kind](tmp_path / name)).sha256() for name in "ab")
        assert one == other
        draw(tmp_path / "b" / "unused.png", 1)
        for path in [*(tmp_path / "b").rglob("0.*"), *(tmp_path / "b").rglob("*train.json")]:
            if path.suffix in (".txt", ".xml", ".json"):
                text = path.read_text()
                for old, new in (("0.65", "0.66"), ("<xmin>17", "<xmin>18"), ("[16, 4, 20", "[17, 4, 19")):
                    text = text.replace(old, new)
                path.write_text(text)
        assert opened(tmp_path / "b").sha256() != one

    def test_training_validation_and_test_images_keep_their_own_boxes(self, kind: str, tmp_path: Path):
        limited = config(MAKERS[kind](tmp_path), train_images=4, validation_images=2, test_images=2)
        data, test = load_training(limited), load_test(limited)
        assert data.shape.boxes
        for images, count in ((data.train, 4), (data.validation, 2), (test, 2)):
            assert len(images) == count
            for label, (boxes, _) in zip(images.labels, boxes_of(images), strict=True):
                assert boxes == (EVEN_BOXES if label else ODD_BOXES)


def test_inspect_counts_boxes_and_its_samples_show_them(tmp_path: Path):
    found, train = inspect(config(make_coco(tmp_path)))
    assert found.boxes == {"train": 16, "validation": 8, "test": 8}
    (page,) = sample_pages(train, found.classes)
    tile = np.asarray(page)[4:76, 210:282]  # of the first picture of the class blue, 72 pixels of 20
    green = (tile == (0, 230, 0)).all(2)
    assert green[21:23, 5:38].any(0).all()  # by hand: the upper edge of (1, 6, 11, 14) lies at 6 x 3.6 = 21.6
    assert green.sum() < 250


class TestLetterbox:
    def test_the_longer_side_fits(self):
        assert letterbox((40, 20), 20) == ((20, 10), (0, 5))
        assert letterbox((300, 400), 128) == ((96, 128), (16, 0))
        assert letterbox((5000, 3), 64) == ((64, 1), (0, 31))

    def test_pictures_with_boxes_are_seen_at_128_pixels(self, tmp_path: Path):
        folder = make_coco(tmp_path)
        assert open_source(DataConfig(dataset=str(folder))).read("train").pixels.shape[2:] == (128, 128)

    def test_other_pictures_are_cut_as_before(self, tmp_path: Path):
        for part in ("train", "test"):
            for number in range(4):
                draw(tmp_path / part / "ab"[number % 2] / f"{number}.png", number)
        images = opened(tmp_path).read("train")
        assert images.objects is None
        assert (images.pixels[:, :, 0] != 114).all()


class TestCoco:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return make_coco(tmp_path)

    @pytest.fixture
    def file(self, folder: Path) -> Path:
        return folder / "annotations/instances_train.json"

    def test_all_wrong_boxes_are_named_at_once_or_left_out(self, folder: Path, file: Path):
        def spoil(content: Any) -> None:
            for place, (name, value) in enumerate(
                [("bbox", [1, 1, 0, 5]), ("bbox", [30, 1, 20, 5]), ("category_id", 9), ("bbox", [1, 2, 3])]
            ):
                content["annotations"][2 * place][name] = value
            content["images"][4]["width"] = 41

        change(file, spoil)
        (folder / "images/train/5.png").write_bytes(b"none")
        with pytest.raises(DataError) as caught:
            load_training(config(folder))
        said = str(caught.value)
        for text in (
            "1 broken pictures: ",
            "5.png (not a picture that Pillow knows)",
            "5 pictures with wrong boxes: ",
            f"{file}: annotation 100: box (1, 1, 1, 6) has no area",
            "annotation 102: box (30, 1, 50, 6) lies outside of the picture of 40 x 20 pixels",
            "annotation 104: category_id 9 is none of its categories",
            "annotation 106: bbox [1, 2, 3], wanted [x, y, width, height]",
            "4.png",
            "states 41 x 20 pixels, but upright the picture has 40 x 20",
            "--set data.broken=skip",
        ):
            assert text in said
        data = load_training(config(folder, broken="skip"))
        assert len(data.train) == 2
        assert data.facts.left_out_text == "broken pictures: 1, pictures with wrong boxes: 5"
        assert len(inspect(config(folder))[0].broken) == 6

    def test_a_box_that_is_beyond_by_rounding_is_cut_off(self, folder: Path, file: Path):
        change(file, lambda content: content["annotations"][0].update(bbox=[-0.5, 2, 10.5, 18.9]))
        assert boxes_of(opened(folder).read("train"))[0][0][0] == [0, 6, 5, 15]

    def test_crowds_and_pictures_without_a_box_are_left_out_and_counted(self, folder: Path, file: Path):
        def crowd(content: Any) -> None:
            for row in content["annotations"][:3]:
                row["iscrowd"] = 1
            content["annotations"].append({"id": 1, "image_id": 999, "category_id": 3, "bbox": [0, 0, 1, 1]})
            content["categories"].append({"id": 1, "name": "colours"})

        change(file, crowd)
        source = opened(folder)
        assert dict(source.facts.left_out) == {
            "crowd annotations": 3,
            "pictures without a box": 1,
            "annotations of pictures that are not listed": 1,
            "classes without a box": 1,
        }
        assert (source.classes, len(source.read("train"))) == (("blue", "red"), 7)

    def test_ids_of_categories_may_differ_between_files(self, folder: Path):
        def renumber(content: Any) -> None:
            for row in content["categories"]:
                row["id"] -= 3
            for row in content["annotations"]:
                row["category_id"] -= 3

        change(folder / "annotations/instances_test.json", renumber)
        assert {tuple(labels) for _, labels in boxes_of(opened(folder).read("test"))} == {(0, 1)}

    def test_other_files_of_cocos_archive_are_not_read(self, folder: Path):
        (folder / "annotations/captions_train.json").write_text('{"images": [], "annotations": []}')
        assert dict(opened(folder).facts.left_out) == {"files beside instances_*.json": 1}

    def test_one_file_is_split_by_a_fixed_seed(self, tmp_path: Path):
        root = tmp_path / "one"
        for number in range(20):
            draw(root / "images" / f"{number}.png", number)
        (root / "labels.json").write_text(json.dumps(coco_content(range(20))))
        assert len(opened(root).read("test")) == 4
        assert "20% of each class held out" in opened(root).facts.split

    def test_roboflows_folders(self, tmp_path: Path):
        for name, part in (("train", "train"), ("valid", "val"), ("test", "test")):
            for number in numbered(part):
                draw(tmp_path / name / f"{number}.png", number)
            (tmp_path / name / "_annotations.coco.json").write_text(json.dumps(coco_content(numbered(part))))
        assert opened(tmp_path).facts.split == "train, validation and test as given"

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("instances_train.json", '{"images": [', "not whole"),
            ("instances_train.json", '{"images": [], "annotations": []}', "has no list of categories"),
            ("instances_train.json", '{"images": [{"id": 1}], "annotations": [], "categories": []}', "no file_name"),
            ("instances_train2.json", '{"images": []}', "both have boxes of the same part"),
            ("instances_more.json", '{"images": []}', "its name says no part"),
        ],
    )
    def test_files_that_are_wrong_are_one_sentence(self, folder: Path, name: str, content: str, said: str):
        (folder / "annotations" / name).write_text(content)
        with pytest.raises(DataError, match=said) as caught:
            opened(folder)
        assert name in str(caught.value)

    def test_a_folder_of_classes_with_json_in_it_is_one(self, tmp_path: Path):
        for part in ("train", "test"):
            for number in range(6):
                draw(tmp_path / part / "ab"[number % 2] / f"{number}.png", number)
        (tmp_path / "annotations").mkdir()
        for name in ("annotations/notes.json", "class_names.json"):
            (tmp_path / name).write_text('{"a": "cat", "b": ["images", "annotations"]}')
        assert opened(tmp_path).classes == ("a", "b")

    def test_a_picture_on_its_side_is_refused_where_its_boxes_are_not_of_the_upright_one(self, folder: Path):
        image = Image.open(folder / "images/train/0.png")
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(folder / "images/train/0.png", exif=exif)
        with pytest.raises(DataError, match="states 40 x 20 pixels, but upright the picture has 20 x 40"):
            opened(folder).read("train")
