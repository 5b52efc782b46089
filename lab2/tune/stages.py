"""The stages of a study: which trials are run follows from the study and the shards, whoever asks, and whenever.

First the rungs of the search, of which a random one has a single rung, then the chosen recipes. A stage begins when all
trials of the one before it are spent. So the plan of the run grows by whole stages, and a study that was killed goes on
where it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from lab2.errors import RunError
from lab2.launch.planning import with_side
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard
from lab2.spec.job import Trial
from lab2.spec.plan import Plan, some_of
from lab2.tune.halving import best, members
from lab2.tune.study import Study, mean_score

Rows = Mapping[str, Shard]  # by trial


def is_spent(row: Shard | None) -> bool:
    """Whether a trial of a search has had its chance: it ended well, its recipe failed, or it took too much memory.

    What was killed, was cancelled, ran out of time or failed for its machine has not. It is run again. Nor has what is
    given more memory (`with_more_memory`).
    """
    if row is None:
        return False
    return row.status in ("ok", "out_of_memory") or (row.status == "failed" and row.fault == "recipe")


def with_more_memory(study: Study, plan: Plan, rows: Rows, trials: Collection[str]) -> Rows:
    """`rows` without those of `trials` that ran out of memory: they were given more, and get another chance.

    The rows stay as they are where a later stage has been decided by them.
    """
    relieved = {name for name in trials if (row := rows.get(name)) is not None and row.status == "out_of_memory"}
    kept = {name: row for name, row in rows.items() if name not in relieved}
    decided = {trial.name for stage in stages(study, kept) for trial in stage}
    return kept if decided.issuperset(plan.names) else rows


def score(study: Study, rows: Rows, job: str, i: int, rung: int) -> float | None:
    """The score of setting `i` in a rung: its validation accuracy, [0, 1]; None where it failed or is not known."""
    those = [rows.get(trial.name) for trial in study.search_trials(job, i, rung)]
    return mean_score([row.validation_accuracy if row and row.status == "ok" else None for row in those])


def rung_results(study: Study, rows: Rows, job: str) -> list[dict[int, float | None]]:
    """For each rung that is decided: by setting its score, where all its trainings are spent."""
    found: list[dict[int, float | None]] = []
    for rung in range(len(study.rungs)):
        running = members(study.rungs, found, rung)
        if running is None:
            break
        spent = [i for i in running if all(is_spent(rows.get(t.name)) for t in study.search_trials(job, i, rung))]
        found.append({i: score(study, rows, job, i, rung) for i in spent})
    return found


def chosen(study: Study, rows: Rows, job: str) -> int | None:
    """The setting with the best score of the last rung; None where the search goes on, or all have failed."""
    results = rung_results(study, rows, job)
    return best(results[-1]) if is_complete(study, results) else None


def is_complete(study: Study, results: Sequence[Mapping[int, float | None]]) -> bool:
    """Whether all trials of a job's search, with these results of its rungs, are spent."""
    last = members(study.rungs, results, len(study.rungs) - 1)
    return last is not None and len(results) == len(study.rungs) and len(results[-1]) == len(last)


def stages(study: Study, rows: Rows) -> Iterator[list[Trial]]:
    """The trials of each stage that is decided; the final one is the last."""
    names = [one.job.name for one in study.jobs]
    results = {name: rung_results(study, rows, name) for name in names}
    for rung in range(len(study.rungs)):
        running = {name: members(study.rungs, results[name], rung) for name in names}
        if None in running.values():
            return
        yield [t for name in names for i in running[name] or () for t in study.search_trials(name, i, rung)]
    if all(is_complete(study, results[name]) for name in names):
        best_of = {name: chosen(study, rows, name) for name in names}
        yield [t for name, i in best_of.items() if i is not None for t in study.final_trials(name, i)]


def grown(run: RunDir, study: Study, rows: Rows) -> Plan:
    """The run's plan with the stages that are decided by now; it is written where it has become longer.

    A trial takes the inputs and the resources of its setting's first trial in the plan. Raises `RunError` where the
    plan has a trial that the shards do not lead to.
    """
    plan = run.read_plan()
    known = {trial.name: trial for trial in plan.trials}
    begun = list(stages(study, rows))
    decided = [_prepared(trial, study, rows, known) for stage in begun for trial in stage]
    names = {trial.name for trial in decided}
    over = len(begun) > len(study.rungs)
    strays = [
        *(one.name for one in decided if one.name in known and known[one.name].digest != one.digest),
        *(name for name in known if over and name not in names),
    ]
    if strays:
        raise RunError(
            f"{run.plan}: it has {some_of(strays)}, which the shards do not lead to: shards were changed after the "
            "choice was made; restore them, or start a new study"
        )
    if new := [trial for trial in decided if trial.name not in known]:
        trials = (*plan.trials, *new)
        plan = replace(plan, trials=trials, digests=(*plan.digests, *(trial.digest for trial in new)))
        run.write_plan(plan)
    return plan


def left(plan: Plan, rows: Rows) -> list[Trial]:
    """The trials of the plan that are to be run: of a search those not spent, of the others those not finished."""
    return [trial for trial in plan.trials if not _is_over(trial, rows.get(trial.name))]


def _is_over(trial: Trial, row: Shard | None) -> bool:
    return is_spent(row) if trial.search else row is not None and row.status == "ok"


def _prepared(trial: Trial, study: Study, rows: Rows, known: Mapping[str, Trial]) -> Trial:
    """`trial` as it stands in the plan: at its side, with what the first one of its setting reads and is given."""
    trial = with_side(trial)
    first = known.get(trial.name) or known.get(_first_name(trial, study, rows))
    if first is None:
        return trial
    return replace(trial, inputs=first.inputs, job=replace(trial.job, resources=first.job.resources))


def _first_name(trial: Trial, study: Study, rows: Rows) -> str:
    """The first trial of the search with the same setting."""
    job = trial.search or trial.job.name
    if trial.search:
        setting = int(trial.job.name.removeprefix(f"{job}_t").partition("_")[0])
    else:
        setting = chosen(study, rows, job) or 0
    return study.search_trials(job, setting)[0].name
