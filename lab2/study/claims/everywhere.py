"""Claim 6: no architecture is best everywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab2.compare.comparison import Comparison, compare
from lab2.compare.comparison import Verdict as Shown
from lab2.measure.corrupted import read_corrupted
from lab2.report.chapter import Table
from lab2.spec.job import DataConfig, Trial
from lab2.study import networks
from lab2.study.charts import by_strength
from lab2.study.claim import Claim, Conclusion, Figure, Size, Verdict
from lab2.study.evidence import Evidence

MARGIN = 0.02  # accuracy: who is less than two points behind is as good for this claim, and is not beaten
POINTS = f"{100 * MARGIN:.0f}"
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
    worse: frozenset[str]  # another one is shown to be better, all pairs and all conditions considered
    beaten: frozenset[str]  # of these, another one is shown to be better by more than `MARGIN`
    behind: Mapping[str, float]  # by how much at most the best of the others is better: upper end of 95 % intervals

    @property
    def best(self) -> str:
        """Who is shown to be better than all others; else who may be the best."""
        return " or ".join(name for name in sorted(self.means, key=lambda n: -self.means[n]) if name not in self.worse)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What was answered under one condition, on N images."""

    right: Mapping[str, NDArray[np.bool_]]  # by architecture, (S, N) whether each seed is right
    groups: NDArray[np.int64] | None = None  # (N,) images of one number are one case, as copies of an image are


def conclude(evidence: Evidence) -> Conclusion:
    """Each condition compared by itself; then the rule over all of them."""
    given, notes = answers_of(evidence)
    alpha = ALPHA / len(given)
    conditions = [judge(name, answers, alpha) for name, answers in given.items()]
    verdict, sentence = decide(conditions)
    names = list(conditions[0].means)
    beaten = {name: sum(name in one.beaten for one in conditions) for name in names}
    return Conclusion(
        verdict=verdict,
        sentence=sentence,
        figures=tuple(
            Figure(
                name=f"conditions of {len(conditions)} in which {name} is beaten by over {POINTS} points", value=count
            )
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


def answers_of(evidence: Evidence) -> tuple[dict[str, Answers], list[str]]:
    """The answers by condition; and notes on the images.

    Corrupted images are those of the data set in its order, so its groups and its copies are theirs. Raises
    `ComparisonError` or `ShardError` where answers of a trial cannot be read.
    """
    found: dict[str, Answers] = {}
    notes: list[str] = []
    for dataset in dict.fromkeys(trial.data.dataset for trial in evidence.trials):
        part = evidence.where(lambda trial, dataset=dataset: trial.data.dataset == dataset)  # type: ignore[misc]
        names = {trial.job.name: architecture_of(trial) for trial in part.trials}
        read = part.right()
        notes += read.notes
        found[dataset] = Answers(right={names[job]: right for job, right in read.right.items()}, groups=read.groups)
        corrupted: dict[str, dict[str, list[NDArray[np.bool_]]]] = {}
        for one in read.trials:
            if not part.comparison.plan.trial(one.trial).data.corrupted:
                continue
            for corruption, strengths in read_corrupted(evidence.run.corrupted(one.trial)).items():
                aligned = strengths if one.index is None else strengths[:, one.index]
                for strength, right in enumerate(aligned, 1):
                    seeds = corrupted.setdefault(f"{corruption} {strength}", {}).setdefault(names[one.arm], [])
                    seeds.append(right)
        for name, those in corrupted.items():
            found[name] = Answers(right={one: np.stack(seeds) for one, seeds in those.items()}, groups=read.groups)
    return found, notes


def judge(name: str, answers: Answers, alpha: float) -> Condition:
    """One condition: who is beaten at the level `alpha`, and by how much each may be behind at most."""
    found = compare(answers.right, groups=answers.groups, alpha=alpha)
    return Condition(
        name=name,
        means={row.name: row.mean for row in sorted(found.rows, key=lambda row: list(answers.right).index(row.name))},
        worse=frozenset(pair.second for pair in found.pairs if pair.verdict is Shown.BETTER),
        beaten=frozenset(pair.second for pair in found.pairs if pair.low > MARGIN),
        behind={one: _behind(found, one) for one in answers.right},
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
            f"each of {', '.join(names)} is shown to be more than {POINTS} points behind another one under one of "
            f"{len(conditions)} conditions or more; shown to be the best of all somewhere: "
            f"{', '.join(sorted(winners)) or 'none'}"
        )
    for name in unbeaten:
        worst = max(conditions, key=lambda one: one.behind[name])
        if worst.behind[name] < MARGIN:
            return Verdict.REFUTED, (
                f"{name} is nowhere more than {POINTS} points behind another one: at most "
                f"{100 * worst.behind[name]:.2f}, under {worst.name}"
            )
    return Verdict.UNDECIDED, (
        f"{', '.join(unbeaten)}: under none of {len(conditions)} conditions shown to be more than {POINTS} points "
        f"behind another one, but not shown to be within {POINTS} points of the best under all of them"
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
        "number of conditions; images that belong together, and copies of one image, are one case. An architecture is "
        f"beaten where another one is shown to be more than {POINTS} points more accurate (lower end of that "
        "interval). Supported if each architecture is beaten under a condition or more; refuted if one is under all "
        f"conditions shown to be less than {POINTS} points behind any other (upper end of each 95 % interval); "
        "otherwise not decided."
    ),
    plan=plan,
    conclude=conclude,
    file=Path(__file__),
)
