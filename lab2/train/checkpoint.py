"""A trial that can go on: all that the rest of it depends on, in one file.

Source: `torch.save`, read back as data alone (`weights_only=True`), so that opening it executes nothing.
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
    """Where a trial stood, and what it had measured by then."""

    digest: str  # of the trial's configuration
    made_by: str  # versions of what computed it: others need not go on to the same bits
    trainer: State
    so_far: dict[str, Any]  # numbers and words; their names are the caller's


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write it whole; what stood there before stays until then. Raises `OSError` as the disk does."""
    with whole_file(path) as file:
        try:
            torch.save({name: getattr(checkpoint, name) for name in Checkpoint.__slots__}, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch, closing what the disk refused, raises its own over it
                raise error.__context__ from None
            raise


def load_checkpoint(path: Path, *, digest: str, made_by: str) -> Checkpoint | None:
    """The checkpoint at `path`; None, and a line in the log, where there is none to go on from."""
    try:
        check_regular(path, LARGE)
        found = Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        LOG.warning("%s cannot be read (%s); the trial starts over", path, str(error) or "it ends too soon")
        return None
    for name, wanted in (("digest", digest), ("made_by", made_by)):
        if getattr(found, name) != wanted:
            LOG.warning("%s: %s is %s, now it is %s; the trial starts over", path, name, getattr(found, name), wanted)
            return None
    return found
