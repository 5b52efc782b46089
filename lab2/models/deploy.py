"""A trained network as one would deploy it: what follows from its weights alone is computed once, not for each image.

Differs from what `torch.export` or a compiler would make: batch normalisation stays a layer of its own, and layers that
lab2 does not know stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

# Layers whose weights autocast casts at each call. Source: "Autocast Op Reference" in torch's documentation.
_CAST = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@runtime_checkable
class Foldable(Protocol):
    """A layer that computes something of its weights at each call."""

    def as_deployed(self, seen: torch.Size) -> nn.Module:
        """The same function of inputs of shape `seen` (but for their number), with that computed once."""
        ...


def deploy(model: nn.Module, infer: Callable[[Tensor], object], images: Tensor, dtype: torch.dtype) -> None:
    """Change `model` in place: in evaluation mode, folded for inputs like `images`, weights cast to `dtype` once.

    `infer` is what asks `model` about (N, C, S, S) images, autocasting where `dtype` is not float32: its answers stay
    the same. The network cannot be trained after this.
    """
    model.eval().requires_grad_(False)
    seen = _input_shapes(model, infer, images)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, Foldable) and name in seen:
            model.set_submodule(name, layer.as_deployed(seen[name]))
    if dtype != torch.float32:
        for layer in model.modules():
            if isinstance(layer, _CAST):
                layer.to(dtype)


@torch.inference_mode()
def _input_shapes(model: nn.Module, infer: Callable[[Tensor], object], images: Tensor) -> dict[str, torch.Size]:
    """The shape of what each foldable layer of `model` is given, by its name, for one image."""
    seen: dict[str, torch.Size] = {}
    foldable = [name for name, layer in model.named_modules() if isinstance(layer, Foldable)]
    hooks = [
        model.get_submodule(name).register_forward_pre_hook(lambda _, given, at=name: seen.update({at: given[0].shape}))
        for name in foldable
    ]
    try:
        infer(images[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return seen
