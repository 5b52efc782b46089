"""The report: means, intervals and reasons by hand, and files that programs can read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab2.report.summary import summarise
from lab2.report.table import caption, failures, markdown, write_report
from lab2.results.collect import collect
from lab2.results.shard import unfinished, write_shard
from lab2.results.statistics import of_share, over_seeds
from tests.conftest import finished, make_run, make_trial

shares = st.floats(0, 1)


class TestSummary:
    def test_seeds_become_a_mean_with_its_interval(self, tmp_path: Path):
        trials = [make_trial("cnn", seed=s) for s in (1, 2, 3)]
        run = make_run(tmp_path, *trials)
        for trial, accuracy in zip(trials, (0.88, 0.89, 0.90), strict=True):
            write_shard(run.shard(trial.name), finished(trial, accuracy))
        (row,) = summarise(collect(run)).to_dict("records")
        # by hand: mean 0.89, standard error 0.01 / sqrt 3, t(0.975, 2) = 4.3027
        assert row["accuracy"] == pytest.approx(0.89)
        assert row["accuracy_high"] == pytest.approx(0.89 + 4.3027 * 0.01 / 3**0.5, abs=1e-6)
        assert (row["seeds"], row["seeds_expected"], row["status"]) == (3, 3, "ok")

    def test_counts_stay_counts_beside_a_row_without_any(self, tmp_path: Path):
        trials = [make_trial("cnn"), make_trial("vit")]
        run = make_run(tmp_path, *trials)
        write_shard(run.shard(trials[0].name), finished(trials[0], parameters=454922))
        write_report(run, collect(run), summarise(collect(run)))
        assert ",454922," in (run.report / "table.csv").read_text()

    def test_the_caption_names_every_commit_and_size(self, tmp_path: Path):
        trials = [make_trial("cnn"), make_trial("vit")]
        run = make_run(tmp_path, *trials)
        for trial, commit, count in zip(trials, "ab", (50, 100), strict=True):
            write_shard(run.shard(trial.name), finished(trial, git_commit=commit * 40, train_images=count))
        text = caption(collect(run))
        assert "50 or 100 training images" in text
        assert "aaaaaaaaaaaa" in text
        assert "bbbbbbbbbbbb" in text

    def test_one_failed_seed_shows_in_its_jobs_row(self, tmp_path: Path):
        trials = [make_trial("cnn", seed=s) for s in (1, 2)]
        run = make_run(tmp_path, *trials)
        write_shard(run.shard(trials[0].name), finished(trials[0]))
        write_shard(run.shard(trials[1].name), unfinished(trials[1], "out_of_memory", "too large"))
        (row,) = summarise(collect(run)).to_dict("records")
        assert (row["status"], row["reason"], row["seeds"]) == ("out_of_memory", "seed 2: too large", 1)

    def test_files_have_the_promised_names_and_columns(self, tmp_path: Path):
        trial = make_trial("vit")
        run = make_run(tmp_path, trial, make_trial("cnn"))
        write_shard(run.shard(trial.name), finished(trial, parameters=10_730, peak_memory_bytes=5))
        write_report(run, collect(run), summarise(collect(run)))
        rows = json.loads((run.report / "table.json").read_text())
        assert {"architecture", "status", "reason", "accuracy", "macro_f1", "train_seconds", "parameters"} <= rows[
            0
        ].keys()
        assert rows[0]["peak_memory_bytes"] == 5
        assert rows[1]["status"] == "missing"
        header = (run.report / "table.csv").read_text().splitlines()[0].split(",")
        assert header[:8] == [
            "job",
            "architecture",
            "accuracy",
            "macro_f1",
            "train_seconds",
            "parameters",
            "status",
            "reason",
        ]
        assert len((run.report / "trials.csv").read_text().splitlines()) == 3

    def test_a_reason_cannot_break_the_markdown(self, tmp_path: Path):
        trial = make_trial()
        run = make_run(tmp_path, trial)
        write_shard(run.shard(trial.name), unfinished(trial, "failed", "a | b\nc"))
        text = markdown(collect(run), summarise(collect(run)))
        assert "a \\| b\\\\nc" in text
        assert failures(summarise(collect(run))) == ["cnn: failed: a | b\\nc"]


class TestStatistics:
    def test_wilson_is_that_of_the_textbook(self):
        # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263 gives 0.2553 to 0.3662
        interval = of_share(81 / 263, 263)
        assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)

    @given(st.lists(shares, min_size=2, max_size=20))
    def test_the_mean_lies_within(self, values):
        interval = over_seeds(values)
        assert interval.low <= interval.mean <= interval.high
        assert interval.mean == pytest.approx(sum(values) / len(values))

    def test_an_accuracy_cannot_exceed_one(self):
        assert over_seeds([0.990, 0.995]).high == 1.0
