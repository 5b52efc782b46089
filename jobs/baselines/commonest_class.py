"""The commonest class: how accurate is an answer that ignores the image?"""

from lab2.models.commonest_class import CommonestClassConfig
from lab2.spec.job import JobSpec, Resources

JOB = JobSpec(
    name="commonest_class",
    model=CommonestClassConfig(),
    resources=Resources(gpus=1, cpus=2, memory_gb=4, timeout_min=20),
)
