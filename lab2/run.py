"""One trial, from its configuration to its shard: `run_trial` is the only function that a node runs.

Around the loop, which only trains, it chooses the device, keeps the time, validates, measures and writes.
"""

from __future__ import annotations

import itertools
import logging
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from types import FrameType

import torch

from lab2.data.datasets import TrainingData, check_batch, load_test, load_training
from lab2.errors import Lab2Error
from lab2.measure.cost import Stopwatch, count_parameters, flops_per_image, inference_cost, peak_memory
from lab2.measure.hardware import available_cores, choose_device, device_name, make_repeatable
from lab2.measure.metrics import score
from lab2.measure.predictions import write_predictions
from lab2.measure.provenance import provenance
from lab2.models import build, check_model
from lab2.models.weights import save_checkpoint
from lab2.results.collect import unfinished
from lab2.results.journal import EpochEnd, Journal, Progress
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard, Status, write_shard
from lab2.results.trial_lock import held
from lab2.spec.job import Trial
from lab2.train import Trainer, trainer
from lab2.train.detector import DetectorTrainer
from lab2.train.precision import choose_precision
from lab2.train.steps import Step

LOG = logging.getLogger("lab2")


class Stopped(BaseException):
    """A signal ended the trial. Not an `Exception`: nothing on the way may take it for a failure."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def run_trial(trial: Trial, run: RunDir, *, device: str = "auto", threads: int | None = None) -> Shard:
    """Train, measure, and leave one shard in `run`, whatever happens; returns that shard.

    Raises `RunError` where another process runs this trial, and `OSError` where the shard cannot be written.
    """
    with held(run.lock(trial.name)), _signals_stop_us():
        started_at, started, source = datetime.now(UTC), time.perf_counter(), provenance()
        try:
            shard = _train_and_measure(trial, run, device, threads)
        except Stopped as stop:
            shard = unfinished(trial, stop.status, stop.reason)
        except Lab2Error as error:
            shard = unfinished(trial, "failed", str(error))
        except Exception as error:  # a row with its reason; the traceback is in the log
            LOG.exception("%s failed", trial.name)
            shard = unfinished(trial, *_diagnose(error))
        shard = replace(
            shard,
            wall_seconds=time.perf_counter() - started,
            started_at=started_at.isoformat(timespec="seconds"),
            ended_at=datetime.now(UTC).isoformat(timespec="seconds"),
            **asdict(source),
        )
        write_shard(run.shard(trial.name), shard)
    return shard


def check_trials(trials: Sequence[Trial], device: str) -> None:
    """Read all that the trials would and build nothing but shapes: refuse before it costs anything.

    Raises `DataError`, `ConfigError`, `WeightsError` or `ResourceError`.
    """
    choose_device(device)
    for config, group in itertools.groupby(trials, key=lambda trial: trial.data):
        data = load_training(config)
        load_test(config)
        for trial in group:
            check_batch(trial, data.train)
            check_model(trial.job.model, data.shape)


def local_gpus(device: str) -> list[int]:
    """The GPUs that trials on this machine may share out: all, the one that is asked for, or none.

    They are numbered as the driver does, also where `CUDA_VISIBLE_DEVICES` shows only some of them.
    """
    chosen = choose_device(device)
    if chosen.type != "cuda":
        return []
    shown = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    numbers = [int(n) for n in shown] if all(n.isdigit() for n in shown) else [*range(torch.cuda.device_count())]
    return numbers if device in ("auto", "cuda") else [numbers[chosen.index or 0]]


def _train_and_measure(trial: Trial, run: RunDir, asked_device: str, threads: int | None) -> Shard:
    journal = Journal(run, trial.name)
    journal.note(Progress(state="starting"))
    device = choose_device(asked_device)
    torch.set_num_threads(threads or available_cores())
    make_repeatable(trial.seed)
    data = load_training(trial.data)
    check_batch(trial, data.train)
    built = build(trial.job.model, data.shape)
    precision = choose_precision(trial.job.train.precision, trial.job.model, device)
    learner = trainer(trial.job, built, data.train, device=device, precision=precision, seed=trial.seed)
    LOG.info(
        "%s on %s in %s, %d threads, weights: %s", trial.name, device, precision, torch.get_num_threads(), built.weights
    )

    training = _train(trial, learner, data, journal)
    parameters, trainable = count_parameters(learner.model)
    if trial.job.train.save_weights:
        save_checkpoint(run.weights(trial.name), learner.model, trial.job.model.architecture, trial.data.dataset)

    # The test images are read here, once, and nothing after this line chooses anything by them.
    journal.note(replace(training.last, state="testing"))
    test = load_test(trial.data)
    predictions = learner.predict(test)
    write_predictions(run.predictions(trial.name), predictions)
    scores = score(predictions, len(data.shape.classes))
    detection = learner.score_scenes(test) if isinstance(learner, DetectorTrainer) else None
    memory, memory_of = peak_memory(device)
    learner.model.eval()
    sample = torch.from_numpy(test.pixels[:1000]).to(device)
    return replace(
        unfinished(trial, "ok", ""),
        accuracy=scores.accuracy,
        macro_f1=scores.macro_f1,
        map_50=detection.map_50 if detection else None,
        map_50_95=detection.map_50_95 if detection else None,
        validation_accuracy=training.last.validation_accuracy,
        test_images=len(test),
        train_seconds=training.last.train_seconds,
        target_accuracy=trial.job.train.target_accuracy,
        seconds_to_target=training.seconds_to_target,
        epochs=training.last.epoch,
        train_images=len(data.train),
        train_images_per_second=training.last.epoch * len(data.train) / training.last.train_seconds,
        parameters=parameters,
        trainable_parameters=trainable,
        flops_per_image=flops_per_image(learner.infer, sample[:1]),
        peak_memory_bytes=memory,
        memory_of=memory_of,
        **asdict(inference_cost(learner.infer, sample)),
        precision=precision,
        device=str(device),
        device_name=device_name(device),
        threads=torch.get_num_threads(),
        weights=built.weights,
        image_side=built.image_side,
        dataset_sha256=data.sha256,
    )


@dataclass(frozen=True, slots=True)
class _Training:
    """How the training went."""

    last: Progress
    seconds_to_target: float | None


def _train(trial: Trial, learner: Trainer, data: TrainingData, journal: Journal) -> _Training:
    """Work off the loop; time what it does, and nothing that is done here between its steps."""
    target = trial.job.train.target_accuracy
    seconds_to_target: float | None = None
    watch = Stopwatch(learner.device)
    now = Progress(state="training")
    for step in watch.around(learner.fit(), waits=lambda step: step.ends_epoch):
        now = replace(
            now,
            epoch=step.epoch,
            epochs=step.epoch * step.total / step.number,
            train_seconds=watch.seconds,
            seconds_left=watch.seconds * (step.total - step.number) / step.number,
        )
        if step.ends_epoch:
            now = _validate(learner, data, journal, step, now)
            reached = target is not None and (now.validation_accuracy or 0.0) >= target
            if reached and seconds_to_target is None:
                seconds_to_target = watch.seconds
        if step.ends_epoch or journal.due():
            now = replace(now, loss=float(step.loss))
            journal.note(now)
    return _Training(replace(now, train_seconds=watch.seconds), seconds_to_target)


def _validate(learner: Trainer, data: TrainingData, journal: Journal, step: Step, now: Progress) -> Progress:
    """Score the validation images and add a point to the learning curve."""
    scores = score(learner.predict(data.validation), len(data.shape.classes))
    point = EpochEnd(
        epoch=step.epoch,
        loss=float(step.loss),
        validation_accuracy=scores.accuracy,
        validation_macro_f1=scores.macro_f1,
        train_seconds=now.train_seconds,
    )
    journal.add(point)
    LOG.info("%s", point)
    return replace(now, validation_accuracy=scores.accuracy)


def _diagnose(error: Exception) -> tuple[Status, str]:
    """Status and reason of an exception that nobody expected."""
    text = f"{type(error).__name__}: {error}".strip().partition("\n")[0]
    out_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
    return ("out_of_memory" if out_of_memory else "failed"), text


@contextmanager
def _signals_stop_us() -> Iterator[None]:
    """Turn the signals that end a trial into `Stopped`, so that it still writes its shard."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)

    def stop(number: int, _frame: FrameType | None) -> None:
        for other in signals:  # once is enough: a second one would interrupt the writing of the shard
            signal.signal(other, signal.SIG_IGN)
        if number == signal.SIGUSR2:  # what submitit sends before the time is up
            raise Stopped("timeout", "its time was up; give it more with --set resources.timeout_min=...")
        raise Stopped("cancelled", f"stopped by {signal.Signals(number).name}")

    before = {number: signal.signal(number, stop) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
