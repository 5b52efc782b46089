"""Errors that a user can correct. Each message says where, what was found, what is wanted and what to do.

The CLI prints the message and ends with exit code 2. Any other exception is a bug in lab2 and keeps its traceback.
"""


class Lab2Error(Exception):
    """Base class of the errors that a user can correct."""


class ConfigError(Lab2Error):
    """A config, a job file, a profile or an override is not valid."""


class DataError(Lab2Error):
    """A data set is missing, incomplete or not valid."""


class WeightsError(Lab2Error):
    """Pre-trained weights are missing, altered or of another network."""


class InputError(Lab2Error):
    """A file or package that a trial reads has changed since its run was planned."""


class CheckpointError(Lab2Error):
    """A checkpoint is of another network or recipe than its trial."""


class RunError(Lab2Error):
    """A run directory is missing, cannot be read or written, or does not allow what was asked for."""


class ShardError(Lab2Error):
    """A shard or a file of predictions is missing, cut off, altered, or of a schema that this version does not read."""


class ComparisonError(Lab2Error):
    """Predictions cannot be compared as they are, or the margin, level or looks that were asked for make no sense."""


class ResourceError(Lab2Error):
    """A device or Slurm is not available, or Slurm refused a request."""


class TrainingError(Lab2Error):
    """A training diverged (its loss, gradient, weights or logits are not finite), or its steps cannot be recorded."""
