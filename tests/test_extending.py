"""docs/extending.md, followed word by word on a copy of the package."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PATIENCE_S

pytestmark = pytest.mark.slow  # each works on a copy of the package, in processes of its own

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text()
OLD_RUN = ROOT / "tests" / "shards" / "run-0.1.0"
# A sentence that says where the block below it goes, and the block.
STEP = re.compile(
    r"(?:New file `(?P<new>[^`]+)`"
    r"|In `(?P<old>[^`]+)`, (?P<side>below|above) the (?P<first>first )?line `(?P<line>[^`]+)`)"
    r":\n\n```\w+\n(?P<block>.*?)```",
    re.DOTALL,
)
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


def section(title: str) -> str:
    """The page's part below that heading."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout to change, in which an older lab2 has left a run."""
    no_caches = shutil.ignore_patterns("__pycache__")
    for folder in ("lab2", "jobs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=no_caches)
    shutil.copytree(OLD_RUN, tmp_path / "runs" / OLD_RUN.name)
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "numbers.md", tmp_path / "docs")
    return tmp_path


def follow(text: str, copy: Path) -> int:
    """Do in `copy` what each sentence says; returns how many there were."""
    steps = list(STEP.finditer(text))
    for step in steps:
        if step["new"]:
            path = copy / step["new"]
            assert not path.exists(), f"{path.name} is there already"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step["block"])
            continue
        path = copy / step["old"]
        lines = path.read_text().splitlines(keepends=True)
        places = [number for number, line in enumerate(lines) if line.strip() == step["line"]]
        assert places, f"{path.name} has no line {step['line']!r}"
        assert step["first"] or len(places) == 1, f"{path.name} has the line {step['line']!r} {len(places)} times"
        place = places[0] + (step["side"] == "below")
        path.write_text("".join([*lines[:place], step["block"], *lines[place:]]))
    return len(steps)


def commands(text: str) -> dict[str, str]:
    """What the page types, and what it says will be printed."""
    found: dict[str, str] = {}
    for block in CONSOLE.findall(text):
        for one in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = one.partition("\n")
            found[command] = printed
    return found


def run(copy: Path, *words: str) -> str:
    """Run a command of the page in `copy`; returns what it prints."""
    python = {"lab2": [sys.executable, "-m", "lab2.cli"], "python": [sys.executable]}
    places = {"PYTHONPATH": str(copy), "LAB2_CACHE": str(copy / "cache"), "LAB2_RUNS": str(copy / "runs")}
    done = subprocess.run(
        [*python[words[0]], *words[1:]],
        cwd=copy, env={**os.environ, **places}, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def type_in(copy: Path, command: str, printed: str) -> str:
    """Run it, and hold its output against the page, in which ... stands for anything; returns the output."""
    output = run(copy, *command.split())
    pattern = ".*".join(map(re.escape, printed.strip().split("...")))
    assert re.search(pattern, output, re.DOTALL), f"{command}: wanted {printed}\nfound {output}"
    return output


def has_everywhere(copy: Path, name: str, title: str, run_id: str) -> None:
    """The files of a report have the metric."""
    report = copy / "runs" / run_id / "report"
    for table in ("table.csv", "trials.csv"):
        (row,) = csv.DictReader((report / table).open())
        assert 0 <= float(row[name]) <= 1, table
    (row,) = json.loads((report / "table.json").read_text())
    assert 0 <= row[name] <= 1
    assert f"| {title} |" in (report / "table.md").read_text()


class TestMetric:
    TEXT = section("A metric")

    def test_one_entry_and_an_old_run_has_it_in_every_file_and_in_the_terminal(self, copy: Path):
        assert follow(self.TEXT, copy) == 2
        typed = "lab2 report run-0.1.0"
        type_in(copy, typed, commands(self.TEXT)[typed])
        has_everywhere(copy, "worst_class_accuracy", "worst class", "run-0.1.0")
        assert "`worst_class_accuracy`" in (copy / "docs" / "numbers.md").read_text()

    def test_no_other_file_of_the_package_is_touched(self):
        touched = {step["new"] or step["old"] for step in STEP.finditer(self.TEXT)}
        assert touched == {"lab2/measure/metrics.py", "docs/numbers.md"}

    @pytest.mark.slow
    def test_a_new_run_has_it_in_its_shard(self, copy: Path):
        follow(self.TEXT, copy)
        (typed,) = [command for command in commands(self.TEXT) if command.startswith("lab2 train")]
        type_in(copy, typed, commands(self.TEXT)[typed])
        shard = json.loads((copy / "runs" / "latest" / "shards" / "cnn-seed1.json").read_text())["row"]
        assert 0 <= shard["worst_class_accuracy"] <= shard["accuracy"]
        has_everywhere(copy, "worst_class_accuracy", "worst class", "latest")


class TestArchitecture:
    TEXT = section("An architecture")

    def test_its_file_and_its_job_are_all_and_it_has_as_many_parameters_as_it_says(self, copy: Path):
        assert follow(self.TEXT, copy) == 2
        code = """
import torch
from lab2.data.datasets import DataShape
from lab2.measure.cost import count_parameters
from lab2.models.building import build
from lab2.spec.architectures import architectures

mlp = architectures()["mlp"]
shape = DataShape(1, 28, tuple("0123456789"), (0.13,), (0.31,), plain_background=True)
network = build(mlp.config(), shape).model
assert count_parameters(network)[0] == mlp.parameters, count_parameters(network)
assert network(torch.rand(2, 1, 28, 28)).shape == (2, 10)
"""
        run(copy, "python", "-c", code)

    def test_its_job_is_listed_without_torch(self, copy: Path):
        follow(self.TEXT, copy)
        assert "how far does one get without" in run(copy, "lab2", "jobs", "--jobs", "jobs/more")

    @pytest.mark.slow
    def test_it_trains(self, copy: Path):
        follow(self.TEXT, copy)
        ((typed, printed),) = commands(self.TEXT).items()
        type_in(copy, typed, printed)
        shard = json.loads((copy / "runs" / "latest" / "shards" / "mlp-seed1.json").read_text())["row"]
        assert (shard["architecture"], shard["parameters"]) == ("mlp", 784 * 64 + 64 + 64 * 10 + 10)
        assert shard["accuracy"] > 0.5


class TestDataReader:
    TEXT = section("A data reader")

    def test_it_reads_what_was_written_and_refuses_what_is_not_whole(self, copy: Path):
        assert follow(self.TEXT, copy) == 4
        run(copy, "python", "write_digits8.py")
        code = """
import numpy as np
from sklearn.datasets import load_digits
from lab2.cache import cache_folder
from lab2.data.places import open_source
from lab2.errors import DataError
from lab2.spec.job import DataConfig

source, digits = open_source(DataConfig(dataset="digits8")), load_digits()
train, test = source.read("train"), source.read("test")
assert source.classes == tuple("0123456789")
assert (train.pixels.shape, test.pixels.shape) == ((1400, 1, 8, 8), (397, 1, 8, 8))
assert np.concatenate([train.labels, test.labels]).tolist() == digits.target.tolist()
assert (train.pixels[0, 0] == (digits.images[0] * 255 / 16).astype(int)).all()
assert len(source.sha256()) == 64
(cache_folder() / "data" / "digits8" / "images.npz").write_bytes(b"PK torn")
try:
    source.read("train")
except DataError as error:
    print(error)
"""
        assert "images.npz: train_pixels cannot be read" in run(copy, "python", "-c", code)

    @pytest.mark.slow
    def test_a_job_trains_on_it(self, copy: Path):
        follow(self.TEXT, copy)
        for typed, printed in commands(self.TEXT).items():
            type_in(copy, typed, printed)
        shard = json.loads((copy / "runs" / "latest" / "shards" / "cnn-seed1.json").read_text())["row"]
        assert (shard["dataset"], shard["image_side"], shard["test_images"]) == ("digits8", 8, 397)
        assert shard["accuracy"] > 0.5


class TestLauncher:
    TEXT = section("A launcher")

    @pytest.mark.slow
    def test_it_runs_each_trial(self, copy: Path):
        assert follow(self.TEXT, copy) == 2
        for typed, printed in commands(self.TEXT).items():
            type_in(copy, typed, printed)
        shards = sorted(path.name for path in (copy / "runs" / "latest" / "shards").iterdir())
        assert shards == ["cnn-seed1.json", "cnn-seed2.json"]

    @pytest.mark.slow
    def test_a_process_that_leaves_nothing_is_a_row_with_its_exit_code(self, copy: Path):
        follow(self.TEXT, copy)
        script = (copy / "two_seeds.py").read_text()
        ending = "plan.trials, threads=1)"
        assert ending in script
        unknown = "[Trial(job=job, data=data, seed=3)], threads=1)"  # the plan has no such trial: its process fails
        (copy / "two_seeds.py").write_text(script.replace(ending, unknown))
        run(copy, "python", "two_seeds.py")
        shard = json.loads((copy / "runs" / "latest" / "shards" / "cnn-seed3.json").read_text())["row"]
        assert shard["status"] == "failed"
        assert shard["reason"] == "its process ended with exit code 1 and left no result"

    def test_the_functions_that_the_table_names_are_there(self):
        for row in re.findall(r"^\|.*\|$", self.TEXT, re.MULTILINE):
            for name, file in re.findall(r"`(\w+)` in `([\w/]+\.py)`", row):
                path = ROOT / "lab2" / file.removeprefix("lab2/")
                assert re.search(rf"^def {name}\(", path.read_text(), re.MULTILINE), f"{file} has no {name}"


class TestWriter:
    TEXT = section("A writer")

    def test_it_writes(self, copy: Path):
        assert follow(self.TEXT, copy) == 2
        ((typed, printed),) = commands(self.TEXT).items()
        type_in(copy, typed, printed)
        lines = (copy / "runs" / "run-0.1.0" / "report" / "table.typ").read_text().splitlines()
        assert lines[2].startswith("  [cnn], [18.00], [")
        assert lines[-1] == ")"


def test_the_blocks_are_laid_out_as_the_package_is(copy: Path):
    """They are to be copied: ruff has nothing to change."""
    assert follow(PAGE, copy) == 12
    shutil.copy(ROOT / "pyproject.toml", copy)
    files = sorted({step["new"] or step["old"] for step in STEP.finditer(PAGE)} - {"docs/numbers.md"})
    for words in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *words, "--no-cache", *files]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
