"""A job is an architecture with its recipe and resources; a trial is one job, one seed, one data set."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from pydantic import TypeAdapter

from lab2.spec.architectures import ModelConfig, any_config
from lab2.spec.checks import require, require_positive

if TYPE_CHECKING:
    AnyConfig = ModelConfig
else:
    AnyConfig = any_config()

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Optimizer = Literal["adamw", "sgd", "muon"]
MemoryFormat = Literal["auto", "channels_last", "channels_first"]
Convolution = Literal["auto", "winograd", "direct"]
Broken = Literal["stop", "skip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """The training recipe. The learning rate rises to its peak and falls to about 0: one cycle (arXiv:1708.07120)."""

    ADDED: ClassVar[frozenset[str]] = frozenset({
        *("flip", "crop_scale", "jitter", "trivial_augment", "mixup", "cutmix"),
        *("image_side", "memory_format", "convolution"),
    })  # fmt: skip

    epochs: float = 3.0  # passes over the training images; 1.5 is one and a half
    batch_size: int = 256  # images a step
    learning_rate: float = 1e-3  # the peak of the cycle
    optimizer: Optimizer = "adamw"  # muon: Muon for the matrices of hidden layers, AdamW for the rest; classifiers
    weight_decay: float = 0.01  # of matrices; biases and gains have none
    warmup: float = 0.2  # share of the steps in which the learning rate rises, [0, 1)
    label_smoothing: float = 0.0  # classifiers; share of each label that goes to all classes alike, [0, 1)
    rotation: float = 0.0  # classifiers; degrees by which an image is turned at most, drawn anew each time
    # classifiers; a side of an image becomes 1 / (1 + stretch) to 1 / (1 - stretch) of its length, drawn anew each time
    stretch: float = 0.0
    shift: int = 0  # classifiers; pixels by which an image is moved at most, drawn anew each time
    # classifiers; the smallest share of an image's area that a random crop keeps, (0, 1]; it is resized to the whole
    crop_scale: float = 1.0
    flip: float = 0.0  # classifiers; the probability that an image is mirrored left to right, drawn anew each time
    # classifiers; brightness, contrast and saturation are multiplied by 1 - jitter to 1 + jitter, drawn anew, [0, 1]
    jitter: float = 0.0
    trivial_augment: bool = False  # classifiers; one of 14 operations on each image, drawn anew, of random strength
    # classifiers; an image and its label are averaged with another's, by a share from Beta(mixup, mixup); 0: never
    mixup: float = 0.0
    # classifiers; an image gets a square of another's, its area from Beta(cutmix, cutmix), and as much of its label
    cutmix: float = 0.0
    precision: Precision = "auto"  # auto: what is fastest for this architecture on this device
    # The order of images and kernels in memory. auto: channels_last; on a CPU, of a network other than lab2's five,
    # what is measured to be faster before it trains.
    memory_format: MemoryFormat = "auto"
    # The algorithm of wide 3 x 3 convolutions in fp32 on a CPU; elsewhere it is direct. auto: winograd, or as above.
    convolution: Convolution = "auto"
    target_accuracy: float | None = None  # [0, 1], validation; the time to reach it is recorded
    save_weights: bool = False  # keep the trained network in the run, to fine-tune from
    # Pixels; sets of pictures only: the side at which this job's are decoded. None: data.image_side, else that of its
    # network.
    image_side: int | None = None

    def __post_init__(self) -> None:
        require_positive("train.epochs", self.epochs)
        require_positive("train.batch_size", self.batch_size)
        require_positive("train.learning_rate", self.learning_rate)
        for name, known in _CHOICES.items():
            value, allowed = getattr(self, name), get_args(known)
            require(value in allowed, f"train.{name}={value!r}, wanted {', '.join(allowed)}")
        require(0 <= self.weight_decay < math.inf, f"train.weight_decay={self.weight_decay} is negative or infinite")
        require(0 <= self.warmup < 1, f"train.warmup={self.warmup} is not in [0, 1)")
        require(0 <= self.label_smoothing < 1, f"train.label_smoothing={self.label_smoothing} is not in [0, 1)")
        require(0 <= self.rotation <= 180, f"train.rotation={self.rotation} is not in [0, 180] degrees")
        require(0 <= self.stretch < 1, f"train.stretch={self.stretch} is not in [0, 1)")
        require(self.shift >= 0, f"train.shift={self.shift} is negative")
        require(0 < self.crop_scale <= 1, f"train.crop_scale={self.crop_scale} is not in (0, 1]; 1 is no crop")
        for name in ("flip", "jitter"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"train.{name}={value} is not in [0, 1]")
        for name in ("mixup", "cutmix"):
            value = getattr(self, name)
            require(0 <= value < math.inf, f"train.{name}={value} is negative or infinite")
        require(
            self.target_accuracy is None or 0 < self.target_accuracy <= 1,
            f"train.target_accuracy={self.target_accuracy} is not in (0, 1]; 99 % is 0.99",
        )
        require(self.image_side is None or self.image_side > 0, f"train.image_side={self.image_side} must be positive")


_FOR_CLASSIFIERS = (
    *("label_smoothing", "rotation", "stretch", "shift"),
    *("crop_scale", "flip", "jitter", "trivial_augment", "mixup", "cutmix"),
)
_CHOICES = {"optimizer": Optimizer, "precision": Precision, "memory_format": MemoryFormat, "convolution": Convolution}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """The resources of a machine that one trial needs."""

    gpus: int = 1  # on machines that have any
    cpus: int = 4  # cores
    memory_gb: float = 8.0  # of main memory
    timeout_min: float = 60.0  # minutes after which the trial is stopped
    checkpoint_seconds: float = 180.0  # between two checkpoints: as much training is lost when a node dies

    def __post_init__(self) -> None:
        require(self.gpus >= 0, f"resources.gpus={self.gpus} is negative")
        require_positive("resources.cpus", self.cpus)
        require_positive("resources.memory_gb", self.memory_gb)
        require_positive("resources.timeout_min", self.timeout_min)
        require_positive("resources.checkpoint_seconds", self.checkpoint_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """The images to use. A limit takes the first images of a seeded, stratified draw, the same for every trial."""

    ADDED: ClassVar[frozenset[str]] = frozenset({"broken", "background", "test_share"})

    # A name that `lab2 doctor` lists, the path of an image folder (with boxes: COCO, VOC, YOLO), a CSV or TSV table or
    # Parquet, or torchvision:NAME.
    dataset: str = "mnist"
    # Pixels; sets of pictures only: they are decoded at it for each job that does not state a side (train.image_side).
    image_side: int | None = None
    train_images: int | None = None  # limit; None: all
    validation_images: int | None = None  # of the validation part; without one, of the training images: one in twelve
    test_images: int | None = None  # limit; None: all
    broken: Broken = "stop"  # pictures that do not decode: stop before anything starts, or skip them and say so
    background: str = "#ffffff"  # the colour behind transparent pictures: #rrggbb
    test_share: float = 0.2  # held out for testing where the data have no test part, (0, 1)

    def __post_init__(self) -> None:
        require(self.broken in get_args(Broken), f"data.broken={self.broken!r}, wanted {', '.join(get_args(Broken))}")
        require(
            re.fullmatch(r"#[0-9a-fA-F]{6}", self.background) is not None,
            f"data.background={self.background!r}, wanted #rrggbb: #ffffff is white, #000000 is black",
        )
        require(0 < self.test_share < 1, f"data.test_share={self.test_share} is not in (0, 1); a fifth is 0.2")
        for name in ("image_side", "train_images", "validation_images", "test_images"):
            value = getattr(self, name)
            require(value is None or value > 0, f"data.{name}={value} must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """A job: one architecture with its recipe and its resources. Each file in `jobs/` defines one."""

    name: str
    model: AnyConfig
    train: TrainConfig = field(default_factory=TrainConfig)
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        require(
            re.fullmatch(r"[a-z][a-z0-9_]{0,63}", self.name) is not None,
            f"job name {self.name!r}: use small letters, digits and _, beginning with a letter",
        )
        is_config = isinstance(self.model, ModelConfig)
        require(is_config, f"{self.name}: model={self.model!r}, wanted a config, as in ViTConfig()")
        if self.model.fitted:
            plain = TrainConfig()
            idle = [f.name for f in fields(plain) if getattr(self.train, f.name) != getattr(plain, f.name)]
            require(
                not idle,
                f"{self.name}: train.{', train.'.join(idle)} would do nothing: {self.model.architecture} is fitted in "
                "one step and has no recipe; take it out",
            )
        if self.model.detects:
            defaults = {one.name: one.default for one in fields(self.train)}
            idle = [name for name in _FOR_CLASSIFIERS if getattr(self.train, name) != defaults[name]]
            require(
                not idle,
                f"{self.name}: train.{', train.'.join(idle)} would do nothing to a detector; "
                "set it for the classifiers alone, as in --set cnn:train.shift=1",
            )
            require(
                self.train.optimizer != "muon",
                f"{self.name}: train.optimizer=muon is for classifiers: a detector has more than one last layer",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One job with one seed on one data set. One process runs it, and one shard holds its result."""

    job: JobSpec
    data: DataConfig
    seed: int
    # By name of an input: its SHA-256 or its version when the run was planned (`lab2/measure/inputs.py`).
    inputs: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**31, f"seed={self.seed} is not in [0, 2^31)")

    @property
    def name(self) -> str:
        """The trial's name within its run, also the stem of its files."""
        return f"{self.job.name}-seed{self.seed}"

    @property
    def digest(self) -> str:
        """SHA-256 over configuration and inputs, without resources: trials with equal digests compute the same.

        A trial without inputs has the digest of older versions, which had no inputs: old shards still belong to it.
        """
        without: dict[str, Any] = {} if self.inputs else {"inputs": True}
        job = {"resources": True, "model": unused(self.job.model), "train": unused(self.job.train)}
        exclude = {"job": job, "data": unused(self.data), **without}
        return hashlib.sha256(TRIAL.dump_json(self, exclude=exclude)).hexdigest()


def unused(config: Any) -> set[str]:
    """The fields of `config` that its class names in `ADDED` and that have their default.

    They are left out of a digest: a trial that does not use a new field is the trial that it was before there was one.
    """
    added: frozenset[str] = getattr(type(config), "ADDED", frozenset())
    return {one.name for one in fields(config) if one.name in added and getattr(config, one.name) == one.default}


TRIAL: TypeAdapter[Trial] = TypeAdapter(Trial)
