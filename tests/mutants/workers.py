"""Copies of the repository, and a server in each that runs tests there."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.mutants.mutant import Mutant

FIRST_SECOND = 2_000_000_000  # a time of its own for each changed file: Python tells stale byte code by size and second

Thing = TypeVar("Thing")


class WorkerError(Exception):
    """A server that ended by itself, or tests that cannot be run on the code as it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a session of pytest."""

    code: int | None  # pytest's; None where the process died or was ended
    in_time: bool
    seconds: float
    ran: int = 0  # tests
    failed: str = ""  # the first test that did; none where an import failed
    timed_out: bool = False  # that test
    tests: dict[str, Any] = field(default_factory=dict)  # what `child.py` recorded of each
    imported: dict[str, list[int]] = field(default_factory=dict)  # lines that ran outside of tests, by file


class Worker:
    """Runs tests in a copy of the repository, with at most one file of it changed."""

    def __init__(self, root: Path, copy: Path) -> None:
        self.copy = copy
        self.temporary = Path(tempfile.mkdtemp(prefix="lab2-mutants-"))  # in no repository, as tests expect
        self.changes = 0
        self.ready = False
        _make_copy(root, copy)
        environment = os.environ | {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
        self.server = subprocess.Popen(
            [sys.executable, "-m", "tests.mutants.server"],
            cwd=copy, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def record(self, test_file: str, limit: float) -> Outcome:
        """Run all tests of a file, under coverage; raises `WorkerError` where that cannot be done."""
        data = self.temporary / "coverage"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir()
        outcome = self._do({"kind": "record", "files": [test_file], "data": str(data), "limit": limit})
        if outcome.code not in (0, 1, 5):  # all passed, some failed, there are none
            raise WorkerError(f"{test_file} on the code as it stands: {self._last_words(outcome)}")
        return outcome

    def test(self, mutant: Mutant, tests: dict[str, float], limit: float) -> Outcome:
        """Run `tests`, each for so many seconds, on the changed code until one fails."""
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        with self._changed(mutant):
            return self._do({"kind": "choose", "files": files, "tests": tests, "limit": limit})

    def end(self) -> None:
        """Stop whatever still runs there."""
        self.server.terminate()
        self.server.communicate()
        shutil.rmtree(self.temporary, ignore_errors=True)

    @contextmanager
    def _changed(self, mutant: Mutant) -> Iterator[None]:
        path = self.copy / mutant.path
        original, at = path.read_text(), path.stat().st_mtime_ns
        self.changes += 1
        path.write_text("".join(mutant.applied_to(original.splitlines(keepends=True))))
        os.utime(path, (FIRST_SECOND + self.changes,) * 2)
        try:
            yield
        finally:
            path.write_text(original)
            os.utime(path, ns=(at, at))

    def _do(self, job: dict[str, Any]) -> Outcome:
        if not self.ready:
            self._answer()
            self.ready = True
        places = {name: str(self.temporary / name) for name in ("outcome", "log", "temporary")}
        assert self.server.stdin is not None
        self.server.stdin.write(json.dumps(job | places) + "\n")
        self.server.stdin.flush()
        return Outcome(**json.loads(self._answer()))

    def _answer(self) -> str:
        assert self.server.stdout is not None
        line = self.server.stdout.readline()
        if not line:
            raise WorkerError(f"{self.copy}: its server ended, with {self.server.wait()}")
        return line

    def _last_words(self, outcome: Outcome) -> str:
        said = (self.temporary / "log").read_text().splitlines()[-20:]
        return "\n".join([f"pytest ended with {outcome.code} after {outcome.seconds:.0f} s", *said])


@dataclass(frozen=True, slots=True)
class Workers:
    """Some that work at once."""

    idle: queue.Queue[Worker]
    pool: ThreadPoolExecutor

    def each(self, things: Iterable[Thing], do: Callable[[Worker, Thing], Outcome]) -> Iterator[tuple[Thing, Outcome]]:
        """Let them do something for each thing; yields what came of it as it comes."""
        waiting = {self.pool.submit(self._one, do, thing): thing for thing in things}
        for done in as_completed(waiting):
            yield waiting[done], done.result()

    def _one(self, do: Callable[[Worker, Thing], Outcome], thing: Thing) -> Outcome:
        worker = self.idle.get()
        try:
            return do(worker, thing)
        finally:
            self.idle.put(worker)


@contextmanager
def workers(root: Path, folder: Path, count: int) -> Iterator[Workers]:
    """`count` of them with copies of `root` in `folder`; all that they do ends with the block."""
    made = [Worker(root, folder / f"copy-{number}") for number in range(count)]
    idle: queue.Queue[Worker] = queue.Queue()
    for worker in made:
        idle.put(worker)
    pool = ThreadPoolExecutor(count)
    try:
        yield Workers(idle, pool)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in made:
            worker.end()


def _make_copy(root: Path, copy: Path) -> None:
    """What git knows or would add, as it stands now: who edits on changes nothing there.

    It is no repository of its own: one would call each changed file dirty, and a test may ask for that.
    """
    shutil.rmtree(copy, ignore_errors=True)
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(words, cwd=root, text=True).split("\0"):
        if name and (root / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name, follow_symlinks=False)
