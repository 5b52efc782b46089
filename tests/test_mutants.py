"""`make mutants` changes what it says, runs the tests that run it, and counts what they notice."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants.memory import Finding, Memory
from tests.mutants.mutant import Mutant, changes_of, sample
from tests.mutants.report import Reason, outdated, report
from tests.mutants.suite import Suite
from tests.mutants.workers import Worker

SOURCE = '''"""Sums."""
from __future__ import annotations

LIMIT = 3


def add(x: int, y: int = 1) -> int:
    """Add."""
    if x > LIMIT:
        raise ValueError("too large")
    return x + len([y])
'''


def drawn(root: Path, source: str = SOURCE, count: int = 100, seed: int = 1) -> list[Mutant]:
    (root / "lab2").mkdir(exist_ok=True)
    (root / "lab2" / "sums.py").write_text(source)
    return sample(changes_of(root, "lab2/sums.py"), count, seed)


def change(root: Path, diff: str, source: str = SOURCE) -> Mutant:
    """The one that changes this."""
    (found,) = [mutant for mutant in drawn(root, source) if mutant.diff() == diff]
    return found


LARGER_LIMIT = "-LIMIT = 3\n+LIMIT = 4"
AT_THE_LIMIT = "-if x > LIMIT:\n+if x >= LIMIT:"
OTHER_SIGN = "-return x + len([y])\n+return x - len([y])"
OTHER_DEFAULT = "-def add(x: int, y: int = 1) -> int:\n+def add(x: int, y: int = 2) -> int:"


def test_every_place_is_changed_but_docstrings_annotations_errors_and_what_len_is_of(tmp_path: Path):
    no_limit = "-LIMIT = 3\n+LIMIT = None"
    assert {mutant.diff() for mutant in drawn(tmp_path)} == {
        LARGER_LIMIT, no_limit, AT_THE_LIMIT, OTHER_SIGN, OTHER_DEFAULT,
    }  # fmt: skip


def test_what_zip_asserts_is_not_changed(tmp_path: Path):
    source = "def pairs(a, b):\n    return zip(a, b, strict=True)\n"
    assert {mutant.after for mutant in drawn(tmp_path, source)} == {
        ("    return zip(None, b, strict=True)\n",), ("    return zip(a, None, strict=True)\n",),
        ("    return zip(b, strict=True)\n",), ("    return zip(a, strict=True)\n",),
    }  # fmt: skip


def test_a_change_is_of_its_line_alone(tmp_path: Path):
    changed = change(tmp_path, AT_THE_LIMIT).applied_to(SOURCE.splitlines(keepends=True))
    assert "".join(changed) == SOURCE.replace("x > LIMIT", "x >= LIMIT")


def test_decorated_functions_and_the_bodies_of_classes_are_changed_too(tmp_path: Path):
    source = "class A:\n    size = 2\n\n    @property\n    def half(self):\n        return self.size / 2\n"
    assert "-return self.size / 2\n+return self.size * 2" in [mutant.diff() for mutant in drawn(tmp_path, source)]
    assert change(tmp_path, "-size = 2\n+size = 3", source).scope == "A"


def test_what_is_drawn_stays_when_lines_move_and_others_come(tmp_path: Path):
    before = {mutant.key for mutant in drawn(tmp_path, count=3)}
    later = drawn(tmp_path, f"{SOURCE}\n\nMORE = 1\n".replace('"""Sums."""', '"""Sums."""\n\n'), count=5)
    assert before <= {mutant.key for mutant in later}
    assert {mutant.key for mutant in drawn(tmp_path, count=3, seed=2)} != before


class TestChoice:
    @pytest.fixture
    def suite(self) -> Suite:
        """`slow` runs all of `add`, `quick` its first line alone, `other` nothing of it."""
        suite = Suite()
        lines = {"slow": [9, 11], "quick": [9], "other": []}
        tests = {
            name: {"seconds": seconds, "failed": False, "lines": {"lab2/sums.py": lines[name]}}
            for name, seconds in (("slow", 10.0), ("quick", 1.0), ("other", 0.1))
        }
        broken = {"broken": {"seconds": 0.1, "failed": True, "lines": {"lab2/sums.py": [9, 11]}}}
        suite.add({"imported": {"lab2/sums.py": [4, 7]}, "tests": tests | broken})
        return suite

    def test_the_tests_that_run_the_line_are_run_the_quickest_first(self, suite: Suite, tmp_path: Path):
        assert list(suite.choose(change(tmp_path, AT_THE_LIMIT), 100)) == ["quick", "slow"]
        assert list(suite.choose(change(tmp_path, OTHER_SIGN), 100)) == ["slow"]

    def test_what_runs_at_import_is_asked_of_all_tests_those_of_its_function_first(self, suite: Suite, tmp_path: Path):
        assert list(suite.choose(change(tmp_path, OTHER_DEFAULT), 100)) == ["quick", "slow", "other"]

    def test_the_time_is_kept_but_for_one_test(self, suite: Suite, tmp_path: Path):
        assert list(suite.choose(change(tmp_path, AT_THE_LIMIT), 5)) == ["quick"]
        assert list(suite.choose(change(tmp_path, OTHER_SIGN), 5)) == ["slow"]

    def test_a_slow_test_has_more_time_before_it_counts_as_endless(self, suite: Suite, tmp_path: Path):
        assert suite.choose(change(tmp_path, AT_THE_LIMIT), 100) == {"quick": 20.0, "slow": 50.0}

    def test_a_test_that_fails_anyway_is_named_and_asked_nothing(self, suite: Suite):
        assert suite.failing == ["broken"]


def finding(mutant: Mutant, **more) -> Finding:
    ended = {"status": "survived", "by": "", "ran": 2, "runnable": 2, "budget": 9.0, "seconds": 1.0, "tests": ""}
    return Finding(key=mutant.key, **{**ended, **more})


def test_a_report_counts_what_was_noticed_and_wants_a_reason_for_the_rest(tmp_path: Path):
    mutants = [change(tmp_path, diff) for diff in (LARGER_LIMIT, AT_THE_LIMIT, OTHER_SIGN, OTHER_DEFAULT)]
    mutants[3] = replace(mutants[3], path="lab2/spec/job.py")
    statuses = ("survived", "noticed", "timed out", "survived")
    found = [(mutant, finding(mutant, status=status)) for mutant, status in zip(mutants, statuses, strict=True)]
    made = report(found, [Reason("lab2/sums.py", LARGER_LIMIT, "No one is that large.")])
    assert made.share == 0.5
    assert [one.mutant.diff() for one in made.unexplained] == [OTHER_DEFAULT]
    text = made.markdown()
    assert "| lab2/spec | 1 | 0 | 0 | 1 | 0.0% |" in text
    assert "| all | 4 | 2 | 1 | 2 | 50.0% |" in text
    assert "No one is that large." in text
    assert "lab2/spec/job.py:7 (2 of the 2 tests that may notice it were run)" in text


def test_a_reason_of_a_line_that_is_gone_is_named(tmp_path: Path):
    drawn(tmp_path)
    stands, gone = Reason("lab2/sums.py", AT_THE_LIMIT, ""), Reason("lab2/sums.py", "-LIMIT = 2\n+LIMIT = 3", "")
    assert outdated(tmp_path, [stands, gone]) == [gone]


TESTS = """
import subprocess, sys
import lab2.sums

def test_sum():
    assert lab2.sums.add(2) == 3

def test_another_process():
    subprocess.run([sys.executable, "-c", "import lab2.sums; lab2.sums.add(1); lab2.sums.spare()"], check=True)
"""
SPARE = "\n\ndef spare():\n    while LIMIT > 3:\n        pass\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two tests of one file, of which `spare` runs in a process of its own alone; and the tool."""
    root = tmp_path / "repository"
    for name, text in (("lab2/__init__.py", ""), ("tests/test_sums.py", TESTS), ("lab2/sums.py", SOURCE + SPARE)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    shutil.copytree(Path(__file__).parent / "mutants", root / "tests" / "mutants")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


@pytest.mark.slow
def test_changes_are_met_by_every_process_of_a_test_and_undone(repository: Path, tmp_path: Path):
    worker = Worker(repository, tmp_path / "copy")
    sum_, other = "tests/test_sums.py::test_sum", "tests/test_sums.py::test_another_process"
    try:
        recorded = worker.record("tests/test_sums.py", 60)
        lines = {name: found["lines"]["lab2/sums.py"] for name, found in recorded.tests.items()}
        assert lines[sum_] == [9, 11]
        assert {9, 11, 15} <= set(lines[other])

        def result(diff: str, *tests: str, seconds: float = 60.0) -> tuple[int | None, str, bool]:
            mutant = change(repository, diff, SOURCE + SPARE)
            outcome = worker.test(mutant, dict.fromkeys(tests, seconds), 60)
            return outcome.code, outcome.failed, outcome.timed_out

        assert result(OTHER_SIGN, other, sum_) == (1, sum_, False)
        assert result(AT_THE_LIMIT, other, sum_) == (0, "", False)
        assert result("-while LIMIT > 3:\n+while LIMIT >= 3:", sum_, other, seconds=3) == (1, other, True)
        assert result("-LIMIT = 3\n+LIMIT = None", other) == (1, other, False)
        assert (tmp_path / "copy" / "lab2" / "sums.py").read_text() == SOURCE + SPARE
    finally:
        worker.end()


def test_what_is_known_holds_while_what_it_rests_on_does(repository: Path):
    tests, more = repository / "tests" / "test_sums.py", repository / "tests" / "test_more.py"
    more.write_text("")

    def memory() -> Memory:
        return Memory(repository, repository / ".mutants")

    def known(budget: float = 9) -> set[str]:
        return set(memory().findings(budget))

    first = memory()
    noticed = {"status": "noticed", "by": "tests/test_sums.py::test_sum"}
    mutants = [change(repository, diff, SOURCE + SPARE) for diff in (AT_THE_LIMIT, OTHER_SIGN)]
    for mutant, found in zip(mutants, ({"status": "survived", "by": ""}, noticed), strict=True):
        first.keep_finding(finding(mutant, **found, tests=first.tests_behind(found["status"], found["by"])))
    with (repository / ".mutants" / "found.jsonl").open("a") as file:
        file.write('{"key": "cut')  # what an end in the midst of it leaves
    survivor, caught = (mutant.key for mutant in mutants)
    assert known() == {survivor, caught}
    assert known(budget=10) == {caught}
    more.write_text("def test_more(): ...\n")
    assert known() == {caught}
    tests.write_text(f"{TESTS}\n")
    assert known() == set()
    (repository / "lab2" / "sums.py").write_text(SOURCE)
    assert not (memory().folder / "found.jsonl").exists()
