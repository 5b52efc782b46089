"""The fixed splits and the limits: seeded, stratified, never through a group, the same for every trial."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lab2.data.folds import fold_sides
from lab2.data.source import Images
from lab2.data.stratified import stratified
from lab2.errors import DataError
from lab2.spec.job import DataConfig

SPLIT_SEED = 20260101  # of the split, never of a trial: all trials validate on the same images
ONE_IN = 12  # 5,000 of MNIST's 60,000


def split(images: Images, config: DataConfig, given: Images | None = None) -> tuple[Images, Images]:
    """Training and validation images; `given` is the data set's own validation part, where it has one.

    With `config.fold` a fold validates. Raises `DataError` where there are too few, or a fold is asked for beside a
    validation part.
    """
    if config.fold is not None:
        return _one_fold(images, config, given)
    if given is not None:
        validation = draw(given, config.validation_images, config.dataset, "data.validation_images")
        return _drawn_to_train(images, config), validation
    classes = len(np.unique(images.labels))
    size = config.validation_images or max(len(images) // ONE_IN, classes)
    if images.groups is not None and size < len(images):
        taken = _whole_groups(images.labels, images.groups, size / len(images))
        if not 0 < len(taken) < len(images):
            raise DataError(
                f"{config.dataset}: cannot take data.validation_images={size} of {len(images)} images in whole groups, "
                f"of which there are {len(np.unique(images.groups))}; give the data a validation part of their own"
            )
        train, validation = images.take(np.setdiff1d(np.arange(len(images)), taken)), images.take(taken)
    else:
        train, validation = _part(images, size, config.dataset, "data.validation_images", single_taken=False)
    return _drawn_to_train(train, config), validation


def _one_fold(images: Images, config: DataConfig, given: Images | None) -> tuple[Images, Images]:
    if given is not None:
        raise DataError(
            f"{config.dataset}: data.fold={config.fold}, but the data have a validation part of their own, which "
            "validates; leave data.fold out, or --folds of lab2 tune"
        )
    train, validation = fold_sides(images, config)
    return (
        _drawn_to_train(images.take(train), config),
        draw(images.take(validation), config.validation_images, config.dataset, "data.validation_images"),
    )


def _drawn_to_train(images: Images, config: DataConfig) -> Images:
    limit = config.train_images
    if config.train_draw is None or limit is None or limit >= len(images):
        return draw(images, limit, config.dataset, "data.train_images")
    return images.take(nested_draw(images.labels, limit, config.train_draw))


def nested_draw(labels: NDArray[np.int64], limit: int, number: int) -> NDArray[np.int64]:
    """(limit,) which of the (N,) images are in draw `number`, sorted; those of a smaller limit are among them.

    The images of each class stand in a drawn order. All images are sorted by their place in it over the size of their
    class, so the first of any number hold each class in its share.
    """
    generator = np.random.default_rng((SPLIT_SEED, number))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        place[members] = (np.arange(len(members)) + generator.random()) / len(members)
    return np.sort(np.argsort(place, kind="stable")[:limit])


def draw(images: Images, limit: int | None, dataset: str, setting: str) -> Images:
    """All of `images`, or `limit` of them, each class in its share; `setting` is what asks for that limit."""
    if limit is None or limit >= len(images):
        return images
    if len(images) - limit < len(np.unique(images.labels)):  # too few to be a part of their own
        return images.take(np.sort(np.random.default_rng(SPLIT_SEED).permutation(len(images))[:limit]))
    return _part(images, limit, dataset, setting, single_taken=True)[1]


def held_out(labels: Sequence[int], groups: Sequence[str] | None, share: float) -> NDArray[np.int64]:
    """Which pictures to hold out: about `share` of each class, at least one of it and never all, in whole `groups`.

    A picture whose group is "" is one of its own. Sorted; the same for the same labels and groups.
    """
    found = np.asarray(labels, np.int64)
    if groups is not None:
        numbers: dict[str, int] = {}
        keys = [group or f"\0{place}" for place, group in enumerate(groups)]
        return _whole_groups(found, np.array([numbers.setdefault(key, len(numbers)) for key in keys]), share)
    generator = np.random.default_rng(SPLIT_SEED)
    taken = []
    for label in np.unique(found):
        members = generator.permutation(np.flatnonzero(found == label))
        taken.append(members[: min(len(members) - 1, max(1, round(share * len(members))))])
    return np.sort(np.concatenate(taken))


def _whole_groups(labels: NDArray[np.int64], groups: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """The images of some groups, about `share` of each class; none where no group can go and leave each class behind.

    Large groups come first, for small ones can still mend the shares; among equals a fixed seed decides. Then groups
    change sides as long as that brings the shares nearer.
    """
    _, owner = np.unique(groups, return_inverse=True)
    sizes = np.zeros((owner.max() + 1, labels.max() + 1))  # of each group and class
    np.add.at(sizes, (owner, labels), 1)
    whole = sizes.sum(0)
    sizes, whole = sizes[:, whole > 0], whole[whole > 0]
    order = np.random.default_rng(SPLIT_SEED).permutation(len(sizes))
    order = order[np.argsort(-sizes[order].sum(1), kind="stable")]
    taken, chosen = np.zeros(len(whole)), np.zeros(len(sizes), bool)

    def cost(counts: NDArray[np.float64]) -> float:
        """How far the shares are from what is wanted; infinite where a class would be gone from the rest."""
        return float(((counts / whole - share) ** 2).sum()) if (counts < whole).all() else np.inf

    now = cost(taken)
    for _ in range(20):
        before = now
        for group in order:
            other = taken - sizes[group] if chosen[group] else taken + sizes[group]
            if (then := cost(other)) < now and other.any():
                taken, now, chosen[group] = other, then, not chosen[group]
        if now == before:
            break
    if not chosen.any():  # each group is more than twice the share: the one that exceeds it least
        costs = [cost(sizes[group]) for group in order]
        chosen[order[int(np.argmin(costs))]] = min(costs) < np.inf
    return np.flatnonzero(chosen[owner])


def _part(images: Images, size: int, dataset: str, setting: str, *, single_taken: bool) -> tuple[Images, Images]:
    """(the rest, `size` of the images), both in their original order.

    Of a class with a single image no share can be taken: `single_taken` says on which side it is.
    """
    everything = np.arange(len(images))
    single = np.isin(images.labels, np.flatnonzero(np.bincount(images.labels) == 1))
    if single.all():
        single[:] = False
    sides: list[NDArray[np.int64]]
    try:
        drawn = stratified(images.labels[~single], size - int(single.sum()) * single_taken, SPLIT_SEED)
        sides = [everything[~single][side] for side in drawn]
    except ValueError as error:  # too few of a class, or more than there are
        raise DataError(
            f"{dataset}: cannot take {setting}={size} of {len(images)} images, each class in its share: {error}"
        ) from error
    sides[single_taken] = np.concatenate([sides[single_taken], everything[single]])
    return images.take(np.sort(sides[0])), images.take(np.sort(sides[1]))
