"""Fifteen corruptions of images at five strengths each: how far does an accuracy on clean images reach?

Sources: Mu and Gilmer 2019, MNIST-C (arXiv:1906.02337), whose constants these are; Hendrycks and Dietterich 2019,
ImageNet-C (arXiv:1903.12261), which MNIST-C takes noise, blur, fog, contrast, brightness and pixelation from. They are
those of MNIST-C's own code that have five strengths and need neither a picture from a file nor JPEG. Without are its
stripe, lines and edges, which have one strength.
Differs: each image has random numbers of its own, from its pixels, so that one image is corrupted alike wherever it
stands; lengths in pixels are for a side of 28 and grow with the side.
Shapes: N images, C channels, S side; images are (N, C, S, S), inside as float in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

from lab2.data.identity import identities
from lab2.data.warps import WARPS, Map, warp

STRENGTHS = 5
_SIDE = 28  # pixels: the side for which the lengths are stated
_CHUNK = 500  # images at a time

Batch = NDArray[np.float64]
Random = Sequence[np.random.Generator]  # one an image


@dataclass(frozen=True, slots=True)
class Corruption:
    """What is done to the images, and its constants from the weakest to the strongest."""

    apply: Callable[[Batch, Random, tuple[float, ...]], Batch]
    constants: tuple[tuple[float, ...], ...]


def corrupted(pixels: NDArray[np.uint8], name: str, strength: int) -> NDArray[np.uint8]:
    """The (N, C, S, S) images under the corruption `name` at `strength`, 0 to 4. The same input has the same output."""
    one, number = CORRUPTIONS[name], list(CORRUPTIONS).index(name)
    found = np.empty_like(pixels)
    for start in range(0, len(pixels), _CHUNK):
        part = pixels[start : start + _CHUNK]
        random = [np.random.default_rng((int(known), number, strength)) for known in identities(part)]
        after = one.apply(part / 255.0, random, one.constants[strength])
        found[start : start + _CHUNK] = np.rint(np.clip(after, 0, 1) * 255)
    return found


def gaussian_noise(x: Batch, random: Random, c: tuple[float, ...]) -> Batch:
    """Normal noise of deviation c."""
    return x + c[0] * np.stack([one.standard_normal(x.shape[1:]) for one in random])


def shot_noise(x: Batch, random: Random, c: tuple[float, ...]) -> Batch:
    """Photons are counted: c of them where a pixel is white."""
    return np.stack([one.poisson(image * c[0]) / c[0] for one, image in zip(random, x, strict=True)])


def impulse_noise(x: Batch, random: Random, c: tuple[float, ...]) -> Batch:
    """A share c of the pixels becomes black or white."""
    draws = np.stack([one.random(x.shape[1:]) for one in random])
    return np.where(draws < c[0] / 2, 0.0, np.where(draws < c[0], 1.0, x))


def defocus_blur(x: Batch, _random: Random, c: tuple[float, ...]) -> Batch:
    """The mean over a disk of radius c; its rim is smoothed. Beyond the edge the image is mirrored."""
    radius = max(1, min(round(c[0] * x.shape[2] / _SIDE), x.shape[2] - 1))
    line = np.arange(-radius, radius + 1)
    disk = (line[:, None] ** 2 + line**2 <= radius**2).astype(float)
    disk = gaussian_filter(disk / disk.sum(), c[1], mode="constant", radius=1 if radius <= 8 else 2)
    around = np.pad(x, ((0, 0), (0, 0), (radius, radius), (radius, radius)), mode="reflect")
    blurred: Batch = fftconvolve(around, disk[None, None], mode="valid", axes=(2, 3))
    return blurred


def glass_blur(x: Batch, random: Random, c: tuple[float, ...]) -> Batch:
    """Blurred by sigma, then pixels change places with others up to a distance apart, then blurred again."""
    sigma, distance, rounds = c[0] * x.shape[2] / _SIDE, round(c[1]), round(c[2])
    x = _smooth(x, sigma)
    side = x.shape[2]
    inside = range(side - distance, distance, -1)
    places = [(row, column) for row in inside for column in inside]
    shape = (rounds, len(places))
    swaps = np.stack([one.random(shape) < 0.5 for one in random])  # (N, rounds, places)
    steps = np.stack([one.integers(-distance, distance, (*shape, 2)) for one in random])
    for turn in range(rounds):
        for number, (row, column) in enumerate(places):
            chosen = np.flatnonzero(swaps[:, turn, number])
            down, across = (steps[chosen, turn, number] + (row, column)).T
            here = x[chosen, :, row, column]
            x[chosen, :, row, column], x[chosen, :, down, across] = x[chosen, :, down, across], here
    return _smooth(np.clip(x, 0, 1), sigma)


def motion_blur(x: Batch, random: Random, c: tuple[float, ...]) -> Batch:
    """Smeared in one direction by half a Gaussian, at an angle of -45 to 45 degrees; the edge is repeated."""
    factor = x.shape[2] / _SIDE
    width, sigma = 2 * round(c[0] * factor) + 1, c[1] * factor
    weights = np.exp(-(np.arange(width) ** 2) / (2 * sigma**2))
    angles = np.deg2rad([one.uniform(-45, 45) for one in random])
    out, line, rows = np.zeros_like(x), np.arange(x.shape[2]), np.arange(len(x))[:, None, None]
    for step, weight in enumerate(weights / weights.sum()):
        down, across = (np.ceil(step * part(angles) - 0.5).astype(int) for part in (np.sin, np.cos))
        row = np.clip(line + down[:, None], 0, len(line) - 1)  # (N, S)
        column = np.clip(line + across[:, None], 0, len(line) - 1)
        out += weight * x.transpose(0, 2, 3, 1)[rows, row[:, :, None], column[:, None, :]].transpose(0, 3, 1, 2)
    return out


def fog(x: Batch, random: Random, c: tuple[float, ...]) -> Batch:
    """A cloud of strength c, rougher the smaller its second number is, over the image; the brightest stays as it is."""
    side = x.shape[2]
    clouds = np.stack([_cloud(one, max(256, 1 << (side - 1).bit_length()), c[1])[:side, :side] for one in random])
    brightest = x.max((1, 2, 3), keepdims=True)
    found: Batch = (x + c[0] * clouds[:, None]) * brightest / (brightest + c[0])
    return found


def spatter(x: Batch, random: Random, c: tuple[float, ...]) -> Batch:
    """Drops of mud."""
    factor = x.shape[2] / _SIDE
    layer = np.stack([one.normal(c[0], c[1], x.shape[2:]) for one in random])[:, None]
    wet = (_smooth(layer, c[2] * factor) > c[3]).astype(float)
    mud = _smooth(wet, c[4] * factor)
    mud[mud < 0.8] = 0
    found: Batch = x * (1 - mud) + 63 / 255 * mud
    return found


def contrast(x: Batch, _random: Random, c: tuple[float, ...]) -> Batch:
    """The distance to the mean of each channel, times c."""
    mean = x.mean((2, 3), keepdims=True)
    found: Batch = (x - mean) * c[0] + mean
    return found


def brightness(x: Batch, _random: Random, c: tuple[float, ...]) -> Batch:
    """The value of the brightest channel (V of HSV) plus c; hue and saturation stay."""
    value = x.max(1, keepdims=True)
    brighter = np.minimum(value + c[0], 1)
    found: Batch = np.where(value > 0, x * brighter / np.where(value > 0, value, 1), brighter)
    return found


def pixelate(x: Batch, _random: Random, c: tuple[float, ...]) -> Batch:
    """Made smaller, c of the side, and large again, by the means of boxes."""
    side = x.shape[2]
    small = max(1, int(side * c[0]))
    found = np.empty_like(x)
    for place in np.ndindex(x.shape[:2]):
        one = Image.fromarray(np.rint(x[place] * 255).astype(np.uint8))
        one = one.resize((small, small), Image.Resampling.BOX).resize((side, side), Image.Resampling.BOX)
        found[place] = np.asarray(one) / 255.0
    return found


def _smooth(x: Batch, sigma: float) -> Batch:
    """A Gaussian blur over both sides; the edge is repeated."""
    found: Batch = gaussian_filter(x, (0, 0, sigma, sigma), mode="nearest")
    return found


def _cloud(random: np.random.Generator, side: int, decay: float) -> Batch:
    """(side, side) heights in [0, 1] by the diamond-square algorithm on a torus (Fournier, Fussell and Carpenter 1982).

    `decay` is what the roughness is divided by from one step to the next finer one.
    """
    heights, step, rough = np.zeros((side, side)), side, 100.0

    def near(total: Batch) -> Batch:
        return total / 4 + rough * random.uniform(-rough, rough, total.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        total = corners + np.roll(corners, -1, 0)
        heights[half::step, half::step] = near(total + np.roll(total, -1, 1))
        middle, corner = heights[half::step, half::step], heights[::step, ::step]
        heights[::step, half::step] = near(middle + np.roll(middle, 1, 0) + corner + np.roll(corner, -1, 1))
        heights[half::step, ::step] = near(middle + np.roll(middle, 1, 1) + corner + np.roll(corner, -1, 0))
        step, rough = half, rough / decay
    heights -= heights.min()
    found: Batch = heights / heights.max()
    return found


def _warped(of: Map) -> Callable[[Batch, Random, tuple[float, ...]], Batch]:
    return lambda x, random, c: warp(x, random, of, c[0])


def _each(*values: float) -> tuple[tuple[float, ...], ...]:
    return tuple((value,) for value in values)


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": Corruption(gaussian_noise, _each(0.08, 0.12, 0.18, 0.26, 0.38)),
    "shot_noise": Corruption(shot_noise, _each(60, 25, 12, 5, 3)),
    "impulse_noise": Corruption(impulse_noise, _each(0.03, 0.06, 0.09, 0.17, 0.27)),
    "defocus_blur": Corruption(defocus_blur, ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))),
    "glass_blur": Corruption(glass_blur, ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))),
    "motion_blur": Corruption(motion_blur, ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))),
    "fog": Corruption(fog, ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))),
    "spatter": Corruption(
        spatter,
        (
            (0.65, 0.3, 4, 0.69, 0.6), (0.65, 0.3, 3, 0.68, 0.6), (0.65, 0.3, 2, 0.68, 0.5),
            (0.65, 0.3, 1, 0.65, 1.5), (0.67, 0.4, 1, 0.65, 1.5),
        ),
    ),
    "contrast": Corruption(contrast, _each(0.4, 0.3, 0.2, 0.1, 0.05)),
    "brightness": Corruption(brightness, _each(0.1, 0.2, 0.3, 0.4, 0.5)),
    "pixelate": Corruption(pixelate, _each(0.6, 0.5, 0.4, 0.3, 0.25)),
    **{name: Corruption(_warped(of), _each(*constants)) for name, (of, constants) in WARPS.items()},
}  # fmt: skip
