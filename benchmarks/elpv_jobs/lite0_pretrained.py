"""EfficientNet-Lite0 from ImageNet's weights: what is it worth on photographs of solar cells to have learnt before?"""

from pathlib import Path

from benchmarks.elpv import weights_file
from lab2.models.network import NetworkConfig
from lab2.spec.job import JobSpec, Resources, TrainConfig

JOB = JobSpec(
    name="lite0_pretrained",
    model=NetworkConfig(
        name=f"{Path(__file__).resolve().parents[1] / 'efficientnet_lite0.py'}:Lite0",
        weights=weights_file(),
        head="_fc",
        image_side=224,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        head_epochs=6,
        feature_lr_scale=0.3,
        # Its stem and first five blocks, on maps of 112 to 28 pixels: their backward pass takes the longest.
        frozen_statistics=True,
        frozen=("_conv_stem", "_bn0", *(f"_blocks.{number}" for number in range(5))),
    ),
    train=TrainConfig(
        epochs=6, batch_size=32, learning_rate=1e-3, label_smoothing=0.05, flip=0.5, shift=8, stretch=0.1
    ),
    resources=Resources(memory_gb=6, timeout_min=180),
)
