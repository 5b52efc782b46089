"""Rows are paired image by image: by identity, or by place where that is safe; and what cannot be paired is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from lab2.compare.comparison import Pair, Verdict
from lab2.report.answer import answer
from lab2.report.finding import Finding, find
from lab2.results import correctness
from lab2.results.collect import collect
from lab2.results.copies import as_cases, copies_among
from lab2.results.correctness import Collected
from lab2.results.run_dir import RunDir
from lab2.results.shard import unfinished, write_shard
from tests.answered import among, answered, leave, seeds_of
from tests.conftest import make_run

N = 200
# 9 images that only a is right about, 1 that only b is.
A, B = among(N, range(1, N)), among(N, range(1), range(10, N))
ORDER = np.random.default_rng(0).permutation(N)
TRIALS = {name: seeds_of(name)[0] for name in "abc"}


def found_of(run: RunDir) -> Finding:
    return find(Collected(run=run, comparison=collect(run)))


def pair_of(finding: Finding) -> Pair:
    assert finding.judged is not None
    return finding.judged.pair("a", "b")


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Two jobs of which only a has left anything."""
    run = make_run(tmp_path, TRIALS["a"], TRIALS["b"])
    leave(run, TRIALS["a"], A)
    return run


class TestIdentity:
    def test_the_order_in_which_images_were_read_does_not_matter(self, run: RunDir):
        leave(run, TRIALS["b"], B, order=ORDER)
        assert pair_of(found_of(run)).answer.discordant == (9, 1)
        assert found_of(run).notes == ()

    def test_nor_does_it_for_images_that_are_there_twice(self, run: RunDir):
        twice = np.arange(N, dtype=np.uint64)
        twice[198:] = twice[28:30]  # so few that each counts for itself
        for name, right, order in (("a", A, None), ("b", B, ORDER)):
            leave(run, TRIALS[name], right, order=order, images=twice)
        assert pair_of(found_of(run)).answer.discordant == (9, 1)

    def test_copies_of_images_decide_nothing_that_the_images_do_not(self, tmp_path: Path):
        """Each picture four times: seven that only a is right about are 28, and as significant as seven groups."""
        once = {"a": among(N, range(N)), "b": among(N, range(7, N))}
        found = []
        for times, groups in ((4, None), (4, np.tile(np.arange(N), 4)), (1, None)):
            run = make_run(tmp_path / f"{times}{groups is None}", TRIALS["a"], TRIALS["b"])
            for name, right in once.items():
                images = np.tile(np.arange(N), times) if groups is None else np.arange(N * times)
                leave(run, TRIALS[name], np.tile(right, times), images=images, groups=groups)
            found.append(found_of(run))
        copied, grouped, plain = map(pair_of, found)
        assert (copied.answer, copied.verdict) == (grouped.answer, grouped.verdict)
        assert copied.answer.variance == pytest.approx(plain.answer.variance, rel=0.3)
        assert found[0].notes[0] == "600 of the 800 test images are copies of others: they count as one case"

    @pytest.mark.parametrize(("twins", "times", "copies"), [(100, 2, 0), (101, 2, 101), (1, 14, 0), (1, 16, 15)])
    def test_they_count_where_they_would_lengthen_an_interval(self, twins: int, times: int, copies: int):
        """Of 10,000: a hundred pictures that are there twice, or one that is there 14 times."""
        several = np.repeat(np.arange(twins, dtype=np.uint64), times)
        images = np.concatenate([several, np.arange(twins, 10_000 - len(several) + twins, dtype=np.uint64)])
        assert len(images) == 10_000
        assert copies_among(images) == copies

    def test_a_picture_in_two_groups_makes_them_one(self):
        images, groups = np.array([1, 2, 2, 3, 4], np.uint64), np.array([7, 7, 8, 9, 9])
        one = as_cases(images, groups)
        assert [one[0] == one[2], one[0] == one[3], one[3] == one[4]] == [True, False, True]

    def test_fewer_test_images_are_those_on_which_all_are_compared(self, run: RunDir):
        leave(run, TRIALS["b"], B, order=ORDER[:100])
        assert pair_of(found_of(run)).answer.images == 100
        kept = np.isin(np.arange(N), ORDER[:100])
        assert pair_of(found_of(run)).answer.discordant == (int((A & ~B & kept).sum()), int((B & ~A & kept).sum()))
        assert found_of(run).notes == ("compared on the 100 test images that all rows have, of up to 200",)

    def test_images_of_one_group_are_one_case(self, run: RunDir):
        """Nine images that only a is right about are significant if each is a case of its own, and not in one group."""
        a, b = np.ones(N, bool), np.arange(N) >= 9
        groups = np.arange(N) // 10
        for name, right, order in (("a", a, None), ("b", b, ORDER)):
            leave(run, TRIALS[name], right, order=order)
        assert pair_of(found_of(run)).verdict is Verdict.BETTER
        for name, right, order in (("a", a, None), ("b", b, ORDER)):
            leave(run, TRIALS[name], right, order=order, groups=groups)
        finding = found_of(run)
        assert pair_of(finding).verdict is Verdict.OPEN
        assert finding.notes == ("the 200 test images come in 20 groups; a group counts as one case",)

    def test_other_images_are_not_compared(self, tmp_path: Path):
        run = make_run(tmp_path, *TRIALS.values())
        leave(run, TRIALS["a"], A)
        leave(run, TRIALS["b"], B)
        leave(run, TRIALS["c"], B[:150], images=np.arange(1000, 1150))
        finding = found_of(run)
        assert set(finding.rows) == {"a", "b"}
        assert finding.notes == (
            "not compared, because they were not tested on the same 200 images of the same data: c-seed1",
        )

    def test_nor_are_trials_of_other_data(self, run: RunDir):
        leave(run, TRIALS["b"], B, dataset_sha256="e" * 64)
        finding = found_of(run)
        assert finding.judged is None
        assert "not tested on the same 200 images of the same data: b-seed1" in finding.notes[0]


class TestPlace:
    @pytest.mark.parametrize("both", [True, False])
    def test_predictions_of_an_older_lab2_are_paired_by_place_and_it_is_said(self, both: bool, run: RunDir):
        leave(run, TRIALS["a"], A, known=not both)
        leave(run, TRIALS["b"], B, known=False)
        finding = found_of(run)
        assert pair_of(finding).answer.discordant == (9, 1)
        assert finding.notes == (
            "paired by their place in the same test set, because the images have no identities (an older lab2) or were "
            "decoded in several ways: a-seed1, b-seed1",
        )

    def test_so_are_pictures_of_two_sides(self, run: RunDir):
        leave(run, TRIALS["b"], B, images=np.arange(N) + 5000)
        finding = found_of(run)
        assert pair_of(finding).answer.discordant == (9, 1)
        assert "were decoded in several ways" in finding.notes[0]

    @pytest.mark.parametrize("more", [{"dataset_sha256": None}, {"dataset_sha256": "e" * 64}, {"order": ORDER}])
    def test_not_where_it_may_be_another_place(self, more: dict[str, object], run: RunDir):
        """Data that are not known to be the same, or other labels in the same place."""
        leave(run, TRIALS["a"], A, known=False)
        leave(run, TRIALS["b"], B, known=False, **more)
        finding = found_of(run)
        assert finding.judged is None
        assert "not tested on the same 200 images of the same data" in finding.notes[0]


class TestWhatIsNotThere:
    def test_a_seed_that_failed_costs_only_itself(self, tmp_path: Path):
        trials = [*seeds_of("a", 2), *seeds_of("b", 2)]
        run = make_run(tmp_path, *trials)
        for trial, right in zip(trials, (A, A, B, B), strict=True):
            leave(run, trial, right)
        write_shard(run.shard(trials[1].name), unfinished(trials[1], "failed", "why"))
        finding = found_of(run)
        assert {name: row.components.seeds for name, row in finding.rows.items()} == {"a": 1, "b": 2}
        assert pair_of(finding).uncovered == ("a",)
        assert "a has one seed" in answer(finding)[-1]

    def test_a_row_that_is_missing_is_not_compared(self, run: RunDir):
        assert (found_of(run).judged, found_of(run).notes) == (None, ())

    def test_predictions_that_are_gone_are_one_note(self, run: RunDir):
        leave(run, TRIALS["b"], B)
        for name in "ab":
            run.predictions(TRIALS[name].name).unlink()
        assert found_of(run).notes == ("not compared, because they have no predictions: a-seed1, b-seed1",)

    def test_broken_and_foreign_ones_are_one_note(self, tmp_path: Path, run_cli):
        trials = [*seeds_of("a", 3), *seeds_of("b", 2)]
        run = make_run(tmp_path, *trials)
        for trial in trials:
            leave(run, trial, A if trial.job.name == "a" else B)
        run.predictions("a-seed1").write_bytes(b"no tensors")
        run.predictions("a-seed2").write_bytes(run.predictions("b-seed1").read_bytes())  # of another trial
        finding = found_of(run)
        (note,) = finding.notes
        assert note.startswith(
            "not compared, because their predictions are broken or not those of their shard: a-seed1, a-seed2 ("
        )
        assert {name: row.components.seeds for name, row in finding.rows.items()} == {"a": 1, "b": 2}
        code, said, complained = run_cli("report", "run", "--runs", str(tmp_path))
        assert code == 0
        assert "a-seed1, a-seed2" in " ".join(complained.split())
        assert "Traceback" not in said + complained

    def test_text_in_a_foreign_file_is_seen_and_not_obeyed(self, run: RunDir, run_cli):
        leave(run, TRIALS["b"], B)
        labels = np.zeros(N, np.int64)
        arrays = {"y_true": labels, "y_pred": labels, "probabilities": np.zeros((3, 3)), "\x1b[2J\n": labels}
        save_file(arrays, run.predictions("b-seed1"))
        (note,) = found_of(run).notes
        assert r"found \x1b[2J\n (200,)" in note
        code, said, complained = run_cli("report", "run", "--runs", str(run.path.parent))
        assert code == 0
        assert "\x1b[2J" not in said + complained + (run.report / "table.md").read_text()
        assert r"\\x1b\[2J" in (run.report / "table.md").read_text()

    def test_one_image_is_nothing_to_compare_on(self, tmp_path: Path):
        one = np.ones((1, 1), bool)
        (note,) = found_of(answered(tmp_path, {"a": one, "b": one})).notes
        assert note.startswith("not compared: 1 case")

    def test_more_than_can_be_compared_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(correctness, "MOST_ANSWERS", 2 * N - 1)
        finding = found_of(answered(tmp_path, {"a": A[None], "b": B[None]}))
        assert finding.judged is None
        assert finding.notes == ("not compared: 2 rows and 400 answers on test images, where 40 and 399 are the most",)
