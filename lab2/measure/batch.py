"""How many images a network sees at once where nothing is trained. It bounds memory and changes no result."""

from __future__ import annotations

MOST_AT_A_TIME = 500  # images
PIXELS_AT_A_TIME = MOST_AT_A_TIME * 64 * 64  # of each channel


def images_at_a_time(side: int) -> int:
    """The number for square images of `side` pixels: what one layer gives for 500 of 224 pixels takes gigabytes."""
    return min(MOST_AT_A_TIME, max(1, PIXELS_AT_A_TIME // side**2))
