"""What people, disks and data get wrong. Each message says where, what was found, what is wanted, what to do.

The CLI prints the message and ends with exit code 2. A bug of ours is an `AssertionError` or any
other exception, and keeps its traceback.
"""


class Lab2Error(Exception):
    """A mistake that its reader can mend."""


class ConfigError(Lab2Error):
    """A config, a job file or an override that cannot be right."""


class DataError(Lab2Error):
    """A data set that is not there, not whole, or not what it should be."""


class WeightsError(Lab2Error):
    """Pre-trained weights that are not there, altered, or of another network."""


class InputError(Lab2Error):
    """What a trial reads is not what it was when its run was planned."""


class CheckpointError(Lab2Error):
    """A checkpoint of another network or recipe than that of the trial that is to go on from it."""


class RunError(Lab2Error):
    """A run directory that is not there, cannot be written, or holds no result yet."""


class ShardError(Lab2Error):
    """A shard that is torn, foreign, or of a schema that this version does not read."""


class ResourceError(Lab2Error):
    """A device that this machine does not have."""


class TrainingError(Lab2Error):
    """A training that led nowhere: its loss, its gradient or its answers are not finite numbers."""
