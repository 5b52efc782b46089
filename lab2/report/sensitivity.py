"""Whether the verdicts stand without the images whose label is doubtful; and these images, as a table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lab2.compare.comparison import Comparison, compare
from lab2.compare.doubtful import Doubts
from lab2.errors import ComparisonError
from lab2.report.finding import Finding

MOST_PAIRS = 3  # in the note
COLUMNS = ("image", "place", "label", "says", "probability", "probability_of_label")


def sensitivity(finding: Finding, doubts: Doubts) -> str:
    """One sentence: how many labels are doubtful, and which verdicts change without them.

    Margin, groups and method stay as they are.
    """
    count, read, judged = len(doubts.places), finding.read, finding.judged
    if judged is None:
        return ""
    if not count:
        return f"none of the {judged.images:,} test labels is doubtful (confident learning)"
    found = (
        f"{count:,} of {judged.images:,} test labels {'is' if count == 1 else 'are'} doubtful (confident learning; "
        "doubtful.csv names them)"
    )
    kept = np.ones(judged.images, np.bool_)
    kept[doubts.places] = False
    groups = None if read.groups is None else read.groups[kept]
    right = {name: rows[:, kept] for name, rows in read.right.items()}
    try:
        without = compare(right, groups=groups, margin=judged.margin, fixed=finding.fixed, looks=finding.looks)
    except ComparisonError as error:
        return f"{found}; without them nothing can be compared: {error}"
    return f"{found}; without them {_changes(judged, without)}"


def _changes(judged: Comparison, without: Comparison) -> str:
    changed = [
        f"{pair.first}, {pair.second}: {pair.verdict} -> {now}"
        for pair in judged.pairs
        if (now := without.pair(pair.first, pair.second).verdict) is not pair.verdict
    ]
    if not changed:
        return "no verdict changes"
    more = f"; and {len(changed) - MOST_PAIRS} more" if len(changed) > MOST_PAIRS else ""
    what = "the verdict of 1 pair changes" if len(changed) == 1 else f"the verdicts of {len(changed)} pairs change"
    return f"{what}: {'; '.join(changed[:MOST_PAIRS])}{more}"


def doubtful_table(finding: Finding, doubts: Doubts | None) -> pd.DataFrame:
    """A row for each image whose label is doubtful; classes are numbers from 0, as in the predictions.

    `image`: its identity in hexadecimal digits, where it is known. `place`: from 0, in the test set on
    which the rows are compared.
    """
    read = finding.read
    if doubts is None or read.truth is None:
        return pd.DataFrame(columns=list(COLUMNS))
    places = doubts.places
    images = [None] * len(places) if read.images is None else [f"{int(one):016x}" for one in read.images[places]]
    values = (images, places, read.truth[places], doubts.classes, doubts.probabilities, doubts.of_label)
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True))).sort_values(
        ["probability_of_label", "place"], kind="stable"
    )
