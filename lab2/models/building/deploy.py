"""A trained network as one would deploy it: what follows from its weights alone is computed once, not for each image.

Differs from what `torch.export` or a compiler would make: batch normalisation stays a layer of its own, nothing is
fused, and layers that lab2 does not know are not folded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils._pytree import tree_leaves

from lab2.models.layers.conv3x3 import Conv3x3, LinearCells

# Layers that autocast casts the weights of, at each call, and whose weights nothing reads but this code. Source:
# "Autocast Op Reference" in torch's documentation.
_CAST = frozenset(
    kind.forward
    for kind in (
        *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
        *(Conv3x3, LinearCells),
    )
)
Infer = Callable[[Tensor], object]
Shapes = dict[str, set[torch.Size]]
Undo = list[Callable[[], object]]


@runtime_checkable
class Foldable(Protocol):
    """A layer that computes something of its weights at each call."""

    def as_deployed(self, seen: torch.Size) -> nn.Module:
        """The same function of inputs of shape `seen` (but for their number), with that computed once."""
        ...


def deploy(model: nn.Module, infer: Infer, images: Tensor, dtype: torch.dtype) -> None:
    """Change `model` in place: in evaluation mode, folded for inputs like `images`, weights cast to `dtype` once.

    `infer` is what asks `model` about (N, C, S, S) images, autocasting where `dtype` is not float32. Its answers stay
    the same, bit for bit: a change with which they would not is undone, for a network may read the weights of its
    layers itself. The network cannot be trained after this.
    """
    model.eval()
    before = _answers(infer, images)
    for undo in _changes(model, infer, images, dtype):
        if undo and not _same(before, infer, images):
            for step in reversed(undo):
                step()


def _changes(model: nn.Module, infer: Infer, images: Tensor, dtype: torch.dtype) -> Iterator[Undo]:
    """Make one change after another; yields how to undo each."""
    yield _fold(model, _input_shapes(model, infer, images))
    if dtype != torch.float32:
        yield _cast_called(model, infer, images, dtype)
        # What is not called, or is not torch's own, may have its weights cast all the same.
        for layer in model.modules():
            if _holds_matrix(layer):
                yield _cast([layer], dtype)


def _holds_matrix(layer: nn.Module) -> bool:
    return any(parameter.ndim > 1 for parameter in layer.parameters(recurse=False))


def _fold(model: nn.Module, seen: Shapes) -> Undo:
    """Fold what sees inputs of one shape alone; returns how to undo it."""
    undo: Undo = []
    for name, layer in list(model.named_modules()):
        shapes = seen.get(name, set())
        foldable = layer if isinstance(layer, Foldable) and len(shapes) == 1 else None
        if foldable is not None:
            model.set_submodule(name, foldable.as_deployed(next(iter(shapes))))
            undo.append(partial(model.set_submodule, name, layer))
    return undo


def _cast_called(model: nn.Module, infer: Infer, images: Tensor, dtype: torch.dtype) -> Undo:
    """Cast the weights of layers that are torch's own and called: all at once, for there may be hundreds."""
    seen = _input_shapes(model, infer, images)
    known = [layer for name, layer in model.named_modules() if name in seen and type(layer).forward in _CAST]
    return _cast([layer for layer in known if not parametrize.is_parametrized(layer)], dtype)


def _cast(layers: Iterable[nn.Module], dtype: torch.dtype) -> Undo:
    """Cast what `layers` hold themselves and is in fp32; returns how to undo it."""
    undo: Undo = []
    for layer in layers:
        for parameter in layer.parameters(recurse=False):
            if parameter.dtype == torch.float32:
                undo.append(partial(setattr, parameter, "data", parameter.data))
                parameter.data = parameter.data.to(dtype)
    return undo


@torch.inference_mode()
def _input_shapes(model: nn.Module, infer: Infer, images: Tensor) -> Shapes:
    """The shapes of what each layer of `model` is given for one image, by its name; of those that are called."""
    seen: Shapes = {}
    hooks = [
        layer.register_forward_pre_hook(
            lambda _, given, at=name: seen.setdefault(at, set()).update(
                x.shape for x in given[:1] if torch.is_tensor(x)
            )
        )
        for name, layer in model.named_modules()
    ]
    try:
        infer(images[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return seen


@torch.inference_mode()
def _answers(infer: Infer, images: Tensor) -> list[object]:
    return tree_leaves([infer(images[:1]), infer(images[:8])])


def _same(before: list[object], infer: Infer, images: Tensor) -> bool:
    try:
        after = _answers(infer, images)
    except RuntimeError:  # shapes or types that no longer fit
        return False
    pairs = zip(before, after, strict=False)
    alike = all(torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a == b for a, b in pairs)
    return alike and len(before) == len(after)
