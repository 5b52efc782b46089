"""Pages of sample pictures, as the networks get them: a row a class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lab2.data.source import Images

SAMPLE_SEED = 20260103  # which pictures are shown
_EACH = 10  # pictures of a class
_TILE = 72  # pixels of one picture on the page
_GAP = 4
_OUTLINE = (0, 230, 0)  # of boxes
_MARGIN = 210  # for the name of the class
_ROWS = 50  # classes on a page
_LONGEST = 26  # characters of a name


def sample_pages(images: Images, classes: Sequence[str]) -> list[Image.Image]:
    """Some pictures of each class, drawn by a fixed seed, with the class's name and how many it has."""
    generator = np.random.default_rng(SAMPLE_SEED)
    members = [np.flatnonzero(images.labels == label) for label in range(len(classes))]
    shown = [np.sort(generator.permutation(found)[:_EACH]) for found in members]
    starts = range(0, len(classes), _ROWS)
    counts = [len(found) for found in members]
    return [_page(images, classes[i : i + _ROWS], shown[i : i + _ROWS], counts[i : i + _ROWS]) for i in starts]


def _page(images: Images, classes: Sequence[str], shown: Sequence[np.ndarray], counts: Sequence[int]) -> Image.Image:
    step = _TILE + _GAP
    page = Image.new("RGB", (_MARGIN + _EACH * step + _GAP, len(classes) * step + _GAP), (255, 255, 255))
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(14)
    for row, (name, chosen, count) in enumerate(zip(classes, shown, counts, strict=True)):
        top = _GAP + row * step
        short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
        draw.text((_GAP, top + 16), short, fill=(0, 0, 0), font=font)
        draw.text((_GAP, top + 38), f"{count:,} to train", fill=(110, 110, 110), font=font)
        for column, number in enumerate(chosen):
            boxes = () if images.objects is None else images.objects[number].boxes.tolist()
            page.paste(_tile(images.pixels[number], boxes), (_MARGIN + column * step, top))
    return page


def _tile(pixels: np.ndarray, boxes: Sequence[Sequence[float]]) -> Image.Image:
    """(C, S, S) pixels as a picture of the page, with outlines of its `boxes`; small ones keep their edges."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    small = image.width * 2 <= _TILE
    method = Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR
    tile = image.convert("RGB").resize((_TILE, _TILE), method)
    for x1, y1, x2, y2 in np.array(boxes).reshape(-1, 4) * _TILE / image.width:
        ImageDraw.Draw(tile).rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=_OUTLINE)
    return tile
