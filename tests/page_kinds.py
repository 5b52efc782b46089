"""Pages of all kinds that a browser is shown: by tests/test_page_browser.py, and by tests/screenshots.py for people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from lab2.data.identity import identities
from lab2.data.places import open_source
from lab2.report.chapter import Chapter
from lab2.report.page.page import index_html
from lab2.report.report import make_report
from lab2.results.collect import collect
from lab2.results.journal import CurvePoint, Journal
from lab2.results.run_dir import RunDir
from lab2.results.shard import unfinished, write_shard
from lab2.spec.job import DataConfig
from tests.answered import leave, seeds_of
from tests.conftest import TINY, make_run, make_trial
from tests.paged import NASTY, chapters, with_classes

IMAGES = 600
DIGITS = tuple("0123456789")
MANY_JOBS, MANY_SEEDS = 25, 20  # of more than 40 rows no pairs are compared


def three(folder: Path) -> RunDir:
    """Three rows on real test images of MNIST, with names of classes that are hard to show."""
    return _rows(folder, {"cnn": 0.05, "vit": 0.12, "resnet": 0.1}, 3, NASTY)


def five(folder: Path) -> RunDir:
    """Five trials, one of each architecture, with curves."""
    hardness = {"cnn": 0.02, "vit": 0.1, "alexnet": 0.04, "vgg16": 0.03, "resnet20_with_a_long_name": 0.06}
    run = _rows(folder, hardness, 1, DIGITS)
    for name, hard in hardness.items():
        journal = Journal(run, f"{name}-seed1")
        for epoch in range(1, 9):
            accuracy = 1 - hard - 0.6 * 0.5**epoch
            journal.add(
                CurvePoint(
                    epoch=epoch, images=10_000 * epoch, loss=1 - accuracy, validation_accuracy=accuracy,
                    validation_macro_f1=accuracy, train_seconds=20.0 * epoch,
                )
            )  # fmt: skip
    return run


def many(folder: Path, images: int = IMAGES) -> RunDir:
    """500 trials: 25 jobs with 20 seeds each."""
    generator = np.random.default_rng(1)
    hardness = {f"cnn_{place:02d}": float(hard) for place, hard in enumerate(generator.uniform(0.02, 0.2, MANY_JOBS))}
    return _rows(folder, hardness, MANY_SEEDS, DIGITS, images)


def failed(folder: Path) -> RunDir:
    """A trial that failed for a reason that is hard to show, and one that is missing."""
    trial, other = make_trial("cnn"), make_trial("vit")
    found = make_run(folder, trial, other)
    write_shard(found.shard(trial.name), unfinished(trial, "failed", "<script>alert(1)</script> " + "x" * 300))
    return found


def none(folder: Path) -> RunDir:
    """No trial has left anything."""
    return make_run(folder, make_trial("cnn"), make_trial("vit"))


def one_seed(folder: Path) -> RunDir:
    """Two rows with one seed each, and one that failed; their images are on no disk."""
    trials = [*seeds_of("a"), *seeds_of("b"), *seeds_of("c")]
    found = make_run(folder, *trials)
    for place, trial in enumerate(trials[:2]):
        leave(found, trial, np.arange(200) % (9 + place) > 0)
    write_shard(found.shard(trials[2].name), unfinished(trials[2], "failed", "diverged"))
    return found


RUNS: dict[str, Callable[[Path], RunDir]] = {
    "three": three, "five": five, "many": many, "failed": failed, "none": none, "one seed": one_seed, "study": three,
}  # fmt: skip


class Pages(dict[str, Path]):
    """The files of pages by their kinds; each is made, in a folder of its own, when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.runs: dict[str, RunDir] = {}

    def __missing__(self, kind: str) -> Path:
        folder = self.folder / kind.replace(" ", "-")
        folder.mkdir()
        self.runs[kind] = RUNS[kind](folder)
        added: tuple[Chapter, ...] = chapters() if kind == "study" else ()
        self[kind] = folder / "index.html"
        self[kind].write_bytes(index_html(make_report(self.runs[kind], collect(self.runs[kind]), added)))
        return self[kind]


def _rows(
    folder: Path, hardness: dict[str, float], seeds: int, classes: tuple[str, ...], count: int = IMAGES
) -> RunDir:
    """Jobs that are the more often wrong about an image the harder it is; each with costs of its own."""
    generator = np.random.default_rng(0)
    ease = generator.random(count)
    images = identities(open_source(DataConfig()).read("test").pixels[:count])
    models = {name: TINY.get(name, TINY["cnn"]) for name in hardness}
    trials = {
        name: [make_trial(name, seed=seed, model=models[name]) for seed in range(1, seeds + 1)] for name in models
    }
    found = make_run(folder, *(trial for those in trials.values() for trial in those))
    for place, (name, those) in enumerate(trials.items(), 1):
        for trial in those:
            right = ease + generator.normal(0, 0.1, count) > hardness[name]
            costs = {
                "parameters": 1_000 * place**2, "train_seconds": 20.0 * place + generator.random(),
                "latency_p50_seconds": 0.002 * place, "peak_memory_bytes": 2**28 * (5 + place),
                "flops_per_image": 100_000 * place,
            }  # fmt: skip
            leave(found, trial, right, images=images, **costs)
    with_classes(found, classes)
    return found
