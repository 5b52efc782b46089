"""The ledger of test-set uses: which trials read test images, and how many configurations were judged on them."""

from __future__ import annotations

import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from lab2.cli.screen import show_table
from lab2.report.judged import count_judged
from lab2.report.report import make_report
from lab2.report.writers import markdown, write_report
from lab2.results.collect import collect
from lab2.results.ledger import note_use, read_ledger
from lab2.results.run_dir import RunDir, create_run
from lab2.results.shard import write_shard
from lab2.spec.job import Trial
from lab2.spec.plan import Plan
from lab2.trial import run_trial
from tests.answered import DATA, among, leave, seeds_of
from tests.conftest import finished, make_run, make_trial

A, B = seeds_of("a")[0], seeds_of("b", learning_rate=0.02)[0]


def finish(folder: Path, *trials: Trial, run_id: str = "run") -> RunDir:
    """A run whose trials are all finished, on the same data; nothing is in the ledger yet."""
    run = make_run(folder, *trials, run_id=run_id)
    for trial in trials:
        write_shard(run.shard(trial.name), finished(trial, dataset_sha256=DATA))
    return run


def looked(folder: Path, *trials: Trial, run_id: str = "run") -> RunDir:
    """The same, with a line for each trial."""
    run = finish(folder, *trials, run_id=run_id)
    for trial in trials:
        note_use(run, trial, DATA)
    return run


def notes_of(run: RunDir) -> tuple[str, ...]:
    return count_judged(run, collect(run)).notes


class TestConfiguration:
    def test_seeds_of_a_job_have_the_same(self):
        one, two = seeds_of("a", 2)
        assert one.configuration == two.configuration
        assert one.digest != two.digest

    def test_the_names_of_job_and_data_set_do_not_matter(self):
        moved = replace(A, data=replace(A.data, dataset="/elsewhere"), inputs={"data /elsewhere": "1"})
        assert moved.configuration == replace(A, job=replace(A.job, name="other")).configuration == A.configuration

    def test_the_recipe_the_images_and_the_code_do(self):
        others = [
            B,
            replace(A, data=replace(A.data, train_images=200)),
            replace(A, inputs={"network net.py": "1"}),
        ]
        assert len({trial.configuration for trial in [A, *others]}) == 4


class TestNoted:
    def test_a_line_says_who_looked_at_what_and_when(self, tmp_path: Path):
        looked(tmp_path, A)
        line = json.loads((tmp_path / "test_set_uses.jsonl").read_text())
        assert line.pop("at").startswith("20")
        assert line == {
            "dataset": "mnist",
            "dataset_sha256": DATA,
            "test_images": 100,
            "test_share": 0.2,
            "configuration": A.configuration,
            "digest": A.digest,
            "trial": "a-seed1",
            "run": "run",
        }

    def test_many_at_once_lose_no_line(self, tmp_path: Path):
        run = make_run(tmp_path, *seeds_of("a", 40))
        with ThreadPoolExecutor(8) as crew:
            list(crew.map(lambda trial: note_use(run, trial, DATA), run.read_plan().trials))
        assert {use.trial for use in read_ledger(run).uses} == set(run.read_plan().names)

    def test_a_smoke_run_is_not(self, tmp_path: Path):
        plan = Plan(run_id="run", created_at="2026-01-01T00:00:00", smoke=True, trials=(A,))
        run = create_run(tmp_path, plan)
        note_use(run, A, DATA)
        write_shard(run.shard(A.name), finished(A, dataset_sha256=DATA))
        assert not run.ledger.exists()
        assert notes_of(run) == ()

    def test_a_line_after_one_that_was_cut_off_is_whole(self, tmp_path: Path):
        run = looked(tmp_path, A)
        with run.ledger.open("ab") as file:
            file.write(b'{"dataset": "mn')
        note_use(run, B, DATA)
        found = read_ledger(run)
        assert ([use.trial for use in found.uses], found.broken) == (["a-seed1", "b-seed1"], 1)

    @pytest.mark.slow
    def test_a_trial_notes_its_look_and_one_that_cannot_goes_on(self, tmp_path: Path, caplog: pytest.LogCaptureFixture):
        trial = make_trial("cnn")
        run = make_run(tmp_path, trial)
        shard = run_trial(trial, run, device="cpu")
        (use,) = read_ledger(run).uses
        assert (use.digest, use.dataset_sha256) == (trial.digest, shard.dataset_sha256)
        other = make_run(tmp_path / "more", trial)
        other.ledger.mkdir()
        with caplog.at_level(logging.WARNING, "lab2"):
            assert run_trial(trial, other, device="cpu").status == "ok"
        assert "that the test images were read" in caplog.text

    def test_a_pipe_in_its_place_is_an_error_and_does_not_hang(self, tmp_path: Path):
        run = make_run(tmp_path, A)
        os.mkfifo(run.ledger)
        with pytest.raises(OSError, match="a FIFO, wanted a regular file"):
            note_use(run, A, DATA)


class TestCounted:
    def test_configurations_count_over_all_runs_of_the_folder_and_seeds_do_not(self, tmp_path: Path):
        run = looked(tmp_path, *seeds_of("a", 3), run_id="first")
        looked(tmp_path, B, run_id="second")
        looked(tmp_path, B, run_id="third")
        (note,) = notes_of(run)
        today = read_ledger(run).uses[0].at[:10]
        assert note == (
            f"2 configurations have been judged on these test images by the runs in {tmp_path.name}/ (the first on "
            f"{today}); 1 of them is in this table"
        )

    def test_other_test_images_do_not_count(self, tmp_path: Path):
        run = looked(tmp_path, A)
        other = make_run(tmp_path, B, run_id="second")
        note_use(other, B, "e" * 64)
        note_use(other, replace(B, data=replace(B.data, test_images=50)), DATA)
        assert notes_of(run)[0].startswith("1 configuration has been judged")

    def test_a_run_without_its_ledger_has_no_count_rather_than_0(self, tmp_path: Path):
        run = finish(tmp_path, A)
        unknown = "how many configurations have been judged on these test images is not known: "
        assert notes_of(run) == (f"{unknown}{tmp_path} has no test_set_uses.jsonl",)
        other = make_run(tmp_path, B, run_id="second")
        note_use(other, B, "e" * 64)
        assert notes_of(run) == (f"{unknown}{run.ledger} has no use of them",)

    def test_rows_that_were_never_noted_are_said(self, tmp_path: Path):
        run = finish(tmp_path, A, B)
        note_use(run, A, DATA)
        assert notes_of(run)[0].endswith(
            "; 2 of them are in this table; 1 of these is not in test_set_uses.jsonl, so it may lack others"
        )
        assert notes_of(run)[0].startswith("2 configurations have been judged")

    def test_a_broken_line_is_said(self, tmp_path: Path):
        run = looked(tmp_path, A)
        with run.ledger.open("ab") as file:
            file.write(b"\xff\n")
        assert notes_of(run)[1] == f"{run.ledger}: 1 line cannot be read, so more configurations may have been judged"

    def test_two_draws_in_one_table_have_a_sentence_each(self, tmp_path: Path):
        fewer = replace(B, data=replace(B.data, test_images=50))
        first, second = notes_of(looked(tmp_path, A, fewer))
        assert "judged on the 100 drawn test images of mnist by the runs in" in first
        assert "judged on the 50 drawn test images of mnist by the runs in" in second

    def test_it_stands_in_the_files_and_below_the_table(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        run = looked(tmp_path, A, B)
        for trial in (A, B):
            leave(run, trial, among(100, range(90)))
        report = make_report(run, collect(run))
        assert "- 2 configurations have been judged on these test images" in markdown(report)
        write_report(report)
        rows = pd.read_json(run.report / "table.json")
        assert rows["configurations_judged"].tolist() == [2, 2]
        show_table(run)
        assert "note: 2 configurations have been judged" in capsys.readouterr().err
