"""The browser compares as Python does: statistics.js against lab2/compare/, to the last digit that is shown."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lab2.report.page
from lab2.compare.comparison import compare
from lab2.report.page.differences import interval, signed

SCRIPT = (Path(lab2.report.page.__file__).parent / "statistics.js").read_text()
NODE = shutil.which("node")
WANTED = """
const given = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(given.map(({ first, second, groups, cases, fixed }) => {
  const samples = [first, second].map((rows, side) => statistics.sample(rows, groups, cases, fixed[side]));
  const found = statistics.compare(samples[0], samples[1], groups !== null);
  const shown = ["difference", "low", "high"].map((name) => statistics.signed(found[name]));
  return { ...found, shown };
})));
"""

pytestmark = pytest.mark.skipif(NODE is None, reason="LOUD: no node here; the browser's statistics are not checked")


def in_node(script: str, given: object) -> Any:
    assert NODE is not None
    done = subprocess.run(
        [NODE, "-e", SCRIPT + script], input=json.dumps(given), capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def drawn(generator: np.random.Generator, seeds: int, share: float, images: int) -> np.ndarray:
    """(seeds, images) right answers: of hard images and of easy ones, and of lucky seeds."""
    ease = generator.beta(2, 0.2, images) * share + generator.normal(0, 0.01, (seeds, 1))
    return generator.random((seeds, images)) < ease


CASES: dict[str, dict[str, Any]] = {
    "three seeds each": {"seeds": (3, 3)},
    "ten seeds and two": {"seeds": (10, 2)},
    "one seed and three": {"seeds": (1, 3)},
    "one seed each": {"seeds": (1, 1)},
    "one seed each, few images": {"seeds": (1, 1), "images": 12},
    "groups": {"seeds": (3, 2), "groups": 40},
    "groups, one seed each": {"seeds": (1, 1), "groups": 40},
    "two groups": {"seeds": (2, 2), "groups": 2},
    "a baseline": {"seeds": (3, 1), "fixed": True},
    "ten thousand images": {"seeds": (3, 3), "images": 10_000, "shares": (0.995, 0.99)},
    "nearly alike": {"seeds": (2, 2), "shares": (1.0, 1.0), "images": 300},
}


def test_difference_interval_and_p_are_those_of_python():
    given, wanted, names = [], [], []
    for name, case in CASES.items():
        for draw in range(6):
            generator = np.random.default_rng(draw)
            images, shares = case.get("images", 800), case.get("shares", (0.95, 0.9))
            rows = [drawn(generator, n, share, images) for n, share in zip(case["seeds"], shares, strict=True)]
            count = case.get("groups")
            groups = None if count is None else generator.integers(0, count, images)
            codes = None if groups is None else np.unique(groups, return_inverse=True)[1].tolist()
            fixed = ["b"] if case.get("fixed") else []
            pair = compare({"a": rows[0], "b": rows[1]}, groups=groups, fixed=fixed).pair("a", "b")
            given.append({
                "first": rows[0].astype(int).tolist(), "second": rows[1].astype(int).tolist(), "groups": codes,
                "cases": images if codes is None else max(codes) + 1, "fixed": [False, bool(fixed)],
            })  # fmt: skip
            wanted.append(pair.answer)
            names.append(f"{name}, draw {draw}")
    for name, found, answer in zip(names, in_node(WANTED, given), wanted, strict=True):
        for field in ("difference", "low", "high", "p"):
            assert found[field] == pytest.approx(getattr(answer, field), rel=1e-8, abs=1e-10), (name, field)
        assert found["method"] == answer.method.value, name
        shown = [signed(answer.difference), signed(answer.low), signed(answer.high)]
        assert found["shown"] == shown, name
        assert interval(answer.low, answer.high) == f"[{shown[1]}, {shown[2]}]"


@pytest.mark.parametrize(("b", "c"), [(0, 0), (5, 0), (6, 0), (0, 6), (9, 1), (1, 9), (40, 39), (900, 700)])
def test_mcnemar_of_images_that_only_one_is_right_about(b: int, c: int):
    rows = np.ones((2, 1, 2000), bool)
    rows[1, 0, :b] = False
    rows[0, 0, b : b + c] = False
    answer = compare({"a": rows[0], "b": rows[1]}).pair("a", "b").answer
    given = {"first": rows[0].astype(int).tolist(), "second": rows[1].astype(int).tolist()}
    (found,) = in_node(WANTED, [{**given, "groups": None, "cases": 2000, "fixed": [False, False]}])
    assert [found[name] for name in ("low", "high", "p")] == pytest.approx(
        [answer.low, answer.high, answer.p], rel=1e-8
    )


def test_a_difference_is_rounded_as_python_rounds_it():
    """100 * 0.00125 is a tie: Python rounds it to the even digit, JavaScript by itself does not."""
    shares = [0.00125, 0.00375, -0.00125, 0.0, -0.00001, 0.00001, 0.0123456, -1.0, 1.0, *np.linspace(-0.01, 0.01, 161)]
    script = """
    console.log(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")).map(statistics.signed)));
    """
    assert in_node(script, shares) == [signed(share) for share in shares]
    assert [signed(share) for share in shares[:5]] == ["+0.12", "+0.38", "−0.12", "0.00", "0.00"]
