"""Which test runs which line, and how long each takes: recorded file by file, kept until the file or lab2 changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.mutants.mutant import Mutant

LEAST_LIMIT_S = 20.0
SLOWER = 5  # a test that takes this many times as long as before, and more than the least, loops


@dataclass(slots=True)
class Suite:
    """The tests that pass on the code as it stands."""

    seconds: dict[str, float] = field(default_factory=dict)  # by test
    tests: dict[str, dict[int, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    imported: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))  # lines that ran outside of tests
    failing: list[str] = field(default_factory=list)  # these tell nothing of a mutant

    def add(self, recorded: Mapping[str, Any]) -> None:
        """The tests of one file, as `child.py` recorded them."""
        for path, lines in recorded["imported"].items():
            self.imported[path].update(lines)
        for test, found in recorded["tests"].items():
            if found["failed"]:
                self.failing.append(test)
                continue
            self.seconds[test] = found["seconds"]
            for path, lines in found["lines"].items():
                for line in lines:
                    self.tests[path][line].add(test)

    def choose(self, mutant: Mutant, budget: float) -> dict[str, float]:
        """The tests that may notice it, the quickest first, for up to `budget` seconds; and the seconds each may take.

        They are those that run the changed statement. One that runs at import has run before any test does: there the
        tests that run other lines of its class come first, then those of its file, then all others.
        """
        statement = set(range(mutant.statement[0], mutant.statement[1] + 1))
        by_line, imported = self.tests.get(mutant.path, {}), self.imported[mutant.path]
        if mutant.at_import or (imported & statement and not _running(by_line, statement)):
            around = set(range(mutant.around[0], mutant.around[1] + 1))
            circles = [_running(by_line, lines - imported) for lines in (around, by_line.keys())]
            circles.append(set(self.seconds))
        else:
            circles = [_running(by_line, statement)]
        chosen: dict[str, float] = {}
        for circle in circles:
            for test in sorted(circle - chosen.keys(), key=lambda one: (self.seconds[one], one)):
                budget -= self.seconds[test]
                if budget < 0 and chosen:
                    return chosen
                chosen[test] = max(LEAST_LIMIT_S, SLOWER * self.seconds[test])
        return chosen


def _running(by_line: Mapping[int, set[str]], lines: Iterable[int]) -> set[str]:
    return set().union(*(by_line.get(line, ()) for line in lines))
