"""Faster R-CNN at the scale of small images.

Source: Ren et al. 2015 (arXiv:1506.01497), torchvision's region proposals and RoI heads.
Differs: a backbone of our own with a stride of 4; no resizing to 800 pixels; anchors and proposals scaled to
images whose objects are about as large as the data set's images, or, where that has boxes, to its images; one
sample a cell in RoI align, by `grid_sample`, whose backward pass uses all cores; wide convolutions are `Conv3x3`.
Shapes: B images or scenes, C channels, W side (pixels), F features, R regions, K classes; torchvision counts the
background as class 0, so its labels are ours plus one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import MultiScaleRoIAlign

from lab2.data.datasets import DataShape
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.models.layers.normalize import Normalize

STRIDE = 4  # pixels of an image for one place on the map of features
_ANCHORS = (0.4, 0.7)  # square root of the area over the side of an image
_RATIOS = (1.0, 2.0)  # height over width
# The same where the data set has boxes: objects of any size and form, as in the paper (section 3.1.1, three ratios).
_BOXES_ANCHORS = (0.08, 0.16, 0.32, 0.64)
_BOXES_RATIOS = (0.5, 1.0, 2.0)
_BOXES_DETECTIONS = 100  # of an image at most, as COCO counts them


class Detector(nn.Module):
    """Scenes or single images in [0, 1], any side, to torchvision's boxes, labels and scores."""

    def __init__(self, config: FasterRCNNConfig, shape: DataShape) -> None:
        super().__init__()
        self.config = config
        self.shape = shape
        backbone = Backbone(config, shape)
        anchors, ratios = (_BOXES_ANCHORS, _BOXES_RATIOS) if shape.boxes else (_ANCHORS, _RATIOS)
        self.network = FasterRCNN(
            backbone,
            rpn_anchor_generator=AnchorGenerator(
                sizes=(tuple(max(1, round(a * shape.side)) for a in anchors),), aspect_ratios=(ratios,)
            ),
            rpn_pre_nms_top_n_train=4 * config.proposals,
            rpn_pre_nms_top_n_test=4 * config.proposals,
            rpn_post_nms_top_n_train=config.proposals,
            rpn_post_nms_top_n_test=config.proposals,
            rpn_batch_size_per_image=64,
            box_roi_pool=RoIAlign(config.roi_size),
            box_head=TwoMLPHead(backbone.out_channels * config.roi_size**2, config.hidden),
            box_predictor=FastRCNNPredictor(config.hidden, 1 + len(shape.classes)),
            box_batch_size_per_image=config.proposals,
            box_positive_fraction=0.5,
            box_score_thresh=config.score_threshold,
            box_detections_per_img=_BOXES_DETECTIONS if shape.boxes else 4 * config.max_objects,
        )
        self.network.transform = AtOwnScale()

    def losses(self, images: Tensor, targets: list[dict[str, Tensor]]) -> Tensor:
        """The sum of the four losses (region and box: which, where) of (B, C, W, W) scenes."""
        parts: dict[str, Tensor] = self.network(images, targets)
        return torch.stack(list(parts.values())).sum()

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        """For each image, its detections: `boxes` (M, 4) pixels, `labels` (M,) from 0, `scores` (M,)."""
        found: list[dict[str, Tensor]] = self.network(images)
        return [{**one, "labels": one["labels"] - 1} for one in found]


class Backbone(nn.Module):
    """(B, C, W, W) to (B, F, W/4, W/4)."""

    def __init__(self, config: FasterRCNNConfig, shape: DataShape) -> None:
        super().__init__()
        first, second, third = config.widths
        self.out_channels = third
        self.layers = nn.Sequential(
            Normalize(shape.mean, shape.std),
            *_convolution(shape.channels, first),
            nn.MaxPool2d(2),  # (B, F1, W/2, W/2)
            *_convolution(first, second),
            nn.MaxPool2d(2),  # (B, F2, W/4, W/4)
            *_convolution(second, third),
            *_convolution(third, third),
        )

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.layers(images)
        return features


class RoIAlign(MultiScaleRoIAlign):
    """Mask R-CNN's pooling of regions (arXiv:1703.06870) with one sample a cell, for one map of features.

    `torchvision.ops.roi_align` gives the same, but 0 for a sample more than a cell beyond the map, where this
    gives the edge's value. It inherits because torchvision's `FasterRCNN` takes nothing else.
    """

    def __init__(self, size: int) -> None:
        super().__init__(["0"], output_size=size, sampling_ratio=1)

    def forward(self, features: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]) -> Tensor:
        """The (R, 4) boxes in pixels of each of B images in its (F, H, W) map, to (all R, F, size, size)."""
        del image_shapes  # the stride is known
        size, _ = self.output_size
        (maps,) = features.values()
        padded = pad_sequence(boxes, batch_first=True).float()  # (B, R, 4): as many as the image that has most
        there = torch.arange(padded.shape[1]) < torch.tensor([len(one) for one in boxes])[:, None]
        near, far = (padded / STRIDE).unflatten(-1, (2, 2)).unbind(-2)  # (B, R, 2): x and y on the map
        centres = (torch.arange(size, device=maps.device) + 0.5) / size
        points = near[..., None] + (far - near).clamp(min=1)[..., None] * centres  # (B, R, 2, size)
        last = torch.tensor([maps.shape[-1] - 1, maps.shape[-2] - 1], device=maps.device).clamp(min=1)
        x, y = (2 * points / last[:, None] - 1).unbind(-2)  # -1 and 1: the middles of the outermost places
        grid = torch.stack(torch.broadcast_tensors(x[:, :, None, :], y[..., None]), -1)  # (B, R, size, size, 2)
        pooled = F.grid_sample(maps, grid.flatten(1, 2), padding_mode="border", align_corners=True)
        each: Tensor = pooled.unflatten(2, (-1, size)).transpose(1, 2)  # (B, R, F, size, size)
        return each[there.to(maps.device)]


def _convolution(inside: int, outside: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inside, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)


class AtOwnScale(nn.Module):
    """Replaces torchvision's transform, which resizes and normalises: images and boxes pass unchanged."""

    def forward(
        self, images: Tensor, targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[ImageList, list[dict[str, Tensor]] | None]:
        height, width = images.shape[-2:]
        return ImageList(images, [(height, width)] * len(images)), targets

    def postprocess(
        self, result: list[dict[str, Tensor]], _image_shapes: object, _original_image_sizes: object
    ) -> list[dict[str, Tensor]]:
        return result
