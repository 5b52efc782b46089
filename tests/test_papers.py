"""The papers for readers: what they show runs, what they quote is what was measured, and links lead to headings."""

from __future__ import annotations

import ast
import csv
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from lab2.measure.predictions import Predictions, write_predictions
from lab2.results.shard import write_shard
from lab2.spec.catalogue import read_catalogue
from tests.conftest import finished, make_run, make_trial

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAPERS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("slurm/*.md")]
BY_HARDWARE = sorted((ROOT / "benchmarks" / "results" / "by_hardware").glob("*.csv"))


def section(paper: str, title: str) -> str:
    return paper.split(f"\n## {title}\n")[1].split("\n## ", maxsplit=1)[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def anchors(paper: Path) -> set[str]:
    """Those that GitHub makes of a paper's headings: small letters, digits, hyphens and underscores stay."""
    without_code = re.sub(r"^```.*?^```", "", paper.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", without_code, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("paper", PAPERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_link_to_a_heading_leads_to_one(paper: Path):
    links = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", paper.read_text())
    gone = [
        f"{file}#{anchor}" for file, anchor in links if anchor not in anchors((paper.parent / file) if file else paper)
    ]
    assert gone == []


class TestReadme:
    def test_a_result_is_read_from_python_as_it_says(self, tmp_path: Path):
        trials = [make_trial(name, seed=seed) for name in ("cnn", "vit") for seed in (1, 2)]
        run = make_run(tmp_path / "runs", *trials)
        truth = np.arange(100) % 10
        for trial in trials:
            answer = truth.copy()
            answer[[3, 50] if trial.job.name == "cnn" else [3, 7, 60]] += 1
            probabilities = np.eye(10, dtype=np.float32)[answer % 10]
            write_predictions(run.predictions(trial.name), Predictions(truth, answer % 10, probabilities))
            write_shard(run.shard(trial.name), finished(trial, 0.98 if trial.job.name == "cnn" else 0.97))
        (code,) = blocks(section(README, "Reading a result from Python"), "python")
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert re.search(r"cnn +0\.98 +0\.0 +2\n", done.stdout)
        assert done.stdout.splitlines()[-1] == "2 test images that the CNN gets right and the ViT wrong: [ 7 60]"

    def test_its_job_is_one(self, tmp_path: Path):
        (code,) = blocks(section(README, "Own data and networks"), "python")
        (tmp_path / "resnet18.py").write_text(code)
        (entry,) = read_catalogue(tmp_path).values()
        assert (entry.job.name, entry.job.model.architecture) == ("resnet18", "network")
        assert entry.question.endswith("?")

    def test_its_picture_is_of_all_jobs_and_loads_nothing(self):
        picture = (ROOT / "docs" / "run-local.svg").read_text().replace("&#160;", " ")
        for name in read_catalogue(ROOT / "jobs"):
            assert f"{name}-seed1" in picture
        assert "SMOKE RUN, not a comparison" in picture
        assert set(re.findall(r"(?:href|src|url)\W*(\w+:)", picture)) == set()

    def test_its_table_of_packages_is_the_order_of_imports(self):
        layers: dict[str, int] = {}
        for layer, names in re.findall(r"^\| (\d+) \| (.*?) \|", section(README, "Architecture"), re.MULTILINE):
            layers |= {name: int(layer) for name in re.findall(r"`(\w+)/`", names)}
        folders = {path.parent.name for path in (ROOT / "lab2").glob("*/__init__.py")}
        assert layers.keys() == folders
        for path in (ROOT / "lab2").glob("*/**/*.py"):
            own = path.relative_to(ROOT / "lab2").parts[0]
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lab2."):
                    other = (node.module or "").split(".")[1]
                    assert other == own or layers.get(other, 0) < layers[own], f"{path} imports {node.module}"


class TestBenchmarks:
    def test_the_readme_is_short(self):
        assert len((ROOT / "benchmarks" / "README.md").read_text().split()) <= 400

    def test_its_table_is_what_was_measured(self):
        text = (ROOT / "benchmarks" / "README.md").read_text()
        rows = json.loads((ROOT / "benchmarks" / "results" / "side_by_side.json").read_text())["rows"]
        wanted = [
            (r["job"], f"{r['other']['median']:.1f}", f"{r['lab2']['median']:.1f}", f"{r['ratio']:.1f}")
            for r in rows
            if r["against"] == "textbook"
        ]
        found = re.findall(
            r"^\| (\w+) \| [^|]* \| ([\d.]+) \| ([\d.]+) \| (?:at least )?([\d.]+) \|$", text, re.MULTILINE
        )
        assert found == wanted

    def test_each_entry_of_the_log_is_dated_and_says_machine_commit_and_decision(self):
        entries = (ROOT / "benchmarks" / "LOG.md").read_text().split("\n## ")[1:]
        assert len(entries) > 40
        dates = []
        for entry in entries:
            title = entry.splitlines()[0]
            assert re.match(r"2026-\d\d-\d\d: [A-Z0-9a-z].{20,}", title), title
            dates.append(title[:10])
            assert "- *Decision*: " in entry, title
            if "*Figures*: none" not in entry:
                assert "*Machine*:" in entry, title
                assert "*Commit*:" in entry, title
                assert re.search(r"\*Command\*:|\*\*Not\s+repeatable|\*\*not\s+repeatable", entry), title
        assert dates == sorted(dates, reverse=True)

    @pytest.mark.parametrize("path", BY_HARDWARE, ids=lambda p: p.stem)
    def test_each_figure_of_a_hardware_has_a_commit_and_a_command(self, path: Path):
        with path.open() as file:
            rows = list(csv.DictReader(file))
        assert rows
        for row in rows:
            assert list(row) == ["job", "column", "value", "commit", "command"]
            assert float(row["value"]) >= 0
            assert re.fullmatch("[0-9a-f]{12}", row["commit"])
            assert row["command"].startswith(("lab2 run-local", "make bench", "bash benchmarks/gpu/check.sh"))

    def test_the_figures_of_the_readme_are_those_of_its_hardware(self):
        with (ROOT / "benchmarks" / "results" / "by_hardware" / "xeon-amx.csv").open() as file:
            known = {(row["job"], row["column"]): row["value"] for row in csv.DictReader(file)}
        lines = [line for line in section(README, "The table").splitlines() if line.startswith("| ")]
        titles = [title.strip() for title in lines[0].strip("|").split("|")]
        for line in lines[1:]:
            row = dict(zip(titles, (cell.strip() for cell in line.strip("|").split("|")), strict=True))
            mean, low, high = (float(share) / 100 for share in re.findall(r"[\d.]+", row["test accuracy [95 %]"]))
            numbers = {"accuracy": mean, "accuracy_low": low, "accuracy_high": high, "macro_f1": float(row["F1"])}
            numbers["train_seconds"] = float(row["training"].removesuffix(" s"))
            numbers["latency_p50_ms"] = float(row["latency p50"].removesuffix(" ms"))
            numbers["peak_memory_gib"] = float(row["memory to train"].removesuffix(" GiB"))
            numbers["inference_memory_gib"] = float(row["memory to infer"].removesuffix(" GiB"))
            for column, number in numbers.items():
                assert float(known[row["model"], column]) == pytest.approx(number), (row["model"], column)

    def test_so_are_those_on_a_gpu(self):
        with (ROOT / "benchmarks" / "results" / "by_hardware" / "nvidia-h200.csv").open() as file:
            known = {(row["job"], row["column"]): float(row["value"]) for row in csv.DictReader(file)}
        lines = [line for line in section(README, "On a GPU").splitlines() if line.startswith("| ")]
        assert len(lines) == 6
        for line in lines[1:]:
            job, share, seconds, memory = (cell.strip() for cell in line.strip("|").split("|"))
            assert float(share.removesuffix("%")) / 100 == pytest.approx(known[job, "accuracy"])
            assert float(seconds.removesuffix(" s")) == known[job, "train_seconds"]
            assert float(memory.replace(",", "").removesuffix(" MiB")) == known[job, "peak_memory_mib"]


def test_the_changelog_is_sorted_by_version_and_kind():
    versions = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1:]
    numbers = [tuple(map(int, re.match(r"(\d+)\.(\d+)\.(\d+)", text).groups())) for text in versions]
    assert numbers == sorted(numbers, reverse=True)
    for text in versions:
        kinds = re.findall(r"^### (.*)$", text, re.MULTILINE)
        assert kinds == [kind for kind in ("Added", "Changed", "Fixed") if kind in kinds]
        loose = text.split("\n### ")[0].splitlines()[1:]
        assert not any(line.startswith("- ") for line in loose), "a line that is under no kind"


def test_a_report_of_a_bug_asks_for_the_doctor():
    form = (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text()
    assert re.search(r"id: doctor\n.*?lab2 doctor.*?required: true", form, re.DOTALL)


def test_what_git_asks_before_a_commit_is_make_lint():
    config = (ROOT / ".pre-commit-config.yaml").read_text()
    assert "entry: make lint" in config
    assert "\nlint: " in (ROOT / "Makefile").read_text()
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["line-length"] == 120
