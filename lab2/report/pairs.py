"""The table of pairs: what is shown of each two rows, and what would decide it. Shares are in [0, 1]."""

from __future__ import annotations

import pandas as pd

from lab2.compare.answer import Answer
from lab2.compare.comparison import Comparison, Pair
from lab2.report.finding import Finding

COLUMNS = (
    *("first", "second", "verdict", "difference", "difference_low", "difference_high", "p"),
    *("equivalent", "margin", "p_equivalence", "p_alone", "p_holm", "question", "method", "one_seed"),
    *("networks_low", "networks_high", "networks_p", "test_set_low", "test_set_high", "test_set_p"),
    *("seeds_first", "seeds_second", "images"),
    *("need", "need_difference", "need_power", "need_seeds", "need_images", "need_images_at_hand"),
)
_COUNTS = ("seeds_first", "seeds_second", "images", "need_seeds", "need_images", "need_images_at_hand")


def pair_table(finding: Finding) -> pd.DataFrame:
    """A row a pair, the more accurate row of it first; none where nothing is compared."""
    judged = finding.judged
    rows = [_row(pair, judged) for pair in judged.pairs] if judged else []
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(_COUNTS, "Int64"))


def _row(pair: Pair, judged: Comparison) -> dict[str, object]:
    seeds, price = {row.name: row.components.seeds for row in judged.rows}, pair.price
    return {
        "first": pair.first,
        "second": pair.second,
        "verdict": pair.verdict.value,
        "difference": pair.difference,
        "difference_low": pair.low,
        "difference_high": pair.high,
        "p": pair.p_adjusted,
        "equivalent": pair.equivalent,
        "margin": judged.margin,
        "p_equivalence": pair.p_equivalence,
        "p_alone": pair.answer.p,
        "p_holm": pair.p_holm,
        "question": pair.answer.question.value,
        "method": pair.answer.method.value,
        "one_seed": ", ".join(pair.uncovered),
        **_other("networks", pair.networks),
        **_other("test_set", pair.test_set),
        "seeds_first": seeds[pair.first],
        "seeds_second": seeds[pair.second],
        "images": judged.images,
        "need": price.need.value if price else None,
        "need_difference": price.difference if price else None,
        "need_power": price.power if price else None,
        "need_seeds": price.seeds if price else None,
        "need_images": price.images if price else None,
        "need_images_at_hand": price.images_at_hand if price else None,
    }


def _other(name: str, answer: Answer | None) -> dict[str, float | None]:
    """The interval and p of the answer to another question, of this pair alone."""
    values = (answer.low, answer.high, answer.p) if answer else (None,) * 3
    return dict(zip((f"{name}_low", f"{name}_high", f"{name}_p"), values, strict=True))
