"""The last step of Faster R-CNN, for all images of a batch at once: which of the scored boxes are its detections.

The same but for rounding as torchvision's `RoIHeads.postprocess_detections`, which goes over the images one by one: for
each it makes twenty small operations, which for images of 28 pixels take longer than the network.
Shapes: B images, P regions of all of them together, K classes and the background, which is class 0.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import batched_nms

from lab2.models.layers.boxes import decode

TOGETHER = 16  # images in a call of `batched_nms`, whose time grows with the square of its boxes
SMALLEST = 1e-2  # pixels; torchvision drops a box with a shorter side


def select(
    heads: RoIHeads, regions: Tensor, image: Tensor, logits: Tensor, codes: Tensor, *, count: int, side: int
) -> list[dict[str, Tensor]]:
    """For each of `count` = B images of `side` pixels its `boxes`, `scores` and `labels` (from 1), the best one first.

    `regions` (P, 4) in pixels are of the images numbered `image` (P,); `logits` (P, 1 + K) and `codes` (P, 4 (1 + K))
    say what is in them and where.
    """
    coder = heads.box_coder
    boxes = decode(codes.unflatten(1, (-1, 4)), regions[:, None], coder.weights, coder.bbox_xform_clip)
    boxes, scores = boxes[:, 1:].clamp(0, side), logits.softmax(1)[:, 1:]  # (P, K, 4), (P, K)
    large = (boxes[..., 2:] - boxes[..., :2] >= SMALLEST).all(-1)
    region, label = ((scores > heads.score_thresh) & large).nonzero(as_tuple=True)
    boxes, scores, image = boxes[region, label], scores[region, label], image[region]
    group = image * logits.shape[1] + label  # a box may hide another one of its image and class alone
    bounds = torch.searchsorted(image, torch.arange(0, count + TOGETHER, TOGETHER)).tolist()
    pieces = [
        first + batched_nms(boxes[first:end].double(), scores[first:end].double(), group[first:end], heads.nms_thresh)
        for first, end in pairwise(bounds)
    ]
    kept = torch.cat(pieces)  # of each piece the highest score first
    kept = kept[image[kept].sort(stable=True).indices]
    sizes = image[kept].bincount(minlength=count).tolist()
    return [
        {"boxes": boxes[one], "scores": scores[one], "labels": label[one] + 1}
        for one in (each[: heads.detections_per_img] for each in kept.split(sizes))
    ]
