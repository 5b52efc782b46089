"""Only regular files of a sane size are read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from lab2.regular_file import IrregularFileError, clear_path, read_regular, regular_file
from tests.test_regular_file import KINDS, directory, kinds, put

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="LOUD: no FIFOs on this system"),
]


class TestReadRegular:
    @kinds
    def test_says_what_was_found_and_where(self, kind, tmp_path: Path):
        path = put(kind, tmp_path / "file")
        with pytest.raises(IrregularFileError) as caught:
            read_regular(path, 1000)
        assert KINDS[kind] in caught.value.strerror
        assert caught.value.filename == str(path)

    def test_a_link_to_a_regular_file_is_one(self, tmp_path: Path):
        (tmp_path / "file").write_bytes(b"content")
        (tmp_path / "link").symlink_to("file")
        assert read_regular(tmp_path / "link", 7) == b"content"

    def test_the_limit_is_the_largest_that_is_read(self, tmp_path: Path):
        (tmp_path / "file").write_bytes(bytes(1001))
        assert len(read_regular(tmp_path / "file", 1001)) == 1001
        with pytest.raises(IrregularFileError, match="1,001 bytes or more, wanted 1,000 at most"):
            read_regular(tmp_path / "file", 1000)

    def test_pieces_are_put_together(self, tmp_path: Path):
        content = np.random.default_rng(0).bytes(3 * 2**20 + 5)
        (tmp_path / "file").write_bytes(content)
        assert read_regular(tmp_path / "file", 2**30) == content

    @pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="LOUD: no /proc here")
    def test_what_has_no_size_of_its_own_is_limited_as_it_is_read(self):
        """The kernel's files say that they have 0 bytes."""
        assert Path("/proc/self/mountinfo").stat().st_size == 0
        with pytest.raises(IrregularFileError, match="wanted 10 at most"):
            read_regular(Path("/proc/self/mountinfo"), 10)

    def test_what_is_not_there_is_not_there(self, tmp_path: Path):
        with pytest.raises(FileNotFoundError):
            read_regular(tmp_path / "file", 10)

    def test_no_descriptor_stays_open(self, tmp_path: Path):
        put(directory, tmp_path / "d")
        (tmp_path / "f").write_bytes(b"x")
        before = len(list(Path("/dev/fd").iterdir()))
        for _ in range(20):
            with pytest.raises(IrregularFileError):
                read_regular(tmp_path / "d", 10)
            read_regular(tmp_path / "f", 10)
            with regular_file(tmp_path / "f") as file:
                file.read()
        assert len(list(Path("/dev/fd").iterdir())) == before


class TestMakeWay:
    @kinds
    def test_there_is_room_for_a_file(self, kind, tmp_path: Path):
        path = put(kind, tmp_path / "file")
        clear_path(path)
        assert not os.path.lexists(path)
        path.write_bytes(b"new")

    def test_what_lies_in_a_directory_is_kept(self, tmp_path: Path):
        put(directory, tmp_path / "file")
        (tmp_path / "file" / "mine").write_text("kept")
        clear_path(tmp_path / "file")
        (aside,) = tmp_path.glob(".file.*")
        assert (aside / "file" / "mine").read_text() == "kept"

    def test_what_is_not_there_needs_none(self, tmp_path: Path):
        clear_path(tmp_path / "file")
