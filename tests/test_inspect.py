"""`lab2 inspect`: what is in a data set and what is wrong with it, before anything is trained on it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lab2.data.findings import Findings, leaks, read_findings, remarks, write_findings
from lab2.data.inspect import inspect
from lab2.data.samples import sample_pages
from lab2.data.source import Images
from lab2.launch.environment import ALLOCATION
from lab2.results.collect import collect
from lab2.results.run_dir import open_run
from lab2.results.shard import write_shard
from lab2.spec.job import DataConfig
from tests.conftest import finished, make_run, make_trial


def noise(path: Path, seed: int, form: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(path, form)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes, 40 to train and 24 to test each; all differ."""
    for label, name in enumerate(("cat", "dog")):
        for number in range(40):
            noise(tmp_path / "data/train" / name / f"{number}.png", 1000 * label + number)
        for number in range(24):
            noise(tmp_path / "data/test" / name / f"{number}.png", 1000 * label + 500 + number)
    return tmp_path / "data"


def found_in(folder: Path, **more: object) -> Findings:
    return inspect(DataConfig(dataset=str(folder), **more))[0]


class TestFindings:
    def test_a_sound_set_has_none(self, pictures: Path):
        found = found_in(pictures)
        assert found.counts == {"train": (40, 40), "test": (24, 24)}
        assert (found.modes, found.formats, found.form) == ({"RGB": 128}, {"PNG": 128}, (3, 16))
        assert [*leaks(found), *remarks(found)] == []

    def test_a_test_picture_that_is_trained_on_is_a_leak_however_it_is_packed(self, pictures: Path):
        shutil.copy(pictures / "test/cat/3.png", pictures / "train/cat/copy.png")
        noise(pictures / "train/dog/other.tif", 1500, "tiff")  # the pixels of test/dog/0.png
        found = found_in(pictures)
        assert found.leaked == {"test in train": 2}
        (text,) = leaks(found)
        assert "2 of 48 test pictures (4.2%) are also training pictures" in text
        assert str(pictures / "train/dog/other.tif") in text

    def test_between_validation_and_the_others_too(self, pictures: Path):
        for name in ("cat", "dog"):
            shutil.copytree(pictures / "train" / name, pictures / "val" / name)
        shutil.copy(pictures / "test/cat/3.png", pictures / "val/cat/copy.png")
        found = found_in(pictures)
        assert found.leaked == {"test in validation": 1, "validation in train": 80}
        of_test, of_validation = leaks(found)
        assert str(pictures / "test/cat/3.png") in of_test
        assert str(pictures / "test/cat/3.png") not in of_validation  # each is shown its own examples

    def test_repeated_pictures_are_counted_within_a_part(self, pictures: Path):
        for number in range(3):
            shutil.copy(pictures / "train/cat/3.png", pictures / f"train/cat/copy{number}.png")
        found = found_in(pictures)
        assert (found.repeated, found.leaked) == ({"train": 3}, {})
        assert any(
            "3 pictures of train are copies of others in it: a copy may be in training and" in text
            for text in remarks(found)
        )

    def test_a_name_that_is_not_utf8(self, pictures: Path, tmp_path: Path):
        """Old archives have some. They are written into the run and shown."""
        (pictures / "train/cat/0.png").rename(os.fsdecode(bytes(pictures / "train/cat") + b"/caf\xe9.png"))
        shutil.copy(os.fsdecode(bytes(pictures / "train/cat") + b"/caf\xe9.png"), pictures / "test/cat/copy.png")
        found = found_in(pictures)
        write_findings(tmp_path / "findings.json", [found])
        assert read_findings(tmp_path / "findings.json") == [found]
        assert "caf\\udce9.png" in next(leaks(found))

    def test_a_folder_whose_name_is_markup(self, pictures: Path, run_cli):
        folder = pictures.rename(pictures.parent / "cats[red][")
        code, out, said = run_cli("inspect", str(folder))
        assert (code, "cats[red][" in out) == (0, True), said

    def test_one_picture_under_two_labels(self, pictures: Path):
        shutil.copy(pictures / "train/cat/3.png", pictures / "train/dog/also.png")
        found = found_in(pictures)
        assert found.two_labels == 2
        assert found.contradictions == (f"{pictures / 'train/cat/3.png'} and {pictures / 'train/dog/also.png'}",)

    def test_classes_too_rare_to_judge(self, pictures: Path):
        for number in range(3):
            noise(pictures / f"train/owl/{number}.png", 7000 + number)
        noise(pictures / "test/owl/0.png", 7100)
        found = found_in(pictures)
        assert found.rare == ("owl (3 to train, 1 to test)",)
        said = "too rare to judge, with fewer than 10 to train or 20 to test: owl (3 to train, 1 to test)"
        assert said in list(remarks(found))

    def test_sizes_are_those_of_the_files(self, pictures: Path):
        Image.new("RGB", (300, 200)).save(pictures / "train/cat/large.png")
        Image.new("L", (9, 7)).save(pictures / "train/cat/small.png")
        found = found_in(pictures, image_side=12)
        assert found.sizes == {"smallest": (9, 7), "median": (16, 16), "largest": (300, 200)}
        assert (found.form, found.modes["L"]) == ((3, 12), 1)

    def test_broken_pictures_are_findings(self, pictures: Path):
        (pictures / "train/cat/broken.png").write_bytes(b"")
        found = found_in(pictures)
        assert len(found.broken) == 1
        assert any("1 broken picture: " in text for text in remarks(found))

    def test_arrays_are_looked_into_as_well(self):
        found = found_in(Path("mnist"))
        assert sum(found.counts["train"]) == 60_000
        assert list(leaks(found)) == []

    def test_it_survives_being_written(self, pictures: Path, tmp_path: Path):
        found = found_in(pictures)
        write_findings(tmp_path / "f.json", [found])
        assert read_findings(tmp_path / "f.json") == [found]
        assert read_findings(tmp_path / "absent.json") == []

    def test_one_that_is_torn_costs_no_report_and_is_said(self, tmp_path: Path):
        trial = make_trial()
        run = make_run(tmp_path, trial)
        write_shard(run.shard(trial.name), finished(trial))
        run.data.mkdir()
        run.findings.write_text("[{}]")
        (warning,) = collect(run).warnings
        assert f"{run.findings}: not whole, so that leaks in the data are not shown" in warning

    def test_the_progress_is_told(self, pictures: Path):
        told: dict[str, tuple[int, int]] = {}
        inspect(DataConfig(dataset=str(pictures)), lambda what, done, total: told.update({what: (done, total)}))
        assert told["decoding"] == (128, 128)
        assert told["comparing the pictures of test"] == (48, 48)


class TestSamples:
    def test_a_row_a_class_with_its_own_pictures(self):
        pixels = np.repeat(np.array([40, 90, 200], np.uint8), 12)[:, None, None, None]
        images = Images(np.broadcast_to(pixels, (36, 3, 16, 16)).copy(), np.repeat(np.arange(3), 12))
        (page,) = sample_pages(images, ("a", "b", "c"))
        values = np.asarray(page)
        for row, value in enumerate((40, 90, 200)):
            assert (values[4 + 76 * row : 76 * row + 76, 210:280] == value).all()

    def test_many_classes_take_several_pages(self):
        images = Images(np.zeros((120, 1, 8, 8), np.uint8), np.arange(120) % 60)
        assert len(sample_pages(images, [f"class {n}" for n in range(60)])) == 2


class TestCommand:
    def test_says_what_there_is_and_leaves_a_page(self, pictures: Path, runs: Path, run_cli):
        code, out, said = run_cli("inspect", str(pictures))
        assert code == 0, said
        assert "train and test as given" in out
        assert "smallest 16 x 16" in out
        page = runs / "inspected/data/samples-1.png"
        assert str(page) in out.replace("\n", "")
        with Image.open(page) as image:
            assert image.height == 4 + 2 * 76

    def test_a_leak_is_an_exit_code(self, pictures: Path, run_cli):
        shutil.copy(pictures / "test/cat/3.png", pictures / "train/cat/copy.png")
        code, _, said = run_cli("inspect", str(pictures), "--set", "data.image_side=8")
        assert (code, "LEAK" in said) == (1, True)

    def test_a_setting_that_is_none_of_the_datas(self, pictures: Path, run_cli):
        code, _, said = run_cli("inspect", str(pictures), "--set", "train.epochs=2")
        assert (code, "wanted a setting of the data" in said) == (2, True)

    def test_a_leak_stands_above_the_table_of_a_run_until_it_is_mended(
        self, pictures: Path, runs: Path, tmp_path: Path, run_cli, monkeypatch
    ):
        for name, value in ALLOCATION.items():
            monkeypatch.setenv(name, value)  # else it would start this very process again
        (tmp_path / "jobs").mkdir()
        (tmp_path / "jobs/tiny.py").write_text(
            '"""Does it run?"""\n'
            "from lab2.models.cnn import CNNConfig\n"
            "from lab2.spec.job import JobSpec, TrainConfig\n"
            'JOB = JobSpec(name="tiny", model=CNNConfig(filters=(4, 4), hidden=8),\n'
            "    train=TrainConfig(epochs=1, batch_size=10))\n"
        )
        words = ("train", "tiny", "--jobs", f"{tmp_path / 'jobs'}/", "--dataset", str(pictures))
        copy = pictures / "train/cat/copy.png"
        shutil.copy(pictures / "test/cat/3.png", copy)
        code, _, said = run_cli(*words)
        assert (code, said.count("LEAK")) == (0, 2)  # before the training, and above the table
        run = open_run(runs, "latest")
        text = (run.report / "table.md").read_text()
        assert text.startswith("**LEAK in ")
        assert (run.data / "samples-1.png").is_file()
        assert "LEAK" in run_cli("report", run.path.name)[2]
        copy.unlink()
        code, _, said = run_cli(*words)
        assert (code, "LEAK" in said) == (0, False)
        assert "LEAK" not in (open_run(runs, "latest").report / "table.md").read_text()
