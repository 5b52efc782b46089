"""The formats of pictures that lab2 reads, and what Pillow raises for files that are not whole."""

from __future__ import annotations

import errno
import struct

from PIL import Image, UnidentifiedImageError

# Formats that Pillow decodes itself and recognises by their content. Not EPS: Pillow would start Ghostscript. The
# reader of JPEG reads MPO, too.
FORMATS = tuple("PNG JPEG BMP DIB GIF TIFF WEBP PPM JPEG2000 AVIF PCX SGI ICO".split())
SUFFIXES = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .bmp .dib .gif .tif .tiff .webp .pgm .ppm .pbm .pnm .jp2 .j2k .avif .heic "
    ".heif".split()
)
# What Pillow raises for files that are not whole.
BROKEN = (
    OSError,
    UnidentifiedImageError,
    SyntaxError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    struct.error,
    EOFError,
    Image.DecompressionBombError,
)

_PASSING = (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT)


def is_passing(error: BaseException) -> bool:
    """Whether it is a failure of the machine, that says nothing of the picture: too many open files, a lost server."""
    return isinstance(error, OSError) and error.errno in _PASSING
