"""The losses of a detector for a whole batch at once are torchvision's, and nothing in a step waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
import torch
from torch import Tensor
from torchvision.models.detection.roi_heads import RoIHeads

from lab2.data.scenes import compose, ink_boxes, paste_at_once, paste_one_by_one
from lab2.models.building import build
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.models.layers.dense_proposals import propose
from lab2.models.layers.detections import TOGETHER
from lab2.models.layers.detector import Detector
from lab2.train.waits import waits
from tests.test_models import COLOURS, DIGITS

SIDE, OBJECTS = 60, 5  # pixels; at most in an image


@pytest.fixture
def model() -> Detector:
    """One whose boxes are not its anchors: random weights, larger than those that it begins with."""
    torch.manual_seed(0)
    network = build(FasterRCNNConfig(widths=(8, 8, 16), hidden=16, proposals=12), DIGITS).model
    assert isinstance(network, Detector)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return network


def random_batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images with their objects; the second image has none."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.rand(4, OBJECTS, 2, generator=generator) * (SIDE - 24)
    boxes = torch.cat([first, first + 6 + torch.rand(4, OBJECTS, 2, generator=generator) * 18], 2)
    present = torch.rand(4, OBJECTS, generator=generator) < 0.6
    present[0], present[1] = True, False
    labels = torch.randint(10, (4, OBJECTS), generator=generator)
    images = torch.rand(4, 1, SIDE, SIDE, generator=generator)
    return images, boxes.where(present[..., None], 0), labels, present


def torchvisions(model: Detector, images: Tensor, boxes: Tensor, labels: Tensor, present: Tensor) -> dict[str, Tensor]:
    """The losses by torchvision's own code, image by image. Its class 0 is the background."""
    each = zip(boxes, labels, present, strict=True)
    parts: dict[str, Tensor] = model.network(
        images, [{"boxes": box[there], "labels": label[there] + 1} for box, label, there in each]
    )
    return parts


def losses_and_gradients(model: Detector, parts: dict[str, Tensor]) -> dict[str, Tensor]:
    model.zero_grad()
    torch.stack(list(parts.values())).sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return {**{name: value.detach() for name, value in parts.items()}, **gradients}


@pytest.mark.parametrize("seed", range(3))
def test_where_all_is_sampled_losses_and_gradients_are_torchvisions(model: Detector, seed: int):
    for part in (model.network.rpn, model.network.roi_heads):
        part.fg_bg_sampler.batch_size_per_image = 10**6  # more than there are: chance decides nothing
    batch = random_batch(seed)
    ours = losses_and_gradients(model, model.parts(*batch, model.draw(4, SIDE, OBJECTS)))
    theirs = losses_and_gradients(model, torchvisions(model, *batch))
    assert all(theirs[name] > 1e-4 for name in theirs if name.startswith("loss_"))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_detected_in_all_images_together_is_torchvisions(model: Detector, seed: int):
    images = random_batch(seed)[0]
    model.eval()
    cast(RoIHeads, model.network.roi_heads).score_thresh = 0.11  # of eleven classes: images differ in their detections
    with torch.inference_mode():
        one_by_one, together = model.network(images), model.detect_together(images)
        assert sum(len(one["boxes"]) for one in together) > 4
        for one, other in zip(one_by_one, together, strict=True):
            assert torch.equal(one["labels"], other["labels"])
            assert torch.allclose(one["boxes"], other["boxes"], atol=1e-3)
            assert torch.allclose(one["scores"], other["scores"], atol=1e-5)
        assert [len(one["boxes"]) for one in model.detect_together(torch.zeros(1, 1, SIDE, SIDE))] == [
            len(one["boxes"]) for one in model.network(torch.zeros(1, 1, SIDE, SIDE))
        ]


def test_what_is_detected_in_more_images_than_one_call_suppresses_is_torchvisions(model: Detector):
    """Some are blank; the pieces are of `TOGETHER` images, the last of three."""
    images = torch.rand(2 * TOGETHER + 3, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(7))
    images[5], images[TOGETHER : TOGETHER + 4], images[-1] = 0, 0, 0
    model.eval()
    cast(RoIHeads, model.network.roi_heads).score_thresh = 0.11
    with torch.inference_mode():
        one_by_one, together = model.network(images), model.detect_together(images)
    assert len({len(one["boxes"]) for one in together}) > 2
    for one, other in zip(one_by_one, together, strict=True):
        assert torch.equal(one["labels"], other["labels"])
        assert torch.allclose(one["boxes"], other["boxes"], atol=1e-3)


def test_where_chance_samples_losses_are_torchvisions_in_the_mean(model: Detector):
    batch = random_batch()
    with torch.no_grad():
        ours = [model.parts(*batch, model.draw(4, SIDE, OBJECTS)) for _ in range(60)]
        theirs = [torchvisions(model, *batch) for _ in range(60)]
    for name in theirs[0]:
        one, other = (torch.stack([parts[name] for parts in each]) for each in (ours, theirs))
        error = ((one.var() + other.var()) / 60).sqrt()
        assert abs(one.mean() - other.mean()) < 4 * error + 1e-6, name


def test_the_loss_is_the_sum_and_the_draws_decide_it(model: Detector):
    batch, draws = random_batch(), model.draw(4, SIDE, OBJECTS)
    with torch.no_grad():
        loss = model.losses(*batch, draws)
        torch.testing.assert_close(loss, sum(model.parts(*batch, draws).values()))
        assert torch.equal(loss, model.losses(*batch, draws))
        assert not torch.equal(loss, model.losses(*batch, model.draw(4, SIDE, OBJECTS)))


def test_what_stands_where_no_object_is_does_not_count(model: Detector):
    images, boxes, labels, present = random_batch()
    draws = model.draw(4, SIDE, OBJECTS)
    other = boxes.where(present[..., None], torch.tensor([3.0, 3.0, 30.0, 30.0]))
    one, two = (
        losses_and_gradients(model, model.parts(images, *of, present, draws))
        for of in ((boxes, labels), (other, labels.where(present, 3)))
    )
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_side_that_is_no_multiple_of_the_stride_and_images_smaller_than_a_sample(model: Detector):
    for side in (14, 33):
        images = torch.rand(2, 1, side, side)
        boxes = torch.tensor([2.0, 2, 12, 12]).expand(2, 1, 4)
        label, there = torch.zeros(2, 1, dtype=torch.int64), torch.ones(2, 1, dtype=torch.bool)
        assert model.losses(images, boxes, label, there, model.draw(2, side, 1)).isfinite()


def test_of_what_has_diverged_no_proposal_is_there_and_none_is_without_a_place(model: Detector):
    """A map sampled at a place that is no number would end the process."""
    anchors = torch.tensor([[0.0, 0, 8, 8], [8, 8, 20, 20], [9, 9, 21, 21]])
    codes = torch.zeros(1, 3, 4)
    codes[0, 1], codes[0, 2, 2] = torch.nan, torch.inf
    boxes, there = propose(model.network.rpn, anchors, torch.zeros(1, 3), codes, SIDE)
    assert there.sum() == 2
    assert boxes.isfinite().all()
    assert not boxes[~there].any()


class TestNothingWaits:
    def step(self, model: Detector, device: str) -> Callable[[], object]:
        """From a batch on that device to the gradients."""
        images, boxes, labels, present = (x.to(device) for x in random_batch())
        draws = model.to(device).draw(4, SIDE, OBJECTS)
        return lambda: model.losses(images, boxes, labels, present, draws).backward()

    def test_in_a_step_on_a_cpu(self, model: Detector):
        assert waits(self.step(model, "cpu")) == {}

    def test_in_a_step_as_accelerators_do_it(self, model: Detector):
        """On a device without values: what asked for one would fail."""
        step = self.step(model, "meta")
        step()  # the first one brings the anchors there
        assert waits(step) == {}

    def test_torchvisions_does(self, model: Detector):
        """So the count sees what there is to see."""
        found = waits(lambda: torchvisions(model, *random_batch()))
        assert found["torchvision::nms"] == 4
        assert found["aten::nonzero"] > 20

    def test_in_pasting(self):
        pixels, order = torch.zeros(4, 1, 5, 5, dtype=torch.uint8), torch.arange(4).view(2, 2)
        there = torch.ones(2, 2, dtype=torch.bool)
        corners = torch.zeros(2, 2, 2, dtype=torch.int64)
        assert waits(lambda: paste_at_once(pixels, order, corners, there, 9)) == {}


@pytest.mark.parametrize("shape", [DIGITS, COLOURS], ids=["grey", "colour"])
def test_pasting_at_once_gives_the_same_scenes_as_one_by_one(shape):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (20, shape.channels, 9, 9), dtype=torch.uint8, generator=generator)
    order = torch.randint(20, (6, 5), generator=generator)
    corners = torch.randint(30 - 9 + 1, (6, 5, 2), generator=generator)  # many overlap, some lie at the edge
    present = torch.rand(6, 5, generator=generator) < 0.7
    one_by_one = paste_one_by_one(pixels, order, corners, present, 30)
    assert torch.equal(paste_at_once(pixels, order, corners, present, 30), one_by_one)
    assert one_by_one.any()


def test_scenes_of_the_images_and_their_draws_need_no_value_of_a_pixel():
    """On a device without values: the generator's draws, the places and the labels are made on the CPU."""
    pixels = torch.empty(20, 1, 9, 9, dtype=torch.uint8)
    boxes = ink_boxes(torch.full((20, 1, 9, 9), 200, dtype=torch.uint8), plain_background=True)
    scenes = compose(
        pixels.to("meta"),
        torch.zeros(20, dtype=torch.int64),
        boxes,
        side=30,
        max_objects=4,
        generator=torch.Generator().manual_seed(0),
    )
    assert (scenes.images.shape, scenes.images.device.type) == ((5, 1, 30, 30), "meta")
    assert {part.device.type for part in (scenes.boxes, scenes.labels, scenes.present)} == {"meta"}
