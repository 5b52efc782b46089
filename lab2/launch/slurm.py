"""Submits trials to Slurm through submitit: for each job an array over its seeds. No process of lab2 keeps running."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

import submitit
from pydantic import ValidationError
from submitit.core.utils import FailedJobError, FailedSubmissionError

from lab2.errors import ConfigError, ResourceError, RunError
from lab2.launch import container
from lab2.launch.batch import TERMINATED, batch_lines, mark_cancelled, read_exit_notes
from lab2.launch.place import place_of
from lab2.launch.scheduler import cancel_jobs, max_array_size, query_queue
from lab2.launch.status import TrialStatus
from lab2.launch.submission import Submission, latest_jobs, read_submissions, write_submission
from lab2.launch.task import TrialTask
from lab2.regular_file import SMALL, read_regular
from lab2.results.journal import clear_for_attempt
from lab2.results.run_dir import RunDir
from lab2.spec.checks import first_error
from lab2.spec.job import Trial
from lab2.spec.plan import Plan
from lab2.spec.profile import PROFILE, Profile
from lab2.whole_file import write_whole

INHERITED = ("SLURM_CONF",)  # the variables that a submission from inside a Slurm job keeps: the way to the controller


@dataclass(frozen=True, slots=True)
class Batch:
    """The trials of one sbatch call: seeds of one job, or settings of one search, with the same resources."""

    trials: tuple[Trial, ...]
    max_running: int | None = None  # the most of them that run at the same time
    after: int | None = None  # index of the batch that has to end before this one starts

    @property
    def job(self) -> str:
        return self.trials[0].group


def batches(trials: Sequence[Trial], *, largest: int, parallel: int | None) -> list[Batch]:
    """`trials` as arrays of at most `largest` tasks, such that at most `parallel` trials run at the same time.

    Slurm itself keeps the limit, so no process of lab2 has to watch. The arrays are dealt to up to `parallel` lanes.
    In a lane, an array starts after the one before it has ended, and runs no more tasks at a time than the lane's
    share of `parallel`.
    """
    alike = groupby(trials, key=lambda t: (t.search, t.job.resources) if t.search else (t.job, t.data))
    groups = [list(group) for _, group in alike]
    arrays = [tuple(group[i : i + largest]) for group in groups for i in range(0, len(group), largest)]
    if parallel is None:
        return [Batch(array) for array in arrays]
    lanes = min(parallel, len(arrays))
    shares = [parallel // lanes + (lane < parallel % lanes) for lane in range(lanes)]
    return [Batch(array, shares[i % lanes], i - lanes if i >= lanes else None) for i, array in enumerate(arrays)]


def submit(
    run: RunDir,
    plan: Plan,
    trials: Sequence[Trial],
    profile: Profile,
    *,
    parallel: int | None = None,
    exclude: Sequence[str] = (),
) -> Iterator[Submission]:
    """Submit `trials`; yields each submission after it is recorded in the run. `exclude` names nodes to avoid.

    Every batch is tested with `sbatch --test-only` before the first one is submitted. Raises `ResourceError` where
    there is no Slurm, or with Slurm's own message where it refuses a batch.
    """
    with outside_any_job():
        parts = batches(trials, largest=_largest_array(), parallel=parallel)
        _refuse_strays(run, {_job_name(run, part) for part in parts})
        for part in parts:
            _test_submission(run, profile, part, exclude)
        jobs: list[str] = []
        for part in parts:
            after = None if part.after is None else jobs[part.after]
            executor = _executor(run, profile, part, exclude, after)
            place = place_of(part.trials[0], profile, plan.device)
            for trial in part.trials:
                clear_for_attempt(run, trial.name)
            try:
                with executor.batch():
                    handles = [executor.submit(_task(run, plan, trial)) for trial in part.trials]
            except (FailedJobError, FailedSubmissionError, OSError) as error:
                raise ResourceError(
                    f"Slurm refused {part.job}: {_error_lines(str(error))}; "
                    f"{len(jobs)} of {len(parts)} arrays are submitted, lab2 resume submits the rest"
                ) from error
            jobs.append(handles[0].job_id.partition("_")[0])
            submission = Submission(
                job_id=jobs[-1],
                job_name=_job_name(run, part),
                trials=tuple(trial.name for trial in part.trials),
                submitted_at=datetime.now(UTC).isoformat(timespec="seconds"),
                excluded=tuple(exclude),
                place=place,
            )
            write_submission(run, submission)
            yield submission


def check_submission(run: RunDir, trials: Sequence[Trial], profile: Profile, *, parallel: int | None) -> None:
    """Test with Slurm every batch of a run that does not exist yet; submits and writes nothing.

    Raises `ResourceError` where there is no Slurm or it would refuse, `ConfigError` for an image that does not exist.
    """
    with outside_any_job():
        for part in batches(trials, largest=_largest_array(), parallel=parallel):
            _test_submission(run, profile, part, ())


def scripts(run: RunDir, trials: Sequence[Trial], profile: Profile, *, parallel: int | None) -> Iterator[str]:
    """Each batch script as it would be submitted. Writes nothing."""
    for part in batches(trials, largest=_largest_array(), parallel=parallel):
        script = _script(
            _executor(run, profile, part, (), "<the job before>" if part.after is not None else None), part
        )
        shown = container.shown_command(run, profile, part.trials)
        yield f"{script}\n# on a node like this machine that runs: {shown}" if shown else script


def cancel(run: RunDir, trials: Sequence[str]) -> list[str]:
    """Cancel the jobs of `trials`, and mark them so that they are not requeued; returns their ids.

    Raises `ResourceError` where scancel fails.
    """
    jobs = latest_jobs(read_submissions(run))
    ids = [jobs[trial] for trial in trials if trial in jobs]
    for job_id in ids:
        mark_cancelled(run, job_id)
    try:
        for start in range(0, len(ids), 500):  # the length of a command line is limited
            cancel_jobs(ids[start : start + 500])
    except (OSError, subprocess.SubprocessError) as error:
        message = str(getattr(error, "stderr", "") or error).strip()
        raise ResourceError(f"scancel: {message}; they are marked and will not be requeued; try again") from error
    return ids


def suspects(run: RunDir, trials: Sequence[TrialStatus]) -> list[str]:
    """The nodes that may be broken: a trial failed there without an exit note or by a signal other than SIGTERM.

    Nodes that earlier submissions excluded are included. SIGTERM comes from Slurm and says nothing about the node.
    """
    submissions, exits = read_submissions(run), read_exit_notes(run)
    excluded = {node for submission in submissions for node in submission.excluded}
    jobs = latest_jobs(submissions)
    killed = set()
    for trial in trials:
        note = exits.get(jobs.get(trial.trial, ""))
        by_the_node = note is None or (note.exit_code > 128 and note.exit_code != TERMINATED)
        if trial.state == "failed" and trial.node and by_the_node and not run.shard(trial.trial).exists():
            killed.add(trial.node)
    return sorted(excluded | killed)


@contextmanager
def outside_any_job() -> Iterator[None]:
    """Hide the variables of the Slurm job in which lab2 may run: new jobs would inherit its array ids as theirs."""
    hidden = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name.startswith(("SLURM_", "SUBMITIT_", "SRUN_")) and name not in INHERITED
    }
    try:
        yield
    finally:
        os.environ.update(hidden)


def _largest_array() -> int:
    try:
        return max_array_size()
    except (OSError, subprocess.SubprocessError) as error:
        message = str(getattr(error, "stderr", "") or error).strip()
        raise ResourceError(
            f"no Slurm answers here ({_error_lines(message)}); submit where sbatch works, or use lab2 run-local"
        ) from error


def _task(run: RunDir, plan: Plan, trial: Trial) -> TrialTask:
    return TrialTask(run.path, trial.name, plan.device, requeue=True)


def _job_name(run: RunDir, part: Batch) -> str:
    return f"lab2-{run.path.name}-{part.job}"


def _executor(
    run: RunDir, profile: Profile, part: Batch, exclude: Sequence[str], after: str | None
) -> submitit.SlurmExecutor:
    """A new executor for each batch: an executor keeps the parameters of earlier batches."""
    need = part.trials[0].job.resources
    gpus = None if profile.gres or not need.gpus else need.gpus
    extra: dict[str, object] = {"requeue": True, **profile.sbatch}
    if profile.workdir:
        extra["chdir"] = profile.workdir
    executor = submitit.SlurmExecutor(run.logs(part.job), python=container.python_command(run, profile, part.trials))
    executor.update_parameters(
        job_name=_job_name(run, part),
        partition=profile.partition,
        account=profile.account,
        qos=profile.qos,
        constraint=profile.constraint,
        gres=profile.gres,
        gpus_per_node=gpus,
        cpus_per_task=need.cpus,
        mem=f"{math.ceil(need.memory_gb * 1024)}M",
        time=math.ceil(need.timeout_min),
        signal_delay_s=profile.signal_delay_s,
        array_parallelism=part.max_running or profile.array_parallelism or len(part.trials),
        dependency=f"afterany:{after}" if after else None,
        exclude=",".join(exclude) or None,
        wckey=profile.wckey,
        setup=[*batch_lines(run, profile.setup), *container.container_lines(profile)],
        # Since Slurm 22.05 srun does not inherit --cpus-per-task from sbatch.
        srun_args=[f"--cpus-per-task={need.cpus}", *container.srun_arguments(run, profile, part.trials), *profile.srun],
        stderr_to_stdout=True,
        additional_parameters=extra,
    )
    return executor


def _script(executor: submitit.SlurmExecutor, part: Batch) -> str:
    if len(part.trials) > 1:
        executor.parameters["map_count"] = len(part.trials)
    return str(executor._make_submission_file_text(executor._submitit_command_str, "dry-run"))


def _test_submission(run: RunDir, profile: Profile, part: Batch, exclude: Sequence[str]) -> None:
    """Test a batch with `sbatch --test-only`. Raises `ResourceError` with Slurm's message where it would be refused."""
    script = _script(_executor(run, profile, part, exclude, None), part)
    try:
        done = subprocess.run(
            ["sbatch", "--test-only"], input=script, capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ResourceError(f"sbatch: {error}") from error
    # While nodes are down, --test-only refuses what a real sbatch would accept.
    only_away = "configuration is not available" in done.stderr and _nodes_away()
    if done.returncode and not only_away:
        raise ResourceError(f"Slurm would refuse {part.job}: {_error_lines(done.stderr)}; mend the profile or the job")


def _refuse_strays(run: RunDir, names: Collection[str]) -> None:
    """Raise `ResourceError` where Slurm has a job of this run without a record: lab2 was killed right after sbatch."""
    answer = query_queue(run, sorted(names))
    known = {submission.job_id for submission in read_submissions(run)}
    strays = {job.partition("_")[0] for job in answer.listed if answer.jobs[job].active} - known
    if strays:
        raise ResourceError(
            f"Slurm has job {', '.join(sorted(strays))} of this run, which the run does not know: a submission was cut "
            f"off; scancel {' '.join(sorted(strays))}, then resume the run"
        )


def _nodes_away() -> bool:
    """Whether some nodes are down, drained or in maintenance now."""
    listed = subprocess.run(
        ["sinfo", "--noheader", "--states=down,drain,fail,maint", "--format=%n"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return bool(listed.stdout.strip())


def write_profile(run: RunDir, profile: Profile) -> None:
    """Save the profile in the run, so that `lab2 resume` needs no other file."""
    write_whole(run.profile, PROFILE.dump_json(profile, indent=2))


def read_run_profile(run: RunDir) -> Profile | None:
    """The profile of the run's submission; None where it was not submitted. Raises `RunError` for an invalid file."""
    try:
        return PROFILE.validate_json(read_regular(run.profile, SMALL))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, ConfigError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        why = first_error(error) if isinstance(error, ValidationError) else why
        raise RunError(f"{run.profile}: not a profile ({why}); lab2 resume --profile NAME writes it anew") from error


def _error_lines(output: str) -> str:
    """The errors in what a Slurm command printed; its last line where no line says "error:"."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith("Try ")]
    errors = [line for line in lines if "error:" in line] or lines[-1:] or ["it does not say why"]
    return "; ".join(line.rpartition("error: ")[2] for line in dict.fromkeys(errors))
