"""What changed from one run to another, as JSON for programs."""

from __future__ import annotations

import json
from typing import Any

from lab2.compare.answer import Answer
from lab2.compare.noninferiority import Change
from lab2.report.changes import Changes, JobChange
from lab2.results.two_runs import Side

SCHEMA = 1  # raised only where the meaning of a field changes


def changes_json(changes: Changes) -> bytes:
    """Verdicts and figures, without sentences and warnings.

    Accuracies, differences and the margin are in [0, 1]; differences are after minus before.
    """
    content = {
        "schema": SCHEMA,
        "verdict": changes.verdict.value,
        "before": _side(changes.before),
        "after": _side(changes.after),
        "margin": changes.margin,
        "margin_from": changes.margin_from,
        "only_before": list(changes.only_before),
        "only_after": list(changes.only_after),
        "jobs": [_job(job) for job in changes.jobs],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _side(side: Side) -> dict[str, Any]:
    return {"run": side.name, "path": str(side.run.path), "smoke": side.comparison.plan.smoke}


def _job(job: JobChange) -> dict[str, Any]:
    shared = job.shared
    return {
        "job": job.name,
        "verdict": job.verdict.value,
        "reasons": list(job.reasons),
        "notes": list(job.notes),
        "bit_equal": shared.reproduced,
        "same_configuration": list(shared.same_work),
        "same_predictions": list(shared.same_predictions),
        "accuracy": _change(job.change) if job.change else None,
        "flips": _flips(job),
        "costs": [
            {"name": c.metric.name, "unit": c.metric.unit, "before": c.before, "after": c.after, "ratio": c.ratio}
            for c in job.costs
        ],
        "differences": [{"field": one.field, "before": one.before, "after": one.after} for one in job.differences],
    }


def _change(change: Change) -> dict[str, Any]:
    price = change.price
    return {
        "before": change.before,
        "after": change.after,
        "seeds_before": change.seeds[0],
        "seeds_after": change.seeds[1],
        "images": change.images,
        "cases": change.cases,
        "difference": change.difference,
        "low": change.low,
        "high": change.high,
        "bound": change.bound,
        "within_margin": change.within,
        "shown_worse": change.shown_worse,
        "shown_better": change.shown_better,
        "question": change.answer.question.value,
        "method": change.answer.method.value,
        "p": change.answer.p,
        "one_seed": list(change.answer.uncovered),
        "test_set": _other(change.test_set),
        "price": {
            "need": price.need.value, "power": price.power, "seeds": price.seeds, "images": price.images,
            "images_at_hand": price.images_at_hand,
        } if price else None,
    }  # fmt: skip


def _other(answer: Answer | None) -> dict[str, float] | None:
    """The answer to question 2, of this job alone."""
    return {"low": answer.low, "high": answer.high, "p": answer.p} if answer else None


def _flips(job: JobChange) -> dict[str, Any] | None:
    """Every image that flipped: its place, its identity in hexadecimal, the shares of the seeds that are right."""
    found, images = job.flips, job.shared.correctness.images
    if found is None:
        return None

    def listed(places: list[int]) -> list[dict[str, Any]]:
        return [
            {
                "place": place,
                "image": None if images is None else f"{images[place]:016x}",
                "before": float(found.before[place]),
                "after": float(found.after[place]),
            }
            for place in places
        ]

    return {"right_to_wrong": listed(found.lost.tolist()), "wrong_to_right": listed(found.gained.tolist())}
