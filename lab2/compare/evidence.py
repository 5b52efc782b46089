"""An e-process: evidence that may be looked at after every seed, at any time, without a plan. Question 2 only.

Source: Wang and Ramdas, arXiv:2310.03722 (the t-test's e-process by a Gaussian mixture over effect sizes).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lab2.errors import ComparisonError


def e_process(differences: Sequence[float], *, g: float = 1.0) -> NDArray[np.float64]:
    """e_n after each of the n differences of accuracies, in the order in which the seeds were run; (n,), e_1 = 1.

    Stop when e_n >= 1 / alpha: if the recipes are equal on this test set, that ever happens with probability alpha at
    most. `g`: variance of the effect sizes (difference over its deviation between seeds) that one expects, fixed
    beforehand. With t of n differences and nu = n - 1: `e_n = (1+ng)^(-1/2) [(1+t^2/nu) / (1+t^2/(nu(1+ng)))]^(n/2)`.
    """
    if g <= 0:
        raise ComparisonError(f"g {g}: wanted a positive variance of effect sizes")
    found = np.ones(len(differences))
    for n in range(2, len(differences) + 1):
        so_far = np.asarray(differences[:n], dtype=np.float64)
        error, grown = float(so_far.std(ddof=1)) / math.sqrt(n), 1 + n * g
        mean = float(so_far.mean())
        if error > 0:
            share = mean**2 / error**2 / (n - 1)  # t^2 / nu
            log = n / 2 * (math.log1p(share) - math.log1p(share / grown))
        else:  # t is infinite, or 0 / 0 where nothing differs
            log = n / 2 * math.log(grown) if mean else 0.0
        found[n - 1] = math.exp(min(700.0, log - math.log(grown) / 2))
    return found
