"""The one way from a picture's bytes to pixels: contents decide, never the file's name.

- Upright: the orientation that a camera noted (EXIF) is applied.
- The first frame, where there are several.
- Transparency is laid over a background colour. Where no picture of the training part has more than one visible
  colour, the same in all of them, only the alpha channel has a shape: then that is the picture. A shape whose only
  colour is that of the background is drawn in its opposite, or it would be gone.
- More than 8 bits: the range that the training pictures use becomes 0 to 255, in whole numbers as in floating point.
- CMYK, palettes, bilevel and L*a*b* become grey or RGB.

Source: EXIF 2.32, 4.6.4 A (Orientation); Pillow's "Modes" for what each format is read as.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from lab2.data.formats import BROKEN, FORMATS, is_passing

_GREY_MODES = {"1", "L", "LA", "La"}
_DEEP_MODES = {"I", "I;16", "I;16L", "I;16B", "I;16N", "F"}
# Colours of 16 bits, of which Pillow gives the upper byte: the raw mode that gives the lower.
_LOWER = {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B", "RGBA;16B": "RGBA;16L", "RGBA;16L": "RGBA;16B"}
_TRANSPOSED = range(5, 9)  # orientations that swap width and height
_ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}
_PADDING = 114  # of 255, the grey around a letter-boxed picture. Source: Ultralytics' YOLOv5, `letterbox`
_FAINT = 8  # of 255: colours that differ by no more look the same
Mode = Literal["L", "RGB"]
Read = TypeVar("Read")
Colour = tuple[int, int, int]


class BrokenPictureError(Exception):
    """Bytes that are no picture, or not all of one; it says why."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture is, before it is brought to a form."""

    size: tuple[int, int]  # width and height in pixels, upright
    mode: str  # Pillow's, of what lies in the file
    format: str
    frames: int = 1
    grey: bool = False
    range: tuple[float, float] | None = None  # of pixels of more than 8 bits
    alpha: bool = False  # something in it is transparent
    colour: Colour | None = None  # of all that is visible, where that is but one


@dataclass(frozen=True, slots=True)
class Form:
    """What all pictures of a data set are brought to."""

    side: int  # pixels
    mode: Mode
    background: Colour = (255, 255, 255)
    range: tuple[float, float] = (0, 65535)  # becomes 0 to 255; of pixels of more than 8 bits
    alpha_is_picture: bool = False
    whole: bool = False  # letter-boxed: nothing is cut off, so that boxes stay


def look(file: BinaryIO) -> Look:
    """What lies in `file`. Pixels are decoded only where the form depends on them. Raises `BrokenPictureError`."""
    return _guarded(lambda: _look(file))


def decode(file: BinaryIO, form: Form) -> NDArray[np.uint8]:
    """The picture in `file` as (C, side, side): its shorter side resized, its middle cut out, or the whole of it.

    Raises `BrokenPictureError`.
    """
    return _guarded(lambda: _decode(file, form))


def letterbox(size: tuple[int, int], side: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Width and height of a picture of `size` whose longer side becomes `side`, and where its left upper corner lies.

    It lies in the middle of a square of `side` pixels.
    """
    width, height = (max(1, round(edge * side / max(size))) for edge in size)
    return (width, height), ((side - width) // 2, (side - height) // 2)


def is_picture(file: BinaryIO) -> bool:
    """Whether `file` begins as a picture does."""
    try:
        _guarded(lambda: Image.open(file, formats=FORMATS))
    except BrokenPictureError:
        return False
    return True


def colour_of(text: str) -> Colour:
    """Red, green and blue of #rrggbb."""
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def _guarded(read: Callable[[], Read]) -> Read:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd EXIF and large pictures: what matters becomes an error
            return read()
    except UnidentifiedImageError:
        raise BrokenPictureError("not a picture that Pillow knows") from None
    except BROKEN as error:
        if is_passing(error):
            raise
        raise BrokenPictureError(f"not whole: {error or type(error).__name__}") from error


def _look(file: BinaryIO) -> Look:
    image = Image.open(file, formats=FORMATS)
    raw = _deep_colours(image)
    width, height = image.size
    exif = not image.info.keys().isdisjoint(("exif", "Raw profile type exif"))
    unread = image.format == "PNG" and not exif  # to look behind its pixels would decode them
    if not unread and image.format != "TIFF" and _orientation(image) in _TRANSPOSED:
        width, height = height, width
    found = Look(
        size=(width, height),
        mode=image.mode,
        format=str(image.format),
        frames=int(getattr(image, "n_frames", 1)),
        grey=image.mode in _GREY_MODES | _DEEP_MODES,
    )
    return _looked_into(image, file, raw, found)


def _looked_into(image: ImageFile, file: BinaryIO, raw: str, found: Look) -> Look:
    if image.mode in _DEEP_MODES or raw:
        pixels = _deep_pixels(image, file, raw)
        return replace(found, range=(float(pixels.min()), float(pixels.max())))
    if image.mode in _ALPHA or "transparency" in image.info:
        image.seek(0)
        rgba = np.asarray(image.convert("RGBA"))
        visible = rgba[rgba[..., 3] > 0][:, :3]
        return replace(found, alpha=bool((rgba[..., 3] < 255).any()), colour=_only_colour(visible))
    return found


def _only_colour(visible: NDArray[np.uint8]) -> Colour | None:
    """The colour of all of the (N, 3) pixels; None where there are several, or no pixels."""
    if len(visible) == 0 or (np.ptp(visible, axis=0) > _FAINT).any():
        return None
    red, green, blue = (int(value) for value in np.median(visible, axis=0))
    return red, green, blue


def _decode(file: BinaryIO, form: Form) -> NDArray[np.uint8]:
    opened = Image.open(file, formats=FORMATS)
    raw = _deep_colours(opened)  # first: it is not known any more when something has decoded the pixels
    orientation = 1 if opened.format == "TIFF" else _orientation(opened)  # Pillow turns a TIFF when it loads it
    if opened.mode in _DEEP_MODES or raw:
        image = _eight_bits(opened, file, raw, form)
    elif opened.mode in _ALPHA or "transparency" in opened.info:
        image = _flattened(opened.convert("RGBA"), form)
    elif opened.mode == "LAB":
        image = _from_lab(opened)
    else:
        image = opened
    image = _upright(image.convert(form.mode), orientation)
    if image.size != (form.side, form.side):
        image = _letterboxed(image, form) if form.whole else _middle(image, form.side)
    pixels = np.asarray(image, np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _middle(image: Image.Image, side: int) -> Image.Image:
    scale = side / min(image.size)
    width, height = (max(side, round(edge * scale)) for edge in image.size)
    left, top = (width - side) // 2, (height - side) // 2
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + side, top + side))


def _letterboxed(image: Image.Image, form: Form) -> Image.Image:
    size, corner = letterbox(image.size, form.side)
    square = Image.new(form.mode, (form.side, form.side), _PADDING if form.mode == "L" else (_PADDING,) * 3)
    square.paste(image.resize(size, Image.Resampling.BILINEAR), corner)
    return square


def _orientation(image: Image.Image) -> int:
    """EXIF's 1 to 8; 1 where there is none that can be read."""
    try:
        found = image.getexif().get(0x0112, 1)
    except BROKEN:
        return 1
    return found if found in range(1, 9) else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    if orientation == 1:
        return image
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = image.copy()
    turned.info["exif"] = exif.tobytes()
    return ImageOps.exif_transpose(turned)


def _deep_colours(image: ImageFile) -> str:
    """The raw mode of colours of 16 bits; "" for other pictures."""
    words = {word for tile in image.tile for word in (tile.args if isinstance(tile.args, tuple) else (tile.args,))}
    return next((mode for mode in _LOWER if mode in words), "")


def _deep_pixels(image: ImageFile, file: BinaryIO, raw: str) -> NDArray[Any]:
    """The (H, W) or (H, W, 3) pixels with all their bits. Raises `ValueError` where not all are numbers."""
    if raw:
        return _both_bytes(file, raw)[..., :3]
    if image.mode == "F":
        pixels = np.asarray(image, np.float64)
        if not np.isfinite(pixels).all():
            raise ValueError("pixels that are no finite numbers")
        return pixels
    return np.asarray(image).astype(np.int64)


def _both_bytes(file: BinaryIO, raw: str) -> NDArray[np.int64]:
    """Colours of 16 bits: decoded once for their upper bytes, and once more, in the other byte order, for the lower."""
    file.seek(0)
    content = file.read()
    upper, lower = (Image.open(io.BytesIO(content), formats=FORMATS) for _ in range(2))
    lower.tile = [tile._replace(args=_swapped(tile.args, raw)) for tile in lower.tile]
    return 256 * np.asarray(upper, np.int64) + np.asarray(lower, np.int64)


def _swapped(arguments: Any, raw: str) -> Any:
    if isinstance(arguments, tuple):
        return tuple(_LOWER[raw] if word == raw else word for word in arguments)
    return _LOWER[raw]


def _eight_bits(image: ImageFile, file: BinaryIO, raw: str, form: Form) -> Image.Image:
    pixels, (low, high) = _deep_pixels(image, file, raw), form.range
    scaled = (pixels.clip(low, high) - low) * 255 / max(high - low, 1e-300)
    small = Image.fromarray(np.floor(scaled + 1e-9).astype(np.uint8))
    if image.mode != "RGBA":
        return small
    small.putalpha(image.getchannel("A"))
    return _flattened(small, form)


def _flattened(image: Image.Image, form: Form) -> Image.Image:
    """RGBA without its transparency."""
    alpha = image.getchannel("A")
    faintest, _ = alpha.getextrema()
    if faintest == 255:
        return image.convert("RGB")
    if form.alpha_is_picture:
        return alpha
    pixels = np.asarray(image)
    visible = pixels[pixels[..., 3] > 0][:, :3].astype(np.int64)
    if len(visible) and (abs(visible - form.background) <= _FAINT).all():
        opposite = tuple(255 - value for value in form.background)
        image = Image.merge("RGBA", [*Image.new("RGB", image.size, opposite).split(), alpha])
    under = Image.new("RGBA", image.size, (*form.background, 255))
    return Image.alpha_composite(under, image).convert("RGB")


def _from_lab(image: Image.Image) -> Image.Image:
    to_rgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    turned = ImageCms.applyTransform(image, to_rgb)
    assert turned is not None
    return turned
