"""Pictures are decoded once, by all cores, and read by all; what lies in the file is checked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lab2.data import decoded
from lab2.data.datasets import load_training
from lab2.data.decoded import clean, decoded_folder
from lab2.data.places import open_source
from lab2.errors import DataError
from lab2.file_lock import held
from lab2.spec.job import DataConfig
from tests.conftest import PATIENCE_S

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

READ = """
import logging, sys
from lab2.data.datasets import load_training
from lab2.models.alexnet import AlexNetConfig
from lab2.models.building import build
from lab2.models.building.weights import save_weights
from lab2.spec.job import DataConfig
if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    data = load_training(DataConfig(dataset=sys.argv[1], validation_images=10))
    print(int(data.train.pixels[:].sum()), data.shape.mean)
"""


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Two classes, 300 to train and 20 to test each: enough for processes to be started."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 300), ("test", 20)):
        for name in "ab":
            (tmp_path / "many" / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (20, 30, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "many" / part / name / f"{number}.jpg")
    return tmp_path / "many"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "read.py").write_text(READ)
    return tmp_path / "read.py"


def resident() -> int:
    """Bytes of this process's memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def sets() -> list[Path]:
    return [path for path in decoded_folder().iterdir() if path.is_dir() and len(path.name) == 64]


def config(folder: Path, **more: object) -> DataConfig:
    return DataConfig(dataset=str(folder), validation_images=16, **more)


class TestOnce:
    def test_the_second_who_asks_reads_the_file(self, image_folder: Path):
        first = load_training(config(image_folder))
        (folder,) = sets()
        before = (folder / "pixels").stat().st_mtime_ns
        second = load_training(config(image_folder))
        assert [(folder / "pixels").stat().st_mtime_ns] == [(one / "pixels").stat().st_mtime_ns for one in sets()]
        assert (folder / "pixels").stat().st_mtime_ns == before
        assert (first.train.pixels == second.train.pixels).all()

    def test_another_side_background_or_content_is_another_file(self, image_folder: Path):
        for count, more in enumerate(({}, {"image_side": 8}, {"background": "#000000"}), 1):
            load_training(config(image_folder, **more))
            assert len(sets()) == count
        Image.new("L", (12, 12), 7).save(image_folder / "train/left/0.png")
        load_training(config(image_folder))
        assert len(sets()) == 4

    def test_a_copy_elsewhere_is_the_same(self, image_folder: Path):
        load_training(config(image_folder))
        load_training(config(image_folder.rename(image_folder.with_name("elsewhere"))))
        assert len(sets()) == 1

    def test_contents_are_not_read_again_while_the_files_look_the_same(self, image_folder: Path, monkeypatch):
        monkeypatch.setattr(decoded, "_RACE_SECONDS", 0.0)
        before = open_source(config(image_folder)).sha256()
        (note,) = (decoded_folder() / "stamps").iterdir()
        note.write_text("0" * 64)
        assert open_source(config(image_folder)).sha256() == "0" * 64  # it was taken from the note
        picture = image_folder / "train/left/0.png"
        content = picture.read_bytes()
        picture.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # of the same size
        assert open_source(config(image_folder)).sha256() not in ("0" * 64, before)

    def test_what_has_just_changed_is_read_again(self, image_folder: Path):
        open_source(config(image_folder)).sha256()
        assert not (decoded_folder() / "stamps").exists()

    def test_clean_removes_it(self, image_folder: Path, run_cli):
        load_training(config(image_folder))
        code, out, _ = run_cli("prepare", "--clean")
        assert (code, "removed" in out) == (0, True)
        assert {path.suffix for path in decoded_folder().iterdir()} <= {".lock"}  # a process may wait at one
        assert len(load_training(config(image_folder)).train) == 64
        assert clean() > 0


class TestCores:
    def test_processes_find_the_same_pixels_as_one(self, many: Path, monkeypatch):
        several = load_training(config(many))
        clean()
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
        one = load_training(config(many))
        assert (several.train.pixels == one.train.pixels).all()
        assert several.shape == one.shape

    @pytest.mark.slow
    def test_those_who_ask_at_once_wait_for_one_and_say_so(self, many: Path, script: Path):
        folder = self._key_of(many)
        with held(folder.with_name(f"{folder.name}.lock")):
            waiting = [self._start(script, many) for _ in range(3)]
            said = [self._first_line(process) for process in waiting]
            assert not sets()
        assert all(f"waiting for process {os.getpid()} on" in text for text in said), said
        assert len({process.communicate(timeout=PATIENCE_S)[0] for process in waiting}) == 1
        assert len(sets()) == 1
        assert not list(decoded_folder().glob(".*"))

    @pytest.mark.slow
    @linux
    def test_what_a_killed_process_left_is_no_hindrance(self, many: Path, script: Path):
        process = self._start(script, many)
        lock = self._key_of(many)
        for _ in range(600):
            if list(decoded_folder().glob(f".{lock.name}.*/pixels")):
                break
            time.sleep(0.02)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert len(load_training(config(many)).train) == 584
        assert not list(decoded_folder().glob(".*"))
        for _ in range(200):
            if not (alive := [pid for pid in children if running(pid)]):
                break
            time.sleep(0.05)
        assert not alive

    def _start(self, script: Path, folder: Path) -> subprocess.Popen[str]:
        root = str(Path(__file__).parents[1])
        return subprocess.Popen(
            [sys.executable, str(script), str(folder)],
            env={**os.environ, "PYTHONPATH": root},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _first_line(self, process: subprocess.Popen[str]) -> str:
        assert process.stderr is not None
        return process.stderr.readline()

    def _key_of(self, folder: Path) -> Path:
        """The folder that the set will have: found by making it."""
        load_training(config(folder))
        (found,) = sets()
        clean()
        return found


class TestDamage:
    def test_pixels_that_changed_are_refused(self, image_folder: Path):
        load_training(config(image_folder))
        (folder,) = sets()
        content = bytearray((folder / "pixels").read_bytes())
        content[150] ^= 1
        (folder / "pixels").write_bytes(content)
        with pytest.raises(DataError, match=r"picture 1 is not as it was written.*lab2 prepare --clean"):
            load_training(config(image_folder))

    @pytest.mark.parametrize("name", ["pixels", "about.json", "measured.npz"])
    def test_what_is_not_whole_is_made_anew(self, image_folder: Path, name: str):
        whole = load_training(config(image_folder))
        (folder,) = sets()
        (folder / name).write_bytes((folder / name).read_bytes()[:-20])
        assert (load_training(config(image_folder)).train.pixels == whole.train.pixels).all()

    @pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="no folder here that nobody can write to")
    def test_a_cache_that_cannot_be_written_is_done_without(self, image_folder: Path, monkeypatch, caplog):
        whole = load_training(config(image_folder))
        monkeypatch.setenv("LAB2_CACHE", "/sys/kernel")
        assert (load_training(config(image_folder)).train.pixels == whole.train.pixels).all()
        assert "decoded for this process alone" in caplog.text
