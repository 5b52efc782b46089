"""The Vision Transformer is that of its paper."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lab2.errors import ConfigError
from lab2.measure.flops import flops_per_image
from lab2.models.building import build, check_model
from lab2.models.layers.transformer import Block, Tokens, patches, sinusoids
from lab2.models.vit import ViTConfig
from tests.test_models import DIGITS


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
