"""Checkpoints: one file with everything that the rest of a trial depends on.

They are written by `torch.save` and read with `weights_only=True`, so that opening one executes no code.
"""

from __future__ import annotations

import logging
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lab2.regular_file import LARGE, check_regular
from lab2.train.stage import State
from lab2.whole_file import whole_file

LOG = logging.getLogger("lab2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state of a trial's training, and what the trial had measured until then."""

    digest: str  # of the trial
    made_by: str  # the versions that computed it: other versions may not continue to the same bits
    trainer: State
    so_far: dict[str, Any]  # the caller's measurements: numbers, strings, and lists and dicts of them


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write it atomically. Raises `OSError` where it cannot be written; an older checkpoint is not changed then."""
    with whole_file(path) as file:
        try:
            torch.save({name: getattr(checkpoint, name) for name in Checkpoint.__slots__}, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch raises it while it closes a file that failed to write
                raise error.__context__ from None
            raise


def load_checkpoint(path: Path, *, digest: str, made_by: str) -> Checkpoint | None:
    """The checkpoint at `path`; None where there is none, or none that can be used (then a warning is logged)."""
    try:
        check_regular(path, LARGE)
        checkpoint = Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        LOG.warning("%s cannot be read (%s); the trial starts over", path, str(error) or "it ends too soon")
        return None
    for name, wanted in (("digest", digest), ("made_by", made_by)):
        found = getattr(checkpoint, name)
        if found != wanted:
            LOG.warning("%s: %s is %s, now it is %s; the trial starts over", path, name, found, wanted)
            return None
    return checkpoint
