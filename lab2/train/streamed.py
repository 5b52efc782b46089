"""Images that are too many for the memory: batches of them are read from their file when a step asks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lab2.data.stored import StoredPixels

_GPU_SHARE = 0.5  # of a GPU's free memory that images may take
_PIECE = 2**26  # bytes copied to a GPU at once


class StreamedImages:
    """(N, C, S, S) uint8 images. Indexed as a tensor is, by the first axis; what that gives lies on `device`."""

    dtype = torch.uint8

    def __init__(self, pixels: StoredPixels, device: torch.device) -> None:
        self._pixels, self.device = pixels, device

    def __len__(self) -> int:
        return len(self._pixels)

    @property
    def shape(self) -> torch.Size:
        return torch.Size(self._pixels.shape)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """Raises `DataError` where the file is not what was written."""
        rows = torch.from_numpy(self._pixels[index if isinstance(index, slice) else index.cpu().numpy()])
        if self.device.type == "cuda":
            rows = rows.pin_memory()
        return rows.to(self.device, non_blocking=True)


def in_memory_or_streamed(pixels: NDArray[np.uint8] | StoredPixels) -> Tensor | StreamedImages:
    """(N, C, S, S) uint8 images for a trainer, on the CPU."""
    if isinstance(pixels, StoredPixels):
        return StreamedImages(pixels, torch.device("cpu"))
    return torch.from_numpy(pixels)


def on_device(images: Tensor | StreamedImages, device: torch.device) -> Tensor | StreamedImages:
    """`images` on `device`; streamed to it where they do not fit."""
    if isinstance(images, Tensor):
        return images.to(device)
    if device.type != "cuda" or images.shape.numel() > _GPU_SHARE * torch.cuda.mem_get_info(device)[0]:
        return StreamedImages(images._pixels, device)
    there = torch.empty(images.shape, dtype=torch.uint8, device=device)
    step = max(1, _PIECE // max(1, images.shape[1:].numel()))
    for start in range(0, len(images), step):
        there[start : start + step] = images[start : start + step].to(device)
    return there


def batches(pixels: NDArray[np.uint8] | StoredPixels, size: int) -> Iterator[Tensor]:
    """All images in their order, on the CPU, `size` at a time."""
    for start in range(0, len(pixels), size):
        yield torch.from_numpy(pixels[start : start + size])
