"""How many configurations have been judged on a table's test images, by the ledger of the folder of runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lab2.results.collect import Comparison
from lab2.results.ledger import Ledger, TestSet, read_ledger, test_set
from lab2.results.run_dir import RunDir


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The count for each row, and sentences for the notes."""

    counts: Mapping[str, int] = field(default_factory=dict)  # by job; a job without a known count is not in it
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Rows:
    """The finished rows of a table that were tested on the same images."""

    dataset: str
    configurations: set[str] = field(default_factory=set)
    jobs: set[str] = field(default_factory=set)


def count_judged(run: RunDir, comparison: Comparison) -> Judged:
    """Count the configurations that were judged on the test images of `comparison`. Nothing is said of a smoke run."""
    tables = {} if comparison.plan.smoke else _by_test_set(comparison)
    if not tables:
        return Judged()
    try:
        ledger = read_ledger(run)
    except FileNotFoundError:
        return Judged(notes=(f"{_UNKNOWN}: {run.path.parent} has no {run.ledger.name}",))
    except OSError as error:
        return Judged(notes=(f"{_UNKNOWN}: {run.ledger}: {error.strerror}",))
    counts: dict[str, int] = {}
    notes = []
    for key, rows in tables.items():
        which = "these test images" if len(tables) == 1 else _named(key, rows)
        notes.append(_sentence(run, ledger, key, rows, which))
        noted = {use.configuration for use in ledger.uses if use.test_set == key}
        if noted:
            counts |= dict.fromkeys(rows.jobs, len(noted | rows.configurations))
    return Judged(counts=counts, notes=(*notes, *_broken(run, ledger)))


_UNKNOWN = "how many configurations have been judged on these test images is not known"


def _by_test_set(comparison: Comparison) -> dict[TestSet, _Rows]:
    found: dict[TestSet, _Rows] = {}
    configurations: dict[object, str] = {}  # the seeds of a job have one, which is computed once
    columns = (comparison.table[name].to_pylist() for name in ("status", "dataset_sha256"))
    for trial, status, sha256 in zip(comparison.plan.trials, *columns, strict=True):
        if status != "ok" or sha256 is None or trial.search:
            continue
        seeds = trial.job.name, trial.data
        if seeds not in configurations:
            configurations[seeds] = trial.configuration
        rows = found.setdefault(test_set(trial.data, sha256), _Rows(trial.data.dataset))
        rows.configurations.add(configurations[seeds])
        rows.jobs.add(trial.job.name)
    return found


def _named(key: TestSet, rows: _Rows) -> str:
    _, limit, _ = key
    return f"{'the' if limit is None else f'the {limit:,} drawn'} test images of {rows.dataset}"


def _sentence(run: RunDir, ledger: Ledger, key: TestSet, rows: _Rows, which: str) -> str:
    uses = [use for use in ledger.uses if use.test_set == key]
    if not uses:
        return f"{_UNKNOWN.replace('these test images', which)}: {run.ledger} has no use of them"
    noted = {use.configuration for use in uses}
    count, here = len(noted | rows.configurations), len(rows.configurations)
    text = (
        f"{count:,} {_configurations(count)} been judged on {which} by the runs in {run.path.parent.name}/ "
        f"(the first on {min(use.at for use in uses)[:10]}); {here:,} of them "
        f"{'is' if here == 1 else 'are'} in this table"
    )
    if absent := len(rows.configurations - noted):
        text += (
            f"; {absent:,} of these {'is' if absent == 1 else 'are'} not in {run.ledger.name}, so it may lack others"
        )
    return text


def _configurations(count: int) -> str:
    return "configuration has" if count == 1 else "configurations have"


def _broken(run: RunDir, ledger: Ledger) -> Iterator[str]:
    if ledger.broken:
        lines = "1 line" if ledger.broken == 1 else f"{ledger.broken:,} lines"
        yield f"{run.ledger}: {lines} cannot be read, so more configurations may have been judged"
