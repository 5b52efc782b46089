"""The batch script's part in a trial: what it sets up, how it ends, and the note that it leaves.

A trial that was stopped in time ends with exit code `GO_ON`: its checkpoint is on disk, and the batch script,
which sees Slurm also where the trial runs in a container, puts the job back into the queue.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter

from lab2.launch.environment import ALLOCATION
from lab2.results.run_dir import RunDir
from lab2.whole_file import write_whole

GO_ON = 85
REFUSED = 78  # EX_CONFIG of sysexits.h: what slurm/containers/in-image ends with
TERMINATED = 143  # by SIGTERM: cancelled, or preempted, or at the end of its time

# Traps, and not lines after srun: they also run when srun is killed, or when a line of the user's fails.
# scontrol is asked for some minutes, for the controller may be just restarting.
_SCRIPT = r"""
lab2_job="${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"
lab2_leave() {
  code=$?
  trap - EXIT
  trap '' TERM
  note="$lab2_exits/$lab2_job.${SLURM_RESTART_COUNT:-0}.json"
  printf '{"exit_code": %d, "node": "%s"}\n' "$code" "${SLURMD_NODENAME:-$(hostname)}" > "$note.tmp"
  sync "$note.tmp" && mv "$note.tmp" "$note"
  if [ "$code" -eq 85 ] && [ ! -e "$lab2_exits/$lab2_job.cancelled" ]; then
    for _ in $(seq 30); do
      state=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T) && break
      sleep 10
    done
    [ "$state" = RUNNING ] && scontrol requeue "$SLURM_JOB_ID"
  fi
  exit "$code"
}
trap lab2_leave EXIT
trap 'exit 143' TERM
""".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How the newest attempt of a job ended."""

    exit_code: int  # 128 + n: by signal n
    node: str
    restart: int = 0  # how often Slurm had started the job before


_EXIT: TypeAdapter[Exit] = TypeAdapter(Exit)


def setup_lines(run: RunDir, own: Sequence[str]) -> list[str]:
    """What stands in the batch script before srun; `own` are the profile's lines."""
    kept = [f'export {name}="${{{name}:-{value}}}"' for name, value in ALLOCATION.items()]
    return [
        f"lab2_exits={shlex.quote(str(run.exits))}",
        *_SCRIPT.splitlines(),
        *kept,
        'export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$SLURM_CPUS_PER_TASK}"',
        *own,
    ]


def read_exits(run: RunDir) -> dict[str, Exit]:
    """How each job of the run ended, by Slurm's id; a note that is not whole is none."""
    found: dict[str, Exit] = {}
    for path in run.exits.glob("*.json"):
        job_id, _, restart = path.stem.rpartition(".")
        try:
            one = replace(_EXIT.validate_json(path.read_bytes()), restart=int(restart))
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
