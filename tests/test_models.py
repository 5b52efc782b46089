"""The architectures: shapes, pinned sizes, a gradient to every weight, folding that changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from lab2.data.datasets import DataShape
from lab2.errors import ConfigError
from lab2.measure.cost import count_parameters
from lab2.models.alexnet import AlexNetConfig
from lab2.models.building import build, check_model
from lab2.models.building.pretrained import TransferNet, folded, initialise
from lab2.models.cnn import CNNConfig
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.models.layers.detector import Detector
from lab2.models.layers.front import in_colour
from lab2.models.layers.pooled_linear import PooledLinear
from lab2.models.vgg16 import VGG16Config
from lab2.models.vit import ViTConfig
from lab2.spec.architectures import ImportedConfig
from tests.conftest import TINY

DIGITS = DataShape(1, 28, tuple("0123456789"), (0.13,), (0.31,), plain_background=True)
COLOURS = DataShape(3, 32, ("cat", "dog", "frog"), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), plain_background=False)

FULL = {
    "cnn": (CNNConfig(), 449_546),
    "cnn, normalised": (CNNConfig(batch_norm=True), 449_642),  # a gain more for each of 96 filters
    "vit": (ViTConfig(), 10_730),
    "vgg16": (VGG16Config(weights="random"), 134_301_514),  # torchvision's 138,357,544 with 10 classes for 1000
    "alexnet": (AlexNetConfig(weights="random"), 57_044_810),
}


@pytest.mark.parametrize("name", FULL)
def test_parameter_counts_are_those_of_the_papers(name):
    config, expected = FULL[name]
    with torch.device("meta"):
        assert count_parameters(build(config, DIGITS).model) == (expected, expected)


@pytest.mark.parametrize("name", TINY)
def test_what_was_not_trained_before_says_so(name: str):
    with torch.device("meta"):
        assert build(TINY[name], DIGITS).weights == "random"


def test_an_image_is_resized_by_straight_lines_and_grey_is_every_colour():
    row = torch.tensor([0.0, 0, 0, 8])  # at half the side, a pixel is the mean of the two around its middle
    small = in_colour(row.expand(2, 1, 4, 4), 2)
    assert small.tolist() == [[[[0.0, 4.0]] * 2] * 3] * 2
    coloured = torch.arange(12.0).view(1, 3, 2, 2)
    assert in_colour(coloured, 2) is coloured


def test_an_untrained_network_starts_with_kaimings_weights_and_a_small_last_layer():
    network = nn.Sequential(nn.Conv2d(4, 300, 3), nn.Linear(300, 200), nn.Linear(200, 100))
    torch.manual_seed(0)
    initialise(network)
    deviations = [layer.weight.std().item() for layer in network]
    assert deviations == pytest.approx([(2 / 36) ** 0.5, (2 / 300) ** 0.5, 0.01], rel=0.03)  # 2 over the inputs
    assert not any(layer.bias.any() for layer in network)


@pytest.mark.parametrize("shape", [DIGITS, COLOURS], ids=["grey 28", "colour 32"])
@pytest.mark.parametrize("name", [n for n in TINY if n != "faster_rcnn"])
def test_logits_for_any_channels_side_and_classes(name, shape):
    model = build(TINY[name], shape).model.eval()
    logits = model(torch.rand(2, shape.channels, shape.side, shape.side))
    assert logits.shape == (2, len(shape.classes))


@pytest.mark.parametrize("name", [n for n in TINY if n != "faster_rcnn"])
def test_a_gradient_reaches_every_weight(name):
    torch.manual_seed(0)
    model = build(TINY[name], DIGITS).model
    nn.functional.cross_entropy(model(torch.rand(8, 1, 28, 28)), torch.arange(8)).backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not without


@pytest.mark.parametrize("widths", [(8, 8, 16), (8, 48, 48)], ids=["narrow", "wide enough for Conv3x3"])
def test_a_gradient_reaches_every_weight_of_the_detector(widths: tuple[int, int, int]):
    torch.manual_seed(0)
    model = build(replace(TINY["faster_rcnn"], widths=widths), DIGITS).model
    assert isinstance(model, Detector)
    boxes, labels = torch.tensor([4.0, 4.0, 24.0, 24.0]).expand(8, 1, 4), torch.full((8, 1), 3)
    present = torch.ones(8, 1, dtype=torch.bool)
    model.losses(torch.rand(8, 1, 56, 56), boxes, labels, present, model.draw(8, 56, 1)).backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not without


def test_the_detector_answers_in_the_data_sets_own_labels():
    torch.manual_seed(0)
    model = build(FasterRCNNConfig(score_threshold=0.0), DIGITS).model.eval()
    found = model(torch.rand(2, 1, 28, 28))
    assert len(found) == 2
    assert all(one["labels"].min() >= 0 and one["labels"].max() <= 9 for one in found)


class TestFolding:
    def test_a_folded_layer_is_the_layer_over_copies(self):
        torch.manual_seed(0)
        layer = PooledLinear(3 * 4, 5)
        cell = torch.rand(2, 3, 1, 1)
        torch.testing.assert_close(layer(cell), layer(cell.expand(-1, -1, 2, 2)))

    def test_training_folded_goes_the_same_way(self):
        def trained(fold: bool) -> PooledLinear:
            torch.manual_seed(0)
            layer = PooledLinear(3 * 4, 5)
            cell = torch.rand(2, 3, 1, 1)
            if fold:
                layer.fold(3)
            weight = layer.folded if fold else layer.weight
            # a step on the sum is four times as long as on each of four copies
            optimizer = torch.optim.SGD([weight, layer.bias], lr=0.1 if fold else 0.025)
            for _ in range(5):
                layer(cell).square().sum().backward()
                optimizer.step()
                optimizer.zero_grad()
                layer.bias.data.zero_()
            if fold:
                layer.unfold()
            return layer

        torch.testing.assert_close(trained(True).weight, trained(False).weight)

    @pytest.mark.parametrize("name", ["alexnet", "vgg16"])
    def test_the_network_is_whole_again_afterwards(self, name):
        model = build(TINY[name], DIGITS).model.eval()
        images = torch.rand(2, 1, 28, 28)
        before = model(images)
        counts = count_parameters(model)
        with folded(model, images):
            torch.testing.assert_close(model(images), before, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(model(images), before, rtol=1e-3, atol=1e-5)
        assert count_parameters(model) == counts

    @pytest.mark.parametrize("training", [False, True])
    @pytest.mark.parametrize("config", [AlexNetConfig(dropout=0.0), VGG16Config(dropout=0.0, image_side=64)])
    def test_torchvisions_own_network_gives_the_same(self, config: AlexNetConfig | VGG16Config, training: bool):
        model = build(replace(config, weights="random"), COLOURS).model.train(training)
        assert isinstance(model, TransferNet)
        theirs = getattr(torchvision.models, config.architecture)(num_classes=3, dropout=0.0).train(training)
        theirs.load_state_dict(model.state_dict(), strict=False)
        images = torch.rand(2, 3, 64, 64)
        torch.testing.assert_close(model(images), theirs(model.front.normalize(images)), rtol=1e-3, atol=1e-5)


class TestImported:
    """A sixth architecture is one file: any classifier that Python can import."""

    @pytest.mark.parametrize("shape", [DIGITS, COLOURS], ids=["grey", "colour"])
    def test_torchvisions_others_are_a_name_away(self, shape):
        config = ImportedConfig(network="torchvision.models:squeezenet1_1", image_side=32)
        check_model(config, shape)
        built = build(config, shape)
        assert (built.weights, built.image_side) == ("random", 32)
        logits = built.model(torch.rand(2, shape.channels, shape.side, shape.side))
        assert logits.shape == (2, len(shape.classes))

    def test_ones_own_file_is_called_with_the_classes_and_the_options(self, tmp_path: Path):
        (tmp_path / "net.py").write_text(
            "import torch\n"
            "def make(num_classes, width):\n"
            "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 28 * 28, width),\n"
            "                               torch.nn.Linear(width, num_classes))\n"
        )
        config = ImportedConfig(network=f"{tmp_path}/net.py:make", options={"width": 7})
        check_model(config, DIGITS)
        assert sum(p.numel() for p in build(config, DIGITS).model.parameters()) == (3 * 784 + 1) * 7 + (7 + 1) * 10

    def test_whatever_its_code_raises_is_a_sentence(self, tmp_path: Path):
        (tmp_path / "net.py").write_text(
            "import torch\nclass Net(torch.nn.Module):\n    def __init__(self, num_classes): super().__init__()\n"
            "    def forward(self, images): assert images.shape[-1] == 224, 'wants 224'\n"
        )
        config = ImportedConfig(network=f"{tmp_path}/net.py:Net")
        with pytest.raises(ConfigError, match=r"does not take images of 28 pixels \(AssertionError: wants 224\)"):
            check_model(config, DIGITS)

    @pytest.mark.parametrize(
        ("network", "side", "message"),
        [
            ("torchvision.models:resnet19", None, "has no attribute 'resnet19'"),
            ("no_such_module:net", None, "No module named 'no_such_module'"),
            ("torchvision.models:alexnet", None, "does not take images of 28 pixels"),
            ("torch.nn:Identity", None, "wanted logits of shape (2, 10)"),
            ("builtins:dict", None, "wanted a torch.nn.Module"),
            ("/no/such/file.py:net", None, "No such file"),
        ],
    )
    def test_what_cannot_be_is_a_sentence_before_anything_starts(self, network: str, side: int | None, message: str):
        with pytest.raises(ConfigError) as caught:
            check_model(ImportedConfig(network=network, image_side=side), DIGITS)
        assert message in str(caught.value)
        assert str(caught.value).startswith(f"imported: network={network}")
