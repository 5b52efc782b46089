"""From a run to its statement: the record is checked, then the claim's own rule concludes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lab2.errors import ComparisonError, ShardError
from lab2.results.collect import Comparison
from lab2.results.run_dir import RunDir
from lab2.spec.job import JobSpec
from lab2.spec.plan import some_of
from lab2.study.claim import Claim, Conclusion, Verdict
from lab2.study.evidence import Evidence, commits
from lab2.study.record import Record, claim_of, judges_sha256, read_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A claim, its conclusion, and what a reader needs to repeat it."""

    claim: Claim
    record: Record
    conclusion: Conclusion
    jobs: tuple[JobSpec, ...]  # of its trials
    run: str
    seeds: tuple[int, ...]
    commits: tuple[str, ...]  # of lab2, that made the rows
    machines: tuple[str, ...]  # the devices that they ran on

    @property
    def command(self) -> str:
        """The command that measures it."""
        return f"lab2 study {self.claim.name} --{self.record.size}"


def state(run: RunDir, comparison: Comparison) -> Statement:
    """What the study in `run` found by now.

    While a trial has no result the verdict is "not decided". Raises `ConfigError` for a record that was altered, is of
    another rule, or of other trials than the plan's.
    """
    record = read_record(run.claim)
    claim, evidence = claim_of(record, run.claim), Evidence(run, comparison)
    rows = [row for row in evidence.rows if row.status == "ok"]
    return Statement(
        claim=claim,
        record=record,
        conclusion=_concluded(claim, record, evidence),
        jobs=tuple({trial.job.name: trial.job for trial in evidence.trials}.values()),
        run=run.path.name,
        seeds=tuple(sorted({trial.seed for trial in evidence.trials})),
        commits=tuple(commits(rows)),
        machines=tuple(sorted({row.device_name or "unknown" for row in rows})),
    )


def _concluded(claim: Claim, record: Record, evidence: Evidence) -> Conclusion:
    if record.trials != evidence.comparison.plan.digests:
        return Conclusion(
            verdict=Verdict.UNDECIDED,
            sentence="the plan of this run holds other trials than the study fixed; start it anew",
        )
    if missing := evidence.unfinished:
        return Conclusion(
            verdict=Verdict.UNDECIDED,
            sentence=f"{len(missing)} of {len(evidence.trials)} trials have no result: {some_of(missing)}; lab2 resume "
            f"{evidence.run.path.name} runs them",
        )
    try:
        found = claim.conclude(evidence)
    except (ComparisonError, ShardError) as error:
        return Conclusion(verdict=Verdict.UNDECIDED, sentence=str(error))
    notes = list(found.notes)
    if claim.source_sha256 != record.source_sha256:
        notes.append(f"the file of the rule, {claim.file.name}, was changed since the study started")
    if record.judges_sha256 not in (None, judges_sha256()):
        notes.append("the code that judges, in lab2/compare or lab2/study, was changed since the study started")
    if evidence.comparison.leaks:
        notes += evidence.comparison.leaks
    return replace(found, notes=tuple(notes))
