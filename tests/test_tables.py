"""CSV and TSV tables of pictures."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab2.data.datasets import load_test, load_training
from lab2.data.places import folders_read, open_source
from lab2.data.table import class_names
from lab2.errors import DataError
from lab2.launch.planning import plan_trials
from lab2.spec.job import DataConfig
from tests.conftest import make_trial
from tests.test_layouts import config, numbers, write


def write_table(path: Path, rows: list[dict[str, Any]], delimiter: str = ",") -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


class TestTables:
    @pytest.fixture
    def rows(self, tmp_path: Path) -> list[dict[str, Any]]:
        write(tmp_path / "pictures", 0, 20), write(tmp_path / "others", 1, 20)
        names = (("pictures", "no"), ("others", "yes"))
        return [{"path": f"{folder}/{n:03d}.png", "label": label} for folder, label in names for n in range(20)]

    @pytest.mark.parametrize(("name", "delimiter"), [("t.csv", ","), ("t.csv", ";"), ("t.tsv", "\t")])
    def test_path_and_label_are_enough(self, tmp_path: Path, rows, name: str, delimiter: str):
        source = open_source(config(write_table(tmp_path / name, rows, delimiter)))
        assert source.classes == ("no", "yes")
        assert len(numbers(source.read("train"))) == 32
        assert np.bincount(source.read("test").labels).tolist() == [4, 4]

    def test_its_split_is_kept(self, tmp_path: Path, rows):
        for place, row in enumerate(rows):
            row["split"] = ("train", "train", "val", "test")[place % 4]
        data = load_training(config(write_table(tmp_path / "t.csv", rows)))
        assert (len(data.train), len(data.validation), data.facts.validation) == (20, 10, True)

    def test_its_groups_are_on_one_side_of_every_split(self, tmp_path: Path, rows):
        for place, row in enumerate(rows):
            row["group"] = f"patient {place % 10}"
        table = config(write_table(tmp_path / "t.csv", rows))
        source, data, test = open_source(table), load_training(table), load_test(table)
        patients = [{n % 10 for _, n in numbers(part)} for part in (data.train, data.validation, test)]
        assert sum(map(len, patients)) == len(set.union(*patients)) == 10
        assert "in whole groups" in source.facts.split

    def test_a_group_in_two_given_parts_is_refused(self, tmp_path: Path, rows):
        for place, row in enumerate(rows):
            row |= {"split": "test" if place % 4 == 0 else "train", "group": f"patient {place // 8}"}
        with pytest.raises(DataError, match="5 groups are in more than one part"):
            open_source(config(write_table(tmp_path / "t.csv", rows)))

    def test_numbers_as_labels_are_in_their_order(self, tmp_path: Path):
        write(tmp_path, 0, 22)
        rows = [{"path": f"{n:03d}.png", "label": n % 11} for n in range(22)]
        assert open_source(config(write_table(tmp_path / "t.csv", rows))).classes == tuple(map(str, range(11)))

    def test_files_that_are_not_there_are_all_named(self, tmp_path: Path, rows):
        rows += [{"path": f"gone/{n}.png", "label": "no"} for n in range(2)]
        with pytest.raises(DataError, match=r"gone/0\.png \(No such file.*gone/1\.png"):
            open_source(config(write_table(tmp_path / "t.csv", rows))).read("train")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("file,kind\n", r"no column label \(found: file, kind\)"),
            ("a,b\n", "no column path and no column label"),
            ("path,label,split\nx.png,a,later\n", "line 2: split 'later', wanted train, validation or test"),
            ("path,label\nx.png\n", "line 2: 1 cells, wanted 2"),
            ("path,label\nx.png,a\n", "1 class"),
        ],
    )
    def test_what_is_wrong_is_said_with_its_line(self, tmp_path: Path, text: str, message: str):
        (tmp_path / "t.csv").write_text(text)
        with pytest.raises(DataError, match=message):
            open_source(config(tmp_path / "t.csv"))

    def test_a_name_that_no_file_can_have(self, tmp_path: Path, rows):
        path = write_table(tmp_path / "table.csv", [*rows, {"path": "a\0b.png", "label": "a"}])
        with pytest.raises(DataError, match="is no name that a file or a class can have"):
            open_source(config(path))

    def test_labels_that_only_begin_as_numbers_are_words(self, tmp_path: Path):
        assert class_names({"--5", "4"}) == ("--5", "4")

    def test_other_labels_are_another_data_set(self, tmp_path: Path, rows):
        before = open_source(config(write_table(tmp_path / "t.csv", rows))).sha256()
        rows[0]["label"] = "yes"
        assert open_source(config(write_table(tmp_path / "t.csv", rows))).sha256() != before

    def test_a_plan_finds_it_from_anywhere_with_all_that_it_lists(self, tmp_path: Path, rows, monkeypatch):
        (tmp_path / "lists").mkdir()
        rows = [{**row, "path": f"../{row['path']}"} for row in rows]
        write_table(tmp_path / "lists/t.csv", rows)
        monkeypatch.chdir(tmp_path)
        (trial,) = plan_trials([make_trial().job], [1], DataConfig(dataset="lists/t.csv"), [], smoke=False)
        assert trial.data.dataset == str(tmp_path / "lists/t.csv")
        mounted = [str(tmp_path / name) for name in ("lists", "others", "pictures")]
        assert folders_read(trial.data.dataset) == mounted
