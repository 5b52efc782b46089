"""The report: means, intervals and reasons by hand, and files that programs can read."""

from __future__ import annotations

import io
import json
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from lab2.measure.predictions import Predictions, write_predictions
from lab2.models.nearest_neighbour import NearestNeighbourConfig
from lab2.report.caption import caption, failures
from lab2.report.columns import COLUMNS
from lab2.report.report import make_report
from lab2.report.summary import summarise
from lab2.report.terminal import terminal_table
from lab2.report.writers import markdown, write_report
from lab2.results.collect import collect
from lab2.results.shard import Shard, unfinished, write_shard
from lab2.results.statistics import of_share, over_seeds
from lab2.spec.effort import Effort
from lab2.spec.job import JobSpec
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

    def test_a_row_says_what_it_took_to_find_its_recipe(self, tmp_path: Path):
        tuned, plain = make_trial("cnn"), make_trial("vit")
        tuned = replace(tuned, job=replace(tuned.job, effort=Effort(settings=16)))
        fitted = replace(plain, job=JobSpec(name="nearest", model=NearestNeighbourConfig()))
        found = summarise(collect(make_run(tmp_path, tuned, plain, fitted)))
        assert found["effort"].fillna("none").tolist() == ["16 settings", "not recorded", "none"]

    def test_times_of_different_machines_are_not_averaged(self, tmp_path: Path):
        trials = [make_trial("cnn", seed=s) for s in (1, 2)]
        run = make_run(tmp_path, *trials)
        for trial, device, precision in zip(trials, ("Xeon", "EPYC"), ("bf16", "fp32"), strict=True):
            machine = {"device": "cpu", "device_name": device, "threads": 2, "precision": precision}
            write_shard(run.shard(trial.name), finished(trial, latency_p50_seconds=0.1, parameters=7, **machine))
        (row,) = summarise(collect(run)).to_dict("records")
        assert row["accuracy"] == 0.9
        assert (row["train_seconds"], row["latency_p50_seconds"]) == (None, None)
        assert (row["precision"], row["parameters"], row["threads"]) == ("bf16, fp32", 7, 2)
        assert (
            "different machines or threads (Xeon (cpu, 2 threads, bf16); EPYC (cpu, 2 threads, fp32))" in row["notes"]
        )

    def test_a_time_to_target_that_some_seeds_never_reached_has_no_mean(self, tmp_path: Path):
        trials = [make_trial("cnn", seed=s) for s in (1, 2)]
        run = make_run(tmp_path, *trials)
        for trial, seconds in zip(trials, (1.0, None), strict=True):
            write_shard(run.shard(trial.name), finished(trial, seconds_to_target=seconds))
        (row,) = summarise(collect(run)).to_dict("records")
        assert row["seconds_to_target"] is None
        assert row["notes"] == "its target was reached by 1 of 2 seeds: the time to it is not averaged"

    def test_a_busy_machine_is_told_of(self, tmp_path: Path):
        trials = [make_trial("cnn"), make_trial("vit")]
        run = make_run(tmp_path, *trials)
        for trial, waited in zip(trials, (4.0, 0.2), strict=True):
            write_shard(run.shard(trial.name), finished(trial, train_cpu_seconds=4.0, train_wait_seconds=waited))
        busy, idle = summarise(collect(run))["notes"]
        assert busy.startswith("a busy machine: its threads waited for a core for 50% of the time")
        assert idle == ""

    def test_classes_that_no_test_image_shows_are_told_of(self, tmp_path: Path):
        run = make_run(tmp_path, make_trial())
        write_shard(run.shard(make_trial().name), finished(make_trial(), classes=10, tested_classes=9))
        assert summarise(collect(run))["notes"].tolist() == [
            "1 of 10 classes have no test image: F1 is the mean over the others"
        ]

    def test_what_moves_is_shown_where_it_is_less_than_what_may(self, tmp_path: Path):
        run = make_run(tmp_path, make_trial())
        counts = {"parameters": 134_000_000, "trainable_parameters": 134_000_000, "trained_parameters": 33_600_000}
        write_shard(run.shard(make_trial().name), finished(make_trial(), **counts))
        assert "| 134.0 M (33.6 M trained) |" in markdown(make_report(run, collect(run)))

    def test_counts_stay_counts_beside_a_row_without_any(self, tmp_path: Path):
        trials = [make_trial("cnn"), make_trial("vit")]
        run = make_run(tmp_path, *trials)
        write_shard(run.shard(trials[0].name), finished(trials[0], parameters=454922))
        write_report(make_report(run, collect(run)))
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

    def test_flops_that_are_not_all_are_a_lower_bound_and_the_caption_names_what_is_missing(self, tmp_path: Path):
        trials = [make_trial("cnn"), make_trial("vit")]
        run = make_run(tmp_path, *trials)
        for trial, missing in zip(trials, ("", "aten::_fft_r2c, aten::lstm"), strict=True):
            write_shard(run.shard(trial.name), finished(trial, flops_per_image=2_500_000, flops_uncounted=missing))
        text = markdown(make_report(run, collect(run)))
        whole, bound = (line.split("|") for line in text.splitlines() if line.startswith(("| cnn", "| vit")))
        assert " 2.5 M " in whole
        assert " ≥ 2.5 M " in bound
        assert "\n≥: FLOPs are without aten::_fft_r2c, aten::lstm (vit)" in caption(collect(run))

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
        write_report(make_report(run, collect(run)))
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

    def test_the_data_frame_of_trials_is_typed_and_the_same_bytes_each_time(self, tmp_path: Path):
        trials = [make_trial("cnn"), make_trial("vit")]
        run = make_run(tmp_path, *trials)
        write_shard(run.shard(trials[0].name), finished(trials[0], parameters=10_730, device_name="=1+1"))
        file = run.report / "trials.parquet"
        write_report(make_report(run, collect(run)))
        first = file.read_bytes()
        write_report(make_report(run, collect(run)))  # its rows come from the cache now
        assert file.read_bytes() == first
        table = pq.read_table(file)
        assert table.column_names == [field.name for field in fields(Shard)]
        assert table.schema.field("parameters").type == pa.int64()
        assert table.schema.field("latency_p50_seconds").type == pa.float64()  # of no row: typed all the same
        assert table["status"].to_pylist() == ["ok", "missing"]
        assert table["parameters"].to_pylist() == [10_730, None]
        assert table["device_name"][0].as_py() == "=1+1"  # data, and no formula to a program

    def test_a_reason_cannot_break_the_markdown(self, tmp_path: Path):
        trial = make_trial()
        run = make_run(tmp_path, trial)
        write_shard(run.shard(trial.name), unfinished(trial, "failed", "a | b\nc"))
        text = markdown(make_report(run, collect(run)))
        assert "a \\| b\\\\nc" in text
        assert failures(summarise(collect(run))) == ["cnn: failed: a | b\\nc"]


class TestTerminal:
    @pytest.fixture
    def summary(self, tmp_path: Path):
        """A row with every column, one without any number, one at chance."""
        trials = [make_trial(name) for name in ("vgg16", "vit", "cnn")]
        trials[0] = replace(trials[0], job=replace(trials[0].job, effort=Effort(settings=9)))
        run = make_run(tmp_path, *trials)
        full = {
            "parameters": 134_301_514, "trainable_parameters": 134_301_514, "trained_parameters": 33_638_218,
            "precision": "bf16", "weights": "checkpoint /a/long/path/to/some.safetensors (trained on mnist)",
            "peak_memory_bytes": 2**31, "inference_memory_bytes": 2**30, "latency_p50_seconds": 0.1,
            "flops_per_image": 10**9, "flops_uncounted": "", "map_50": 0.5,
            "calibration_error": 0.01,
        }  # fmt: skip
        write_shard(run.shard(trials[0].name), finished(trials[0], 0.99, majority_accuracy=0.1, **full))
        write_shard(run.shard(trials[1].name), unfinished(trials[1], "failed", "why"))
        write_shard(run.shard(trials[2].name), finished(trials[2], 0.1, majority_accuracy=0.1, **full))
        truth = np.zeros(100, np.int64)
        for trial, right in ((trials[0], 99), (trials[2], 10)):
            answers = (np.arange(100) >= right).astype(np.int64)
            found = Predictions(truth, answers, np.eye(2, dtype=np.float32)[answers], np.arange(100, dtype=np.uint64))
            write_predictions(run.predictions(trial.name), found)
        return make_report(run, collect(run)).summary

    @pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 140, 160, 170, 200, 240, 260])
    def test_nothing_is_cut_and_what_is_left_out_is_said(self, summary, width: int):
        table, left_out = terminal_table(summary, width)
        console = Console(width=width, file=io.StringIO())
        console.print(table)
        assert isinstance(console.file, io.StringIO)
        text = console.file.getvalue()
        assert "…" not in text
        assert all(len(line) <= width for line in text.splitlines())
        assert all(word in text for word in ("model", "test accuracy [95 %]", "status", "failed", "†"))
        shown = [column.title for column in COLUMNS if re.search(rf"(^| ){re.escape(column.title)}( |$)", text, re.M)]
        assert [c.title for c in COLUMNS] == [c.title for c in COLUMNS if c.title in {*shown, *left_out}]
        assert not {*shown} & {*left_out}
        assert (left_out == []) == (width >= 240)

    def test_a_row_without_a_number_says_nothing_of_any_column(self, summary):
        wide, _ = terminal_table(summary, 300)
        (row,) = [line for line in markdown_lines(summary) if line.startswith("| vit")]
        assert "nan" not in row
        assert row == "| vit | – | failed | – | – | – | – | 0 of 1 | – | – | – | – | – | – | – | – | – | – |"
        assert wide.row_count == 3

    def test_weights_are_told_by_their_kind(self, summary):
        assert " checkpoint " in next(line for line in markdown_lines(summary) if line.startswith("| vgg16"))


def markdown_lines(summary) -> list[str]:
    """The rows of the table, whatever its caption would be."""
    return ["| " + " | ".join(column.text(row) for column in COLUMNS) + " |" for _, row in summary.iterrows()]


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
