"""What torchvision has downloaded."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from lab2.data.datasets import load_test, load_training
from lab2.data.places import folders_read, open_source
from lab2.errors import DataError
from lab2.launch.planning import plan_trials
from lab2.spec.job import DataConfig
from tests.conftest import make_trial
from tests.test_data import write_idx
from tests.test_layouts import numbers, picture, two, write


def _eurosat(root: Path) -> None:
    two(root, "eurosat/2750")


def _flowers(root: Path) -> None:
    folder = root / "flowers-102"
    for number in range(1, 25):
        (folder / "jpg").mkdir(parents=True, exist_ok=True)
        picture(number % 2, number).save(folder / f"jpg/image_{number:05d}.jpg", "png")
    savemat(folder / "imagelabels.mat", {"labels": np.arange(1, 25) % 2 + 1})
    ids = {"trnid": np.arange(1, 13), "valid": np.arange(13, 19), "tstid": np.arange(19, 25)}
    savemat(folder / "setid.mat", ids)


def _food(root: Path) -> None:
    two(root, "food-101/images", 12)
    for path in list((root / "food-101/images").rglob("*.png")):
        path.rename(path.with_suffix(".jpg"))
    (root / "food-101/meta").mkdir()
    for part, span in (("train", range(8)), ("test", range(8, 12))):
        lists = {name: [f"{name}/{n:03d}" for n in span] for name in "ab"}
        (root / f"food-101/meta/{part}.json").write_text(json.dumps(lists))


def _gtsrb(root: Path) -> None:
    for label in (0, 1):
        write(root / f"gtsrb/GTSRB/Training/0000{label}", label, 30)
        folder = root / f"gtsrb/GTSRB/Training/0000{label}"
        for path in list(folder.iterdir()):
            track = int(path.stem) // 3
            path.rename(folder / f"{track:05d}_{path.stem:0>5}.ppm")
        write(root / "gtsrb/GTSRB/Final_Test/Images", label, 2, 50 + 2 * label, ".ppm")
    rows = [f"{n:03d}.ppm;x;{(n - 50) // 2}" for n in range(50, 54)]
    (root / "gtsrb/GT-final_test.csv").write_text("\n".join(["Filename;Width;ClassId", *rows]))


def _pets(root: Path) -> None:
    folder = root / "oxford-iiit-pet"
    (folder / "images").mkdir(parents=True), (folder / "annotations").mkdir()
    for part, span in (("trainval", range(1, 13)), ("test", range(13, 17))):
        lines = []
        for number in span:
            name = f"{('great_dane', 'pug')[number % 2]}_{number}"
            picture(number % 2, number).save(folder / f"images/{name}.jpg", "png")
            lines.append(f"{name} {number % 2 + 1} 1 1")
        (folder / f"annotations/{part}.txt").write_text("\n".join(lines))


def _caltech(root: Path) -> None:
    two(root, "caltech101/101_ObjectCategories")
    write(root / "caltech101/101_ObjectCategories/BACKGROUND_Google", 5, 3)


def _textures(root: Path) -> None:
    for label, name in enumerate("ab"):
        write(root / "dtd/dtd/images" / name, label, 12)
    (root / "dtd/dtd/labels").mkdir()
    for part, span in (("train", range(8)), ("val", range(8, 10)), ("test", range(10, 12))):
        text = "\n".join(f"{name}/{n:03d}.png" for name in "ab" for n in span)
        (root / f"dtd/dtd/labels/{part}1.txt").write_text(text)


def _aircraft(root: Path) -> None:
    data = root / "fgvc-aircraft-2013b/data"
    write(data / "images", 0, 12), write(data / "images", 1, 12, 50)
    for path in list((data / "images").iterdir()):
        path.rename(path.with_suffix(".jpg"))
    (data / "variants.txt").write_text("A 320\nB 747\n")
    for part, span in (("train", range(8)), ("val", range(8, 10)), ("test", range(10, 12))):
        lines = [f"{n + 50 * label:03d} {('A 320', 'B 747')[label]}" for label in (0, 1) for n in span]
        (data / f"images_variant_{part}.txt").write_text("\n".join(lines))


def _cifar100(root: Path) -> None:
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    pixels = np.zeros((24, 3, 32, 32), np.uint8)
    pixels[:, :, :, 0] = (np.arange(24) % 2)[:, None, None]
    for part in ("train", "test"):
        batch = {b"data": pixels.reshape(24, -1), b"fine_labels": [n % 2 for n in range(24)]}
        (folder / part).write_bytes(pickle.dumps(batch, protocol=2))
    (folder / "meta").write_bytes(pickle.dumps({b"fine_label_names": [b"apple", b"bear"]}, protocol=2))


def _svhn(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((32, 32, 3, 24), np.uint8)
    labels = np.arange(24) % 10 + 1
    pixels[:, 0] = labels % 10
    for part in ("train", "test"):
        savemat(root / f"{part}_32x32.mat", {"X": pixels, "y": labels[:, None].astype(np.uint8)})


def _stl10(root: Path) -> None:
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    labels = np.arange(24, dtype=np.uint8) % 2
    pixels = np.zeros((24, 3, 96, 96), np.uint8)
    pixels[:, :, 0, :] = labels[:, None, None]  # the first column, stored as a row
    for part in ("train", "test"):
        (folder / f"{part}_X.bin").write_bytes(pixels.tobytes())
        (folder / f"{part}_y.bin").write_bytes((labels + 1).tobytes())
    (folder / "class_names.txt").write_text("bird\ncat\n")


def _mnist(root: Path) -> None:
    images = np.zeros((40, 6, 6), np.uint8)
    images[:, :, 0] = (np.arange(40) % 10)[:, None]
    for part in ("train", "t10k"):
        write_idx(root / "MNIST/raw", images, np.arange(40) % 10, part)


SETS: dict[str, tuple[Callable[[Path], None], tuple[int, int, int]]] = {
    "EuroSAT": (_eurosat, (18, 2, 4)),
    "Flowers102": (_flowers, (12, 6, 6)),
    "Food101": (_food, (14, 2, 8)),
    "GTSRB": (_gtsrb, (54, 6, 4)),
    "OxfordIIITPet": (_pets, (10, 2, 4)),
    "Caltech101": (_caltech, (18, 2, 4)),
    "DTD": (_textures, (16, 4, 4)),
    "FGVCAircraft": (_aircraft, (16, 4, 4)),
    "CIFAR100": (_cifar100, (22, 2, 24)),
    "SVHN": (_svhn, (14, 10, 24)),
    "STL10": (_stl10, (22, 2, 24)),
    "MNIST": (_mnist, (30, 10, 40)),
}


class TestTorchvision:
    @pytest.mark.parametrize("name", SETS)
    def test_what_it_has_downloaded_is_read(self, tmp_path: Path, name: str):
        make, counts = SETS[name]
        make(tmp_path / "cache/data")
        here = DataConfig(dataset=f"torchvision:{name}")
        data, test = load_training(here), load_test(here)
        for images in (data.train, data.validation, test):
            assert images.pixels[:, 0, 0, 0].tolist() == images.labels.tolist()
        found = (len(data.train), len(data.validation), len(test))
        assert found == counts

    def test_the_frames_of_a_track_stay_together(self, tmp_path: Path):
        _gtsrb(tmp_path / "cache/data")
        data = load_training(DataConfig(dataset="torchvision:GTSRB"))
        tracks = [{(label, n // 3) for label, n in numbers(images)} for images in (data.train, data.validation)]
        assert not tracks[0] & tracks[1]

    def test_another_root_folder(self, tmp_path: Path, monkeypatch):
        _eurosat(tmp_path / "elsewhere")
        monkeypatch.chdir(tmp_path)
        (trial,) = plan_trials(
            [make_trial().job], [1], DataConfig(dataset="torchvision:EuroSAT@elsewhere"), [], smoke=False
        )
        assert trial.data.dataset == f"torchvision:EuroSAT@{tmp_path / 'elsewhere'}"
        assert folders_read(trial.data.dataset) == [str(tmp_path / "elsewhere")]
        assert open_source(trial.data).classes == ("a", "b")

    def test_what_is_not_there_names_the_command(self):
        with pytest.raises(DataError, match="lab2 prepare torchvision:EuroSAT"):
            open_source(DataConfig(dataset="torchvision:eurosat"))
        with pytest.raises(DataError, match="did you mean torchvision:EuroSAT"):
            open_source(DataConfig(dataset="torchvision:EuroSat2"))

    def test_what_lies_otherwise_is_a_sentence(self, tmp_path: Path):
        _flowers(tmp_path / "cache/data")
        (tmp_path / "cache/data/flowers-102/setid.mat").write_bytes(b"no matrices")
        with pytest.raises(DataError, match="flowers-102"):
            open_source(DataConfig(dataset="torchvision:Flowers102"))

    def test_a_pickle_that_would_run_code_is_refused(self, tmp_path: Path):
        _cifar100(tmp_path / "cache/data")
        (tmp_path / "cache/data/cifar-100-python/train").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
        with pytest.raises(DataError, match=r"wants os\.system"):
            load_training(DataConfig(dataset="torchvision:CIFAR100"))

    def test_prepare_without_a_network_is_a_sentence(self, run_cli, monkeypatch, tmp_path: Path):
        _eurosat(tmp_path / "cache/data")
        code, out, _ = run_cli("prepare", "torchvision:EuroSAT")
        assert (code, "torchvision:EuroSAT: " in out) == (0, True)  # what is there is left alone
        code, out, _ = run_cli("prepare")
        assert "torchvision:GTSRB" in out
