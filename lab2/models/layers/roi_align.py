"""Mask R-CNN's pooling of regions (arXiv:1703.06870) with one sample a cell, for one map of features.

`torchvision.ops.roi_align` gives the same, but 0 for a sample more than a cell beyond the map, where this gives the
edge's value. There are two ways to compute it. Sampling by `grid_sample` takes the fewest operations, and its backward
pass uses all cores: on a CPU it is the faster one. On an accelerator that backward pass adds up in no fixed order. Two
products with matrices of bilinear weights give the same bits each time.
Shapes: B images, F features, H x W places of a map, R regions an image, S cells along a region's side.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from torchvision.ops import MultiScaleRoIAlign

STRIDE = 4  # pixels of an image for one place on the map of features


class RoIAlign(MultiScaleRoIAlign):
    """It inherits because torchvision's `FasterRCNN` takes nothing else."""

    def __init__(self, size: int) -> None:
        super().__init__(["0"], output_size=size, sampling_ratio=1)

    def forward(self, features: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]) -> Tensor:
        """The (R, 4) boxes in pixels of each of B images in its (F, H, W) map, to (all R, F, S, S)."""
        del image_shapes  # the stride is known
        (maps,) = features.values()
        padded = pad_sequence(boxes, batch_first=True)  # (B, R, 4): as many as the image that has most
        there = torch.arange(padded.shape[1]) < torch.tensor([len(one) for one in boxes])[:, None]
        return by_sampling(maps, padded, self.output_size[0])[there.to(maps.device)]

    def pool(self, maps: Tensor, boxes: Tensor) -> Tensor:
        """(B, R, 4) boxes in pixels of (B, F, H, W) maps, to (B, R, F, S, S), in training: repeatable on any device."""
        way = by_sampling if maps.device.type == "cpu" else by_products
        return way(maps, boxes, self.output_size[0])


def by_sampling(maps: Tensor, boxes: Tensor, size: int) -> Tensor:
    """(B, R, 4) boxes in pixels of (B, F, H, W) maps, to (B, R, F, S, S)."""
    points = _points(boxes, size)  # (B, R, 2, S)
    last_x, last_y = (max(places - 1, 1) for places in (maps.shape[-1], maps.shape[-2]))
    x = 2 * points[:, :, 0] / last_x - 1  # (B, R, S); -1 and 1: the middles of the outermost places
    y = 2 * points[:, :, 1] / last_y - 1
    grid = torch.stack(torch.broadcast_tensors(x[:, :, None, :], y[..., None]), -1)  # (B, R, S, S, 2)
    pooled = F.grid_sample(maps, grid.flatten(1, 2), padding_mode="border", align_corners=True)
    each: Tensor = pooled.unflatten(2, (-1, size)).transpose(1, 2)
    return each


def by_products(maps: Tensor, boxes: Tensor, size: int) -> Tensor:
    """(B, R, 4) boxes in pixels of (B, F, H, W) maps, to (B, R, F, S, S)."""
    regions, (features, height, width) = boxes.shape[1], maps.shape[1:]
    x, y = _points(boxes, size).unbind(-2)  # (B, R, S) each
    lines = _weights(y, height).flatten(1, 2) @ maps.permute(0, 2, 3, 1).flatten(2)  # (B, R S, W F)
    lines = lines.view(-1, regions, size, width, features)
    each: Tensor = _weights(x, width)[:, :, None] @ lines  # (B, R, S, S, F)
    return each.permute(0, 1, 4, 2, 3)


def _points(boxes: Tensor, size: int) -> Tensor:
    """(B, R, 4) boxes in pixels to the middles of their cells, (B, R, 2, S): x and y on the map."""
    near, far = (boxes.float() / STRIDE).unflatten(-1, (2, 2)).unbind(-2)  # (B, R, 2)
    centres = (torch.arange(size, device=boxes.device) + 0.5) / size
    points: Tensor = near[..., None] + (far - near).clamp(min=1)[..., None] * centres
    return points


def _weights(points: Tensor, places: int) -> Tensor:
    """(B, R, S) points on a line of that many places, to what each place counts for it: (B, R, S, places)."""
    line = torch.arange(places, device=points.device)
    return (1 - (points.clamp(0, places - 1)[..., None] - line).abs()).clamp(min=0)
