"""A trained network as a file that needs no lab2, written only if it answers as the network does on all test images."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import lab2
from lab2.export.formats import SUFFIX, Infer, export, opened
from lab2.export.network import Trained, load_network
from lab2.export.packages import Format
from lab2.results.run_dir import RunDir
from lab2.spec.job import Trial
from lab2.whole_file import write_whole

EXAMPLE = 2  # images of the batch that the exporter sees; of one it would make a constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """An exported network against the trained one, on all test images, in fp32 on the CPU."""

    path: Path  # where the file is written; only if no image flips
    bytes: int
    images: int
    largest_difference: float  # of two logits
    flipped: tuple[int, ...]  # places of test images that get another answer, from 0
    precision: str | None  # in which the trial was tested
    device: str | None  # on which it was
    not_kept: int  # images for which the trained network, in that precision, answers otherwise than the trial did
    not_kept_in_fp32: int  # and in fp32, as the exported one computes


def export_trial(run: RunDir, trial: Trial, to: Format, out: Path | None) -> Checked:
    """Export the network of `trial` and check it; the file is written if no answer flips.

    `out` is the file; None: in `export/` of the run. Raises `Lab2Error` as `load_network` and `export` do, and
    `OSError` where it cannot be written.
    """
    trained = load_network(run, trial)
    path = out or run.exports / f"{trial.name}{SUFFIX[to]}"
    example = torch.rand(EXAMPLE, trained.shape.channels, trained.shape.side, trained.shape.side)
    content = export(trained.model, example, to, _facts(run, trained))
    checked = check(trained, opened(content, to), path, len(content))
    if not checked.flipped:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    return checked


def check(trained: Trained, infer: Infer, path: Path, size: int) -> Checked:
    """Hold `infer`, which is what the file computes, against the trained network, batch by batch."""
    precision = "fp32" if trained.shard.precision in (None, "tf32") else str(trained.shard.precision)
    largest, answers, own, theirs = 0.0, [], [], []
    for images in trained.images():
        wanted = trained.logits(images)
        with torch.inference_mode():
            found = infer(images)
        largest = max(largest, float((wanted - found).abs().max()))
        theirs.append(found.argmax(1))
        answers.append(wanted.argmax(1))
        own.append(answers[-1] if precision == "fp32" else trained.logits(images, precision).argmax(1))
    here, there, tested = (torch.cat(each).numpy() for each in (answers, theirs, own))
    return Checked(
        path=path,
        bytes=size,
        images=len(here),
        largest_difference=largest,
        flipped=tuple(np.flatnonzero(here != there).tolist()),
        precision=trained.shard.precision,
        device=trained.shard.device,
        not_kept=int((tested != trained.kept.y_pred).sum()),
        not_kept_in_fp32=int((here != trained.kept.y_pred).sum()),
    )


def _facts(run: RunDir, trained: Trained) -> dict[str, str]:
    """What whoever uses the file must know of it."""
    shape = trained.shape
    return {
        "input": f"images: float32 (N, {shape.channels}, {shape.side}, {shape.side}) in [0, 1]; normalised inside",
        "output": f"logits: float32 (N, {len(shape.classes)})",
        "classes": json.dumps(shape.classes),
        "dataset": trained.trial.data.dataset,
        "run": run.path.name,
        "trial": trained.trial.name,
        "digest": trained.shard.digest,
        "lab2": lab2.__version__,
    }
