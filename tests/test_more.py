"""Which looks `lab2 more` plans, and how the plan of a run grows by them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from lab2.compare.comparison import Comparison, compare
from lab2.compare.looks import Look
from lab2.compare.price import Need
from lab2.errors import ConfigError, RunError
from lab2.more.design import NothingToAdd, plan_looks
from lab2.more.planned_looks import Asked, PlannedLooks, read_looks, write_looks
from lab2.more.standing import grown, seeds_at_hand
from lab2.report.finding import find
from lab2.results.collect import collect
from lab2.results.correctness import Collected
from tests.answered import among, answered

OPEN = {  # luck of seeds is all: each is right about the first so many images
    "a": np.stack([among(1000, range(count)) for count in (900, 920, 940)]),
    "b": np.stack([among(1000, range(count)) for count in (900, 915, 945)]),
}
SEEDS = {"a": (1, 2, 3), "b": (1, 2, 3)}


def made(judged: Comparison | None = None, at_hand: Any = None, **asked: Any) -> PlannedLooks | NothingToAdd:
    asked = {"difference_points": 3.0, **asked}
    used = [seed for seeds in (at_hand or SEEDS).values() for seed in seeds]
    judged = judged or compare(OPEN, margin=0.02)
    return plan_looks(
        judged, ("a", "b"), at_hand or SEEDS, frozenset(), Asked(**asked), used=used, pairs=len(judged.pairs)
    )


def planned(**asked: Any) -> PlannedLooks:
    looks = made(**asked)
    assert isinstance(looks, PlannedLooks)
    return looks


class TestPlan:
    def test_begins_with_the_seeds_at_hand_and_ends_where_the_price_says(self):
        looks = planned()
        judged = compare(OPEN, margin=0.02)
        split = judged.pair("a", "b").split
        assert split.one_seed is not None
        critical = stats.norm.isf(looks.looks[-1].level / 2)
        by_hand = math.ceil(split.one_seed / ((0.03 / (critical + stats.norm.isf(0.2))) ** 2 - split.images))
        assert (looks.counts[0], looks.counts[-1]) == (3, by_hand + 1)  # Student's quantiles ask for one more
        assert looks.power == pytest.approx(0.8, abs=0.03)
        assert looks.power >= 0.8
        assert (looks.pairs, looks.difference, looks.alpha) == (1, 0.03, 0.05)

    def test_new_seeds_are_the_next_ones_after_the_largest_of_both(self):
        looks = planned(looks=(5, 6), at_hand={"a": (1, 2, 3), "b": (4, 9, 7)})
        assert looks.looks[0].seeds == looks.at_hand
        assert looks.looks[1].seeds == {"a": (1, 2, 3, 10, 11), "b": (4, 9, 7, 10, 11)}
        assert looks.looks[2].seeds == {"a": (1, 2, 3, 10, 11, 12), "b": (4, 9, 7, 10, 11, 12)}
        assert looks.new == 6

    def test_who_has_more_seeds_gets_none_until_the_other_has_as_many(self):
        looks = planned(looks=(4, 6), at_hand={"a": (1, 2, 3), "b": (1, 2, 3, 4, 5)})
        assert [{job: len(seeds) for job, seeds in look.seeds.items()} for look in looks.looks] == [
            {"a": 3, "b": 5},
            {"a": 4, "b": 5},
            {"a": 6, "b": 6},
        ]

    def test_with_one_seed_the_price_is_unknown_and_looks_are_at_3_5_and_10(self):
        judged = compare({name: rows[:1] for name, rows in OPEN.items()}, margin=0.02)
        one = {"a": (1,), "b": (1,)}
        looks = made(judged, one)
        assert isinstance(looks, PlannedLooks)
        assert (looks.counts, looks.power) == ((3, 5, 10), None)
        few = made(judged, one, most_seeds=4)
        assert isinstance(few, PlannedLooks)
        assert few.counts == (3, 4)

    def test_the_most_seeds_end_it_and_the_power_says_what_that_costs(self):
        looks = planned(difference_points=2.0, most_seeds=6)
        assert looks.counts[-1] == 6
        assert looks.power is not None
        assert 0.1 < looks.power < 0.8

    def test_levels_are_those_of_alpha_over_all_pairs_of_the_run(self):
        third = among(1000, range(300))[None].repeat(3, 0)
        looks = made(compare({**OPEN, "c": third}, margin=0.02), looks=(5, 10))
        assert isinstance(looks, PlannedLooks)
        assert looks.pairs == 3
        assert [one.level for one in looks.looks] == [
            Look(seeds=(3, 5, 10), number=n, pairs=3).level(0.05) for n in (1, 2, 3)
        ]

    def test_what_only_images_decide_gets_no_seeds(self):
        """20 images tell them apart, 10 on each side, whatever the seed."""
        apart = {"a": among(1000, range(910)), "b": among(1000, range(900), range(910, 920))}
        judged = compare({name: row[None].repeat(3, 0) for name, row in apart.items()}, margin=0.001)
        nothing = made(judged, difference_points=0.1, looks=(5, 10))
        assert isinstance(nothing, NothingToAdd)
        assert nothing.price.need is Need.IMAGES
        assert nothing.price.images is not None
        assert nothing.price.images > 1000

    def test_where_the_seeds_at_hand_are_enough_none_are_added_unless_looks_are_stated(self):
        assert isinstance(made(difference_points=20.0), NothingToAdd)
        assert planned(difference_points=20.0, looks=(4,)).counts == (3, 4)

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            ({"difference_points": 0.0}, r"--difference 0\.0: wanted points"),
            ({"difference_points": 100.0}, "wanted points of accuracy between 0 and 100"),
            ({"looks": (2, 5)}, "more than the 3 at hand"),
            ({"looks": (3,)}, "more than the 3 at hand"),
            ({"looks": (5, 4)}, "wanted increasing numbers"),
            ({"looks": (5, 10), "most_seeds": 8}, "no look after the most seeds"),
            ({"most_seeds": 3}, "more than the 3 at hand"),
            ({"most_seeds": 0}, "0 seeds: wanted from 2 to 100,000"),
            ({"looks": (5, 10**6)}, "1000000 seeds: wanted from 2 to 100,000"),
            ({"at_hand": {"a": (1, 2, 3), "b": (1, 2, 2**31 - 2)}}, "no seed numbers are left"),
        ],
    )
    def test_looks_that_cannot_be_are_refused(self, asked, message):
        with pytest.raises(ConfigError, match=message):
            made(**asked)


class TestFile:
    def test_comes_back_as_it_was(self, tmp_path: Path):
        write_looks(tmp_path / "looks.json", planned(looks=(5, 10)))
        assert read_looks(tmp_path / "looks.json") == planned(looks=(5, 10))

    @pytest.mark.parametrize(
        ("harm", "message"),
        [
            (lambda text: text.replace('"alpha": 0.05', '"alpha": 0.1'), "it was altered"),
            (lambda text: text.replace('"pairs": 1', '"pairs": "all"'), "pairs: found 'all'"),
            (lambda text: text.replace('"schema": 1', '"schema": 9'), "update lab2"),
            (lambda text: text[:-20], "not a plan of looks"),
            (lambda _: "[]", "not a plan of looks"),
        ],
    )
    def test_an_altered_one_is_refused_and_costs_a_report_only_a_note(self, tmp_path: Path, harm, message):
        run = answered(tmp_path, OPEN)
        write_looks(run.looks, planned())
        run.looks.write_text(harm(run.looks.read_text()))
        with pytest.raises(ConfigError, match=message) as caught:
            read_looks(run.looks)
        finding = find(Collected(run=run, comparison=collect(run)))
        assert finding.judged is not None
        assert str(caught.value) in finding.notes[0]


class TestGrowth:
    def test_the_plan_keeps_all_that_it_has_and_gets_one_look_more(self, tmp_path: Path):
        run, looks = answered(tmp_path, OPEN), planned(looks=(5, 10))
        before = run.read_plan()
        run.write_plan(replace(before, digests=tuple(trial.digest for trial in before.trials)))
        assert grown(run, looks, 1).names == before.names
        after = grown(run, looks, 2)
        assert after.names == tuple(f"{job}-seed{seed}" for job in "ab" for seed in range(1, 6))
        assert after.digests == tuple(trial.digest for trial in after.trials)
        assert {replace(trial, seed=1) for trial in after.trials} == {t for t in before.trials if t.seed == 1}
        assert run.read_plan() == after
        content = run.plan.read_bytes()
        assert grown(run, looks, 2) == after
        assert run.plan.read_bytes() == content

    def test_a_plan_without_digests_stays_without(self, tmp_path: Path):
        run = answered(tmp_path, OPEN)
        assert grown(run, planned(looks=(4,)), 2).digests == ()

    def test_seeds_without_a_result_are_refused(self, tmp_path: Path):
        run = answered(tmp_path, OPEN)
        run.shard("b-seed2").unlink()
        with pytest.raises(RunError, match=r"b-seed2 \(missing\) without a result"):
            seeds_at_hand(collect(run), ("a", "b"))
        with pytest.raises(ConfigError, match="no job c; there are: a, b"):
            seeds_at_hand(collect(run), ("a", "c"))
