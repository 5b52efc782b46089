"""The settings of a study: pure, alike everywhere, evenly spread."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from scipy.stats import qmc

from lab2.models.cnn import CNNConfig
from lab2.spec.job import JobSpec
from lab2.spec.space import Choice, Dimension, Range, apply_settings, default_space
from lab2.tune.settings import points, settings_of, stable_seed, unit_points

SPACE: dict[str, Dimension] = {
    "train.learning_rate": Range(1e-4, 1e-2, log=True),
    "train.batch_size": Choice(32, 64, 128),
    "model.dropout": Range(0.0, 0.5),
}


def test_setting_0_is_the_jobs_own_recipe():
    job = JobSpec(name="cnn", model=CNNConfig())
    assert settings_of(SPACE, 1, "cnn", 0) == {}
    assert apply_settings(job, {}) == job


def test_a_setting_is_a_value_of_each_dimension():
    for i in range(1, 50):
        found = settings_of(SPACE, 1, "cnn", i)
        assert list(found) == sorted(SPACE)
        assert 1e-4 <= found["train.learning_rate"] <= 1e-2
        assert found["train.batch_size"] in (32, 64, 128)
        assert 0 <= found["model.dropout"] <= 0.5


def test_a_setting_is_that_point_of_scipys_sequence_drawn_at_once():
    whole = qmc.Sobol(3, scramble=True, rng=np.random.default_rng(stable_seed(7, "cnn"))).random(16)
    names = sorted(SPACE)  # model.dropout, train.batch_size, train.learning_rate
    for i in range(1, 17):
        found = settings_of(SPACE, 7, "cnn", i)
        dropout, size, rate = whole[i - 1]
        assert found[names[0]] == pytest.approx(0.5 * dropout, rel=1e-3)
        assert found[names[1]] == (32, 64, 128)[int(3 * size)]
        assert found[names[2]] == pytest.approx(10 ** (-4 + 2 * rate), rel=1e-3)


def test_the_seed_of_a_job_is_what_sha256_says():
    # printf '7\ncnn' | sha256sum: the first 32 digits
    assert f"{stable_seed(7, 'cnn'):032x}" == "d8a977effdc98ceb8a838edbaca868fb"


def test_another_process_finds_the_same(tmp_path):
    code = (
        "import json; from tests.test_settings import SPACE; from lab2.tune.settings import settings_of;"
        "print(json.dumps([settings_of(SPACE, 3, 'vit', i) for i in range(5)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [settings_of(SPACE, 3, "vit", i) for i in range(5)]


def test_each_study_and_each_job_has_settings_of_its_own():
    found = [settings_of(SPACE, seed, job, 1)["train.learning_rate"] for seed in (1, 2, 12) for job in ("a", "b", "2a")]
    assert len(set(found)) == 9


def test_points_are_the_same_wherever_one_begins():
    whole = points(4, 1, "cnn", 0, 20)
    assert np.array_equal(whole[13:20], points(4, 1, "cnn", 13, 7))
    assert points(4, 1, "cnn", 3, 0).shape == (0, 4)


def test_sixteen_points_lie_one_in_each_sixteenth_of_every_dimension():
    """What Sobol's sequence is for: random points leave a third of the parts empty."""
    found = points(8, 5, "cnn", 0, 16)
    assert (np.sort(np.floor(found * 16).astype(int), axis=0) == np.arange(16)[:, None]).all()


def test_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settings_of(SPACE, 1, "cnn", 6)
        points(3, 1, "cnn", 0, 5)


def test_every_drawn_setting_of_the_default_space_is_a_job():
    job = JobSpec(name="cnn", model=CNNConfig())
    for i in range(30):
        changed = apply_settings(job, settings_of(default_space(job), 1, "cnn", i))
        assert (changed == job) == (i == 0)


def test_places_are_the_points_again():
    settings = [settings_of(SPACE, 1, "cnn", i) for i in range(1, 9)]
    found, drawn = unit_points(SPACE, settings), points(3, 1, "cnn", 0, 8)
    assert found[:, [0, 2]] == pytest.approx(drawn[:, [0, 2]], abs=1e-3)
    assert (found[:, 1] == np.floor(3 * drawn[:, 1])).all()
