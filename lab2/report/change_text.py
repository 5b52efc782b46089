"""What changed from one run to another, in sentences and in rows of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lab2.compare.noninferiority import AFTER, BEFORE, Change, Verdict
from lab2.compare.price import Need, Price
from lab2.report.answer import listed, points
from lab2.report.changes import Changes, JobChange
from lab2.report.columns import ABSENT
from lab2.words import counted

FEW = 5  # flipped images in a sentence; the JSON file has all
SHORT = 12  # characters of a digest in a table


def headline(changes: Changes) -> str:
    """The verdict on all jobs; it begins with the words of `Verdict`."""
    verdict, margin = changes.verdict, f"the margin of {points(changes.margin)}"
    names = [job.name for job in changes.jobs if job.verdict is verdict]
    if verdict is Verdict.WORSE:
        what = f"{listed(names)}: a loss is shown, and one of {points(changes.margin)} or more is not excluded"
    elif verdict is Verdict.NOT_DECIDED:
        names = [job.name for job in changes.jobs if job.verdict is not Verdict.NOT_WORSE]
        what = f"{listed(names)}: not passed; the sentences below say why"
    elif not changes.measured and changes.jobs:
        baselines = listed([job.name for job in changes.jobs])
        what = f"the two runs have only baselines in common ({baselines}), and no trained job of the same name"
    elif verdict is Verdict.NOTHING_IN_COMMON and changes.jobs:
        what = f"{listed(names)}: tested on different images in the two runs"
    elif verdict is Verdict.NOTHING_IN_COMMON:
        what = "the two runs have no job of the same name"
    elif all(job.shared.reproduced for job in changes.jobs):
        what = f"{listed(names)}: the same predictions, bit for bit"
    else:
        what = f"{listed(names)}: it is shown that the loss, if there is one, is less than {margin}"
    return f"{verdict}: {what}."


def caveats(changes: Changes) -> list[str]:
    """What has to be known before the rest."""
    found = []
    smoke = [side.name for side in (changes.before, changes.after) if side.comparison.plan.smoke]
    if smoke:
        found.append(
            f"SMOKE RUN: {listed(smoke)}: trainings on a fraction of the data, which say nothing of the recipes."
        )
    for side, names in ((changes.before, changes.only_before), (changes.after, changes.only_after)):
        if names:
            found.append(f"Only in {side.name}, and not compared: {', '.join(names)}.")
    return found


def job_cells(job: JobChange) -> tuple[str, str, str, str, str]:
    """Name, verdict, accuracies before and after, and the difference in points with its 95 % interval."""
    change = job.change
    if change is not None:
        interval = f"{100 * change.difference:+.2f} [{100 * change.low:+.2f}, {100 * change.high:+.2f}]"
        return job.name, str(job.verdict), f"{change.before:.2%}", f"{change.after:.2%}", interval
    if job.shared.reproduced:
        good = [one.row.accuracy for one in job.shared.after if one.row.accuracy is not None and one.ended_well]
        accuracy = f"{sum(good) / len(good):.2%}" if good else ABSENT
        return job.name, str(job.verdict), accuracy, accuracy, "none, bit for bit"
    return job.name, str(job.verdict), ABSENT, ABSENT, ABSENT


def job_sentences(job: JobChange, changes: Changes) -> list[str]:
    """What is shown of one job, why it is not decided, and which images flipped."""
    found = [f"{job.name}: {_finding(job, changes)}."]
    found += [f"{job.name}: not passed, because of this: {reason}." for reason in job.reasons]
    if job.change and job.change.price:
        found.append(f"{job.name}: {_price(job.change, job.change.price)}.")
    if job.flips is not None:
        found.append(f"{job.name}: {_flipped(job)}.")
    return found


def _finding(job: JobChange, changes: Changes) -> str:
    same, shared, change = len(job.shared.same_predictions), job.shared, job.change
    if shared.reproduced:
        taken = Counter(changes.after.comparison.taken.get(name) for name in shared.same_predictions)
        copied = [f"{count} of these copied from {run}, not trained again" for run, count in taken.items() if run]
        return "; ".join([f"the same predictions, bit for bit ({_seeds(same)})", *copied])
    if change is None:
        return str(job.verdict)
    found = f"{_shown(change)} ({_of_what(change)})"
    if work := len(shared.same_work):
        found += f"; {_seeds(work)} with the same configuration, of which {same} {_has(same)} the same predictions"
    return found


def _shown(change: Change) -> str:
    margin = points(change.margin)
    if change.shown_better:
        return "better"
    if change.shown_worse and change.within:
        return f"worse, but by less than the margin of {margin}"
    if change.shown_worse:
        return "worse"
    if change.within:
        return f"no difference is shown, and a loss of {margin} or more is excluded"
    return f"no difference is shown, but a loss of up to {points(-change.bound)} is not excluded"


def _of_what(change: Change) -> str:
    """The question, and what it was answered from."""
    cases = f"{change.images:,} images"
    if change.seeds == (1, 1) and change.answer.uncovered:
        return f"of these two trained networks, on {cases}; how much another seed would change it is unknown"
    seeds = f"{_seeds(change.seeds[0])} before, {change.seeds[1]} after, {cases}"
    one = [name for name in (BEFORE, AFTER) if name in change.answer.uncovered]
    return seeds + "".join(f"; {name} there is one seed, whose luck is not in the interval" for name in one)


def _price(change: Change, price: Price) -> str:
    """What would show that an unchanged recipe is within the margin."""
    power, least = f"with a power of {100 * price.power:.0f} %", min(change.seeds)
    cases = "images" if change.cases == change.images else "groups of images"
    if price.need is Need.SECOND_SEED:
        return "what would decide it is unknown until there is a second seed before and after"
    if price.need is Need.SEEDS and price.seeds is not None and price.seeds > least:
        return f"if nothing has changed, {price.seeds:,} seeds before and after would show it {power}"
    if price.need is Need.IMAGES and price.images is not None and price.images > change.cases:
        return f"if nothing has changed, {price.images:,} {cases} or more would show it {power}, whatever the seeds"
    return f"if nothing has changed, as many seeds and images as these show it {power}"


def _flipped(job: JobChange) -> str:
    flips, images = job.flips, job.shared.correctness.images
    assert flips is not None
    several = " (by more than half of the seeds)" * bool(job.change and max(job.change.seeds) > 1)
    lost, gained = len(flips.lost), len(flips.gained)
    found = f"{lost:,} images flipped from right to wrong, {gained:,} from wrong to right{several}"
    named = [f"{place} ({images[place]:016x})" if images is not None else f"{place}" for place in flips.lost[:FEW]]
    if named:
        more = f" and {lost - FEW:,} more" * (lost > FEW)
        found += f"; wrong now, by place{' and identity' * (images is not None)}: {', '.join(named)}{more}"
    return found


def cost_cells(changes: Changes) -> Iterator[tuple[str, str, str, str, str]]:
    """Rows of job, cost, before, after and ratio."""
    for job in changes.jobs:
        for cost in job.costs:
            values = (ABSENT if value is None else cost.metric.text(value) for value in (cost.before, cost.after))
            ratio = ABSENT if cost.ratio is None else f"{cost.ratio:.2f}"
            yield (job.name, cost.metric.title, *values, ratio)  # type: ignore[misc]  # two values


def difference_cells(changes: Changes) -> Iterator[tuple[str, str, str, str]]:
    """Rows of field, jobs, before and after: a row for all jobs that differ alike."""
    jobs: dict[tuple[str, str, str], list[str]] = {}
    for job in changes.jobs:
        for one in job.differences:
            jobs.setdefault((one.field, _short(one.before), _short(one.after)), []).append(job.name)
    for (field, before, after), names in jobs.items():
        yield field, "all" if len(names) == len(changes.jobs) else ", ".join(names), before, after


def _short(values: str) -> str:
    """Digests cut: a value of 40 characters or more without a space is one."""
    return ", ".join(one[:SHORT] if len(one) >= 40 and one.isalnum() else one for one in values.split(", "))


def _seeds(count: int) -> str:
    return counted(count, "seed")


def _has(count: int) -> str:
    return "has" if count == 1 else "have"
