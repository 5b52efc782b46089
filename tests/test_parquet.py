"""Parquet files as the Hugging Face hub has them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lab2.data.datasets import load_test, load_training
from lab2.data.places import open_source
from lab2.errors import DataError
from tests.test_layouts import config, numbers, picture, write


def png(label: int, number: int) -> bytes:
    file = io.BytesIO()
    picture(label, number).save(file, "png")
    return file.getvalue()


def write_parquet(
    path: Path, rows: list[tuple[int, int]], *, names: tuple[str, ...] = (), **columns: list[Any]
) -> None:
    """As the hub has it: a struct of bytes and path, and the features in the schema's metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [{"bytes": png(*row), "path": f"{row[1]}.png"} for row in rows]
    table = pa.table({"image": pictures, "label": [label for label, _ in rows], **columns})
    features: dict[str, Any] = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    about = json.dumps({"info": {"features": features}})
    pq.write_table(table.replace_schema_metadata({"huggingface": about} if names else None), path, row_group_size=7)


ROWS = [(label, number) for number in range(20) for label in (0, 1)]


class TestParquet:
    def test_as_the_hub_has_it(self, tmp_path: Path):
        for shard in range(2):
            name = f"data/train-{shard:05d}-of-00002.parquet"
            write_parquet(tmp_path / name, ROWS[20 * shard : 20 * shard + 20], names=("cat", "dog"))
        write_parquet(tmp_path / "data/test-00000-of-00001.parquet", [(0, 90), (1, 91)], names=("cat", "dog"))
        source = open_source(config(tmp_path))
        assert source.classes == ("cat", "dog")
        assert numbers(source.read("train")) == sorted(ROWS)
        assert numbers(source.read("test")) == [(0, 90), (1, 91)]
        assert source.facts.split == "train and test as given"

    def test_folders_may_name_the_parts_and_one_may_be_for_validation(self, tmp_path: Path):
        for part in ("train", "validation", "test"):
            write_parquet(tmp_path / "default" / part / "0000.parquet", ROWS, names=("cat", "dog"))
        data = load_training(config(tmp_path))
        assert (len(data.train), len(data.validation)) == (40, 40)

    def test_one_file_without_parts_is_split(self, tmp_path: Path):
        write_parquet(tmp_path / "all.parquet", ROWS)
        source = open_source(config(tmp_path / "all.parquet"))
        assert source.classes == ("0", "1")
        assert sorted(numbers(source.read("train")) + numbers(source.read("test"))) == sorted(ROWS)

    def test_columns_for_split_and_group(self, tmp_path: Path):
        parts = ["test" if number >= 15 else "train" for _, number in ROWS]
        write_parquet(tmp_path / "all.parquet", ROWS, split=parts, group=[number // 5 for _, number in ROWS])
        data = load_training(config(tmp_path / "all.parquet", validation_images=10))
        assert {n // 5 for _, n in numbers(data.validation)}.isdisjoint(n // 5 for _, n in numbers(data.train))
        assert {n for _, n in numbers(load_test(config(tmp_path / "all.parquet")))} == set(range(15, 20))

    def test_paths_beside_the_table(self, tmp_path: Path):
        write(tmp_path / "p0", 0, 20), write(tmp_path / "p1", 1, 20)
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        places = [{"bytes": None, "path": f"p{label}/{number:03d}.png"} for label, number in ROWS]
        labels = ["no" if label == 0 else "yes" for label, _ in ROWS]
        pq.write_table(pa.table({"image": pa.array(places, kind), "label": labels}), tmp_path / "x.parquet")
        source = open_source(config(tmp_path / "x.parquet"))
        assert source.classes == ("no", "yes")
        assert len(numbers(source.read("train"))) == 32

    def test_pictures_without_a_label_are_counted(self, tmp_path: Path):
        write_parquet(tmp_path / "train.parquet", ROWS, names=("cat", "dog"))
        pictures = [{"bytes": png(0, 1), "path": "1.png"}] * 3
        pq.write_table(pa.table({"image": pictures, "label": [-1, 0, 1]}), tmp_path / "test.parquet")
        with pytest.raises(DataError, match="different classes"):
            open_source(config(tmp_path))
        write_parquet(tmp_path / "test.parquet", [(0, 5), (1, 6)], names=("cat", "dog"))
        table = pq.read_table(tmp_path / "test.parquet")
        table = table.set_column(1, "label", pa.array([-1, 1])).replace_schema_metadata(table.schema.metadata)
        pq.write_table(table, tmp_path / "test.parquet")
        assert dict(open_source(config(tmp_path)).facts.left_out) == {"pictures without a label": 1}

    def test_a_column_of_paths(self, tmp_path: Path):
        for label, number in ROWS:
            write(tmp_path / str(label), label, 1, number)
        paths = [f"{label}/{number:03d}.png" for label, number in ROWS]
        pq.write_table(
            pa.table({"image": [*paths, None], "label": [*(row[0] for row in ROWS), 1]}), tmp_path / "x.parquet"
        )
        source = open_source(config(tmp_path / "x.parquet"))
        assert sum(len(source.read(part)) for part in ("train", "test")) == len(ROWS)
        assert dict(source.facts.left_out) == {"rows without a picture": 1}

    def test_a_label_that_is_no_class_is_refused(self, tmp_path: Path):
        write_parquet(tmp_path / "train.parquet", ROWS, names=("cat", "dog"))
        table = pq.read_table(tmp_path / "train.parquet")
        labels = pa.array(["lynx", *("cat" for _ in ROWS[1:])])
        table = table.set_column(1, "label", labels).replace_schema_metadata(table.schema.metadata)
        pq.write_table(table, tmp_path / "train.parquet")
        with pytest.raises(DataError, match="row 0 has label 'lynx', wanted 0 to 1 or a class's name"):
            open_source(config(tmp_path))

    def test_a_file_that_is_not_whole_is_named(self, tmp_path: Path):
        write_parquet(tmp_path / "all.parquet", ROWS)
        (tmp_path / "all.parquet").write_bytes((tmp_path / "all.parquet").read_bytes()[:-30])
        with pytest.raises(DataError, match=r"all\.parquet: not Parquet"):
            open_source(config(tmp_path / "all.parquet"))

    def test_broken_rows_are_named(self, tmp_path: Path):
        write_parquet(tmp_path / "all.parquet", ROWS)
        table = pq.read_table(tmp_path / "all.parquet")
        cells = table["image"].to_pylist()
        cells[9]["bytes"] = b"no picture"
        pq.write_table(table.set_column(0, "image", pa.array(cells)), tmp_path / "all.parquet", row_group_size=4)
        with pytest.raises(DataError, match=r"all\.parquet row 9 \(not a picture"):
            open_source(config(tmp_path / "all.parquet")).read("train")

    def test_columns_that_are_not_there(self, tmp_path: Path):
        pq.write_table(pa.table({"text": ["a"], "label": [1]}), tmp_path / "x.parquet")
        with pytest.raises(DataError, match=r"no column of pictures \(found: text, label\); wanted image"):
            open_source(config(tmp_path / "x.parquet"))
