"""Each corruption does what its name says, alike for one image wherever it stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lab2.data.corruptions import CORRUPTIONS, STRENGTHS, corrupted
from lab2.data.digits import DigitsSource
from lab2.data.places import open_source
from lab2.errors import DataError, ShardError
from lab2.measure.corrupted import read_corrupted, write_corrupted
from lab2.spec.job import DataConfig

MNIST = np.asarray(open_source(DataConfig()).read("test").pixels)[:12]  # (12, 1, 28, 28)
GREY = np.full((2, 1, 28, 28), 100, np.uint8)
GREY[1, 0, 0, 0] = 101  # another image, or both would get the same random numbers


def dot(row: int, column: int) -> np.ndarray:
    """One white pixel on black."""
    found = np.zeros((1, 1, 28, 28), np.uint8)
    found[0, 0, row, column] = 255
    return found


def centre(image: np.ndarray) -> tuple[float, float]:
    """Of mass of a (1, 1, S, S) image: row, column."""
    mass = image[0, 0].astype(float)
    line = np.arange(mass.shape[0])
    return float(mass.sum(1) @ line / mass.sum()), float(mass.sum(0) @ line / mass.sum())


def test_fifteen_at_five_strengths():
    assert len(CORRUPTIONS) == 15
    assert {len(one.constants) for one in CORRUPTIONS.values()} == {STRENGTHS}


@pytest.mark.parametrize("name", CORRUPTIONS)
class TestEach:
    def test_an_image_is_corrupted_alike_wherever_it_stands(self, name):
        together = corrupted(MNIST, name, 2)
        assert (corrupted(MNIST[::-1].copy(), name, 2)[::-1] == together).all()
        assert (corrupted(MNIST[5:6], name, 2)[0] == together[5]).all()
        assert (together.shape, together.dtype) == (MNIST.shape, MNIST.dtype)

    def test_the_strongest_changes_more_than_the_weakest(self, name):
        clean = MNIST.astype(float)
        weak, strong = (np.abs(corrupted(MNIST, name, level) - clean).mean() for level in (0, STRENGTHS - 1))
        assert 0 < weak < strong

    def test_colours_and_other_sides_are_taken(self, name):
        colour = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
        assert corrupted(colour, name, 1).shape == colour.shape


class TestByHand:
    def test_gaussian_noise_has_its_deviation(self):
        found = corrupted(GREY, "gaussian_noise", 0)
        assert (found - 100.0).std() == pytest.approx(0.08 * 255, rel=0.05)

    def test_black_has_no_shot_noise(self):
        assert (corrupted(np.zeros_like(GREY), "shot_noise", 4) == 0).all()

    def test_shot_noise_counts_to_c(self):
        levels = np.unique(corrupted(GREY, "shot_noise", 4))  # c = 3: thirds of white
        assert set(levels.tolist()) <= {0, 85, 170, 255}

    def test_impulses_are_black_or_white_in_their_share(self):
        found = corrupted(GREY, "impulse_noise", 4)
        changed = np.isin(found, (0, 255))
        assert (changed | (found == GREY)).all()
        assert changed.mean() == pytest.approx(0.27, abs=0.04)

    @pytest.mark.parametrize("name", ["defocus_blur", "glass_blur", "motion_blur", "pixelate", "contrast"])
    def test_a_plain_image_stays_plain(self, name):
        assert np.abs(corrupted(GREY[:1], name, 3).astype(int) - 100).max() <= 1

    def test_defocus_spreads_a_dot_over_its_disk(self):
        found = corrupted(dot(14, 14), "defocus_blur", 0)[0, 0]  # radius 3: 29 pixels
        assert (found > 0).sum() == 29
        assert found[14, 14] == round(255 / 29)
        assert found[14, 18] == 0

    def test_motion_smears_a_dot_to_one_side(self):
        row, column = centre(corrupted(dot(14, 20), "motion_blur", 0))
        assert column < 20
        assert abs(row - 14) <= 20 - column + 0.5  # at 45 degrees at most

    def test_contrast_keeps_the_mean(self):
        found = corrupted(MNIST, "contrast", 0).astype(float)
        assert found.mean((1, 2, 3)) == pytest.approx(MNIST.mean((1, 2, 3)), abs=0.5)
        assert found.std((1, 2, 3)) == pytest.approx(0.4 * MNIST.std((1, 2, 3)), rel=0.02)

    def test_brightness_is_added(self):
        assert (corrupted(GREY[:1], "brightness", 1) == round((100 / 255 + 0.2) * 255)).all()

    def test_brightness_keeps_hue_and_saturation(self):
        image = np.zeros((1, 3, 28, 28), np.uint8)
        image[0, 0], image[0, 1] = 100, 50
        found = corrupted(image, "brightness", 1)[0, :, 0, 0]
        assert found.tolist() == [151, 76, 0]  # the brightest plus 51, the others in proportion

    def test_pixels_become_blocks(self):
        """0.5: blocks of 2 x 2 with their mean."""
        found = corrupted(dot(4, 4), "pixelate", 1)[0, 0]
        assert found[4:6, 4:6].tolist() == [[64, 64], [64, 64]]
        assert found.sum() == 4 * 64

    def test_translation_moves_by_its_pixels_both_ways(self):
        row, column = centre(corrupted(dot(14, 14), "translate", 2))
        assert (abs(row - 14), abs(column - 14)) == (3, 3)

    def test_rotation_turns_about_the_middle(self):
        row, column = centre(corrupted(dot(14, 23), "rotate", 4))  # by one radian
        before, after = np.array([0.5, 9.5]), np.array([row - 13.5, column - 13.5])
        assert np.hypot(*after) == pytest.approx(np.hypot(*before), abs=0.3)
        turned = before @ after / (np.hypot(*before) * np.hypot(*after))
        assert turned == pytest.approx(np.cos(1), abs=0.05)

    def test_shear_keeps_the_middle_row(self):
        image = np.zeros((1, 1, 28, 28), np.uint8)
        image[0, 0, 13:15, 10:18] = 255
        row, column = centre(corrupted(image, "shear", 2))
        assert (row, column) == pytest.approx((13.5, 13.5), abs=0.05)

    def test_scale_halves_the_distance_to_the_middle(self):
        image = np.zeros((1, 1, 28, 28), np.uint8)
        image[0, 0, 2:6, 2:6] = 255  # its middle is 10 from the image's
        row, column = centre(corrupted(image, "scale", 4))
        assert (row, column) == pytest.approx((13.5 - 5, 13.5 - 5), abs=0.1)

    def test_fog_leaves_the_brightest_value_in_reach(self):
        found = corrupted(MNIST, "fog", 4)
        assert (found.max((1, 2, 3)) <= MNIST.max((1, 2, 3))).all()
        assert found[:, :, 0, :].mean() > 20  # the rim is black without fog


class TestFile:
    def test_answers_come_back_as_they_were(self, tmp_path: Path):
        right = {name: np.random.default_rng(1).random((5, 13)) < 0.5 for name in ("fog", "scale")}
        write_corrupted(tmp_path / "a.safetensors", right)
        found = read_corrupted(tmp_path / "a.safetensors")
        assert found.keys() == right.keys()
        assert all((found[name] == one).all() for name, one in right.items())

    @pytest.mark.parametrize("content", [b"", b"no safetensors at all"])
    def test_another_file_is_refused(self, tmp_path: Path, content: bytes):
        (tmp_path / "a.safetensors").write_bytes(content)
        with pytest.raises(ShardError, match="not a trial's answers on corrupted images"):
            read_corrupted(tmp_path / "a.safetensors")


class TestDigits:
    def test_they_are_read_by_name_and_are_what_scikit_learn_brings(self):
        source = open_source(DataConfig(dataset="optdigits"))
        train, test = source.read("train"), source.read("test")
        assert (len(train), len(test)) == (1_200, 597)
        assert train.pixels.shape[1:] == (1, 8, 8)
        assert (int(np.asarray(train.pixels).min()), int(np.asarray(train.pixels).max())) == (0, 255)
        assert train.labels[:10].tolist() == [*range(10)]
        assert source.sha256() == DigitsSource().sha256()

    def test_they_are_of_one_side(self):
        with pytest.raises(DataError, match="image_side=32 is for sets of pictures"):
            open_source(DataConfig(dataset="optdigits", image_side=32))
