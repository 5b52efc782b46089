"""The batch script of a Slurm job: its set-up lines, its exit trap and its exit note.

A trial that was stopped before its time limit writes a checkpoint and ends with exit code `GO_ON`. The batch script
then requeues the job. The trial cannot do so itself: in a container it has no access to Slurm.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter

from lab2.foreign_text import keep_visible
from lab2.launch.environment import ALLOCATION
from lab2.regular_file import SMALL, read_regular
from lab2.results.run_dir import RunDir
from lab2.whole_file import write_whole

GO_ON = 85  # exit code: a checkpoint is on disk, the trial is to be started again
REFUSED = 78  # exit code of slurm/containers/in-image for a wrong configuration; EX_CONFIG in sysexits.h
TERMINATED = 143  # exit code after SIGTERM: cancelled, preempted or at the time limit

# The script uses traps instead of lines after srun: traps also run when srun is killed or a line of the user's fails.
# The requeue is tried for some minutes, because the Slurm controller may be restarting.
# A task of an array is named ARRAY_TASK. Its SLURM_JOB_ID may be the id of the whole array: a requeue by that id
# would also requeue the tasks that are finished.
_SCRIPT = r"""
lab2_job="${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"
lab2_leave() {
  code=$?
  trap - EXIT
  trap '' TERM
  note="$lab2_exits/$lab2_job.${SLURM_RESTART_COUNT:-0}.json"
  why=
  [ "$code" -ne 143 ] || why=$(timeout 5 scontrol -o show job "$lab2_job" | sed -n 's/.* Reason=\([A-Za-z]*\) .*/\1/p')
  printf '{"exit_code": %d, "node": "%s", "why": "%s"}\n' "$code" "${SLURMD_NODENAME:-$(hostname)}" "$why" > "$note.tmp"
  sync "$note.tmp" && mv "$note.tmp" "$note"
  if [ "$code" -eq 85 ] && [ ! -e "$lab2_exits/$lab2_job.cancelled" ]; then
    for _ in $(seq 30); do
      state=$(squeue --noheader --jobs="$lab2_job" --format=%T) &&
        { [ "$state" != RUNNING ] || scontrol requeue "$lab2_job"; } && break
      sleep 10
    done
  fi
  exit "$code"
}
trap lab2_leave EXIT
trap 'exit 143' TERM
""".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitNote:
    """How the newest attempt of a Slurm job ended, as the batch script wrote it."""

    exit_code: int  # 128 + n means ended by signal n
    node: str
    restart: int = 0  # number of earlier starts of this job
    why: str = ""  # after SIGTERM, Slurm's reason: TimeLimit, Preempted, None

    def __post_init__(self) -> None:
        keep_visible(self)


_EXIT_NOTE: TypeAdapter[ExitNote] = TypeAdapter(ExitNote)


def batch_lines(run: RunDir, profile_lines: Sequence[str]) -> list[str]:
    """The lines of the batch script before srun; `profile_lines` (the profile's `setup`) come last."""
    allocation = [f'export {name}="${{{name}:-{value}}}"' for name, value in ALLOCATION.items()]
    return [
        f"lab2_exits={shlex.quote(str(run.exits))}",
        *_SCRIPT.splitlines(),
        *allocation,
        'export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$SLURM_CPUS_PER_TASK}"',
        *profile_lines,
    ]


def read_exit_notes(run: RunDir) -> dict[str, ExitNote]:
    """The newest exit note of each job, by Slurm's job id. Incomplete notes are skipped."""
    notes: dict[str, ExitNote] = {}
    for path in run.exits.glob("*.json"):
        job_id, _, restart = path.stem.rpartition(".")
        try:
            note = replace(_EXIT_NOTE.validate_json(read_regular(path, SMALL)), restart=int(restart))
        except (OSError, ValueError):
            continue
        if job_id not in notes or notes[job_id].restart < note.restart:
            notes[job_id] = note
    return notes


def mark_cancelled(run: RunDir, job_id: str) -> None:
    """Record that a user cancelled this job, so that the batch script does not requeue it."""
    write_whole(run.exits / f"{job_id}.cancelled", b"")


def cancelled_jobs(run: RunDir) -> set[str]:
    """Slurm's ids of the jobs that a user cancelled with `lab2 cancel`."""
    return {path.stem for path in run.exits.glob("*.cancelled")}
