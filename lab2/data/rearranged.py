"""Images in another form than they were read in: their pixels in another order, or each of them enlarged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab2.data.source import Images
from lab2.data.stored import StoredPixels
from lab2.errors import DataError
from lab2.spec.job import DataConfig


def rearranged(images: Images, config: DataConfig) -> Images:
    """`images` as `data.permutation` and `data.enlarge` ask for them.

    Raises `DataError` where these, or `data.corrupted`, are asked for and the images have boxes, or are so many that
    they stay in a file.
    """
    if config.permutation is None and config.enlarge == 1 and not config.corrupted:
        return images
    if isinstance(images.pixels, StoredPixels) or images.objects is not None:
        raise DataError(
            f"{config.dataset}: data.permutation, data.enlarge and data.corrupted are for images that are in memory "
            "and have no boxes; leave them out"
        )
    pixels = images.pixels
    if config.permutation is not None:
        pixels = permuted(pixels, config.permutation)
    if config.enlarge > 1:
        pixels = pixels.repeat(config.enlarge, 2).repeat(config.enlarge, 3)
    return Images(pixels, images.labels, images.groups)


def permuted(pixels: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """(N, C, S, S) `pixels`, in each image and channel in the same order, which `number` draws.

    What a network with no notion of place can learn stays the same; neighbours are neighbours no more.
    """
    flat = pixels.reshape(*pixels.shape[:2], -1)
    order = np.random.default_rng(number).permutation(flat.shape[2])
    return np.ascontiguousarray(flat[:, :, order]).reshape(pixels.shape)
