"""How many images a network sees at once where nothing is trained. It bounds memory and changes no result."""

from __future__ import annotations

MOST_AT_A_TIME = 500  # images
PIXELS_AT_A_TIME = MOST_AT_A_TIME * 64 * 64  # of each channel


def images_at_a_time(side: int, most: int = MOST_AT_A_TIME, pixels: int = PIXELS_AT_A_TIME) -> int:
    """The number for square images of `side` pixels: at most `most`, and `pixels` together, but one at least.

    What one layer gives for 500 images of 224 pixels takes gigabytes.
    """
    return min(most, max(1, pixels // side**2))
