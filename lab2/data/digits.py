"""The 1,797 handwritten digits of 8 x 8 pixels that scikit-learn brings: a data set that is always there.

Source: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (UCI), of whose test part these are. Other
writers wrote its training part, so which of these are for training is settled here.
"""

from __future__ import annotations

import hashlib
import string
from dataclasses import dataclass

import numpy as np

from lab2.data.source import Facts, Images, Part

TRAIN = 1_200  # the first ones of the file; the other 597 are for testing


@dataclass(frozen=True, slots=True)
class DigitsSource:
    """Read from scikit-learn's package."""

    classes: tuple[str, ...] = tuple(string.digits)

    @property
    def facts(self) -> Facts:
        return Facts(split=f"the first {TRAIN:,} images of the file for training, the others for testing")

    def read(self, part: Part) -> Images:
        """Images of 8 pixels, of 17 shades."""
        from sklearn.datasets import load_digits  # loads OpenMP, which binds threads where it is told to

        pixels, labels = load_digits(return_X_y=True)
        chosen = slice(TRAIN) if part == "train" else slice(TRAIN, None)
        shades = np.rint(pixels[chosen] * (255 / 16)).astype(np.uint8)
        return Images(shades.reshape(-1, 1, 8, 8), labels[chosen].astype(np.int64))

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for images in (self.read("train"), self.read("test")):
            digest.update(np.asarray(images.pixels).data)
            digest.update(images.labels.data)
        return digest.hexdigest()
