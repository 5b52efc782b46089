"""Layouts: which pictures there are, of what class and in which part, and what was left out."""

from __future__ import annotations

import csv
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.io import savemat

from lab2.data.datasets import load_test, load_training
from lab2.data.places import folders_read, open_source
from lab2.data.source import Images
from lab2.data.split import held_out, split
from lab2.errors import DataError
from lab2.launch.environment import ALLOCATION
from lab2.launch.planning import plan_trials
from lab2.results.run_dir import open_run
from lab2.results.shard import read_shard
from lab2.spec.job import DataConfig
from tests.conftest import make_trial
from tests.test_data import write_idx


def picture(label: int, number: int = 0) -> Image.Image:
    """12 x 12 grey pixels that say their label (the left column) and number (the rest)."""
    pixels = np.full((12, 12), number, np.uint8)
    pixels[:, 0] = label
    return Image.fromarray(pixels)


def write(folder: Path, label: int, count: int, first: int = 0, suffix: str = ".png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        picture(label, number).save(folder / f"{number:03d}{suffix}")


def numbers(images: Images) -> list[tuple[int, int]]:
    """Label and number that each picture itself says, and that its label agrees."""
    assert images.pixels[:, 0, 0, 0].tolist() == images.labels.tolist()
    return sorted(zip(images.labels.tolist(), images.pixels[:, 0, 0, 5].tolist(), strict=True))


def config(path: Path, **more: Any) -> DataConfig:
    return DataConfig(dataset=str(path), **more)


def two(root: Path, part: str, count: int = 12, first: int = 0) -> None:
    for label, name in enumerate("ab"):
        write(root / part / name, label, count, first)


class TestFolders:
    @pytest.fixture(autouse=True)
    def cache_elsewhere(self, own_places: None, tmp_path_factory, monkeypatch) -> None:
        """Not among the pictures."""
        monkeypatch.setenv("LAB2_CACHE", str(tmp_path_factory.mktemp("cache")))

    def test_the_middle_part_is_the_validation_part(self, tmp_path: Path):
        for word in ("val", "valid", "validation", "Val"):
            root = tmp_path / word
            two(root, "train"), two(root, word, 3, 50), two(root, "test", 4, 80)
            data = load_training(config(root))
            assert numbers(data.validation) == [(label, 50 + n) for label in (0, 1) for n in range(3)]
            assert len(data.train) == 24
            assert len(load_test(config(root))) == 8
            assert data.facts.split == f"train, {word} and test as given"

    def test_a_limit_draws_from_the_given_validation_part(self, tmp_path: Path):
        two(tmp_path, "train"), two(tmp_path, "val", 10, 50), two(tmp_path, "test", 4, 80)
        data = load_training(config(tmp_path, validation_images=6))
        assert len(data.validation) == 6
        assert data.validation.pixels[:, 0, 0, 5].min() >= 50

    def test_val_alone_is_the_test_part_and_it_says_so(self, tmp_path: Path):
        two(tmp_path, "train"), two(tmp_path, "val", 3, 50)
        data = load_training(config(tmp_path))
        assert numbers(load_test(config(tmp_path))) == [(label, 50 + n) for label in (0, 1) for n in range(3)]
        assert "held out as the test part" in data.facts.split
        assert any("held out as the test part" in remark for remark in data.facts.remarks)

    @pytest.mark.parametrize("root", ["", "train"])
    def test_classes_alone_are_split_by_a_fixed_seed(self, tmp_path: Path, root: str):
        two(tmp_path, root, 20)
        data, test = load_training(config(tmp_path)), load_test(config(tmp_path))
        assert np.bincount(test.labels).tolist() == [4, 4]
        every = numbers(data.train) + numbers(data.validation) + numbers(test)
        assert sorted(every) == [(label, n) for label in (0, 1) for n in range(20)]
        assert numbers(load_test(config(tmp_path))) == numbers(test)
        assert "20% of each class held out" in data.facts.split
        assert np.bincount(load_test(config(tmp_path, test_share=0.5)).labels).tolist() == [10, 10]

    def test_a_class_is_the_first_folder_whatever_lies_in_it(self, tmp_path: Path):
        two(tmp_path, "test", 3)
        for label, name in enumerate("ab"):
            write(tmp_path / "train" / name / "monday" / "am", label, 6)
            write(tmp_path / "train" / name, label, 6, 20)
        assert len(numbers(open_source(config(tmp_path)).read("train"))) == 24

    def test_an_archives_wrapping_is_none_of_the_classes(self, tmp_path: Path):
        two(tmp_path / "data-1.2" / "images", "train"), two(tmp_path / "data-1.2" / "images", "test")
        assert open_source(config(tmp_path)).classes == ("a", "b")

    def test_parts_inside_the_classes(self, tmp_path: Path):
        for label, name in enumerate("ab"):
            write(tmp_path / name / "train", label, 12)
            write(tmp_path / name / "test", label, 4, 50)
        assert len(load_training(config(tmp_path)).validation) == 2
        assert numbers(load_test(config(tmp_path))) == [(label, 50 + n) for label in (0, 1) for n in range(4)]

    def test_classes_may_be_called_as_parts_are(self, tmp_path: Path):
        for label, name in enumerate(("invalid", "valid")):
            write(tmp_path / name, label, 12)
        assert open_source(config(tmp_path)).classes == ("invalid", "valid")

    def test_contents_decide_and_not_the_files_names(self, tmp_path: Path):
        two(tmp_path, "train"), two(tmp_path, "test")
        (tmp_path / "train/a/000.png").rename(tmp_path / "train/a/000.dat")
        (tmp_path / "train/a/001.png").rename(tmp_path / "train/a/001")
        (tmp_path / "train/a/002.png").rename(tmp_path / "train/a/002.jpg")
        assert len(numbers(open_source(config(tmp_path)).read("train"))) == 24

    def test_nothing_is_left_out_without_a_word(self, tmp_path: Path):
        two(tmp_path, "train"), two(tmp_path, "test")
        for name in ("a/._000.png", "a/Thumbs.db", "a/notes.txt", "README.md", "b/more.xml"):
            (tmp_path / "train" / name).write_bytes(b"words")
        for name in ("train/__MACOSX", "train/a/.ipynb_checkpoints", "masks"):
            write(tmp_path / name, 0, 2)
        picture(0).save(tmp_path / "cover.png")
        facts = open_source(config(tmp_path)).facts
        assert dict(facts.left_out) == {
            "hidden files": 1,
            "system files": 1,
            "files that are no pictures (.txt)": 1,
            "files that are no pictures (.xml)": 1,
            "files outside of the classes' folders": 1,
            "pictures outside of the classes' folders": 1,
            "__MACOSX folders": 1,
            "hidden folders": 1,
            "folders beside train/": 1,
        }
        assert all(reason in facts.remarks[-1] for reason in facts.left_out)

    def test_a_link_that_leads_upwards_is_followed_once(self, tmp_path: Path):
        two(tmp_path, "train"), two(tmp_path, "test")
        (tmp_path / "train/a/again").symlink_to(tmp_path / "train/a", target_is_directory=True)
        assert len(numbers(open_source(config(tmp_path)).read("train"))) == 24

    def test_all_broken_pictures_are_named_at_once(self, tmp_path: Path):
        two(tmp_path, "train"), two(tmp_path, "test")
        broken = [tmp_path / name for name in ("train/a/cut.png", "train/b/empty.png", "test/b/words.jpg")]
        noise = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
        Image.fromarray(noise).save(broken[0])
        broken[0].write_bytes(broken[0].read_bytes()[:-200])
        broken[1].touch()
        broken[2].write_text("not an image\n")
        with pytest.raises(DataError) as caught:
            load_training(config(tmp_path))
        assert all(str(path) in str(caught.value) for path in broken)
        assert "data.broken=skip" in str(caught.value)
        skipping = config(tmp_path, broken="skip", image_side=12)
        data = load_training(skipping)
        assert (len(data.train) + len(data.validation), len(load_test(skipping))) == (24, 24)
        assert data.facts.left_out_text == "broken pictures: 3"

    def test_a_class_of_which_all_is_broken_cannot_be_skipped(self, tmp_path: Path):
        two(tmp_path, "train"), two(tmp_path, "test")
        for path in (tmp_path / "train/b").iterdir():
            path.write_bytes(b"")
        with pytest.raises(DataError, match="all training pictures of b are broken"):
            load_training(config(tmp_path, broken="skip"))

    def test_frames_after_the_first_are_counted(self, tmp_path: Path):
        two(tmp_path, "train"), two(tmp_path, "test")
        picture(0, 7).save(tmp_path / "train/a/m.gif", save_all=True, append_images=[picture(1, 9), picture(1, 8)])
        assert dict(open_source(config(tmp_path)).facts.left_out) == {"pictures' frames after the first": 1}

    def test_a_folder_without_pictures_says_what_is_wanted(self, tmp_path: Path):
        with pytest.raises(DataError, match="holds no picture in folders; wanted train/<class>/"):
            open_source(config(tmp_path))

    def test_an_empty_part_is_a_mistake(self, tmp_path: Path):
        two(tmp_path, "train")
        (tmp_path / "test/a").mkdir(parents=True)
        with pytest.raises(DataError, match="test: holds no picture"):
            open_source(config(tmp_path))


class TestRareClasses:
    def test_a_class_with_one_picture_does_not_stop_a_smoke_run(self, tmp_path: Path):
        two(tmp_path, "train", 40), two(tmp_path, "test", 30)
        write(tmp_path / "train/c", 2, 3), write(tmp_path / "test/c", 2, 1)
        quick = config(tmp_path, train_images=2000, test_images=50)
        assert len(load_training(quick).train) == 77
        test = load_test(quick)
        assert (len(test), np.bincount(test.labels)[2]) == (50, 1)

    def test_its_single_training_picture_is_trained_on(self, tmp_path: Path):
        two(tmp_path, "train", 40), two(tmp_path, "test", 30)
        write(tmp_path / "train/c", 2, 1)
        data = load_training(config(tmp_path, validation_images=20))
        assert (len(data.validation), 2 in data.validation.labels, 2 in data.train.labels) == (20, False, True)


class TestGroups:
    @pytest.fixture
    def labels_and_groups(self) -> tuple[np.ndarray, np.ndarray]:
        """60 writers of 3 to 20 pictures each, mostly of one of three classes."""
        rng = np.random.default_rng(3)
        groups = np.repeat(np.arange(60), rng.integers(3, 21, 60))
        return np.where(rng.random(len(groups)) < 0.8, groups % 3, rng.integers(0, 3, len(groups))), groups

    @pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
    def test_a_group_is_on_one_side_and_each_class_in_its_share(self, labels_and_groups, share: float):
        labels, groups = labels_and_groups
        taken = held_out(labels.tolist(), [f"w{group}" for group in groups], share)
        rest = np.setdiff1d(np.arange(len(labels)), taken)
        assert not set(groups[taken]) & set(groups[rest])
        assert np.bincount(labels[taken]) / np.bincount(labels) == pytest.approx([share] * 3, abs=0.03)

    def test_the_validation_part_splits_no_group_either(self, labels_and_groups):
        labels, groups = labels_and_groups
        images = Images(np.zeros((len(labels), 1, 2, 2), np.uint8), labels, groups)
        train, validation = split(images, DataConfig(validation_images=100))
        assert not set(train.groups) & set(validation.groups)
        assert len(validation) == pytest.approx(100, abs=20)

    def test_one_group_cannot_be_split(self):
        images = Images(np.zeros((30, 1, 2, 2), np.uint8), np.arange(30) % 2, np.zeros(30, np.int64))
        with pytest.raises(DataError, match="in whole groups, of which there are 1"):
            split(images, DataConfig())


def write_table(path: Path, rows: list[dict[str, Any]], delimiter: str = ",") -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


class TestTables:
    @pytest.fixture
    def rows(self, tmp_path: Path) -> list[dict[str, Any]]:
        write(tmp_path / "pictures", 0, 20), write(tmp_path / "others", 1, 20)
        names = (("pictures", "no"), ("others", "yes"))
        return [{"path": f"{folder}/{n:03d}.png", "label": label} for folder, label in names for n in range(20)]

    @pytest.mark.parametrize(("name", "delimiter"), [("t.csv", ","), ("t.csv", ";"), ("t.tsv", "\t")])
    def test_path_and_label_are_enough(self, tmp_path: Path, rows, name: str, delimiter: str):
        source = open_source(config(write_table(tmp_path / name, rows, delimiter)))
        assert source.classes == ("no", "yes")
        assert len(numbers(source.read("train"))) == 32
        assert np.bincount(source.read("test").labels).tolist() == [4, 4]

    def test_its_split_is_kept(self, tmp_path: Path, rows):
        for place, row in enumerate(rows):
            row["split"] = ("train", "train", "val", "test")[place % 4]
        data = load_training(config(write_table(tmp_path / "t.csv", rows)))
        assert (len(data.train), len(data.validation), data.facts.validation) == (20, 10, True)

    def test_its_groups_are_on_one_side_of_every_split(self, tmp_path: Path, rows):
        for place, row in enumerate(rows):
            row["group"] = f"patient {place % 10}"
        table = config(write_table(tmp_path / "t.csv", rows))
        source, data, test = open_source(table), load_training(table), load_test(table)
        patients = [{n % 10 for _, n in numbers(part)} for part in (data.train, data.validation, test)]
        assert sum(map(len, patients)) == len(set.union(*patients)) == 10
        assert "in whole groups" in source.facts.split

    def test_a_group_in_two_given_parts_is_refused(self, tmp_path: Path, rows):
        for place, row in enumerate(rows):
            row |= {"split": "test" if place % 4 == 0 else "train", "group": f"patient {place // 8}"}
        with pytest.raises(DataError, match="5 groups are in more than one part"):
            open_source(config(write_table(tmp_path / "t.csv", rows)))

    def test_numbers_as_labels_are_in_their_order(self, tmp_path: Path):
        write(tmp_path, 0, 22)
        rows = [{"path": f"{n:03d}.png", "label": n % 11} for n in range(22)]
        assert open_source(config(write_table(tmp_path / "t.csv", rows))).classes == tuple(map(str, range(11)))

    def test_files_that_are_not_there_are_all_named(self, tmp_path: Path, rows):
        rows += [{"path": f"gone/{n}.png", "label": "no"} for n in range(2)]
        with pytest.raises(DataError, match=r"gone/0\.png \(No such file.*gone/1\.png"):
            open_source(config(write_table(tmp_path / "t.csv", rows))).read("train")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("file,kind\n", r"no column label \(found: file, kind\)"),
            ("a,b\n", "no column path and no column label"),
            ("path,label,split\nx.png,a,later\n", "line 2: split 'later', wanted train, validation or test"),
            ("path,label\nx.png\n", "line 2: 1 cells, wanted 2"),
            ("path,label\nx.png,a\n", "1 class"),
        ],
    )
    def test_what_is_wrong_is_said_with_its_line(self, tmp_path: Path, text: str, message: str):
        (tmp_path / "t.csv").write_text(text)
        with pytest.raises(DataError, match=message):
            open_source(config(tmp_path / "t.csv"))

    def test_other_labels_are_another_data_set(self, tmp_path: Path, rows):
        before = open_source(config(write_table(tmp_path / "t.csv", rows))).sha256()
        rows[0]["label"] = "yes"
        assert open_source(config(write_table(tmp_path / "t.csv", rows))).sha256() != before

    def test_a_plan_finds_it_from_anywhere_with_all_that_it_lists(self, tmp_path: Path, rows, monkeypatch):
        (tmp_path / "lists").mkdir()
        rows = [{**row, "path": f"../{row['path']}"} for row in rows]
        write_table(tmp_path / "lists/t.csv", rows)
        monkeypatch.chdir(tmp_path)
        (trial,) = plan_trials([make_trial().job], [1], DataConfig(dataset="lists/t.csv"), [], smoke=False)
        assert trial.data.dataset == str(tmp_path / "lists/t.csv")
        mounted = [str(tmp_path / name) for name in ("lists", "others", "pictures")]
        assert folders_read(trial.data.dataset) == mounted


def png(label: int, number: int) -> bytes:
    file = io.BytesIO()
    picture(label, number).save(file, "png")
    return file.getvalue()


def write_parquet(
    path: Path, rows: list[tuple[int, int]], *, names: tuple[str, ...] = (), **columns: list[Any]
) -> None:
    """As the hub has it: a struct of bytes and path, and the features in the schema's metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [{"bytes": png(*row), "path": f"{row[1]}.png"} for row in rows]
    table = pa.table({"image": pictures, "label": [label for label, _ in rows], **columns})
    features: dict[str, Any] = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    about = json.dumps({"info": {"features": features}})
    pq.write_table(table.replace_schema_metadata({"huggingface": about} if names else None), path, row_group_size=7)


ROWS = [(label, number) for number in range(20) for label in (0, 1)]


class TestParquet:
    def test_as_the_hub_has_it(self, tmp_path: Path):
        for shard in range(2):
            name = f"data/train-{shard:05d}-of-00002.parquet"
            write_parquet(tmp_path / name, ROWS[20 * shard : 20 * shard + 20], names=("cat", "dog"))
        write_parquet(tmp_path / "data/test-00000-of-00001.parquet", [(0, 90), (1, 91)], names=("cat", "dog"))
        source = open_source(config(tmp_path))
        assert source.classes == ("cat", "dog")
        assert numbers(source.read("train")) == sorted(ROWS)
        assert numbers(source.read("test")) == [(0, 90), (1, 91)]
        assert source.facts.split == "train and test as given"

    def test_folders_may_name_the_parts_and_one_may_be_for_validation(self, tmp_path: Path):
        for part in ("train", "validation", "test"):
            write_parquet(tmp_path / "default" / part / "0000.parquet", ROWS, names=("cat", "dog"))
        data = load_training(config(tmp_path))
        assert (len(data.train), len(data.validation)) == (40, 40)

    def test_one_file_without_parts_is_split(self, tmp_path: Path):
        write_parquet(tmp_path / "all.parquet", ROWS)
        source = open_source(config(tmp_path / "all.parquet"))
        assert source.classes == ("0", "1")
        assert sorted(numbers(source.read("train")) + numbers(source.read("test"))) == sorted(ROWS)

    def test_columns_for_split_and_group(self, tmp_path: Path):
        parts = ["test" if number >= 15 else "train" for _, number in ROWS]
        write_parquet(tmp_path / "all.parquet", ROWS, split=parts, group=[number // 5 for _, number in ROWS])
        data = load_training(config(tmp_path / "all.parquet", validation_images=10))
        assert {n // 5 for _, n in numbers(data.validation)}.isdisjoint(n // 5 for _, n in numbers(data.train))
        assert {n for _, n in numbers(load_test(config(tmp_path / "all.parquet")))} == set(range(15, 20))

    def test_paths_beside_the_table(self, tmp_path: Path):
        write(tmp_path / "p0", 0, 20), write(tmp_path / "p1", 1, 20)
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        places = [{"bytes": None, "path": f"p{label}/{number:03d}.png"} for label, number in ROWS]
        labels = ["no" if label == 0 else "yes" for label, _ in ROWS]
        pq.write_table(pa.table({"image": pa.array(places, kind), "label": labels}), tmp_path / "x.parquet")
        source = open_source(config(tmp_path / "x.parquet"))
        assert source.classes == ("no", "yes")
        assert len(numbers(source.read("train"))) == 32

    def test_pictures_without_a_label_are_counted(self, tmp_path: Path):
        write_parquet(tmp_path / "train.parquet", ROWS, names=("cat", "dog"))
        pictures = [{"bytes": png(0, 1), "path": "1.png"}] * 3
        pq.write_table(pa.table({"image": pictures, "label": [-1, 0, 1]}), tmp_path / "test.parquet")
        with pytest.raises(DataError, match="different classes"):
            open_source(config(tmp_path))
        write_parquet(tmp_path / "test.parquet", [(0, 5), (1, 6)], names=("cat", "dog"))
        table = pq.read_table(tmp_path / "test.parquet")
        table = table.set_column(1, "label", pa.array([-1, 1])).replace_schema_metadata(table.schema.metadata)
        pq.write_table(table, tmp_path / "test.parquet")
        assert dict(open_source(config(tmp_path)).facts.left_out) == {"pictures without a label": 1}

    def test_a_file_that_is_not_whole_is_named(self, tmp_path: Path):
        write_parquet(tmp_path / "all.parquet", ROWS)
        (tmp_path / "all.parquet").write_bytes((tmp_path / "all.parquet").read_bytes()[:-30])
        with pytest.raises(DataError, match=r"all\.parquet: not Parquet"):
            open_source(config(tmp_path / "all.parquet"))

    def test_broken_rows_are_named(self, tmp_path: Path):
        write_parquet(tmp_path / "all.parquet", ROWS)
        table = pq.read_table(tmp_path / "all.parquet")
        cells = table["image"].to_pylist()
        cells[9]["bytes"] = b"no picture"
        pq.write_table(table.set_column(0, "image", pa.array(cells)), tmp_path / "all.parquet", row_group_size=4)
        with pytest.raises(DataError, match=r"all\.parquet row 9 \(not a picture"):
            open_source(config(tmp_path / "all.parquet")).read("train")

    def test_columns_that_are_not_there(self, tmp_path: Path):
        pq.write_table(pa.table({"text": ["a"], "label": [1]}), tmp_path / "x.parquet")
        with pytest.raises(DataError, match=r"no column of pictures \(found: text, label\); wanted image"):
            open_source(config(tmp_path / "x.parquet"))


def _eurosat(root: Path) -> None:
    two(root, "eurosat/2750")


def _flowers(root: Path) -> None:
    folder = root / "flowers-102"
    for number in range(1, 25):
        (folder / "jpg").mkdir(parents=True, exist_ok=True)
        picture(number % 2, number).save(folder / f"jpg/image_{number:05d}.jpg", "png")
    savemat(folder / "imagelabels.mat", {"labels": np.arange(1, 25) % 2 + 1})
    ids = {"trnid": np.arange(1, 13), "valid": np.arange(13, 19), "tstid": np.arange(19, 25)}
    savemat(folder / "setid.mat", ids)


def _food(root: Path) -> None:
    two(root, "food-101/images", 12)
    for path in list((root / "food-101/images").rglob("*.png")):
        path.rename(path.with_suffix(".jpg"))
    (root / "food-101/meta").mkdir()
    for part, span in (("train", range(8)), ("test", range(8, 12))):
        lists = {name: [f"{name}/{n:03d}" for n in span] for name in "ab"}
        (root / f"food-101/meta/{part}.json").write_text(json.dumps(lists))


def _gtsrb(root: Path) -> None:
    for label in (0, 1):
        write(root / f"gtsrb/GTSRB/Training/0000{label}", label, 30)
        folder = root / f"gtsrb/GTSRB/Training/0000{label}"
        for path in list(folder.iterdir()):
            track = int(path.stem) // 3
            path.rename(folder / f"{track:05d}_{path.stem:0>5}.ppm")
        write(root / "gtsrb/GTSRB/Final_Test/Images", label, 2, 50 + 2 * label, ".ppm")
    rows = [f"{n:03d}.ppm;x;{(n - 50) // 2}" for n in range(50, 54)]
    (root / "gtsrb/GT-final_test.csv").write_text("\n".join(["Filename;Width;ClassId", *rows]))


def _pets(root: Path) -> None:
    folder = root / "oxford-iiit-pet"
    (folder / "images").mkdir(parents=True), (folder / "annotations").mkdir()
    for part, span in (("trainval", range(1, 13)), ("test", range(13, 17))):
        lines = []
        for number in span:
            name = f"{('great_dane', 'pug')[number % 2]}_{number}"
            picture(number % 2, number).save(folder / f"images/{name}.jpg", "png")
            lines.append(f"{name} {number % 2 + 1} 1 1")
        (folder / f"annotations/{part}.txt").write_text("\n".join(lines))


def _caltech(root: Path) -> None:
    two(root, "caltech101/101_ObjectCategories")
    write(root / "caltech101/101_ObjectCategories/BACKGROUND_Google", 5, 3)


def _textures(root: Path) -> None:
    for label, name in enumerate("ab"):
        write(root / "dtd/dtd/images" / name, label, 12)
    (root / "dtd/dtd/labels").mkdir()
    for part, span in (("train", range(8)), ("val", range(8, 10)), ("test", range(10, 12))):
        text = "\n".join(f"{name}/{n:03d}.png" for name in "ab" for n in span)
        (root / f"dtd/dtd/labels/{part}1.txt").write_text(text)


def _aircraft(root: Path) -> None:
    data = root / "fgvc-aircraft-2013b/data"
    write(data / "images", 0, 12), write(data / "images", 1, 12, 50)
    for path in list((data / "images").iterdir()):
        path.rename(path.with_suffix(".jpg"))
    (data / "variants.txt").write_text("A 320\nB 747\n")
    for part, span in (("train", range(8)), ("val", range(8, 10)), ("test", range(10, 12))):
        lines = [f"{n + 50 * label:03d} {('A 320', 'B 747')[label]}" for label in (0, 1) for n in span]
        (data / f"images_variant_{part}.txt").write_text("\n".join(lines))


def _cifar100(root: Path) -> None:
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    pixels = np.zeros((24, 3, 32, 32), np.uint8)
    pixels[:, :, :, 0] = (np.arange(24) % 2)[:, None, None]
    for part in ("train", "test"):
        batch = {b"data": pixels.reshape(24, -1), b"fine_labels": [n % 2 for n in range(24)]}
        (folder / part).write_bytes(pickle.dumps(batch, protocol=2))
    (folder / "meta").write_bytes(pickle.dumps({b"fine_label_names": [b"apple", b"bear"]}, protocol=2))


def _svhn(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((32, 32, 3, 24), np.uint8)
    labels = np.arange(24) % 10 + 1
    pixels[:, 0] = labels % 10
    for part in ("train", "test"):
        savemat(root / f"{part}_32x32.mat", {"X": pixels, "y": labels[:, None].astype(np.uint8)})


def _stl10(root: Path) -> None:
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    labels = np.arange(24, dtype=np.uint8) % 2
    pixels = np.zeros((24, 3, 96, 96), np.uint8)
    pixels[:, :, 0, :] = labels[:, None, None]  # the first column, stored as a row
    for part in ("train", "test"):
        (folder / f"{part}_X.bin").write_bytes(pixels.tobytes())
        (folder / f"{part}_y.bin").write_bytes((labels + 1).tobytes())
    (folder / "class_names.txt").write_text("bird\ncat\n")


def _mnist(root: Path) -> None:
    images = np.zeros((40, 6, 6), np.uint8)
    images[:, :, 0] = (np.arange(40) % 10)[:, None]
    for part in ("train", "t10k"):
        write_idx(root / "MNIST/raw", images, np.arange(40) % 10, part)


SETS: dict[str, tuple[Callable[[Path], None], tuple[int, int, int]]] = {
    "EuroSAT": (_eurosat, (18, 2, 4)),
    "Flowers102": (_flowers, (12, 6, 6)),
    "Food101": (_food, (14, 2, 8)),
    "GTSRB": (_gtsrb, (54, 6, 4)),
    "OxfordIIITPet": (_pets, (10, 2, 4)),
    "Caltech101": (_caltech, (18, 2, 4)),
    "DTD": (_textures, (16, 4, 4)),
    "FGVCAircraft": (_aircraft, (16, 4, 4)),
    "CIFAR100": (_cifar100, (22, 2, 24)),
    "SVHN": (_svhn, (14, 10, 24)),
    "STL10": (_stl10, (22, 2, 24)),
    "MNIST": (_mnist, (30, 10, 40)),
}


class TestTorchvision:
    @pytest.mark.parametrize("name", SETS)
    def test_what_it_has_downloaded_is_read(self, tmp_path: Path, name: str):
        make, counts = SETS[name]
        make(tmp_path / "cache/data")
        here = DataConfig(dataset=f"torchvision:{name}")
        data, test = load_training(here), load_test(here)
        for images in (data.train, data.validation, test):
            assert images.pixels[:, 0, 0, 0].tolist() == images.labels.tolist()
        found = (len(data.train), len(data.validation), len(test))
        assert found == counts

    def test_the_frames_of_a_track_stay_together(self, tmp_path: Path):
        _gtsrb(tmp_path / "cache/data")
        data = load_training(DataConfig(dataset="torchvision:GTSRB"))
        tracks = [{(label, n // 3) for label, n in numbers(images)} for images in (data.train, data.validation)]
        assert not tracks[0] & tracks[1]

    def test_another_root_folder(self, tmp_path: Path, monkeypatch):
        _eurosat(tmp_path / "elsewhere")
        monkeypatch.chdir(tmp_path)
        (trial,) = plan_trials(
            [make_trial().job], [1], DataConfig(dataset="torchvision:EuroSAT@elsewhere"), [], smoke=False
        )
        assert trial.data.dataset == f"torchvision:EuroSAT@{tmp_path / 'elsewhere'}"
        assert folders_read(trial.data.dataset) == [str(tmp_path / "elsewhere")]
        assert open_source(trial.data).classes == ("a", "b")

    def test_what_is_not_there_names_the_command(self):
        with pytest.raises(DataError, match="lab2 prepare torchvision:EuroSAT"):
            open_source(DataConfig(dataset="torchvision:eurosat"))
        with pytest.raises(DataError, match="did you mean torchvision:EuroSAT"):
            open_source(DataConfig(dataset="torchvision:EuroSat2"))

    def test_what_lies_otherwise_is_a_sentence(self, tmp_path: Path):
        _flowers(tmp_path / "cache/data")
        (tmp_path / "cache/data/flowers-102/setid.mat").write_bytes(b"no matrices")
        with pytest.raises(DataError, match="flowers-102"):
            open_source(DataConfig(dataset="torchvision:Flowers102"))

    def test_a_pickle_that_would_run_code_is_refused(self, tmp_path: Path):
        _cifar100(tmp_path / "cache/data")
        (tmp_path / "cache/data/cifar-100-python/train").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
        with pytest.raises(DataError, match=r"wants os\.system"):
            load_training(DataConfig(dataset="torchvision:CIFAR100"))


class TestRuns:
    """What a run on such data says and records."""

    @pytest.fixture
    def job(self, tmp_path: Path) -> str:
        """A folder with a job that trains in no time."""
        (tmp_path / "jobs").mkdir()
        (tmp_path / "jobs/tiny.py").write_text(
            '"""Does it run?"""\n'
            "from lab2.models.cnn import CNNConfig\n"
            "from lab2.spec.job import JobSpec, TrainConfig\n"
            'JOB = JobSpec(name="tiny", model=CNNConfig(filters=(4, 4), hidden=8),\n'
            "    train=TrainConfig(epochs=1, batch_size=10))\n"
        )
        return f"{tmp_path / 'jobs'}/"

    def test_the_caption_and_the_shard_say_how_it_was_split_and_what_was_left_out(
        self, tmp_path, job, run_cli, runs, monkeypatch
    ):
        for name, value in ALLOCATION.items():
            monkeypatch.setenv(name, value)  # else it would start this very process again
        two(tmp_path / "data", "", 30)
        (tmp_path / "data/a/broken.png").write_bytes(b"")
        words = ("train", "tiny", "--jobs", job, "--dataset", str(tmp_path / "data"))
        code, _, said = run_cli(*words)
        assert (code, "data.broken=skip" in said) == (2, True)
        code, out, said = run_cli(*words, "--set", "data.broken=skip")
        assert code == 0, said
        assert "no test part: 20% of each class held out as the test part" in said
        assert "broken pictures: 1" in said
        for text in (out, (open_run(runs, "latest").report / "table.md").read_text()):
            plain = text.replace("\\", "")
            assert "split: 20% of each class held out as the test part, by a fixed seed (20260101)" in plain
            assert "left out: broken pictures: 1" in plain
        shard = read_shard(open_run(runs, "latest").shard("tiny-seed1"))
        assert (shard.split[:27], shard.left_out) == ("20% of each class held out ", "broken pictures: 1")

    def test_prepare_without_a_network_is_a_sentence(self, run_cli, monkeypatch, tmp_path: Path):
        _eurosat(tmp_path / "cache/data")
        code, out, _ = run_cli("prepare", "torchvision:EuroSAT")
        assert (code, "torchvision:EuroSAT: " in out) == (0, True)  # what is there is left alone
        code, out, _ = run_cli("prepare")
        assert "torchvision:GTSRB" in out
