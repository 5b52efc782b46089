"""Pictures of test images: the hardest ones, those that tell rows apart, and some of each class; two image files.

They are taken from the data set, if it is on this machine and its pictures are decoded already: a report downloads and
decodes nothing. An image is found by its identity, so that a changed data set shows no wrong picture.
"""

from __future__ import annotations

import io
import math
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lab2.data.identity import identities
from lab2.data.places import open_source
from lab2.data.source import Images
from lab2.errors import Lab2Error
from lab2.results.correctness import Correctness
from lab2.spec.job import DataConfig

HARDEST = 24  # images that fewest networks are right about
MOST_IMAGES = 144  # in all
EACH = 8  # samples of a class
MOST_CLASSES = 20  # of which samples are shown
# Of the file of the chosen images, and of that of the samples. Base64 makes four of three: 200 kB in the page.
MOST_BYTES, MOST_OF_SAMPLES = 100_000, 50_000
# Of WebP, tried in turn where PNG, which changes nothing, is too large.
QUALITIES = (85, 60)
MOST_READ = 2**30  # bytes of test images that a report reads
LARGEST_SIDE = 48  # pixels; larger images are made smaller


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chosen:
    """Images to show: places among the N compared ones."""

    hardest: tuple[int, ...] = ()
    all: tuple[int, ...] = ()  # the hardest among them


@dataclass(frozen=True, slots=True, kw_only=True)
class Sprite:
    """The pictures of the chosen images in one, row by row; empty where they cannot be shown, and `note` says why."""

    name: str = "sprite"  # of its element in the page
    address: str = ""  # data:image/png;base64,... or webp
    columns: int = 1
    rows: int = 1
    side: int = 1  # pixels of one
    count: int = 0  # of the chosen images, the first ones
    note: str = ""


def choose(read: Correctness, fixed: frozenset[str]) -> Chosen:
    """The hardest images, then in turn those that speak most for each row against each other one.

    Rows that no seed changes do not count for hardness: always naming one class says nothing of an image.
    """
    if not read.right:
        return Chosen()
    shares = {job: right.mean(0) for job, right in read.right.items()}
    judges = [share for job, share in shares.items() if job not in fixed] or list(shares.values())
    order = np.argsort(np.mean(judges, axis=0), kind="stable")
    mean = np.mean(judges, axis=0)
    hardest = [int(place) for place in order[:HARDEST] if mean[place] < 1]
    found = dict.fromkeys(hardest)
    turns = [_for(shares[one], shares[other]) for one in shares for other in shares if one != other]
    while turns and len(found) < MOST_IMAGES:
        turns = [turn for turn in turns if _take(turn, found)]
    return Chosen(hardest=tuple(hardest), all=tuple(found))


def _for(one: NDArray[np.float64], other: NDArray[np.float64]) -> Iterator[int]:
    """The images that one is right about more often than the other, the clearest first."""
    gap = one - other
    least = np.partition(gap, -MOST_IMAGES)[-MOST_IMAGES] if len(gap) > MOST_IMAGES else 0.0
    best = np.flatnonzero((gap > 0) & (gap >= least))
    yield from best[np.argsort(-gap[best], kind="stable")].tolist()


def _take(turn: Iterator[int], found: dict[int, None]) -> bool:
    """Add the next image that is not there yet; False where there is none, or no room."""
    for place in turn:
        if len(found) >= MOST_IMAGES:
            return False
        if place not in found:
            found[place] = None
            return True
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Test images of each class, the first ones: places in their sprite."""

    sprite: Sprite = field(default_factory=Sprite)
    places: tuple[tuple[int, tuple[int, ...]], ...] = ()  # by class


def draw_pictures(configs: Sequence[DataConfig], wanted: NDArray[np.uint64] | None) -> tuple[Sprite, Samples]:
    """The `wanted` images, (W,) identities, of the first of the data sets that has all of them; and samples of it."""
    if wanted is None:
        note = "Pictures are not shown: the predictions, of an older version, do not identify their images."
        return Sprite(note=note), Samples()
    why = "the data set holds other images now"
    for config in configs:
        try:
            images = _test_images(config)
        except (Lab2Error, OSError) as error:
            why = str(error)
            continue
        known = {identity: place for place, identity in enumerate(identities(images.pixels).tolist())}
        places = [known.get(identity) for identity in wanted.tolist()]
        if None not in places:
            chosen = packed([_small(images.pixels[place]) for place in places if place is not None], MOST_BYTES)
            return chosen, _samples(images)
    return Sprite(note=f"Pictures are not shown: {why}."), Samples()


def _test_images(config: DataConfig) -> Images:
    """Raises `Lab2Error` and `OSError` where they are not there, or not at once."""
    images = open_source(config, _refuse).read("test")
    if images.pixels.nbytes > MOST_READ:
        raise Lab2Error("its test images are more than a report reads")
    return images


def _samples(images: Images) -> Samples:
    """Of each class as many, fewer where there is no room for all; none of more than `MOST_CLASSES` classes."""
    labels = np.unique(images.labels).tolist()
    if len(labels) > MOST_CLASSES:
        return Samples()
    members = {label: np.flatnonzero(images.labels == label)[:EACH].tolist() for label in labels}
    order = [(label, which[turn]) for turn in range(EACH) for label, which in members.items() if turn < len(which)]
    sprite = packed([_small(images.pixels[place]) for _, place in order], MOST_OF_SAMPLES)
    shown = [label for label, _ in order[: sprite.count]]
    places = tuple((label, tuple(n for n, of in enumerate(shown) if of == label)) for label in labels)
    return Samples(sprite=replace(sprite, name="samples"), places=places)


def _refuse(what: str, _done: int, _total: int) -> None:
    """Stands in for a progress bar, which is called only where there is something to wait for."""
    raise Lab2Error(f"that would take {what} again; lab2 inspect on the data set does it once")


def _small(pixels: NDArray[np.uint8]) -> Image.Image:
    channels = pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
    image = Image.fromarray(channels)
    if image.width <= LARGEST_SIDE:
        return image
    return image.resize((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.BOX)


def packed(tiles: Sequence[Image.Image], most: int) -> Sprite:
    """As many of the tiles as fit into `most` bytes, the first ones: exact if all do, else as WebP."""
    if not tiles:
        return Sprite()
    count = len(tiles)
    while True:
        side, columns = tiles[0].width, min(12, count)
        rows = math.ceil(count / columns)
        sheet = Image.new(tiles[0].mode, (columns * side, rows * side))
        for place, tile in enumerate(tiles[:count]):
            sheet.paste(tile, (place % columns * side, place // columns * side))
        for kind, content in _files(sheet):
            if len(content) <= most or count == 1:
                address = f"data:image/{kind};base64,{b64encode(content).decode()}"
                return Sprite(address=address, columns=columns, rows=rows, side=side, count=count)
        count = max(1, count * 3 // 4)


def _files(sheet: Image.Image) -> Iterator[tuple[str, bytes]]:
    """The sheet as PNG, then as WebP of lower and lower quality."""
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=True)
    yield "png", file.getvalue()
    for quality in QUALITIES:
        file = io.BytesIO()
        sheet.save(file, "WEBP", quality=quality, method=6)
        yield "webp", file.getvalue()
