"""The commonest class: how accurate an answer is that ignores the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from lab2.spec.architectures import Architecture, ModelConfig

if TYPE_CHECKING:
    from torch import nn

    from lab2.data.datasets import DataShape


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonestClassConfig(ModelConfig):
    """Baseline: names the commonest class of the training images; its probabilities are the classes' shares."""

    fitted: ClassVar[bool] = True
    settled: ClassVar[bool] = True

    architecture: Literal["commonest_class"] = "commonest_class"


def build(_config: CommonestClassConfig, shape: DataShape) -> nn.Module:
    """A `CommonestClass`."""
    from lab2.models.layers.fitted import CommonestClass

    return CommonestClass(len(shape.classes))


ARCHITECTURE = Architecture(
    config=CommonestClassConfig,
    build=build,
    paper='scikit-learn\'s DummyClassifier(strategy="prior")',
    parameters=10,
)
