"""The textbook way to train each architecture, as tutorials teach it: the baseline of the benchmarks.

It uses PIL images that are transformed one by one, a DataLoader, fp32, Adam with a learning rate of 1e-3, and the same
network with the same image side. The detector is torchvision's with its defaults, which resize every image to 800
pixels or more.
Source of the form: https://docs.pytorch.org/tutorials/beginner/basics/quickstart_tutorial.html and
https://docs.pytorch.org/tutorials/intermediate/torchvision_tutorial.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from lab2.data.datasets import DataShape, TrainingData
from lab2.data.scenes import ink_boxes
from lab2.data.source import Images
from lab2.models.alexnet import AlexNetConfig
from lab2.models.building import build
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.models.layers.transformer import sinusoids
from lab2.models.vgg16 import VGG16Config
from lab2.models.vit import ViTConfig
from lab2.spec.architectures import ModelConfig
from lab2.spec.job import JobSpec

BATCH = 64
DETECTOR_BATCH = 2
WORKERS = 2
LEARNING_RATE = 1e-3


class PilImages(Dataset[tuple[Tensor, Any]]):
    """Images as `torchvision.datasets` gives them: each opened as a PIL image and transformed, one by one."""

    def __init__(self, images: Images, transform: Callable[[Image.Image], Tensor], labels: list[Any]) -> None:
        self.images, self.transform, self.labels = images, transform, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        pixels = self.images.pixels[index]  # (C, S, S)
        picture = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
        return self.transform(picture), self.labels[index]


class Textbook:
    """A training that the caller runs step by step."""

    precision = "fp32"

    def __init__(self, job: JobSpec, data: TrainingData, seed: int) -> None:
        torch.manual_seed(seed)
        self.data = data
        self.detects = isinstance(job.model, FasterRCNNConfig)
        self.network, self.transform = textbook_network(job.model, data.shape)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=LEARNING_RATE)

    def steps(self) -> Iterator[tuple[int, bool]]:
        """Train without end; yields the number of images of each step, and whether it was the last one of an epoch."""
        train = self.data.train
        if self.detects:
            labels, batch = _targets(train), DETECTOR_BATCH
        else:
            labels, batch = train.labels.tolist(), BATCH
        loader = DataLoader(
            PilImages(train, self.transform, labels),
            batch_size=batch,
            shuffle=True,
            num_workers=WORKERS,
            collate_fn=_as_lists if self.detects else None,
        )
        while True:
            self.network.train()
            for number, (images, targets) in enumerate(loader, start=1):
                self.optimizer.zero_grad()
                if self.detects:
                    loss = sum(self.network(list(images), list(targets)).values())
                else:
                    loss = F.cross_entropy(self.network(images), targets)
                loss.backward()
                self.optimizer.step()
                yield len(images), number == len(loader)

    @torch.no_grad()
    def accuracy(self) -> float:
        """The validation accuracy of a classifier."""
        images = self.data.validation
        self.network.eval()
        loader = DataLoader(PilImages(images, self.transform, images.labels.tolist()), batch_size=500)
        right = sum(int((self.network(batch).argmax(1) == labels).sum()) for batch, labels in loader)
        self.network.train()
        return right / len(images)


def _as_lists(rows: list[tuple[Tensor, Any]]) -> tuple[tuple[Tensor, ...], tuple[Any, ...]]:
    """Images and their targets in the form that a detector takes."""
    images, targets = zip(*rows, strict=True)
    return images, targets


def textbook_network(config: ModelConfig, shape: DataShape) -> tuple[nn.Module, Callable[[Image.Image], Tensor]]:
    """The network of a tutorial, and its transform of an image."""
    classes = len(shape.classes)
    match config:
        case VGG16Config() | AlexNetConfig():
            make = getattr(torchvision.models, config.architecture)
            resize = transforms.Resize((config.image_side, config.image_side))
            normalize = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
            steps = [transforms.Grayscale(3), resize, transforms.ToTensor(), normalize]
            return make(num_classes=classes), transforms.Compose(steps)
        case FasterRCNNConfig():
            network = torchvision.models.detection.fasterrcnn_resnet50_fpn(
                weights=None, weights_backbone=None, num_classes=classes + 1
            )
            return network, transforms.Compose([transforms.Grayscale(3), transforms.ToTensor()])
        case ViTConfig():
            return PlainViT(config, shape), transforms.ToTensor()
        case _:
            return build(config, shape).model, transforms.ToTensor()


class PlainViT(nn.Module):
    """A ViT with as many parameters as lab2's, from torch's own encoder: (B, C, S, S) images to (B, K) logits."""

    positions: Tensor

    def __init__(self, config: ViTConfig, shape: DataShape) -> None:
        super().__init__()
        self.embed = nn.Conv2d(shape.channels, config.dim, config.patch_size, config.patch_size)
        self.class_token = nn.Parameter(torch.zeros(1, 1, config.dim))
        self.register_buffer("positions", sinusoids(shape.side // config.patch_size, config.dim), persistent=False)
        layer = nn.TransformerEncoderLayer(
            config.dim, config.num_heads, config.mlp_ratio * config.dim,
            dropout=0.0, activation="gelu", batch_first=True, norm_first=True,
        )  # fmt: skip
        self.encoder = nn.TransformerEncoder(layer, config.depth, nn.LayerNorm(config.dim), enable_nested_tensor=False)
        self.head = nn.Linear(config.dim, len(shape.classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.embed(images).flatten(2).transpose(1, 2) + self.positions
        x = self.encoder(torch.cat([self.class_token.expand(len(x), -1, -1), x], 1))
        logits: Tensor = self.head(x[:, 0])
        return logits


def _targets(images: Images) -> list[dict[str, Tensor]]:
    boxes = ink_boxes(torch.from_numpy(images.pixels), True).float()
    labels = torch.from_numpy(images.labels) + 1
    return [{"boxes": box[None], "labels": label[None]} for box, label in zip(boxes, labels, strict=True)]
