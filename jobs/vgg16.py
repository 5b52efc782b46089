"""VGG16: what do 134 million parameters and thirteen convolutions buy?

On MNIST: 99.42 % of the test images after 358 s, random weights
(mean of seeds 91 to 93, two cores of an Intel Xeon with AMX, bf16, commit 2739bcfacd41).
"""

from lab2.models.vgg16 import VGG16Config
from lab2.spec.effort import Effort
from lab2.spec.job import JobSpec, NamedRecipe, Resources, TrainConfig

JOB = JobSpec(
    name="vgg16",
    model=VGG16Config(),
    train=TrainConfig(images=240_000, batch_size=128, learning_rate=5e-4, label_smoothing=0.1, shift=1),
    effort=Effort(
        settings=4,
        data="MNIST, Fashion-MNIST, glyphs, digits and ELPV, validation images",
        rule="part of a list fixed beforehand; by hand, as too few were measured alike",
    ),
    recipes={
        "mnist": NamedRecipe(
            train=TrainConfig(
                epochs=1.85, batch_size=128, learning_rate=5e-4, label_smoothing=0.1, shift=1, target_accuracy=0.99
            ),
            effort=Effort(settings=9, data="MNIST, 10,000 validation images", rule="one at a time, by hand"),
        )
    },
    resources=Resources(gpus=1, cpus=4, memory_gb=8, timeout_min=240),
)
