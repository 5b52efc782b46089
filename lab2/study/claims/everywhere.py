"""Claim 6: no architecture is best everywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab2.compare.comparison import Comparison, compare
from lab2.measure.corrupted import read_corrupted
from lab2.report.chapter import Table
from lab2.spec.job import DataConfig, Trial
from lab2.study import networks
from lab2.study.charts import by_strength
from lab2.study.claim import Claim, Conclusion, Figure, Size, Verdict
from lab2.study.evidence import Evidence

MARGIN = 0.02  # accuracy: by less than two points another one may be better everywhere
ALPHA = 0.05
CORRUPTED = "mnist"  # the data set whose test images are corrupted
SETS: Mapping[Size, tuple[str, ...]] = {
    "small": (CORRUPTED, "fashion-mnist", "optdigits"),
    "full": (CORRUPTED, "fashion-mnist", "optdigits", "kmnist", "cifar10"),
}


def plan(size: Size) -> tuple[Trial, ...]:
    """Four architectures on three data sets with two seeds; in full five data sets and five seeds, on all images."""
    jobs = [networks.cnn(32, 384), networks.vit(48), networks.resnet20(8), networks.mobilenet(0.5)]
    seeds = (1, 2) if size == "small" else (1, 2, 3, 4, 5)
    trials = []
    for dataset in SETS[size]:
        data = DataConfig(dataset=dataset, corrupted=dataset == CORRUPTED)
        if size == "small" and dataset != "optdigits":
            data = replace(data, train_images=10_000, validation_images=1_000, test_images=1_000)
        for job in jobs:
            named = replace(job, name=f"{job.name}_{dataset.replace('-', '_')}")
            trials += [Trial(job=named, data=data, seed=seed) for seed in seeds]
    return tuple(trials)


def architecture_of(trial: Trial) -> str:
    """The name of the network, without that of the data set."""
    return trial.job.name.removesuffix(f"_{trial.data.dataset.replace('-', '_')}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Who wins under one condition. Shares of accuracy, by architecture."""

    name: str
    means: Mapping[str, float]
    beaten: frozenset[str]  # another one is shown to be better, all pairs and all conditions considered
    behind: Mapping[str, float]  # by how much at most the best of the others is better: upper end of 95 % intervals

    @property
    def best(self) -> str:
        """Who is shown to be better than all others; else who may be the best."""
        return " or ".join(name for name in sorted(self.means, key=lambda n: -self.means[n]) if name not in self.beaten)


def conclude(evidence: Evidence) -> Conclusion:
    """Each condition compared by itself; then the rule over all of them."""
    given, notes = correctness_of(evidence)
    alpha = ALPHA / len(given)
    conditions = [judge(name, right, alpha) for name, right in given.items()]
    verdict, sentence = decide(conditions)
    names = list(conditions[0].means)
    beaten = {name: sum(name in one.beaten for one in conditions) for name in names}
    return Conclusion(
        verdict=verdict,
        sentence=sentence,
        figures=tuple(
            Figure(name=f"conditions of {len(conditions)} in which {name} is beaten", value=count)
            for name, count in beaten.items()
        ),
        tables=(
            Table(
                title="Accuracy by condition (corruptions: the mean over five strengths)",
                columns=("condition", *names, "shown to be the best"),
                rows=tuple(_rows(conditions, names)),
            ),
        ),
        charts=by_strength({one.name: one.means for one in conditions}, CORRUPTED, lambda name: f"{name}_{CORRUPTED}"),
        notes=tuple(notes),
    )


def correctness_of(evidence: Evidence) -> tuple[dict[str, dict[str, NDArray[np.bool_]]], list[str]]:
    """By condition and architecture, (S, N) whether each seed is right; and notes on the images.

    Raises `ComparisonError` or `ShardError` where answers of a trial cannot be read.
    """
    found: dict[str, dict[str, NDArray[np.bool_]]] = {}
    notes: list[str] = []
    for dataset in dict.fromkeys(trial.data.dataset for trial in evidence.trials):
        part = evidence.where(lambda trial, dataset=dataset: trial.data.dataset == dataset)  # type: ignore[misc]
        names = {trial.job.name: architecture_of(trial) for trial in part.trials}
        read = part.right()
        notes += read.notes
        found[dataset] = {names[job]: right for job, right in read.right.items()}
    for trial in evidence.trials:
        if not trial.data.corrupted:
            continue
        for corruption, strengths in read_corrupted(evidence.run.corrupted(trial.name)).items():
            for strength, right in enumerate(strengths, 1):
                rows = found.setdefault(f"{corruption} {strength}", {})
                before = rows.get(architecture_of(trial))
                rows[architecture_of(trial)] = right[None] if before is None else np.concatenate([before, right[None]])
    return found, notes


def judge(name: str, right: Mapping[str, NDArray[np.bool_]], alpha: float) -> Condition:
    """One condition: who is beaten at the level `alpha`, and by how much each may be behind at most."""
    found = compare(right, alpha=alpha)
    better = {pair.second for pair in found.pairs if pair.verdict.value == "better"}
    return Condition(
        name=name,
        means={row.name: row.mean for row in sorted(found.rows, key=lambda row: list(right).index(row.name))},
        beaten=frozenset(better),
        behind={one: _behind(found, one) for one in right},
    )


def _behind(found: Comparison, name: str) -> float:
    """The largest upper end of the intervals of another one's accuracy minus that of `name`, each pair by itself."""
    others = [row.name for row in found.rows if row.name != name]
    return max(found.pair(other, name).answer.interval(ALPHA)[1] for other in others)


def decide(conditions: Sequence[Condition]) -> tuple[Verdict, str]:
    """The rule."""
    names = list(conditions[0].means)
    unbeaten = [name for name in names if not any(name in one.beaten for one in conditions)]
    if not unbeaten:
        winners = {one.best for one in conditions if " or " not in one.best}
        return Verdict.SUPPORTED, (
            f"each of {', '.join(names)} is shown to be beaten under one of {len(conditions)} conditions or more; "
            f"shown to be the best of all somewhere: {', '.join(sorted(winners)) or 'none'}"
        )
    for name in unbeaten:
        worst = max(conditions, key=lambda one: one.behind[name])
        if worst.behind[name] < MARGIN:
            return Verdict.REFUTED, (
                f"{name} is nowhere more than {100 * MARGIN:.0f} points behind another one: at most "
                f"{100 * worst.behind[name]:.2f}, under {worst.name}"
            )
    return Verdict.UNDECIDED, (
        f"{', '.join(unbeaten)}: beaten under none of {len(conditions)} conditions, but not shown to be within "
        f"{100 * MARGIN:.0f} points of the best under all of them"
    )


def _rows(conditions: Sequence[Condition], names: Sequence[str]) -> list[tuple[str, ...]]:
    """A row a data set and a corruption; of a corruption the means over its strengths, and who wins at how many."""
    by_kind: dict[str, list[Condition]] = {}
    for one in conditions:
        kind, _, strength = one.name.rpartition(" ")
        by_kind.setdefault(kind if strength.isdigit() else one.name, []).append(one)
    rows = []
    for kind, those in by_kind.items():
        means = [f"{np.mean([one.means[name] for one in those]):.2%}" for name in names]
        rows.append((kind, *means, _winners(those)))
    return rows


def _winners(conditions: Sequence[Condition]) -> str:
    """Who is shown to be the best of all; of several strengths under how many of them."""
    if len(conditions) == 1:
        best = conditions[0].best
        return f"open: {best}" if " or " in best else best
    counts = Counter("open" if " or " in one.best else one.best for one in conditions)
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


CLAIM = Claim(
    name="everywhere",
    number=6,
    text="No architecture is best everywhere.",
    rule=(
        "The conditions are the data sets, and fifteen corruptions of MNIST's test images at five strengths each, "
        "without retraining. Under each, differences of accuracy with all pairs considered, at the level 5 % over the "
        "number of conditions. Supported if each architecture is shown to be beaten under a condition or more; refuted "
        f"if one is not, and under all conditions is shown to be less than {100 * MARGIN:.0f} points behind any other "
        "(upper end of each 95 % interval); otherwise not decided."
    ),
    plan=plan,
    conclude=conclude,
    file=Path(__file__),
)
