"""Data sets: whole or refused, split the same for everybody, shapes that flow into the models."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lab2.data.cifar import CifarSource
from lab2.data.datasets import load_test, load_training, mean_and_deviation
from lab2.data.idx import IdxSource, parse_idx
from lab2.data.pixels import BrokenPictureError, Form, decode, look
from lab2.data.places import open_source
from lab2.errors import DataError
from lab2.spec.job import DataConfig

DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")


def write_idx(folder: Path, images: np.ndarray, labels: np.ndarray, prefix: str, *, packed: bool = True) -> None:
    """The two files of one part, written by the specification and not by our reader."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = struct.pack(">HBB3I", 0, 8, 3, *images.shape) + images.tobytes()
    marks = struct.pack(">HBBI", 0, 8, 1, len(labels)) + labels.astype(np.uint8).tobytes()
    for name, content in ((f"{prefix}-images-idx3-ubyte", pixels), (f"{prefix}-labels-idx1-ubyte", marks)):
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)


def test_the_deviation_is_numpys_without_its_memory():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 9, 9), dtype=np.uint8)
    assert mean_and_deviation(pixels) == pytest.approx((pixels.mean(), pixels.std()), rel=1e-12)
    assert mean_and_deviation(np.full((2, 3, 3), 7, np.uint8)) == (7.0, 0.0)


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """EMNIST letters in torchvision's layout: labels from 1, images column by column."""
    folder = tmp_path / "cache" / "data" / "EMNIST" / "raw"
    images = np.zeros((52, 6, 6), np.uint8)
    images[:, 1, 4] = 255  # stored column by column: the pixel in row 4, column 1
    for part in ("train", "test"):
        write_idx(folder, images, np.tile(np.arange(1, 27), 2), f"emnist-letters-{part}", packed=False)
    return folder


class TestMnist:
    def test_is_whole_and_splits_into_55000_and_5000_and_10000(self, mnist):
        assert (len(mnist.train), len(mnist.validation)) == (55_000, 5_000)
        assert mnist.train.pixels.shape == (55_000, 1, 28, 28)
        assert mnist.train.pixels.dtype == np.uint8
        assert len(load_test(DataConfig())) == 10_000

    def test_the_split_is_stratified_and_apart(self, mnist):
        whole = np.bincount(open_source(DataConfig()).read("train").labels)
        assert np.abs(np.bincount(mnist.validation.labels) - whole / 12).max() <= 1
        both = {row.tobytes() for row in mnist.train.pixels} & {row.tobytes() for row in mnist.validation.pixels}
        assert not both

    def test_its_shape_is_what_the_literature_says(self, mnist):
        # mean 0.1307 and deviation 0.3081: the constants of every MNIST tutorial
        assert mnist.shape.mean[0] == pytest.approx(0.1307, abs=5e-4)
        assert mnist.shape.std[0] == pytest.approx(0.3081, abs=5e-4)
        assert mnist.shape.plain_background
        assert (mnist.shape.channels, mnist.shape.side, len(mnist.shape.classes)) == (1, 28, 10)

    def test_a_limit_may_leave_fewer_than_the_classes(self):
        assert len(load_test(DataConfig(test_images=9995))) == 9995

    def test_a_limit_that_cannot_be_names_its_setting(self):
        with pytest.raises(DataError, match=r"cannot take data\.validation_images=59999 of 60000 images"):
            load_training(DataConfig(validation_images=59_999))

    def test_limits_are_stratified_draws(self):
        data = load_training(DataConfig(train_images=100, validation_images=50))
        assert (len(data.train), len(data.validation)) == (100, 50)
        assert np.bincount(data.train.labels).min() >= 8


class TestIdx:
    def test_reads_what_the_specification_says(self, tmp_path: Path):
        images = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
        write_idx(tmp_path, images, np.array([1, 0]), "train")
        found = IdxSource(tmp_path, ("a", "b")).read("train")
        assert np.array_equal(found.pixels[:, 0], images)
        assert found.labels.tolist() == [1, 0]

    def test_letters_count_from_one_and_lie_on_their_side(self, letters):
        found = open_source(DataConfig(dataset="emnist-letters")).read("test")
        assert found.labels.tolist() == [*range(26)] * 2
        assert found.pixels[0, 0, 4, 1] == 255

    @pytest.mark.parametrize(
        ("harm", "message"),
        [
            (lambda raw: raw[:-10], "not whole"),
            (lambda _raw: gzip.compress(b"\0\0\x0d\x03" + bytes(20)), "begins with 00000d03, wanted 00000803"),
            (lambda raw: gzip.compress(gzip.decompress(raw)[:-1]), "but its header"),
            (lambda _raw: b"no gzip", "not whole"),
        ],
    )
    def test_a_damaged_file_is_named(self, tmp_path: Path, harm, message):
        write_idx(tmp_path, np.zeros((2, 3, 3), np.uint8), np.zeros(2), "train")
        path = tmp_path / "train-images-idx3-ubyte.gz"
        path.write_bytes(harm(path.read_bytes()))
        with pytest.raises(DataError, match=message) as caught:
            IdxSource(tmp_path, ("a",)).read("train")
        assert str(path) in str(caught.value)

    def test_an_altered_file_is_refused_by_its_sha256(self, tmp_path: Path):
        write_idx(tmp_path, np.zeros((2, 3, 3), np.uint8), np.zeros(2), "train")
        source = IdxSource(tmp_path, ("a",), digests={"train-images": "0" * 64, "train-labels": "0" * 64})
        with pytest.raises(DataError, match="altered"):
            source.read("train")

    def test_labels_beyond_the_classes_are_refused(self, tmp_path: Path):
        write_idx(tmp_path, np.zeros((2, 3, 3), np.uint8), np.array([0, 7]), "train")
        with pytest.raises(DataError, match="labels from 0 to 7, wanted 0 to 1"):
            IdxSource(tmp_path, ("a", "b")).read("train")

    def test_a_header_that_promises_terabytes_is_only_arithmetic(self):
        content = struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1)
        with pytest.raises(DataError, match="wants"):
            parse_idx(content, 3, Path("x"))


class TestCifar:
    RECORD = bytes([3, *[10] * 1024, *[20] * 1024, *[30] * 1024])  # a label, then red, green, blue

    def test_reads_the_binary_version(self, tmp_path: Path):
        for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
            (tmp_path / f"{name}.bin").write_bytes(self.RECORD * 2)
        found = CifarSource(tmp_path).read("train")
        assert found.pixels.shape == (10, 3, 32, 32)
        assert found.pixels[0, :, 0, 0].tolist() == [10, 20, 30]
        assert set(found.labels) == {3}

    def test_reads_torchvisions_pickles(self, tmp_path: Path):
        batch = {b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 2]}
        (tmp_path / "test_batch").write_bytes(pickle.dumps(batch, protocol=2))
        assert CifarSource(tmp_path).read("test").labels.tolist() == [1, 2]

    def test_a_pickle_that_would_run_code_is_refused(self, tmp_path: Path):
        (tmp_path / "test_batch").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
        with pytest.raises(DataError, match=r"wants os\.system"):
            CifarSource(tmp_path).read("test")


class TestFolder:
    def test_grey_squares_keep_their_side(self, image_folder):
        data = load_training(DataConfig(dataset=str(image_folder), validation_images=10))
        assert (data.shape.channels, data.shape.side, data.shape.classes) == (1, 12, ("left", "right"))
        assert not data.shape.plain_background

    def test_colour_and_sizes_are_brought_to_one_form(self, image_folder):
        Image.new("RGB", (300, 40), (255, 0, 0)).save(image_folder / "train" / "left" / "wide.jpg")
        data = load_training(DataConfig(dataset=str(image_folder), validation_images=10, image_side=24))
        assert data.train.pixels.shape[1:] == (3, 24, 24)

    @pytest.mark.parametrize(
        ("harm", "message"),
        [
            (lambda root: (root / "train" / "left" / "0.png").write_bytes(b"no image"), r"0\.png \(not a picture"),
            (lambda root: truncate(root / "test" / "left" / "0.png"), r"0\.png \(not (whole|a picture)"),
            (lambda root: empty(root / "train" / "right"), "no training picture of right"),
            (lambda root: remove(root / "train" / "right"), "train/ has no class 'right'"),
            (
                lambda root: [remove(root / part / "right") for part in ("train", "test")],
                r"1 class \(left\); wanted two",
            ),
            (lambda root: remove(root / "train"), "holds test and no train/"),
            (lambda root: (root / "test" / "up").mkdir(), "train/ has no class 'up'"),
        ],
    )
    def test_what_is_wrong_is_named(self, image_folder, harm, message):
        harm(image_folder)
        config = DataConfig(dataset=str(image_folder), validation_images=10)
        with pytest.raises(DataError, match=message):
            load_training(config)
            load_test(config)

    def test_sixteen_bits_are_scaled_and_not_cut_off(self, image_folder):
        ramp = np.linspace(0, 65535, 144).astype(np.uint16).reshape(12, 12)
        Image.fromarray(ramp).save(image_folder / "train" / "left" / "0.png")
        pixels = open_source(DataConfig(dataset=str(image_folder))).read("train").pixels[0, 0]
        assert (pixels == ramp // 257).all()

    @given(data=st.data(), form=st.sampled_from(["ppm", "tiff", "bmp", "gif", "png", "jpeg", "webp"]))
    @settings(max_examples=150, deadline=None)
    def test_no_damage_gives_anything_but_a_sentence(self, form: str, data):
        stream = io.BytesIO()
        Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(stream, form)
        content = bytearray(stream.getvalue())
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        with suppress(BrokenPictureError):
            look(io.BytesIO(content))
        with suppress(BrokenPictureError):
            assert decode(io.BytesIO(content), Form(8, "RGB")).shape == (3, 8, 8)

    def test_the_checksum_is_of_the_content(self, image_folder):
        before = open_source(DataConfig(dataset=str(image_folder))).sha256()
        (image_folder / "test" / "left" / "0.png").unlink()
        assert open_source(DataConfig(dataset=str(image_folder))).sha256() != before


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def test_an_unknown_data_set_asks_did_you_mean():
    with pytest.raises(DataError, match="did you mean 'mnist'"):
        open_source(DataConfig(dataset="mnits"))


def test_a_data_set_that_is_not_here_names_the_command():
    with pytest.raises(DataError, match="lab2 prepare kmnist"):
        open_source(DataConfig(dataset="kmnist"))


@pytest.mark.skipif(not DEBIAN_FASHION.is_dir(), reason="LOUD: Debian's dataset-fashion-mnist is not installed")
def test_fashion_mnist_is_found_where_debian_puts_it():
    data = load_training(DataConfig(dataset="fashion-mnist"))
    assert (len(data.train), len(data.validation), data.shape.side) == (55_000, 5_000, 28)
