"""Predictions that others made: each row is checked, and the rows stand beside lab2's own."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics

from lab2.errors import ConfigError, DataError
from lab2.export.record import parameters
from lab2.launch.importing import Imported, import_answers, job_name
from lab2.measure.predictions import read_predictions
from lab2.models.building import check_model
from lab2.models.external import ExternalConfig
from lab2.report.finding import find
from lab2.report.report import make_report
from lab2.report.writers import markdown, write_report
from lab2.results.collect import collect
from lab2.results.correctness import Collected
from lab2.results.ledger import read_ledger
from tests.test_architectures import GREY

SMALL = """image,label,prediction,architecture,seed
1.png,cat,cat,Mine,1
2.png,dog,cat,Mine,1
3.png,dog,dog,Mine,1
1.png,cat,cat,Other (TF),1
2.png,dog,dog,Other (TF),1
3.png,dog,dog,Other (TF),1
"""
ODD = SMALL.replace("3.png,dog,dog,Other", "3.png,dog,aardvark,Other")  # a class that no label has
WITH_SHARES = """image,label,p_cat,prob_dog,architecture,seed
1.png,cat,0.9,0.1,mine,1
2.png,dog,0.6,0.4,mine,1
"""


def refused(bring: Callable[..., Imported], text: str, **more: object) -> str:
    with pytest.raises(DataError) as caught:
        bring(text, **more)
    return str(caught.value).rpartition("/")[2]


class TestRows:
    def test_they_are_scored_and_compared_as_any_row(self, bring):
        run = bring(SMALL).run
        mine, other = collect(run).rows
        assert (mine.job, mine.accuracy, other.job, other.accuracy) == ("mine", 2 / 3, "other_tf", 1.0)
        truth, answer = [0, 1, 1], [0, 0, 1]
        assert mine.macro_f1 == pytest.approx(sklearn.metrics.f1_score(truth, answer, average="macro"))
        assert mine.balanced_accuracy == sklearn.metrics.balanced_accuracy_score(truth, answer)
        judged = find(Collected(run=run, comparison=collect(run))).judged
        assert judged is not None
        assert judged.pair("mine", "other_tf").answer.discordant == (0, 1)

    def test_labels_alone_give_no_log_loss_and_no_calibration(self, bring):
        run = bring(SMALL).run
        row = collect(run).rows[0]
        assert (row.log_loss, row.calibration_error) == (None, None)
        assert read_predictions(run.predictions("mine-seed1")).probabilities is None

    def test_probabilities_give_both(self, bring):
        row = collect(bring(WITH_SHARES).run).rows[0]
        assert row.accuracy == 0.5
        assert row.log_loss == pytest.approx(-(np.log(0.9) + np.log(0.4)) / 2, abs=1e-3)  # stored as float16
        assert row.calibration_error == pytest.approx((0.1 + 0.6) / 2, abs=1e-3)  # two bins: |1 - 0.9|, |0 - 0.6|

    def test_labels_alone_give_intervals_of_f1_and_recall(self, bring):
        run = bring(SMALL).run
        summary = make_report(run, collect(run)).summary
        assert summary["macro_f1_low"].notna().all()
        assert summary["balanced_accuracy_low"].notna().all()
        assert summary["log_loss_low"].isna().all()

    def test_a_class_that_is_only_predicted_renumbers_no_other(self, bring):
        plain, odd = (read_predictions(bring(text).run.predictions("mine-seed1")) for text in (SMALL, ODD))
        assert (plain.y_true == odd.y_true).all()

    def test_the_same_file_again_is_equal_bit_for_bit(self, bring, run_cli, tmp_path: Path):
        first, second = (bring(SMALL).run for _ in range(2))
        code, said, _ = run_cli("compare", str(first.path), str(second.path))
        assert code == 0
        assert "the same predictions, bit for bit" in " ".join(said.split())

    def test_their_predictions_are_not_read_again_for_metrics_that_they_cannot_give(self, bring):
        run = bring(SMALL).run
        collect(run)
        before = run.collected.stat().st_mtime_ns
        collect(run)
        assert run.collected.stat().st_mtime_ns == before

    def test_they_have_no_recipe_in_a_tracker(self, bring):
        found = bring(SMALL)
        names = {name.partition(".")[0] for name in parameters(found.trials[0])}
        assert names == {"job", "seed", "model", "data"}

    def test_others_stand_beside_them_on_images_that_only_the_files_know(self, bring):
        first = bring(SMALL).run
        made = bring(SMALL.replace("Mine", "Theirs").replace("Other (TF)", "Fourth"), beside=first).run
        assert [row.job for row in collect(made).rows] == ["mine", "other_tf", "theirs", "fourth"]
        assert make_report(made, collect(made)).finding.judged is not None

    def test_the_table_says_that_lab2_did_not_train_them(self, bring):
        run = bring(SMALL).run
        text = markdown(make_report(run, collect(run)))
        assert re.search(r"^\| other_tf \| 100\.00% .*\| imported \|", text, re.MULTILINE)
        note = "imported (Other (TF)), not trained by lab2: its time, memory, parameters and FLOPs are not measured"
        assert f"- other_tf: {note}" in text
        assert "imported, not trained by lab2: mine, other_tf;" in text
        assert "None" not in text
        write_report(make_report(run, collect(run)))
        assert pd.read_json(run.report / "table.json")["imported"].tolist() == [True, True]

    def test_they_are_uses_of_the_test_images(self, bring):
        run = bring(SMALL).run
        assert [use.trial for use in read_ledger(run).uses] == ["mine-seed1", "other_tf-seed1"]
        bring(SMALL)  # the same predictions again are no other configuration
        (_, note) = make_report(run, collect(run)).judged.notes[0].split(";", 1)
        assert make_report(run, collect(run)).judged.notes[0].startswith("2 configurations have been judged")
        assert note == " 2 of them are in this table"

    def test_other_predictions_of_the_same_name_are_another_configuration(self, bring):
        first, second = bring(SMALL).trials[0], bring(SMALL.replace("2.png,dog,cat", "2.png,dog,dog")).trials[0]
        assert first.configuration != second.configuration

    @pytest.mark.parametrize("name", ["predictions.tsv", "predictions.csv", "predictions.parquet"])
    def test_tabs_semicolons_and_parquet_are_read_too(self, tmp_path: Path, name: str):
        table = pd.read_csv(io.StringIO(SMALL))
        path = tmp_path / name
        if name.endswith(".parquet"):
            table.astype({"label": "category"}).to_parquet(path)
        else:
            table.to_csv(path, sep="\t" if name.endswith(".tsv") else ";", index=False)
        run = import_answers(path, tmp_path / "others", None).run
        assert [row.accuracy for row in collect(run).rows] == [2 / 3, 1.0]

    def test_a_table_that_windows_saved_is_read(self, bring):
        run = bring("\ufeff" + SMALL.replace("\n", "\r\n")).run
        assert [row.accuracy for row in collect(run).rows] == [2 / 3, 1.0]

    def test_columns_that_are_not_used_are_named(self, bring):
        text = SMALL.replace("seed\n", "seed,=cmd\n", 1).replace(",1\n", ",1,x\n")
        assert bring(text).notes == ("columns that are not used: '=cmd'",)

    def test_a_hostile_name_is_data(self, bring):
        run = bring(SMALL.replace("Mine", '"=1+\x1b[2J|x"')).run
        assert collect(run).rows[0].job == "net_1_2j_x"
        write_report(make_report(run, collect(run)))
        for path in run.report.iterdir():
            assert path.suffix == ".parquet" or b"\x1b" not in path.read_bytes(), path  # that one is for programs


class TestRefused:
    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("2.png,dog,cat,Mine", "2.png,cat,cat,Mine", "line 6: image '2.png' has label 'dog', and 'cat' in another"),
            (
                "3.png,dog,dog,Mine",
                "2.png,dog,dog,Mine",
                "line 4: a second row for image '2.png' of 'Mine' seed 1; the",
            ),
            ("3.png,dog,dog,Mine,1\n", "", "'Mine' seed 1 has no row for 1 of 3 test images, the first of which is '3"),
            ("2.png,dog,cat,Mine,1", "2.png,dog,cat,Mine,1.5", "line 3: seed '1.5', wanted a whole number from 0"),
            ("2.png,dog,cat,Mine,1", "2.png,dog,cat,Mine", "line 3: 4 cells, wanted 5, as the first line has"),
            ("2.png,dog,cat", "2.png,,cat", "line 3: label is empty"),
            ("Other (TF)", "mine", "architectures 'Mine' and 'mine' would both be called mine; rename one"),
            ("Other (TF)", "%%", "architecture '%%': wanted a name with letters a to z or digits"),
            ("Other (TF)", "x" * 5000, f"architecture '{'x' * 80}…': 5,000 characters, 100 at most"),
            ("seed", "sead", "no column seed (found: image, label, prediction, architecture, sead); wanted image, la"),
            ("prediction", "guess", "no column prediction (found: "),
            ("label,prediction", "label,label", "line 1: two columns are called 'label'; leave one out"),
            (SMALL.partition("\n")[2], "", "no row below the header; wanted a row for each image"),
            ("2.png", "\udcff.png", "not UTF-8; save it as CSV UTF-8"),
        ],
    )
    def test_a_wrong_row_is_named_with_its_line_and_value(
        self, bring, tmp_path: Path, old: str, new: str, message: str
    ):
        assert message in refused(bring, SMALL.replace(old, new))
        assert not (tmp_path / "runs").exists()

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("0.6", "nan", "line 3: the probability of cat is nan, wanted a number in [0, 1]"),
            ("0.6", "-0.6", "line 3: the probability of cat is -0.6, wanted"),
            ("0.6", "0.5", "line 3: its probabilities sum to 0.9, wanted 1 (within 0.01)"),
            ("0.6", "x\x1b", "line 3: p_cat is 'x\\x1b', wanted a number in [0, 1]"),
            ("0.6", "", "line 3: p_cat is '', wanted a number in [0, 1]"),
            ("prob_dog", "p_cow", "3 classes (without one: 'dog'); wanted one for each"),
            ("prob_dog", "p_cat", "line 1: two columns are called 'p_cat'; leave one out"),
            ("prob_dog", "prob_cat", "columns 'p_cat' and 'prob_cat' are the same; leave one out"),
        ],
    )
    def test_wrong_probabilities_are(self, bring, old: str, new: str, message: str):
        assert message in refused(bring, WITH_SHARES.replace(old, new))

    def test_a_prediction_that_is_not_the_most_probable_class_is(self, bring):
        text = WITH_SHARES.replace("seed\n", "seed,prediction\n").replace(",1\n", ",1,dog\n")
        assert "line 2: prediction 'dog', but the most probable class is 'cat'" in refused(bring, text)

    def test_a_line_is_counted_as_an_editor_does(self, bring):
        """A blank line and a line break within quotes come before it."""
        text = SMALL.replace("1.png,cat,cat,Mine", '\n"1\n.png",cat,cat,Mine', 1).replace(
            "dog,cat,Mine,1", "dog,cat,Mine,x"
        )
        assert "line 5: seed 'x'" in refused(bring, text)

    def test_labels_and_predictions_that_name_classes_in_different_ways_are(self, bring):
        text = "image,label,prediction,architecture,seed\na,cat,0,mine,1\nb,dog,1,mine,1\n"
        assert "no prediction is one of the labels ('0' is none, 'cat' is one); write" in refused(bring, text)

    def test_a_cell_of_many_megabytes_is(self, bring):
        for size in (10**6, 20 * 10**6):
            assert len(found := refused(bring, SMALL.replace("Other", "x" * size))) < 300
            assert "characters, 100 at most" in found or "field larger than field limit" in found

    def test_other_files_are(self, bring, tmp_path: Path):
        assert "wanted a name that ends in .csv, .tsv or .parquet" in refused(bring, SMALL, name="predictions.pkl")
        assert "not Parquet that can be read" in refused(bring, SMALL, name="predictions.parquet")
        with pytest.raises(DataError, match="No such file"):
            import_answers(tmp_path / "none.csv", tmp_path, None)

    def test_a_network_that_was_trained_elsewhere_cannot_be_trained(self):
        with pytest.raises(ConfigError, match="'Mine' was trained elsewhere and cannot be trained here; lab2 import"):
            check_model(ExternalConfig(name="Mine", answers="0" * 64), GREY)

    def test_names_become_names_of_jobs(self):
        assert [job_name(name) for name in ("ResNet-50 (TF)", "3D net", "ViT")] == ["resnet_50_tf", "net_3d_net", "vit"]
