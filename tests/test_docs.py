"""The papers keep to the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lab2
from docs.generate import WIDTH, pages
from docs.pictures import ends_at
from lab2.measure.metrics import METRICS
from lab2.results.shard import Shard
from lab2.spec.fields import comments_of

ROOT = Path(__file__).parents[1]
PAPERS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("slurm/**/*.md")]
# Fields of a shard that say what a trial is and where it ran: their names say all.
IDENTITY = frozenset(
    """trial job architecture dataset seed digest status reason epochs train_images device device_name weights
    image_side dataset_sha256 split left_out lab2_version git_commit git_dirty torch_version torchvision_version
    python_version image_digest host started_at ended_at scheduler_job_id schema""".split()
)


def test_every_number_of_a_shard_is_explained():
    explained = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "numbers.md").read_text()))
    assert {field.name for field in fields(Shard)} - IDENTITY - explained == set()


@pytest.mark.parametrize("paper", PAPERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_file_that_a_paper_links_is_there(paper: Path):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", paper.read_text())
    gone = [link for link in links if not link.startswith(("http:", "https:")) and not (paper.parent / link).exists()]
    assert gone == []


OF_A_COMMIT = ("benchmarks/LOG.md", "CHANGELOG.md")  # they say what was, or stood elsewhere, then
MADE_BY_READERS = {"lab2/data/npz.py", "lab2/launch/one_by_one.py", "lab2/models/mlp.py", "jobs/more/mlp.py"}


@pytest.mark.parametrize("paper", PAPERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_that_a_paper_names_is_there(paper: Path):
    if str(paper.relative_to(ROOT)).startswith(OF_A_COMMIT):
        return
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", paper.read_text())) - MADE_BY_READERS
    assert [name for name in named if not (ROOT / name).is_file() and not (ROOT / "lab2" / name).is_file()] == []


@pytest.mark.parametrize("paper", PAPERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_image_that_a_paper_names_is_of_this_version(paper: Path):
    assert set(re.findall(r"lab2:(\d+\.\d+\.\d+)", paper.read_text())) <= {lab2.__version__}


def test_every_field_of_a_shard_has_its_words_beside_it():
    assert {field.name for field in fields(Shard)} - {metric.name for metric in METRICS} == comments_of(Shard).keys()


@pytest.mark.parametrize("name", ["help.md", "fields.md", "schema.md"])
def test_a_generated_page_says_what_the_code_says(name: str):
    """`make docs` writes them."""
    assert (ROOT / "docs" / name).read_text() == pages()[name]


def test_pages_are_plain_text_of_one_width():
    text = pages()["help.md"]
    assert not re.search(r"\x1b| $", text, re.MULTILINE)
    assert max(len(line) for line in text.splitlines()) == WIDTH


def test_the_picture_of_a_page_is_cut_in_the_widest_gap_near_its_end():
    rows = np.zeros((200, 50), np.uint8)
    for first, last in ((0, 80), (90, 110), (150, 158), (162, 200)):  # gaps: 80-90, 110-150, 158-162
        rows[first:last, ::2] = 255
    page = Image.fromarray(rows)
    assert ends_at(page, 200) == 130
    assert ends_at(page, 100) == 85
    assert ends_at(Image.fromarray(rows[:80]), 200) == 80  # no gap


def test_no_figure_is_still_to_come():
    for paper in PAPERS:
        assert not re.search(r"COLUMNS:|TODO|TBD", paper.read_text()), paper
