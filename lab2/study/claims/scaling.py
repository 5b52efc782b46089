"""Claim 3: attention is quadratic in the image's pixels, convolution linear."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lab2.compare.growth import Measured, exponent, where_quadratic_outweighs
from lab2.models.resnet20 import ResNet20Config
from lab2.models.vit import ViTConfig
from lab2.report.chapter import Chart, Line, Table
from lab2.spec.architectures import ModelConfig
from lab2.spec.job import DataConfig, JobSpec, Resources, TrainConfig, Trial
from lab2.study.charts import ends, repeated_line
from lab2.study.claim import Claim, Conclusion, Figure, Size, Verdict, shown
from lab2.study.evidence import Evidence

SIDE = 28  # pixels of MNIST
IMAGES, BATCH = 40, 2  # training images; of a step
FACTORS: Mapping[Size, tuple[int, ...]] = {"small": (1, 2, 4, 8), "full": (1, 2, 4, 8, 16)}
NETWORKS: Mapping[str, ModelConfig] = {
    "attention": ViTConfig(num_heads=2),  # patches stay 4 pixels, so tokens grow with the pixels
    "convolution": ResNet20Config(filters=8),  # ends in a mean over the map: nothing grows faster than the pixels
}
BANDS: Mapping[str, tuple[float, float]] = {"attention": (1.5, 2.5), "convolution": (0.75, 1.25)}
ALPHA = 0.05
COSTS: Mapping[str, str] = {"time": "train_seconds", "memory": "peak_memory_bytes"}
SHOWN: Mapping[str, tuple[str, str, float]] = {  # in a chart: the title, the unit, and how much of the cost it is
    "time": ("Time of an image, forward and back", "ms", IMAGES / 1000),
    "memory": ("Memory at the peak", "MiB", 2**20),
}


def plan(size: Size) -> tuple[Trial, ...]:
    """Twenty steps of each network at each side, four times; in full one side more, six times."""
    seeds = range(1, 5) if size == "small" else range(1, 7)
    recipe = TrainConfig(epochs=1, batch_size=BATCH, precision="fp32", cuda_graph="off")  # recording is no step
    trials = []
    for factor in FACTORS[size]:
        data = DataConfig(train_images=IMAGES, validation_images=10, test_images=10, enlarge=factor)
        for name, model in NETWORKS.items():
            resources = Resources(memory_gb=64 if size == "full" else 8)
            job = JobSpec(name=f"{name}_{SIDE * factor}", model=model, train=recipe, resources=resources)
            trials += [Trial(job=job, data=data, seed=seed) for seed in seeds]
    return tuple(trials)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """One exponent, of one network's time or memory."""

    network: str
    cost: str
    exponent: Measured | None  # None: the cost does not grow in each repeat
    of_all: Measured | None  # with the interval for all exponents together (Bonferroni)

    @property
    def is_inside(self) -> bool:
        """Whether the whole interval lies in the band of the claim."""
        low, high = BANDS[self.network]
        return self.exponent is not None and low < self.exponent.low and self.exponent.high < high

    @property
    def is_outside(self) -> bool:
        """Whether the whole interval for all exponents together lies outside of it."""
        low, high = BANDS[self.network]
        return self.of_all is not None and (self.of_all.high < low or self.of_all.low > high)

    @property
    def text(self) -> str:
        """The network, the cost and the exponent."""
        if self.exponent is None:
            return f"{self.cost} of {self.network}: not determined"
        one = self.exponent
        return f"{self.cost} of {self.network}: {one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"


def conclude(evidence: Evidence) -> Conclusion:
    """The exponents, and the side from which the quadratic part outweighs the linear one."""
    sides = sorted({SIDE * trial.data.enlarge for trial in evidence.trials})
    if why := evidence.apart("train_seconds"):  # memory is the machine's, too
        return Conclusion(verdict=Verdict.UNDECIDED, sentence=f"time and memory are not judged: {why}")
    pixels = np.array([float(side**2) for side in sides])
    found, figures = [], []
    lines: dict[str, list[Line]] = {cost: [] for cost in COSTS}
    for network in NETWORKS:
        for cost, name in COSTS.items():
            costs = np.array(
                [[float(getattr(row, name) or math.nan) for row in evidence.of(f"{network}_{side}")] for side in sides]
            ).T  # (R, n)
            if not np.isfinite(costs).all():  # macOS and MPS measure no peak of memory
                found.append(Growth(network=network, cost=cost, exponent=None, of_all=None))
                continue
            each, all_ = (exponent(pixels, costs, alpha) for alpha in (ALPHA, ALPHA / len(NETWORKS) / len(COSTS)))
            found.append(Growth(network=network, cost=cost, exponent=each, of_all=all_))
            lines[cost].append(repeated_line(network, f"{network}_{sides[0]}", sides, costs / SHOWN[cost][2]))
            if network == "attention":
                figures.append(_side(cost, where_quadratic_outweighs(pixels, costs)))
    verdict, sentence = decide(found)
    return Conclusion(
        verdict=verdict,
        sentence=sentence,
        figures=(*map(_figure, found), *figures),
        tables=(_table(evidence, sides),),
        charts=tuple(_chart(cost, those, found) for cost, those in lines.items() if those),
    )


def decide(found: list[Growth]) -> tuple[Verdict, str]:
    """The rule."""
    said = "exponents in pixels: " + "; ".join(one.text for one in found)
    if outside := [one for one in found if one.is_outside]:
        names = " and ".join(f"{one.cost} of {one.network}" for one in outside)
        return Verdict.REFUTED, f"{said}; {names} grows otherwise than the claim says"
    if all(one.is_inside for one in found):
        return Verdict.SUPPORTED, said
    return Verdict.UNDECIDED, f"{said}; at least one interval reaches beyond what the claim says"


def _figure(one: Growth) -> Figure:
    name = f"exponent of {one.cost}, {one.network}"
    if one.exponent is None:
        return Figure(name=name, value=None)
    return Figure(name=name, value=one.exponent.value, low=one.exponent.low, high=one.exponent.high)


def _side(cost: str, found: Measured | None) -> Figure:
    name = f"side from which the quadratic part of attention's {cost} is the larger one"
    if found is None:
        return Figure(name=name, value=None, unit="px")
    value, low, high = (math.sqrt(one) for one in (found.value, found.low, found.high))
    return Figure(name=name, value=value, low=low, high=high, unit="px")


def _table(evidence: Evidence, sides: list[int]) -> Table:
    rows = []
    for side in sides:
        cells = [f"{side}"]
        for network in NETWORKS:
            seconds = evidence.mean(f"{network}_{side}", "train_seconds") or math.nan
            memory = evidence.mean(f"{network}_{side}", "peak_memory_bytes")
            cells.append(f"{1000 * seconds / IMAGES:.3g} ms")
            cells.append("not measured" if memory is None else f"{memory / 2**20:,.0f} MiB")
        rows.append(tuple(cells))
    columns = ("side (px)", *(f"{name}, {what}" for name in NETWORKS for what in ("an image", "at the peak")))
    return Table(title="A step forward and back, and the memory of the process", columns=columns, rows=tuple(rows))


def _chart(cost: str, lines: list[Line], found: list[Growth]) -> Chart:
    title, unit, _ = SHOWN[cost]
    first, last = lines[0].x[0], lines[0].x[-1]
    between = ends(lines, f"At {first:.0f}", f"at {last:.0f} pixels of side", lambda value: f"{shown(value)} {unit}")
    exponents = "; ".join(one.text for one in found if one.cost == cost)
    return Chart(
        title=title, conclusion=f"{between} Exponents in pixels: {exponents}.", x="side, pixels", y=unit,
        lines=tuple(lines),
    )  # fmt: skip


CLAIM = Claim(
    name="scaling",
    number=3,
    text="Attention is quadratic in the image's pixels, convolution linear.",
    rule=(
        f"Steps forward and back of a ViT with patches of 4 pixels and of ResNet-20, {BATCH} images a step, at sides "
        f"of {SIDE} pixels and its doubles. The exponent of time and of peak memory in pixels between the three "
        "largest sides, of what each doubling adds, with a 95 % interval over repeats. Supported if all four intervals "
        f"lie within {BANDS['attention']} for attention and {BANDS['convolution']} for convolution; refuted if one, "
        "with an interval for all four together, lies outside altogether; otherwise not decided. Times and memory of "
        "several machines, of different threads or with other trials beside them are not judged."
    ),
    plan=plan,
    conclude=conclude,
    file=Path(__file__),
    timed=True,
)
