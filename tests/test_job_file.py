"""A tuned recipe is a job file: what is read back from it is the recipe."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab2.models.cnn import CNNConfig
from lab2.models.network import NetworkConfig
from lab2.models.vit import ViTConfig
from lab2.spec.catalogue import Entry, named_folder, read_catalogue
from lab2.spec.effort import Effort
from lab2.spec.job import JobSpec, Resources, TrainConfig
from lab2.spec.space import Choice, Range
from lab2.tune.job_file import Provenance, tuned_job_file

FOUND = Provenance(
    question="Custom CNN: how far do two convolutions go?",
    study="0123abcd",
    trials=16,
    setting=5,
    score=0.98765,
    own_score=0.91234,
    seconds=959.6,
    images="elpv, the training images in 5 folds",
)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
numbers = st.floats(1e-9, 1e9)
shares = st.floats(0, 0.99)
recipes = st.builds(
    TrainConfig,
    epochs=numbers,
    batch_size=st.integers(1, 10**6),
    learning_rate=numbers,
    optimizer=st.sampled_from(["adamw", "sgd", "muon"]),
    label_smoothing=shares,
    trivial_augment=st.booleans(),
    target_accuracy=st.none() | st.floats(0.01, 1),
    image_side=st.none() | st.integers(1, 500),
)
networks = st.builds(
    NetworkConfig,
    name=words.map(lambda word: f"{word}x.py:Net"),
    options=st.dictionaries(
        words.filter(lambda word: word != "num_classes"), words | st.integers() | numbers | st.booleans(), max_size=3
    ),
    weights=words.map(lambda word: f"{word}.pt"),
    head=words,
    mean=st.just((0.1, 0.25, 1 / 3)),
    std=st.just((0.5, 0.5, 1e-3)),
)
models = networks | st.builds(CNNConfig, filters=st.tuples(st.integers(1, 99), st.integers(1, 99)), dropout=shares)
spaces = st.fixed_dictionaries(
    {},
    optional={
        "train.learning_rate": st.just(Range(1e-4, 1 / 3, log=True)),
        "train.batch_size": st.lists(st.integers(1, 999), min_size=2, max_size=30, unique=True).map(
            lambda v: Choice(*v)
        ),
        "train.optimizer": st.just(Choice("adamw", "sgd")),
        "train.target_accuracy": st.just(Choice(None, 0.5)),
    },
)
jobs = st.builds(
    JobSpec,
    name=st.just("mine"),
    model=models,
    train=recipes,
    resources=st.builds(Resources, cpus=st.integers(1, 64), memory_gb=numbers),
    space=spaces,
    effort=st.none() | st.builds(Effort, settings=st.none() | st.integers(1, 99), data=words, rule=words),
)


def read_back(text: str, folder: Path) -> Entry:
    (folder / "mine.py").write_text(text)
    (entry,) = read_catalogue(folder).values()
    return entry


@given(jobs, words)
@settings(max_examples=80, deadline=None)
def test_what_is_read_back_is_the_job(job: JobSpec, question: str):
    with tempfile.TemporaryDirectory() as folder:
        text = tuned_job_file(job, Provenance(**{**dict_of(FOUND), "question": question}))
        entry = read_back(text, Path(folder))
    assert entry.job == job
    assert repr(entry.job) == repr(job)  # 1 is not 1.0


def dict_of(found: Provenance) -> dict[str, Any]:
    return {name: getattr(found, name) for name in Provenance.__dataclass_fields__}


@pytest.mark.parametrize("folder", ["jobs", "jobs/strong", "jobs/more"])
def test_each_job_that_comes_with_lab2_is_written(folder: str, tmp_path: Path):
    for entry in read_catalogue(named_folder(folder)).values():
        found = read_back(tuned_job_file(entry.job, FOUND), tmp_path)
        assert found.job == entry.job


JOB = JobSpec(
    name="vit",
    model=ViTConfig(num_heads=4),
    train=TrainConfig(epochs=5.0, learning_rate=0.003162, label_smoothing=0.08213, weight_decay=0.0312, warmup=0.1),
    effort=Effort(settings=16, data="elpv", rule='by "rule"', study="0123abcd"),
)


def test_only_what_differs_from_the_defaults_is_written():
    assert (
        tuned_job_file(JOB, FOUND)
        == '''"""Custom CNN: how far do two convolutions go?

Found by lab2 tune: number 5 of 16 settings, 98.77% of elpv, the training images in 5 folds;
the job's own recipe: 91.23%. All trials of this job together took 960 s.
Study: 0123abcd
"""

from lab2.models.vit import ViTConfig
from lab2.spec.effort import Effort
from lab2.spec.job import JobSpec, TrainConfig

JOB = JobSpec(
    name="vit",
    model=ViTConfig(num_heads=4),
    train=TrainConfig(epochs=5.0, learning_rate=0.003162, weight_decay=0.0312, warmup=0.1, label_smoothing=0.08213),
    effort=Effort(settings=16, data="elpv", rule='by "rule"', study="0123abcd"),
)
'''
    )


def test_the_formatter_and_the_linter_have_nothing_to_say(tmp_path: Path):
    job = JobSpec(
        name="a",
        model=NetworkConfig(name="my/net.py:Net", options={"it's": 'a "b"', "width": 3}, weights="x" * 120),
        train=TrainConfig(
            learning_rate=0.1, rotation=15.0, label_smoothing=0.1, flip=0.5, jitter=0.25, mixup=0.123456789
        ),
        space={"train.learning_rate": Range(1e-4, 1e-2, log=True), "train.batch_size": Choice(*range(1, 60))},
        effort=Effort(settings=16, data="d" * 50, rule="r" * 60),
    )
    for name, one in (("a", JOB), ("b", job)):
        (tmp_path / f"{name}.py").write_text(tuned_job_file(one, FOUND))
    for command in (["format", "--check"], ["check", "--select", "E,F,I,W", "--ignore", "E501"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "--line-length", "120", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_its_first_line_is_the_question_and_the_rest_where_it_came_from(tmp_path: Path):
    entry = read_back(tuned_job_file(JOB, FOUND), tmp_path)
    assert entry.question == "Custom CNN: how far do two convolutions go?"
    assert "number 5 of 16 settings, 98.77%" in entry.details


def test_the_own_recipe_may_win_or_have_failed():
    own = Provenance(**{**dict_of(FOUND), "setting": 0, "own_score": 0.98765})
    failed = Provenance(**{**dict_of(FOUND), "own_score": None})
    assert "the job's own recipe, number 0 of 16 settings, 98.77%" in tuned_job_file(JOB, own)
    assert "the job's own recipe: failed." in tuned_job_file(JOB, failed)
