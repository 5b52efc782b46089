"""One attempt: a process's work on a trial, from the start or the last checkpoint, up to the end of the training.

The trainer's loop only trains. This module measures its time, validates, writes checkpoints, and stops a training that
has diverged.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from lab2.data.datasets import TrainingData
from lab2.errors import ResourceError
from lab2.measure.cost import Stopwatch
from lab2.measure.hardware import describe_machine
from lab2.measure.process import TrialClock
from lab2.measure.provenance import Provenance, code_digest, provenance
from lab2.measure.scores import accuracy, macro_f1
from lab2.measure.usage import Meter, Usage
from lab2.pace import Pace, pace_of
from lab2.regular_file import clear_path
from lab2.results.journal import Attempt, CurvePoint, Journal, Progress, read_attempts, read_pace, time_taken
from lab2.results.run_dir import RunDir
from lab2.spec.job import Trial
from lab2.stop import StopSignal
from lab2.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from lab2.train.divergence import Guard, check_answers, check_weights
from lab2.train.schedule import ValidationSchedule
from lab2.train.stage import Step
from lab2.train.trainer import Trainer

LOG = logging.getLogger("lab2")

SAME_PLACE_ATTEMPTS = 3  # after so many attempts of one Slurm job without progress, the job is not requeued again


@dataclass(slots=True, kw_only=True)
class TrialRecord:
    """What a trial has measured so far, over all its attempts. A checkpoint stores it."""

    started_at: str
    step: int = 0
    images: int = 0  # training images so far, repetitions included
    now: Progress = field(default_factory=lambda: Progress(state="training"))
    curve: list[CurvePoint] = field(default_factory=list)
    seconds_to_target: float | None = None
    ended_early: bool = False  # by `train.patience`
    replayed: bool = False  # whether steps were, as a CUDA graph
    wall_seconds: float = 0.0  # of earlier attempts, each up to its last progress note or checkpoint
    machines: list[str] = field(default_factory=list)  # on which its steps ran, without repetitions
    startup_seconds: float = 0.0
    cpu_seconds: float = 0.0
    usage: Usage = field(default_factory=Usage)  # of training

    @classmethod
    def restored(cls, saved: dict[str, Any]) -> TrialRecord:
        """The record that `asdict` turned into `saved`."""
        now, curve = Progress(**saved["now"]), [CurvePoint(**point) for point in saved["curve"]]
        return cls(**{**saved, "now": now, "curve": curve, "usage": Usage(**saved["usage"])})


class TrialAttempt:
    """This process's attempt at a trial. Call `begin`, then `train`; `note` reports what comes after."""

    def __init__(self, trial: Trial, run: RunDir, stop: StopSignal) -> None:
        self.trial, self.run, self.stop = trial, run, stop
        self.clock = TrialClock()
        self.journal = Journal(run, trial.name)
        self.source = provenance()
        self.made_by = _made_by(self.source)  # read at the start: lab2's files may change while this process runs
        self.so_far = TrialRecord(started_at=now(self.clock.wall_seconds))
        self.saved: Checkpoint | None = None
        self.last_checkpoint = time.monotonic()

    @property
    def wall_seconds(self) -> float:
        """Seconds of all attempts so far."""
        return self.so_far.wall_seconds + self.clock.wall_seconds

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all attempts so far."""
        return self.so_far.cpu_seconds + self.clock.cpu_seconds

    def begin(self, requeued: bool) -> None:
        """Load the checkpoint, if any, and record the attempt in the run.

        Raises `ResourceError` where `requeued` attempts began at the same step several times in a row.
        """
        run, trial = self.run, self.trial
        clear_path(run.shard(trial.name))  # of a failed attempt
        for path_of in (run.predictions, run.corrupted, run.history, run.weights, run.checkpoint):
            if path_of(trial.name).is_dir():  # otherwise writing the file would fail, after hours of training
                clear_path(path_of(trial.name))
        known = time_taken(run, trial.name)
        self.journal.note(known)
        self.saved = load_checkpoint(run.checkpoint(trial.name), digest=trial.digest, made_by=self.made_by)
        if self.saved is not None:
            self.so_far = TrialRecord.restored(self.saved.so_far)
            LOG.info("going on from step %d", self.so_far.step)
        # An attempt that was killed also took the time after its last checkpoint.
        self.so_far.wall_seconds = max(self.so_far.wall_seconds, known.wall_seconds)
        self.so_far.cpu_seconds = max(self.so_far.cpu_seconds, known.cpu_seconds)
        self.so_far.startup_seconds = max(self.so_far.startup_seconds, known.startup_seconds)
        attempt = Attempt(
            job_id=self.source.scheduler_job_id, host=self.source.host, step=self.so_far.step, started_at=now()
        )
        before = [a for a in read_attempts(run, trial.name) if a.job_id == attempt.job_id][-SAME_PLACE_ATTEMPTS:]
        self.journal.begin(attempt, self.so_far.curve)
        if requeued and [a.step for a in before] == [attempt.step] * SAME_PLACE_ATTEMPTS:
            raise ResourceError(
                f"{SAME_PLACE_ATTEMPTS} attempts in a row ended without getting further than step {attempt.step} "
                f"(on {', '.join(a.host for a in before)}); see its log; lab2 resume "
                "--set resources.timeout_min=... gives it more time, resources.checkpoint_seconds=... more checkpoints"
            )

    def train(self, trainer: Trainer, data: TrainingData) -> None:
        """Train to the end. The training time counts the trainer's steps, not the work that is done here between them.

        Raises `TrainingError` where the training diverges, and `Stopped` between two steps after a signal.
        """
        so_far = self.so_far
        if self.saved is not None:
            trainer.resume_from(self.saved.trainer, self.run.checkpoint(self.trial.name))
            self.saved = None
        trainer.warm_up()
        so_far.startup_seconds += self.clock.wall_seconds
        if (machine := describe_machine(trainer.device, trainer.precision)) not in so_far.machines:
            so_far.machines.append(machine)
        schedule = ValidationSchedule(len(data.validation), seen=so_far.images)
        watch = Stopwatch(trainer.device, so_far.now.train_seconds)
        meter, guard = Meter(trainer.device, so_far.usage), Guard()
        pace = pace_of(self.trial, f"{machine}; {self.made_by}", read_pace(self.run, self.trial.name), self.journal)
        with meter.running():
            for step in watch.around(trainer.fit()):
                guard.saw(step)
                stopping = self.stop.asked is not None
                last = pace.ends(step, watch, trainer) if pace else step.last
                validates = last or schedule.is_due_after(step)
                saves = last or stopping or self._checkpoint_is_due()
                so_far.step, so_far.images = step.number, step.images
                if validates or saves or self.journal.due():
                    so_far.replayed |= trainer.replayed
                    watch.await_device()  # the lines below wait for the accelerator: count the wait as training
                    guard.check()
                    so_far.now = self._progress(step, watch.seconds, pace)
                    self.journal.note(so_far.now)
                if validates or saves:
                    with meter.paused():
                        so_far.usage = meter.usage
                        if validates:
                            self._validate(trainer, data, step)
                            last |= self._ends_early(trainer)
                        if saves or last:
                            self._save_checkpoint(trainer)
                schedule.resume_at(step.images)
                if stopping:
                    self.stop.obey()
        so_far.now = replace(so_far.now, train_seconds=watch.seconds)
        so_far.usage = meter.usage
        check_weights(trainer.model, so_far.step)

    def note(self, state: Literal["testing", "measuring"]) -> None:
        """Write a progress note on what the trial does after its training."""
        self.journal.note(replace(self.so_far.now, state=state))

    def _progress(self, step: Step, seconds: float, pace: Pace | None) -> Progress:
        whole = pace.seconds if pace else seconds * step.total / step.number  # of the training, estimated
        return replace(
            self.so_far.now,
            epoch=step.epoch,
            epochs=step.epoch * whole / seconds,
            loss=_loss(step),
            train_seconds=seconds,
            seconds_left=max(0.0, whole - seconds),
            wall_seconds=self.wall_seconds,
            cpu_seconds=self.cpu_seconds,
            startup_seconds=self.so_far.startup_seconds,
        )

    def _validate(self, trainer: Trainer, data: TrainingData, step: Step) -> None:
        """Score the validation images, add a point to the learning curve, and note when the target is reached."""
        predictions = trainer.predict(data.validation)
        check_answers(predictions, step.number)
        point = CurvePoint(
            epoch=step.epoch,
            images=step.images,
            loss=_loss(step),
            validation_accuracy=accuracy(predictions),
            validation_macro_f1=macro_f1(predictions),
            train_seconds=self.so_far.now.train_seconds,
        )
        self.so_far.curve.append(point)
        self.journal.add(point)
        share = 100 * point.validation_accuracy
        loss = "" if point.loss is None else f"loss {point.loss:.3f}, "
        LOG.info("epoch %.3g: %s%.2f %% of the validation images", point.epoch, loss, share)
        self.so_far.now = replace(self.so_far.now, validation_accuracy=point.validation_accuracy)
        target = self.trial.job.train.target_accuracy
        if self.so_far.seconds_to_target is None and point.validation_accuracy >= (target or math.inf):
            self.so_far.seconds_to_target = point.train_seconds

    def _ends_early(self, trainer: Trainer) -> bool:
        """Whether the last `train.patience` validations were no better than one before them; then `trainer` ends."""
        patience, curve = self.trial.job.train.patience, self.so_far.curve
        if patience is None or trainer.stage_name == "head" or not trainer.steps_left:
            return False
        before = trainer.earlier_steps * trainer.config.batch_size  # images of the head's stage, which ended for itself
        shares = [point.validation_accuracy for point in curve if point.images > before]
        self.so_far.ended_early = len(shares) > patience and max(shares[-patience:]) <= max(shares[:-patience])
        if self.so_far.ended_early:
            LOG.info("ends early: %d validations without a better one", patience)
            trainer.end_in(0)
        return self.so_far.ended_early

    def _checkpoint_is_due(self) -> bool:
        return time.monotonic() - self.last_checkpoint >= self.trial.job.resources.checkpoint_seconds

    def _save_checkpoint(self, trainer: Trainer) -> None:
        """Write a checkpoint. Where it cannot be written, log a warning and go on training."""
        so_far = replace(self.so_far, wall_seconds=self.wall_seconds, cpu_seconds=self.cpu_seconds)
        checkpoint = Checkpoint(
            digest=self.trial.digest,
            made_by=self.made_by,
            trainer=trainer.state(),
            so_far=asdict(so_far),
        )
        try:
            save_checkpoint(self.run.checkpoint(self.trial.name), checkpoint)
        except OSError as error:
            LOG.warning("no checkpoint: %s", error)
        self.last_checkpoint = time.monotonic()


def _loss(step: Step) -> float | None:
    return None if step.loss is None else float(step.loss)


def now(seconds_ago: float = 0.0) -> str:
    """The time `seconds_ago`, in UTC, ISO 8601."""
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat(timespec="seconds")


def _made_by(source: Provenance) -> str:
    """The versions of code and libraries. A checkpoint is used only if they are the same."""
    libraries = f"torch {source.torch_version}, torchvision {source.torchvision_version}"
    return f"lab2 {source.lab2_version} with code {code_digest()[:12]}, {libraries}"
