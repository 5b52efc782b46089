"""A search space: written beside the recipe, refused where it is impossible, and without effect on what is computed."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab2.errors import ConfigError
from lab2.models.alexnet import AlexNetConfig
from lab2.models.cnn import CNNConfig
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.models.network import NetworkConfig
from lab2.models.vit import ViTConfig
from lab2.spec.catalogue import default_folder, named_folder, read_catalogue
from lab2.spec.effort import Effort
from lab2.spec.job import DataConfig, JobSpec, TrainConfig, Trial
from lab2.spec.plan import Plan, dump_plan, load_plan
from lab2.spec.space import Choice, Dimension, Range, apply_settings, default_space, space_of

STATED: dict[str, Dimension] = {
    "train.learning_rate": Range(1e-4, 1e-2, log=True),
    "train.batch_size": Range(16, 128, log=True),
    "train.rotation": Range(0, 30),
    "train.optimizer": Choice("adamw", "sgd"),
    "model.batch_norm": Choice(False, True),
    "model.filters": Choice((32, 64), (4, 8)),
    "train.target_accuracy": Choice(None, 0.5),
}


def cnn(**more: Any) -> JobSpec:
    return JobSpec(**{"name": "cnn", "model": CNNConfig(), **more})


def evenly(dimension: Dimension, count: int = 10_000) -> list[Any]:
    """The values at the middles of `count` equal parts."""
    return [dimension.at((i + 0.5) / count) for i in range(count)]


class TestValues:
    def test_a_range_is_even_on_its_scale(self):
        assert [Range(0.0, 0.5).at(share) for share in (0, 0.5, 0.9)] == [0.0, 0.25, 0.45]
        assert [Range(1e-4, 1e-2, log=True).at(share) for share in (0, 0.25, 0.5)] == [1e-4, 3.162e-4, 1e-3]

    def test_a_number_has_four_significant_digits_and_stays_within_the_ends(self):
        assert Range(0.0, 1.0).at(1 / 3) == 0.3333
        assert Range(0.123446, 0.2).at(0) == 0.123446
        assert Range(0.1, 0.123456).at(0.9999999) == 0.123456

    def test_whole_numbers_are_equally_likely_both_ends_included(self):
        assert Counter(evenly(Range(3, 6))) == {3: 2500, 4: 2500, 5: 2500, 6: 2500}

    def test_whole_numbers_on_a_log_scale_have_the_length_to_the_next_one(self):
        # of the length log(8 / 1): 1 has log(2), 2 and 3 together log(4 / 2), 4 to 7 log(8 / 4): a third each
        found = Counter(evenly(Range(1, 7, log=True)))
        assert found[1] == pytest.approx(10_000 / 3, abs=1)
        assert found[2] == pytest.approx(10_000 * math.log(3 / 2) / math.log(8), abs=1)
        assert found[7] == pytest.approx(10_000 * math.log(8 / 7) / math.log(8), abs=1)
        assert set(found) == set(range(1, 8))

    def test_the_edge_of_a_whole_number_belongs_to_it(self):
        assert [Range(1, 7, log=True).at(share) for share in (0, 1 / 3, 2 / 3)] == [1, 2, 4]

    def test_choices_are_equally_likely(self):
        assert Counter(evenly(Choice("a", "b", None, True))) == {"a": 2500, "b": 2500, None: 2500, True: 2500}

    def test_a_place_is_where_a_value_lies(self):
        assert Range(1e-4, 1e-2, log=True).place(1e-3) == pytest.approx(0.5)
        assert Range(0, 4).place(1) == 0.25


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Range(2, 1), r"Range\(2, 1\) is empty"),
        (lambda: Range(1, 1), r"Range\(1, 1\) is empty"),
        (lambda: Range(0, 1, log=True), "a range on a log scale begins above 0"),
        (lambda: Range("a", 1), "'a' is no finite number"),
        (lambda: Range(True, 2), "True is no finite number"),
        (lambda: Range(0, math.inf), "inf is no finite number"),
        (lambda: Range(1, 2, log="yes"), "log='yes', wanted True or False"),
        (lambda: Choice(1), r"Choice\(1\): wanted two values or more"),
        (lambda: Choice(1, 2, 1), "holds 1 more than once"),
        (lambda: Choice(1, object()), "wanted numbers, words, lists or None"),
        (lambda: cnn(space={"train.learning_rat": Range(1, 2)}), "did you mean 'train.learning_rate'"),
        (lambda: cnn(space={"model.depth": Range(1, 2)}), "space.'model.depth'.: no such field"),
        (lambda: cnn(space={"resources.cpus": Range(1, 2)}), r"a space is of model\.\* and train\.\*"),
        (lambda: cnn(space={"train.flip": 0.5}), r"found 0.5, wanted Range\(low, high\) or Choice"),
        (lambda: cnn(space=[1]), "wanted a dict from names to dimensions"),
        (lambda: cnn(space={"train.batch_size": Range(1.0, 2.0)}), "found 1.0, wanted a valid integer"),
        (lambda: cnn(space={"train.batch_size": Range(0, 2)}), r"Range\(0, 2\): train.batch_size=0 must be positive"),
        (lambda: cnn(space={"train.flip": Range(0.5, 1.5)}), r"train.flip=1.5 is not in \[0, 1\]"),
        (lambda: cnn(space={"model.dropout": Choice(0.1, 0.2, 1.0)}), r"dropout=1.0 is not in \[0, 1\)"),
        (lambda: cnn(space={"train.optimizer": Choice("adam", "sgd")}), "found 'adam', wanted 'adamw', 'sgd' or"),
        (lambda: cnn(space={"train.trivial_augment": Choice(0, 1)}), "found 0, wanted a valid boolean"),
        (lambda: cnn(space={"train.flip": Choice(1, 1.0)}), "space.'train.flip'.: .*more than once"),
        (
            lambda: JobSpec(name="vit", model=ViTConfig(), space={"model.num_heads": Choice(2, 3)}),
            "dim=20 is not divisible by num_heads=3",
        ),
        (
            lambda: JobSpec(name="a", model=AlexNetConfig(), space={"model.weights": Choice("auto", "random")}),
            "auto is decided once for a run; name random, pretrained or a file",
        ),
        (
            lambda: JobSpec(name="a", model=AlexNetConfig(), space={"model.weights": Choice("random", "my.pt")}),
            r"my\.pt: a search goes on from any folder; begin with /",
        ),
        (lambda: Effort(settings=0), "effort.settings=0 must be 1 or more"),
    ],
)
def test_an_impossible_space_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_detector_has_no_dimension_that_would_do_nothing():
    model = FasterRCNNConfig()
    with pytest.raises(ConfigError, match=r"train\.shift would do nothing to a detector"):
        JobSpec(name="a", model=model, space={"train.shift": Range(0, 2)})


def test_numbers_take_the_type_of_their_field():
    space = cnn(space={"train.rotation": Range(0, 30), "train.batch_size": Range(1, 9)}).space
    assert [repr(dimension) for dimension in space.values()] == [
        "Range(low=1, high=9, log=False)",
        "Range(low=0.0, high=30.0, log=False)",
    ]


def test_one_and_one_point_are_told_apart_also_after_each_other():
    cnn(space={"train.batch_size": Range(16, 32)})
    with pytest.raises(ConfigError, match="wanted a valid integer"):
        cnn(space={"train.batch_size": Range(16.0, 32.0)})


class TestSameTrial:
    def test_a_space_and_an_effort_change_no_digest(self):
        plain, full = cnn(), cnn(space=STATED, effort=Effort(settings=3))
        trials = [Trial(job=job, data=DataConfig(), seed=1) for job in (plain, full)]
        assert trials[0].digest == trials[1].digest

    def test_they_come_back_from_a_plan(self):
        job = cnn(space=STATED, effort=Effort(settings=3, data="a", rule="b", study="c"))
        trial = Trial(job=job, data=DataConfig(), seed=1)
        plan = Plan(run_id="a", created_at="b", smoke=False, trials=(trial,))
        (found,) = load_plan(dump_plan(plan)).trials
        assert found == trial
        assert repr(found.job.space) == repr(job.space)  # 1 is not 1.0, nor is it True

    def test_a_plan_of_an_older_version_has_neither(self):
        plan = Plan(run_id="a", created_at="b", smoke=False, trials=(Trial(job=cnn(), data=DataConfig(), seed=1),))
        old = json.loads(dump_plan(plan))
        for group in old["jobs"]:
            del group["job"]["space"], group["job"]["effort"]
        assert load_plan(json.dumps(old).encode()) == plan


class TestDefault:
    @pytest.mark.parametrize("folder", ["jobs", "jobs/strong", "jobs/more"])
    def test_each_job_that_comes_with_lab2_takes_it(self, folder: str):
        for entry in read_catalogue(named_folder(folder)).values():
            job = replace(entry.job, space=default_space(entry.job))  # refuses what the job refuses
            assert job.space == space_of(entry.job)

    def test_the_learning_rate_is_around_the_jobs_own(self):
        space = default_space(cnn(train=TrainConfig(learning_rate=3e-3)))
        assert space["train.learning_rate"] == Range(0.000375, 0.024, log=True)

    def test_it_has_what_the_network_has(self):
        random, pretrained = (NetworkConfig(name="torchvision:resnet18", weights=w) for w in ("random", "pretrained"))
        assert "model.dropout" in default_space(cnn())
        assert "model.dropout" not in default_space(JobSpec(name="a", model=random))
        assert "model.feature_lr_scale" not in default_space(JobSpec(name="a", model=random))
        assert "model.feature_lr_scale" in default_space(JobSpec(name="a", model=pretrained))

    def test_it_never_contains_the_length_of_the_training(self):
        assert "train.epochs" not in default_space(cnn())


class TestApply:
    def test_sets_all_values_at_once(self):
        vit = JobSpec(name="vit", model=ViTConfig(), space={"train.epochs": Range(1, 2)})
        changed = apply_settings(vit, {"model.num_heads": 3, "model.dim": 18, "train.epochs": 2.0})
        assert changed == JobSpec(name="vit", model=ViTConfig(num_heads=3, dim=18), train=TrainConfig(epochs=2.0))

    def test_a_length_takes_the_place_of_those_that_would_overrule_it(self):
        general = JobSpec(name="cnn", model=CNNConfig(), train=TrainConfig(images=9000))
        assert apply_settings(general, {"train.epochs": 2.0}).train == TrainConfig(epochs=2.0)
        timed = replace(general, train=TrainConfig(budget="5m"))
        assert apply_settings(timed, {"train.images": 500}).train == TrainConfig(images=500)

    def test_values_that_do_not_go_together_are_named(self):
        vit = JobSpec(name="vit", model=ViTConfig())
        with pytest.raises(ConfigError, match=r"vit with model.dim=22 model.num_heads=4: .*dim=22 is not divisible"):
            apply_settings(vit, {"model.dim": 22, "model.num_heads": 4})


IMPORTS = (
    "from lab2.models.cnn import CNNConfig\nfrom lab2.spec.job import JobSpec\n"
    "from lab2.spec.space import Choice, Range\n"
)


class TestShown:
    @pytest.mark.parametrize(
        ("space", "message"),
        [
            ("{'train.lr': Range(1, 2)}", "mine.py: a: space['train.lr']: no such field"),
            ("{'train.flip': Range(2, 1)}", "mine.py: Range(2, 1) is empty"),
            ("{'train.flip': Range(2)}", "mine.py:4: Range lacks 'high'"),
            (
                "{'train.flip': Range(0, 1, scale=2)}",
                "mine.py:4: Range has no field 'scale'; there are: low, high, log",
            ),
        ],
    )
    def test_a_job_file_that_cannot_be_is_one_sentence_and_code_2(self, tmp_path: Path, run_cli, space, message):
        (tmp_path / "mine.py").write_text(f"{IMPORTS}JOB = JobSpec(name='a', model=CNNConfig(), space={space})\n")
        code, _, said = run_cli("jobs", "--jobs", str(tmp_path))
        assert code == 2
        assert message in " ".join(said.split())

    def test_the_card_shows_its_own_space(self, tmp_path: Path, run_cli):
        space = "{'train.batch_size': Choice(32, 64), 'model.dropout': Range(0, 0.5)}"
        (tmp_path / "mine.py").write_text(f"{IMPORTS}JOB = JobSpec(name='a', model=CNNConfig(), space={space})\n")
        _, shown, _ = run_cli("jobs", "a", "--jobs", str(tmp_path))
        card = shown[shown.index("search space") :]
        assert [line.split() for line in card.splitlines()[:3]] == [
            ["search", "space", "(its", "own)"],
            ["model.dropout", "Range(0.0,", "0.5)"],
            ["train.batch_size", "Choice(32,", "64)"],
        ]
        assert "effort: not recorded" in card

    def test_the_card_shows_the_default_space_and_the_effort(self, run_cli):
        _, shown, _ = run_cli("jobs", "vgg16")
        assert "the default, for it states none" in shown
        shown = " ".join(shown.split())
        assert "effort: 4 settings; MNIST, Fashion-MNIST, glyphs, digits and ELPV, validation images; part" in shown
        assert "on mnist: " in shown
        assert "effort: 9 settings; MNIST, 10,000 validation images; one at a time, by hand" in shown


@pytest.mark.parametrize("folder", ["jobs", "jobs/strong", "jobs/more"])
def test_each_job_that_comes_with_lab2_states_its_effort(folder: str):
    jobs = [entry.job for entry in read_catalogue(default_folder().parent / folder).values()]
    assert [job.name for job in jobs if job.effort is None or not job.effort.settings] == []
