"""What became of one trial's export."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """What became of one trial."""

    WRITTEN = "written"
    REPLACED = "replaced"  # the trial was run again, or has a metric more, since it was exported
    PRESENT = "already there"
