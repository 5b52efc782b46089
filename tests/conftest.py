"""Shared fixtures of the tests: small trials on real data, and folders of their own for the cache and the runs."""

from __future__ import annotations

import functools
import gzip
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lab2 import cli
from lab2.cli import screen
from lab2.data.datasets import TrainingData, load_training
from lab2.launch.importing import Imported, import_answers
from lab2.measure import cost
from lab2.models.alexnet import AlexNetConfig
from lab2.models.cnn import CNNConfig
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.models.vgg16 import VGG16Config
from lab2.models.vit import ViTConfig
from lab2.results.run_dir import RunDir, create_run
from lab2.results.shard import Shard, unfinished
from lab2.spec.architectures import ModelConfig, PooledConfig, TransferConfig
from lab2.spec.catalogue import default_folder
from lab2.spec.job import DataConfig, JobSpec, TrainConfig, Trial
from lab2.spec.plan import Plan

pytest_plugins = ["tests.page_fixtures"]

PATIENCE_S = 840  # of a command that a test waits for: a guard against what hangs, not a measure

SMALL = DataConfig(train_images=300, validation_images=100, test_images=100)

# Every architecture at a size that trains within seconds. VGG16 and AlexNet have only one size.
TINY: dict[str, Any] = {
    "cnn": CNNConfig(filters=(4, 8), hidden=16),
    "vit": ViTConfig(dim=8, depth=1),
    "faster_rcnn": FasterRCNNConfig(widths=(8, 8, 16), hidden=16, proposals=8, test_scenes=20),
    "alexnet": AlexNetConfig(weights="random"),
    "vgg16": VGG16Config(weights="random"),
}


def pytest_configure() -> None:
    """Give each worker of pytest-xdist a core of its own: trials use all that they may, and slow each other."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count what runs VGG16 or AlexNet among the slow tests: 134 and 57 million parameters take seconds each time."""
    for item in items:
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if any(value in ("vgg16", "alexnet") or isinstance(value, PooledConfig) for value in parameters):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.path.name != "test_tune.py")  # the longest first: at the end others would wait


def make_trial(name: str = "cnn", *, seed: int = 1, model: ModelConfig | None = None, **train: object) -> Trial:
    """A trial of a tiny architecture on a few images of MNIST."""
    recipe = TrainConfig(**{"epochs": 1, "batch_size": 50, **train})
    return Trial(job=JobSpec(name=name, model=model or TINY[name], train=recipe), data=SMALL, seed=seed)


def augmentation(name: str) -> dict[str, Any]:
    """All that a recipe can do to images, each a little; a detector's can do nothing."""
    older = {"rotation": 10.0, "stretch": 0.1, "shift": 1}
    newer = {"crop_scale": 0.6, "flip": 0.2, "jitter": 0.2, "trivial_augment": True, "mixup": 0.2, "cutmix": 0.4}
    return {} if name == "faster_rcnn" else older | newer


def make_run(folder: Path, *trials: Trial, run_id: str = "run") -> RunDir:
    """A run directory whose plan has `trials`."""
    return create_run(folder, Plan(run_id=run_id, created_at="2026-01-01T00:00:00", smoke=False, trials=trials))


def finished(trial: Trial, accuracy: float = 0.9, **more: object) -> Shard:
    """A shard with status "ok" of `trial`; `more` sets further fields."""
    values = {"accuracy": accuracy, "macro_f1": accuracy, "train_seconds": 2.0, "test_images": 100, "train_images": 50}
    return unfinished(trial, "ok", "").updated(**{**values, **more})


def asked_weights(trial: Trial) -> str:
    """The field `weights` of a trial of VGG16 or AlexNet."""
    assert isinstance(trial.job.model, TransferConfig)
    return trial.job.model.weights


@pytest.fixture
def small_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the rate of small matrix products only: a large one in emulated bf16 takes seconds."""
    monkeypatch.setattr("lab2.machine.survey.PRODUCT_SIDE", 64)


@pytest.fixture(scope="session")
def mnist() -> TrainingData:
    """The full MNIST, read once."""
    return load_training(DataConfig())


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test its own cache and runs, so that none reads the user's cache or writes to the user's runs."""
    monkeypatch.setenv("LAB2_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LAB2_RUNS", str(tmp_path / "runs"))


@pytest.fixture(autouse=True)
def short_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time as few calls as may be: most trials of the tests run for their other results. It saves a second each."""
    monkeypatch.setattr(cost, "LEAST_SECONDS", 0.0)


unpack_once = functools.lru_cache(maxsize=8)(gzip.decompress)


@pytest.fixture(autouse=True)
def unpacked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpack each file of MNIST once a process: most trials of the tests are shorter than unpacking it is."""
    monkeypatch.setattr(gzip, "decompress", unpack_once)


@pytest.fixture(autouse=True)
def torch_as_it_was() -> Iterator[None]:
    """Restore torch's deterministic mode after each test: a trial turns it on."""
    before = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(before)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The folder for the test's runs."""
    return tmp_path / "runs"


@pytest.fixture
def run_cli(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """A function that calls the CLI in this process, where torch is loaded already.

    It returns the exit code, standard output and standard error.
    """
    monkeypatch.chdir(default_folder().parent)

    def ask(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lab2", *words])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        output = capsys.readouterr()
        return code, output.out, output.err

    return ask


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the CLI takes for a terminal of 80 columns without colours."""
    for name, value in {"TTY_COMPATIBLE": "1", "COLUMNS": "80"}.items():  # rich reads them at each line
        monkeypatch.setenv(name, value)
    assert (screen.out.is_terminal, screen.err.is_terminal, screen.out.width) == (True, True, 80)


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """A folder with two classes of noisy 12 x 12 grey images: bright on the left, bright on the right."""
    root = tmp_path / "pictures"
    generator = np.random.default_rng(0)
    for part, count in (("train", 40), ("test", 10)):
        for label, name in enumerate(("left", "right")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(0, 60, (12, 12), dtype=np.uint8)
                pixels[:, 6 * label : 6 * label + 6] += 180
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return root


def on_folder(trial: Trial, folder: Path) -> Trial:
    """The same trial on an image folder."""
    data = DataConfig(dataset=str(folder), validation_images=16)
    return replace(trial, data=data)


@pytest.fixture
def bring(tmp_path: Path) -> Callable[..., Imported]:
    """A function that imports a text as a file of that name, into the folder `runs`."""

    def bring(text: str, name: str = "predictions.csv", **more: object) -> Imported:
        path = tmp_path / name
        path.write_bytes(text.encode(errors="surrogateescape"))
        return import_answers(path, tmp_path / "runs", **{"data": None, **more})

    return bring
