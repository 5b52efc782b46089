"""The nearest neighbour on pixels: what is it worth to remember the training images?"""

from lab2.models.nearest_neighbour import NearestNeighbourConfig
from lab2.spec.job import JobSpec, Resources

JOB = JobSpec(
    name="nearest_neighbour",
    model=NearestNeighbourConfig(),
    resources=Resources(gpus=1, cpus=4, memory_gb=8, timeout_min=60),
)
