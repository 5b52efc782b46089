"""What a detector does with the boxes of a whole batch is what torchvision does image by image."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.ops import batched_nms, box_iou, roi_align

from lab2.models.layers.boxes import decode, draw, encode, match, overlaps, pick, priorities
from lab2.models.layers.roi_align import RoIAlign, by_products, by_sampling
from lab2.models.layers.suppression import suppress

CPU = torch.device("cpu")


def random_boxes(*shape: int, generator: torch.Generator, side: int = 40) -> Tensor:
    """Whole pixels, so that some are the same and many overlap by the same share."""
    first = torch.randint(side - 12, (*shape, 2), generator=generator)
    return torch.cat([first, first + torch.randint(4, 12, (*shape, 2), generator=generator)], -1).float()


def test_overlaps_are_torchvisions():
    generator = torch.Generator().manual_seed(0)
    a, b = random_boxes(3, 7, generator=generator), random_boxes(3, 9, generator=generator)
    expected = torch.stack([box_iou(one, other) for one, other in zip(a, b, strict=True)])
    assert torch.equal(overlaps(a, b), expected)


@pytest.mark.parametrize("best_of_each", [True, False])
@pytest.mark.parametrize("thresholds", [(0.3, 0.7), (0.5, 0.5), (0.1, 0.6)])
def test_matches_are_torchvisions_also_of_equal_overlaps(thresholds: tuple[float, float], best_of_each: bool):
    low, high = thresholds
    matcher = Matcher(high, low, allow_low_quality_matches=best_of_each)
    generator = torch.Generator().manual_seed(0)
    found = set()
    for _ in range(30):
        objects, boxes = random_boxes(4, 6, generator=generator), random_boxes(4, 50, generator=generator)
        present = torch.rand(4, 6, generator=generator) < 0.6
        present[0], present[1, 0] = False, True
        ours = match(objects, present, boxes, low, high, best_of_each=best_of_each)
        assert (ours[0] == -1).all()  # where there is no object all is background: torchvision's matcher refuses
        for i in range(1, 4):
            if present[i].any():
                theirs = matcher(box_iou(objects[i, present[i]], boxes[i]))
                numbers = torch.cat([present[i].nonzero().flatten(), torch.tensor([-2, -1])])  # those absent left out
                assert torch.equal(ours[i], numbers[theirs])
                found |= set(theirs.clamp(max=0).tolist())
    assert found >= ({-1, 0} if low == high else {-2, -1, 0})


def test_codes_are_torchvisions_there_and_back():
    generator = torch.Generator().manual_seed(0)
    coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
    objects, boxes = random_boxes(60, generator=generator), random_boxes(60, generator=generator)
    codes = encode(objects, boxes, coder.weights)
    torch.testing.assert_close(codes, coder.encode_single(objects, boxes))
    torch.testing.assert_close(decode(codes, boxes, coder.weights, coder.bbox_xform_clip), objects)
    wild = 30 * torch.randn(60, 4, generator=generator)  # some beyond the largest logarithm
    theirs = coder.decode_single(wild, boxes)
    torch.testing.assert_close(decode(wild, boxes, coder.weights, coder.bbox_xform_clip), theirs)


class TestSample:
    @pytest.mark.parametrize(
        ("positive", "negative", "expected"),
        [
            (10, 20, (4, 4)),  # at most half of 8 are positive
            (3, 20, (3, 5)),  # filled up by negative ones
            (10, 2, (4, 2)),  # which are not replaced by positive ones
            (0, 3, (0, 3)),
            (0, 0, (0, 0)),
        ],
    )
    def test_it_has_as_many_of_each_as_torchvisions(self, positive: int, negative: int, expected: tuple[int, int]):
        kinds = torch.tensor([1] * positive + [0] * negative + [-1] * (40 - positive - negative))
        torch.manual_seed(0)
        kinds = kinds.expand(50, -1)
        values, index = priorities(kinds == 1, kinds == 0, draw(50, 40, CPU), 8, 0.5).topk(8)
        taken = pick(kinds, index).where(values > 0, -1)
        assert {((row == 1).sum().item(), (row == 0).sum().item()) for row in taken} == {expected}

    def test_one_box_of_each_kind_is_as_likely_as_another(self):
        torch.manual_seed(0)
        positive = (torch.arange(10) < 4).expand(4000, -1)
        priority = priorities(positive, ~positive, draw(4000, 10, CPU), 4, 0.5)
        taken = (priority >= priority.topk(4).values[:, -1:]).float().mean(0)
        assert taken.tolist() == pytest.approx([2 / 4] * 4 + [2 / 6] * 6, abs=0.04)

    @pytest.mark.parametrize("size", [1, 3177, 400_000])
    def test_no_two_draws_of_an_image_are_equal(self, size: int):
        draws = draw(3, size, CPU)
        assert all(len(row.unique()) == size for row in draws)
        assert draws.min() >= 0
        assert draws.max() < 2**29

    def test_a_sample_of_one_is_background(self):
        """Half of 1 is no whole box: torchvision takes no positive one then."""
        one = torch.ones(1, 3, dtype=torch.bool)
        assert priorities(one, ~one, draw(1, 3, CPU), 1, 0.5).tolist() == [[0, 0, 0]]


class TestSuppression:
    @pytest.mark.parametrize("threshold", [0.25, 0.5, 0.7])
    def test_it_keeps_what_torchvision_keeps_whatever_the_boxes(self, threshold: float):
        generator = torch.Generator().manual_seed(0)
        kept_in_all = 0
        for side in (14, 20, 30, 60):
            for _ in range(25):
                boxes = random_boxes(4, 64, generator=generator, side=side)
                scores = torch.randint(12, (4, 64), generator=generator).float()  # many are equal
                there = torch.rand(4, 64, generator=generator) < 0.8
                there[0] = False
                order = scores.argsort(dim=1, descending=True, stable=True)
                index, kept = suppress(pick(boxes, order), pick(there, order), threshold, 64)
                assert not kept[0].any()
                for i in range(4):
                    some = there[i].nonzero().flatten()
                    theirs = batched_nms(boxes[i, some], scores[i, some], torch.zeros(len(some)), threshold)
                    assert torch.equal(order[i][index[i][kept[i]]], some[theirs])
                    kept_in_all += len(theirs)
        assert kept_in_all > 1000

    def test_boxes_in_a_row_each_overlapping_the_next(self):
        """Each second one is kept: what happens to the last depends on all before it."""
        first = torch.arange(128.0)[:, None]
        boxes = torch.cat([first, first * 0, first + 5, first * 0 + 5], 1)[None]  # neighbours share 4/6
        there = torch.ones(1, 128, dtype=torch.bool)
        index, kept = suppress(boxes, there, 0.5, 128)
        assert index[kept].tolist() == list(range(0, 128, 2))
        first_few, all_there = suppress(boxes, there, 0.5, 10)
        assert first_few.tolist() == [list(range(0, 20, 2))]
        assert all_there.all()


@pytest.mark.parametrize("way", [by_sampling, by_products])
class TestRoIAlign:
    def test_it_is_torchvisions_and_so_is_its_gradient(self, way):
        generator = torch.Generator().manual_seed(0)
        maps = torch.randn(3, 4, 7, 9, generator=generator).requires_grad_()  # of images of 30 x 36 pixels
        first = torch.rand(3, 6, 2, generator=generator) * torch.tensor([25, 17])
        boxes = torch.cat([first, first + torch.rand(3, 6, 2, generator=generator) * 10], -1)

        def pooled_and_gradient(pooled: Tensor) -> tuple[Tensor, Tensor]:
            weights = torch.linspace(-1, 1, pooled.numel()).view_as(pooled)
            return pooled, torch.autograd.grad((weights * pooled).sum(), maps)[0]

        ours = pooled_and_gradient(way(maps, boxes, 5).flatten(0, 1))
        theirs = pooled_and_gradient(roi_align(maps, list(boxes), 5, spatial_scale=1 / 4, sampling_ratio=1))
        torch.testing.assert_close(ours, theirs)

    def test_beyond_the_map_it_is_the_edge(self, way):
        maps = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])  # of an image of 8 x 8 pixels
        boxes = torch.tensor([[[16.0, 0, 20, 4], [0, 16, 4, 20]]])  # centres: x 4.5, y 0.5; and the reverse
        assert way(maps, boxes, 1).flatten().tolist() == [3.0, 3.5]  # (2 + 4) / 2 and (3 + 4) / 2

    def test_a_map_of_one_place_is_that_place(self, way):
        boxes = torch.tensor([[[0.0, 0, 3, 4], [2, 2, 30, 30]]])
        assert way(torch.full((1, 1, 1, 1), 7.0), boxes, 2).flatten().tolist() == [7.0] * 8


def test_roi_align_of_images_with_unlike_numbers_of_boxes():
    maps = torch.randn(2, 4, 7, 7, generator=torch.Generator().manual_seed(0))
    box = torch.tensor([[4.0, 4.0, 20.0, 24.0]])
    pooled = RoIAlign(5)({"0": maps}, [box, torch.cat([box, box + 2])], [(28, 28)] * 2)
    expected = roi_align(maps, [box, torch.cat([box, box + 2])], 5, spatial_scale=1 / 4, sampling_ratio=1)
    torch.testing.assert_close(pooled, expected)


def test_roi_align_of_no_boxes_is_empty():
    assert RoIAlign(5)({"0": torch.randn(2, 4, 7, 7)}, [torch.empty(0, 4)] * 2, [(28, 28)] * 2).shape == (0, 4, 5, 5)
