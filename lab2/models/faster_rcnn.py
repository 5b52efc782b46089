"""Faster R-CNN at the scale of small images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from lab2.spec.architectures import Architecture, ModelConfig
from lab2.spec.checks import require

if TYPE_CHECKING:
    from torch import nn

    from lab2.data.datasets import DataShape


@dataclass(frozen=True, slots=True, kw_only=True)
class FasterRCNNConfig(ModelConfig):
    """Faster R-CNN (arXiv:1506.01497) over a small backbone, at the scale of the images."""

    detects: ClassVar[bool] = True
    settled: ClassVar[bool] = True

    architecture: Literal["faster_rcnn"] = "faster_rcnn"
    widths: tuple[int, int, int] = (24, 48, 96)  # channels of the backbone's three stages
    canvas: float = 4.0  # composed scenes: side of a scene over the side of an image
    max_objects: int = 9  # composed scenes: images pasted into one, at most
    proposals: int = 32  # regions that the second stage looks at, for each image
    roi_size: int = 5  # cells of the pooled region
    hidden: int = 128  # width of the box head
    score_threshold: float = 0.05  # boxes with a lower score are dropped, [0, 1)
    test_scenes: int = 1000  # composed scenes: how many of test images, for the mAP

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


def build(config: FasterRCNNConfig, shape: DataShape) -> nn.Module:
    """A `Detector`: of scenes or single images in [0, 1], which it normalises itself."""
    from lab2.models.layers.detector import Detector

    return Detector(config, shape)


ARCHITECTURE = Architecture(
    config=FasterRCNNConfig,
    build=build,
    paper="Ren et al. 2015 (arXiv:1506.01497), torchvision's region proposals and RoI heads",
    differs="a small backbone with a stride of 4, no resizing to 800 pixels, anchors at the scale of the images",
    parameters=551_443,
)
