"""A study is fixed before it starts: written, hashed, and all its trials follow from it."""

from __future__ import annotations

import hashlib
import json
import math
import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from lab2.errors import ConfigError
from lab2.models.alexnet import AlexNetConfig
from lab2.models.cnn import CNNConfig
from lab2.models.nearest_neighbour import NearestNeighbourConfig
from lab2.models.vit import ViTConfig
from lab2.spec.effort import Effort
from lab2.spec.job import DataConfig, JobSpec, Resources, TrainConfig
from lab2.spec.plan import Plan, dump_plan, load_plan
from lab2.spec.space import Choice, Dimension, Range, default_space
from lab2.tune.halving import Rung, best, members
from lab2.tune.settings import settings_of
from lab2.tune.study import (
    Study,
    Validation,
    default_validation,
    make_study,
    mean_score,
    read_study,
    write_study,
)

SPACE: dict[str, Dimension] = {"train.learning_rate": Range(1e-4, 1e-2, log=True), "train.batch_size": Choice(32, 64)}
CNN = JobSpec(name="cnn", model=CNNConfig(), train=TrainConfig(epochs=2.0), space=SPACE)
VIT = JobSpec(name="vit", model=ViTConfig())


def study(*jobs: JobSpec, **more: Any) -> Study:
    return make_study(
        jobs or (CNN, VIT), **{"data": DataConfig(), "trials": 12, "seed": 7, "final_seeds": (1, 2), **more}
    )


class TestTrials:
    def test_setting_0_is_the_recipe_as_it_stands(self):
        (trial,) = study().search_trials("cnn", 0)
        assert trial.job == replace(CNN, name="cnn_t00", space={})
        assert (trial.name, trial.data, trial.search) == ("cnn_t00-seed7", DataConfig(), "cnn")

    def test_the_others_have_the_values_of_their_setting(self):
        found = study()
        for i in range(1, 12):
            (trial,) = found.search_trials("cnn", i)
            values = settings_of(SPACE, 7, "cnn", i)
            recipe = TrainConfig(
                epochs=2.0, learning_rate=values["train.learning_rate"], batch_size=values["train.batch_size"]
            )
            assert trial.job == JobSpec(name=f"cnn_t{i:02d}", model=CNNConfig(), train=recipe)

    def test_a_job_that_states_no_space_has_the_default_one(self):
        assert study().candidate("vit").space == default_space(VIT)

    def test_more_trials_begin_with_the_same_ones(self):
        few, many = study(), study(trials=90)
        assert [few.settings("vit", i) for i in range(12)] == [many.settings("vit", i) for i in range(12)]

    def test_folds_judge_a_setting_by_as_many_trainings(self):
        found = study(validation=Validation(folds=3, repeats=2)).search_trials("cnn", 5)
        assert [(t.name, t.data.fold, t.data.folds, t.data.fold_draw) for t in found] == [
            (f"cnn_t05_f{n}-seed7", n % 3, 3, n // 3) for n in range(6)
        ]
        assert len({replace(t.job, name="a") for t in found}) == 1

    def test_they_are_a_plan(self):
        found = study(validation=Validation(folds=3))
        trials = [t for job in ("cnn", "vit") for i in range(12) for t in found.search_trials(job, i)]
        plan = Plan(run_id="a", created_at="b", smoke=False, trials=tuple(trials))
        assert load_plan(dump_plan(plan)) == plan
        assert len({t.digest for t in trials}) == len(trials) == 2 * 12 * 3

    def test_the_chosen_one_is_trained_anew_under_the_jobs_name_on_all_of_the_data(self):
        found = study(validation=Validation(folds=3)).final_trials("cnn", 5)
        assert [t.name for t in found] == ["cnn-seed1", "cnn-seed2"]
        assert all(t.data == DataConfig() for t in found)
        assert found[0].job.train == study().setting_job("cnn", 5).train
        assert [t.search for t in found] == ["", ""]
        assert found[0].job.effort == study(validation=Validation(folds=3)).effort("cnn")

    def test_the_budget_is_that_of_each_training(self):
        found = study(budget="60s")
        every = [*found.search_trials("cnn", 0), *found.search_trials("vit", 3), *found.final_trials("vit", 3)]
        assert {t.job.train.budget for t in every} == {"60s"}

    @pytest.mark.parametrize(
        ("job", "budget", "lengths"),
        [
            (CNN, "90s", [("10s", None, 2.0), ("30s", None, 2.0), ("90s", None, 2.0)]),
            (CNN, "1000-images", [("111-images", None, 2.0), ("333-images", None, 2.0), ("1000-images", None, 2.0)]),
            (CNN, "", [(None, None, 2 / 9), (None, None, 2 / 3), (None, None, 2.0)]),
            (replace(CNN, train=TrainConfig(images=900)), "", [(None, n, 3.0) for n in (100, 300, 900)]),
        ],
    )
    def test_a_rung_has_its_share_of_the_length(self, job, budget, lengths):
        found = study(job, mode="halving", budget=budget)
        trials = [t for rung in range(3) for t in found.search_trials("cnn", 1, rung)]
        assert [t.name for t in trials] == ["cnn_t01-seed7", "cnn_t01_r1-seed7", "cnn_t01_r2-seed7"]
        assert [(t.job.train.budget, t.job.train.images, pytest.approx(t.job.train.epochs)) for t in trials] == lengths


class TestRefused:
    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ({"trials": 1}, "trials=1; the first is the job's own recipe"),
            ({"seed": -1}, "seed=-1 is not in"),
            ({"final_seeds": ()}, "no final seed"),
            ({"final_seeds": (1, 1)}, "wanted each once, none of them"),
            ({"final_seeds": (1, 7)}, "none of them 7"),
            ({"mode": "grid"}, "mode='grid', wanted random, halving"),
            ({"mode": "halving", "eta": 1}, "eta=1"),
            ({"budget": "soon"}, "budget 'soon': wanted time"),
            ({"data": DataConfig(fold=0)}, r"leave data\.fold out"),
        ],
    )
    def test_an_impossible_study(self, more, message):
        with pytest.raises(ConfigError, match=message):
            study(**more)

    def test_a_length_in_the_space_under_a_budget(self):
        searched = replace(CNN, space={"train.epochs": Range(1.0, 2.0)})
        with pytest.raises(ConfigError, match=r"cnn: train\.epochs of its space would do nothing: the budget is"):
            study(searched, budget="60s")

    def test_halving_of_what_trains_a_head_for_whole_epochs(self):
        fine_tuned = JobSpec(name="alexnet", model=AlexNetConfig(weights="imagenet"))
        with pytest.raises(ConfigError, match=r"alexnet: halving shortens a training, .*; give --budget"):
            study(fine_tuned, mode="halving")
        study(fine_tuned, mode="halving", budget="60s")
        study(replace(fine_tuned, model=AlexNetConfig(weights="random")), mode="halving")

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (("cnn", "cnn"), "cnn more than once"),
            (("cnn", "cnn_t03"), "cnn_t03 is a trial of cnn; rename the job"),
            (("c" * 62, "vit"), "job name 'c"),
        ],
    )
    def test_names_that_would_be_taken_twice(self, names, message):
        with pytest.raises(ConfigError, match=message):
            study(*(replace(job, name=name) for job, name in zip((CNN, VIT), names, strict=True)))

    def test_a_name_that_only_looks_like_a_trials(self):
        study(CNN, replace(VIT, name="cnn_t3"))

    def test_values_that_do_not_go_together_are_found_before_anything_starts(self):
        space: dict[str, Dimension] = {"model.dim": Choice(20, 22), "model.num_heads": Choice(1, 2, 10)}
        with pytest.raises(ConfigError, match=r"vit with model\.dim=22 model\.num_heads=10: .*not divisible"):
            study(replace(VIT, space=space), trials=40)

    def test_what_has_no_recipe(self):
        with pytest.raises(ConfigError, match="nobody has no recipe to search; leave it out"):
            study(JobSpec(name="nobody", model=NearestNeighbourConfig()))

    def test_no_job(self):
        with pytest.raises(ConfigError, match="no job"):
            make_study([], data=DataConfig(), trials=2, seed=1, final_seeds=(2,))

    def test_repeats_need_folds(self):
        with pytest.raises(ConfigError, match="would train the same again"):
            Validation(repeats=2)


class TestHash:
    def test_all_that_decides_is_in_it(self):
        plain = study()
        others = [
            study(CNN),
            study(replace(CNN, space={}), VIT),
            study(replace(CNN, train=TrainConfig(epochs=3.0)), VIT),
            study(trials=13),
            study(seed=8),
            study(mode="halving"),
            study(eta=2),
            study(budget="60s"),
            study(validation=Validation(folds=3)),
            study(final_seeds=(1, 3)),
            study(data=DataConfig(dataset="kmnist")),
        ]
        assert len({one.sha256 for one in (plain, *others)}) == 12

    def test_what_changes_no_result_is_not(self):
        other = replace(CNN, resources=Resources(cpus=1), effort=Effort(settings=5))
        assert study(other, VIT, questions={"cnn": "Which?"}).sha256 == study().sha256

    def test_it_is_the_sha256_of_the_sorted_json_in_the_file(self, tmp_path: Path):
        write_study(tmp_path / "study.json", study())
        content = json.loads((tmp_path / "study.json").read_text())
        for one in content["study"]["jobs"]:
            del one["question"]
            for name in ("resources", "recipes", "space", "effort", "weights_missing"):
                del one["job"][name]
            for name in [*TrainConfig.ADDED]:
                del one["job"]["train"][name]
        for name in DataConfig.ADDED:
            del content["study"]["data"][name]
        text = json.dumps(content["study"], sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == content["sha256"] == study().sha256


class TestFile:
    def test_comes_back_as_it_was(self, tmp_path: Path):
        written = study(replace(CNN, effort=Effort(settings=5)), VIT, mode="halving", budget="60s")
        write_study(tmp_path / "study.json", written)
        assert read_study(tmp_path / "study.json") == written

    @pytest.mark.parametrize(
        ("harm", "message"),
        [
            (lambda text: text.replace('"trials": 12', '"trials": 16'), "it was altered, or another version"),
            (lambda text: text.replace('"trials": 12', '"trials": "many"'), "trials: found 'many'"),
            (lambda text: text.replace('"schema": 1', '"schema": 9'), "update lab2"),
            (lambda text: text[:-20], "not a study"),
            (lambda _: "[]", "not a study"),
            (lambda _: "{}", "another program wrote it"),
        ],
    )
    def test_an_altered_one_is_refused(self, tmp_path: Path, harm, message):
        path = tmp_path / "study.json"
        write_study(path, study())
        path.write_text(harm(path.read_text()))
        with pytest.raises(ConfigError, match=message) as caught:
            read_study(path)
        assert str(path) in str(caught.value)

    def test_none_is_refused(self, tmp_path: Path):
        with pytest.raises(ConfigError, match="wanted a study of lab2"):
            read_study(tmp_path / "study.json")


class TestValidation:
    def test_few_images_are_folded(self):
        assert default_validation(1999, has_own=False) == Validation(folds=5)
        assert default_validation(2000, has_own=False) == Validation()
        assert default_validation(1999, has_own=True) == Validation()

    def test_the_standard_errors_that_it_names(self):
        assert math.sqrt(0.9 * 0.1 / 125) == pytest.approx(0.027, abs=5e-4)
        assert math.sqrt(0.9 * 0.1 / 1500) == pytest.approx(0.008, abs=5e-4)

    def test_the_score_of_a_setting_is_the_mean_and_a_failed_training_is_a_failed_setting(self):
        assert mean_score([0.8, 0.9]) == pytest.approx(0.85)
        assert mean_score([0.8, None]) is None
        assert mean_score([]) is None


class TestEffort:
    def test_says_how_the_recipe_was_found(self):
        found = study(replace(CNN, effort=Effort(settings=33)), VIT, validation=Validation(folds=5))
        effort = found.effort("cnn")
        assert (effort.settings, effort.study) == (12, found.sha256)
        assert effort.data == "mnist, the training images in 5 folds"
        assert "random search by a Sobol sequence, seed 7" in effort.rule
        assert "found with 33 settings" in effort.rule
        assert "found with" not in found.effort("vit").rule


def test_a_search_that_is_stopped_anywhere_finds_the_same():
    """Results come in any order, one by one; what runs next, and what wins, follows from those alone."""
    found = study(mode="halving", trials=9)
    assert found.rungs == (
        Rung(settings=9, share=Fraction(1, 9)),
        Rung(settings=3, share=Fraction(1, 3)),
        found.rungs[2],
    )
    outcomes = set()
    for order in range(20):
        generator = random.Random(order)
        results: list[dict[int, float | None]] = [{}, {}, {}]
        for rung in range(3):
            running = members(found.rungs, results, rung)
            for i in generator.sample(running, len(running)):
                assert rung == 2 or members(found.rungs, results, rung + 1) is None
                results[rung][i] = None if i == 4 else ((i * 5) % 9 + rung) / 12  # 7 is best, then 5
        outcomes.add((tuple(sorted(results[1])), best(results[2])))
    assert outcomes == {((3, 5, 7), 7)}
