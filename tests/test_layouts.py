"""Layouts: which pictures there are, of what class and in which part, and what was left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lab2.data.datasets import load_test, load_training
from lab2.data.places import open_source
from lab2.data.source import Images
from lab2.data.split import held_out, split
from lab2.errors import DataError
from lab2.launch.environment import ALLOCATION
from lab2.results.run_dir import open_run
from lab2.results.shard import read_shard
from lab2.spec.job import DataConfig


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

    def test_a_link_to_the_whole_does_not_mix_classes(self, tmp_path: Path):
        two(tmp_path, "train"), two(tmp_path, "test")
        (tmp_path / "train/a/all").symlink_to("..", target_is_directory=True)
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
