"""Claim 2: CNNs win on small data by inductive bias."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lab2.compare.contrast import paired_contrast
from lab2.compare.joint import Joint, interval, joint
from lab2.compare.learning_curve import Crossing, Curves, crossing, fit_curves
from lab2.compare.resampling import Estimate
from lab2.report.chapter import Chart, Table
from lab2.spec.catalogue import read_catalogue
from lab2.spec.job import DataConfig, Trial
from lab2.spec.shipped import shipped
from lab2.study.charts import accuracy_lines, ends
from lab2.study.claim import Claim, Conclusion, Figure, Size, Verdict, shown
from lab2.study.evidence import Evidence, accuracies, within

CNN, VIT = "cnn", "vit"
NETWORKS: Mapping[str, str] = {CNN: "CNN", VIT: "ViT"}
SMALL = 1_000  # training images: what counts as small data
SURE = 0.95  # share of the draws
KEPT = 0.5  # share of the advantage that may be left where the pixels are permuted
PERMUTATION = 28  # the number that draws the one order of the pixels
IMAGES = 200_000  # to see, on a set of 60,000; `lab2/spec/scaling.py` fits it to the others
VALIDATION = 1_000  # images
SIZES: Mapping[Size, tuple[int, ...]] = {
    "small": (100, 316, 1_000, 3_162, 10_000),
    "full": (100, 316, 1_000, 3_162, 10_000, 31_623, 60_000 - VALIDATION),
}


def name_of(job: str, images: int, permuted: bool) -> str:
    """The name of a row."""
    return f"{job}_{images}" + "_permuted" * permuted


def plan(size: Size) -> tuple[Trial, ...]:
    """Both networks at each size, with pixels in order and permuted; three seeds, in full ten.

    A seed draws nested subsets, the same for both networks.
    """
    entries = read_catalogue(shipped("jobs"))
    seeds = (1, 2, 3) if size == "small" else tuple(range(1, 11))
    trials = []
    for images in SIZES[size]:
        for permuted in (False, True):
            for name in (CNN, VIT):
                job = entries[name].job
                recipe = replace(job.train, images=IMAGES, target_accuracy=None)
                job = replace(job, name=name_of(name, images, permuted), train=recipe, recipes={}, effort=None)
                for seed in seeds:
                    data = DataConfig(
                        train_images=images,
                        validation_images=VALIDATION,
                        train_draw=seed,
                        permutation=PERMUTATION if permuted else None,
                    )
                    trials.append(Trial(job=job, data=data, seed=seed))
    return tuple(trials)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the rule looks at. Shares of accuracy, the CNN's less the ViT's, averaged over the small sizes."""

    ordered: Estimate  # with the pixels in order
    permuted: Estimate
    excess: Estimate  # `KEPT` of the first less the second


def conclude(evidence: Evidence) -> Conclusion:
    """The gaps on small data, and the curves of both networks with their crossing."""
    read = evidence.right()
    sizes = sorted({trial.data.train_images or 0 for trial in evidence.trials})
    small = [images for images in sizes if images <= SMALL]

    def gap(ordered: float, permuted: float) -> Estimate:
        """`ordered` times the gap with the pixels in order, plus `permuted` times the other, over the small sizes."""
        weights = {
            name_of(job, images, mixed): sign * factor / len(small)
            for images in small
            for mixed, factor in ((False, ordered), (True, permuted))
            for job, sign in ((CNN, 1), (VIT, -1))
            if factor
        }
        return paired_contrast(read.right, weights, groups=read.groups)

    found = Found(ordered=gap(1, 0), permuted=gap(0, 1), excess=gap(KEPT, -1))
    accuracy = joint(read.right, groups=read.groups, paired_seeds=True)
    curves = {(job, mixed): fitted(accuracy, job, sizes, permuted=mixed) for mixed in (False, True) for job in NETWORKS}
    crossings = [
        about_crossing(mixed, sizes, where_they_cross(sizes, curves[CNN, mixed], curves[VIT, mixed]))
        for mixed in (False, True)
    ]
    verdict, sentence = decide(found)
    return Conclusion(
        verdict=verdict,
        sentence=sentence,
        figures=(
            _points(f"CNN less ViT, up to {SMALL:,} images", found.ordered),
            _points("the same, pixels permuted", found.permuted),
            *(figure for figure, _ in crossings),
        ),
        tables=(_table(accuracies(read), sizes), _curves(curves)),
        charts=tuple(
            _chart(accuracy, sizes, mixed, said) for mixed, (_, said) in zip((False, True), crossings, strict=True)
        ),
        notes=(*(sentence for _, sentence in crossings), *read.notes),
    )


def decide(found: Found) -> tuple[Verdict, str]:
    """The rule."""
    said = (
        f"up to {SMALL:,} training images the CNN is {_text(found.ordered)} points more accurate than the ViT, with "
        f"permuted pixels {_text(found.permuted)}"
    )
    wins = found.ordered.low > 0
    if found.ordered.high < 0:
        return Verdict.REFUTED, f"{said}: it does not win"
    if wins and found.excess.low > 0:
        return Verdict.SUPPORTED, f"{said}: less than half of the advantage is left without neighbours"
    if wins and found.excess.high < 0:
        return Verdict.REFUTED, f"{said}: more than half of the advantage is left without neighbours"
    why = "whether half of the advantage is left is not shown" if wins else "which of them wins is not shown"
    return Verdict.UNDECIDED, f"{said}: {why}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """The learning curve of one network."""

    through_means: Curves  # one
    through_draws: Curves


def fitted(accuracy: Joint, job: str, sizes: list[int], *, permuted: bool) -> Fitted:
    """The curve of `job`, through its mean accuracies and through draws of them."""
    places = [accuracy.names.index(name_of(job, images, permuted)) for images in sizes]
    variances = accuracy.covariance.diagonal()[places]
    mean, drawn = (
        fit_curves([*map(float, sizes)], 1 - one, variances)
        for one in (accuracy.means[None, places], accuracy.draws()[:, places])
    )
    return Fitted(through_means=mean, through_draws=drawn)


def where_they_cross(sizes: list[int], first: Fitted, second: Fitted) -> Crossing:
    """The crossing of two curves."""
    both = ((one.through_means, one.through_draws) for one in (first, second))
    return crossing([*map(float, sizes)], *both)


def _points(name: str, one: Estimate) -> Figure:
    return Figure(name=name, value=100 * one.value, low=100 * one.low, high=100 * one.high, unit="points")


def _text(one: Estimate) -> str:
    return f"{100 * one.value:.2f} [{100 * one.low:.2f}, {100 * one.high:.2f}]"


def about_crossing(permuted: bool, sizes: list[int], found: Crossing) -> tuple[Figure, str]:
    """Where the fitted curves cross, and the same in a sentence: in nearly all draws, in hardly any, or not decided."""
    pixels = "permuted" if permuted else "in order"
    between = f"between {min(sizes):,} and {max(sizes):,} training images, pixels {pixels}"
    figure = Figure(name=f"crossing of the curves {between}", value=None, unit="images")
    if found.share >= SURE and found.size is not None:
        figure = replace(figure, value=found.size, low=found.low, high=found.high)
        return figure, f"the curves cross {between}: in {found.share:.0%} of the draws"
    if found.share <= 1 - SURE:
        return figure, f"the curves do not cross {between}: they do in {found.share:.0%} of the draws"
    return figure, f"whether the curves cross {between} is not decided: they do in {found.share:.0%} of the draws"


def _table(accuracy: Mapping[str, str], sizes: list[int]) -> Table:
    rows = tuple(
        (f"{images:,}", *(accuracy[name_of(job, images, mixed)] for mixed in (False, True) for job in NETWORKS))
        for images in sizes
    )
    columns = ("training images", *(_titled(job, mixed) for mixed in (False, True) for job in NETWORKS))
    return Table(title="Accuracy against training images, with 95 % intervals", columns=columns, rows=rows)


def _curves(curves: Mapping[tuple[str, bool], Fitted]) -> Table:
    """The three numbers of each curve; their intervals are of the draws."""
    texts: Mapping[str, Callable[[float], str]] = {"alpha": "{:.2%}".format, "eta": shown, "gamma": "{:.3f}".format}
    rows = []
    for (job, mixed), one in curves.items():
        cells = [
            text(float(getattr(one.through_means, name)[0])) + within(interval(getattr(one.through_draws, name)), text)
            for name, text in texts.items()
        ]
        rows.append((_titled(job, mixed), *cells))
    return Table(
        title="Fitted curves: error of n images = alpha + eta n^gamma, with 95 % intervals",
        columns=("network", "alpha (with any number of images)", "eta", "gamma"), rows=tuple(rows),
    )  # fmt: skip


def _titled(job: str, mixed: bool) -> str:
    return NETWORKS[job] + ", permuted" * mixed


def _chart(accuracy: Joint, sizes: list[int], permuted: bool, crossing: str) -> Chart:
    rows = {name: [name_of(job, images, permuted) for images in sizes] for job, name in NETWORKS.items()}
    lines = accuracy_lines(accuracy, rows, [*map(float, sizes)])
    between = ends(lines, f"With {min(sizes):,}", f"with {max(sizes):,} training images")
    title = f"Accuracy, pixels {'permuted' if permuted else 'in order'}"
    return Chart(
        title=title,
        conclusion=f"{between} {crossing[0].upper()}{crossing[1:]}.",
        x="training images",
        y="%",
        lines=lines,
    )


CLAIM = Claim(
    name="small-data",
    number=2,
    text="CNNs win on small data by inductive bias.",
    rule=(
        f"Small data are up to {SMALL:,} training images; a seed draws the subset, which both networks get. The gap is "
        "the accuracy of the CNN less that of the ViT, averaged over the small sizes, with 95 % intervals over paired "
        "seeds and test images. Supported if the gap is above 0 and with one fixed permutation of all pixels less than "
        f"{KEPT:.0%} of it is left, both shown; refuted if the gap is shown to be below 0, or is above 0 and more than "
        f"{KEPT:.0%} of it is shown to be left; otherwise not decided."
    ),
    plan=plan,
    conclude=conclude,
    file=Path(__file__),
)
