"""Counts the operations of a step that wait for the accelerator, or that a CUDA graph cannot hold, on any device.

An accelerator works through a queue. Where a tensor's value decides what Python does next, or how large a result is,
Python waits until the queue is empty. On a CPU nothing shows it, so the operations are counted by their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Self

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Their result has a size that depends on values, or is a number of Python's. torch's tags say it of most.
_TAGS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
_WAIT = {
    *("aten::_local_scalar_dense", "aten::item", "aten::is_nonzero", "aten::equal"),
    *("aten::nonzero", "aten::argwhere", "aten::masked_select", "aten::bincount", "aten::histc"),
    *("aten::_unique", "aten::_unique2", "aten::unique_dim", "aten::unique_consecutive"),
    *("aten::repeat_interleave", "aten::_linalg_check_errors", "aten::_coalesce", "torchvision::nms"),
}
_INDEXED = ("aten::index", "aten::index_put", "aten::_unsafe_index", "aten::_index_put_impl")
# A tensor made of numbers of Python's: on an accelerator it is copied there, and the copy waits.
_LIFTED = "aten::lift_fresh"
_COPIES = ("aten::_to_copy", "aten::copy", "aten::_copy_from")
# On a CPU these read memory, without an operation of torch's; on an accelerator they copy first.
_READS = {Tensor.tolist: "tolist", Tensor.numpy: "numpy", Tensor.cpu: "cpu", Tensor.__array__: "numpy"}


class Waits:
    """Inside, `found` counts them: `found` is empty after a step without waits.

    On a CPU each tensor stands for one of an accelerator; else only those on `device` count.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = None if device is None or device.type == "cpu" else device
        self.found: Counter[str] = Counter()
        self._inside = ExitStack()

    def __enter__(self) -> Self:
        self._inside.enter_context(_Operations(self))
        if self.device is None:
            self._inside.enter_context(_Reads(self))
        return self

    def __exit__(self, *error: object) -> None:
        self._inside.close()

    def counts(self, *values: object) -> bool:
        """Whether one of the tensors in `values` is on the accelerator."""
        return self.device is None or any(x.device.type == self.device.type for x in _tensors(values))


class _Operations(TorchDispatchMode):
    """The operations that torch computes, forward and backward."""

    def __init__(self, waits: Waits) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's is not typed
        self.waits = waits

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        name = func._schema.name.removesuffix("_")
        of_masks = name in _INDEXED and any(x.dtype in (torch.bool, torch.uint8) for x in _tensors(args[1]))
        result = func(*args, **(kwargs or {}))
        waits = name in _WAIT or (name not in _INDEXED and not _TAGS.isdisjoint(func.tags))
        moved = _moves(args, result, of_one_number=name in _COPIES)
        if (waits or name == _LIFTED or of_masks or moved) and self.waits.counts(args, result):
            self.waits.found[f"{name} of a mask" if of_masks else name] += 1
        return result


class _Reads(TorchFunctionMode):
    """What reads a tensor's values into Python without an operation, on a CPU."""

    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self.waits = waits

    def __torch_function__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        name = _READS.get(func)
        if func is Tensor.to and any(isinstance(x, str) and x == "cpu" for x in (*args[1:], *(kwargs or {}).values())):
            name = "cpu"  # in so many words: `x.to(y.device)` would be no copy on an accelerator
        if name is not None and args[0].device.type == "cpu":
            self.waits.found[f"Tensor.{name}"] += 1
        return func(*args, **(kwargs or {}))


def waits(step: Callable[[], object]) -> dict[str, int]:
    """The names of the operations in `step` that wait, each with how often it runs."""
    with Waits() as counted:
        step()
    return dict(counted.found)


def _tensors(values: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _moves(args: tuple[Any, ...], result: object, *, of_one_number: bool) -> bool:
    """Whether it copies from one device to another. A number on the CPU may be an operand anywhere, without a copy."""
    return len({x.device for x in _tensors(args) + _tensors(result) if x.ndim or of_one_number}) > 1
