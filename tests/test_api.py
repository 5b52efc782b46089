"""lab2 from Python: one trial in this process, as its page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lab2
from lab2.errors import ConfigError, DataError
from lab2.results.run_dir import open_run
from lab2.results.shard import read_shard
from lab2.spec.job import JobSpec, TrainConfig
from tests.conftest import TINY
from tests.test_papers import blocks

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "python.md").read_text()
FEW = ["data.train_images=150", "data.validation_images=50", "data.test_images=50"]
TINY_CNN = JobSpec(name="tiny", model=TINY["cnn"], train=TrainConfig(epochs=1, batch_size=50))


def test_it_returns_the_shard_that_it_leaves_in_a_run(tmp_path: Path):
    shard = lab2.run(TINY_CNN, seed=7, settings=[*FEW, "train.epochs=2"], runs=tmp_path)
    assert (shard.status, shard.seed, shard.images_seen) == ("ok", 7, 300)
    assert read_shard(open_run(tmp_path, "latest").shard("tiny-seed7")) == shard


def test_a_budget_is_that_of_the_command(tmp_path: Path):
    assert lab2.run(TINY_CNN, settings=FEW, budget="100-images", runs=tmp_path).images_seen == 100


def test_what_cannot_be_trained_raises_and_leaves_no_run(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"no field is called 'train\.epoch'"):
        lab2.run("cnn", settings=["train.epoch=3"], runs=tmp_path)
    with pytest.raises(DataError):
        lab2.run("cnn", dataset="/nowhere/pictures", runs=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_training_that_fails_is_a_shard_that_says_why(tmp_path: Path):
    shard = lab2.run(TINY_CNN, settings=[*FEW, "train.learning_rate=1e12", "train.warmup=0"], runs=tmp_path)
    assert (shard.status, shard.accuracy) == ("failed", None)
    assert "diverged" in shard.reason


@pytest.mark.slow
def test_importing_it_brings_no_torch():
    code = "import lab2, sys; assert 'torch' not in sys.modules; lab2.run; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="'walk'"):
        lab2.walk  # noqa: B018


class TestPage:
    """What docs/python.md shows runs, with fewer images."""

    def run(self, code: str, folder: Path) -> str:
        few = ", ".join(repr(one) for one in FEW)
        code = code.replace("settings=[", f"settings=[{few}, ").replace("settings = [", f"settings = [{few}, ")
        code = code.replace('budget="30s"', 'budget="100-images"').replace("n_trials=10", "n_trials=2")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=True
        ).stdout

    @pytest.mark.slow
    def test_one_trial(self, tmp_path: Path):
        assert re.match(r"ok 0\.\d+ \d", self.run(blocks(PAGE, "python")[0], tmp_path))

    @pytest.mark.slow
    def test_an_optimiser_that_asks_and_is_told(self, tmp_path: Path):
        pytest.importorskip("optuna", reason="LOUD: docs/python.md's example is not tested: pip install optuna")
        assert "learning_rate" in self.run(blocks(PAGE, "python")[1], tmp_path)
