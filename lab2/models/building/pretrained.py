"""What VGG16 and AlexNet share: torchvision's network with its last layer replaced.

Differs from torchvision: images are resized and normalised inside; where the features are a single cell,
the adaptive pooling would copy it 49 (VGG16) or 36 (AlexNet) times, and the first linear layer adds up
its weights over the copies instead: the same function, the same parameters, a fraction of the products.
Dropout then acts on the cell before it is copied.
Shapes: B images, C channels, S side of the data, I side inside (pixels), D features, P pooled side, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from lab2.cache import imagenet_file
from lab2.data.datasets import DataShape
from lab2.models.building.two_parts import TwoParts
from lab2.models.building.weights import load_imagenet, load_weights
from lab2.models.layers.front import Front
from lab2.models.layers.pooled_linear import PooledLinear
from lab2.spec.architectures import PRETRAINED, PooledConfig

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class TransferNet(TwoParts):
    """(B, C, S, S) images in [0, 1] to (B, K) logits, in two halves that can be trained apart."""

    def __init__(self, network: nn.Module, image_side: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.front = Front(mean, std, image_side)
        self.features: nn.Module = network.get_submodule("features")
        self.classifier: nn.Module = network.get_submodule("classifier")
        pool = network.get_submodule("avgpool")
        assert isinstance(pool, nn.AdaptiveAvgPool2d)
        self.pool = pool

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.extract(images))

    def extract(self, images: Tensor) -> Tensor:
        """(B, D, P, P) pooled features, or (B, D, 1, 1) where all cells of the pool would be equal."""
        x = self.features(self.front(images))
        pooled: Tensor = x if x.shape[-2:] == (1, 1) else self.pool(x)
        return pooled

    def classify(self, features: Tensor) -> Tensor:
        """(B, K) logits of what `extract` gave."""
        logits: Tensor = self.classifier(features)
        return logits

    def head_parameters(self) -> list[nn.Parameter]:
        """Of the classifier."""
        return list(self.classifier.parameters())


@contextmanager
def folded(model: nn.Module, images: Tensor) -> Iterator[None]:
    """Inside, `PooledLinear` layers are folded if their features of `images` are a single cell. Train inside."""
    layers = []
    if isinstance(model, TransferNet):
        with torch.no_grad():
            _, depth, *cells = model.extract(images).shape
        layers = [m for m in model.classifier.modules() if isinstance(m, PooledLinear) and cells == [1, 1]]
    for layer in layers:
        layer.fold(depth)
    try:
        yield
    finally:
        for layer in layers:
            layer.unfold()


def adapt(network: nn.Module, num_classes: int) -> None:
    """Replace the last linear layer for `num_classes`, and the first by one that folds its copies."""
    classifier = network.get_submodule("classifier")
    assert isinstance(classifier, nn.Sequential)
    linear = [(i, layer) for i, layer in enumerate(classifier) if isinstance(layer, nn.Linear)]
    (first, wide), (last, narrow) = linear[0], linear[-1]
    pooled = PooledLinear(wide.in_features, wide.out_features)
    pooled.load_state_dict(wide.state_dict())
    classifier[first] = pooled
    classifier[last] = nn.Linear(narrow.in_features, num_classes)


def initialise(network: nn.Module) -> None:
    """Kaiming initialisation (arXiv:1502.01852); a small last layer, so that the first loss is ln K.

    torchvision's own leaves both networks on a plateau for hundreds of steps.
    """
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    nn.init.normal_(layers[-1].weight, std=0.01)


def with_weights(network: nn.Module, config: PooledConfig, shape: DataShape) -> tuple[TransferNet, str]:
    """`network` with the weights that `config` asks for, a last layer for the classes of `shape`, and their origin.

    Raises `WeightsError`.
    """
    kind, asked = config.architecture, config.weights
    if asked == "auto":
        asked = "imagenet" if imagenet_file(kind).is_file() else "random"
    if asked in PRETRAINED:
        origin = load_imagenet(network, kind)
        adapt(network, len(shape.classes))
        return TransferNet(network, config.image_side, IMAGENET_MEAN, IMAGENET_STD), origin
    adapt(network, len(shape.classes))
    initialise(network)
    colours = (shape.mean * 3, shape.std * 3) if shape.channels == 1 else (shape.mean, shape.std)
    model = TransferNet(network, config.image_side, *colours)
    return model, "random" if asked == "random" else load_weights(model, Path(asked), kind)
