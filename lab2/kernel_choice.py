"""Which kernels train a network fastest on this machine: measured before it trains, and kept in its run.

It makes a few forward and backward passes on a batch of noise, with each combination of kernels that may be faster: on
a CPU alone, for networks whose kernels are not settled, and only where it takes at most `SHARE` of the training's
steps. Neither the network nor any random number changes.
"""

from __future__ import annotations

import copy
import hashlib
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from lab2.data.datasets import TrainingData
from lab2.errors import RunError
from lab2.file_lock import held
from lab2.measure.hardware import device_name
from lab2.measure.random_numbers import random_numbers_kept
from lab2.regular_file import SMALL, read_regular
from lab2.results.run_dir import RunDir
from lab2.spec.budget import parse_budget
from lab2.spec.job import Trial
from lab2.spec.recipe import TrainConfig
from lab2.train.classifier import ClassifierTrainer, forward_and_backward
from lab2.train.kernels import Kernels, candidates, use_kernels
from lab2.train.stage import count_steps
from lab2.train.trainer import Trainer
from lab2.whole_file import write_whole

LOG = logging.getLogger("lab2")

ROUNDS = 3  # in each, every candidate makes a step; the first one allocates memory and is not counted
GAIN = 1.1  # times as fast as the default: with less the default stays, so that noise does not decide
SHARE = 0.05  # of the steps of a training that measuring may take; a shorter training keeps the default
_PATIENCE = 600.0  # seconds to wait for a trial of the same job that is measuring


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was measured and chosen, as a run keeps it for all seeds of a job on one kind of machine."""

    machine: str
    chosen: Kernels
    seconds: dict[str, float | None]  # by kernels: of a forward and a backward pass; None: they failed


_CHOICE: TypeAdapter[Choice] = TypeAdapter(Choice)


def choose_kernels(trial: Trial, run: RunDir, trainer: Trainer, data: TrainingData) -> Kernels:
    """The kernels for a training that begins now: the default ones, or those that were measured to be faster.

    The first seed of a job on one kind of machine measures, the others take what it chose.
    """
    default, recipe = trainer.kernels, trainer.config
    if trial.job.model.settled or not isinstance(trainer, ClassifierTrainer) or trainer.device.type != "cpu":
        return default
    tried = candidates(trainer.model, recipe, trainer.device, default)
    steps = count_steps(len(data.train), recipe.batch_size, recipe.epochs)
    if len(tried) == 1 or ROUNDS * len(tried) > SHARE * steps:
        return default
    machine = f"{device_name(trainer.device)}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    file = run.kernels(trial.search or trial.job.name, hashlib.sha256(machine.encode()).hexdigest()[:12])
    with _alone(file):
        if (known := _read(file, machine, tried)) is not None:
            LOG.info("%s is used: %s", known, file)
            return known
        return _measured(file, machine, trainer, tried, data, _most_seconds(recipe))


def _most_seconds(recipe: TrainConfig) -> float:
    """How long measuring may take where time ends the training: how many steps it will have is not known yet."""
    budget = None if recipe.budget is None else parse_budget(recipe.budget)
    return SHARE * budget.amount if budget and budget.is_time else math.inf


def _measured(
    file: Path,
    machine: str,
    trainer: ClassifierTrainer,
    tried: Sequence[Kernels],
    data: TrainingData,
    most_seconds: float,
) -> Kernels:
    """The fastest of `tried`, of which the first is the default; the choice is written to `file`."""
    default, started = tried[0], file.with_suffix(".started")
    if started.is_file():  # whoever measured was killed, most likely for the memory that it took
        LOG.warning("%s: an earlier attempt ended while it measured the kernels; %s is used", started, default)
        return default
    try:
        write_whole(started, b"")
        seconds = measure(trainer, tried, data, most_seconds)
    except Exception as error:  # the network may be the user's, and not made to be copied
        LOG.warning("the kernels were not measured (%s: %s): %s", type(error).__name__, error, default)
        return default
    finally:
        started.unlink(missing_ok=True)
    chosen = fastest(seconds, default)
    if all(map(math.isinf, seconds.values())):
        LOG.info(
            "the kernels were not measured: each fails, or measuring takes too much of the time budget; %s is used",
            chosen,
        )
    finite = {str(kernels): took if math.isfinite(took) else None for kernels, took in seconds.items()}
    LOG.info("of %s, %s is used", ", ".join(f"{name} ({_text(took)})" for name, took in finite.items()), chosen)
    if (known := _read(file, machine, tried)) is not None:  # a file system without locks: another was as quick
        return known
    try:
        write_whole(file, _CHOICE.dump_json(Choice(machine=machine, chosen=chosen, seconds=finite), indent=1))
    except OSError as error:
        LOG.warning("%s: %s; other seeds measure for themselves", file, error.strerror)
    return chosen


def fastest(seconds: Mapping[Kernels, float], default: Kernels) -> Kernels:
    """The kernels that took the least of `seconds`, if `default` took `GAIN` times as long; else `default`."""
    best = min(seconds, key=seconds.__getitem__)
    # Where the default fails, so will the training, and say why.
    return best if GAIN * seconds[best] <= seconds[default] < math.inf else default


def measure(
    trainer: ClassifierTrainer, tried: Sequence[Kernels], data: TrainingData, most_seconds: float = math.inf
) -> dict[Kernels, float]:
    """Least seconds of a forward and a backward pass with each of `tried`; infinite where one fails.

    All are infinite where measuring would take more than `most_seconds`, estimated after each round.
    It is measured on a copy of the network, and in turns, so that a busy moment meets all alike.
    """
    size, generator = trainer.config.batch_size, torch.Generator().manual_seed(0)
    shape = (size, data.shape.channels, data.shape.side, data.shape.side)
    images = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    labels = torch.randint(len(data.shape.classes), (size,), generator=generator)
    model = copy.deepcopy(trainer.model).train()
    seconds: dict[Kernels, float] = dict.fromkeys(tried, math.inf)
    failed: set[Kernels] = set()
    with random_numbers_kept():
        began = time.perf_counter()
        for number in range(ROUNDS):
            if number and ROUNDS * (time.perf_counter() - began) / number > most_seconds:
                return dict.fromkeys(tried, math.inf)
            for kernels in tried:
                if kernels in failed:
                    continue
                try:
                    took = _seconds(model, trainer, kernels, images, labels)
                except Exception as error:
                    LOG.info("%s: %s: %s", kernels, type(error).__name__, error)
                    took = math.inf
                if math.isinf(took):
                    failed.add(kernels)
                    seconds[kernels] = math.inf
                elif number:
                    seconds[kernels] = min(seconds[kernels], took)
    return seconds


def _seconds(
    model: nn.Module, trainer: ClassifierTrainer, kernels: Kernels, images: torch.Tensor, labels: torch.Tensor
) -> float:
    """Of one step without its update; infinite where the loss is not finite."""
    use_kernels(model, kernels)
    model.zero_grad(set_to_none=True)
    began = time.perf_counter()
    loss = forward_and_backward(model, images, labels, trainer.config, precision=kernels.precision)
    took = time.perf_counter() - began
    return took if bool(loss.isfinite()) else math.inf


def _read(file: Path, machine: str, tried: Sequence[Kernels]) -> Kernels | None:
    """What another trial chose on such a machine; None where there is nothing that can be used."""
    try:
        choice = _CHOICE.validate_json(read_regular(file, SMALL))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        LOG.warning("%s cannot be read (%s); the kernels are measured again", file, error)
        return None
    return choice.chosen if choice.machine == machine and choice.chosen in tried else None


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Hold the lock of `file`, so that two seeds do not slow each other down; without it where that is not possible."""
    with ExitStack() as stack:
        try:
            file.parent.mkdir(exist_ok=True)
            lock = file.with_suffix(".lock")
            stack.enter_context(held(lock, "another trial is measuring the kernels", _PATIENCE))
        except (RunError, OSError) as error:
            LOG.warning("%s: not locked (%s); this trial measures for itself", file, error)
        yield


def _text(seconds: float | None) -> str:
    return "fails" if seconds is None else f"{1000 * seconds:.3g} ms"
