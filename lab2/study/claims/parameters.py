"""Claim 4: the number of parameters does not predict accuracy."""

from __future__ import annotations

from pathlib import Path

from lab2.compare.joint import joint
from lab2.compare.rank_correlation import RankCorrelation, rank_correlation
from lab2.report.chapter import Chart, Table
from lab2.spec.job import DataConfig, Trial
from lab2.study import networks
from lab2.study.charts import accuracy_points
from lab2.study.claim import Claim, Conclusion, Figure, Size, Verdict
from lab2.study.evidence import Evidence, accuracies

PREDICTS = 0.5  # |tau|: of two networks the larger one is the better one in three of four cases
RELIABLE = 0.8  # mean of 1 - p over the pairs: noise alone has 0.5, and from here on it hides little of a relation


def plan(size: Size) -> tuple[Trial, ...]:
    """Fourteen networks with two seeds on a sixth of MNIST; in full nineteen with five, on all of it."""
    jobs, seeds, data = [*networks.spread()], range(1, 3), DataConfig(train_images=10_000, validation_images=1_000)
    if size == "full":
        jobs += networks.large("random")
        jobs += [networks.of_torchvision(name) for name in ("resnet18", "efficientnet_b0", "shufflenet_v2_x1_0")]
        seeds, data = range(1, 6), DataConfig()
    return tuple(Trial(job=job, data=data, seed=seed) for job in jobs for seed in seeds)


def conclude(evidence: Evidence) -> Conclusion:
    """The rank correlation of parameters and accuracy over the networks of the plan."""
    read, jobs = evidence.right(), evidence.jobs
    sizes = {job: evidence.mean(job, "parameters") or 0.0 for job in jobs}
    accuracy = joint({job: read.right[job] for job in jobs}, groups=read.groups)
    found = rank_correlation([sizes[job] for job in jobs], accuracy)
    verdict, sentence = decide(found)
    rows, shown = sorted(jobs, key=lambda job: sizes[job]), accuracies(read)
    return Conclusion(
        verdict=verdict,
        sentence=sentence,
        figures=(
            Figure(name="Kendall's tau of parameters and accuracy", value=found.tau, low=found.low, high=found.high),
            Figure(name="Spearman's rho", value=found.spearman),
            Figure(name="reliability of the accuracies, mean of 1 - p over their pairs", value=found.reliability),
            Figure(name="networks", value=found.networks),
        ),
        tables=(
            Table(
                title="The networks, by their parameters; accuracies with 95 % intervals",
                columns=("network", "parameters", "accuracy"),
                rows=tuple((job, f"{sizes[job]:,.0f}", shown[job]) for job in rows),
            ),
        ),
        charts=(
            Chart(
                title="Accuracy against parameters", conclusion=f"{sentence}.", x="parameters", y="%",
                lines=accuracy_points(accuracy, {job: sizes[job] for job in rows}),
            ),
        ),
        notes=read.notes,
    )  # fmt: skip


def decide(found: RankCorrelation) -> tuple[Verdict, str]:
    """The rule."""
    interval = f"Kendall's tau is {found.tau:.2f} [{found.low:.2f}, {found.high:.2f}] over {found.networks} networks"
    if found.low > 0 or found.high < 0:
        which = "larger" if found.low > 0 else "smaller"
        return Verdict.REFUTED, f"{interval}: the {which} networks are the more accurate ones more often than not"
    within = max(-found.low, found.high) < PREDICTS
    if within and found.reliability < RELIABLE:
        return Verdict.UNDECIDED, (
            f"{interval}, but the accuracies are too uncertain to have an order that size could predict (reliability "
            f"{found.reliability:.2f}, wanted {RELIABLE}): it takes more seeds or test images"
        )
    if within:
        return Verdict.SUPPORTED, f"{interval}: it excludes that size predicts accuracy in three of four pairs"
    return Verdict.UNDECIDED, f"{interval}: neither no relation nor a strong one is excluded; it takes more networks"


CLAIM = Claim(
    name="parameters",
    number=4,
    text="The number of parameters does not predict accuracy.",
    rule=(
        "Kendall's tau of parameters and mean test accuracy over the networks of the plan, with a 95 % interval "
        "(bootstrap of the networks, with their accuracies as measured). Refuted if the interval excludes 0, which is "
        "looked at first; else supported if it "
        f"lies within ({-PREDICTS}, {PREDICTS}), where size tells the better of two networks in fewer than three of "
        f"four pairs, and the accuracies are reliable: 1 - p, averaged over all pairs of networks, is {RELIABLE} or "
        "more (0.5 is what noise alone has, and noise draws tau towards 0); otherwise not decided."
    ),
    plan=plan,
    conclude=conclude,
    file=Path(__file__),
)
