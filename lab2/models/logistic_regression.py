"""Logistic regression on pixels: what a linear map of the image is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lab2.spec.architectures import Architecture, PixelsConfig
from lab2.spec.checks import require_positive

if TYPE_CHECKING:
    from torch import nn

    from lab2.data.datasets import DataShape


@dataclass(frozen=True, slots=True, kw_only=True)
class LogisticRegressionConfig(PixelsConfig):
    """Baseline: multinomial logistic regression on pixels in [0, 1], by L-BFGS with scikit-learn's default penalty."""

    architecture: Literal["logistic_regression"] = "logistic_regression"
    penalty: float = 1.0  # of the weights' squares, halved and summed, beside the sum of the images' losses; above 0
    most_iterations: int = 100  # of L-BFGS; it ends there where it has not converged before

    def __post_init__(self) -> None:
        PixelsConfig.__post_init__(self)
        for name in ("penalty", "most_iterations"):
            require_positive(f"{self.architecture}: {name}", getattr(self, name))


def build(config: LogisticRegressionConfig, shape: DataShape) -> nn.Module:
    """A `LogisticRegression`."""
    from lab2.models.layers.fitted import LogisticRegression

    return LogisticRegression(config, shape)


ARCHITECTURE = Architecture(
    config=LogisticRegressionConfig,
    build=build,
    paper="scikit-learn's LogisticRegression",
    differs="images over 32 pixels are averaged to 32; at most 60,000 training images; ends after 100 iterations",
    parameters=7_850,
)
