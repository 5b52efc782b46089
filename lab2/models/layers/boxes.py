"""What a detector does with boxes, for all images of a batch at once, in fixed sizes, with masks in place of selection.

The same as torchvision's `box_iou`, `Matcher`, `BoxCoder` and `BalancedPositiveNegativeSampler`. Those go over the
images one by one and select by what they find there, and on an accelerator each selection waits until it is done. Here
nothing waits, and no size depends on a value, so that a CUDA graph can hold a step.
Shapes: B images, or 1 for all alike; M objects an image at most, P and Q boxes; a box is (x1, y1, x2, y2) in pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Of `match`: the box overlaps no object by the lower threshold; or one by that, but none by the higher threshold.
BELOW, BETWEEN = -1, -2
_LIMIT = 2**29  # of random numbers: twice that is still an int32


def overlaps(a: Tensor, b: Tensor) -> Tensor:
    """(B, P, Q) intersection over union of (B, P, 4) and (B, Q, 4) boxes; NaN of two without area."""
    ax1, ay1, ax2, ay2 = a.unsqueeze(2).unbind(3)  # (B, P, 1) each
    bx1, by1, bx2, by2 = b.unsqueeze(1).unbind(3)  # (B, 1, Q) each
    width = (torch.minimum(ax2, bx2) - torch.maximum(ax1, bx1)).clamp(min=0)
    height = (torch.minimum(ay2, by2) - torch.maximum(ay1, by1)).clamp(min=0)
    shared = width * height
    return shared / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - shared)


def match(
    objects: Tensor, present: Tensor, boxes: Tensor, low: float, high: float, *, best_of_each: bool = False
) -> Tensor:
    """Which of the (B, M, 4) `objects` each of the (B, Q, 4) `boxes` is to find: (B, Q) indices, `BELOW` or `BETWEEN`.

    A box is matched to the object with which it has the largest overlap, if that is `high` or more. With `best_of_each`
    the box with the largest overlap with an object is matched, too, however small. `present` (B, M) says which of the
    objects there are.
    """
    shared = overlaps(objects, boxes).masked_fill_(~present[..., None], -1)  # (B, M, Q)
    most, which = shared.max(1)  # (B, Q)
    matched = which.where(most >= low, BELOW).where((most < low) | (most >= high), BETWEEN)
    if best_of_each:
        best = (shared == shared.amax(2, keepdim=True)) & present[..., None]
        matched = torch.where(best.any(1), which, matched)
    return matched


def encode(objects: Tensor, boxes: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """(..., 4) what moves and stretches the `boxes` into the `objects`, times `weights`; not finite without area."""
    (wanted, wanted_size), (middle, size) = _middle_and_size(objects), _middle_and_size(boxes)
    x, y, width, height = weights
    dx, dy = ((wanted - middle) / size).unbind(-1)
    dw, dh = (wanted_size / size).log().unbind(-1)
    return torch.stack([x * dx, y * dy, width * dw, height * dh], -1)


def decode(codes: Tensor, boxes: Tensor, weights: tuple[float, float, float, float], most: float) -> Tensor:
    """(..., 4) `boxes`, moved and stretched by `codes`: the reverse of `encode`. `most` is the largest logarithm."""
    middle, size = _middle_and_size(boxes)
    x, y, width, height = weights
    dx, dy, dw, dh = codes.unbind(-1)
    centre = torch.stack([dx / x, dy / y], -1) * size + middle
    half = 0.5 * (torch.stack([dw / width, dh / height], -1).clamp(max=most).exp() * size)
    return torch.cat([centre - half, centre + half], -1)


def draw(count: int, size: int, device: torch.device) -> Tensor:
    """Random numbers for `count` images, `size` for each, of which no two are equal: (B, size) int32, below `_LIMIT`.

    By the device's default generator. Numbers that are equal are set apart by their place: one in `_LIMIT` / `size`.
    """
    return torch.randint(_LIMIT // size, (count, size), dtype=torch.int32, device=device) * size + torch.arange(
        size, dtype=torch.int32, device=device
    )


def priorities(positive: Tensor, negative: Tensor, draws: Tensor, count: int, share: float) -> Tensor:
    """Which boxes to learn from: the `count` of each image with the highest priorities (B, Q) int32 that are not 0.

    These are `positive` (B, Q) ones, at most that share of `count`, and then `negative` (B, Q) ones. Which of them is
    decided by `draws` (B, Q), those of `draw`.
    """
    most = min(int(count * share), draws.shape[1])
    drawn = torch.where(positive, draws + 1, 0)
    taken = positive & (drawn >= drawn.topk(most).values[:, -1:]) if most else torch.zeros_like(positive)
    return torch.where(taken, draws + (1 + _LIMIT), torch.where(negative, draws + 1, 0))


def pick(values: Tensor, index: Tensor) -> Tensor:
    """(B, P, 4) of (B, Q, 4) boxes, or (B, P) of (B, Q) numbers, by the (B, P) `index` of each image's own."""
    if values.ndim == 2:
        return values.gather(1, index)
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[2]))


def _middle_and_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """(..., 2) each: x and y, width and height."""
    size = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + 0.5 * size, size
