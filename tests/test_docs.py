"""The papers keep to the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from lab2.results.shard import Shard

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


def test_no_figure_is_still_to_come():
    for paper in PAPERS:
        assert not re.search(r"COLUMNS:|TODO|TBD", paper.read_text()), paper
