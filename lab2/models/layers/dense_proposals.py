"""The first stage of Faster R-CNN in training: what torchvision's `RegionProposalNetwork` does, in fixed sizes.

Shapes: B images, F features, H x W places of a map, A anchors of an image, M objects, N proposals, D scores of a place.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork

from lab2.models.layers.boxes import BELOW, decode, encode, match, pick, priorities
from lab2.models.layers.suppression import suppress

BETA = 1 / 9  # torchvision's: below it smooth L1 is a square


def anchors_and_scores(rpn: RegionProposalNetwork, images: Tensor, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of (B, C, W, W) images and their (B, F, H, W) maps: anchors (A, 4), objectness (B, A), and codes (B, A, 4)."""
    (objectness,), (codes,) = rpn.head([maps])  # (B, D, H, W), (B, 4 D, H, W)
    one = ImageList(images[:1], [(images.shape[-2], images.shape[-1])])  # all images have the same anchors
    (anchors,) = rpn.anchor_generator(one, [maps])
    scores = objectness.permute(0, 2, 3, 1).flatten(1).float()
    return anchors, scores, codes.unflatten(1, (-1, 4)).permute(0, 3, 4, 1, 2).flatten(1, 3).float()


@torch.no_grad()
def propose(
    rpn: RegionProposalNetwork, anchors: Tensor, objectness: Tensor, codes: Tensor, side: int
) -> tuple[Tensor, Tensor]:
    """The best boxes in images of `side` pixels (B, N, 4), and whether there are so many (B, N); zeros where not."""
    best = objectness.topk(min(rpn.pre_nms_top_n(), len(anchors))).indices
    coder = rpn.box_coder
    boxes = decode(pick(codes, best), anchors[best], coder.weights, coder.bbox_xform_clip).clamp(0, side)
    large = (boxes[..., 2:] - boxes[..., :2] >= rpn.min_size).all(-1)
    index, there = suppress(boxes, large, rpn.nms_thresh, rpn.post_nms_top_n())
    # A network that diverges gives boxes of NaN. They count as too small; sampling a map at NaN ends the process.
    return torch.where(there[..., None], pick(boxes, index), 0), there


def proposal_losses(
    rpn: RegionProposalNetwork,
    anchors: Tensor,
    objectness: Tensor,
    codes: Tensor,
    objects: Tensor,
    present: Tensor,
    draws: Tensor,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of a sample of anchors, and smooth L1 of those of them that are to find an object.

    Of the `objects` (B, M, 4) some are `present` (B, M). `draws` (B, A) are those of `boxes.draw`.
    """
    matcher, sampler = rpn.proposal_matcher, rpn.fg_bg_sampler
    with torch.no_grad():
        low, high = matcher.low_threshold, matcher.high_threshold
        matched = match(objects, present, anchors[None], low, high, best_of_each=matcher.allow_low_quality_matches)
        positive = matched >= 0
        count, negative = sampler.batch_size_per_image, matched == BELOW
        priority = priorities(positive, negative, draws, count, sampler.positive_fraction)
        least = priority.topk(min(count, len(anchors))).values[:, -1:]
        taken = priority >= least.clamp(min=1)  # fewer where there are fewer
        total = taken.sum()
        wanted = encode(pick(objects, matched.clamp(min=0)), anchors, rpn.box_coder.weights)
        # Where no object is to be found, the target is the code itself, so that loss and gradient are 0.
        wanted = wanted.where((taken & positive)[..., None], codes)
    which = F.binary_cross_entropy_with_logits(objectness, positive.float(), taken.float(), reduction="sum")
    return which / total, F.smooth_l1_loss(codes, wanted, beta=BETA, reduction="sum") / total
