"""From a picture's bytes to pixels: upright, opaque, eight bits, whatever its name is."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from lab2.data.pictures import form_of
from lab2.data.pixels import BrokenPictureError, Form, Look, decode, look
from lab2.spec.job import DataConfig

GRADIENT = np.add.outer(np.arange(6) * 20, np.arange(6) * 4).astype(np.uint8)  # no turn of it looks like another


def saved(image: Image.Image, form: str = "png", **options: object) -> io.BytesIO:
    """The bytes of a file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return io.BytesIO(file.getvalue())


def png16(pixels: np.ndarray) -> io.BytesIO:
    """A PNG of 16 bits a channel, by the specification: Pillow writes none in colour."""
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    kind = {1: 0, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def tiff16(pixels: np.ndarray, order: str) -> io.BytesIO:
    """A TIFF of 16 bits a colour, by the specification; `order` is < or >."""
    height, width, _ = pixels.shape
    content = pixels.astype(f"{order}u2").tobytes()
    bits = 8 + 2 + 12 * 9 + 4
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, bits), (259, 3, 1, 1), (262, 3, 1, 2)]
    entries += [(273, 4, 1, bits + 6), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 1, len(content))]
    file = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8) + struct.pack(f"{order}H", 9)
    for tag, kind, count, value in entries:
        short = kind == 3 and count == 1
        file += struct.pack(f"{order}HHI", tag, kind, count)
        file += struct.pack(f"{order}HH", value, 0) if short else struct.pack(f"{order}I", value)
    return io.BytesIO(file + bytes(4) + struct.pack(f"{order}HHH", 16, 16, 16) + content)


def decoded(file: io.BytesIO, **form: object) -> np.ndarray:
    """Its pixels, of the form that it would have alone in a data set."""
    found = form_of([look(io.BytesIO(file.getvalue()))], DataConfig(**form))
    return decode(file, found)


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("form", ["jpeg", "png", "tiff", "webp"])
    def test_each_of_the_eight_stands_upright(self, orientation: int, form: str):
        stored = {
            1: GRADIENT,
            2: GRADIENT[:, ::-1],
            3: GRADIENT[::-1, ::-1],
            4: GRADIENT[::-1],
            5: GRADIENT.T,
            6: GRADIENT.T[::-1],  # a camera that was turned to the right: EXIF 6 is mended by a quarter clockwise
            7: GRADIENT[::-1, ::-1].T,
            8: GRADIENT.T[:, ::-1],
        }[orientation]
        image = Image.fromarray(np.kron(np.ascontiguousarray(stored), np.ones((8, 8), np.uint8)))
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"exif": exif} | ({"lossless": True} if form == "webp" else {})
        found = decoded(saved(image, form, **options), image_side=6)
        assert np.abs(found.mean(0).astype(int) - GRADIENT).max() <= 4

    def test_the_size_is_of_the_upright_picture(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        assert look(saved(Image.new("L", (30, 20)), "jpeg", exif=exif)).size == (20, 30)
        assert look(saved(Image.new("L", (30, 20)), "tiff", exif=exif)).size == (20, 30)

    def test_nonsense_in_exif_turns_nothing(self):
        file = saved(Image.fromarray(GRADIENT), exif=b"Exif\0\0nonsense")
        assert (decoded(file)[0] == GRADIENT).all()


class TestTransparency:
    def test_it_is_laid_over_the_background(self):
        pixels = np.zeros((4, 4, 4), np.uint8)
        pixels[:2] = (255, 0, 0, 255)
        pixels[2] = (0, 0, 200, 255)
        found = decoded(saved(Image.fromarray(pixels)))
        assert found[:, 0, 0].tolist() == [255, 0, 0]
        assert found[:, 3, 0].tolist() == [255, 255, 255]
        found = decoded(saved(Image.fromarray(pixels)), background="#0a0b0c")
        assert found[:, 3, 0].tolist() == [10, 11, 12]

    def test_a_shape_in_the_alpha_channel_alone_is_the_picture(self):
        pixels = np.zeros((4, 4, 4), np.uint8)
        pixels[1:3, :, 3] = 255
        found = decoded(saved(Image.fromarray(pixels)))
        assert found.shape == (1, 4, 4)
        assert found[0, :, 0].tolist() == [0, 255, 255, 0]

    def test_among_other_pictures_a_shape_of_the_backgrounds_colour_is_drawn_in_its_opposite(self):
        pixels = np.full((4, 4, 4), 255, np.uint8)
        pixels[0, :, 3] = 0
        found = decode(saved(Image.fromarray(pixels)), Form(4, "RGB"))
        assert found[0, :, 0].tolist() == [255, 0, 0, 0]

    def test_icons_of_several_colours_keep_them(self):
        looks = []
        for colour in ((255, 0, 0), (0, 0, 255)):
            pixels = np.zeros((4, 4, 4), np.uint8)
            pixels[1:3] = (*colour, 255)
            looks.append(look(saved(Image.fromarray(pixels))))
        assert not form_of(looks, DataConfig()).alpha_is_picture

    @pytest.mark.parametrize("mode", ["LA", "PA", "P"])
    def test_grey_and_palettes_have_it_too(self, mode: str):
        pixels = np.zeros((4, 4, 2), np.uint8)
        pixels[:2] = (90, 255)
        pixels[2] = (10, 255)
        image = Image.fromarray(pixels, "LA")
        if mode == "P":
            image = Image.fromarray(np.array([[0, 1], [1, 2]], np.uint8), "P")
            image.putpalette([90, 90, 90, 10, 10, 10, 0, 0, 0])
            found = decoded(saved(image, transparency=2))
            assert found[0].tolist() == [[90, 10], [10, 255]]
            return
        image = image.convert("RGBA").convert("PA") if mode == "PA" else image
        found = decoded(saved(image, "png" if mode == "LA" else "tiff"))
        assert found[0, :, 0].tolist() == pytest.approx([90, 90, 10, 255], abs=3)


class TestDepth:
    @pytest.mark.parametrize("most", [1023, 4095, 65535])
    def test_the_range_in_use_becomes_eight_bits(self, most: int):
        ramp = np.linspace(0, most, 16).astype(np.uint16).reshape(4, 4)
        found = decoded(saved(Image.fromarray(ramp)))
        assert (found[0] == ramp.astype(np.int64) * 255 // most).all()

    @pytest.mark.parametrize("kind", ["png", "tiff little", "tiff big", "with alpha"])
    def test_colours_of_sixteen_bits_lose_none_that_is_in_use(self, kind: str):
        pixels = np.random.default_rng(0).integers(0, 4096, (5, 5, 3)).astype(np.uint16)
        pixels[0, 0] = (0, 4095, 4095)
        opaque = np.dstack([pixels, np.full((5, 5), 65535, np.uint16)])
        file = {
            "png": lambda: png16(pixels),
            "tiff little": lambda: tiff16(pixels, "<"),
            "tiff big": lambda: tiff16(pixels, ">"),
            "with alpha": lambda: png16(opaque),
        }[kind]()
        assert (decoded(file).transpose(1, 2, 0) == pixels.astype(np.int64) * 255 // 4095).all()

    def test_floating_point_is_scaled_by_its_range(self):
        values = np.linspace(-3, 5, 16, dtype=np.float32).reshape(4, 4)
        found = decoded(saved(Image.fromarray(values), "tiff"))
        assert (found[0].min(), found[0].max()) == (0, 255)
        assert np.abs(found[0] - (values + 3) / 8 * 255).max() <= 1

    def test_the_range_is_that_of_all_training_pictures(self):
        form = form_of([Look((4, 4), "F", "TIFF", range=span) for span in ((0.0, 1.0), (-1.0, 0.5))], DataConfig())
        assert form.range == (-1, 1)

    def test_what_is_no_number_is_broken(self):
        with pytest.raises(BrokenPictureError, match="no finite numbers"):
            look(saved(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "tiff"))


class TestModes:
    def test_cmyk(self):
        found = decoded(saved(Image.new("CMYK", (4, 4), (255, 0, 0, 0)), "tiff"))
        assert found[:, 0, 0].tolist() == [0, 255, 255]
        found = decoded(saved(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "jpeg", quality=95))
        assert found[:, 0, 0].tolist() == pytest.approx([0, 255, 255], abs=3)

    def test_lab(self):
        to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        image = ImageCms.applyTransform(Image.new("RGB", (4, 4), (200, 30, 60)), to_lab)
        assert decoded(saved(image, "tiff"))[:, 0, 0].tolist() == pytest.approx([200, 30, 60], abs=4)

    def test_bilevel_is_grey(self):
        found = decoded(saved(Image.fromarray(np.eye(4, dtype=bool))))
        assert (found[0] == 255 * np.eye(4)).all()

    def test_palettes(self):
        image = Image.fromarray(np.zeros((4, 4), np.uint8), "P")
        image.putpalette([10, 200, 30])
        assert decoded(saved(image))[:, 0, 0].tolist() == [10, 200, 30]

    @pytest.mark.parametrize("form", ["gif", "tiff", "webp", "png"])
    def test_the_first_frame_of_many(self, form: str):
        frames = [Image.new("RGB", (8, 8), (value, value, value)) for value in (200, 100, 0)]
        options = {"lossless": True} if form == "webp" else {}
        file = saved(frames[0], form, save_all=True, append_images=frames[1:], **options)
        assert look(io.BytesIO(file.getvalue())).frames == 3
        assert decoded(file)[0, 0, 0] == 200


class TestNoPicture:
    def test_words_are_none(self):
        with pytest.raises(BrokenPictureError, match="not a picture"):
            look(io.BytesIO(b"not an image\n"))

    def test_a_cut_one_is_not_whole(self):
        noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
        whole = saved(noise).getvalue()
        with pytest.raises(BrokenPictureError, match="not whole"):
            decode(io.BytesIO(whole[:-200]), Form(8, "RGB"))

    def test_postscript_starts_no_program(self):
        with pytest.raises(BrokenPictureError, match="not a picture"):
            look(io.BytesIO(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"))
