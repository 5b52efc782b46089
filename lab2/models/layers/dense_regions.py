"""The second stage of Faster R-CNN in training: what torchvision's `RoIHeads` does, in fixed sizes.

Shapes: B images, F features, H x W places of a map, M objects, N proposals, R regions of an image, K classes and the
background, which is class 0.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.models.detection.roi_heads import RoIHeads

from lab2.models.layers.boxes import BELOW, encode, match, pick, priorities
from lab2.models.layers.dense_proposals import BETA

_IGNORED = -100  # a label that cross-entropy passes over


def region_losses(
    heads: RoIHeads,
    maps: Tensor,
    proposals: tuple[Tensor, Tensor],
    objects: Tensor,
    labels: Tensor,
    present: Tensor,
    draws: Tensor,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of a sample of regions, and smooth L1 of those of them that are to find an object.

    The regions are the `proposals`, (B, N, 4) boxes and which of them there are (B, N), and those of the `objects`
    (B, M, 4) that are `present` (B, M). `labels` (B, M) begin at 1. `draws` (B, N + M) are those of `boxes.draw`.
    """
    with torch.no_grad():
        boxes, labels, wanted = _training_sample(heads, proposals, objects, labels, present, draws)
    pooled = heads.box_roi_pool.pool(maps, boxes).flatten(0, 1)  # (B R, F, S, S)
    logits, codes = heads.box_predictor(heads.box_head(pooled))  # (B R, 1 + K), (B R, 4 (1 + K))
    which = F.cross_entropy(logits.float(), labels)
    codes = codes.float().unflatten(1, (-1, 4))
    with torch.no_grad():
        classes = torch.arange(codes.shape[1], device=labels.device)
        moved = (labels[:, None] == classes) & (classes > 0)  # (B R, 1 + K)
        # Where no object is to be found, the target is the code itself, so that loss and gradient are 0.
        targets = wanted[:, None].where(moved[..., None], codes)
        count = (labels != _IGNORED).sum()
    return which, F.smooth_l1_loss(codes, targets, beta=BETA, reduction="sum") / count


def _training_sample(
    heads: RoIHeads,
    proposals: tuple[Tensor, Tensor],
    objects: Tensor,
    labels: Tensor,
    present: Tensor,
    draws: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes (B, R, 4), their labels (B R) and the codes of where they should be (B R, 4), R for each image.

    A box has the label `_IGNORED` where the image has fewer.
    """
    matcher, sampler = heads.proposal_matcher, heads.fg_bg_sampler
    boxes = torch.cat([proposals[0], objects], 1)  # (B, N + M, 4)
    there = torch.cat([proposals[1], present], 1)
    matched = match(objects, present, boxes, matcher.low_threshold, matcher.high_threshold)
    count = sampler.batch_size_per_image
    positive, negative = there & (matched >= 0), there & (matched == BELOW)
    priority = priorities(positive, negative, draws, count, sampler.positive_fraction)
    values, index = priority.topk(min(count, priority.shape[1]))
    boxes, matched = pick(boxes, index), pick(matched, index)
    which = matched.clamp(min=0)
    labels = torch.where(matched >= 0, pick(labels, which), 0).where(values > 0, _IGNORED)
    wanted = encode(pick(objects, which), boxes, heads.box_coder.weights)
    return boxes, labels.flatten(), wanted.flatten(0, 1)
