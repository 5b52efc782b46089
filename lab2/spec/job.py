"""A job is an architecture with its recipe and resources; a trial is one job, one seed, one data set."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from pydantic import TypeAdapter

from lab2.spec.architectures import ModelConfig, any_config
from lab2.spec.budget import parse_budget
from lab2.spec.checks import require, require_positive
from lab2.spec.effort import Effort
from lab2.spec.recipe import FOR_CLASSIFIERS, NamedRecipe, TrainConfig
from lab2.spec.space import Choice, Range, checked_space

# A job file takes its classes from here.
__all__ = [
    "NOT_COMPUTED",
    "TRIAL",
    "DataConfig",
    "JobSpec",
    "NamedRecipe",
    "Resources",
    "TrainConfig",
    "Trial",
    "unused",
]

if TYPE_CHECKING:
    AnyConfig = ModelConfig
else:
    AnyConfig = any_config()

Broken = Literal["stop", "skip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """The resources of a machine that one trial needs."""

    gpus: int = 1  # on machines that have any
    trials_per_gpu: int = 1  # how many such trials may share a GPU, with `--parallel`; on Slurm the site decides it
    cpus: int = 4  # cores
    memory_gb: float = 8.0  # of main memory
    timeout_min: float = 60.0  # minutes after which the trial is stopped
    checkpoint_seconds: float = 180.0  # between two checkpoints: as much training is lost when a node dies

    def __post_init__(self) -> None:
        require(self.gpus >= 0, f"resources.gpus={self.gpus} is negative")
        require_positive("resources.trials_per_gpu", self.trials_per_gpu)
        require_positive("resources.cpus", self.cpus)
        require_positive("resources.memory_gb", self.memory_gb)
        require_positive("resources.timeout_min", self.timeout_min)
        require_positive("resources.checkpoint_seconds", self.checkpoint_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """The images to use. A limit takes the first images of a seeded, stratified draw, the same for every trial."""

    ADDED: ClassVar[frozenset[str]] = frozenset({
        *("broken", "background", "test_share", "fold", "folds", "fold_draw"),
        *("train_draw", "permutation", "enlarge", "corrupted"),
    })  # fmt: skip

    # By --dataset: a name that `lab2 doctor` lists, the path of an image folder (with boxes: COCO, VOC, YOLO), a CSV or
    # TSV table or Parquet, or torchvision:NAME.
    dataset: str = "mnist"
    # Pixels; sets of pictures only: they are decoded at it for each job that does not state a side (train.image_side).
    image_side: int | None = None
    train_images: int | None = None  # limit; None: all
    validation_images: int | None = None  # of the validation part; without one, of the training images: one in twelve
    test_images: int | None = None  # limit; None: all
    broken: Broken = "stop"  # pictures that do not decode: stop before anything starts, or skip them and say so
    background: str = "#ffffff"  # the colour behind transparent pictures: #rrggbb
    test_share: float = 0.2  # held out for testing where the data have no test part, (0, 1)
    # Of the training images, fold number `fold` of `folds` validates and the others train; None: one fixed split.
    fold: int | None = None  # The first is 0.
    folds: int = 5  # with data.fold: into how many equal parts the training images are dealt, each class in its share
    fold_draw: int = 0  # with data.fold: another number deals them anew, for repeated validation
    # With data.train_images: which of many draws; fewer images of one number are always among more of it. None: the one
    # fixed draw.
    train_draw: int | None = None
    # The pixels of all images in one other order, drawn with this number; None: as they are. Sets in memory only.
    permutation: int | None = None
    enlarge: int = 1  # each pixel becomes so many by so many, to measure what larger images cost; sets in memory only
    corrupted: bool = False  # also test on fifteen corruptions at five strengths each; sets in memory only

    def __post_init__(self) -> None:
        require(self.broken in get_args(Broken), f"data.broken={self.broken!r}, wanted {', '.join(get_args(Broken))}")
        require(
            re.fullmatch(r"#[0-9a-fA-F]{6}", self.background) is not None,
            f"data.background={self.background!r}, wanted #rrggbb: #ffffff is white, #000000 is black",
        )
        require(self.folds > 1, f"data.folds={self.folds}: wanted 2 or more")
        require(
            self.fold is None or 0 <= self.fold < self.folds,
            f"data.fold={self.fold} is not in [0, {self.folds}); data.folds={self.folds}, counted from 0",
        )
        require(self.fold_draw >= 0, f"data.fold_draw={self.fold_draw} is negative")
        for name in ("train_draw", "permutation"):
            value = getattr(self, name)
            require(value is None or 0 <= value < 2**31, f"data.{name}={value} is not in [0, 2^31)")
        require(
            self.train_draw is None or self.train_images is not None,
            f"data.train_draw={self.train_draw} draws nothing without a limit; set data.train_images, too",
        )
        require(
            0 < self.enlarge <= 64, f"data.enlarge={self.enlarge} is not in [1, 64]; 1 leaves the images as they are"
        )
        require(0 < self.test_share < 1, f"data.test_share={self.test_share} is not in (0, 1); a fifth is 0.2")
        for name in ("image_side", "train_images", "validation_images", "test_images"):
            value = getattr(self, name)
            require(value is None or value > 0, f"data.{name}={value} must be positive")

    @property
    def unfolded(self) -> DataConfig:
        """The same data without a fold: what is read, and tested on, in all folds."""
        return replace(self, fold=None, folds=5, fold_draw=0)

    @property
    def source(self) -> DataConfig:
        """What is read, whatever part of it is used and in whatever form: configs of one source share their files."""
        return DataConfig(
            dataset=self.dataset,
            image_side=self.image_side,
            broken=self.broken,
            background=self.background,
            test_share=self.test_share,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """A job: one architecture with its recipe and its resources. Each file in `jobs/` defines one."""

    name: str
    model: AnyConfig
    train: TrainConfig = field(default_factory=TrainConfig)
    # By name of a data set: the recipe that was made for it. `train`, and `effort`, are for all others.
    recipes: dict[str, NamedRecipe] = field(default_factory=dict, hash=False)
    resources: Resources = field(default_factory=Resources)
    # What `lab2 tune` may change, by the names that `--set` takes; empty: `default_space`.
    space: dict[str, Range | Choice] = field(default_factory=dict, hash=False)
    effort: Effort | None = None  # what it took to find the recipe; None: not recorded
    weights_missing: bool = False  # weights="auto" found none when the run was planned, and became "random"

    def __post_init__(self) -> None:
        require(
            re.fullmatch(r"[a-z][a-z0-9_]{0,63}", self.name) is not None,
            f"job name {self.name!r}: use small letters, digits and _, 64 at most, beginning with a letter",
        )
        is_config = isinstance(self.model, ModelConfig)
        require(is_config, f"{self.name}: model={self.model!r}, wanted a config, as in ViTConfig()")
        if self.model.fitted:
            plain = TrainConfig()
            idle = [f"train.{f.name}" for f in fields(plain) if getattr(self.train, f.name) != getattr(plain, f.name)]
            idle += ["recipes"] * bool(self.recipes)
            require(
                not idle,
                f"{self.name}: {', '.join(idle)} would do nothing: {self.model.architecture} is fitted in one step and "
                "has no recipe; take it out",
            )
        if self.model.detects:
            for recipe in (self.train, *(one.train for one in self.recipes.values())):
                self._check_detects(recipe)
        if self.space != {}:
            object.__setattr__(self, "space", checked_space(self))  # sorted, its numbers of the types of their fields

    def for_dataset(self, name: str) -> JobSpec:
        """This job with the one recipe that it has for that data set."""
        known = self.recipes.get(name) or NamedRecipe(train=self.train, effort=self.effort)
        return replace(self, train=known.train, effort=known.effort, recipes={})

    def _check_detects(self, recipe: TrainConfig) -> None:
        """Raise `ConfigError` where `recipe` asks what a detector does not do."""
        defaults = {one.name: one.default for one in fields(recipe)}
        idle = [name for name in FOR_CLASSIFIERS if getattr(recipe, name) != defaults[name]]
        require(
            not idle,
            f"{self.name}: train.{', train.'.join(idle)} would do nothing to a detector; "
            "set it for the classifiers alone, as in --set cnn:train.shift=1",
        )
        require(
            recipe.optimizer != "muon",
            f"{self.name}: train.optimizer=muon is for classifiers: a detector has more than one last layer",
        )
        require(
            recipe.budget is None or parse_budget(recipe.budget).unit != "flops",
            f"{self.name}: train.budget={recipe.budget}: the FLOPs of a detector depend on what it proposes; give it "
            "time or images, or leave it out: --jobs cnn,vit",
        )


# Fields that change no result.
NOT_COMPUTED = dict.fromkeys(("resources", "recipes", "space", "effort", "weights_missing"), True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One job with one seed on one data set. One process runs it, and one shard holds its result."""

    job: JobSpec
    data: DataConfig
    seed: int
    # By name of an input: its SHA-256 or its version when the run was planned (`lab2/measure/inputs.py`).
    inputs: dict[str, str] = field(default_factory=dict, hash=False)
    # The name of the job whose recipe it helps to find: validation images judge it, and it reads no test images. "":
    # it is tested.
    search: str = ""

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**31, f"seed={self.seed} is not in [0, 2^31)")

    @property
    def name(self) -> str:
        """The trial's name within its run, also the stem of its files."""
        return f"{self.job.name}-seed{self.seed}"

    @property
    def group(self) -> str:
        """What it is submitted to Slurm with, in one array: the seeds of its job, or the search that it belongs to."""
        return f"{self.search}-search" if self.search else self.job.name

    @property
    def digest(self) -> str:
        """SHA-256 over configuration and inputs: trials with equal digests compute the same.

        Without resources, space and effort, which change no result.

        A trial without inputs, or of no search, has the digest of older versions, which had neither: old shards still
        belong to it.
        """
        without: dict[str, Any] = {name: True for name in ("inputs", "search") if not getattr(self, name)}
        job = {**NOT_COMPUTED, "model": unused(self.job.model), "train": unused(self.job.train)}
        exclude = {"job": job, "data": unused(self.data), **without}
        return hashlib.sha256(TRIAL.dump_json(self, exclude=exclude)).hexdigest()

    @property
    def configuration(self) -> str:
        """SHA-256 over what the seeds of a job have in common, whatever the job and the data set are called."""
        code = {name: content for name, content in self.inputs.items() if not name.startswith("data ")}
        job = {**NOT_COMPUTED, "name": True, "model": unused(self.job.model), "train": unused(self.job.train)}
        exclude: dict[str, Any] = {"seed": True, "job": job, "data": {"dataset", *unused(self.data)}}
        return hashlib.sha256(TRIAL.dump_json(replace(self, inputs=code), exclude=exclude)).hexdigest()


def settings_by_name(trial: Trial) -> dict[str, Any]:
    """The recipe and config of `trial`, by the names that `--set` takes; values as JSON has them.

    A trial that was trained elsewhere has no recipe.
    """
    whole: dict[str, Any] = TRIAL.dump_python(trial, mode="json")
    parts = ("model",) if trial.job.model.trained_elsewhere else ("model", "train", "resources")
    sections = {part: whole["job"][part] for part in parts} | {"data": whole["data"]}
    return {f"{part}.{name}": value for part, values in sections.items() for name, value in values.items()}


def unused(config: Any) -> set[str]:
    """The fields of `config` that its class names in `ADDED` and that have their default.

    They are left out of a digest: a trial that does not use a new field is the trial that it was before there was one.
    """
    added: frozenset[str] = getattr(type(config), "ADDED", frozenset())
    return {one.name for one in fields(config) if one.name in added and getattr(config, one.name) == one.default}


TRIAL: TypeAdapter[Trial] = TypeAdapter(Trial)
