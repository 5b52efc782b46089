"""Scenes of digits with boxes, and what augmentation does to images."""

from __future__ import annotations

import pytest
import torch

from lab2.data.augment import shift, warp
from lab2.data.scenes import compose, ink_boxes


class TestScenes:
    @pytest.mark.parametrize("count", [1, 2, 4, 10])
    def test_any_number_of_images_makes_scenes(self, mnist, count: int):
        pixels, labels = torch.from_numpy(mnist.train.pixels[:count]), torch.from_numpy(mnist.train.labels[:count])
        generator = torch.Generator().manual_seed(0)
        scenes = compose(pixels, labels, ink_boxes(pixels, True), side=112, max_objects=9, generator=generator)
        assert len(scenes.images) == -(-count // 9)

    def test_boxes_are_tight_around_the_ink(self):
        image = torch.zeros(1, 1, 10, 10, dtype=torch.uint8)
        image[0, 0, 2:5, 3:9] = 200  # rows 2 to 4, columns 3 to 8
        assert ink_boxes(image, plain_background=True).tolist() == [[3, 2, 9, 5]]
        assert ink_boxes(image, plain_background=False).tolist() == [[0, 0, 10, 10]]

    def test_each_box_holds_its_images_ink(self, mnist):
        pixels = torch.from_numpy(mnist.train.pixels[:90])
        boxes = ink_boxes(pixels, plain_background=True)
        scenes = compose(
            pixels,
            torch.arange(90),
            boxes,
            side=84,
            max_objects=3,
            generator=torch.Generator().manual_seed(0),
        )
        assert scenes.images.shape == (30, 1, 84, 84)
        assert scenes.present[:, 0].all()
        for scene in range(30):
            for m in range(3):
                if scenes.present[scene, m]:
                    x1, y1, x2, y2 = scenes.boxes[scene, m].int().tolist()
                    a1, b1, a2, b2 = boxes[scenes.labels[scene, m]].int().tolist()
                    ink = pixels[scenes.labels[scene, m], :, b1:b2, a1:a2]
                    assert (scenes.images[scene, :, y1:y2, x1:x2] >= ink).all()

    @pytest.mark.parametrize(("most", "least"), [(1, 1), (2, 1), (3, 2), (4, 2), (9, 5)])
    def test_a_scene_has_all_its_objects_or_down_to_half_as_many(self, most: int, least: int):
        dots = torch.full((1000 * most, 1, 1, 1), 255, dtype=torch.uint8)  # as images of one pixel they can be counted
        scenes = compose(
            dots,
            torch.zeros(len(dots), dtype=torch.int64),
            ink_boxes(dots, plain_background=True),
            side=100,
            max_objects=most,
            generator=torch.Generator().manual_seed(0),
        )
        seen = (scenes.images > 0).sum((1, 2, 3))
        assert seen.tolist() == scenes.present.sum(1).tolist()
        assert set(seen.tolist()) == set(range(least, most + 1))
        each = 1000 / (most + 1 - least)  # one number is as likely as another
        assert seen.bincount()[least:].tolist() == pytest.approx([each] * (most + 1 - least), rel=0.25)

    def test_a_seed_fixes_a_scene(self, mnist):
        pixels, labels = torch.from_numpy(mnist.train.pixels[:9]), torch.arange(9)
        boxes = ink_boxes(pixels, plain_background=True)
        one, two = (
            compose(pixels, labels, boxes, side=56, max_objects=3, generator=torch.Generator().manual_seed(5))
            for _ in range(2)
        )
        assert torch.equal(one.images, two.images)
        assert torch.equal(one.boxes, two.boxes)


class TestShift:
    def test_moves_each_image_by_at_most_so_much(self):
        images = torch.zeros(64, 1, 9, 9)
        images[:, :, 4, 4] = 1
        moved = shift(images, 2, torch.Generator().manual_seed(0))
        rows, columns = (moved == 1).nonzero()[:, 2:].unbind(1)
        assert (moved.sum((1, 2, 3)) == 1).all()
        assert set(rows.tolist()) == set(columns.tolist()) == {2, 3, 4, 5, 6}

    def test_zero_leaves_the_images_alone(self):
        images = torch.rand(3, 1, 5, 5)
        assert shift(images, 0, torch.Generator()) is images


class TestWarp:
    def test_turns_each_image_by_its_own_draw_within_the_limit(self):
        images = torch.zeros(200, 1, 41, 41)
        images[:, :, 19:22, 34] = 1  # to the right of the centre
        turned = warp(images, 30, 0, torch.Generator().manual_seed(0))
        where = torch.arange(41.0) - 20
        mass = turned.sum((1, 2, 3))
        x, y = ((turned * axis).sum((1, 2, 3)) / mass for axis in (where, where[:, None]))
        angles = torch.atan2(y, x).rad2deg()
        torch.testing.assert_close(x.hypot(y), torch.full((200,), 14.0), atol=0.2, rtol=0)
        assert -30.5 < angles.min() < -25
        assert 25 < angles.max() < 30.5

    def test_stretches_both_sides_by_their_own_draws(self):
        images = torch.zeros(200, 1, 40, 40)
        images[:, :, 10:30, 10:30] = 1
        sides = torch.stack(
            [warp(images, 0, 0.2, torch.Generator().manual_seed(0)).sum(d).amax((1, 2)) for d in (2, 3)]
        )
        assert 15.5 < sides.min() < 17.5  # 20 over 1.2
        assert 23.5 < sides.max() < 25.5  # 20 over 0.8
        assert torch.corrcoef(sides)[0, 1].abs() < 0.3

    def test_the_rim_repeats_the_edge(self):
        assert warp(torch.ones(9, 1, 8, 8), 45, 0.5, torch.Generator().manual_seed(0)).min() > 0.999

    def test_zero_leaves_the_images_alone(self):
        images = torch.rand(3, 1, 5, 5)
        assert warp(images, 0, 0, torch.Generator()) is images
