"""From the images of a data set to what a network takes: size, colours, normalisation, memory layout.

Shapes: B images, C channels, S side of the data, I side as the network sees it (pixels).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lab2.models.layers.normalize import Normalize


class Front(nn.Module):
    """(B, C, S, S) images in [0, 1], normalised; with a side, (B, 3, side, side) of them in its `memory_format`.

    `crop` is the share of the side that is seen: images are resized to `image_side / crop`, and their middle is cut.
    """

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], image_side: int | None = None, crop: float = 1.0
    ) -> None:
        super().__init__()
        self.memory_format = torch.channels_last
        self.image_side = image_side
        self.crop = crop
        self.normalize = Normalize(mean, std)

    def forward(self, images: Tensor) -> Tensor:
        if self.image_side is None:
            normalised: Tensor = self.normalize(images)
            return normalised
        x = middle(in_colour(images, round(self.image_side / self.crop)), self.image_side)
        return self.normalize(x).contiguous(memory_format=self.memory_format)  # type: ignore[no-any-return]


def in_colour(images: Tensor, side: int) -> Tensor:
    """(B, C, S, S) images as (B, 3, side, side): resized, and grey as equal parts of red, green and blue."""
    x = images
    if x.shape[-1] != side:
        with _forward_only(x):
            x = F.interpolate(x, size=(side, side), mode="bilinear", antialias=False)
    return x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x


@contextmanager
def _forward_only(images: Tensor) -> Iterator[None]:
    """On a GPU, inside, the kernel whose backward pass is not deterministic: images that need no gradient have none.

    The deterministic one takes 35 kernels in place of one.
    """
    if not images.is_cuda or images.requires_grad:
        yield
        return
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)


def middle(images: Tensor, side: int) -> Tensor:
    """The (B, C, side, side) in the middle of larger images."""
    start = (images.shape[-1] - side) // 2
    return images[..., start : start + side, start : start + side]
