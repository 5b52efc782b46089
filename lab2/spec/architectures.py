"""The configs of the architectures. Each names its paper; `lab2/models/` builds the network.

None of them states channels, image side or number of classes: those belong to the data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from lab2.spec.checks import require


@dataclass(frozen=True, slots=True, kw_only=True)
class CNNConfig:
    """Two convolutions and two linear layers, after LeNet-5 (LeCun et al. 1998)."""

    architecture: Literal["cnn"] = "cnn"
    filters: tuple[int, int] = (32, 64)
    kernel_size: int = 5  # pixels; odd
    hidden: int = 384
    dropout: float = 0.1
    batch_norm: bool = False  # after each pooling

    def __post_init__(self) -> None:
        require(min(self.filters) > 0, f"cnn: filters={self.filters}, both must be positive")
        require(self.kernel_size % 2 == 1, f"cnn: kernel_size={self.kernel_size} must be odd")
        require(self.hidden > 0, f"cnn: hidden={self.hidden} must be positive")
        require(0 <= self.dropout < 1, f"cnn: dropout={self.dropout} is not in [0, 1)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ViTConfig:
    """Vision Transformer (arXiv:2010.11929), shrunk to small images."""

    architecture: Literal["vit"] = "vit"
    patch_size: int = 4  # pixels; must divide the image side
    dim: int = 20
    depth: int = 2
    num_heads: int = 2
    mlp_ratio: int = 4  # hidden width of the MLP over dim

    def __post_init__(self) -> None:
        require(self.patch_size > 0, f"vit: patch_size={self.patch_size} must be positive")
        require(
            min(self.dim, self.depth, self.num_heads, self.mlp_ratio) > 0,
            f"vit: dim={self.dim}, depth={self.depth}, num_heads={self.num_heads} and "
            f"mlp_ratio={self.mlp_ratio} must be positive",
        )
        require(
            self.dim % self.num_heads == 0,
            f"vit: dim={self.dim} is not divisible by num_heads={self.num_heads}",
        )
        require(self.dim % 2 == 0, f"vit: dim={self.dim} must be even (a sine and a cosine each)")


@dataclass(frozen=True, slots=True, kw_only=True)
class FasterRCNNConfig:
    """Faster R-CNN (arXiv:1506.01497) over a small backbone, at the scale of the images."""

    architecture: Literal["faster_rcnn"] = "faster_rcnn"
    widths: tuple[int, int, int] = (24, 48, 96)  # channels of the backbone's three stages
    canvas: float = 4.0  # side of a scene over the side of an image
    max_objects: int = 9  # images pasted into one scene, at most
    proposals: int = 32  # regions that the second stage looks at, for each image
    roi_size: int = 5  # cells of the pooled region
    hidden: int = 128  # width of the box head
    score_threshold: float = 0.05
    test_scenes: int = 1000  # scenes of test images for the mAP

    def __post_init__(self) -> None:
        require(min(self.widths) > 0, f"faster_rcnn: widths={self.widths} must be positive")
        require(self.canvas >= 1, f"faster_rcnn: canvas={self.canvas} is smaller than one image")
        require(self.max_objects >= 1, f"faster_rcnn: max_objects={self.max_objects} must be 1 or more")
        require(
            min(self.proposals, self.roi_size, self.hidden, self.test_scenes) > 0,
            "faster_rcnn: proposals, roi_size, hidden and test_scenes must be positive",
        )
        require(
            0 <= self.score_threshold < 1,
            f"faster_rcnn: score_threshold={self.score_threshold} is not in [0, 1)",
        )


NAMED_WEIGHTS = ("auto", "imagenet", "random")  # anything else is the path of a checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferConfig:
    """What VGG16 and AlexNet share: where their weights come from, and how large an image they see."""

    # "auto": ImageNet weights where `lab2 prepare` put them, random ones elsewhere.
    # "imagenet", "random", or the path of a lab2 checkpoint: that, or an error.
    weights: str = "auto"
    image_side: int = 64  # pixels; images are resized to it inside the network
    dropout: float = 0.0
    head_epochs: int = 2  # pre-trained weights only: epochs of the classifier on frozen features
    feature_lr_scale: float = 0.1  # pre-trained weights only: learning rate of the features over the head's

    def __post_init__(self) -> None:
        name = type(self).__name__
        require(bool(self.weights), f"{name}: weights is empty; give auto, imagenet, random or a path")
        require(0 <= self.dropout < 1, f"{name}: dropout={self.dropout} is not in [0, 1)")
        require(self.head_epochs >= 0, f"{name}: head_epochs={self.head_epochs} is negative")
        require(
            0 <= self.feature_lr_scale <= 1,
            f"{name}: feature_lr_scale={self.feature_lr_scale} is not in [0, 1]",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VGG16Config(TransferConfig):
    """VGG16, configuration D (arXiv:1409.1556), as torchvision ships it."""

    architecture: Literal["vgg16"] = "vgg16"
    image_side: int = 32

    def __post_init__(self) -> None:
        TransferConfig.__post_init__(self)
        require(self.image_side >= 32, f"vgg16: image_side={self.image_side}, five poolings need 32 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlexNetConfig(TransferConfig):
    """AlexNet (arXiv:1404.5997, the one-tower variant), as torchvision ships it."""

    architecture: Literal["alexnet"] = "alexnet"

    def __post_init__(self) -> None:
        TransferConfig.__post_init__(self)
        require(self.image_side >= 63, f"alexnet: image_side={self.image_side}, its strides need 63 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedConfig:
    """A sixth architecture: any classifier that Python can import, trained from random weights."""

    architecture: Literal["imported"] = "imported"
    network: str  # "torchvision.models:resnet18", or "my/net.py:Net"; called with num_classes and the options
    options: dict[str, str | int | float | bool] = field(default_factory=dict)
    image_side: int | None = None  # pixels; images are resized to it; None: as they are

    def __post_init__(self) -> None:
        place, _, name = self.network.rpartition(":")
        require(
            bool(place) and name.isidentifier(),
            f"imported: network={self.network!r}, wanted module:name or path/to/file.py:name",
        )
        require("num_classes" not in self.options, "imported: options.num_classes comes from the data; take it out")
        require(self.image_side is None or self.image_side > 0, f"imported: image_side={self.image_side}")


ModelConfig = Annotated[
    CNNConfig | ViTConfig | FasterRCNNConfig | VGG16Config | AlexNetConfig | ImportedConfig,
    Field(discriminator="architecture"),
]
