"""Mixup and CutMix: labels are mixed as the images are."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lab2.data.mixing import MixedLabels, cutmix, mix, mixup
from lab2.models.building.answers import Answer
from lab2.train.classifier import AUXILIARY_SHARE, _loss

CLASSES = 5
LABELS = torch.tensor([0, 1, 2, 3, 4, 0, 2, 2])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def labelled_by_channel(labels: Tensor, side: int) -> Tensor:
    """Images whose channel k is white where their label is k, else black: their means are their labels."""
    return F.one_hot(labels, CLASSES)[:, :, None, None].float().repeat(1, 1, side, side)


def mixed(alpha_mixup: float, alpha_cutmix: float, generator: torch.Generator) -> tuple[Tensor, MixedLabels]:
    images, labels = mix(labelled_by_channel(LABELS, 16), LABELS, alpha_mixup, alpha_cutmix, generator)
    assert isinstance(labels, MixedLabels)
    return images, labels


def is_cutmix(images: Tensor) -> bool:
    """Nothing is averaged."""
    return bool(((images == 0) | (images == 1)).all())


@pytest.mark.parametrize("alphas", [(0.4, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_labels_are_mixed_as_the_images_are(alphas: tuple[float, float]):
    generator = seeded()
    for _ in range(20):
        images, labels = mixed(*alphas, generator)
        probabilities = labels.as_probabilities(CLASSES)
        torch.testing.assert_close(images.mean((2, 3)), probabilities)
        torch.testing.assert_close(probabilities.sum(1), torch.ones(8))
        assert torch.equal(labels.first, LABELS)
        assert sorted(labels.second.tolist()) == sorted(LABELS.tolist())


def test_without_an_alpha_nothing_is_mixed_and_nothing_is_drawn():
    images, generator = torch.rand(8, 3, 4, 4), seeded()
    unmixed, labels = mix(images, LABELS, 0, 0, generator)
    assert (unmixed is images, labels is LABELS) == (True, True)
    assert torch.equal(generator.get_state(), seeded().get_state())


def test_the_alpha_that_is_set_says_which_and_of_two_each_batch_draws_one():
    generator = seeded()
    assert not any(is_cutmix(mixed(1, 0, generator)[0]) for _ in range(20))
    assert all(is_cutmix(mixed(0, 1, generator)[0]) for _ in range(20))
    assert 70 < sum(is_cutmix(mixed(1, 1, generator)[0]) for _ in range(200)) < 130  # four standard deviations


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_shares_are_drawn_from_beta_one_a_batch(alpha: float):
    generator, drawn = seeded(), []
    for _ in range(2000):
        _, labels = mix(torch.zeros(2, 1, 1, 1), LABELS[:2], alpha, 0, generator)
        assert isinstance(labels, MixedLabels)
        assert labels.share[0] == labels.share[1]
        drawn.append(float(labels.share[0]))
    shares = torch.tensor(drawn)
    assert shares.mean() == pytest.approx(0.5, abs=0.04)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.15)  # Beta's variance


def test_a_seed_fixes_the_mixing():
    once, again, other = (mixed(1, 1, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(once[0], again[0])
    assert torch.equal(once[1].as_probabilities(CLASSES), again[1].as_probabilities(CLASSES))
    assert not torch.equal(once[0], other[0])


def test_mixup_by_hand():
    images, share = mixup(torch.full((2, 1, 2, 2), 0.8), torch.full((2, 1, 2, 2), 0.4), 0.25, seeded())
    torch.testing.assert_close(images, torch.full((2, 1, 2, 2), 0.5))
    assert share.tolist() == [0.25, 0.25]


class TestCutmix:
    @pytest.fixture
    def pasted(self) -> tuple[Tensor, Tensor]:
        """White squares of a quarter of the area on 1000 black images of 16 pixels; what is left of the black."""
        images = torch.zeros(1000, 1, 16, 16)
        white, left = cutmix(images, images + 1, 0.75, seeded())
        return white[:, 0], left

    def test_the_share_that_is_left_is_the_area(self, pasted: tuple[Tensor, Tensor]):
        white, left = pasted
        torch.testing.assert_close(left, 1 - white.mean((1, 2)))
        assert left.min() == 0.75

    def test_it_is_a_square_cut_at_the_rim(self, pasted: tuple[Tensor, Tensor]):
        white, _ = pasted
        rows, columns = white.amax(2), white.amax(1)  # (1000, 16)
        assert torch.equal(white, rows[:, :, None] * columns[:, None, :])
        for line in (rows, columns):
            edges = (line.diff(dim=1) != 0).sum(1) + line[:, 0] + line[:, -1]
            assert (edges == 2).all()  # in one piece
            inside = (line[:, 0] == 0) & (line[:, -1] == 0)
            assert set(line[inside].sum(1).tolist()) == {8}
            assert 4 <= line.sum(1).min() <= line.sum(1).max() == 8  # its centre lies within the image

    def test_each_image_has_its_square_elsewhere(self, pasted: tuple[Tensor, Tensor]):
        white, _ = pasted
        assert len(torch.unique(white, dim=0)) > 200  # of 17 x 17 places
        assert white.mean(0).min() > 0.05  # everywhere

    def test_a_share_of_1_leaves_the_images(self):
        images = torch.zeros(9, 1, 8, 8)
        pasted, left = cutmix(images, images + 1, 1.0, seeded())
        assert torch.equal(pasted, images)
        assert left.tolist() == [1.0] * 9

    def test_a_share_of_0_leaves_three_quarters_at_most(self):
        images = torch.zeros(400, 1, 8, 8)
        pasted, left = cutmix(images, images + 1, 0.0, seeded())
        torch.testing.assert_close(left, 1 - pasted.mean((1, 2, 3)))
        assert left.min() == 0  # the centre in the middle
        assert left.max() == 0.75  # in a corner


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_both_labels_in_their_shares(smoothing: float):
    logits, aside = torch.randn(2, 8, CLASSES, generator=seeded())
    labels = MixedLabels(LABELS, LABELS.flip(0), torch.linspace(0, 1, 8))

    def by_hand(answer: Tensor) -> Tensor:
        first, second = (
            F.cross_entropy(answer, one, label_smoothing=smoothing, reduction="none")
            for one in (labels.first, labels.second)
        )
        return (labels.share * first + (1 - labels.share) * second).mean()

    torch.testing.assert_close(_loss(logits, labels, smoothing), by_hand(logits))
    both = by_hand(logits) + AUXILIARY_SHARE * by_hand(aside)
    torch.testing.assert_close(_loss(Answer(logits, (aside,)), labels, smoothing), both)


def test_the_loss_of_one_label_by_hand():
    labels = MixedLabels(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.75]))
    logits = torch.tensor([[math.log(3.0), 0.0]])  # probabilities 3/4 and 1/4
    assert _loss(logits, labels, 0).item() == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
