"""Folds: each training image validates once, each class in its share, no group on both sides, the test images alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.model_selection import StratifiedKFold

from lab2.cli.inspecting import inspected
from lab2.data.datasets import load_test, load_training
from lab2.data.folds import ALWAYS_TRAINED, fold_numbers
from lab2.errors import ConfigError, DataError
from lab2.launch.planning import data_config
from lab2.spec.job import DataConfig, JobSpec, Trial
from lab2.trial import run_trial
from tests.conftest import TINY, make_run, make_trial


def rows(images) -> set[bytes]:
    return {row.tobytes() for row in np.asarray(images.pixels)}


def in_folds(folder: Path, folds: int = 4, **more: object) -> list[DataConfig]:
    return [DataConfig(dataset=str(folder), folds=folds, fold=fold, **more) for fold in range(folds)]


class TestOnPictures:
    def test_each_training_picture_validates_once_and_trains_otherwise(self, image_folder):
        parts = [load_training(config) for config in in_folds(image_folder)]
        validation = [rows(part.validation) for part in parts]
        assert [len(one.validation) for one in parts] == [20, 20, 20, 20]
        assert len(set.union(*validation)) == 80  # of 40 in each class
        assert all(
            rows(part.train) == set.union(*validation) - own for part, own in zip(parts, validation, strict=True)
        )
        assert all(np.bincount(part.validation.labels).tolist() == [10, 10] for part in parts)

    def test_the_test_pictures_are_the_same_in_all_folds(self, image_folder):
        whole = rows(load_test(DataConfig(dataset=str(image_folder))))
        assert all(rows(load_test(config)) == whole for config in in_folds(image_folder))

    def test_another_draw_deals_anew(self, image_folder):
        first, second = (
            load_training(DataConfig(dataset=str(image_folder), fold=0, fold_draw=draw)).validation for draw in (0, 1)
        )
        assert rows(first) != rows(second)

    def test_limits_hold_within_a_fold(self, image_folder):
        data = load_training(in_folds(image_folder, train_images=30, validation_images=10)[1])
        assert (len(data.train), len(data.validation)) == (30, 10)

    def test_the_shard_will_say_which_fold_validates(self, image_folder):
        assert load_training(in_folds(image_folder)[3]).facts.split.endswith("; fold 3 of 4 validates")
        assert "fold" not in load_training(DataConfig(dataset=str(image_folder), validation_images=10)).facts.split

    def test_a_validation_part_of_its_own_leaves_nothing_to_fold(self, image_folder):
        for label in ("left", "right"):
            (image_folder / "val" / label).mkdir(parents=True)
            Image.new("L", (12, 12)).save(image_folder / "val" / label / "a.png")
        with pytest.raises(DataError, match=r"data\.fold=0, but the data have a validation part of their own"):
            load_training(in_folds(image_folder)[0])

    def test_too_many_folds_are_refused(self, image_folder):
        with pytest.raises(DataError, match=r"80 training images, of which 80 may validate.*data\.folds=100"):
            load_training(DataConfig(dataset=str(image_folder), folds=100, fold=0))

    @pytest.mark.slow
    def test_a_trial_of_a_fold_says_so_in_its_shard(self, image_folder, runs):
        trial = replace(make_trial(batch_size=20), data=in_folds(image_folder)[2])
        shard = run_trial(trial, make_run(runs, trial), device="cpu")
        assert (shard.status, shard.train_images, shard.test_images) == ("ok", 60, 20)
        assert shard.split.endswith("fold 2 of 4 validates")

    def test_the_data_of_all_folds_are_inspected_once(self, image_folder):
        trials = [replace(make_trial(), data=config) for config in in_folds(image_folder)]
        ((findings, _),) = inspected(trials)
        assert findings.counts == {"train": (40, 40), "test": (10, 10)}


class TestNumbers:
    @given(st.lists(st.integers(0, 4), min_size=20, max_size=80), st.integers(2, 7), st.integers(0, 3))
    def test_folds_and_classes_are_as_even_as_can_be(self, labels, folds, draw):
        found = fold_numbers(np.array(labels), None, folds, draw)
        sizes = np.bincount(found[found >= 0], minlength=folds)
        assert sizes.max() - sizes.min() <= 1
        for label in set(labels):
            own = found[np.array(labels) == label]
            if len(own) == 1:
                assert own[0] == ALWAYS_TRAINED
                continue
            counts = np.bincount(own, minlength=folds)
            assert counts.max() - counts.min() <= 1
            assert counts.max() < len(own)  # some of it is trained on in each fold

    def test_classes_have_as_many_in_each_fold_as_sklearn_gives_them(self):
        labels = np.repeat([0, 1, 2], [50, 30, 20])
        ours = fold_numbers(labels, None, 5)
        for fold, (_, theirs) in enumerate(StratifiedKFold(5).split(labels, labels)):
            assert np.bincount(labels[ours == fold]).tolist() == np.bincount(labels[theirs]).tolist() == [10, 6, 4]

    @given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), min_size=5, max_size=80), st.integers(2, 5))
    def test_no_group_is_on_both_sides_and_no_class_is_gone(self, pairs, folds):
        labels, groups = (np.array(column) for column in zip(*pairs, strict=True))
        found = fold_numbers(labels, groups, folds)
        assert all(len(set(found[groups == group])) == 1 for group in set(groups))
        for fold in range(folds):
            assert set(labels[found != fold]) == set(labels)

    def test_equal_groups_fill_the_folds_evenly(self):
        """Twelve patients of one class and twelve of another, five pictures each."""
        groups = np.repeat(np.arange(24), 5)
        labels = (groups >= 12).astype(int)
        found = fold_numbers(labels, groups, 4)
        assert [np.bincount(labels[found == fold]).tolist() for fold in range(4)] == [[15, 15]] * 4

    def test_a_class_in_one_group_is_always_trained_on(self):
        labels, groups = np.array([0, 0, 0, 0, 1, 1]), np.array([1, 2, 3, 4, 9, 9])
        assert fold_numbers(labels, groups, 2)[4:].tolist() == [ALWAYS_TRAINED] * 2

    def test_they_do_not_change(self):
        """As they were first computed: another numpy, or another machine, must not deal otherwise."""
        assert fold_numbers(np.repeat([0, 1], 6), None, 3).tolist() == FIRST
        assert fold_numbers(np.repeat([0, 1], 6), np.arange(12) // 2, 3).tolist() == FIRST_BY_GROUPS


FIRST = [1, 1, 0, 0, 2, 2, 2, 0, 0, 1, 2, 1]
FIRST_BY_GROUPS = [2, 2, 1, 1, 0, 0, 1, 1, 2, 2, 0, 0]


class TestConfig:
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"folds": 1}, r"data\.folds=1: wanted 2 or more"),
            ({"fold": 5}, r"data\.fold=5 is not in \[0, 5\)"),
            ({"fold": -1}, r"data\.fold=-1 is not in"),
            ({"fold_draw": -1}, r"data\.fold_draw=-1 is negative"),
        ],
    )
    def test_impossible_folds_are_refused(self, fields, message):
        with pytest.raises(ConfigError, match=message):
            DataConfig(**fields)

    def test_set_takes_them(self, image_folder):
        data = data_config(str(image_folder), ["data.folds=10", "data.fold=9"])
        assert (data.fold, data.folds) == (9, 10)

    def test_a_fold_is_another_trial_and_none_is_the_trial_that_it_was(self):
        trial = Trial(job=JobSpec(name="cnn", model=TINY["cnn"]), data=DataConfig(), seed=1)
        others = [
            replace(trial, data=DataConfig(**more)) for more in ({"fold": 0}, {"fold": 1}, {"fold": 0, "folds": 4})
        ]
        others.append(replace(trial, data=DataConfig(fold=0, fold_draw=1)))
        assert len({one.digest for one in (trial, *others)}) == 5
        assert {one.data.unfolded for one in others} == {trial.data}
