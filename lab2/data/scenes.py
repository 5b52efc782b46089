"""Detection scenes: images pasted at random places of an empty canvas, with their boxes and labels.

Boxes are (x1, y1, x2, y2) in pixels, x2 and y2 exclusive, tight around the ink. Where a data set has no
plain background there is no ink to be tight around, and the box is the outline of the pasted image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_CANDIDATES = 8  # places tried for each object; the one that overlaps the others least is taken
_INK = 32  # of 255: fainter pixels are the blur around the stroke


@dataclass(frozen=True, slots=True)
class Scenes:
    """B scenes of up to M objects."""

    images: Tensor  # (B, C, W, W) uint8
    boxes: Tensor  # (B, M, 4) float32, pixels
    labels: Tensor  # (B, M) int64
    present: Tensor  # (B, M) bool: which of the M objects there are


def ink_boxes(pixels: Tensor, plain_background: bool) -> Tensor:
    """(N, 4) boxes tight around the ink of (N, C, S, S) uint8 images; the outline where there is none."""
    count, _, side, _ = pixels.shape
    outline = torch.tensor([0.0, 0.0, side, side], device=pixels.device).repeat(count, 1)
    if not plain_background:
        return outline
    ink = (pixels > _INK).any(1)  # (N, S, S)
    columns, rows = ink.any(1), ink.any(2)  # (N, S) each

    place = torch.arange(side, device=pixels.device)

    def first(line: Tensor) -> Tensor:
        return torch.where(line, place, side).amin(1)

    def end(line: Tensor) -> Tensor:
        return torch.where(line, place + 1, 0).amax(1)

    boxes = torch.stack([first(columns), first(rows), end(columns), end(rows)], 1).float()
    return torch.where(ink.any((1, 2))[:, None], boxes, outline)


def compose(
    pixels: Tensor,
    labels: Tensor,
    boxes: Tensor,
    *,
    side: int,
    max_objects: int,
    generator: torch.Generator,
) -> Scenes:
    """Scenes of `side` pixels out of (N, C, S, S) uint8 images: N / max_objects of them, rounded up.

    Each image is pasted at most once, but for those that fill the last scene up. A scene has
    `max_objects` objects or down to half as many; where two overlap the brighter pixel shows.
    `labels` (N,), `boxes` (N, 4) and `generator` are on the CPU, where the objects are placed. The scenes are where
    `pixels` are, the same on every device; nothing waits for it.
    """
    count, small, device = len(pixels), pixels.shape[-1], pixels.device
    scenes = -(-count // max_objects)
    order = torch.randperm(count, generator=generator)
    order = order.repeat(-(-scenes * max_objects // count))[: scenes * max_objects].view(scenes, max_objects)
    number = torch.randint((max_objects + 1) // 2, max_objects + 1, (scenes, 1), generator=generator)
    present = torch.arange(max_objects) < number  # (B, M)
    placed = torch.zeros(scenes, max_objects, 4)
    corners = torch.zeros(scenes, max_objects, 2, dtype=torch.int64)  # x, y
    scene = torch.arange(scenes)
    for m in range(max_objects):
        corner = torch.randint(side - small + 1, (scenes, _CANDIDATES, 2), generator=generator)
        candidates = boxes[order[:, m], None] + corner.repeat(1, 1, 2)  # (B, candidates, 4)
        overlap = _overlap(candidates, placed[:, :m]).sum(2) if m else torch.zeros(scenes, _CANDIDATES)
        best = overlap.argmin(1)
        placed[:, m] = candidates[scene, best]
        corners[:, m] = corner[scene, best]
    order_there, corners, present = (x.to(device, non_blocking=True) for x in (order, corners, present))
    paste = paste_one_by_one if device.type == "cpu" else paste_at_once
    return Scenes(
        paste(pixels, order_there, corners, present, side),
        placed.to(device, non_blocking=True),
        labels[order].to(device, non_blocking=True),
        present,
    )


def paste_at_once(pixels: Tensor, order: Tensor, corners: Tensor, present: Tensor, side: int) -> Tensor:
    """(B, C, W, W) canvases, W = `side`, with the images `order` (B, M) at `corners` (B, M, 2) if `present` (B, M).

    Each pixel is the brightest of those that the M images have there, for all at once.
    """
    channels, small = pixels.shape[1:3]
    framed = F.pad(pixels, (1, 1, 1, 1))  # (N, C, S + 2, S + 2): what is outside of an image is its black frame
    line = torch.arange(1, side + 1, device=pixels.device)
    x, y = (line - corners[..., None]).clamp(0, small + 1).unbind(2)  # (B, M, W) each
    y = y * present[..., None]  # of an image that is not there all is frame
    channel = torch.arange(channels, device=pixels.device)[:, None, None]
    where = (order[:, :, None, None, None], channel, y[:, :, None, :, None], x[:, :, None, None, :])
    return framed[where].amax(1)  # of (B, M, C, W, W)


def paste_one_by_one(pixels: Tensor, order: Tensor, corners: Tensor, present: Tensor, side: int) -> Tensor:
    """The same as `paste_at_once`. On a CPU it is faster, because it reads each image's own pixels only."""
    (scenes, objects), (_, channels, small, _) = order.shape, pixels.shape
    canvas = torch.zeros(scenes, channels, side, side, dtype=torch.uint8)
    scene, channel = torch.arange(scenes)[:, None, None, None], torch.arange(channels)[:, None, None]
    x, y = (corners[..., None] + torch.arange(small)).unbind(2)  # (B, M, S) each
    for m in range(objects):
        where = (scene, channel, y[:, m, None, :, None], x[:, m, None, None, :])
        pasted = pixels[order[:, m]] * present[:, m, None, None, None]
        canvas[where] = torch.maximum(canvas[where], pasted)
    return canvas


def _overlap(a: Tensor, b: Tensor) -> Tensor:
    """(B, P, Q) shared area in square pixels of (B, P, 4) and (B, Q, 4) boxes."""
    low = torch.maximum(a[:, :, None, :2], b[:, None, :, :2])
    high = torch.minimum(a[:, :, None, 2:], b[:, None, :, 2:])
    return (high - low).clamp(min=0).prod(3)
