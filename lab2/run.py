"""One trial, from its configuration to its shard: `run_trial` is the only function that a node runs.

Around the loop, which only trains, it chooses the device, keeps the time, validates, checkpoints, measures
and writes.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import torch

from lab2.data.datasets import TrainingData, check_batch, load_test, load_training
from lab2.errors import Lab2Error, ResourceError, ShardError
from lab2.measure.cost import Stopwatch, count_parameters, flops_per_image, inference_cost, peak_memory
from lab2.measure.hardware import available_cores, choose_device, device_name, make_repeatable
from lab2.measure.metrics import score, score_detections
from lab2.measure.predictions import write_predictions
from lab2.measure.provenance import Provenance, provenance
from lab2.models import Built, build
from lab2.models.weights import save_weights
from lab2.regular_file import make_way
from lab2.results.journal import Attempt, EpochEnd, Journal, Progress, read_attempts
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard, Status, read_shard, unfinished, write_shard
from lab2.results.trial_lock import ASKING_SECONDS, DEAD_NODE_SECONDS, held
from lab2.spec.job import Trial
from lab2.stop import Stopped, StopSignal
from lab2.train import trainer
from lab2.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from lab2.train.course import Step
from lab2.train.detector import DetectorTrainer
from lab2.train.precision import choose_precision
from lab2.train.trainer import Trainer

LOG = logging.getLogger("lab2")

SAME_PLACE_ATTEMPTS = 3  # of one scheduler job that got no further: then it is not requeued again


def run_trial(
    trial: Trial,
    run: RunDir,
    *,
    device: str = "auto",
    threads: int | None = None,
    requeue: bool = False,
    stop: StopSignal | None = None,
) -> Shard:
    """Train, measure, and leave one shard in `run`, whatever happens; returns that shard.

    A trial that was interrupted goes on from its checkpoint. With `requeue` a signal that stops it leaves
    the checkpoint and no shard, for it is not the end, and `Stopped` is raised.
    Raises `RunError` where another process runs this trial, and `OSError` where the shard cannot be written.
    """
    if stop is None:
        with StopSignal() as own:
            return run_trial(trial, run, device=device, threads=threads, requeue=requeue, stop=own)
    with held(run.lock(trial.name), patience_seconds=DEAD_NODE_SECONDS if requeue else ASKING_SECONDS):
        if requeue and (done := _finished(trial, run)) is not None:
            return done  # the node died, or Slurm put the job back, between its shard and its end
        attempt = _Attempt(trial, run, stop)
        try:
            with stop.at_once():
                attempt.begin(requeue)
                shard = attempt.train_and_measure(device, threads)
        except Stopped as stopped:
            if requeue:
                raise
            shard = unfinished(trial, stopped.status, stopped.reason)
        except Lab2Error as error:
            shard = unfinished(trial, "failed", str(error))
        except Exception as error:  # a row with its reason; the traceback is in the log
            LOG.exception("%s failed", trial.name)
            shard = unfinished(trial, *_diagnose(error))
        shard = replace(
            shard,
            wall_seconds=attempt.wall_seconds,
            attempts=len(read_attempts(run, trial.name)),
            started_at=attempt.so_far.started_at,
            ended_at=_now(),
            **asdict(attempt.source),
        )
        write_shard(run.shard(trial.name), shard)
        if shard.status == "ok":
            run.checkpoint(trial.name).unlink(missing_ok=True)
    return shard


@dataclass(frozen=True, slots=True)
class Ready:
    """A trial that is about to train."""

    learner: Trainer
    built: Built
    data: TrainingData


def set_up(trial: Trial, asked_device: str, threads: int | None) -> Ready:
    """Read the data, build the network, choose device and precision. Raises `Lab2Error` for what cannot be."""
    device = choose_device(asked_device)
    torch.set_num_threads(threads or available_cores())
    make_repeatable(trial.seed)
    data = load_training(trial.data)
    check_batch(trial, data.train)
    built = build(trial.job.model, data.shape)
    precision = choose_precision(trial.job.train.precision, trial.job.model, device)
    learner = trainer(trial.job, built, data.train, device=device, precision=precision, seed=trial.seed)
    LOG.info(
        "%s on %s in %s, %d threads, weights: %s",
        trial.name,
        device,
        precision,
        torch.get_num_threads(),
        built.weights,
    )
    return Ready(learner, built, data)


@dataclass(slots=True, kw_only=True)
class _SoFar:
    """What a trial has measured, over all its attempts."""

    started_at: str
    step: int = 0
    now: Progress = field(default_factory=lambda: Progress(state="training"))
    curve: list[EpochEnd] = field(default_factory=list)
    seconds_to_target: float | None = None
    wall_seconds: float = 0.0  # of the attempts before this one, up to the checkpoint
    peak_memory_bytes: int = 0

    @classmethod
    def restored(cls, saved: dict[str, Any]) -> _SoFar:
        """From what `asdict` made of it."""
        now, curve = Progress(**saved["now"]), [EpochEnd(**point) for point in saved["curve"]]
        return cls(**{**saved, "now": now, "curve": curve})


class _Attempt:
    """One process's work on a trial, from the start or from the last checkpoint."""

    def __init__(self, trial: Trial, run: RunDir, stop: StopSignal) -> None:
        self.trial, self.run, self.stop = trial, run, stop
        self.journal = Journal(run, trial.name)
        self.source = provenance()
        self.so_far = _SoFar(started_at=_now())
        self.saved: Checkpoint | None = None
        self.began = self.kept = time.perf_counter()

    @property
    def wall_seconds(self) -> float:
        """Seconds of all attempts so far."""
        return self.so_far.wall_seconds + time.perf_counter() - self.began

    def begin(self, requeued: bool) -> None:
        """Look for a checkpoint, and say in the run that somebody is at work.

        Raises `ResourceError` where `requeued` attempts came to the same place again and again.
        """
        run, trial = self.run, self.trial
        make_way(run.shard(trial.name))  # of an attempt that did not end well
        self.journal.note(Progress(state="starting"))
        self.saved = load_checkpoint(run.checkpoint(trial.name), digest=trial.digest, made_by=_made_by(self.source))
        if self.saved is not None:
            self.so_far = _SoFar.restored(self.saved.so_far)
            LOG.info("going on from step %d", self.so_far.step)
        attempt = Attempt(
            job_id=self.source.scheduler_job_id, host=self.source.host, step=self.so_far.step, started_at=_now()
        )
        before = [a for a in read_attempts(run, trial.name) if a.job_id == attempt.job_id][-SAME_PLACE_ATTEMPTS:]
        self.journal.begin(attempt, self.so_far.curve)
        if requeued and [a.step for a in before] == [attempt.step] * SAME_PLACE_ATTEMPTS:
            raise ResourceError(
                f"{SAME_PLACE_ATTEMPTS} attempts in a row ended without getting further than step {attempt.step} "
                f"(on {', '.join(a.host for a in before)}); see its log; lab2 resume "
                "--set resources.timeout_min=... gives it more time, resources.checkpoint_seconds=... more checkpoints"
            )

    def train_and_measure(self, asked_device: str, threads: int | None) -> Shard:
        trial, run = self.trial, self.run
        ready = set_up(trial, asked_device, threads)
        learner, built, data, device = ready.learner, ready.built, ready.data, ready.learner.device
        with self.stop.at_once(safe=False):  # a step must not be torn: `_train` obeys between two
            self._train(learner, data)
        so_far = self.so_far
        parameters, trainable = count_parameters(learner.model)
        if trial.job.train.save_weights:
            save_weights(run.weights(trial.name), learner.model, trial.job.model.architecture, trial.data.dataset)

        # The test images are read here, once, and nothing after this line chooses anything by them.
        self.journal.note(replace(so_far.now, state="testing"))
        test = load_test(trial.data)
        predictions = learner.predict(test)
        write_predictions(run.predictions(trial.name), predictions)
        scores = score(predictions, len(data.shape.classes))
        detection = score_detections(*learner.detect_scenes(test)) if isinstance(learner, DetectorTrainer) else None
        memory, memory_of = peak_memory(device)
        learner.model.eval()
        sample = torch.from_numpy(test.pixels[:1000]).to(device)
        return replace(
            unfinished(trial, "ok", ""),
            accuracy=scores.accuracy,
            macro_f1=scores.macro_f1,
            map_50=detection.map_50 if detection else None,
            map_50_95=detection.map_50_95 if detection else None,
            validation_accuracy=so_far.now.validation_accuracy,
            test_images=len(test),
            train_seconds=so_far.now.train_seconds,
            target_accuracy=trial.job.train.target_accuracy,
            seconds_to_target=so_far.seconds_to_target,
            epochs=so_far.now.epoch,
            train_images=len(data.train),
            train_images_per_second=so_far.now.epoch * len(data.train) / so_far.now.train_seconds,
            parameters=parameters,
            trainable_parameters=trainable,
            flops_per_image=flops_per_image(learner.infer, sample[:1]),
            peak_memory_bytes=max(memory, so_far.peak_memory_bytes),
            memory_of=memory_of,
            **asdict(inference_cost(learner.infer, sample)),
            precision=learner.precision,
            device=str(device),
            device_name=device_name(device),
            threads=torch.get_num_threads(),
            weights=built.weights,
            image_side=built.image_side,
            dataset_sha256=data.sha256,
        )

    def _train(self, learner: Trainer, data: TrainingData) -> None:
        """Work off the loop; time what it does, and nothing that is done here between its steps."""
        target = self.trial.job.train.target_accuracy
        so_far = self.so_far
        if self.saved is not None:
            learner.resumed, self.saved = self.saved.trainer, None
        watch = Stopwatch(learner.device, so_far.now.train_seconds)
        for step in watch.around(learner.fit(), waits=lambda step: step.ends_epoch):
            so_far.step = step.number
            so_far.now = replace(
                so_far.now,
                epoch=step.epoch,
                epochs=step.epoch * step.total / step.number,
                train_seconds=watch.seconds,
                seconds_left=watch.seconds * (step.total - step.number) / step.number,
            )
            if step.ends_epoch:
                reached = self._validate(learner, data, step) >= (target or math.inf)
                if reached and so_far.seconds_to_target is None:
                    so_far.seconds_to_target = watch.seconds
            if step.ends_epoch or self.journal.due():
                so_far.now = replace(so_far.now, loss=float(step.loss))
                self.journal.note(so_far.now)
            self._keep(learner, at_once=step.number == step.total)
            self.stop.obey()
        so_far.now = replace(so_far.now, train_seconds=watch.seconds)

    def _validate(self, learner: Trainer, data: TrainingData, step: Step) -> float:
        """Score the validation images and add a point to the learning curve; returns the accuracy."""
        scores = score(learner.predict(data.validation), len(data.shape.classes))
        point = EpochEnd(
            epoch=step.epoch,
            loss=float(step.loss),
            validation_accuracy=scores.accuracy,
            validation_macro_f1=scores.macro_f1,
            train_seconds=self.so_far.now.train_seconds,
        )
        self.so_far.curve.append(point)
        self.journal.add(point)
        share = 100 * point.validation_accuracy
        LOG.info("epoch %.3g: loss %.3f, %.2f %% of the validation images", point.epoch, point.loss, share)
        self.so_far.now = replace(self.so_far.now, validation_accuracy=scores.accuracy)
        return scores.accuracy

    def _keep(self, learner: Trainer, *, at_once: bool) -> None:
        """Write a checkpoint when it is time; one that the disk refuses costs only itself."""
        due = time.perf_counter() - self.kept >= self.trial.job.resources.checkpoint_seconds
        if not (due or at_once or self.stop.asked):
            return
        memory, _ = peak_memory(learner.device)
        so_far = replace(
            self.so_far,
            wall_seconds=self.wall_seconds,
            peak_memory_bytes=max(memory, self.so_far.peak_memory_bytes),
        )
        checkpoint = Checkpoint(
            digest=self.trial.digest,
            made_by=_made_by(self.source),
            trainer=learner.state(),
            so_far=asdict(so_far),
        )
        try:
            save_checkpoint(self.run.checkpoint(self.trial.name), checkpoint)
        except OSError as error:
            LOG.warning("no checkpoint: %s", error)
        self.kept = time.perf_counter()


def _finished(trial: Trial, run: RunDir) -> Shard | None:
    try:
        shard = read_shard(run.shard(trial.name))
    except ShardError:
        return None
    return shard if shard.status == "ok" and shard.digest == trial.digest else None


def _made_by(source: Provenance) -> str:
    """What has to be the same for a checkpoint to be gone on from."""
    changed = " with changes" if source.git_dirty else ""
    return f"lab2 {source.lab2_version} {source.git_commit or ''}{changed}, torch {source.torch_version}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _diagnose(error: Exception) -> tuple[Status, str]:
    """Status and reason of an exception that nobody expected."""
    text = f"{type(error).__name__}: {error}".strip().partition("\n")[0]
    out_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
    return ("out_of_memory" if out_of_memory else "failed"), text
