"""Files with a record a line: what a crash cut off spoils no other line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from lab2.json_lines import append_line, read_lines

NUMBERS: TypeAdapter[dict[str, int]] = TypeAdapter(dict[str, int])


def test_lines_are_read_in_their_order(tmp_path: Path):
    path = tmp_path / "lines"
    for i in range(3):
        append_line(path, NUMBERS.dump_json({"i": i}))
    assert read_lines(path, NUMBERS) == ([{"i": 0}, {"i": 1}, {"i": 2}], 0)


@pytest.mark.parametrize("sync", [False, True])
def test_a_line_that_a_crash_cut_off_spoils_no_later_one(tmp_path: Path, sync: bool):
    path = tmp_path / "lines"
    path.write_bytes(b'{"i": 0}\n{"i"')
    append_line(path, b'{"i": 2}', sync=sync)
    assert read_lines(path, NUMBERS) == ([{"i": 0}, {"i": 2}], 1)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="wanted a regular file"):
        append_line(tmp_path / "pipe", b"{}")


def test_a_new_file_has_the_mode_that_is_asked_for(tmp_path: Path):
    before = os.umask(0)
    try:
        append_line(tmp_path / "shared", b"{}", mode=0o660)
    finally:
        os.umask(before)
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o660
