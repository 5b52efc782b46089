"""Boxes in YOLO's text files and in Pascal VOC's XML: what is refused, and what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab2.data.datasets import load_training
from lab2.errors import DataError
from tests.boxed_sets import boxes_of, config, make_voc, make_yolo, opened, voc_object, voc_text, yolo_line


@pytest.fixture(autouse=True)
def cache_elsewhere(own_places: None, tmp_path_factory, monkeypatch) -> None:
    """Not among the pictures."""
    monkeypatch.setenv("LAB2_CACHE", str(tmp_path_factory.mktemp("cache")))


class TestYolo:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return make_yolo(tmp_path)

    def test_all_wrong_lines_are_named_at_once_or_left_out(self, folder: Path):
        good = yolo_line("red", (16, 4, 36, 16))
        lines = {
            0: f"{good}\n2 0.5 0.5 0.1 0.1\n",
            1: "0 0.5 0.5 0.1\n",
            2: "0 x 0.5 0.1 0.1\n",
            3: "0 20 10 4 4\n",
            4: "\n1 0.5 0.5 0 0.1\n",
        }
        for number, text in lines.items():
            (folder / f"labels/train/{number}.txt").write_text(text)
        with pytest.raises(DataError) as caught:
            load_training(config(folder))
        for text in (
            "5 pictures with wrong boxes: ",
            f"{folder}/labels/train/0.txt: line 2: class 2, wanted 0 to 1",
            "line 1: 4 values, wanted class x y width height",
            "line 1: '0 x 0.5 0.1 0.1', wanted numbers",
            "line 1: box (720, 160, 880, 240) lies outside of the picture of 40 x 20 pixels",
            "line 2: box (20, 9, 20, 11) has no area",
        ):
            assert text in str(caught.value)
        data = load_training(config(folder, broken="skip"))
        assert (len(data.train), data.facts.left_out_text) == (3, "pictures with wrong boxes: 5")

    def test_pictures_without_a_label_file_and_the_reverse_are_counted(self, folder: Path):
        (folder / "labels/train/0.txt").unlink()
        (folder / "labels/train/1.txt").write_text("")
        (folder / "labels/train/cat.txt").write_text("0 0.5 0.5 0.1 0.1")
        left_out = dict(opened(folder).facts.left_out)
        assert left_out == {"pictures without a box": 2, "label files without a picture": 1}

    def test_of_an_outline_its_box_is_taken(self, folder: Path):
        (folder / "labels/train/0.txt").write_text("1 0.4 0.5 0.9 0.2 0.7 0.8\n")
        (box,), labels = boxes_of(opened(folder).read("train"))[0]
        assert box == pytest.approx([8, 7, 18, 13], abs=1e-5)  # by hand: 20 times the shares, 5 + 10 times the shares
        assert labels == [1]

    @pytest.mark.parametrize(
        "text",
        [
            "names: ['blue', \"red\"]",
            "names: [blue,\n  red]  # two\nnc: 2",
            "names: {0: blue, 1: red}",
            "names:\n  0: blue  # the first\n  1: 'red'\nnc: 2",
            "nc: 2\nnames:\n- blue\n- red\n",
            "names:\n  1: red\n\n  0: blue\n",
        ],
    )
    def test_names_of_classes_in_yaml(self, folder: Path, text: str):
        (folder / "data.yaml").write_text(text)
        assert opened(folder).classes == ("blue", "red")

    @pytest.mark.parametrize("text", ["names: 2", "names:\n  1: a\n  2: b", "names:\n  a: b", "names: []"])
    def test_names_that_are_none_are_refused(self, folder: Path, text: str):
        (folder / "data.yaml").write_text(text)
        with pytest.raises(DataError, match=r"data\.yaml: names is no list of classes"):
            opened(folder)

    def test_names_in_a_text_file_or_none(self, folder: Path):
        (folder / "data.yaml").unlink()
        with pytest.raises(DataError, match=r"wanted data\.yaml with names, or classes\.txt"):
            opened(folder)
        (folder / "classes.txt").write_text("blue\nred\n")
        assert opened(folder).classes == ("blue", "red")

    def test_folders_without_parts_are_split(self, tmp_path: Path):
        root = tmp_path / "flat"
        make_yolo(root)
        for part in ("train", "val", "test"):
            for path in (*root.glob(f"*/{part}/*"),):
                path.rename(root / path.relative_to(root).parts[0] / path.name)
            (root / "images" / part).rmdir(), (root / "labels" / part).rmdir()
        assert len(opened(root).read("test")) == 4  # a fifth of two classes of 8


class TestVoc:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return make_voc(tmp_path)

    def test_all_wrong_objects_are_named_at_once_or_left_out(self, folder: Path):
        texts = {
            0: voc_text(0, voc_object("red", (5, 5, 5, 9))),
            1: voc_text(1, voc_object("red", (5, 5, 50, 9))),
            2: voc_text(2, "<object><name>red</name></object>"),
            3: voc_text(3)[:-20],
            4: '<!DOCTYPE a [<!ENTITY e "eeeeee">]><annotation><object><name>&e;</name></object></annotation>',
            5: voc_text(5, voc_object("", (5, 5, 9, 9))),
        }
        for number, text in texts.items():
            (folder / f"Annotations/{number}.xml").write_text(text)
        with pytest.raises(DataError) as caught:
            load_training(config(folder))
        for text in (
            "6 pictures with wrong boxes: ",
            f"{folder}/Annotations/0.xml: object 3: box (5, 5, 5, 9) has no area",
            "1.xml: object 3: box (5, 5, 50, 9) lies outside",
            "2.xml: object 3: no bndbox with the numbers xmin, ymin, xmax, ymax",
            "3.xml: not read as XML: ",
            "4.xml: not read as XML: it declares the entity 'e', which no annotation needs",
            "5.xml: object 3: it has no name",
        ):
            assert text in str(caught.value)
        data = load_training(config(folder, broken="skip"))
        assert (len(data.train), data.facts.left_out_text) == (2, "pictures with wrong boxes: 6")

    def test_what_is_difficult_or_in_no_list_is_counted(self, folder: Path):
        more = voc_object("green", (1, 1, 9, 9), "<difficult>1</difficult>")
        (folder / "Annotations/0.xml").write_text(voc_text(0, more))
        (folder / "Annotations/extra.xml").write_text(voc_text(0))
        (folder / "ImageSets/Main/train.txt").write_text("".join(f"{n}\n" for n in [*range(8), "gone"]))
        source = opened(folder)
        assert source.classes == ("blue", "red")
        assert dict(source.facts.left_out) == {
            "objects marked as difficult": 1,
            "pictures in no list of ImageSets/Main": 1,
            "pictures without an annotation file": 1,
        }

    def test_without_lists_it_is_split_and_one_picture_in_two_lists_is_refused(self, folder: Path):
        (folder / "ImageSets/Main/val.txt").write_text("8\n0\n")
        with pytest.raises(DataError, match=r"val\.txt: line 2: 0 is in the train part, too"):
            opened(folder)
        for path in (folder / "ImageSets/Main").iterdir():
            path.unlink()
        assert len(opened(folder).read("test")) == 4
