"""Data sets on which general recipes are chosen, made where they are not in the cache. None is shipped.

digits: scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, a fifth held out. glyphs: 26 letters of Debian's fonts
in two colours, 32 x 32; the test letters are of fonts that no training letter is of. icons: Debian's Oxygen icons of
48 x 48 by their category, with colours and transparency. The last two need `apt-get download`, and no root.
ELPV is made in `elpv.py`; MNIST and Fashion-MNIST are lab2's own names.
"""

from __future__ import annotations

import shutil
import string
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from benchmarks.elpv import image_folder as elpv
from lab2.cache import cache_folder
from lab2.errors import DataError

SPLIT_SEED = 20260301
FONTS = """
fonts-dejavu-core fonts-dejavu-extra fonts-liberation fonts-freefont-ttf fonts-crosextra-carlito fonts-crosextra-caladea
fonts-open-sans fonts-lato fonts-inconsolata fonts-hack fonts-comic-neue fonts-linuxlibertine fonts-cantarell
fonts-ebgaramond fonts-quicksand fonts-roboto-unhinted
""".split()
ICONS = "oxygen-icon-theme"
GLYPH_SIDE, GLYPHS_OF_A_FONT = 32, 4  # pixels; of each letter
HELD_OUT = 0.2

Place = Callable[[str, str, str], Path]  # of a picture: its part, its class, its name


def digits(place: Place) -> None:
    """Write the digits as pictures."""
    found = load_digits()
    pixels, labels = (found.images * 255 / 16).round().astype(np.uint8), found.target
    parts = train_test_split(np.arange(len(labels)), test_size=HELD_OUT, random_state=SPLIT_SEED, stratify=labels)
    for part, index in zip(("train", "test"), parts, strict=True):
        for number in index:
            Image.fromarray(pixels[number]).save(place(part, str(labels[number]), f"{number:04}.png"))


def glyphs(place: Place) -> None:
    """Write letters of fonts: the colour of the letter and of what is behind it, size and place are drawn anew."""
    generator = np.random.default_rng(SPLIT_SEED)
    fonts = [font for font in sorted(_unpacked(FONTS, "*.[to]tf")) if _has_letters(font)]
    tested = set(generator.permutation(len(fonts))[: round(HELD_OUT * len(fonts))].tolist())
    for number, font in enumerate(fonts):
        for letter in string.ascii_uppercase:
            for draw in range(GLYPHS_OF_A_FONT):
                part = "test" if number in tested else "train"
                _glyph(font, letter, generator).save(place(part, letter, f"{number:03}-{draw}.png"))


def icons(place: Place) -> None:
    """Copy the icons of 48 x 48 pixels; one picture under several names is taken once."""
    seen: dict[bytes, Path] = {}
    for path in sorted(_unpacked([ICONS], "oxygen/base/48x48/*/*.png")):
        if not path.is_symlink():
            seen.setdefault(path.read_bytes(), path)
    paths = list(seen.values())
    labels = [path.parent.name for path in paths]
    parts = train_test_split(np.arange(len(paths)), test_size=HELD_OUT, random_state=SPLIT_SEED, stratify=labels)
    for part, index in zip(("train", "test"), parts, strict=True):
        for number in index:
            shutil.copyfile(paths[number], place(part, labels[number], paths[number].name))


SETS: dict[str, Callable[[Place], None]] = {"digits": digits, "glyphs": glyphs, "icons": icons}


def dataset(name: str) -> str:
    """What `--dataset` takes for the set of that name; it is made where it is not there. Raises `DataError`."""
    if name == "elpv":
        return str(elpv())
    if name not in SETS:
        return name
    folder = cache_folder() / "benchmarks" / name
    if not folder.is_dir():
        made = folder.with_name(f"{name}.part")
        shutil.rmtree(made, ignore_errors=True)

        def place(part: str, label: str, file: str) -> Path:
            path = made / part / label / file
            path.parent.mkdir(parents=True, exist_ok=True)
            return path

        SETS[name](place)
        made.rename(folder)
    return str(folder)


def _unpacked(packages: Sequence[str], pattern: str) -> Iterator[Path]:
    """The files of Debian's packages whose path ends as `pattern` says. Raises `DataError` where none can be had."""
    for package in packages:
        folder = cache_folder() / "benchmarks" / "debian" / package
        if not folder.is_dir():
            made = folder.with_name(f"{package}.part")
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir(parents=True)
            try:
                subprocess.run(["apt-get", "-q", "download", package], cwd=made, check=True, capture_output=True)
                (archive,) = made.glob("*.deb")
                subprocess.run(["dpkg-deb", "-x", archive, made], check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError, ValueError) as error:
                raise DataError(f"{package} cannot be had from Debian's packages: {error}") from error
            made.rename(folder)
        yield from folder.rglob(pattern)


def _has_letters(font: Path) -> bool:
    """Whether A and B are drawn, and not as the same empty box."""
    try:
        loaded = ImageFont.truetype(str(font), 20)
        masks = [bytes(loaded.getmask(letter)) for letter in "AB\uffff"]
    except (OSError, ValueError):
        return False
    return len(set(masks)) == len(masks) and any(masks[0])


def _glyph(font: Path, letter: str, generator: np.random.Generator) -> Image.Image:
    """One letter in a colour of its own, on another one that is not too near."""
    while True:
        front, back = generator.integers(256, size=(2, 3))
        if np.abs(front - back).sum() > 150:
            break
    picture = Image.new("RGB", (GLYPH_SIDE, GLYPH_SIDE), tuple(back.tolist()))
    loaded = ImageFont.truetype(str(font), int(generator.integers(16, 27)))
    left, top, right, bottom = loaded.getbbox(letter)
    x = (GLYPH_SIDE - (right - left)) / 2 - left + generator.integers(-4, 5)
    y = (GLYPH_SIDE - (bottom - top)) / 2 - top + generator.integers(-4, 5)
    ImageDraw.Draw(picture).text((x, y), letter, tuple(front.tolist()), font=loaded)
    return picture
