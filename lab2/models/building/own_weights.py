"""Whether a network's own code brings weights: built with two seeds, what was drawn at random differs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from lab2.measure.random_numbers import random_numbers_kept

ANOTHER_SEED = 20260105
_A_FEW = 0.1  # share of the numbers; a few may be computed (positions, windows) without being weights


def brought_by_code(network: nn.Module, again: Callable[[], nn.Module]) -> str:
    """Where the weights of `network` come from, in words, where its code brings them; empty where it draws them.

    `again` builds it once more. Of shapes alone nothing is known.
    """
    if any(parameter.is_meta for parameter in network.parameters()):
        return ""
    with random_numbers_kept():
        torch.default_generator.manual_seed(ANOTHER_SEED)  # torch.manual_seed would seed the GPUs, too, and for good
        other = dict(again().named_parameters())
    same = drawn = 0
    for name, parameter in network.named_parameters():
        if parameter.numel() > 1 and parameter.min() < parameter.max():  # constants, such as gains of 1, are none
            drawn += parameter.numel()
            same += parameter.numel() if name in other and torch.equal(parameter, other[name]) else 0
    return f"own (its code brings {same / drawn:.0%} of the numbers)" if same > _A_FEW * drawn else ""
