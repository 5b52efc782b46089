"""Runs one trial, from its configuration to its shard. `run_trial` is the function that a node runs.

It chooses the device, builds the network, trains it (`attempt.py`), measures (`evaluation.py`) and writes the shard.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch

from lab2.attempt import TrialAttempt, now
from lab2.data.datasets import TrainingData, check_batch, load_training
from lab2.errors import ConfigError, Lab2Error, TrainingError
from lab2.evaluation import with_inference_cost, with_test_scores
from lab2.file_lock import ASKING_SECONDS, DEAD_NODE_SECONDS, held
from lab2.kernel_choice import choose_kernels
from lab2.measure.cores import available_cores
from lab2.measure.cost import count_parameters
from lab2.measure.flops import flops_per_image
from lab2.measure.hardware import choose_device, device_name, make_repeatable
from lab2.measure.inputs import check_inputs
from lab2.measure.memory import in_use
from lab2.measure.out_of_memory import keep_to_share, ran_out_of_memory
from lab2.models.building import Built, build
from lab2.models.building.weights import save_weights
from lab2.results.journal import read_attempts
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard, Status, read_finished, unfinished, write_shard
from lab2.spec.budget import parse_budget
from lab2.spec.job import JobSpec, Trial
from lab2.spec.scaling import DataFacts, fitted
from lab2.stop import Stopped, StopSignal
from lab2.train import make_trainer
from lab2.train.classifier import to_unit
from lab2.train.precision import choose_precision, recorded
from lab2.train.trainer import Trainer

LOG = logging.getLogger("lab2")

LONGEST_REASON = 500  # characters


def run_trial(
    trial: Trial,
    run: RunDir,
    *,
    device: str = "auto",
    threads: int | None = None,
    at_once: int | None = None,
    gpu_share: float = 1.0,
    requeue: bool = False,
    stop: StopSignal | None = None,
) -> Shard:
    """Train, measure, and write one shard to `run`, also if the trial fails; returns that shard.

    A trial that was interrupted continues from its checkpoint. With `requeue`, a signal that stops the trial leaves a
    checkpoint but no shard, because the trial will be started again; then `Stopped` is raised.
    `at_once`: how many trials the launcher runs on this machine at the same time; the row says so. `gpu_share`: of the
    memory of its GPU, which others share.
    Raises `RunError` where another process runs this trial, and `OSError` where the shard cannot be written.
    """
    if stop is None:
        with StopSignal() as own:
            return run_trial(
                trial,
                run,
                device=device,
                threads=threads,
                at_once=at_once,
                gpu_share=gpu_share,
                requeue=requeue,
                stop=own,
            )
    with held(run.lock(trial.name), patience_seconds=DEAD_NODE_SECONDS if requeue else ASKING_SECONDS):
        if requeue and (done := read_finished(run.shard(trial.name), trial.digest)) is not None:
            return done  # the job was requeued after the trial had written its shard
        attempt = TrialAttempt(trial, run, stop)
        try:
            with stop.immediate():
                attempt.begin(requeue)
                shard = train_and_measure(attempt, device, threads, gpu_share)
        except Stopped as stopped:
            if requeue:
                raise
            shard = unfinished(trial, stopped.status, stopped.reason)
        except Lab2Error as error:
            shard = unfinished(trial, "failed", str(error)).updated(fault=_fault(error))
        except Exception as error:  # its reason goes into the shard, its traceback into the log
            LOG.exception("%s failed", trial.name)
            shard = unfinished(trial, *_diagnose(error)).updated(fault=_fault(error))
        shard = shard.updated(
            wall_seconds=attempt.wall_seconds,
            startup_seconds=attempt.so_far.startup_seconds,
            cpu_seconds=attempt.cpu_seconds,
            trials_at_once=at_once,
            attempts=len(read_attempts(run, trial.name)),
            started_at=attempt.so_far.started_at,
            ended_at=now(),
            **asdict(attempt.source),
        )
        write_shard(run.shard(trial.name), shard)
        if shard.status == "ok":
            run.checkpoint(trial.name).unlink(missing_ok=True)
    return shard


@dataclass(frozen=True, slots=True)
class Ready:
    """What a trial needs to train: its trainer, its network and its data."""

    trainer: Trainer
    built: Built
    data: TrainingData


def set_up(trial: Trial, asked_device: str, threads: int | None, gpu_share: float = 1.0) -> Ready:
    """Read the data, build the network, choose device and precision. Raises `Lab2Error` where one is not possible."""
    device = choose_device(asked_device)
    keep_to_share(device, gpu_share)
    torch.set_num_threads(threads or available_cores())
    make_repeatable(trial.seed)
    data = load_training(trial.data)
    check_inputs(trial, data.sha256)
    check_batch(trial, data.train)
    built = build(trial.job.model, data.shape)
    precision = choose_precision(trial.job.train.precision, trial.job.model, device)
    job = fitted_to(trial.job, built, data)
    trainer = make_trainer(job, built, data.train, device=device, precision=precision, seed=trial.seed)
    LOG.info(
        "%s on %s in %s, %d threads, weights: %s",
        trial.name,
        device,
        precision,
        torch.get_num_threads(),
        built.weights,
    )
    return Ready(trainer, built, data)


def fitted_to(job: JobSpec, built: Built, data: TrainingData) -> JobSpec:
    """`job` with its recipe for `data`, as `lab2/spec/scaling.py` says."""
    facts = DataFacts(
        images=len(data.train), classes=len(data.shape.classes), pretrained=built.weights not in ("random", "")
    )
    budget = job.train.budget
    if budget is None or parse_budget(budget).unit != "flops":
        return fitted(job, facts)
    image = torch.from_numpy(np.array(data.train.pixels[:1]))
    flops = flops_per_image(lambda images: built.model.eval()(to_unit(images)), image)
    if flops.uncounted or not flops.count:
        raise ConfigError(
            f"{job.name}: train.budget={budget}: the FLOPs of its forward pass cannot be counted whole "
            f"({', '.join(flops.uncounted) or 'it has none'}); give it a budget in time or in images"
        )
    return fitted(job, facts, flops.count)


def train_and_measure(attempt: TrialAttempt, asked_device: str, threads: int | None, gpu_share: float = 1.0) -> Shard:
    """Do all the work of an attempt that has begun: set up, train, test, measure the cost; returns the shard.

    A trial of a search is neither tested nor measured.
    """
    trial, run, library_memory = attempt.trial, attempt.run, in_use()
    ready = set_up(trial, asked_device, threads, gpu_share)
    trainer = ready.trainer
    if attempt.saved is None:  # a trial that goes on does so with the kernels with which it began
        trainer.use(choose_kernels(trial, run, trainer, ready.data))
    # `TrialAttempt.train` calls `obey` between two steps; a baseline's only step may take minutes, and starts anew.
    with attempt.stop.immediate() if trial.job.model.fitted else attempt.stop.deferred():
        attempt.train(trainer, ready.data)
    shard = _with_training(unfinished(trial, "ok", ""), attempt, ready).updated(library_memory_bytes=library_memory)
    if trial.job.train.save_weights:
        save_weights(run.weights(trial.name), trainer.model, trial.job.model.architecture, trial.data.dataset)
    if trial.search:  # nothing is chosen by test images
        return shard
    attempt.note("testing")
    shard, images = with_test_scores(shard, trial, run, trainer, ready.data, attempt.so_far.step)
    del ready  # frees the training images, so that they do not count as memory of inference
    attempt.note("measuring")
    return with_inference_cost(shard, trainer, images)


def _with_training(shard: Shard, attempt: TrialAttempt, ready: Ready) -> Shard:
    """`shard` with the facts of the training: its settings, its time, its memory and its machine."""
    so_far, trainer, built = attempt.so_far, ready.trainer, ready.built
    fitted_at_once = attempt.trial.job.model.fitted  # a baseline has no recipe
    parameters, trainable = count_parameters(trainer.model)
    return shard.updated(
        validation_accuracy=so_far.now.validation_accuracy,
        train_seconds=so_far.now.train_seconds,
        train_cpu_seconds=so_far.usage.cpu_seconds,
        train_wait_seconds=so_far.usage.wait_seconds,
        target_accuracy=attempt.trial.job.train.target_accuracy,
        seconds_to_target=so_far.seconds_to_target,
        epochs=so_far.now.epoch,
        images_seen=so_far.images,
        batch_size=None if fitted_at_once else trainer.config.batch_size,
        learning_rate=None if fitted_at_once else trainer.config.learning_rate,
        budget=trainer.config.budget,
        ended_early=so_far.ended_early,
        train_images=len(ready.data.train),
        train_images_per_second=so_far.images / so_far.now.train_seconds,
        parameters=parameters,
        trainable_parameters=trainable,
        trained_parameters=trainer.trained_parameters,
        peak_memory_bytes=so_far.usage.peak_bytes,
        memory_of=so_far.usage.memory_of,
        precision=recorded(trainer.precision, trainer.device),
        memory_format=trainer.kernels.memory_format,
        convolution=trainer.kernels.convolution,
        steps=None if fitted_at_once else "graph" if so_far.replayed else "eager",
        device=str(trainer.device),
        device_name=device_name(trainer.device),
        threads=torch.get_num_threads(),
        all_machines=", then ".join(so_far.machines) if len(so_far.machines) > 1 else None,
        weights=built.weights,
        image_side=built.image_side,
        decoded_side=ready.data.shape.side,
        dataset_sha256=ready.data.sha256,
        split=ready.data.facts.split,
        left_out=ready.data.facts.left_out_text,
    )


def _fault(error: Exception) -> Literal["recipe", "machine"]:
    """What made a trial fail. What a network raises by itself is its fault, but not what a GPU or a disk refuses."""
    if isinstance(error, Lab2Error):
        return "recipe" if isinstance(error, TrainingError | ConfigError) else "machine"
    return "machine" if isinstance(error, OSError | torch.AcceleratorError) else "recipe"


def _diagnose(error: Exception) -> tuple[Status, str]:
    """Status and reason for an unexpected exception."""
    text = f"{type(error).__name__}: {error}".strip()
    text = text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} … (its log has all)"
    return ("out_of_memory" if ran_out_of_memory(error) else "failed"), text
