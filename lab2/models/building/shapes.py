"""A network as shapes alone: what it takes and gives can be checked without memory or time for its weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch.overrides import TorchFunctionMode

T = TypeVar("T")


class WithoutWeights(TorchFunctionMode):
    """Inside, parameters have shapes and no memory. Other tensors keep their values.

    A RegNet computes its widths with such tensors, which `torch.device("meta")` would not allow.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.empty, torch.ones, torch.zeros):
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


def with_shapes_alone(check: Callable[[torch.device], T]) -> T:
    """What `check` gives for networks on the device that it is told: meta, or, where that cannot be, the CPU.

    Whatever `check` raises there is raised.
    """
    try:
        with WithoutWeights():
            return check(torch.device("meta"))
    except Exception as error:
        if not _for_want_of_numbers(error):
            raise
    return check(torch.device("cpu"))


def _for_want_of_numbers(error: BaseException | None) -> bool:
    """Whether a network failed because it was asked for numbers that a tensor of shapes alone does not have."""
    while error is not None:
        if isinstance(error, NotImplementedError) or "meta" in str(error).lower():
            return True
        error = error.__cause__
    return False
