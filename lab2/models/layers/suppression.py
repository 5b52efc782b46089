"""Non-maximum suppression for all images of a batch at once, without a wait and in fixed sizes.

The same as torchvision's `nms`, whose result has as many boxes as it keeps: on an accelerator that is a wait.
Shapes: B images, K boxes an image, N of them are wanted.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lab2.models.layers.boxes import overlaps


def suppress(boxes: Tensor, there: Tensor, threshold: float, count: int) -> tuple[Tensor, Tensor]:
    """The first N = `count` of each image's boxes that overlap no kept earlier one by more than `threshold`.

    `boxes` (B, K, 4) stand in the order of their scores, the highest first; `there` (B, K) says which of them count.
    Returns their indices (B, N), in the same order, and whether there are so many (B, N).

    Each of N rounds keeps the first box that is left, and takes away what it overlaps. So N rounds are enough, whatever
    the boxes. Rounds that keep at once all boxes which no earlier one left overlaps are fewer as a rule, but up to K
    where the boxes stand in a row.
    """
    size = boxes.shape[1]
    itself = torch.eye(size, dtype=torch.bool, device=boxes.device)
    gone = ((overlaps(boxes, boxes) > threshold) | itself).float() * size  # (B, K, K)
    place = torch.arange(size, dtype=torch.float32, device=boxes.device)
    left = place.where(there, size)  # (B, K): each box's own place, or K where it is not left
    kept = []
    for _ in range(count):
        first = left.min(1, keepdim=True)  # (B, 1)
        kept.append(first)
        left = left.maximum(gone.gather(1, first.indices[..., None].expand(-1, -1, size)).squeeze(1))
    places = torch.cat([first.values for first in kept], 1)
    return torch.cat([first.indices for first in kept], 1), places < size
