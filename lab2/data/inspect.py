"""What is in a data set, and what is wrong with it, before anything is trained on it.

Two pictures are the same where their decoded pixels are, as the networks get them: whatever the files are called and
however they are packed. A test picture that is also trained on is a leak: its answer can be known by heart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from lab2.data.pictures import PictureSource
from lab2.data.pixels import Look
from lab2.data.places import open_source
from lab2.data.source import Images, Part, Progress, Source, nothing
from lab2.data.stored import StoredPixels, digest_of
from lab2.regular_file import LISTS, read_regular
from lab2.spec.job import DataConfig
from lab2.whole_file import write_whole

RARE_TRAIN = 10  # training pictures of a class; with fewer a network learns those pictures, not the class
RARE_TEST = 20  # test pictures of a class; with fewer its own accuracy is known to ± 22 points or worse (Wilson, 95 %)
EXAMPLES = 3  # of each kind, in a message
_PARTS: tuple[Part, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found in one data set."""

    dataset: str
    classes: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]  # by part: how many pictures of each class
    boxes: dict[str, int] = field(default_factory=dict)  # by part: how many; empty where the data set has none
    split: str
    left_out: dict[str, int]
    sizes: dict[str, tuple[int, int]]  # of the pictures' files: smallest, median and largest width and height, pixels
    modes: dict[str, int]  # of the files, as Pillow calls them: how many
    formats: dict[str, int]
    form: tuple[int, int]  # channels, and side in pixels, of what the networks get
    broken: tuple[str, ...] = ()  # the files, and why
    repeated: dict[str, int]  # by part: pictures that are there once more in the same part
    leaked: dict[str, int]  # "test in train": how many test pictures are training pictures, too
    leaks: tuple[str, ...] = ()  # some of them by name
    two_labels: int = 0  # pictures that are there under another label, too
    contradictions: tuple[str, ...] = ()  # some of them by name
    rare: tuple[str, ...] = ()  # classes with too few pictures, and how many


FINDINGS: TypeAdapter[list[Findings]] = TypeAdapter(list[Findings])


def inspect(config: DataConfig, progress: Progress = nothing) -> tuple[Findings, Images]:
    """What is found in the data set that `config` names, and its training images. Broken pictures are findings.

    Raises `DataError` for a data set that cannot be read at all.
    """
    source = open_source(replace(config, broken="skip"), progress)
    facts = source.facts
    parts = {part: source.read(part) for part in _PARTS if part != "validation" or facts.validation}
    names = {part: _names(source, part, images) for part, images in parts.items()}
    digests = {part: _digests(images, progress, part) for part, images in parts.items()}
    counts = {part: np.bincount(one.labels, minlength=len(source.classes)).tolist() for part, one in parts.items()}
    pixels = parts["train"].pixels
    sizes, modes, formats, broken = _of_files(source, pixels)
    repeated, leaked, pairs = _repeated(digests, names)
    two_labels, contradictions = _contradictions(parts, digests, names)
    found = Findings(
        dataset=config.dataset,
        classes=source.classes,
        counts={part: tuple(numbers) for part, numbers in counts.items()},
        boxes={part: sum(len(o.labels) for o in one.objects) for part, one in parts.items() if one.objects is not None},
        split=facts.split,
        left_out=dict(facts.left_out),
        sizes=sizes,
        modes=modes,
        formats=formats,
        form=(pixels.shape[1], pixels.shape[2]),
        broken=broken,
        repeated=repeated,
        leaked=leaked,
        leaks=pairs,
        two_labels=two_labels,
        contradictions=contradictions,
        rare=tuple(_rare(source.classes, counts["train"], counts["test"])),
    )
    return found, parts["train"]


def leaks(findings: Findings) -> Iterator[str]:
    """What makes a table's accuracies say more than they should: to stand above it."""
    for which, count in findings.leaked.items():
        part, _, other = which.partition(" in ")
        total = sum(findings.counts[part])
        yield (
            f"LEAK in {findings.dataset}: {count:,} of {total:,} {part} pictures ({count / total:.1%}) are "
            f"{'training' if other == 'train' else other} pictures, too (as {'; '.join(findings.leaks)}): "
            "their labels may be known by heart. Take them out of one part, and start a new run"
        )


def remarks(findings: Findings) -> Iterator[str]:
    """What else whoever trains on the data should know."""
    if findings.broken:
        named = "; ".join(findings.broken[:EXAMPLES])
        yield f"{len(findings.broken)} broken pictures: {named}{_more(findings.broken)}"
    if findings.two_labels:
        named = "; ".join(findings.contradictions)
        yield f"{findings.two_labels:,} pictures are there under two labels (as {named}): one of the labels is wrong"
    for part, count in findings.repeated.items():
        yield f"{count:,} pictures of {part} are there more than once in it: they count as often as they are there"
    if findings.rare:
        yield f"too rare to judge: {'; '.join(findings.rare[:20])}{_more(findings.rare, 20)}"


def write_findings(path: Path, findings: Sequence[Findings]) -> None:
    """Write them whole; raises `OSError` as the disk does."""
    write_whole(path, FINDINGS.dump_json(list(findings), indent=1))


def read_findings(path: Path) -> list[Findings]:
    """What `write_findings` wrote; none where there is no such file, or one that is not whole."""
    try:
        return FINDINGS.validate_json(read_regular(path, LISTS))
    except (OSError, ValidationError):
        return []


def _more(found: Sequence[str], shown: int = EXAMPLES) -> str:
    return f" and {len(found) - shown} more" if len(found) > shown else ""


def _names(source: Source, part: Part, images: Images) -> Sequence[str]:
    if isinstance(source, PictureSource):
        return source.names(part)
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
) -> tuple[dict[str, int], dict[str, int], tuple[str, ...]]:
    """By part, what is in it more than once; by two parts, what is in both; and some of the latter by name."""
    first: dict[Part, dict[bytes, str]] = {}
    for part, found in digests.items():
        first[part] = dict(zip(reversed(found), reversed(names[part]), strict=True))
    repeated = {part: len(found) - len(first[part]) for part, found in digests.items()}
    leaked: dict[str, int] = {}
    examples: list[str] = []
    pairs: tuple[tuple[Part, Part], ...] = (("test", "train"), ("test", "validation"), ("validation", "train"))
    for part, other in pairs:
        known = first.get(other, {})
        both = [(n, key) for n, key in zip(names.get(part, ()), digests.get(part, ()), strict=True) if key in known]
        if both:
            leaked[f"{part} in {other}"] = len(both)
            examples += [f"{name} and {known[key]}" for name, key in both[:EXAMPLES]]
    return {part: count for part, count in repeated.items() if count}, leaked, tuple(examples[:EXAMPLES])


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
