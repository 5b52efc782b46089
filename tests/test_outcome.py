"""What a study found: the chosen setting, what failed and why, what it cost, its files."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest

from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard
from lab2.spec.catalogue import read_catalogue
from lab2.spec.effort import Effort
from lab2.spec.job import Trial
from lab2.tune.outcome import job_outcomes, write_tuned
from lab2.tune.report import TITLES, summary_rows, write_tuning
from lab2.tune.stages import stages
from lab2.tune.study import Study
from tests.test_stages import CNN, by_setting, rows, study


def spent(one: Study, scores) -> dict[str, Shard]:
    """The shards of a whole search."""
    known: dict[str, Shard] = {}
    while trials := [t for stage in stages(one, known) for t in stage if t.search and t.name not in known]:
        known |= rows(trials, scores)
    return known


def told(one: Study, known: dict[str, Shard]) -> dict[str, str]:
    return dict(zip(TITLES, summary_rows(one, job_outcomes(one, known))[0], strict=True))


def files(folder: Path, one: Study, known: dict[str, Shard]) -> RunDir:
    run = RunDir(folder)
    outcomes = job_outcomes(one, known)
    assert write_tuning(run, one, outcomes) == (["tuning.md", "tuning.csv", "tuning.json"], [])
    write_tuned(run, one, outcomes)
    return run


class TestRandom:
    def test_the_best_one_against_the_jobs_own_with_what_failed_and_the_seconds_of_all(self, tmp_path: Path):
        one = study(CNN, trials=4)
        known = spent(one, by_setting(cnn_t0=0.5, cnn_t1=0.6, cnn_t2=None, cnn_t3=0.75))
        assert told(one, known) == {
            "model": "cnn",
            "best": "75.00%",
            "own recipe": "50.00%",
            "chosen": "3",
            "effort": "4 settings",
            "failed": "1",
            "time": "12 s",  # four trials of 3 s
        }
        run = files(tmp_path, one, known)
        lines = list(csv.DictReader((run.report / "tuning.csv").open()))
        assert [(r["setting"], r["state"], r["chosen"], r["reason"]) for r in lines] == [
            ("0", "ok", "False", ""), ("1", "ok", "False", ""), ("2", "failed", "False", "diverged"),
            ("3", "ok", "True", ""),
        ]  # fmt: skip
        assert [r["values"].partition("=")[0] for r in lines] == ["its own recipe", *["train.learning_rate"] * 3]
        assert "- setting 2 failed: diverged" in (run.report / "tuning.md").read_text()
        (found,) = json.loads((run.report / "tuning.json").read_text())["jobs"]
        best = [(it["validation_accuracy"], it["seconds"]) for it in found["best_so_far"]]
        assert best == [(0.5, 3.0), (0.6, 6.0), (0.6, 9.0), (0.75, 12.0)]
        # of the drawn settings alone: 0.6, a failure, which counts as 0, and 0.75; the second half brings 0.75 - 0.6
        assert [point["median"] for point in found["tuning_curve"]] == [0.6, 0.75, 0.75]

    def test_its_job_file_is_the_chosen_setting_with_the_effort(self, tmp_path: Path):
        one = study(CNN, trials=4, budget="500-images", questions={"cnn": "What does it see?"})
        run = files(tmp_path, one, spent(one, by_setting(cnn_t2=0.9)))
        (entry,) = read_catalogue(run.tuned).values()
        assert entry.question == "What does it see?"
        chosen = one.setting_job("cnn", 2)
        assert (entry.job.name, entry.job.train, entry.job.model) == ("cnn", chosen.train, CNN.model)
        assert entry.job.train.budget == "500-images"
        assert entry.job.effort == one.effort("cnn")
        assert isinstance(entry.job.effort, Effort)
        assert (entry.job.effort.settings, entry.job.effort.study) == (4, one.sha256)
        assert "90.00% of mnist, the validation images" in (run.tuned / "cnn.py").read_text()

    def test_a_setting_that_decides_all_is_told_and_noise_is_not(self, tmp_path: Path):
        one = study(CNN, trials=30)
        values = {t.name: t.job.train.learning_rate for i in range(30) for t in one.search_trials("cnn", i)}

        def decides(trial: Trial) -> float:
            return 0.9 if values[trial.name] > 1e-3 else 0.3

        def noise(trial: Trial) -> float:
            return hash_share(trial.name)

        for scores, said in ((decides, False), (noise, True)):
            run = files(tmp_path, one, spent(one, scores))
            assert ("cannot be told from noise" in (run.report / "tuning.md").read_text()) is said

    def test_of_a_search_that_goes_on_only_what_is_known(self, tmp_path: Path):
        one = study(CNN)
        known = rows([t for i in range(2) for t in one.search_trials("cnn", i)], by_setting(cnn_t1=0.9))
        assert told(one, known)["effort"] == "2 of 3"
        assert told(one, known)["chosen"] == "–"
        run = files(tmp_path, one, known)
        assert "2 of 3 settings are spent" in (run.report / "tuning.md").read_text()
        assert not run.tuned.exists()

    def test_what_took_too_much_memory_is_not_advised_to_be_run_again(self):
        one = study(CNN)
        known = spent(one, by_setting(cnn_t1=0.9))
        row = known["cnn_t0-seed0"]
        known[row.trial] = row.updated(status="out_of_memory", reason="it took too much; lab2 resume gives it more")
        (outcome,) = job_outcomes(one, known)
        assert [it.reason for it in outcome.failed] == ["it took too much"]

    def test_files_that_the_disk_refuses_are_named_and_the_others_written(self, tmp_path: Path):
        one = study(CNN)
        outcomes = job_outcomes(one, spent(one, by_setting(cnn_t1=0.9)))
        run = RunDir(tmp_path)
        (run.report / "tuning.csv").mkdir(parents=True)
        written, refused = write_tuning(run, one, outcomes)
        assert written == ["tuning.md", "tuning.json"]
        assert [error.filename for error in refused] == [str(run.report / "tuning.csv")]
        run.tuned.write_text("a file")
        assert [len(part) for part in write_tuned(run, one, outcomes)] == [0, 1]

    def test_where_all_failed_there_is_no_job_file(self, tmp_path: Path):
        one = study(CNN)
        known = spent(one, lambda _: None)
        assert (told(one, known)["best"], told(one, known)["own recipe"]) == ("–", "failed")
        run = files(tmp_path, one, known)
        assert "there is no recipe" in (run.report / "tuning.md").read_text()
        assert not run.tuned.exists()


class TestHalving:
    @pytest.fixture
    def one(self) -> Study:
        return study(CNN, trials=9, mode="halving", budget="900-images")

    def test_what_goes_on_or_is_not_decided_yet_is_open(self, one: Study):
        first = next(stages(one, {}))
        known = rows(first, by_setting(cnn_t2=0.6, cnn_t5=0.8, cnn_t7=0.7))
        last = known.pop("cnn_t8-seed0")
        assert {it.state for it in job_outcomes(one, known)[0].settings} == {"open"}  # whoever is last may be better
        known[last.trial] = last
        states = [it.state for it in job_outcomes(one, known)[0].settings]
        assert [i for i, state in enumerate(states) if state == "open"] == [2, 5, 7]
        assert set(states) == {"open", "stopped"}

    def test_costs_and_shares_of_what_was_stopped(self, one: Study, tmp_path: Path):
        known = spent(one, by_setting(cnn_t2=0.6, cnn_t5=0.8, cnn_t7=0.7, cnn_t0=0.2))
        assert told(one, known)["own recipe"] == "20.00% at 11%"
        assert told(one, known)["time"] == "39 s"  # 9 + 3 + 1 trials of 3 s
        (outcome,) = job_outcomes(one, known)
        assert [it.state for it in outcome.settings].count("stopped") == 8
        assert outcome.settings[7].share == pytest.approx(1 / 3)
        assert (outcome.chosen, outcome.curve) == (outcome.settings[5], None)
        text = (files(tmp_path, one, known).tuned / "cnn.py").read_text()
        assert "own recipe: 20.00% after 11% of the budget, where halving ended it" in text
        assert 'budget="900-images"' in text


def hash_share(text: str) -> float:
    """A number in [0, 1] that has nothing to do with what `text` says."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32
