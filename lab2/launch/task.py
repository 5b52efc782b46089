"""The callable that submitit pickles and a trial's process calls.

It holds only the trial's name and the run's path. The configuration is read from the run's plan, so that a pickle
cannot become out of date.
"""

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

VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")  # ROCm prefers its own; of NVIDIA's it is not read
LIFELINE_SECONDS = 60  # from SIGTERM to the end of the process


def _end_with_the_client() -> None:
    """End this process when its standard input is closed.

    Then the client that started the container has died, and no other process would end the container.
    """
    while os.read(0, 1):  # not sys.stdin: this thread would hold its lock when Python ends
        pass
    logging.getLogger("lab2").warning("the container's client is gone")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LIFELINE_SECONDS)
    os._exit(1)  # SIGKILL would have no effect: PID 1 of a container cannot kill itself


@dataclass(frozen=True, slots=True)
class TrialTask:
    """Runs the trial named `trial` of the plan in `run_path`."""

    run_path: Path
    trial: str
    device: str
    gpu: str | None = None  # as the variables `VISIBLE` name it; None: what the process sees anyhow
    threads: int | None = None  # None: all cores that the process may use
    at_once: int | None = None  # trials on this machine while it trains, itself included; None: not known
    requeue: bool = False  # the batch script starts the trial again when it ends with `GO_ON`
    gpu_share: float = 1.0  # of the GPU's memory; others may take the rest

    def __call__(self) -> str:
        """Run the trial and return its shard's status. The shard is the result: the pickled status is not read."""
        leave_threads_unbound()
        if self.gpu is not None:  # CUDA and HIP read these when they are first used
            os.environ.update(dict.fromkeys(VISIBLE, self.gpu))
        if os.environ.get("LAB2_LIFELINE"):
            threading.Thread(target=_end_with_the_client, daemon=True).start()
        try:
            with StopSignal() as stop:  # before torch is imported: that takes seconds, and SIGTERM may come
                from lab2.trial import run_trial  # here, because the launching machine may have no torch

                logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
                logging.getLogger("lab2").setLevel(logging.INFO)
                run = RunDir(self.run_path)
                trial = next(t for t in run.read_plan().trials if t.name == self.trial)
                shard = run_trial(
                    trial,
                    run,
                    device=self.device,
                    threads=self.threads,
                    at_once=self.at_once,
                    gpu_share=self.gpu_share,
                    requeue=self.requeue,
                    stop=stop,
                )
                return shard.status
        except Stopped:
            if not self.requeue:
                raise
            logging.getLogger("lab2").info("told to stop; it goes on from its checkpoint")
            sys.exit(GO_ON)
