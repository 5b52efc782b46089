"""What a recipe does to images: by hand, by property, and against torchvision's functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice, product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from lab2.data.augment import crop, flip, jitter
from lab2.data.trivial_augment import OPERATIONS, STRENGTHS, trivial_augment
from lab2.models.cnn import CNNConfig
from lab2.spec.job import DataConfig, TrainConfig
from lab2.train.classifier import augmented, fit
from lab2.train.optimizer import Group
from lab2.train.stage import Stage
from lab2.trial import run_trial
from tests.conftest import augmentation, make_run, make_trial

BILINEAR = InterpolationMode.BILINEAR


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int, channels: int = 3, side: int = 20) -> Tensor:
    """Noise of whole bytes in [0, 1], dark on the whole, within a black rim of one pixel."""
    whole = torch.randint(256, (count, channels, side, side), generator=seeded(7)).float() / 255
    whole[..., [0, -1], :] = whole[..., [0, -1]] = 0
    return whole


EACH: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "crop": lambda images, generator: crop(images, 0.3, generator),
    "flip": lambda images, generator: flip(images, 0.5, generator),
    "jitter": lambda images, generator: jitter(images, 0.5, generator),
    "trivial_augment": trivial_augment,
    "all": lambda images, generator: augmented(images, TrainConfig(**augmentation("cnn")), generator),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", EACH)
def test_each_image_has_draws_of_its_own_and_a_seed_fixes_them(name: str, channels: int):
    images = pictures(1, channels).repeat(64, 1, 1, 1)
    once, again, other = (EACH[name](images, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    kinds = len(torch.unique(once.flatten(1), dim=0))
    assert kinds == 2 if name == "flip" else kinds > 30
    assert once.shape == images.shape
    assert once.dtype == torch.float32
    assert 0 <= once.min() < once.max() <= 1


def test_a_recipe_without_augmentation_leaves_the_images_alone_and_draws_nothing():
    images, generator = pictures(3), seeded()
    assert augmented(images, TrainConfig(), generator) is images
    assert torch.equal(generator.get_state(), seeded().get_state())


class TestFlip:
    def test_left_becomes_right(self):
        assert flip(torch.tensor([[[[1.0, 2], [3, 4]]]]), 1, seeded()).tolist() == [[[[2, 1], [4, 3]]]]

    def test_it_is_its_own_inverse(self):
        images = pictures(5)
        assert torch.equal(flip(flip(images, 1, seeded()), 1, seeded()), images)

    def test_so_many_are_mirrored(self):
        images = torch.tensor([0.0, 1]).expand(4000, 1, 2, 2)
        mirrored = flip(images, 0.25, seeded())[:, 0, 0, 0]
        assert set(mirrored.tolist()) == {0, 1}
        assert mirrored.mean() == pytest.approx(0.25, abs=0.03)  # four standard deviations


class TestCrop:
    def test_of_the_whole_area_it_is_the_image(self):
        images = pictures(5)
        torch.testing.assert_close(crop(images, 1 - 1e-6, seeded()), images, atol=1e-4, rtol=0)

    def test_area_and_aspect_stay_within_their_limits_and_all_lies_inside(self):
        side = 64
        ramp = (torch.arange(side) + 0.5) / side  # the coordinate of each pixel
        images = torch.stack([ramp.expand(side, side), ramp[:, None].expand(side, side)]).expand(2000, 2, side, side)
        across, down = crop(images, 0.2, seeded())[:, 0, 32], crop(images, 0.2, seeded())[:, 1, :, 32]  # (2000, 64)
        wide, high = ((line[:, 40] - line[:, 20]) / 20 * side for line in (across, down))
        area, aspect = wide * high, wide / high
        assert 0.2 < area.min() < 0.21
        assert 0.97 < area.max() <= 1.001
        assert area.mean() == pytest.approx(0.6, abs=0.02)  # uniform
        assert 0.74 < aspect.min() < 0.76
        assert 1.32 < aspect.max() < 1.34
        assert aspect.log().mean().abs() < 0.02
        left, top = across[:, 32] - wide / 2, down[:, 32] - high / 2
        assert left.min() > -0.02
        assert (left + wide).max() < 1.02
        free = wide < 0.9
        places = (left / (1 - wide))[free], (top / (1 - high))[free & (high < 0.9)]
        assert all(where.mean() == pytest.approx(0.5, abs=0.04) for where in places)

    def test_it_is_what_torchvision_resizes(self):
        images = pictures(1).repeat(300, 1, 1, 1)
        crops = crop(images, 0.2, seeded())[..., 4:-4, 4:-4]  # at the rim torchvision repeats the crop's edge
        whole = [
            tv.resized_crop(images[:1], top, left, 10, 10, [20, 20], BILINEAR)[..., 4:-4, 4:-4]
            for top, left in product(range(11), repeat=2)
        ]
        apart = torch.cdist(crops.flatten(1), torch.cat(whole).flatten(1)).min(1).values / crops[0].numel() ** 0.5
        assert apart.min() < 0.1  # a crop nearly of half the side, at whole pixels; another picture is 0.2 apart


class TestJitter:
    def test_each_factor_is_drawn_within_its_limits(self):
        tones = torch.tensor([0.4, 0.6]).expand(3000, 1, 2, 2)  # mean 0.5, difference 0.2
        low, high = jitter(tones, 0.4, seeded())[:, 0, 0].unbind(1)
        brightness = (low + high) / 2 / 0.5
        contrast = (high - low) / 0.2 / brightness
        for factor in (brightness, contrast):
            assert 0.6 <= factor.min() + 1e-5 < 0.61
            assert 1.39 < factor.max() <= 1.4 + 1e-5
        assert torch.corrcoef(torch.stack([brightness, contrast]))[0, 1].abs() < 0.1

    def test_it_is_torchvisions_brightness_then_contrast_then_saturation(self):
        images = pictures(6)
        draws = 1 + 0.5 * (2 * torch.rand(3, 6, 1, 1, 1, generator=seeded()) - 1)
        for image, changed, (a, b, c) in zip(images, jitter(images, 0.5, seeded()), draws.flatten(1).T, strict=True):
            expected = tv.adjust_brightness(image, float(a))
            expected = tv.adjust_contrast(expected, float(b))
            torch.testing.assert_close(changed, tv.adjust_saturation(expected, float(c)))


def moved(image: Tensor, *, shear: tuple[float, float] = (0, 0), translate: tuple[float, float] = (0, 0)) -> Tensor:
    """As torchvision's TrivialAugmentWide does it, but for the interpolation."""
    degrees = [float(torch.tensor(one).atan().rad2deg()) for one in shear]
    center = [0.0, 0.0] if any(shear) else None
    return tv.affine(image, 0, [*translate], 1, degrees, BILINEAR, center=center)


def as_bytes(image: Tensor) -> Tensor:
    return (image * 255).round().to(torch.uint8)


# What torchvision makes of an image for a strength s in [-1, 1]. A sign is drawn evenly: which way is left is free.
TORCHVISION: dict[str, Callable[[Tensor, float], Tensor]] = {
    "Identity": lambda image, s: image,
    "ShearX": lambda image, s: moved(image, shear=(0.99 * s, 0)),
    "ShearY": lambda image, s: moved(image, shear=(0, 0.99 * s)),
    "TranslateX": lambda image, s: moved(image, translate=(-int(32 * s), 0)),
    "TranslateY": lambda image, s: moved(image, translate=(0, -int(32 * s))),
    "Rotate": lambda image, s: tv.rotate(image, 135 * s, BILINEAR),
    "Brightness": lambda image, s: tv.adjust_brightness(image, 1 + 0.99 * s),
    "Color": lambda image, s: tv.adjust_saturation(image, 1 + 0.99 * s),
    "Contrast": lambda image, s: tv.adjust_contrast(image, 1 + 0.99 * s),
    "Sharpness": lambda image, s: tv.adjust_sharpness(image, 1 + 0.99 * s),
    "Posterize": lambda image, s: tv.posterize(as_bytes(image), 8 - round(6 * abs(s))) / 255,
    "Solarize": lambda image, s: tv.solarize(image, 1 - abs(s)),
    "AutoContrast": lambda image, s: tv.autocontrast(image),
    "Equalize": lambda image, s: tv.equalize(as_bytes(image)) / 255,
}


class TestTrivialAugment:
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("name", OPERATIONS)
    def test_an_operation_is_torchvisions(self, name: str, channels: int):
        strengths = [-1, -0.7, -0.2, 0, 0.1, 0.5, 1]
        images = pictures(len(strengths), channels) * 0.8
        changed = OPERATIONS[name](images, torch.tensor(strengths).view(-1, 1, 1, 1))
        expected = [TORCHVISION[name](image, s) for image, s in zip(images, strengths, strict=True)]
        torch.testing.assert_close(changed, torch.stack(expected), atol=2e-4, rtol=0)

    def test_by_hand(self):
        image, half = torch.tensor([[0.2, 0.4], [0.6, 0.6]]).expand(1, 1, 2, 2), torch.full((1, 1, 1, 1), 0.5)
        assert OPERATIONS["Solarize"](image, half).flatten().tolist() == pytest.approx([0.2, 0.4, 0.4, 0.4])
        assert OPERATIONS["AutoContrast"](image, half).flatten().tolist() == pytest.approx([0, 0.5, 1, 1])
        # 51, 102, 153 without their lowest three bits: 48, 96, 152
        assert (255 * OPERATIONS["Posterize"](image, half)).flatten().tolist() == pytest.approx([48, 96, 152, 152])

    def test_auto_contrast_leaves_an_image_of_one_value(self):
        image = torch.full((2, 3, 4, 4), 0.3)
        assert torch.equal(OPERATIONS["AutoContrast"](image, torch.ones(2, 1, 1, 1)), image)

    def test_each_image_gets_one_operation_at_its_own_place(self):
        strengths = (torch.arange(1, STRENGTHS) / (STRENGTHS - 1)).view(-1, 1, 1, 1)
        signed, seen = torch.cat([strengths, -strengths, torch.zeros(1, 1, 1, 1)]), set()
        images = pictures(3, 1, 24) * 0.8
        changed = trivial_augment(images.repeat(300, 1, 1, 1), seeded()).view(300, 3, -1)
        for number, image in enumerate(images):
            possible = torch.cat([of(image.expand(len(signed), -1, -1, -1), signed) for of in OPERATIONS.values()])
            distance = torch.cdist(changed[:, number], possible.flatten(1), compute_mode="donot_use_mm_for_euclid_dist")
            assert distance.min(1).values.max() < 1e-4
            seen |= {(which // len(signed), which % len(signed) < 30) for which in distance.argmin(1).tolist()}
        color = [*OPERATIONS].index("Color")  # to a grey image it does what Identity does
        assert {operation for operation, _ in seen} == {*range(len(OPERATIONS))} - {color}
        assert {positive for _, positive in seen} == {True, False}


def start_stage(network: nn.Module, config: TrainConfig) -> Stage:
    """Two passes over forty images."""
    moved: list[Group] = [{"params": [*network.parameters()], "lr": 0.1, "max_lr": 0.1, "weight_decay": 0.0}]
    return Stage(moved, config, images=40, epochs=2, generator=seeded(3))


def batches(network: nn.Module, stage: Stage, inputs: Tensor, config: TrainConfig, steps: int | None = None) -> Tensor:
    """What the network gets in the next `steps` steps of training, (steps, B, ...)."""
    seen = []

    def forward(batch: Tensor) -> Tensor:
        seen.append(batch)
        logits: Tensor = network(batch.flatten(1))
        return logits

    for _ in islice(fit(forward, stage, inputs, torch.arange(40) % 3, config, precision="fp32"), steps):
        pass
    return torch.stack(seen)


def test_features_are_used_as_they_are():
    network, features = nn.Linear(6, 3), torch.rand(40, 6)
    config = TrainConfig(batch_size=40, **augmentation("cnn"))
    seen = batches(network, start_stage(network, config), features, config)
    assert torch.equal(seen[0], features[torch.randperm(40, generator=seeded(3))])


@pytest.mark.parametrize("steps", [1, 4])
def test_a_stage_goes_on_with_the_same_images(steps: int):
    network, images = nn.Linear(3 * 20 * 20, 3), as_bytes(pictures(40))
    config = TrainConfig(batch_size=8, **augmentation("cnn"))
    whole, first, second = (start_stage(network, config) for _ in range(3))
    begun = batches(network, first, images, config, steps)
    state = first.state()
    torch.manual_seed(5)  # torch's own generator decides nothing
    second.restore(state)
    gone_on = torch.cat([begun, batches(network, second, images, config)])
    assert torch.equal(gone_on, batches(network, whole, images, config))


@pytest.fixture
def chequered(tmp_path: Path) -> Path:
    """A folder of 24-pixel colour pictures in two classes: with squares of two pixels, and of eight."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 120), ("test", 40)):
        for name, square in (("fine", 2), ("coarse", 8)):
            (folder := tmp_path / "pictures" / part / name).mkdir(parents=True)
            for number in range(count):
                row, column = (np.arange(24) + generator.integers(8)) // square, np.arange(24) // square
                colours = np.array([generator.integers(0, 90, 3), generator.integers(150, 256, 3)], dtype=np.uint8)
                Image.fromarray(colours[(row[:, None] + column) % 2]).save(folder / f"{number}.png")
    return tmp_path / "pictures"


@pytest.mark.slow
def test_a_network_learns_from_pictures_with_all_of_it(chequered: Path):
    model = CNNConfig(filters=(8, 16), hidden=32)
    trial = make_trial("cnn", model=model, batch_size=16, learning_rate=5e-3, epochs=5, **augmentation("cnn"))
    trial = replace(trial, data=DataConfig(dataset=str(chequered), validation_images=16))
    shard = run_trial(trial, make_run(chequered.parent, trial), device="cpu")
    assert (shard.status, shard.reason) == ("ok", "")
    assert shard.accuracy > 0.9
