"""Forks a process for each job that comes in: a line of JSON. It has imported what the tests import, but not lab2.

python -m tests.mutants.server < jobs > answers, in the copy of the repository that shall be tested.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.mutants import child

OURS = ("lab2", "tests", "jobs", "benchmarks")
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>
POLL_S = 0.02

LIST_MODULES = """
import sys, pytest
pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider"])
print("MODULES", *sys.modules)
"""


def main() -> None:
    """Serve until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what an import prints is no answer
    signal.signal(signal.SIGTERM, _end)
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # nobody asks any more
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)  # what a test leaves behind becomes a child of this process
    import_what_tests_import()
    print("ready", file=answers)
    for line in sys.stdin:
        print(json.dumps(do(json.loads(line))), file=answers)


def _end(*_: object) -> None:
    end_children()
    os._exit(0)


def import_what_tests_import() -> None:
    """All modules but ours, in the order in which the tests import them."""
    words = [sys.executable, "-c", LIST_MODULES]
    done = subprocess.run(words, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    for name in done.stdout.partition("MODULES ")[2].split():
        if name.split(".")[0] not in OURS:
            with suppress(Exception):  # some exist only once another has made them
                importlib.import_module(name)


def do(job: dict[str, Any]) -> dict[str, Any]:
    """Run it to its end, or for `job["limit"]` seconds; nothing that it started is left."""
    Path(job["outcome"]).unlink(missing_ok=True)
    began = time.monotonic()
    process = os.fork()
    if process == 0:
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            child.run(job)
        finally:
            os._exit(70)  # whatever it raised: this is no second server
    in_time = True
    while os.waitpid(process, os.WNOHANG) == (0, 0):
        if in_time and time.monotonic() - began > job["limit"]:
            in_time = False
            os.killpg(process, signal.SIGKILL)
        time.sleep(POLL_S)
    end_children()
    outcome: dict[str, Any] = {"code": None}  # it died, or was ended
    if Path(job["outcome"]).is_file():
        outcome = json.loads(Path(job["outcome"]).read_text())
    return outcome | {"in_time": in_time, "seconds": time.monotonic() - began}


def end_children() -> None:
    """End every process that the job left behind."""
    while left := Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        for process in map(int, left):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(process, 0)


if __name__ == "__main__":
    main()
