"""`lab2 compare`: each exit code, what it says, and what is not compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lab2.results.run_dir import RunDir
from lab2.results.shard import read_shard, unfinished, write_shard
from lab2.results.taken import Taken, write_taken
from lab2.trial import run_trial
from tests.answered import among, answered, leave, seeds_of
from tests.conftest import make_run, make_trial
from tests.test_noninferiority import trained

N = 10_000
RIGHT = among(N, range(100, N))  # 99 %
LOSS = among(N, range(140, N))  # 0.4 points less
Compare = Callable[..., tuple[int, str, str]]


@pytest.fixture
def compare(runs: Path, run_cli, terminal: None) -> Compare:
    """`lab2 compare a b` on a terminal, with more words."""

    def ask(*words: str) -> tuple[int, str, str]:
        code, said, complained = run_cli("compare", "a", "b", "--runs", str(runs), *words)
        assert "Traceback" not in said + complained
        assert max(map(len, said.splitlines()), default=0) <= 80
        return code, " ".join(said.split()), " ".join(complained.split())

    return ask


def two(runs: Path, before: np.ndarray, after: np.ndarray, **more: object) -> tuple[RunDir, RunDir]:
    """Runs a and b with a job cnn; `before` and `after`: (S, N)."""
    first = answered(runs, {"cnn": before}, run_id="a")
    return first, answered(runs, {"cnn": after}, run_id="b", **more)


class TestExitCodes:
    def test_a_planted_loss_over_ten_seeds_is_worse(self, runs: Path, compare: Compare):
        two(runs, *trained(np.random.default_rng(1), 0.99, 0.003))
        code, said, _ = compare()
        assert code == 1
        assert said.startswith("worse: cnn: a loss is shown, and one of 0.25 points or more is not excluded.")
        assert "10 seeds before, 10 after, 10,000 images" in said

    def test_none_is_not_worse(self, runs: Path, compare: Compare):
        two(runs, *trained(np.random.default_rng(1), 0.99, 0))
        code, said, _ = compare()
        assert code == 0
        assert said.startswith("not worse: cnn: it is shown that the loss, if there is one, is less than the margin")

    def test_the_same_predictions_pass_bit_for_bit_however_few(self, runs: Path, compare: Compare):
        few = among(100, range(90))[None]
        two(runs, few, few)
        code, said, _ = compare()
        assert code == 0
        assert said.startswith("not worse: cnn: the same predictions, bit for bit.")
        assert "none, bit for bit" in said

    def test_the_same_answers_with_other_probabilities_are_not_the_same(self, runs: Path, compare: Compare):
        few = among(100, range(90))[None]
        _, after = two(runs, few, few)
        arrays = load_file(after.predictions("cnn-seed1"))
        save_file({**arrays, "probabilities": arrays["probabilities"] / 2}, after.predictions("cnn-seed1"))
        code, said, _ = compare()
        assert code == 2
        assert "1 seed with the same configuration, of which 0 have the same predictions" in said

    def test_of_fewer_seeds_those_that_are_the_same_suffice(self, runs: Path, compare: Compare):
        rows = np.random.default_rng(0).random((3, 100)) < 0.9
        two(runs, rows, rows[:2])
        assert compare()[0] == 0

    def test_few_images_do_not_decide(self, runs: Path, compare: Compare):
        two(runs, among(100, range(90))[None], among(100, range(1, 91))[None])
        code, said, _ = compare()
        assert code == 2
        assert said.startswith("not decided: cnn: not passed; the sentences below say why")
        assert "how much another seed would change it is unknown" in said
        assert "unknown until there is a second seed" in said

    def test_no_common_job_is_nothing_in_common(self, runs: Path, compare: Compare):
        answered(runs, {"cnn": RIGHT[None]}, run_id="a")
        answered(runs, {"vit": RIGHT[None]}, run_id="b")
        code, said, _ = compare()
        assert code == 3
        assert said.startswith("nothing in common: the two runs have no job of the same name.")
        assert "Only in a, and not compared: cnn. Only in b, and not compared: vit." in said

    def test_a_baseline_in_common_measures_no_network(self, runs: Path, compare: Compare):
        answered(runs, {"cnn": RIGHT[None], "logistic_regression": RIGHT[None]}, run_id="a")
        answered(runs, {"vit": RIGHT[None], "logistic_regression": RIGHT[None]}, run_id="b")
        code, said, _ = compare()
        assert code == 3
        assert "the two runs have only baselines in common (logistic_regression), and no trained job" in said

    def test_runs_of_baselines_alone_are_compared(self, runs: Path, compare: Compare):
        for run_id in ("a", "b"):
            answered(runs, {"logistic_regression": RIGHT[None]}, run_id=run_id)
        assert compare()[0] == 0

    def test_a_baseline_beside_a_network_decides_nothing_else(self, runs: Path, compare: Compare):
        for run_id in ("a", "b"):
            answered(runs, {"cnn": RIGHT[None], "logistic_regression": RIGHT[None]}, run_id=run_id)
        code, said, _ = compare()
        assert code == 0
        assert said.startswith("not worse: cnn and logistic_regression: the same predictions, bit for bit.")

    def test_nor_are_other_test_images(self, runs: Path, compare: Compare):
        two(runs, RIGHT[None], RIGHT[None], images=np.arange(N) + N, dataset_sha256="e" * 64)
        code, said, _ = compare()
        assert code == 3
        assert said.startswith("nothing in common: cnn: tested on different images in the two runs.")

    def test_a_run_with_itself_measures_nothing(self, runs: Path, run_cli):
        answered(runs, {"cnn": RIGHT[None]}, run_id="a")
        code, said, complained = run_cli("compare", "a", "--runs", str(runs))  # latest
        assert (code, said) == (2, "")
        assert "name two runs" in complained


class TestWhatIsNotThere:
    @pytest.mark.parametrize("same", [True, False])
    def test_a_trial_that_failed_now_is_not_passed(self, same: bool, runs: Path, compare: Compare):
        rows = np.stack([RIGHT, RIGHT, RIGHT])
        _, after = two(runs, rows, rows if same else np.roll(rows, 3, 1))
        trial = seeds_of("cnn", 3)[2]
        write_shard(after.shard(trial.name), unfinished(trial, "failed", "its loss is \x1b[2J nan"))
        code, said, _ = compare()
        assert code == 2
        assert r"not passed, because of this: cnn-seed3 of b: failed: its loss is \x1b[2J nan." in said

    def test_one_that_failed_before_too_is_a_note(self, runs: Path, compare: Compare):
        rows = np.stack([RIGHT, RIGHT])
        for run in two(runs, rows, rows):
            trial = seeds_of("cnn", 2)[1]
            write_shard(run.shard(trial.name), unfinished(trial, "failed", "why"))
        code, _, complained = compare()
        assert code == 0
        assert "did not end well in a: cnn-seed2" in complained

    def test_a_run_that_has_nothing_yet_is_not_decided(self, runs: Path, compare: Compare):
        answered(runs, {"cnn": RIGHT[None]}, run_id="a")
        make_run(runs, *seeds_of("cnn"), run_id="b")
        code, said, _ = compare()
        assert code == 2
        assert "no trial of b has ended well" in said

    def test_lost_predictions_are_not_passed(self, runs: Path, compare: Compare):
        rows = np.stack([RIGHT, RIGHT])
        _, after = two(runs, rows, rows)
        after.predictions("cnn-seed1").write_bytes(b"no tensors")
        code, said, complained = compare()
        assert code == 2
        assert "only 1 of the 2 trials of b that ended well can be compared" in said
        assert "cnn-seed1 of b" in complained
        after.predictions("cnn-seed2").unlink()
        assert "no predictions of b can be compared" in compare()[1]


class TestWhatIsCompared:
    def test_images_are_paired_by_identity_also_of_other_training_data(self, runs: Path, compare: Compare):
        order = np.random.default_rng(0).permutation(N)
        two(runs, RIGHT[None], LOSS[None], order=order, dataset_sha256="e" * 64)
        code, said, _ = compare()
        assert code == 1
        assert "-0.40 [" in said
        assert "40 images flipped from right to wrong, 0 from wrong to right" in said
        assert "100 (0000000000000064), 101 (0000000000000065)" in said
        assert "and 35 more" in said
        assert "dataset_sha256 all dddddddddddd eeeeeeeeeeee" in said

    def test_the_margin_is_the_options_or_the_smaller_one_of_the_plans(self, runs: Path, compare: Compare):
        answered(runs, {"cnn": RIGHT[None]}, run_id="a", margin=1.0)
        answered(runs, {"cnn": LOSS[None]}, run_id="b", margin=2.0)
        code, said, _ = compare()
        assert code == 0
        assert "margin: 1 point (the plan of a)" in said
        assert "worse, but by less than the margin of 1 point (" in said
        code, said, _ = compare("--margin", "0.1")
        assert code == 1
        assert "margin: 0.1 points (--margin)" in said

    def test_images_of_one_group_are_one_case(self, runs: Path, compare: Compare):
        answered(runs, {"cnn": RIGHT[None]}, run_id="a", groups=np.arange(N) // 100)
        answered(runs, {"cnn": LOSS[None]}, run_id="b")  # of a lab2 that kept no groups
        code, _, complained = compare()
        assert code == 2  # the 40 lost images are of one group
        assert "the 10,000 test images come in 100 groups; a group counts as one case" in complained

    def test_results_that_were_copied_are_named(self, runs: Path, compare: Compare):
        _, after = two(runs, RIGHT[None], RIGHT[None])
        write_taken(after.taken, {"cnn-seed1": Taken(run="a", started_at=None)})
        assert "bit for bit (1 seed); 1 of these copied from a, not trained again." in compare()[1]

    def test_of_a_study_the_chosen_recipes_and_not_the_search(self, runs: Path, compare: Compare):
        answered(runs, {"cnn": RIGHT[None]}, run_id="a")
        make_run(runs, replace(seeds_of("cnn")[0], search="cnn"), run_id="b")
        code, said, complained = compare()
        assert (code, said) == (2, "")
        assert "b: a study that has chosen no recipe yet" in complained

    @pytest.mark.slow
    def test_a_trial_that_is_trained_twice_is_the_same_bit_for_bit(self, runs: Path, compare: Compare):
        trial = make_trial("cnn")
        for run_id in "ab":
            assert run_trial(trial, make_run(runs, trial, run_id=run_id), device="cpu").status == "ok"
        code, said, _ = compare()
        assert code == 0
        assert said.startswith("not worse: cnn: the same predictions, bit for bit.")

    def test_a_smoke_run_is_named(self, runs: Path, compare: Compare):
        two(runs, RIGHT[None], RIGHT[None], smoke=True)
        assert "SMOKE RUN: b" in compare()[1]

    def test_paths_name_runs_too(self, tmp_path: Path, run_cli):
        for folder in ("reference", "new"):
            answered(tmp_path / folder, {"cnn": RIGHT[None]})
        code, said, _ = run_cli("compare", str(tmp_path / "reference" / "run"), str(tmp_path / "new" / "run"))
        assert code == 0
        assert "reference/run" in said.replace("\n", "")


class TestSideBySide:
    def test_costs_have_a_ratio_on_the_same_machine_only(self, runs: Path, compare: Compare):
        here = {"device_name": "Chip 1", "device": "cpu", "threads": 2, "precision": "fp32"}
        first, second = two(runs, RIGHT[None], RIGHT[None])
        for run, seconds in ((first, 2.0), (second, 3.0)):
            shard = read_shard(run.shard("cnn-seed1"))
            write_shard(run.shard("cnn-seed1"), shard.updated(train_seconds=seconds, **here))
        assert "training 2.0 s 3.0 s 1.50" in compare()[1]
        shard = read_shard(second.shard("cnn-seed1"))
        write_shard(second.shard("cnn-seed1"), shard.updated(device_name="Chip 2"))
        said = compare()[1]
        assert "training 2.0 s 3.0 s –" in said
        assert "device_name all Chip 1 Chip 2" in said

    def test_settings_and_versions_that_differ_are_named_and_no_others(self, runs: Path, compare: Compare):
        for run_id, rate, version in (("a", 0.01, "2.8"), ("b", 0.02, "2.9")):
            trial = seeds_of("cnn", learning_rate=rate)[0]
            run = make_run(runs, trial, run_id=run_id)
            leave(run, trial, RIGHT, torch_version=version, git_commit="c" * 40)
        code, said, _ = compare()
        assert code == 0
        assert "torch_version all 2.8 2.9 train.learning_rate all 0.01 0.02" in said
        assert "git_commit" not in said
        assert "bit for bit" not in said  # of another configuration: a seed number pairs nothing


class TestJson:
    def test_holds_all(self, runs: Path, tmp_path: Path, compare: Compare):
        two(runs, RIGHT[None], LOSS[None])
        code, said, _ = compare("--json", str(tmp_path / "found.json"))
        assert code == 1
        assert "found.json" in said
        found = json.loads((tmp_path / "found.json").read_text())
        (job,) = found["jobs"]
        assert (found["verdict"], found["margin"], job["verdict"]) == ("worse", 0.0025, "worse")
        assert (found["before"]["run"], found["after"]["run"]) == ("a", "b")
        assert job["accuracy"]["difference"] == pytest.approx(-0.004)
        flips = job["flips"]["right_to_wrong"]
        assert len(flips) == 40
        assert flips[0] == {"place": 100, "image": f"{100:016x}", "before": 1.0, "after": 0.0}

    def test_that_cannot_be_written_keeps_the_verdict_and_never_passes(
        self, runs: Path, tmp_path: Path, compare: Compare
    ):
        _, after = two(runs, RIGHT[None], LOSS[None])
        code, said, complained = compare("--json", str(tmp_path / "no" / "found.json"))
        assert (code, said.split()[0]) == (1, "worse:")
        assert "not written" in complained
        leave(after, seeds_of("cnn")[0], RIGHT)
        assert compare("--json", str(tmp_path / "no" / "found.json"))[0] == 2
