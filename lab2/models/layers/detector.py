"""Faster R-CNN at the scale of small images.

Source: Ren et al. 2015 (arXiv:1506.01497), torchvision's region proposals and RoI heads.
Differs: a backbone of our own with a stride of 4; no resizing to 800 pixels; anchors and proposals scaled to
images whose objects are about as large as the data set's images, or, where that has boxes, to its images; one
sample a cell in RoI align; wide convolutions are `Conv3x3`. It trains by the losses of torchvision's network, computed
for all images of a batch at once and without a wait (`dense_proposals.py`, `dense_regions.py`). On a CPU it
detects by torchvision's own code, on an accelerator by the same for all images at once (`detections.py`).
Shapes: B images or scenes, C channels, W side (pixels), F features, M objects at most, K classes; torchvision counts
the background as class 0, so its labels are ours plus one.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork

from lab2.data.datasets import DataShape
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.models.layers.boxes import draw
from lab2.models.layers.dense_proposals import anchors_and_scores, proposal_losses, propose
from lab2.models.layers.dense_regions import region_losses
from lab2.models.layers.detections import select
from lab2.models.layers.normalize import Normalize
from lab2.models.layers.roi_align import RoIAlign, by_sampling

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

    def losses(self, images: Tensor, boxes: Tensor, labels: Tensor, present: Tensor, draws: Tensor) -> Tensor:
        """The sum of the four losses of `parts`, a scalar."""
        return torch.stack(list(self.parts(images, boxes, labels, present, draws).values())).sum()

    def parts(self, images: Tensor, boxes: Tensor, labels: Tensor, present: Tensor, draws: Tensor) -> dict[str, Tensor]:
        """Torchvision's four losses (region and box: which, where) of (B, C, W, W) images in [0, 1], scalars.

        In an image are those of its objects that are `present` (B, M), with `boxes` (B, M, 4) in pixels and `labels`
        (B, M) from 0. `draws` are those of `draw`. Nothing here waits for the accelerator, and no size depends on a
        value.
        """
        rpn, heads = cast(RegionProposalNetwork, self.network.rpn), cast(RoIHeads, self.network.roi_heads)
        maps = self.network.backbone(images)  # (B, F, W/4, W/4)
        anchors, objectness, codes = anchors_and_scores(rpn, images, maps)
        of_anchors, of_regions = draws.split([len(anchors), draws.shape[1] - len(anchors)], 1)
        proposals = propose(rpn, anchors, objectness.detach(), codes.detach(), images.shape[-1])
        is_object, where = proposal_losses(rpn, anchors, objectness, codes, boxes, present, of_anchors)
        which, exactly = region_losses(heads, maps, proposals, boxes, labels + 1, present, of_regions)
        return {
            "loss_classifier": which,
            "loss_box_reg": exactly,
            "loss_objectness": is_object,
            "loss_rpn_box_reg": where,
        }

    def draw(self, count: int, side: int, objects: int) -> Tensor:
        """Random numbers for one step: they decide which anchors and regions it learns from.

        Of `count` images of `side` pixels with M = `objects`: (B, A + N + M) int32 for A anchors, N proposals and M
        objects, on the network's device and by its default generator.
        """
        generator = cast(AnchorGenerator, self.network.rpn.anchor_generator)
        anchors = (side // 2 // 2) ** 2 * generator.num_anchors_per_location()[0]
        return draw(count, anchors + self.config.proposals + objects, next(self.parameters()).device)

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        """For each image, its detections: `boxes` (M, 4) pixels, `labels` (M,) from 0, `scores` (M,)."""
        found: list[dict[str, Tensor]] = (
            self.network(images) if images.device.type == "cpu" else self.detect_together(images)
        )
        return [{**one, "labels": one["labels"] - 1} for one in found]

    def detect_together(self, images: Tensor) -> list[dict[str, Tensor]]:
        """What `network` detects in (B, C, W, W) images, on the CPU; an accelerator is waited for once a batch.

        Torchvision goes over the images one by one, and waits several times for each. Here all of them go together
        until the detections are selected: that depends on what is found in an image, so it is done on the CPU.
        """
        rpn, heads = cast(RegionProposalNetwork, self.network.rpn), cast(RoIHeads, self.network.roi_heads)
        maps = self.network.backbone(images)
        anchors, objectness, codes = anchors_and_scores(rpn, images, maps)
        proposals, are_there = propose(rpn, anchors, objectness, codes, images.shape[-1])
        pooled = by_sampling(maps, proposals, self.config.roi_size).flatten(0, 1)  # (B N, F, S, S)
        logits, moves = heads.box_predictor(heads.box_head(pooled))
        # One tensor, so that it is one wait.
        together = torch.cat([are_there.flatten()[:, None], proposals.flatten(0, 1), logits, moves], 1).float().cpu()
        kept = together[:, 0] > 0
        regions, logits, moves = together[kept, 1:].split([4, logits.shape[1], moves.shape[1]], 1)
        image = torch.arange(len(images)).repeat_interleave(proposals.shape[1])[kept]
        return select(heads, regions, image, logits, moves, count=len(images), side=images.shape[-1])


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
