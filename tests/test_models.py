"""The architectures: shapes, pinned sizes, a gradient to every weight, folding that changes nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.ops import roi_align

from lab2.data.cache import IMAGENET
from lab2.data.datasets import DataShape
from lab2.errors import ConfigError, WeightsError
from lab2.measure.cost import count_parameters
from lab2.measure.flops import flops_per_image
from lab2.models.alexnet import AlexNetConfig
from lab2.models.building import build, check_model
from lab2.models.building.pretrained import TransferNet, folded, initialise
from lab2.models.building.weights import load_weights, save_weights
from lab2.models.cnn import CNNConfig
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.models.layers.detector import Detector, RoIAlign
from lab2.models.layers.front import in_colour
from lab2.models.layers.pooled_linear import PooledLinear
from lab2.models.layers.transformer import Block, Tokens, patches, sinusoids
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


def test_roi_align_is_torchvisions_and_so_is_its_gradient():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(3, 4, 7, 9, generator=generator).requires_grad_()  # of images of 30 x 36 pixels
    first = torch.rand(10, 2, generator=generator) * torch.tensor([25, 17])
    boxes = torch.cat([first, first + 1 + torch.rand(10, 2, generator=generator) * 10], 1)
    split = [boxes[:6], boxes[:0], boxes[6:]]

    def pooled_and_gradient(pooled: Tensor) -> tuple[Tensor, Tensor]:
        weights = torch.linspace(-1, 1, pooled.numel()).view_as(pooled)
        return pooled, torch.autograd.grad((weights * pooled).sum(), maps)[0]

    ours = pooled_and_gradient(RoIAlign(5)({"0": maps}, split, [(30, 36)] * 3))
    theirs = pooled_and_gradient(roi_align(maps, split, 5, spatial_scale=1 / 4, sampling_ratio=1))
    torch.testing.assert_close(ours, theirs)


def test_roi_align_beyond_the_map_is_its_edge():
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])  # of an image of 8 x 8 pixels
    right, below = torch.tensor([[16.0, 0, 20, 4], [0, 16, 4, 20]]).split(1)  # centres: x 4.5, y 0.5; and the reverse
    pooled = RoIAlign(1)({"0": maps}, [torch.cat([right, below])], [(8, 8)])
    assert pooled.flatten().tolist() == [3.0, 3.5]  # (2 + 4) / 2 and (3 + 4) / 2


def test_roi_align_of_no_boxes_is_empty():
    assert RoIAlign(5)({"0": torch.randn(2, 4, 7, 7)}, [torch.empty(0, 4)] * 2, [(28, 28)] * 2).shape == (0, 4, 5, 5)


@pytest.mark.parametrize("widths", [(8, 8, 16), (8, 48, 48)], ids=["narrow", "wide enough for Conv3x3"])
def test_a_gradient_reaches_every_weight_of_the_detector(widths: tuple[int, int, int]):
    torch.manual_seed(0)
    model = build(replace(TINY["faster_rcnn"], widths=widths), DIGITS).model
    assert isinstance(model, Detector)
    target = {"boxes": torch.tensor([[4.0, 4.0, 24.0, 24.0]]), "labels": torch.tensor([3])}
    model.losses(torch.rand(8, 1, 56, 56), [target] * 8).backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not without


def test_the_detector_answers_in_the_data_sets_own_labels():
    torch.manual_seed(0)
    model = build(FasterRCNNConfig(score_threshold=0.0), DIGITS).model.eval()
    found = model(torch.rand(2, 1, 28, 28))
    assert len(found) == 2
    assert all(one["labels"].min() >= 0 and one["labels"].max() <= 9 for one in found)


def named(name: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{name}.{part}": tensor for part, tensor in module.state_dict().items()}


def as_torchs(block: Any) -> nn.Module:
    """A block of width 8 with two heads as PyTorch's own layer."""
    theirs = nn.TransformerEncoderLayer(8, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True)
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": torch.cat([block.query.weight, block.key_value.weight]),
            "self_attn.in_proj_bias": torch.cat([block.query.bias, block.key_value.bias]),
            **named("self_attn.out_proj", block.out),
            **named("linear1", block.expand),
            **named("linear2", block.contract),
            **named("norm1", block.norm1),
            **named("norm2", block.norm2),
        }
    )
    return theirs


def layers(model: nn.Module, kind: type) -> list[Any]:
    """Those of that kind, in the order in which they run."""
    return [layer for layer in model.modules() if isinstance(layer, kind)]


class TestViT:
    def test_patches_are_cut_row_by_row(self):
        image = torch.arange(16.0).view(1, 1, 4, 4)
        assert patches(image, 2)[0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]

    def test_49_patches_and_a_class_token(self):
        (tokens,) = layers(build(ViTConfig(), DIGITS).model, Tokens)
        assert tokens.positions.shape == (49, 20)
        assert tokens.class_token.shape == (20,)

    def test_positions_tell_all_patches_apart(self):
        assert torch.cdist(sinusoids(7, 20), sinusoids(7, 20)).fill_diagonal_(1).min() > 0.05
        assert sinusoids(7, 20).abs().max() <= 1

    def test_a_block_is_that_of_pytorch(self):
        torch.manual_seed(0)
        block = layers(build(ViTConfig(dim=8), DIGITS).model, Block)[0]
        with torch.no_grad():
            for weight in [*block.norm1.parameters(), *block.norm2.parameters()]:
                weight.normal_()
        x = torch.randn(3, 50, 8)
        torch.testing.assert_close(block(x), as_torchs(block)(x))

    def test_where_a_patch_lies_counts(self):
        torch.manual_seed(0)
        model = build(ViTConfig(), DIGITS).model.eval()
        images = torch.rand(4, 1, 28, 28)
        swapped = images.clone()  # the first patch of the first row and the last one of the last
        swapped[..., :4, :4], swapped[..., -4:, -4:] = images[..., -4:, -4:], images[..., :4, :4]
        apart = (model(images) - model(swapped)).abs().amax(1)
        assert (apart > 1e-3).all()
        layers(model, Tokens)[0].positions.zero_()  # without positions it could not tell
        assert (model(images) - model(swapped)).abs().max() < 1e-5

    def test_its_logits_are_those_of_the_paper_written_out_with_torchs_own_layers(self):
        torch.manual_seed(0)
        model = build(ViTConfig(dim=8, depth=2, num_heads=2, patch_size=7), DIGITS).model.eval()
        embed = nn.Conv2d(1, 8, 7, stride=7)
        first, *blocks, _, norm, head = model[1]
        embed.load_state_dict({"weight": first.embed.weight.view(8, 1, 7, 7), "bias": first.embed.bias})
        images = torch.rand(3, 1, 28, 28)
        tokens = []
        for row in range(4):
            for column in range(4):
                patch = images[:, :, 7 * row : 7 * row + 7, 7 * column : 7 * column + 7]
                # Of eight numbers four tell the row, four the column: two sines, two cosines, at rates 1 and 1/100.
                angles = [(place, place / 100) for place in (row, column)]
                told = [f(angle) for both in angles for f in (math.sin, math.cos) for angle in both]
                tokens.append(embed((patch - 0.13) / 0.31).flatten(1) + torch.tensor(told))
        x = torch.stack([first.class_token.expand(3, 8), *tokens], 1)
        for block in blocks:
            x = as_torchs(block)(x)
        expected = head(norm(x[:, 0]))
        torch.testing.assert_close(model(images), expected)

    def test_a_token_sees_all_the_others_whether_or_not_they_ask_too(self):
        torch.manual_seed(0)
        block = layers(build(ViTConfig(), DIGITS).model, Block)[1]
        x = torch.randn(3, 50, 20)
        first = block(x)
        block.queries = None
        torch.testing.assert_close(first, block(x)[:, :1])

    def test_flops_are_right_for_attention_too(self):
        # by hand, one multiply-add is two: 49 patches of 16 pixels, 50 tokens, width 20, 2 blocks
        embed = 49 * 16 * 20
        block = 50 * 20 * 60 + 2 * 50 * 50 * 20 + 50 * 20 * 20 + 2 * 50 * 20 * 80
        last = 50 * 20 * 40 + 20 * 20 + 2 * 50 * 20 + 20 * 20 + 2 * 20 * 80  # the class token alone asks
        model = build(ViTConfig(), DIGITS).model
        assert flops_per_image(model, torch.rand(1, 1, 28, 28)).count == 2 * (embed + block + last + 20 * 10)

    def test_a_side_that_patches_do_not_divide_is_refused(self):
        with pytest.raises(ConfigError, match=r"28 pixels are not divisible into patches of model\.patch_size=5"):
            check_model(ViTConfig(patch_size=5), DIGITS)


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


class TestWeights:
    def test_nothing_calls_random_weights_pre_trained(self):
        assert build(AlexNetConfig(), DIGITS).weights == "random"

    def test_imagenet_asked_for_and_not_there_names_the_command(self):
        with pytest.raises(WeightsError, match="lab2 prepare alexnet"):
            check_model(AlexNetConfig(weights="imagenet"), DIGITS)

    def test_an_altered_file_is_refused(self, tmp_path: Path):
        place = tmp_path / "cache" / "weights"
        place.mkdir(parents=True)
        (place / IMAGENET["alexnet"]).write_bytes(b"not these")
        with pytest.raises(WeightsError, match="its SHA-256 begins"):
            check_model(AlexNetConfig(weights="imagenet"), DIGITS)

    def test_imagenet_weights_are_taken_from_the_cache(self, tmp_path: Path, monkeypatch):
        import hashlib

        import torchvision

        state = torchvision.models.alexnet().state_dict()
        place = tmp_path / "cache" / "weights"
        place.mkdir(parents=True)
        torch.save(state, place / "x.pth")
        digest = hashlib.sha256((place / "x.pth").read_bytes()).hexdigest()[:8]
        (place / "x.pth").rename(place / f"alexnet-owt-{digest}.pth")
        monkeypatch.setitem(IMAGENET, "alexnet", f"alexnet-owt-{digest}.pth")
        built = build(AlexNetConfig(), DIGITS)
        assert built.weights == f"imagenet (alexnet-owt-{digest}.pth)"
        assert torch.equal(built.model.state_dict()["features.0.weight"], state["features.0.weight"])
        assert torch.equal(built.model.state_dict()["classifier.1.weight"], state["classifier.1.weight"])

    def test_a_checkpoint_gives_all_but_the_last_layer(self, tmp_path: Path):
        path = tmp_path / "a.safetensors"
        first = build(AlexNetConfig(weights="random"), DIGITS).model
        save_weights(path, first, "alexnet", "mnist")
        three = replace(DIGITS, classes=("a", "b", "c"))
        built = build(AlexNetConfig(weights=str(path)), three)
        assert "trained on mnist" in built.weights
        assert torch.equal(built.model.state_dict()["features.0.weight"], first.state_dict()["features.0.weight"])
        assert built.model.state_dict()["classifier.6.weight"].shape == (3, 4096)

    def test_a_checkpoint_of_another_architecture_is_refused(self, tmp_path: Path):
        path = tmp_path / "cnn.safetensors"
        model = build(TINY["cnn"], DIGITS).model
        save_weights(path, model, "cnn", "mnist")
        with pytest.raises(WeightsError, match="weights of cnn, wanted alexnet"):
            load_weights(model, path, "alexnet")

    @pytest.mark.parametrize(
        ("harm", "message"),
        [
            ("renamed", "features.0.bias is absent or of another shape, no.such.layer is of no layer here"),
            ("of another shape", "features.0.bias is absent or of another shape"),
            ("more", "no.such.layer is of no layer here"),
        ],
    )
    def test_a_checkpoint_of_other_layers_is_refused(self, tmp_path: Path, harm: str, message: str):
        path = tmp_path / "other.safetensors"
        model = build(AlexNetConfig(weights="random"), DIGITS).model
        state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        match harm:
            case "renamed":
                state["no.such.layer"] = state.pop("features.0.bias")
            case "of another shape":
                state["features.0.bias"] = torch.zeros(3)
            case "more":
                state["no.such.layer"] = torch.zeros(1)
        save_file(state, path, {"lab2": "1", "architecture": "alexnet", "dataset": "mnist"})
        with pytest.raises(WeightsError, match=f"{path}: does not fit: {message}; was it trained with the same"):
            load_weights(model, path, "alexnet")

    @pytest.mark.parametrize("content", [None, b"", b"garbage" * 10])
    def test_a_torn_checkpoint_is_refused(self, tmp_path: Path, content):
        path = tmp_path / "torn.safetensors"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(WeightsError, match="not a lab2 checkpoint"):
            check_model(AlexNetConfig(weights=str(path)), DIGITS)


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
