"""A run in a notebook: data frames with the numbers of the report, HTML that nothing in a run can break out of."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lab2
from lab2.errors import RunError, ShardError
from lab2.report.report import make_report
from lab2.report.writers import pairs_csv, table_csv
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from lab2.results.shard import unfinished, write_shard
from tests.answered import among, answered, leave, seeds_of
from tests.conftest import make_run, make_trial
from tests.paged import NASTY, with_classes
from tests.test_papers import blocks

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "notebook.md").read_text()


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Two seeds of each of two jobs; the first is right about the first 180 and the first 170 of 200 images."""
    wrong = {"cnn": (180, 170), "vit": (150, 140)}
    return answered(tmp_path, {j: np.stack([among(200, range(n)) for n in ns]) for j, ns in wrong.items()})


def test_its_tables_are_those_of_the_report(run: RunDir):
    loaded, report = lab2.load(run.path), make_report(run, collect(run))
    written = pd.read_csv(io.BytesIO(table_csv(report)))
    assert list(loaded.table.columns) == list(written.columns)
    assert loaded.table["accuracy"].tolist() == pytest.approx([0.875, 0.725])
    assert loaded.pairs["difference"].tolist() == pytest.approx([0.15])
    assert loaded.pairs["verdict"].tolist() == pd.read_csv(io.BytesIO(pairs_csv(report)))["verdict"].tolist()
    assert loaded.trials["accuracy"].tolist() == pytest.approx([0.9, 0.85, 0.75, 0.7])
    assert "cnn" in loaded.answer[0]


def test_predictions_are_a_row_an_image(run: RunDir):
    found = lab2.load(run.path).predictions("cnn-seed1")
    assert found["right"].sum() == 180
    assert found.loc[[179, 180], "right"].tolist() == [True, False]
    assert found.loc[181, ["y_true", "y_pred", "p2", "p1"]].tolist() == [1, 2, 1.0, 0.0]
    assert found["identity"].tolist() == list(range(200))


def test_of_a_job_they_are_those_of_its_finished_trials(tmp_path: Path):
    trials = seeds_of("cnn", 3)
    run = make_run(tmp_path, *trials)
    for trial in trials[:2]:
        leave(run, trial, among(50, range(40)))
    found = lab2.load(run.path).predictions("cnn")
    assert found.groupby("trial")["right"].sum().to_dict() == {"cnn-seed1": 40, "cnn-seed2": 40}
    assert lab2.load(run.path).trials["status"].tolist() == ["ok", "ok", "missing"]


def test_classes_have_their_names_where_the_data_were_inspected(run: RunDir):
    assert "class_true" not in lab2.load(run.path).predictions("cnn-seed1")
    with_classes(run)
    found = lab2.load(run.path).predictions("cnn-seed1")
    assert found.loc[181, ["class_true", "class_pred"]].tolist() == [NASTY[1], NASTY[2]]


def test_what_is_changed_in_a_frame_does_not_change_the_run(run: RunDir):
    loaded = lab2.load(run.path)
    table, trials = loaded.table, loaded.trials
    table.loc[0, "accuracy"] = trials.loc[0, "accuracy"] = 0.0
    assert loaded.table.loc[0, "accuracy"] == pytest.approx(0.875)
    assert loaded.trials.loc[0, "accuracy"] == pytest.approx(0.9)


def test_a_run_is_found_by_its_path_or_its_name(run: RunDir, monkeypatch):
    monkeypatch.setenv("LAB2_RUNS", str(run.path.parent))
    monkeypatch.chdir(run.path.parent)
    assert {lab2.load(of).path for of in (run.path, "latest", "run", "./latest", f"{run.path}/")} == {run.path}
    monkeypatch.chdir(run.path)
    assert lab2.load("run").path == run.path


def test_errors_say_what_there_is(run: RunDir, tmp_path: Path):
    with pytest.raises(RunError, match="no such run; there are: run"):
        lab2.load(tmp_path / "other")
    with pytest.raises(RunError, match="has no trial or job 'vgg'; its trials: cnn-seed1"):
        lab2.load(run.path).predictions("vgg")
    run.predictions("vit-seed1").write_bytes(b"cut off")
    with pytest.raises(ShardError, match="not the predictions of a trial"):
        lab2.load(run.path).predictions("vit")
    assert any("vit-seed1" in note for note in lab2.load(run.path).notes)


def test_a_job_without_a_finished_trial_has_no_predictions(tmp_path: Path):
    run = make_run(tmp_path, make_trial("cnn"))
    with pytest.raises(RunError, match="no trial of cnn has ended well"):
        lab2.load(run.path).predictions("cnn")


def test_a_search_without_a_recipe_has_trials_and_no_table(tmp_path: Path):
    searched = replace(make_trial("cnn"), search="cnn")
    loaded = lab2.load(make_run(tmp_path, searched).path)
    assert len(loaded.trials) == 1
    with pytest.raises(RunError, match="has chosen no recipe yet"):
        loaded.table  # noqa: B018
    assert "0 of 1 trials finished" in loaded._repr_html_()


def test_nothing_in_a_run_is_obeyed_by_a_notebook(tmp_path: Path):
    trial = make_trial("cnn")
    run = make_run(tmp_path, trial, run_id="<b>run")
    write_shard(run.shard(trial.name), unfinished(trial, "failed", "<script>alert(1)</script>\u202e & more"))
    html = lab2.load(run.path)._repr_html_()
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e &amp; more" in html


def test_it_brings_no_torch_and_its_page_runs(run: RunDir):
    (run.path.parent / "runs").symlink_to(run.path.parent)
    code = "\n".join(
        ["import pandas as pd", *blocks(PAGE, "python"), "import sys", "assert 'torch' not in sys.modules"]
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=run.path.parent, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "cnn-seed1    0.90" in done.stdout  # the mean of `right`
    assert re.search(r"^179 .* False$", done.stdout, re.MULTILINE)  # the last image that only the CNN is right about
