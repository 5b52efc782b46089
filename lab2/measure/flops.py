"""FLOPs of a forward pass, counted in torch's dispatcher.

Source: the formulas of `torch.utils.flop_counter`. Its `FlopCounterMode` is not used: it also tracks the module of each
operation, and that fails without gradients where a module gets a view of a parameter (timm's CaiT).
Differs: adds formulas that torch lacks (matrix times vector, a few other products, attention on MPS). An operation
without a formula that may contain products is reported as uncounted. Kernels that bypass torch's dispatcher, such as
a Triton kernel called directly, are neither counted nor reported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

aten = torch.ops.aten

# ATen's operations that contain neither a matrix product nor a convolution. Most are recognised by a tag
# (pointwise), as views, or because they take no tensors. The others are recognised by these names, without the trailing
# underscore of in-place variants. The list was collected from torchvision's classifiers and detectors and 613 of timm's
# networks, and completed by the variants for other dimensions and devices. Any other operation counts as uncounted.
_FREE = re.compile(
    "|".join(
        [
            r"\w*(batch|layer|group|rms)_norm\w*|_weight_norm_interface|_(log_|safe_)?softmax",  # normalisation
            r"\w*(max|avg)_pool[123]d\w*|_?upsample_\w+|grid_sampler_[23]d",  # pooling, resampling
            r"_unsafe_view|_reshape_alias|unsafe_split\w*|cat|stack|repeat|roll|flip|\w+_pad(_n|[123])d|im2col|col2im",
            r"(_to_)?copy|lift(_fresh)?|fill|zero|new_\w+|\w+_like|tril|triu|(native_)?channel_shuffle|pixel_(un)?shuffle",
            r"(_unsafe_)?index\w*|gather|scatter\w*|embedding|masked_\w+|nonzero|topk|sort|_unique2|cumsum",
            r"all|any|a?min|a?max|aminmax|arg(min|max)|count_nonzero|logsumexp|(nan)?sum|mean|prod",  # reductions, for
            r"norm|linalg_(_powsum|vector_norm)|(std|var)(_mean)?",  # which torch 2.9 has no tag
            r"glu|hardswish|log_sigmoid_forward|_prelu_kernel|_thnn_fused_(gru|lstm)_cell|floor_divide",
            r"uniform|normal|bernoulli|random|_assert_async|_local_scalar_dense",
        ]
    )
)
_FREE_TAGS = {torch.Tag.pointwise, torch.Tag.inplace_view}
_FREE_ELSEWHERE = {"torchvision::nms", "torchvision::roi_align"}  # comparing boxes; pooling


@dataclass(frozen=True, slots=True)
class Flops:
    """A count of FLOPs. It is a lower bound if some operations are uncounted."""

    count: int  # a multiply-add counts as two
    uncounted: tuple[str, ...] = ()  # torch's names of the operations, such as "aten::_fft_r2c", sorted


def flops_per_image(forward: Callable[[Tensor], object], image: Tensor) -> Flops:
    """FLOPs of matrix products and convolutions for one (1, C, S, S) `image`.

    Computed as the count for two images minus the count for one. This leaves out work on the weights alone, which
    `forward` does once per batch.
    """
    one, two = count_flops(forward, image), count_flops(forward, torch.cat([image, image]))
    return Flops(two.count - one.count, tuple(sorted({*one.uncounted, *two.uncounted})))


@torch.no_grad()
def count_flops(forward: Callable[[Tensor], object], images: Tensor) -> Flops:
    """FLOPs of one call: matrix products and convolutions, the same on every device."""
    counter = _Counter()
    try:
        with _attention_in_products(), counter:
            forward(images)
    except Exception as error:  # a network that cannot be counted must not make its trial fail
        counter.uncounted.add(f"all after {type(error).__name__}")
    return Flops(counter.count, tuple(sorted(counter.uncounted)))


@contextmanager
def _attention_in_products() -> Iterator[None]:
    """Inside, attention is computed by matrix products. Fused kernels differ by device, and some have no formula."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


class _Counter(TorchDispatchMode):
    """Adds up the FLOPs of the operations inside, and collects the names of those that it cannot count."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        TorchDispatchMode.__init__(self)
        self.count = 0
        self.uncounted: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if not isinstance(func, torch._ops.OpOverload):  # control flow, flex_attention, a Triton kernel
            return self._run(func, func, func.name(), args, kwargs)
        with self:  # an operation that is composed of others is counted by its parts
            out = func.decompose(*args, **kwargs)
        if out is not NotImplemented:
            return out
        return self._run(func, func.overloadpacket, func._schema.name, args, kwargs)

    def _run(self, func: Any, target: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        out = func(*args, **kwargs)
        formula = _FORMULAS.get(target)
        if formula is not None:
            self.count += formula(*args, **kwargs, out_val=out)
        elif not _is_free(func, name, tree_leaves((args, kwargs))):
            self.uncounted.add(name)
        return out


def _is_free(func: Any, name: str, inputs: list[Any]) -> bool:
    """Whether an operation contains no products: by its tags, as a view, without tensor inputs, or by its name."""
    space, _, own = name.partition("::")
    if space != "aten":
        return name in _FREE_ELSEWHERE
    if func.is_view or not _FREE_TAGS.isdisjoint(func.tags) or not any(isinstance(one, Tensor) for one in inputs):
        return True
    return _FREE.fullmatch(own.removesuffix("_")) is not None


def _product(left: Tensor, right: Tensor, *_more: object, **_others: object) -> int:
    """FLOPs of (..., M, N) times (..., N, K) or (N,): each number on the left takes part in K multiply-adds."""
    return 2 * left.numel() * (right.shape[-1] if right.ndim > 1 else 1)


def _added_product(_sum: Tensor, left: Tensor, right: Tensor, *_more: object, **_others: object) -> int:
    return _product(left, right)


def _attention(query: Tensor, key: Tensor, value: Tensor, *_more: object, **_others: object) -> int:
    flops: int = sdpa_flop_count(query.shape, key.shape, value.shape)
    return flops


_FORMULAS: dict[Any, Callable[..., int]] = {
    **dict.fromkeys([aten.mv, aten.dot, aten.vdot, aten._int_mm], _product),
    **dict.fromkeys([aten.addmv, aten.addbmm], _added_product),
    aten._scaled_dot_product_attention_math_for_mps: _attention,
    **flop_registry,
}
