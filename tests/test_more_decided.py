"""What the looks of `lab2 more` decide, and that nothing but a complete look is looked at; without training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.statistics import Cell, draw
from lab2.cli.looking import looks_of
from lab2.compare.comparison import Verdict, compare
from lab2.compare.looks import levels
from lab2.models.external import ExternalConfig
from lab2.more.planned_looks import Asked, PlannedLooks, read_looks, write_looks
from lab2.more.standing import complete_looks, grown, trials_of_look
from lab2.report.answer import answer, found
from lab2.report.finding import Finding, find
from lab2.report.merged import merged_report
from lab2.results.collect import collect
from lab2.results.correctness import Collected
from lab2.results.run_dir import RunDir
from lab2.spec.job import JobSpec
from tests.answered import among, answered, leave
from tests.conftest import TINY, make_run, make_trial
from tests.test_more import OPEN, planned

NEAR = {"a": (928, 930, 932), "b": (918, 920, 925)}  # how many images each seed is right about
FAR = {"a": (955, 950, 945), "b": (905, 900, 910)}


def leave_look(run: RunDir, looks: PlannedLooks, number: int, better: int = 0) -> None:
    """What the trials of look `number` leave: right about about 920 images, those of a about `better` more."""
    for i, trial in enumerate(trials_of_look(looks, number, grown(run, looks, number))):
        if not run.shard(trial.name).exists():
            leave(run, trial, among(1000, range(915 + 5 * (i % 3) + better * (trial.job.name == "a"))))


def finding_of(run: RunDir) -> Finding:
    return find(Collected(run=run, comparison=collect(run)))


class TestDecided:
    def run(self, folder: Path, margin: float = 2.0) -> tuple[RunDir, PlannedLooks]:
        run, looks = answered(folder, OPEN, margin=margin), planned(looks=(5, 10))
        write_looks(run.looks, looks)
        return run, looks

    def test_at_the_look_that_shows_a_difference(self, tmp_path: Path):
        run, looks = self.run(tmp_path)
        first = finding_of(run).looked
        assert first is not None
        assert (first.complete, first.decided, first.over) == (1, False, False)
        leave_look(run, looks, 2, better=60)
        leave_look(run, looks, 3, better=60)
        finding = finding_of(run)
        looked, judged = finding.looked, finding.judged
        assert looked is not None
        assert judged is not None
        assert looked.pair is not None
        assert (looked.complete, looked.decided, looked.over) == (3, True, True)
        pair = judged.pair("a", "b")
        assert pair.verdict is Verdict.BETTER
        assert pair.answer.p <= looks.looks[2].level
        assert (pair.low, pair.high) == pair.answer.interval(looks.looks[2].level)
        text = found(looked, judged.margin)
        assert text.startswith("Decided at look 3 of 3 (10 seeds of each): a is better than b by ")
        assert "95 % repeated confidence interval" in text
        assert text in answer(finding)[-1]
        assert "at 3, 5 and 10 seeds of each" in answer(finding)[-1]

    def test_never_at_a_p_that_only_one_look_alone_would_allow(self, tmp_path: Path):
        """At the look at 5 seeds p has to be 0.003: where it is between that and 0.05 the pair is open."""
        near = {name: np.stack([among(1000, range(n)) for n in counts]) for name, counts in NEAR.items()}
        run, looks = answered(tmp_path, near, margin=0.1), planned(looks=(5, 10))
        write_looks(run.looks, looks)
        leave_look(run, looks, 2, better=12)
        finding = finding_of(run)
        assert finding.looked is not None
        assert finding.judged is not None
        pair = finding.judged.pair("a", "b")
        assert looks.looks[1].level < pair.answer.p < 0.05, pair.answer.p
        assert (pair.verdict, pair.p_adjusted > 0.05) == (Verdict.OPEN, True)
        assert pair.low < 0 < pair.high
        other = answered(tmp_path / "other", {"c": OPEN["a"]}, margin=0.1)
        both = {one.path.parent.name: Collected(run=one, comparison=collect(one)) for one in (run, other)}
        merged = merged_report(both).reports[0].finding
        assert merged.judged is not None
        assert merged.judged.pair("a", "b").verdict is Verdict.OPEN
        assert "seeds of a and b were added in planned looks" in merged.notes
        assert not finding.looked.over
        assert answer(finding)[-1].endswith("lab2 more goes on with them.")

    def test_as_equal_where_the_repeated_interval_is_within_the_margin(self, tmp_path: Path):
        run, looks = self.run(tmp_path, margin=6.0)
        leave_look(run, looks, 2)
        finding = finding_of(run)
        assert finding.judged is not None
        assert finding.looked is not None
        pair = finding.judged.pair("a", "b")
        # two one-sided tests at alpha: the interval of the plan with 2 alpha
        low, high = pair.answer.interval(looks.look(2).level(0.1))
        assert pair.equivalent == (low > -0.06 and high < 0.06)
        assert pair.verdict is Verdict.EQUIVALENT
        assert "are equal within the margin of 6 points" in found(finding.looked, finding.judged.margin)

    def test_not_at_the_last_look_where_nothing_is_shown(self, tmp_path: Path):
        run, looks = self.run(tmp_path, margin=0.1)
        leave_look(run, looks, 2)
        leave_look(run, looks, 3)
        looked = finding_of(run).looked
        assert looked is not None
        assert (looked.over, looked.decided) == (True, False)
        assert found(looked, 0.001).startswith("Not decided at the last look, look 3 of 3 (10 seeds of each): a and b")

    def test_by_no_seed_before_the_others_of_its_look_are_there(self, tmp_path: Path):
        run, looks = self.run(tmp_path)
        before = finding_of(run)
        (early, *_) = [trial for trial in trials_of_look(looks, 2, grown(run, looks, 2)) if trial.seed == 4]
        leave(run, early, among(1000, range(100)))
        finding = finding_of(run)
        assert complete_looks(looks, collect(run)) == 1
        assert before.judged is not None
        assert finding.judged is not None
        assert finding.judged.pair("a", "b") == before.judged.pair("a", "b")
        assert "not compared, because they wait for the others of their look: a-seed4" in finding.notes


class TestCommand:
    def test_says_the_price_in_images_and_starts_nothing(self, tmp_path, runs, run_cli):
        """15 images tell them apart, whatever the seed."""
        apart = {"a": among(1000, range(910)), "b": among(1000, range(900), range(910, 915))}
        run = answered(runs, {name: row[None].repeat(3, 0) for name, row in apart.items()}, margin=0.1)
        before = run.plan.read_bytes()
        code, said, _ = run_cli("more", "latest", "--decide", "a,b", "--runs", str(runs))
        assert code == 1
        assert "no number of seeds finds a true difference of 0.1 points on these 1,000 test images" in said
        assert "test images or more. Nothing is started." in said
        assert not run.looks.exists()
        assert run.plan.read_bytes() == before

    def test_of_a_pair_that_is_decided_adds_nothing(self, runs, run_cli):
        answered(runs, {"a": OPEN["a"], "b": among(1000, range(300))[None].repeat(3, 0)})
        code, said, _ = run_cli("more", "--decide", "a,b", "--runs", str(runs))
        assert (code, "a is already shown to be better than b" in said) == (0, True)
        same = among(1000, range(900))[None].repeat(3, 0)
        answered(runs / "other", {"a": same, "b": same}, margin=5)
        code, said, _ = run_cli("more", "--decide", "a,b", "--runs", str(runs / "other"))
        assert (code, "already equal within the margin of 5 points" in said) == (0, True)

    def test_of_a_pair_that_is_decided_for_single_networks_plans_looks(self, runs):
        """With one seed each a report is of these networks: what is shown of them is not shown of the recipes."""
        run = answered(runs, {"a": OPEN["a"][:1], "b": among(1000, range(300))[None]})
        judged = finding_of(run).judged
        assert judged is not None
        assert judged.pairs[0].verdict is Verdict.BETTER
        assert looks_of(run, ("a", "b"), Asked()).counts == (3, 5, 10)
        assert read_looks(run.looks).at_hand == {"a": (1,), "b": (1,)}

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ([], "which two? name them with --decide; open: a,b"),
            (["--decide", "a"], "wanted two different jobs"),
            (["--decide", "a,a"], "wanted two different jobs"),
            (["--decide", "a,z"], "has no job z; there are: a, b"),
            (["--decide", "a,b", "--looks", "soon"], "wanted numbers of seeds"),
            (["--decide", "a,b", "--looks", "2,5"], "more than the 3 at hand"),
            (["--decide", "a,b", "--difference", "0"], "wanted points of accuracy"),
        ],
    )
    def test_refuses_in_one_sentence(self, words, message, runs, run_cli):
        run = answered(runs, OPEN, margin=2)
        code, _, said = run_cli("more", *words, "--runs", str(runs))
        assert (code, message in said) == (2, True), said
        assert len(said.strip().splitlines()) == 1
        assert not run.looks.exists()

    @pytest.mark.parametrize(
        ("words", "differs"),
        [
            (["--decide", "a,c"], "--decide a,b"),
            (["--difference", "1"], "--difference 3"),
            (["--looks", "4,5"], "--looks 3,5,10"),
            (["--most-seeds", "20"], "--most-seeds left out"),
        ],
    )
    def test_refuses_to_change_looks_that_are_planned(self, words, differs, runs, run_cli):
        run = answered(runs, OPEN)
        write_looks(run.looks, planned(looks=(5, 10)))
        code, _, said = run_cli("more", *words, "--runs", str(runs))
        assert (code, f"looks are planned with {differs}, and" in said) == (2, True), said

    def test_of_looks_that_are_over_says_what_they_found(self, runs, run_cli):
        far = {name: np.stack([among(1000, range(n)) for n in counts]) for name, counts in FAR.items()}
        run, looks = answered(runs, far, margin=2), planned(looks=(5,))
        write_looks(run.looks, looks)
        leave_look(run, looks, 2, better=45)
        code, said, _ = run_cli("more", "--decide", "b,a", "--looks", "5", "--difference", "3", "--runs", str(runs))
        assert (code, said.splitlines()[-1][:44]) == (0, "Decided at look 2 of 2 (5 seeds of each): a ")

    def test_of_an_imported_row_is_refused(self, runs, run_cli):
        theirs = replace(make_trial(), job=JobSpec(name="b", model=ExternalConfig(name="b", answers="0")))
        run = make_run(runs, make_trial("a", model=TINY["cnn"]), theirs)
        for trial in run.read_plan().trials:
            leave(run, trial, among(1000, range(900)))
        code, _, said = run_cli("more", "run", "--decide", "a,b", "--runs", str(runs))
        assert code == 2
        assert "b: imported, so no seeds of it can be trained here" in said

    def test_of_a_study_or_a_smoke_run_is_refused(self, runs, run_cli):
        answered(runs, OPEN, smoke=True)
        assert "is a smoke run" in run_cli("more", "--decide", "a,b", "--runs", str(runs))[2]
        run = answered(runs / "other", OPEN)
        run.study.write_text("{}")
        code, _, said = run_cli("more", "--decide", "a,b", "--runs", str(runs / "other"))
        assert (code, "is a study" in said) == (2, True)


def test_looks_count_also_beside_rows_of_another_run(tmp_path: Path):
    """A pair that waits for its look is compared without the seeds that wait, and at the level of its look."""
    run, looks = TestDecided().run(tmp_path)
    leave_look(run, looks, 2, better=60)
    other = answered(tmp_path / "other", OPEN)
    both = [Collected(run=one, comparison=collect(one), prefix=f"{name}/") for name, one in (("x", run), ("y", other))]
    finding = find(*both)
    assert finding.looks["x/a", "x/b"].number == 2
    assert finding.looks["x/a", "x/b"].pairs == 6
    assert "seeds of x/a and x/b were added in planned looks" in finding.notes


def test_a_report_says_which_looks_were_planned(tmp_path: Path):
    run = answered(tmp_path, OPEN)
    write_looks(run.looks, planned(looks=(5, 10)))
    assert json.loads(run.looks.read_text())["looks"]["question"] == "the recipes, on new images of the same kind"
    assert (
        "Seeds of a and b are added in looks planned beforehand (looks.json), at 3, 5 and 10"
        in answer(finding_of(run))[-1]
    )


@pytest.mark.parametrize(("luck", "accuracy"), [(1.0, 0.9), (3.0, 0.6)])
def test_equal_recipes_are_called_different_in_five_percent_at_most(luck: float, accuracy: float):
    """Question 3, by all looks together. 400 repetitions; a share of 0.05 has a Monte-Carlo error of 0.011."""
    generator = np.random.default_rng(3)
    cell = Cell(seeds=10, images=300, luck=luck, accuracy=accuracy)
    p = np.ones((400, 3))
    for row in p:
        a, b = draw(cell, generator)
        row[:] = [compare({"a": a[:n], "b": b[:n]}).pairs[0].answer.p for n in (3, 5, 10)]
    wrong = (p <= levels((3, 5, 10))).any(1).mean()
    assert wrong <= 0.05 + 3 * 0.011
    assert (p < 0.05).any(1).mean() > wrong  # each look at 5 % is wrong more often
