"""Faster R-CNN: what does it cost to find a digit as well as to name it?

Measured: 98.99 % of the test images and mAP50 0.993 after 145 s
(mean of seeds 61 to 63, two cores of an AMD EPYC, fp32, commit e78de086f8a8).
"""

from lab2.spec.architectures import FasterRCNNConfig
from lab2.spec.job import JobSpec, Resources, TrainConfig

JOB = JobSpec(
    name="faster_rcnn",
    model=FasterRCNNConfig(),
    train=TrainConfig(epochs=2.2, batch_size=144, learning_rate=3e-3, target_accuracy=0.98),
    resources=Resources(gpus=1, cpus=4, memory_gb=8, timeout_min=40),
)
