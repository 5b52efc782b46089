"""The page of a report: whole without a network and scripts, the same each time, and it runs nothing foreign."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest

from lab2.cli.launching import start
from lab2.report.page.rows import PUBLISHED
from lab2.results.shard import unfinished, write_shard
from lab2.spec.job import DataConfig
from tests.answered import among, answered, leave, seeds_of
from tests.conftest import PATIENCE_S, SMALL, finished, make_run, make_trial, on_folder
from tests.page_kinds import many
from tests.paged import NASTY, RIGHTS, Page, page_of, paged, unpacked, with_classes

ROOT = Path(__file__).parents[1]


class TestOneFile:
    def test_it_loads_nothing(self, tmp_path: Path):
        page = Page(paged(tmp_path))
        for tag, attributes in page.elements:
            assert "style" not in attributes, tag
            assert not [name for name in attributes if name.startswith("on")], tag
            assert tag not in ("link", "iframe", "object", "embed", "base"), tag
            for name in ("src", "href", "srcset", "action"):
                assert (attributes.get(name) or "#").startswith(
                    ("#", "data:image/png;base64,", "data:image/webp;base64,")
                ), (tag, name)

    def test_its_policy_allows_its_own_style_and_script_alone(self, tmp_path: Path):
        page = Page(paged(tmp_path))
        (policy,) = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
        rules = dict(rule.split(" ", 1) for rule in str(policy).split("; "))
        assert (rules["default-src"], rules["img-src"]) == ("'none'", "data:")
        text = paged(tmp_path / "again")
        for tag in ("script", "style"):
            content = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
            digest = b64encode(hashlib.sha256(content.encode()).digest()).decode()
            assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
        assert [a.get("type") for tag, a in page.elements if tag == "script"] == ["application/json", None]

    def test_the_same_run_gives_the_same_bytes(self, tmp_path: Path):
        run = answered(tmp_path, RIGHTS)
        assert page_of(run) == page_of(run)

    def test_it_is_written_with_the_report(self, tmp_path: Path, run_cli):
        run = answered(tmp_path, RIGHTS)
        code, said, _ = run_cli("report", "run", "--quiet", "--runs", str(tmp_path))
        assert (code, "index.html" in said) == (0, True)
        assert (run.report / "index.html").read_text() == page_of(run)

    def test_five_rows_of_three_seeds_are_less_than_500_kilobytes(self, tmp_path: Path):
        generator = np.random.default_rng(0)
        rights = {name: generator.random((3, 10_000)) < 0.98 for name in ("cnn", "vit", "vgg", "alex", "rcnn")}
        assert len(paged(tmp_path, rights)) < 300_000  # pictures take 200,000 at most

    @pytest.mark.slow
    def test_500_trials_on_all_of_mnist_are_at_most_5_megabytes(self, tmp_path: Path):
        run = many(tmp_path, 10_000)
        command = [sys.executable, "-m", "lab2.cli", "report", run.path.name, "--quiet", "--runs", str(tmp_path)]
        subprocess.run(command, check=True, timeout=PATIENCE_S, env={**os.environ, "PYTHONPATH": str(ROOT)})
        text = (run.report / "index.html").read_text()
        assert len(text.encode()) <= 5_000_000
        # It holds which images each trial is right about.
        assert [len(row["right"]) for row in Page(text).data()["rows"]] == [20] * 25


class TestForeignText:
    def test_names_of_classes_are_text(self, tmp_path: Path):
        run = answered(tmp_path, RIGHTS)
        with_classes(run, leaked={"test in train": 3}, leaks={"test in train": ("<b>one</b> and two",)})
        text = page_of(run)
        page = Page(text)
        assert "\x1b" not in text
        assert sum(tag in ("script", "img", "b") for tag, _ in page.elements) == 2  # its own scripts
        shown = page.all_texts("bdi")
        for name in NASTY:
            assert name.replace("\x1b", "\\x1b") in shown, name
        assert any("<b>one</b> and two" in leak for leak in page.all_texts("p", **{"class": "warning strong"}))
        assert page.data()["classes"] == [name.replace("\x1b", "\\x1b") for name in NASTY]

    def test_names_that_are_read_from_the_right_do_not_turn_a_sentence(self, tmp_path: Path):
        """Images of class 3 alone are taken for class 4, by one of two seeds."""
        hebrew, long = NASTY[3:5]
        wrong = np.arange(1000) % 10 == 3
        run = answered(tmp_path, {"a": np.stack([~wrong, np.ones(1000, bool)]), "b": RIGHTS["b"]})
        with_classes(run)
        text = page_of(run)
        sentence = f"a: most often <bdi>{hebrew}</bdi> taken for <bdi>{long}</bdi>: 50</summary>"
        assert sentence in " ".join(text.split())
        assert f"<td><bdi>{hebrew}</bdi> or <bdi>{long}</bdi></td>" in text
        names = {name.replace("\x1b", "\\x1b") for name in NASTY}
        shown = [each for each in Page(text).all_texts("bdi") if hebrew in each]
        assert set(shown) == {hebrew} <= names

    def test_so_are_reasons(self, tmp_path: Path):
        trials = [*seeds_of("a"), *seeds_of("b")]
        run = make_run(tmp_path, *trials)
        leave(run, trials[0], RIGHTS["a"][0])
        write_shard(run.shard(trials[1].name), unfinished(trials[1], "failed", "<script>x</script> \x1b[31m\u202eabc"))
        page = Page(page_of(run))
        (reason,) = page.all_texts("ul", **{"class": "failures"})
        assert reason == "b: failed: <script>x</script> \\x1b[31m\\u202eabc"


class TestAnswer:
    def test_the_first_claim_is_the_title_and_caveats_stand_above_it(self, tmp_path: Path):
        text = paged(tmp_path, smoke=True)
        assert Page(text).text("h1").startswith("a is the best: it is shown to be better than b and c (than b by 5.00")
        assert text.index("SMOKE RUN") < text.index("<h1>")

    def test_where_there_is_no_single_winner_the_title_is_the_first_sentence_only(self, tmp_path: Path):
        rights = {"b": among(1000, range(900)), "d": among(1000, range(870), range(900, 930))}
        rights["e"] = among(1000, range(850))
        page = Page(paged(tmp_path, {name: one[None].repeat(2, 0) for name, one in rights.items()}, margin=0.1))
        assert page.text("h1") == "No single winner is shown: b or d may be the best."
        assert page.all_texts("p", **{"class": "answer"})[0] == "b and d are shown to be better than e."

    def test_one_row_says_what_it_reached(self, tmp_path: Path):
        page = Page(paged(tmp_path, {"a": RIGHTS["a"][:1]}))
        assert page.text("h1") == "a: 95.00% of the test images, 95 % interval 93.47 to 96.19."  # Wilson, by hand

    @pytest.mark.parametrize("ended", ["failed", "missing"])
    def test_where_nothing_has_a_result_it_says_so(self, tmp_path: Path, ended: str):
        trials = [make_trial("cnn"), make_trial("vit")]
        run = make_run(tmp_path, *trials)
        if ended == "failed":
            for trial in trials:
                write_shard(run.shard(trial.name), unfinished(trial, "failed", "diverged"))
        page = Page(page_of(run))
        assert page.text("h1") == "No trial has finished with a result, so there is nothing to compare."
        assert [text.split(":")[0] for text in page.all_texts("li") if ended in text] == ["cnn", "vit"]
        assert page.data() is None

    def test_rows_that_cannot_be_compared_say_why(self, tmp_path: Path):
        trials = [make_trial("cnn"), make_trial("vit")]
        run = make_run(tmp_path, *trials)
        for trial in trials:
            write_shard(run.shard(trial.name), finished(trial))
        page = Page(page_of(run))
        assert page.text("h1") == "The rows are not compared; the notes below the table say why."
        assert any("they have no predictions: cnn-seed1, vit-seed1" in note for note in page.all_texts("li"))


class TestTable:
    def test_the_most_accurate_row_is_first_and_numbers_have_values_to_sort_by(self, tmp_path: Path):
        text = paged(tmp_path, {"b": RIGHTS["b"], "a": RIGHTS["a"]})
        rows = re.search(r'<table id="rows">(.*?)</table>', text, re.DOTALL)[1]
        assert re.findall(r"</svg> (\w+)</th>", rows) == ["a", "b"]
        assert 'data-value="0.95"' in rows

    def test_the_published_figures_are_those_of_the_papers_page(self):
        known = dict(re.findall(r"^\| (\S+) \| ([\d.]+) % \|", (ROOT / "docs/the-lab.md").read_text(), re.MULTILINE))
        assert {name.lower(): round(float(share) / 100, 4) for name, share in known.items()} == PUBLISHED

    def test_they_stand_beside_ours_on_mnist(self, tmp_path: Path):
        whole = DataConfig()
        assert "the lab’s accuracy" in Page(paged(tmp_path, data=whole)).all_texts("th")
        assert "the lab’s accuracy" not in Page(paged(tmp_path / "smoke", data=whole, smoke=True)).all_texts("th")
        assert "the lab’s accuracy" not in Page(paged(tmp_path / "part", data=SMALL)).all_texts("th")


class TestPairs:
    def test_the_page_holds_which_row_is_right_about_which_image(self, tmp_path: Path):
        generator = np.random.default_rng(0)
        rights = {name: generator.random((2, 1003)) < share for name, share in (("a", 0.9), ("b", 0.7))}
        found = Page(paged(tmp_path, rights)).data()
        assert [row["job"] for row in found["rows"]] == ["a", "b"]
        for row in found["rows"]:
            assert row["seeds"] == [1, 2]
            for text, right in zip(row["right"], rights[row["job"]], strict=True):
                assert (unpacked(text, 1003) == right).all()

    def test_a_cell_has_the_difference_and_its_interval_from_both_sides(self, tmp_path: Path):
        text = paged(tmp_path)
        cells = re.findall(r'<td class="(better|worse)" title="[^"]*"><span>(.*?)</span> <small>\[(.*?)\]', text)
        (verdict, difference, ends), mirrored = cells[0], cells[2]
        assert (verdict, difference) == ("better", "+5.00")
        low, high = ends.split(", ")
        flip = str.maketrans("+−", "−+")
        assert mirrored == ("worse", "−5.00", f"{high.translate(flip)}, {low.translate(flip)}")

    def test_without_pictures_it_says_why(self, tmp_path: Path):
        assert "Pictures are not shown: the data set holds other images now." in paged(tmp_path)
        assert "do not identify their images" in paged(tmp_path / "old", known=False)


@pytest.mark.slow  # it decodes pictures
def test_the_command_that_made_the_run_is_in_it(tmp_path: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["lab2", "run-local", "--jobs", "my jobs/", "--seeds", "1"])
    run = start(tmp_path / "runs", [on_folder(make_trial("cnn"), image_folder)], smoke=False, device="cpu")
    assert Page(page_of(run)).text("code") == "lab2 run-local --jobs 'my jobs/' --seeds 1"
