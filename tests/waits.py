"""Counts the operations of a step that wait for the accelerator, or that a CUDA graph cannot hold, on any device.

An accelerator works through a queue. Where a tensor's value decides what Python does next, or how large a result is,
Python waits until the queue is empty. On a CPU nothing shows it, so the operations are counted by their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Their result has a size that depends on values, or is a number of Python's.
_WAIT = {
    *("aten::_local_scalar_dense", "aten::item", "aten::is_nonzero", "aten::equal"),
    *("aten::nonzero", "aten::argwhere", "aten::masked_select", "aten::bincount", "aten::histc"),
    *("aten::_unique", "aten::_unique2", "aten::unique_dim", "aten::unique_consecutive"),
    *("aten::repeat_interleave", "torchvision::nms"),
}
_INDEXED = ("aten::index", "aten::index_put", "aten::_unsafe_index", "aten::_index_put_impl")
# A tensor made of numbers of Python's: on an accelerator it is copied there, and the copy waits.
_COPIED = "aten::lift_fresh"


class Waits(TorchDispatchMode):
    """Inside, `found` counts them: `found` is empty after a step without waits."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        name = func._schema.name.removesuffix("_")
        of_masks = name in _INDEXED and any(x.dtype in (torch.bool, torch.uint8) for x in _tensors(args[1]))
        result = func(*args, **(kwargs or {}))
        if name in _WAIT or name == _COPIED or of_masks or _moves(args, result):
            self.found[f"{name} of a mask" if of_masks else name] += 1
        return result


def waits(step: Callable[[], object]) -> dict[str, int]:
    """The names of the operations in `step` that wait, each with how often it runs."""
    with Waits() as counted:
        step()
    return dict(counted.found)


def _tensors(values: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _moves(args: tuple[Any, ...], result: object) -> bool:
    """Whether it copies from one device to another."""
    return len({x.device for x in _tensors(args) + _tensors(result) if x.ndim}) > 1
