"""The lab's own ViT: why did it reach 76 % of MNIST?

A control, not a recipe: `lab2 study vit-data` changes one thing of it at a time. It differs from the lab's training in
what changes little: pixels are normalised, gradients are clipped, and Adam's second beta is 0.98.
"""

from lab2.models.lab_vit import LabViTConfig
from lab2.spec.job import JobSpec, Resources, TrainConfig

JOB = JobSpec(
    name="lab_vit",
    model=LabViTConfig(),
    # AdamW without weight decay is Adam.
    train=TrainConfig(epochs=5, batch_size=128, learning_rate=5e-3, weight_decay=0.0, schedule="constant"),
    resources=Resources(gpus=1, cpus=4, memory_gb=4, timeout_min=60),
)
