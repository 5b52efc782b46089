"""One session of pytest in a process of its own; it writes what came of it as JSON. Nothing of lab2 is imported here.

Two kinds: `record` runs whole files of tests under coverage and says which test ran which line; `choose` runs given
tests in a given order and stops where one fails.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

NOT_RUN = "not slurm and not image"
TEST = "MUTANTS_TEST"  # the environment variable that tells the processes of a test which test that is
TIMED_OUT = re.compile(r"Failed: Timeout \(>")


def run(job: dict[str, Any]) -> NoReturn:
    """Do the job, write `job["outcome"]`, and end the process."""
    os.environ.pop(TEST, None)
    with Path(job["log"]).open("w") as log, Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        f"--rootdir={Path.cwd()}",
        f"--basetemp={job['temporary']}",
        "-o",
        "timeout_method=signal",
    ]
    if job["kind"] == "record":
        outcome = _record([*job["files"], *options, "-m", NOT_RUN], Path(job["data"]))
    else:
        outcome = _choose([*job["files"], *options, "-x"], job["tests"])
    Path(job["outcome"]).write_text(json.dumps(outcome))
    sys.stdout.flush()
    os._exit(0)  # no thread of a test holds it up


def _choose(words: list[str], tests: dict[str, float]) -> dict[str, Any]:
    chosen = _Chosen(tests)
    code = int(pytest.main(words, plugins=[chosen]))
    return {"code": code, "ran": chosen.ran, "failed": chosen.failed, "timed_out": chosen.timed_out}


class _Chosen:
    """Keeps `tests` alone, in their order; each has a time limit in seconds."""

    def __init__(self, tests: dict[str, float]) -> None:
        self.tests = tests
        self.ran = 0
        self.failed = ""
        self.timed_out = False

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        place = {name: number for number, name in enumerate(self.tests)}
        items[:] = sorted((item for item in items if item.nodeid in place), key=lambda item: place[item.nodeid])
        for item in items:
            item.add_marker(pytest.mark.timeout(self.tests[item.nodeid]), append=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.ran += report.when == "call"
        if report.failed and not self.failed:
            self.failed = report.nodeid
            self.timed_out = bool(TIMED_OUT.search(str(report.longrepr)))


def _record(words: list[str], data: Path) -> dict[str, Any]:
    from coverage import Coverage

    settings = data / "coveragerc"
    settings.write_text(
        f"[run]\ndata_file = {data}/lines\nparallel = true\ninclude = {Path.cwd()}/lab2/*\ncontext = ${{{TEST}}}\n"
        "disable_warnings = no-data-collected\n"
    )
    os.environ["COVERAGE_PROCESS_START"] = str(settings)  # for the processes of tests
    coverage = Coverage(config_file=str(settings))
    recorded = _Recorded(coverage)
    coverage.start()
    code = int(pytest.main(words, plugins=[recorded]))
    coverage.stop()
    coverage.save()
    coverage.combine([str(data)], keep=True)
    found = coverage.get_data()
    lines: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for path in found.measured_files():
        for line, tests in found.contexts_by_lineno(path).items():
            for test in tests:
                lines[test][str(Path(path).relative_to(Path.cwd()))].append(line)
    return {
        "code": code,
        "imported": lines.get("", {}),
        "tests": {
            name: {"seconds": seconds, "failed": name in recorded.failed, "lines": lines.get(name, {})}
            for name, seconds in recorded.seconds.items()
            if name not in recorded.skipped
        },
    }


class _Recorded:
    """Tells coverage which test runs, and keeps how long each took and which failed."""

    def __init__(self, coverage: Any) -> None:
        self.coverage = coverage
        self.seconds: dict[str, float] = defaultdict(float)
        self.failed: set[str] = set()
        self.skipped: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        os.environ[TEST] = item.nodeid
        self.coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self.coverage.switch_context("")
            del os.environ[TEST]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.add(report.nodeid)
        if report.skipped:
            self.skipped.add(report.nodeid)
