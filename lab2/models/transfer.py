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

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lab2.models.normalize import Normalize

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class TransferNet(nn.Module):
    """(B, C, S, S) images in [0, 1] to (B, K) logits, in two halves that can be trained apart."""

    def __init__(self, network: nn.Module, image_side: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.image_side = image_side
        self.normalize = Normalize(mean, std)
        self.features: nn.Module = network.get_submodule("features")
        self.classifier: nn.Module = network.get_submodule("classifier")
        pool = network.get_submodule("avgpool")
        assert isinstance(pool, nn.AdaptiveAvgPool2d)
        self.pool = pool

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.extract(images))

    def extract(self, images: Tensor) -> Tensor:
        """(B, D, P, P) pooled features, or (B, D, 1, 1) where all cells of the pool would be equal."""
        x = in_colour(images, self.image_side)  # (B, 3, I, I)
        x = self.normalize(x).contiguous(memory_format=torch.channels_last)
        x = self.features(x)
        pooled: Tensor = x if x.shape[-2:] == (1, 1) else self.pool(x)
        return pooled

    def classify(self, features: Tensor) -> Tensor:
        """(B, K) logits of what `extract` gave."""
        logits: Tensor = self.classifier(features)
        return logits


def in_colour(images: Tensor, side: int) -> Tensor:
    """(B, C, S, S) images as (B, 3, side, side): resized, and grey as equal parts of red, green and blue."""
    x = images
    if x.shape[-1] != side:
        x = F.interpolate(x, size=(side, side), mode="bilinear", antialias=False)
    return x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x


class PooledLinear(nn.Linear):
    """A linear layer over (B, D, P, P) pooled features, or over (B, D, 1, 1) standing for P x P copies.

    All copies of a cell get the same gradient, so only the sum of their weights matters. While the layer is
    folded that sum is the parameter: the same function, without reading and writing all copies at every step
    (for VGG16, 2 million weights instead of 103). The steps are not the same: a step of AdamW moves the sum
    by one learning rate, where it would move each copy by as much, and the sum by as many as there are copies.
    """

    folded: nn.Parameter | None  # (out, D)

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.register_parameter("folded", None)

    def forward(self, input: Tensor) -> Tensor:
        if input.shape[-2:] != (1, 1):
            return F.linear(input.flatten(1), self.weight, self.bias)
        folded = self._sum(input.shape[1]) if self.folded is None else self.folded
        return F.linear(input.flatten(1), folded, self.bias)

    def fold(self, depth: int) -> None:
        """Make the sums over the copies of `depth` features the parameter."""
        self.folded = nn.Parameter(self._sum(depth).detach().clone())
        self.weight.requires_grad_(False)

    @torch.no_grad()
    def unfold(self) -> None:
        """Move the weights of all copies alike by what their sum has moved."""
        assert self.folded is not None
        depth = self.folded.shape[1]
        moved = (self.folded - self._sum(depth)) * (depth / self.in_features)
        self.weight.view(self.out_features, depth, -1).add_(moved[:, :, None])
        self.weight.requires_grad_(True)
        self.folded = None

    def as_deployed(self, seen: torch.Size) -> nn.Module:
        """A linear layer over single cells, where the (B, D, P, P) `seen` are that."""
        if seen[-2:] != (1, 1):
            return self
        linear = nn.Linear(seen[1], self.out_features, device="meta")
        linear.weight, linear.bias = nn.Parameter(self._sum(seen[1]).detach()), self.bias
        return nn.Sequential(nn.Flatten(), linear)

    def _sum(self, depth: int) -> Tensor:
        return self.weight.view(self.out_features, depth, -1).sum(2)  # (out, D)


@contextmanager
def folded(model: nn.Module, images: Tensor) -> Iterator[None]:
    """Train inside: layers that `images` would reach as copies of single cells are folded meanwhile."""
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
