"""Claim 5: pre-trained networks are overkill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab2.compare.joint import DRAWS, joint
from lab2.compare.pareto import cost_draws, on_front
from lab2.report.chapter import Table
from lab2.spec.job import DataConfig, Trial
from lab2.study import networks
from lab2.study.claim import Claim, Conclusion, Figure, Size, Verdict
from lab2.study.evidence import Evidence

MARGIN = 0.005  # accuracy: half a point less is a price worth paying
SURE = 0.95
COSTS: Mapping[str, str] = {
    "parameters": "parameters",
    "train_seconds": "training time",
    "peak_memory_bytes": "memory to train",
    "latency_p50_seconds": "latency p50",
    "flops_per_image": "FLOPs/image",
}


def plan(size: Size) -> tuple[Trial, ...]:
    """Six networks from random weights, and the pre-trained ones whose weights are here; two seeds, in full five."""
    scratch = [networks.cnn(8, 32), networks.cnn(32, 384), networks.vit(20), networks.vit(48)]
    scratch += [networks.resnet20(8), networks.mobilenet(0.5)]
    jobs = [*scratch, *networks.pretrained()]
    seeds, data = range(1, 3), DataConfig(train_images=10_000, validation_images=1_000)
    if size == "full":
        seeds, data = range(1, 6), DataConfig()
    return tuple(Trial(job=job, data=data, seed=seed) for job in jobs for seed in seeds)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """Draws of the accuracy and of each cost of K networks, and which of them began with pre-trained weights."""

    names: tuple[str, ...]
    pretrained: tuple[bool, ...]
    means: NDArray[np.float64]  # (K,) accuracies, [0, 1]
    accuracies: NDArray[np.float64]  # (D, K), [0, 1]
    costs: Mapping[str, NDArray[np.float64]]  # (D, K) each

    @property
    def overkill(self) -> float:
        """The share of draws in which each pre-trained network has a cheaper one that is hardly less accurate.

        Cheaper by all costs, trained from random weights, and at most `MARGIN` less accurate.
        """
        large, small = np.array(self.pretrained), ~np.array(self.pretrained)
        near = self.accuracies[:, small][:, None] >= self.accuracies[:, large][:, :, None] - MARGIN  # (D, L, M)
        for cost in self.costs.values():
            near &= cost[:, small][:, None] < cost[:, large][:, :, None]
        return float(np.all(np.any(near, axis=2), axis=1).mean())


def conclude(evidence: Evidence) -> Conclusion:
    """The front of accuracy and each cost, and whether the pre-trained networks have a cheaper equal."""
    read, jobs = evidence.right(), evidence.jobs
    accuracy = joint(read.right, groups=read.groups)
    measured = {cost: [[getattr(row, cost) for row in evidence.of(job)] for job in jobs] for cost in COSTS}
    known = {cost: values for cost, values in measured.items() if all(v for one in values for v in one)}
    if any(row.flops_uncounted for job in jobs for row in evidence.of(job)):  # a lower bound is no cost
        known.pop("flops_per_image", None)
    order = [accuracy.names.index(job) for job in jobs]
    points = Points(
        names=tuple(jobs),
        means=accuracy.means[order],
        pretrained=tuple(all(row.weights not in ("random", "", None) for row in evidence.of(job)) for job in jobs),
        accuracies=accuracy.draws()[:, order],
        costs={cost: cost_draws(values, DRAWS) for cost, values in known.items()},
    )
    verdict, sentence = decide(points)
    return Conclusion(
        verdict=verdict,
        sentence=sentence,
        figures=(_probability(points),),
        tables=(_front(points),),
        notes=(
            *read.notes,
            *networks.advice(jobs),
            *(f"{one} was not measured everywhere, and is left out" for one in COSTS if one not in known),
        ),
    )


def decide(points: Points) -> tuple[Verdict, str]:
    """The rule."""
    large = [name for name, pretrained in zip(points.names, points.pretrained, strict=True) if pretrained]
    if not large:
        return (
            Verdict.UNDECIDED,
            "no network of this run began with pre-trained weights; the notes say what brings some",
        )
    if not points.costs:
        return Verdict.UNDECIDED, "no cost was measured for every network"
    share = points.overkill
    said = (
        f"the probability that {' and '.join(large)} each have a network from random weights which is cheaper by all "
        f"{len(points.costs)} costs and at most {100 * MARGIN:.1f} points less accurate is {share:.1%}"
    )
    if share >= SURE:
        return Verdict.SUPPORTED, said
    return (Verdict.REFUTED if share <= 1 - SURE else Verdict.UNDECIDED), said


def _probability(points: Points) -> Figure:
    share = points.overkill if any(points.pretrained) and points.costs else None
    return Figure(name="probability that the pre-trained networks are overkill", value=share)


def _front(points: Points) -> Table:
    """Each network with its mean accuracy, and the probability that it is on the front, for each cost."""
    shares: Sequence[NDArray[np.float64]] = [on_front(points.accuracies, cost) for cost in points.costs.values()]
    rows = tuple(
        (name + ", pre-trained" * pretrained, f"{mean:.2%}", *(f"{share[k]:.0%}" for share in shares))
        for k, (name, pretrained, mean) in enumerate(zip(points.names, points.pretrained, points.means, strict=True))
    )
    columns = ("network", "accuracy", *(COSTS[cost] for cost in points.costs))
    return Table(title="Probability of being on the Pareto front of accuracy and each cost", columns=columns, rows=rows)


CLAIM = Claim(
    name="overkill",
    number=5,
    text="Pre-trained networks are overkill on images as small as MNIST's.",
    rule=(
        "Accuracies are drawn from their joint distribution, costs (parameters, training time, peak memory, latency, "
        "FLOPs) from their measurements. A pre-trained network is overkill in a draw if a network from random weights "
        f"is cheaper by all costs and at most {100 * MARGIN:.1f} points less accurate. Supported if all pre-trained "
        f"networks are in {SURE:.0%} of the draws or more; refuted if they are in {1 - SURE:.0%} or fewer; otherwise "
        "not decided."
    ),
    plan=plan,
    conclude=conclude,
    file=Path(__file__),
    timed=True,
)
