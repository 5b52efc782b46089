"""Detection scenes: images pasted at random places of an empty canvas, with their boxes and labels.

Boxes are (x1, y1, x2, y2) in pixels, x2 and y2 exclusive, tight around the ink. Where a data set has no
plain background there is no ink to be tight around, and the box is the outline of the pasted image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

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
    outline = torch.tensor([0.0, 0.0, side, side]).repeat(count, 1)
    if not plain_background:
        return outline
    ink = (pixels > _INK).any(1)  # (N, S, S)
    columns, rows = ink.any(1), ink.any(2)  # (N, S) each

    def first(line: Tensor) -> Tensor:
        return line.int().argmax(1)

    def end(line: Tensor) -> Tensor:
        return side - line.flip(1).int().argmax(1)

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
    """
    count, channels, small, _ = pixels.shape
    scenes = -(-count // max_objects)
    order = torch.randperm(count, generator=generator)
    order = order.repeat(-(-scenes * max_objects // count))[: scenes * max_objects].view(scenes, max_objects)
    number = torch.randint((max_objects + 1) // 2, max_objects + 1, (scenes, 1), generator=generator)
    present = torch.arange(max_objects) < number  # (B, M)
    canvas = torch.zeros(scenes, channels, side, side, dtype=torch.uint8)
    placed = torch.zeros(scenes, max_objects, 4)
    room = side - small + 1
    grid = torch.arange(small)
    scene = torch.arange(scenes)
    for m in range(max_objects):
        corner = torch.randint(room, (scenes, _CANDIDATES, 2), generator=generator)  # x, y
        candidates = boxes[order[:, m], None] + corner.repeat(1, 1, 2)  # (B, candidates, 4)
        overlap = _overlap(candidates, placed[:, :m]).sum(2) if m else torch.zeros(scenes, _CANDIDATES)
        best = overlap.argmin(1)
        placed[:, m] = candidates[scene, best]
        x, y = corner[scene, best].unbind(1)
        rows = (y[:, None] + grid)[:, None, :, None]  # (B, 1, S, 1)
        columns = (x[:, None] + grid)[:, None, None, :]
        where = (scene[:, None, None, None], torch.arange(channels)[:, None, None], rows, columns)
        pasted = pixels[order[:, m]] * present[:, m, None, None, None]
        canvas[where] = torch.maximum(canvas[where], pasted)
    return Scenes(canvas, placed, labels[order], present)


def _overlap(a: Tensor, b: Tensor) -> Tensor:
    """(B, P, Q) shared area in square pixels of (B, P, 4) and (B, Q, 4) boxes."""
    low = torch.maximum(a[:, :, None, :2], b[:, None, :, :2])
    high = torch.minimum(a[:, :, None, 2:], b[:, None, :, 2:])
    return (high - low).clamp(min=0).prod(3)
