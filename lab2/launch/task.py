"""What submitit pickles and a trial's process calls: a name and a place, so that no pickle can go stale."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from lab2.launch.batch import GO_ON
from lab2.launch.environment import leave_threads_unbound
from lab2.results.run_dir import RunDir
from lab2.stop import Stopped, StopSignal

LIFELINE_SECONDS = 60


def _end_with_the_client() -> None:
    """End when standard input does: whoever started this container is gone, and nobody else would end it."""
    while os.read(0, 1):  # not sys.stdin: its lock would be held when Python ends
        pass
    logging.getLogger("lab2").warning("the container's client is gone")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LIFELINE_SECONDS)
    os._exit(1)  # as PID 1 of a container it cannot send itself SIGKILL


@dataclass(frozen=True, slots=True)
class TrialTask:
    """Runs the trial of that name in the plan that lies in `run_path`."""

    run_path: Path
    trial: str
    device: str
    threads: int | None = None  # None: all cores that the process may use
    requeue: bool = False  # whoever started this will start it again when it ends with `GO_ON`

    def __call__(self) -> str:
        """The status of the shard that it leaves. The result is the shard: nobody reads this pickle."""
        leave_threads_unbound()
        if os.environ.get("LAB2_LIFELINE"):
            threading.Thread(target=_end_with_the_client, daemon=True).start()
        try:
            with StopSignal() as stop:  # from here on: importing torch takes its time
                from lab2.trial import run_trial  # imports torch, which the launching machine need not have

                logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
                logging.getLogger("lab2").setLevel(logging.INFO)
                run = RunDir(self.run_path)
                trial = next(t for t in run.read_plan().trials if t.name == self.trial)
                return run_trial(
                    trial, run, device=self.device, threads=self.threads, requeue=self.requeue, stop=stop
                ).status
        except Stopped:
            if not self.requeue:
                raise
            logging.getLogger("lab2").info("told to stop; it goes on from its checkpoint")
            sys.exit(GO_ON)
