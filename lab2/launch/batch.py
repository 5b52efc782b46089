"""The batch script's part in a trial: what it sets up, how it ends, and the note that it leaves.

A trial that was stopped in time ends with exit code `GO_ON`: its checkpoint is on disk, and the batch script,
which sees Slurm also where the trial runs in a container, puts the job back into the queue.
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

GO_ON = 85
REFUSED = 78  # EX_CONFIG of sysexits.h: what slurm/containers/in-image ends with
TERMINATED = 143  # by SIGTERM: cancelled, or preempted, or at the end of its time

# Traps, and not lines after srun: they also run when srun is killed, or when a line of the user's fails.
# Slurm is asked for some minutes, for the controller may be just restarting. A task of an array is named by both its
# numbers: SLURM_JOB_ID of one of them is the id of the whole array, and would put back what is finished.
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
    """How the newest attempt of a job ended."""

    exit_code: int  # 128 + n: by signal n
    node: str
    restart: int = 0  # how often Slurm had started the job before
    why: str = ""  # after SIGTERM, Slurm's reason: TimeLimit, Preempted, None

    def __post_init__(self) -> None:
        keep_visible(self)


_EXIT_NOTE: TypeAdapter[ExitNote] = TypeAdapter(ExitNote)


def batch_lines(run: RunDir, own: Sequence[str]) -> list[str]:
    """What stands in the batch script before srun; `own` are the profile's lines."""
    allocation = [f'export {name}="${{{name}:-{value}}}"' for name, value in ALLOCATION.items()]
    return [
        f"lab2_exits={shlex.quote(str(run.exits))}",
        *_SCRIPT.splitlines(),
        *allocation,
        'export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$SLURM_CPUS_PER_TASK}"',
        *own,
    ]


def read_exit_notes(run: RunDir) -> dict[str, ExitNote]:
    """How each job of the run ended, by Slurm's id; a note that is not whole is none."""
    found: dict[str, ExitNote] = {}
    for path in run.exits.glob("*.json"):
        job_id, _, restart = path.stem.rpartition(".")
        try:
            one = replace(_EXIT_NOTE.validate_json(read_regular(path, SMALL)), restart=int(restart))
        except (OSError, ValueError):
            continue
        if job_id not in found or found[job_id].restart < one.restart:
            found[job_id] = one
    return found


def mark_cancelled(run: RunDir, job_id: str) -> None:
    """Note that a user wants this job ended, so that it is not put back into the queue."""
    write_whole(run.exits / f"{job_id}.cancelled", b"")


def cancelled_jobs(run: RunDir) -> set[str]:
    """Slurm's ids of the jobs that a user cancelled with lab2."""
    return {path.stem for path in run.exits.glob("*.cancelled")}
