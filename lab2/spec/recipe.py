"""A recipe: how a network is trained, whatever the network and the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from lab2.spec.budget import parse_budget
from lab2.spec.checks import require, require_positive
from lab2.spec.effort import Effort

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Optimizer = Literal["adamw", "sgd", "muon"]
MemoryFormat = Literal["auto", "channels_last", "channels_first"]
Convolution = Literal["auto", "winograd", "direct"]
CudaGraph = Literal["auto", "on", "off"]
Schedule = Literal["one_cycle", "constant"]


# By a length that is set, by its dotted name: the fields that would overrule it, which then are none.
OVERRULED_BY = {"train.epochs": ("images", "budget"), "train.images": ("budget",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """The training recipe."""

    ADDED: ClassVar[frozenset[str]] = frozenset({
        *("flip", "crop_scale", "jitter", "trivial_augment", "mixup", "cutmix"),
        *("image_side", "memory_format", "convolution", "images", "budget", "patience", "schedule", "cuda_graph"),
    })  # fmt: skip

    # The length, where neither `images` nor `budget` gives one: passes over the training images; 1.5 is one and a half.
    # A recipe of so many passes was made for its data: its batch and learning rate are not fitted to other sets.
    epochs: float = 3.0
    # The length for any data set: training images to see, repetitions included, on a reference set of 60,000 images in
    # ten classes; lab2/spec/scaling.py fits length, batch and learning rate to other sets.
    images: int | None = None
    # Replaces both as the length: 90s, 5m or 1.5h of training, 20000-images to see, or 3e15-flops of training.
    budget: str | None = None
    # Validations: the training ends early after so many in a row without a better accuracy. None: it never does.
    patience: int | None = None
    batch_size: int = 256  # images a step
    learning_rate: float = 1e-3  # the peak of the cycle, or that of all steps
    # Of the learning rate. one_cycle: it rises to its peak and falls to about 0 (arXiv:1708.07120); constant: it stays.
    schedule: Schedule = "one_cycle"
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
    # On a GPU a step is recorded once and replayed as a CUDA graph: the same bits, fewer launches. auto: but for a
    # network of the user's, whose Python code may decide something anew in each step. Never in fp16.
    cuda_graph: CudaGraph = "auto"
    target_accuracy: float | None = None  # [0, 1], validation; the time to reach it is recorded
    save_weights: bool = False  # keep the trained network in the run, to fine-tune from
    # Pixels; sets of pictures only: the side at which this job's are decoded. None: data.image_side, else that of its
    # network.
    image_side: int | None = None

    def __post_init__(self) -> None:
        require_positive("train.epochs", self.epochs)
        if self.images is not None:
            require_positive("train.images", self.images)
        if self.budget is not None:
            parse_budget(self.budget)
        if self.patience is not None:
            require_positive("train.patience", self.patience)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRecipe:
    """A recipe that was made for one data set, and what it took to find it."""

    train: TrainConfig
    effort: Effort | None = None  # None: not recorded


FOR_CLASSIFIERS = (
    *("label_smoothing", "rotation", "stretch", "shift"),
    *("crop_scale", "flip", "jitter", "trivial_augment", "mixup", "cutmix"),
)
_CHOICES = {
    "optimizer": Optimizer,
    "precision": Precision,
    "memory_format": MemoryFormat,
    "convolution": Convolution,
    "cuda_graph": CudaGraph,
    "schedule": Schedule,
}
