"""What a network of somebody else's answers: logits, alone or among others, and those of auxiliary classifiers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from torch import Tensor, nn

from lab2.errors import ConfigError


class Answer(NamedTuple):
    """(B, K) logits, and in training those of classifiers along the way, which no test asks."""

    logits: Tensor
    auxiliary: tuple[Tensor, ...] = ()


class Answering(nn.Sequential):
    """A front and a network: (B, C, S, S) images to (B, K) logits, in training to an `Answer` where there are more."""

    def __init__(self, front: nn.Module, network: nn.Module, classes: int, *, predict_batch: int | None = None) -> None:
        super().__init__(OrderedDict(front=front, network=network))
        self.classes = classes
        self.predict_batch = predict_batch  # images at a time where nothing is trained; None: the caller's

    def forward(self, input: Tensor) -> Tensor | Answer:
        """Raises `ConfigError` where no logits are among what the network answers."""
        front, network = self
        output: object = network(front(input))
        if isinstance(output, Tensor):
            return output
        answer = read_answer(output, input.shape[0], self.classes)  # torch.export would make a constant of `len`
        return answer if self.training and answer.auxiliary else answer.logits


def read_answer(output: object, images: int, classes: int) -> Answer:
    """The logits of `output`: what is called so, else the first that has their shape. Raises `ConfigError`."""
    fitting = [(name, one) for name, one in _tensors(output) if one.shape == (images, classes)]
    if not fitting:
        raise ConfigError(f"gives {_described(output)}, wanted logits of shape {(images, classes)}")
    named = dict(fitting)
    main = next((named[name] for name in ("logits", "out") if name in named), fitting[0][1])
    return Answer(main, tuple(one for name, one in fitting if "aux" in name and one is not main))


def _tensors(output: object) -> Iterator[tuple[str, Tensor]]:
    """Tensors and their names, those of the fields of a named tuple or the keys of a dict."""
    if isinstance(output, Mapping):
        items = [(str(name), one) for name, one in output.items()]
    elif isinstance(output, tuple | list):
        items = list(zip(getattr(output, "_fields", map(str, range(len(output)))), output, strict=True))
    else:
        items = [("", output)]
    return ((name, one) for name, one in items if isinstance(one, Tensor))


def _described(output: object) -> str:
    if isinstance(output, Tensor):
        return str(tuple(output.shape))
    shapes = ", ".join(f"{name} {tuple(one.shape)}" for name, one in _tensors(output))
    return f"{type(output).__name__}{f' of {shapes}' if shapes else ''}"
