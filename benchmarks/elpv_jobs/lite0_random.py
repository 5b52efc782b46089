"""EfficientNet-Lite0 from random weights, with the same effort: what does it learn of solar cells alone?"""

from pathlib import Path

from lab2.models.network import NetworkConfig
from lab2.spec.job import JobSpec, Resources, TrainConfig

JOB = JobSpec(
    name="lite0_random",
    model=NetworkConfig(
        name=f"{Path(__file__).resolve().parents[1] / 'efficientnet_lite0.py'}:Lite0", weights="random", image_side=224
    ),
    # As many passes as the pre-trained one makes with its head and with all.
    train=TrainConfig(
        epochs=9, batch_size=32, learning_rate=2e-3, label_smoothing=0.05, flip=0.5, shift=8, stretch=0.1
    ),
    resources=Resources(memory_gb=6, timeout_min=180),
)
