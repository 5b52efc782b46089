"""What is in a data set, and what is wrong with it, before anything is trained on it.

Two pictures are the same where their decoded pixels are, as the networks get them: whatever the files are called and
however they are packed. A test picture that is also trained on is a leak: its answer can be known by heart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lab2.data.findings import EXAMPLES, RARE_TEST, RARE_TRAIN, Findings
from lab2.data.pictures import PictureSource
from lab2.data.pixels import Look
from lab2.data.places import open_source
from lab2.data.source import Images, Part, Progress, Source, nothing
from lab2.data.stored import StoredPixels, digest_of
from lab2.foreign_text import one_line
from lab2.spec.job import DataConfig

_PARTS: tuple[Part, ...] = ("train", "validation", "test")


def inspect(config: DataConfig, progress: Progress = nothing) -> tuple[Findings, Images]:
    """What is found in the data set that `config` names, and its training images. Broken pictures are findings.

    Raises `DataError` for a data set that cannot be read at all.
    """
    source = open_source(replace(config, broken="skip"), progress)
    facts = source.facts
    parts = {part: source.read(part) for part in _PARTS if part != "validation" or facts.validation}
    # Names that are not UTF-8 cannot be written as JSON.
    names = {part: [one_line(name) for name in _names(source, part, images)] for part, images in parts.items()}
    classes = tuple(map(one_line, source.classes))
    digests = {part: _digests(images, progress, part) for part, images in parts.items()}
    counts = {part: np.bincount(one.labels, minlength=len(source.classes)).tolist() for part, one in parts.items()}
    pixels = parts["train"].pixels
    sizes, modes, formats, broken = _of_files(source, pixels)
    repeated, leaked, pairs = _repeated(digests, names)
    two_labels, contradictions = _contradictions(parts, digests, names)
    found = Findings(
        dataset=config.dataset,
        classes=classes,
        counts={part: tuple(numbers) for part, numbers in counts.items()},
        boxes={part: sum(len(o.labels) for o in one.objects) for part, one in parts.items() if one.objects is not None},
        split=facts.split,
        left_out=dict(facts.left_out),
        sizes=sizes,
        modes=modes,
        formats=formats,
        form=(pixels.shape[1], pixels.shape[2]),
        broken=tuple(map(one_line, broken)),
        repeated=repeated,
        leaked=leaked,
        leaks=pairs,
        two_labels=two_labels,
        contradictions=contradictions,
        rare=tuple(_rare(classes, counts["train"], counts["test"])),
    )
    return found, parts["train"]


def _names(source: Source, part: Part, images: Images) -> Sequence[str]:
    if isinstance(source, PictureSource):
        return [picture.name for picture in source.pictures(part)]
    return [f"{part} {number}" for number in range(len(images))]


def _digests(images: Images, progress: Progress, part: Part) -> list[bytes]:
    if isinstance(images.pixels, StoredPixels):
        return images.pixels.digests()
    found = []
    for number, picture in enumerate(images.pixels, 1):
        found.append(digest_of(picture))
        if number % 1000 == 0 or number == len(images):
            progress(f"comparing the pictures of {part}", number, len(images))
    return found


def _of_files(
    source: Source, pixels: NDArray[np.uint8] | StoredPixels
) -> tuple[dict[str, tuple[int, int]], dict[str, int], dict[str, int], tuple[str, ...]]:
    """Sizes, modes and formats of what lies on the disk, and what of it is broken."""
    if not isinstance(source, PictureSource):
        return dict.fromkeys(("smallest", "median", "largest"), (pixels.shape[3], pixels.shape[2])), {}, {}, ()
    seen = [one for one in source.looks if isinstance(one, Look)]
    areas = sorted((one.size for one in seen), key=lambda size: size[0] * size[1])
    sizes = {"smallest": areas[0], "median": areas[len(areas) // 2], "largest": areas[-1]}
    broken = tuple(f"{source.listing.pictures[number].name} ({why})" for number, why in source.broken.items())
    modes, formats = Counter(one.mode for one in seen), Counter(one.format for one in seen)
    return sizes, dict(modes.most_common()), dict(formats.most_common()), broken


def _repeated(
    digests: Mapping[Part, list[bytes]], names: Mapping[Part, Sequence[str]]
) -> tuple[dict[str, int], dict[str, int], dict[str, tuple[str, ...]]]:
    """By part, what is in it more than once; by two parts, what is in both; and some of the latter by name."""
    first: dict[Part, dict[bytes, str]] = {}
    for part, found in digests.items():
        first[part] = dict(zip(reversed(found), reversed(names[part]), strict=True))
    repeated = {part: len(found) - len(first[part]) for part, found in digests.items()}
    leaked: dict[str, int] = {}
    examples: dict[str, tuple[str, ...]] = {}
    pairs: tuple[tuple[Part, Part], ...] = (("test", "train"), ("test", "validation"), ("validation", "train"))
    for part, other in pairs:
        known = first.get(other, {})
        both = [(n, key) for n, key in zip(names.get(part, ()), digests.get(part, ()), strict=True) if key in known]
        if both:
            which = f"{part} in {other}"
            leaked[which] = len(both)
            examples[which] = tuple(f"{name} and {known[key]}" for name, key in both[:EXAMPLES])
    return {part: count for part, count in repeated.items() if count}, leaked, examples


def _contradictions(
    parts: Mapping[Part, Images], digests: Mapping[Part, list[bytes]], names: Mapping[Part, Sequence[str]]
) -> tuple[int, tuple[str, ...]]:
    """How many pictures are there under another label, too, and some of them by name."""
    labelled: dict[bytes, dict[int, str]] = {}  # of each picture, a name for each label
    for part, images in parts.items():
        for key, label, name in zip(digests[part], images.labels.tolist(), names[part], strict=True):
            labelled.setdefault(key, {}).setdefault(label, name)
    several = {key: found for key, found in labelled.items() if len(found) > 1}
    count = sum(key in several for found in digests.values() for key in found)
    return count, tuple(" and ".join(found.values()) for found in list(several.values())[:EXAMPLES])


def _rare(classes: Sequence[str], train: Iterable[int], test: Iterable[int]) -> Iterator[str]:
    for name, trained, tested in zip(classes, train, test, strict=True):
        if trained < RARE_TRAIN or tested < RARE_TEST:
            yield f"{name} ({trained} to train, {tested} to test)"
