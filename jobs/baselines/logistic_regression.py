"""Logistic regression on pixels: what is a linear map worth?"""

from lab2.models.logistic_regression import LogisticRegressionConfig
from lab2.spec.job import JobSpec, Resources

JOB = JobSpec(
    name="logistic_regression",
    model=LogisticRegressionConfig(),
    resources=Resources(gpus=1, cpus=4, memory_gb=8, timeout_min=60),
)
