"""The corruptions that move pixels: shear, rotation, scale and translation, about the middle of the image.

Source: Mu and Gilmer 2019, MNIST-C (arXiv:1906.02337), and its constants; which way is drawn for each image.
Shapes: N images, C channels, S side (pixels).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

# Takes the strength, the side and a generator; returns the (2, 3) map that takes (x, y, 1) of a pixel, measured from
# the middle, to where its value is taken from.
Map = Callable[[float, int, np.random.Generator], NDArray[np.float64]]


def shear(c: float, _side: int, random: np.random.Generator) -> NDArray[np.float64]:
    """By c radians, as skimage's AffineTransform sheared when MNIST-C was made: heights shrink by the cosine."""
    angle = c * _sign(random)
    return np.array([[1, -math.sin(angle), 0], [0, math.cos(angle), 0]])


def rotate(c: float, _side: int, random: np.random.Generator) -> NDArray[np.float64]:
    """By c radians."""
    angle = c * _sign(random)
    return np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0]])


def scale(c: float, _side: int, _random: np.random.Generator) -> NDArray[np.float64]:
    """To c of its size."""
    return np.array([[1 / c, 0, 0], [0, 1 / c, 0]])


def translate(c: float, side: int, random: np.random.Generator) -> NDArray[np.float64]:
    """By c pixels of 28 in both directions."""
    step = c * side / 28
    return np.array([[1, 0, step * _sign(random)], [0, 1, step * _sign(random)]])


def _sign(random: np.random.Generator) -> int:
    return 1 if random.random() < 0.5 else -1


WARPS: Mapping[str, tuple[Map, tuple[float, ...]]] = {
    "shear": (shear, (0.2, 0.4, 0.6, 0.8, 1.0)),
    "rotate": (rotate, (0.2, 0.4, 0.6, 0.8, 1.0)),
    "scale": (scale, (0.9, 0.8, 0.7, 0.6, 0.5)),
    "translate": (translate, (1, 2, 3, 4, 5)),
}


def warp(x: NDArray[np.float64], random: Sequence[np.random.Generator], of: Map, c: float) -> NDArray[np.float64]:
    """The (N, C, S, S) images at the places that `of` says for each, bilinearly; 0 beyond the edge."""
    side = x.shape[2]
    middle = (side - 1) / 2
    maps = np.stack([of(c, side, one) for one in random])  # (N, 2, 3)
    line = np.arange(side) - middle
    grid = np.stack([*np.meshgrid(line, line), np.ones((side, side))])  # (3, S, S): x, y, 1
    across, down = np.einsum("nij,jrc->inrc", maps, grid) + middle  # (N, S, S) each
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    left, top = np.floor(across).astype(int), np.floor(down).astype(int)
    rows = np.arange(len(x))[:, None, None]
    out = np.zeros_like(x)
    for dy in (0, 1):
        for dx in (0, 1):
            weight = (1 - abs(down - top - dy)) * (1 - abs(across - left - dx))
            row, column = (np.clip(one + 1, 0, side + 1) for one in (top + dy, left + dx))  # the padding is 0
            out += weight[:, None] * padded.transpose(0, 2, 3, 1)[rows, row, column].transpose(0, 3, 1, 2)
    return out
