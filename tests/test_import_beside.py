"""Imported rows stand beside those of a run, and are compared with them image by image."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lab2.compare.comparison import Verdict
from lab2.data.datasets import load_test
from lab2.data.identity import identities
from lab2.data.known_images import read_known
from lab2.errors import DataError, RunError
from lab2.launch.importing import Imported
from lab2.measure.predictions import Predictions, read_predictions, write_predictions
from lab2.report.finding import find
from lab2.report.report import make_report
from lab2.report.writers import markdown
from lab2.results.collect import collect
from lab2.results.correctness import Collected
from lab2.results.run_dir import RunDir, create_run
from lab2.results.shard import write_shard
from lab2.spec.job import DataConfig, Trial
from lab2.spec.plan import Plan
from tests.conftest import TINY, finished, make_run, make_trial, on_folder


def answers_csv(names: list[str], labels: np.ndarray, classes: list[str], wrong: set[int], seeds: int = 1) -> str:
    """A table that is wrong about the images of those numbers."""
    rows = ["image,label,prediction,architecture,seed"]
    for seed in range(1, seeds + 1):
        for place, (name, label) in enumerate(zip(names, labels.tolist(), strict=True)):
            answer = (label + (place in wrong)) % len(classes)
            rows.append(f"{name},{classes[label]},{classes[answer]},mine,{seed}")
    return "\n".join(rows)


def own_row(run: RunDir, trial: Trial, wrong: set[int]) -> None:
    """What a trial of lab2 leaves that is wrong about the test images of those places in its draw."""
    test = load_test(trial.data)
    answer = test.labels.copy()
    answer[sorted(wrong)] = (answer[sorted(wrong)] + 1) % 2
    probabilities = np.eye(10, dtype=np.float32)[answer]
    write_predictions(
        run.predictions(trial.name), Predictions(test.labels, answer, probabilities, identities(test.pixels))
    )
    accuracy = float((answer == test.labels).mean())
    sha256 = read_known(replace(trial.data, test_images=None)).sha256
    shard = finished(trial, accuracy, test_images=len(answer), dataset_sha256=sha256, device="cpu", device_name="Xeon")
    write_shard(run.shard(trial.name), shard)


class TestBeside:
    """A folder of 20 test pictures: left/0.png to left/9.png, right/0.png to right/9.png."""

    @pytest.fixture
    def run(self, image_folder: Path, runs: Path) -> RunDir:
        trial = on_folder(make_trial("cnn"), image_folder)
        run = make_run(runs, trial, make_trial("vit", model=TINY["cnn"]))
        own_row(run, trial, wrong=set(range(10)))
        return run

    @pytest.fixture
    def text(self, image_folder: Path) -> str:
        known = read_known(DataConfig(dataset=str(image_folder)))
        order = np.random.default_rng(0).permutation(20)  # rows come in any order
        return answers_csv([known.names[i] for i in order], known.labels[order], list(known.classes), set())

    def test_rows_are_compared_image_by_image(self, bring, run: RunDir, text: str):
        found = bring(text, beside=run)
        finding = find(Collected(run=found.run, comparison=collect(found.run)))
        assert finding.judged is not None
        pair = finding.judged.pair("mine", "cnn")
        assert pair.answer.discordant == (10, 0)
        assert pair.verdict is Verdict.BETTER
        assert finding.notes == ()
        assert found.notes == ("not taken over from run run, because they are not finished: vit-seed1",)

    def test_the_other_run_stays_and_the_table_says_where_rows_came_from(self, bring, run: RunDir, text: str):
        before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
        made = bring(text, beside=run).run
        assert before == {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
        said = markdown(make_report(made, collect(made)))
        assert "1 of 2 trials taken over from run run" in said
        assert "imported, not trained by lab2: mine;" in said

    def test_a_picture_is_named_by_its_place_or_any_of_its_paths(self, bring, image_folder: Path, run: RunDir):
        known = read_known(DataConfig(dataset=str(image_folder)))
        for names in ([str(i) for i in range(20)], [str(image_folder / name) for name in known.names]):
            made = bring(answers_csv(names, known.labels, ["0", "1"], {0}), beside=run).run
            assert collect(made).rows[1].accuracy == 0.95

    def test_a_picture_that_is_none_of_the_test_part_is_refused(self, bring, run: RunDir, text: str):
        assert re.search(
            r"line 2: image 'train/left/0.png' is none of the 20 test images of .*; wanted a place in the test part, "
            "0 to 19, or a path in the data set",
            str(refused_whole(bring, re.sub("test/[a-z]*/[0-9].png", "train/left/0.png", text, count=1), run)),
        )

    def test_a_label_that_is_not_the_data_sets_is_refused(self, bring, run: RunDir, text: str):
        first = text.splitlines()[1]
        other = first.replace(",left,left", ",right,right") if ",left," in first else first.replace(",right,", ",left,")
        assert re.search(
            r"line 2: image .* has label '\w+', and '\w+' in /", refused_whole(bring, text.replace(first, other), run)
        )

    def test_an_unknown_class_is_refused(self, bring, run: RunDir, text: str):
        found = refused_whole(bring, re.sub(",left,mine", ",=cow,mine", text, count=1), run)
        assert re.search(
            r"line \d+: prediction '=cow', wanted one of the 2 classes \(left, right\) or their num", found
        )

    def test_labels_and_predictions_are_numbers_in_the_same_way(self, bring, image_folder: Path):
        """Classes called 1 and 2: the prediction 1 beside the labels 0 and 1 is the second class."""
        for part in ("train", "test"):
            for old, new in (("left", "1"), ("right", "2")):
                (image_folder / part / old).rename(image_folder / part / new)
        known = read_known(DataConfig(dataset=str(image_folder)))
        rows = [f"{name},{label},1,mine,1" for name, label in zip(known.names, known.labels, strict=True)]
        text = "\n".join(["image,label,prediction,architecture,seed", *rows])
        run = bring(text, data=DataConfig(dataset=str(image_folder))).run
        assert set(read_predictions(run.predictions("mine-seed1")).y_pred) == {1}

    def test_other_data_are_refused(self, bring, run: RunDir, text: str, image_folder: Path):
        (image_folder / "test/left/0.png").write_bytes((image_folder / "test/left/1.png").read_bytes())
        assert "other data, whose rows do not compare" in refused_whole(bring, text, run)

    def test_a_name_that_the_run_has_is_refused(self, bring, run: RunDir, text: str):
        found = refused_whole(bring, text.replace(",mine,", ",CNN,"), run)
        assert "run run has a row cnn already; give the architecture another name" in found

    def test_a_run_without_results_is_refused(self, bring, runs: Path, text: str):
        with pytest.raises(RunError, match="no trial of it is finished; wait for it, or leave out --beside"):
            bring(text, beside=make_run(runs, make_trial("cnn"), run_id="empty"))

    def test_a_smoke_run_is_refused(self, bring, runs: Path, text: str):
        plan = Plan(run_id="quick", created_at="2026-01-01T00:00:00", smoke=True, trials=(make_trial("cnn"),))
        with pytest.raises(RunError, match="quick: a smoke run, whose table compares nothing; name a whole run"):
            bring(text, beside=create_run(runs, plan))

    def test_a_limit_of_the_runs_test_images_leaves_those_that_all_have(
        self, bring, runs: Path, image_folder: Path, text: str
    ):
        trial = on_folder(make_trial("cnn"), image_folder)
        trial = replace(trial, data=replace(trial.data, test_images=10))
        run = make_run(runs, trial, run_id="limited")
        own_row(run, trial, wrong=set())
        made = bring(text, beside=run).run
        finding = find(Collected(run=made, comparison=collect(made)))
        assert finding.notes == ("compared on the 10 test images that all rows have, of up to 20",)


def refused_whole(bring: Callable[..., Imported], text: str, run: RunDir) -> str:
    with pytest.raises(DataError) as caught:
        bring(text, beside=run)
    return str(caught.value)


class TestCommand:
    def test_it_shows_the_table(self, run_cli, tmp_path: Path):
        labels = load_test(DataConfig()).labels
        digits = list("0123456789")
        (tmp_path / "p.csv").write_text(answers_csv([str(i) for i in range(10_000)], labels, digits, {5}, seeds=2))
        code, out, err = run_cli("import", str(tmp_path / "p.csv"), "--dataset", "mnist")
        assert code == 0, err
        assert "imported mine: 2 trials, " in out
        assert "99.99%" in out
        assert "note: 1 configuration has been judged on these test images" in err
        code, out, err = run_cli("resume")
        assert (code, out.splitlines()[0]) == (0, "nothing to resume: 2 of 2 trials are finished")
        (tmp_path / "runs/latest/shards/mine-seed2.json").unlink()
        code, _, err = run_cli("resume")
        assert (code, "mine-seed2: imported, so it cannot be trained here; lab2 import its" in err) == (2, True)
        row = json.loads((tmp_path / "runs/latest/shards/mine-seed1.json").read_text())["row"]
        assert (row["train_seconds"], row["parameters"], row["architecture"]) == (None, None, "external")

    def test_a_use_that_cannot_be_noted_is_said(self, bring, tmp_path: Path):
        (tmp_path / "runs/test_set_uses.jsonl").mkdir(parents=True)
        (note,) = bring("image,label,prediction,architecture,seed\na,x,x,mine,1\nb,y,x,mine,1\n").notes
        assert note.startswith("could not note in ")

    def test_a_mistake_is_one_sentence(self, run_cli, tmp_path: Path):
        (tmp_path / "p.csv").write_text("image,label,prediction,architecture,seed\na,x,x,d,\x1b[2J\nb,y,x,d,1\n")
        code, _, err = run_cli("import", str(tmp_path / "p.csv"))
        assert code == 2
        assert err.strip().endswith(r"p.csv: line 2: seed '\x1b[2J', wanted a whole number from 0")
        code, _, err = run_cli("import", str(tmp_path / "p.csv"), "--set", "data.broken=skip")
        assert (code, "name it with --dataset" in err) == (2, True)
