"""Claim 5: pre-trained networks are overkill."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab2.compare.joint import DRAWS, interval, joint
from lab2.compare.pareto import cost_draws, on_front
from lab2.measure.metrics import amount, gibibytes, milliseconds, seconds
from lab2.report.chapter import Table
from lab2.spec.job import DataConfig, Trial
from lab2.study import networks
from lab2.study.claim import Claim, Conclusion, Figure, Size, Verdict
from lab2.study.evidence import Evidence, accuracies, within

MARGIN = 0.005  # accuracy: half a point less is a price worth paying
SURE = 0.95
COSTS: Mapping[str, str] = {
    "parameters": "parameters",
    "train_seconds": "training time",
    "peak_memory_bytes": "memory to train",
    "latency_p50_seconds": "latency p50",
    "flops_per_image": "FLOPs/image",
}
SHOWN: Mapping[str, Callable[[float], str]] = {
    "parameters": amount,
    "train_seconds": seconds,
    "peak_memory_bytes": gibibytes,
    "latency_p50_seconds": milliseconds,
    "flops_per_image": amount,
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
    def large(self) -> list[str]:
        """The pre-trained networks."""
        return [name for name, pretrained in zip(self.names, self.pretrained, strict=True) if pretrained]

    @property
    def shares(self) -> dict[str, float]:
        """By pre-trained network the share of draws in which it is overkill."""
        return dict(zip(self.large, self._overkill.mean(0).tolist(), strict=True))

    @property
    def overkill(self) -> float:
        """The share of draws in which all pre-trained networks are."""
        return float(np.all(self._overkill, axis=1).mean())

    @property
    def _overkill(self) -> NDArray[np.bool_]:
        """(D, L) whether each pre-trained network has a cheaper one that is hardly less accurate.

        Cheaper by all costs, trained from random weights, and at most `MARGIN` less accurate.
        """
        large, small = np.array(self.pretrained), ~np.array(self.pretrained)
        near = self.accuracies[:, small][:, None] >= self.accuracies[:, large][:, :, None] - MARGIN  # (D, L, M)
        for cost in self.costs.values():
            near &= cost[:, small][:, None] < cost[:, large][:, :, None]
        found: NDArray[np.bool_] = np.any(near, axis=2)
        return found


def conclude(evidence: Evidence) -> Conclusion:
    """The front of accuracy and each cost, and whether the pre-trained networks have a cheaper equal."""
    read, jobs = evidence.right(), evidence.jobs
    accuracy = joint({job: read.right[job] for job in jobs}, groups=read.groups)
    out = {cost: why for cost in COSTS if (why := not_judged(evidence, cost))}
    measured = {cost: [[getattr(row, cost) for row in evidence.of(job)] for job in jobs] for cost in COSTS}
    points = Points(
        names=tuple(jobs),
        means=accuracy.means,
        pretrained=tuple(all(row.weights not in ("random", "", None) for row in evidence.of(job)) for job in jobs),
        accuracies=accuracy.draws(),
        costs={cost: cost_draws(values, DRAWS) for cost, values in measured.items() if cost not in out},
    )
    verdict, sentence = decide(points)
    return Conclusion(
        verdict=verdict,
        sentence=sentence,
        figures=tuple(_probabilities(points)),
        tables=(_measurements(points, accuracies(read), measured), _front(points)),
        notes=(
            *read.notes,
            *networks.advice(jobs),
            *(f"not judged: {COSTS[cost]}, {why}" for cost, why in out.items()),
        ),
    )


def not_judged(evidence: Evidence, cost: str) -> str:
    """Why the networks are not compared by `cost`; empty where they are."""
    if any(not getattr(row, cost) for row in evidence.rows):
        return "not measured everywhere"
    if cost == "flops_per_image" and any(row.flops_uncounted for row in evidence.rows):
        return "of which some were not counted"  # a lower bound is no cost
    return evidence.apart(cost)


def decide(points: Points) -> tuple[Verdict, str]:
    """The rule."""
    if not points.large:
        return (
            Verdict.UNDECIDED,
            "no network of this run began with pre-trained weights; the notes say what brings some",
        )
    if not points.costs:
        return Verdict.UNDECIDED, "no cost was measured for every network in one place"
    share, costs = points.overkill, [COSTS[cost] for cost in points.costs]
    said = (
        f"the probability that {' and '.join(points.large)} each have a network from random weights which is cheaper "
        f"by {' and '.join(costs)} and at most {100 * MARGIN:.1f} points less accurate is {share:.1%}"
    )
    if share >= SURE:
        return Verdict.SUPPORTED, said
    return (Verdict.REFUTED if share <= 1 - SURE else Verdict.UNDECIDED), said


def _probabilities(points: Points) -> Iterator[Figure]:
    judged = bool(points.large and points.costs)
    share = points.overkill if judged else None
    yield Figure(name="probability that all pre-trained networks are overkill", value=share)
    for name, each in points.shares.items() if judged else ():
        yield Figure(name=f"probability that {name} is", value=each)


def _measurements(
    points: Points, accuracy: Mapping[str, str], measured: Mapping[str, Sequence[Sequence[float | None]]]
) -> Table:
    """Each network with its accuracy and its costs, the means of its seeds, with 95 % intervals where they vary."""
    rows = []
    for k, name in enumerate(points.names):
        cells = [accuracy[name]]
        for cost, values in measured.items():
            known = [value for value in values[k] if value is not None]
            mean = SHOWN[cost](sum(known) / len(known)) if known else "not measured"
            drawn = points.costs.get(cost)
            if drawn is not None and np.ptp(drawn[:, k]) > 0:
                mean += within(interval(drawn[:, k]), SHOWN[cost])
            cells.append(mean)
        rows.append((_titled(points, k), *cells))
    columns = ("network", "accuracy", *(COSTS[cost] for cost in measured))
    return Table(title="Accuracy and costs, with 95 % intervals", columns=columns, rows=tuple(rows))


def _front(points: Points) -> Table:
    """The probability that each network is on the front of accuracy and each cost, and that it is overkill."""
    fronts: Sequence[NDArray[np.float64]] = [on_front(points.accuracies, cost) for cost in points.costs.values()]
    shares = points.shares if points.costs else {}
    rows = tuple(
        (_titled(points, k), *(f"{front[k]:.0%}" for front in fronts), f"{shares[name]:.0%}" if name in shares else "-")
        for k, name in enumerate(points.names)
    )
    columns = ("network", *(f"front: {COSTS[cost]}" for cost in points.costs), "overkill")
    return Table(
        title="Probability of being on the Pareto front of accuracy and each cost, and of being overkill",
        columns=columns, rows=rows,
    )  # fmt: skip


def _titled(points: Points, k: int) -> str:
    return points.names[k] + ", pre-trained" * points.pretrained[k]


CLAIM = Claim(
    name="overkill",
    number=5,
    text="Pre-trained networks are overkill on images as small as MNIST's.",
    rule=(
        "Accuracies are drawn from their joint distribution, costs (parameters, training time, peak memory, latency, "
        "FLOPs) from their measurements. A pre-trained network is overkill in a draw if a network from random weights "
        f"is cheaper by all costs and at most {100 * MARGIN:.1f} points less accurate. Supported if all pre-trained "
        f"networks are in {SURE:.0%} of the draws or more; refuted if they are in {1 - SURE:.0%} or fewer; otherwise "
        "not decided. A cost that was not measured for all networks, or is the machine's and was measured on several, "
        "with different threads or with other trials beside it, is left out, and the verdict names those that are in."
    ),
    plan=plan,
    conclude=conclude,
    file=Path(__file__),
    timed=True,
)
