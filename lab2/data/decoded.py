"""A set of pictures, decoded once: one file of pixels in the cache folder, read by all trials.

    <cache>/decoded/<key>/pixels        (N, C, S, S) uint8, a row a picture of the listing; memory-mapped
                    <key>/about.json    its shape and form, and what is broken
                    <key>/looks.json    what each picture's file is
                    <key>/measured.npz  of each row a digest, its sums, and how black its rim is
                    <key>.lock          held while it is made: the others wait, and say so
                    stamps/<key>        the SHA-256 of a listing whose files look as they did when it was taken

The key is a SHA-256 over the listing's content and all that decides its pixels. A folder has its name once it is whole.
Where the cache cannot be written, as in a container that mounts it read-only, the same is made in a temporary folder.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import PIL
from pydantic import TypeAdapter, ValidationError

from lab2.cache import cache_folder
from lab2.data.listing import Listing
from lab2.data.pixels import Form, Look
from lab2.data.source import Progress
from lab2.data.stored import Measured, StoredPixels
from lab2.data.workers import Workers, decode_into, digests, looks, workers
from lab2.errors import DataError, RunError
from lab2.file_lock import held, holder
from lab2.regular_file import LARGE, LISTS, check_regular, read_regular
from lab2.spec.job import DataConfig
from lab2.whole_file import write_whole

LOG = logging.getLogger("lab2")

DECODER = 1  # raised where the same bytes become other pixels
_RACE_SECONDS = 2.0  # what has changed so shortly before may change again within one tick of the file system's clock
_NO_WAY = (errno.EROFS, errno.EACCES, errno.EPERM)

FormOf = Callable[[list[Look]], Form]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a decoded set is."""

    shape: tuple[int, int, int, int]
    form: Form
    broken: dict[int, str]  # rows that hold nothing, and why
    frames: int  # pictures that have more than one


_ABOUT: TypeAdapter[About] = TypeAdapter(About)
_LOOKS: TypeAdapter[list[Look | str]] = TypeAdapter(list[Look | str])


@dataclass(frozen=True)
class Decoded:
    """A decoded set; `looks` is read when it is asked for."""

    folder: Path
    about: About
    pixels: StoredPixels
    kept: tempfile.TemporaryDirectory[str] | None = None  # a set outside the cache is deleted with this object

    def looks(self) -> list[Look | str]:
        """What each picture's file is, or why it cannot be read. Raises `DataError`."""
        try:
            return _LOOKS.validate_json(read_regular(self.folder / "looks.json", LISTS))
        except (OSError, ValidationError) as error:
            raise DataError(
                f"{self.folder / 'looks.json'}: not whole; lab2 prepare --clean, then start again"
            ) from error


def decoded_folder() -> Path:
    """Where decoded sets lie."""
    return cache_folder() / "decoded"


def content_sha256(listing: Listing, progress: Progress) -> str:
    """Of all pictures of `listing`; not read again while their files look as they did: size, times, number."""
    stamp, newest = _stamp(listing)
    note = decoded_folder() / "stamps" / stamp
    with suppress(OSError, UnicodeDecodeError):
        known = read_regular(note, 100).decode()
        if len(known) == 64:
            return known
    now = time.time()
    total = len(listing.pictures)
    with workers(listing.name) as crew:
        contents = crew.map(digests, listing.pictures, lambda done: progress("reading", done, total))
    found = listing.sha256(contents)
    if now - newest > _RACE_SECONDS and bytes(32) not in contents:  # what could not be read may be readable later
        with suppress(OSError):
            note.parent.mkdir(parents=True, exist_ok=True)
            write_whole(note, found.encode())
    return found


def _stamp(listing: Listing) -> tuple[str, float]:
    """How the files look now, and when the last of them changed (seconds since 1970)."""
    digest, newest = hashlib.sha256(), 0
    seen: dict[Path, bytes] = {}
    about: tuple[int, ...]
    for picture in listing.pictures:
        if picture.path not in seen:
            try:
                now = picture.path.stat()
                newest = max(newest, now.st_mtime_ns, now.st_ctime_ns)
                about = (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
            except OSError:
                about = ()
            seen[picture.path] = f"{picture.path}\0{about}\0".encode(errors="surrogateescape")
        digest.update(seen[picture.path])
        digest.update(listing.identity(picture) + f"\0{picture.row}\0{picture.column}\0".encode())
    return digest.hexdigest(), newest / 1e9


def decoded(listing: Listing, config: DataConfig, form_of: FormOf, progress: Progress) -> Decoded:
    """All pictures of `listing`, from the cache or made now, by all cores. `form_of` the looks of training pictures.

    Raises `DataError` where no training picture can be read, or the disk is full.
    """
    settings = {
        "content": content_sha256(listing, progress),
        "side": config.image_side,
        "background": config.background.lower(),
        "parts": hashlib.sha256("\0".join(picture.part for picture in listing.pictures).encode()).hexdigest(),
        "decoder": DECODER,
        "pillow": PIL.__version__,
        **({"whole": True} if listing.has_boxes else {}),
    }
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    folder = decoded_folder() / key
    if (there := _opened(folder)) is not None:
        return there
    make = partial(_make, listing, form_of, progress)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            if (there := _wait(stack, folder)) is None:
                for left in folder.parent.glob(f".{key}.*"):  # of a process that was killed
                    shutil.rmtree(left, ignore_errors=True)
                there = _make_whole(folder, make)
            return there
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(
                f"{folder.parent}: the disk is full ({error.strerror}); make room, or set LAB2_CACHE to another folder"
            ) from error
        if error.errno not in _NO_WAY:
            raise
    LOG.warning("%s cannot be written: the pictures are decoded for this process alone", folder.parent)
    temporary = tempfile.TemporaryDirectory(prefix="lab2-decoded-", dir=os.environ.get("SLURM_TMPDIR"))
    make(Path(temporary.name))
    there = _opened(Path(temporary.name), temporary)
    assert there is not None
    return there


def _wait(stack: ExitStack, folder: Path) -> Decoded | None:
    """Hold the folder's lock in `stack`; what another process has made meanwhile, where one has."""
    lock = folder.with_name(f"{folder.name}.lock")
    said = False
    while True:
        try:
            stack.enter_context(held(lock, "another process is decoding these pictures", 1.0))
            return _opened(folder)
        except RunError:
            who = holder(lock)
            if not said:
                by = f"process {who.pid} on {who.where.partition(' ')[0]}" if who else "another process"
                LOG.warning("waiting for %s, which is decoding these pictures (%s)", by, lock)
                said = True


def _make_whole(folder: Path, make: Callable[[Path], None]) -> Decoded:
    shutil.rmtree(folder, ignore_errors=True)  # one that is not whole
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        make(fresh)
        fresh.chmod(0o755)  # mkdtemp makes it private; a cache may be read by a whole group
        with suppress(FileExistsError):
            try:
                fresh.rename(folder)
            except OSError as error:  # a file system without locks: another was as quick
                if error.errno != errno.ENOTEMPTY:
                    raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    there = _opened(folder)
    assert there is not None
    return there


def _make(listing: Listing, form_of: FormOf, progress: Progress, folder: Path) -> None:
    """Look at all pictures, decide the form, decode them, and write what is known into `folder`."""
    pictures, count = listing.pictures, len(listing.pictures)
    with workers(listing.name) as crew:
        seen = crew.map(looks, pictures, lambda done: progress("looking at each picture", done, count))
        form = form_of([found for number in listing.of("train") if isinstance(found := seen[number], Look)])
        broken = {number: why for number, why in enumerate(seen) if isinstance(why, str)}
        shape = (count, len(form.mode), form.side, form.side)
        measured = _decode(crew, listing, form, broken, folder / "pixels", progress)
    frames = sum(isinstance(found, Look) and found.frames > 1 for found in seen)
    about = About(shape=shape, form=form, broken=dict(sorted(broken.items())), frames=frames)
    np.savez(folder / "measured.npz", digests=measured.digests, sums=measured.sums, black_rim=measured.black_rim)
    write_whole(folder / "looks.json", _LOOKS.dump_json(seen))
    write_whole(folder / "about.json", _ABOUT.dump_json(about))


def _decode(
    crew: Workers, listing: Listing, form: Form, broken: dict[int, str], file: Path, progress: Progress
) -> Measured:
    """Write the pixels of all that is not yet known to be `broken`; what turns out to be so is added to it."""
    count, channels = len(listing.pictures), len(form.mode)
    with file.open("wb") as pixels:
        _allocate(pixels.fileno(), count * channels * form.side**2)
        rows = [(number, picture) for number, picture in enumerate(listing.pictures) if number not in broken]
        work = partial(decode_into, file, form)
        found = crew.map(work, rows, lambda done: progress("decoding", done, len(rows)))
        os.fsync(pixels.fileno())
    file.chmod(0o644)
    measured = Measured.empty(count, channels)
    for (number, _), row in zip(rows, found, strict=True):
        if isinstance(row, str):
            broken[number] = row
        else:
            measured.digests[number] = np.frombuffer(row.digest, np.uint8)
            measured.sums[number], measured.black_rim[number] = row.sums, row.black_rim
    return measured


def _allocate(handle: int, size: int) -> None:
    """A full disk is an error here, not a bus error later."""
    if hasattr(os, "posix_fallocate") and size:
        os.posix_fallocate(handle, 0, size)
    else:
        os.ftruncate(handle, size)


def _opened(folder: Path, kept: Any = None) -> Decoded | None:
    """The set in `folder`; None where there is none, or one that is not whole."""
    try:
        about = _ABOUT.validate_json(read_regular(folder / "about.json", LISTS))
        check_regular(folder / "measured.npz", LARGE)
        with np.load(folder / "measured.npz", allow_pickle=False) as found:
            measured = Measured(found["digests"], found["sums"], found["black_rim"])
        file = folder / "pixels"
        check_regular(file)
        if file.stat().st_size != int(np.prod(about.shape)) or len(measured.digests) != about.shape[0]:
            return None
        return Decoded(folder, about, StoredPixels(file, about.shape, measured), kept)
    except (OSError, ValidationError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def clean() -> int:
    """Remove all decoded sets that nobody is making; they are made anew when needed. Returns the bytes freed."""
    freed = 0
    root = decoded_folder()
    if not root.is_dir():
        return 0
    for entry in sorted(root.iterdir()):
        if entry.suffix == ".lock":
            continue  # a process that waits may have it open: without it two would hold "the" lock
        key = entry.name.strip(".").partition(".")[0]
        with ExitStack() as stack:
            try:
                if key != "stamps":
                    stack.enter_context(held(root / f"{key}.lock", "another process is decoding these pictures", 0.0))
            except RunError:
                continue
            files = [path for path in (entry, *entry.rglob("*")) if path.is_file()]
            freed += sum(path.stat().st_size for path in files)
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)
    return freed
