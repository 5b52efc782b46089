"""Any classifier: of torchvision, of timm, or of the user's own, from random or from pre-trained weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from lab2.spec.architectures import Architecture, Record, TransferConfig
from lab2.spec.checks import require, require_positive

if TYPE_CHECKING:
    from torch import nn

    from lab2.data.datasets import DataShape

_KINDS = "torchvision:NAME, timm:NAME, path/to/file.py:NAME or package.module:NAME"
USUAL_SIDE = 224  # pixels; of 64 of torchvision's 80 classifiers


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig(TransferConfig):
    """A network by its name. What is not stated here is taken from the record of its weights, then from its own."""

    ADDED: ClassVar[frozenset[str]] = frozenset({"frozen", "frozen_statistics"})
    code_field: ClassVar[str] = "name"

    architecture: Literal["network"] = "network"
    # "torchvision:resnet50", "timm:vit_tiny_patch16_224", "my/net.py:Net" or "package.module:Net". A network of the
    # user's is called with `num_classes` and the options; it takes (B, 3, S, S) images and gives (B, K) logits.
    name: str
    options: dict[str, str | int | float | bool] = field(default_factory=dict)  # keyword arguments besides num_classes
    # Pixels; images are resized to it inside the network, and sets of pictures are decoded for it. None: the side for
    # which it was made, else that of the data.
    image_side: int | None = None
    # "auto": pre-trained weights where `lab2 prepare` has stored them, otherwise random ones. "own": those that its own
    # code brings. "pretrained", "random", or the path of a checkpoint of lab2 or of a state dict: that, or an error.
    weights: str = "auto"
    head: str = ""  # the layer that gives the classes, such as "fc"; empty: the one that the network's record names
    head_epochs: int = 2  # pre-trained weights only: epochs of the head on frozen features
    feature_lr_scale: float = 0.1  # pre-trained weights only: learning rate of the features over the head's
    # Pre-trained weights only: layers that keep their weights, such as "layer1" or "features.0". The backward pass of
    # the first layers takes longest, and what they have learnt is the most general (arXiv:1411.1792).
    frozen: tuple[str, ...] = ()
    # Pre-trained weights only: batch norms normalise with the running mean and variance of the weights, in training as
    # in evaluation; their scale and shift are trained. Statistics of a small batch are noisy, and differ from those.
    frozen_statistics: bool = False
    # None for these three: what the record of the weights says, else that of the network; with random weights mean and
    # deviation of the data, and no crop.
    mean: tuple[float, float, float] | None = None  # of each channel, in [0, 1]: it is subtracted
    std: tuple[float, float, float] | None = None  # of each channel, in [0, 1]: it divides
    crop: float | None = None  # side of the square in the middle that is used, over the image's side, (0, 1]

    def __post_init__(self) -> None:
        TransferConfig.__post_init__(self)
        place, _, name = self.name.rpartition(":")
        plain = name.replace(".", "_") if place == "timm" else name  # timm's weights have a name after a dot
        found = f"network: name={self.name!r}"
        require(bool(place) and plain.isidentifier(), f"{found}, wanted {_KINDS}")
        require("num_classes" not in self.options, "network: options.num_classes comes from the data; take it out")
        if place in ("torchvision", "timm"):
            idle = sorted(self.options.keys() & {"weights", "weights_backbone", "pretrained"})
            require(not idle, f"network: options.{', '.join(idle)}: say model.weights=pretrained instead")
            require(self.weights != "own", f"{found}: weights=own is for a network of your own")
        elif self.weights in ("pretrained", "imagenet"):
            require(False, f"{found}: nothing is known of its weights; give model.weights the path of a file, or own")
        if self.image_side is not None:
            require_positive("network: image_side", self.image_side)
        require((self.mean is None) == (self.std is None), "network: give both mean and std, or neither")
        require(self.std is None or min(self.std) > 0, f"network: std={self.std}, all must be positive")
        require(self.crop is None or 0 < self.crop <= 1, f"network: crop={self.crop} is not in (0, 1]")

    @property
    def decoded_side(self) -> int | None:
        """The side before the crop, so that nothing is made larger than it was decoded.

        Of a library's network without an `image_side` it is the side for which it was made. Where torch is not
        installed, as on a login node, that is taken to be `USUAL_SIDE`. Raises `ConfigError` for an unknown network.
        """
        if self.image_side:
            return round(self.image_side / (self.crop or 1.0))
        if not self.known_as:
            return None
        try:
            made_for = record(self)
        except ImportError:
            made_for = Record(image_side=USUAL_SIDE)
        crop = self.crop or (1.0 if self.weights == "random" else made_for.crop)  # random weights are not cropped for
        return round(made_for.image_side / crop) if made_for.image_side else None

    @property
    def known_as(self) -> str:
        """The name that `lab2 prepare` brings its weights by: a network of one's own has none."""
        return self.name if self.name.partition(":")[0] in ("torchvision", "timm") else ""


def build(config: NetworkConfig, shape: DataShape) -> nn.Module:
    """The network of that name. Raises `ConfigError` where it cannot be imported or called."""
    from lab2.models.building.libraries import library, make

    one = library(config.name)
    side = config.image_side or one.record().image_side
    return make(one, config.options, shape, side=side, where=f"network: name={config.name}")


def record(config: NetworkConfig) -> Record:
    """What the network says itself. Raises `ConfigError` where there is none of that name."""
    from lab2.models.building.libraries import library

    return library(config.name).record()


ARCHITECTURE = Architecture(
    config=NetworkConfig, build=build, paper="that of the named network", colours=True, record=record
)
