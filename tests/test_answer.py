"""The answer of a report: verdicts that are known by hand, and never more than is shown."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lab2.compare.comparison import Verdict
from lab2.compare.price import Need
from lab2.errors import ConfigError
from lab2.launch.planning import start_run
from lab2.models.commonest_class import CommonestClassConfig
from lab2.report.answer import answer, cliques, listed
from lab2.report.report import Report, make_report
from lab2.report.writers import markdown, pairs_csv, pairs_json, table_csv, table_json
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir, create_run
from lab2.spec.job import JobSpec, Trial
from lab2.spec.plan import Plan, dump_plan, load_plan
from tests.answered import among, answered, leave, seeds_of
from tests.conftest import SMALL, make_run, make_trial

A, B = among(1000, range(950)), among(1000, range(900))  # a is right about 50 images more
D = among(1000, range(870), range(900, 930))  # as many as b; 30 of them other ones
NO_LUCK = {"b": B[None].repeat(3, 0), "a": A[None].repeat(3, 0), "c": B[None].repeat(3, 0), "d": D[None].repeat(3, 0)}


def report_of(run: RunDir) -> Report:
    return make_report(run, collect(run))


class TestCaveats:
    def test_rows_that_lacked_their_weights_are_named_before_the_answer(self, tmp_path: Path):
        trials = [seeds_of("a")[0], seeds_of("b")[0]]
        trials[0] = replace(trials[0], job=replace(trials[0].job, weights_missing=True))
        run = make_run(tmp_path, *trials)
        for trial, right in zip(trials, (A, B), strict=True):
            leave(run, trial, right)
        report = report_of(run)
        wanted = "From random weights, because no pre-trained ones were in the cache: a. What follows says nothing of"
        assert markdown(report).startswith(wanted)
        assert report.summary["weights_missing"].tolist() == [True, False]

    def test_a_row_that_asked_for_random_ones_is_not(self, tmp_path: Path):
        assert "From random weights" not in markdown(report_of(answered(tmp_path, {"a": A[None], "b": B[None]})))


class TestVerdicts:
    """Three seeds that agree: the luck of images is all there is, and V of `a` against `b` is 0.05 * 0.95 / 999."""

    def test_the_best_and_the_equal_are_named(self, tmp_path: Path):
        report = report_of(answered(tmp_path, NO_LUCK))
        best, alike = answer(report.finding)
        assert best.startswith("a is the best: it is shown to be better than b, c and d (than b by 5.00 points, 95 % ")
        half = 100 * (0.05 * 0.95 / 999) ** 0.5  # a standard error, in points
        low, high = (float(word) for word in best.split("interval ")[1].rstrip(").").split(" to "))
        assert 5 - 2.9 * half < low < 5 - 2 * half  # for six pairs more than 1.96 errors, less than Bonferroni's 2.64
        assert high - 5 == pytest.approx(5 - low, abs=0.011)
        assert alike == "Equal within the margin of 3.16 points: b, c and d."

    def test_a_stated_margin_leaves_open_what_it_is_too_small_for(self, tmp_path: Path):
        report = report_of(answered(tmp_path, NO_LUCK, margin=0.5))
        _, alike, deciding = answer(report.finding)
        assert alike == "Equal within the margin of 0.5 points: b and c. Not shown to differ: b and d; c and d."
        judged = report.finding.judged
        assert judged is not None
        price = judged.pair("b", "d").price
        assert price is not None
        assert price.images is not None
        assert (price.need, price.images > 1000) == (Need.IMAGES, True)
        assert deciding == (
            f"To find a true difference of 0.5 points with a power of 80 %: b and d need {price.images:,} test images "
            f"or more, c and d need {price.images:,} test images or more (there are 1,000), however many the seeds."
        )

    def test_the_rows_have_letters_and_ranks(self, tmp_path: Path):
        report = report_of(answered(tmp_path, NO_LUCK))
        rows = report.summary.set_index("job")
        assert rows["letters"].to_dict() == {"a": "a", "b": "b", "c": "b", "d": "b"}
        assert rows["best_rank"].to_dict() == {"a": 1, "b": 2, "c": 2, "d": 2}
        assert rows["worst_rank"].to_dict() == {"a": 1, "b": 4, "c": 4, "d": 4}
        text = markdown(report)
        # By hand: 0.9 ± 1.962 sqrt(0.09 / 999). The seeds are alike, so all of it is the luck of the images.
        assert "| b | 90.00% \\[88.14, 91.86\\] | ok | b |" in text
        assert "| 3 of 3 | 2–4 |" in text
        assert "| 3 of 3 | 1 |" in text
        parsed = {row["job"]: row for row in json.loads(table_json(report))}
        assert (parsed["b"]["letters"], parsed["b"]["best_rank"], parsed["b"]["worst_rank"]) == ("b", 2, 4)
        assert ",b,2,4," in table_csv(report).decode()

    def test_the_pairs_are_a_table(self, tmp_path: Path):
        report = report_of(answered(tmp_path, NO_LUCK, margin=0.5))
        rows = list(csv.DictReader(io.StringIO(pairs_csv(report).decode())))
        assert [(row["first"], row["second"], row["verdict"]) for row in rows] == [
            *(("a", "b", "better"), ("a", "c", "better"), ("a", "d", "better")),
            *(("b", "c", "equivalent"), ("b", "d", "open"), ("c", "d", "open")),
        ]
        first, last = rows[0], rows[-1]
        assert float(first["difference"]) == pytest.approx(0.05)
        assert float(first["difference_low"]) < 0.05 < float(first["difference_high"])
        assert (first["margin"], first["images"], first["seeds_first"], first["one_seed"]) == ("0.005", "1000", "3", "")
        assert (first["need"], last["need"], last["need_seeds"]) == ("", "images", "")
        assert json.loads(pairs_json(report))[0]["p"] == pytest.approx(float(first["p"]))
        pair = report.finding.judged.pairs[0] if report.finding.judged else None
        assert pair is not None
        assert float(first["networks_p"]) == pytest.approx(pair.networks.p)
        assert (first["test_set_p"] == "") == (pair.test_set is None)

    def test_where_two_may_be_first_there_is_no_best(self, tmp_path: Path):
        """b and d are told apart by 60 images, 30 on each side; both are right about 50 images more than e."""
        rights = {"b": B, "d": D, "e": among(1000, range(850))}
        (best, alike, *_) = answer(
            report_of(answered(tmp_path, {n: r[None].repeat(2, 0) for n, r in rights.items()}, margin=0.1)).finding
        )
        assert best == "No single winner is shown: b or d may be the best. b and d are shown to be better than e."
        assert alike == "Not shown to differ: b and d."

    def test_where_nothing_is_shown_nothing_is_claimed(self, tmp_path: Path):
        best, alike, *_ = answer(report_of(answered(tmp_path, {"b": B[None], "d": D[None]}, margin=0.1)).finding)
        assert best == "No row is shown to be better than another."
        assert alike == "Not shown to differ: b and d."

    def test_a_difference_that_is_shown_and_small_is_both(self, tmp_path: Path):
        best, *more = answer(
            report_of(answered(tmp_path, {"a": A[None].repeat(2, 0), "b": B[None].repeat(2, 0)}, margin=10)).finding
        )
        assert best.startswith("a is the best: it is shown to be better than b (by 5.00 points, 95 % interval ")
        assert best.endswith(", less than the margin of 10 points).")
        assert more == []

    def test_seeds_that_vary_have_a_price_in_seeds(self, tmp_path: Path, monkeypatch):
        """Each seed of a is right about 900, 920 or 940 images, of b 900, 915 or 945: luck of seeds is all."""
        rights = {
            name: np.stack([among(1000, range(count)) for count in counts])
            for name, counts in {"a": (900, 920, 940), "b": (900, 915, 945)}.items()
        }
        report = report_of(answered(tmp_path, rights, margin=2))
        judged = report.finding.judged
        assert judged is not None
        (pair,) = judged.pairs
        assert pair.verdict is Verdict.OPEN
        assert pair.price is not None
        assert (pair.price.need, pair.price.seeds is not None and pair.price.seeds > 3) == (Need.SEEDS, True)
        assert answer(report.finding)[-1] == (
            "To find a true difference of 2 points with a power of 80 %: "
            f"{pair.first} and {pair.second} need {pair.price.seeds} seeds each."
        )
        monkeypatch.setattr("lab2.report.answer.MOST_SEEDS", 4)
        assert answer(report.finding)[-1].endswith(f"{pair.first} and {pair.second} need over 4 seeds each.")

    def test_where_there_is_enough_for_the_margin_only_a_smaller_difference_is_open(self, tmp_path: Path):
        """V is (4e-4 + 5.25e-4) / 3: 3 seeds find 7 points, but do not show that 3.3 points are less than 7."""
        rights = {
            name: np.stack([among(1000, range(count)) for count in counts])
            for name, counts in {"a": (900, 920, 940), "b": (867, 882, 912)}.items()
        }
        assert answer(report_of(answered(tmp_path, rights, margin=7)).finding)[-1] == (
            "To find a true difference of 7 points with a power of 80 %: a and b have enough seeds and images; whether "
            "they differ by less is undecided."
        )


class TestOneSeed:
    def test_it_is_said_what_one_seed_does_not_cover(self, tmp_path: Path):
        """9 images that only a is right about, 1 that only b is: 2 (1 + 10) / 2^10."""
        a, b = among(200, range(1, 200)), among(200, range(1), range(10, 200))
        report = report_of(answered(tmp_path, {"a": a[None], "b": b[None]}))
        assert answer(report.finding)[-1] == (
            "a and b have one seed: the answer holds for those trained networks. How much another seed would change it "
            "is unknown."
        )
        row = pd.read_csv(io.BytesIO(pairs_csv(report))).iloc[0]
        assert row["p"] == pytest.approx(22 / 1024)
        assert (row["method"], row["one_seed"]) == ("McNemar's exact test", "a, b")

    def test_an_open_pair_waits_for_a_second_one(self, tmp_path: Path):
        found = answer(report_of(answered(tmp_path, {"b": B[None], "d": D[None]}, margin=0.1)).finding)
        assert found[2] == (
            "To find a true difference of 0.1 points with a power of 80 %: what one pair needs is unknown until b "
            "and d have a second seed."
        )

    def test_a_baseline_has_no_other_seed(self, tmp_path: Path):
        commonest = Trial(job=JobSpec(name="commonest", model=CommonestClassConfig()), data=SMALL, seed=1)
        run = make_run(tmp_path, *seeds_of("b", 2), commonest)
        for trial in seeds_of("b", 2):
            leave(run, trial, B)
        leave(run, commonest, among(1000, range(100)))
        (best,) = answer(report_of(run).finding)
        assert best.startswith("b is the best: it is shown to be better than commonest (by 80.00 points")

    def test_a_pair_with_a_baseline_has_a_price_in_the_others_seeds(self, tmp_path: Path):
        commonest = Trial(job=JobSpec(name="commonest", model=CommonestClassConfig()), data=SMALL, seed=1)
        run = create_run(
            tmp_path,
            Plan(run_id="run", created_at="", smoke=False, trials=(*seeds_of("b", 2), commonest), margin_points=4),
        )
        for trial, count in zip(seeds_of("b", 2), (900, 940), strict=True):
            leave(run, trial, among(1000, range(count)))
        leave(run, commonest, among(1000, range(915)))
        finding = report_of(run).finding
        assert finding.judged is not None
        price = finding.judged.pairs[0].price
        assert price is not None
        assert answer(finding)[-1].endswith(f": b and commonest need {price.seeds} seeds.")


class TestWhereItStands:
    def test_on_the_terminal_above_the_table_in_80_columns(self, tmp_path: Path, run_cli, terminal):
        answered(tmp_path, NO_LUCK, margin=0.5)
        code, said, _ = run_cli("report", "run", "--runs", str(tmp_path))
        assert code == 0
        above = said[: said.index("model")].strip().splitlines()
        assert max(map(len, above)) <= 80
        assert " ".join(above).startswith("a is the best: it is shown to be better than b, c and d (than b by 5.00")
        assert "\x1b" not in said
        assert "pairs.csv, pairs.json" in said.replace("\n", " ")

    def test_a_smoke_run_and_chance_come_first(self, tmp_path: Path, run_cli):
        rights = {"a": A[None], "e": among(1000, range(90))[None]}
        run = answered(tmp_path, rights, smoke=True, majority_accuracy=0.1)
        text = markdown(report_of(run))
        places = [text.index(word) for word in ("SMOKE RUN: what", "† Not shown", "a is the best", "| model |")]
        assert places == sorted(places)
        assert "† Not shown to be better than always naming the commonest class: e." in text
        said = run_cli("report", "run", "--runs", str(tmp_path))[1]
        assert said.index("SMOKE RUN: what follows is of trainings") < said.index("a is the best")

    def test_one_job_is_not_compared_and_nothing_is_said(self, tmp_path: Path):
        report = report_of(answered(tmp_path, {"a": A[None].repeat(2, 0)}))
        assert (answer(report.finding), report.finding.notes) == ([], ())
        assert json.loads(pairs_json(report)) == []
        assert pairs_csv(report).decode().startswith("first,second,verdict,difference,")


class TestMargin:
    def test_it_is_kept_in_the_plan_and_an_older_plan_has_none(self, tmp_path: Path):
        run = start_run(tmp_path, [make_trial()], smoke=False, device="auto", margin=0.2)
        plan = run.read_plan()
        assert plan.margin_points == 0.2
        older = json.loads(dump_plan(plan))
        del older["margin_points"]
        assert load_plan(json.dumps(older).encode()).margin_points is None

    @pytest.mark.parametrize("margin", ["0", "-1", "100", "nan"])
    def test_an_impossible_margin_is_refused_is_refused_before_anything_starts(
        self, margin: str, tmp_path: Path, run_cli
    ):
        code, _, said = run_cli("run-local", "--jobs", "cnn", f"--margin={margin}", "--runs", str(tmp_path / "runs"))
        assert code == 2
        assert "wanted points of accuracy between 0 and 100" in " ".join(said.split())
        assert not (tmp_path / "runs").exists()
        with pytest.raises(ConfigError, match="--margin"):
            start_run(tmp_path / "runs", [make_trial()], smoke=False, device="auto", margin=float(margin))

    @pytest.mark.slow
    def test_run_local_states_it(self, tmp_path: Path, run_cli):
        words = ("--jobs", "jobs/baselines/", "--quick", "--margin", "2.5", "--runs", str(tmp_path / "runs"))
        code, said, complained = run_cli("run-local", *words)
        assert code == 0
        assert "paired by their place" not in complained  # each trial has kept the identities of its images
        assert "SMOKE RUN: what follows" in said
        rows = pd.read_csv(tmp_path / "runs" / "latest" / "report" / "pairs.csv")
        assert rows["margin"].tolist() == [0.025] * 3


class TestWords:
    def test_lists(self):
        assert [listed(["a"]), listed(["a", "b"], "or"), listed(["a", "b", "c"])] == ["a", "a or b", "a, b and c"]
        assert listed(list("abcdefgh")) == "a, b, c, d, e and 3 more"

    def test_cliques_hold_each_pair(self):
        assert cliques([("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")], "abcd") == [list("abc"), list("cd")]
        assert cliques([], "ab") == []
