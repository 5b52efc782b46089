"""What VGG16 and AlexNet share: torchvision's network with its last layer replaced.

Differs from torchvision: images are resized and normalised inside; where the features are a single cell,
the adaptive pooling would copy it 49 (VGG16) or 36 (AlexNet) times, and the first linear layer adds up
its weights over the copies instead: the same function, the same parameters, a fraction of the products.
Dropout then acts on the cell before it is copied.
Shapes: B images, C channels, S side of the data, I side inside (pixels), D features, P pooled side, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

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
        with torch.no_grad():
            depth, height, width = self.features(torch.zeros(1, 3, image_side, image_side)).shape[1:]
        for layer in self.classifier.modules():
            if isinstance(layer, PooledLinear) and height == width == 1:
                layer.copies = layer.in_features // depth

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.extract(images))

    def extract(self, images: Tensor) -> Tensor:
        """(B, D, P, P) pooled features, or (B, D, 1, 1) where all cells of the pool would be equal."""
        x = images
        if x.shape[-1] != self.image_side:
            x = F.interpolate(x, size=(self.image_side, self.image_side), mode="bilinear", antialias=False)
        if x.shape[1] == 1:
            x = x.expand(-1, 3, -1, -1)  # (B, 3, I, I): grey is equal parts of red, green and blue
        x = self.normalize(x).contiguous(memory_format=torch.channels_last)
        x = self.features(x)
        return x if x.shape[-2:] == (1, 1) else self.pool(x)

    def classify(self, features: Tensor) -> Tensor:
        """(B, K) logits of what `extract` gave."""
        logits: Tensor = self.classifier(features)
        return logits


class PooledLinear(nn.Linear):
    """A linear layer over (B, D, P, P) pooled features, or over (B, D, 1, 1) standing for P x P copies."""

    copies: int = 1  # P x P where it is fed single cells

    def forward(self, input: Tensor) -> Tensor:
        if input.shape[-2:] != (1, 1):
            return F.linear(input.flatten(1), self.weight, self.bias)
        depth = input.shape[1]
        folded = self.weight.view(self.out_features, depth, -1).sum(2)  # (out, D)
        return F.linear(input.flatten(1), folded, self.bias)


def adapt(network: nn.Module, num_classes: int) -> None:
    """Replace the last linear layer for `num_classes`, and the first by one that folds its copies."""
    classifier = network.get_submodule("classifier")
    assert isinstance(classifier, nn.Sequential)
    linear = [i for i, layer in enumerate(classifier) if isinstance(layer, nn.Linear)]
    first, last = classifier[linear[0]], classifier[linear[-1]]
    pooled = PooledLinear(first.in_features, first.out_features)
    pooled.load_state_dict(first.state_dict())
    classifier[linear[0]] = pooled
    classifier[linear[-1]] = nn.Linear(last.in_features, num_classes)


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
