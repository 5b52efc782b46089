"""Figures of a report alone: what is in their files, where things stand, and what `lab2 plot` says."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lab2.report.figures import drawing as drawn
from lab2.report.figures.cost import cost_figures
from lab2.report.figures.drawing import COLUMN, SLIDE, Drawing, figure_of, rendered
from lab2.report.figures.fonts import shown
from lab2.report.figures.kinds import KINDS, Asked, draw
from lab2.report.figures.material import Material
from lab2.report.figures.sheet import colour_of
from lab2.report.labels import shortened
from lab2.report.report import Report, make_report
from lab2.results.collect import collect
from lab2.results.journal import CurvePoint, Journal
from lab2.results.run_dir import RunDir
from lab2.results.shard import write_shard
from tests.answered import among, answered
from tests.conftest import finished, make_run, make_trial
from tests.paged import NASTY, RIGHTS, chapters, with_classes

needs_matplotlib = pytest.mark.skipif(
    find_spec("matplotlib") is None, reason="matplotlib is not installed: figures are NOT drawn here"
)
SVG = "{http://www.w3.org/2000/svg}"
NAMES = ("$x_1$ & y", *NASTY)


def validated(run: RunDir) -> None:
    """Two points of a learning curve for each trial."""
    for trial in run.read_plan().trials:
        journal = Journal(run, trial.name)
        for images, accuracy in ((300, 0.5), (600, 0.8)):
            journal.add(
                CurvePoint(
                    epoch=1, images=images, loss=0.1, validation_accuracy=accuracy + trial.seed / 100,
                    validation_macro_f1=accuracy, train_seconds=images / 100,
                )
            )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Three rows of three seeds with costs and curves, on classes with names that are hard to show."""
    found = answered(tmp_path / "runs", RIGHTS, parameters=10_000, latency_p50_seconds=0.01)
    with_classes(found, NAMES[:10])
    validated(found)
    return found


def report_of(run: RunDir) -> Report:
    return make_report(run, collect(run), chapters())


def texts(svg: bytes) -> list[str]:
    """What stands in the text elements."""
    return ["".join(one.itertext()) for one in ET.fromstring(svg).iter(f"{SVG}text")]


def drawing(report: Report, kind: str, **asked: Any) -> Drawing:
    return draw(report, [kind], Asked(**asked))[0]


@needs_matplotlib
class TestFiles:
    @pytest.mark.parametrize("kind", KINDS)
    def test_each_kind_has_its_size_and_the_same_bytes_again(self, run: RunDir, kind: str):
        first, again = drawing(report_of(run), kind), drawing(report_of(run), kind)
        svg = rendered(first, COLUMN, "svg")
        assert svg == rendered(again, COLUMN, "svg")
        assert ET.fromstring(svg).get("width") == "237.6pt"  # 3.3 inches
        assert Image.open(io.BytesIO(rendered(first, COLUMN, "png"))).width == 990
        assert Image.open(io.BytesIO(rendered(first, SLIDE, "png"))).size == (1920, 1080)

    @pytest.mark.parametrize("form", ["pdf", "png"])
    def test_pdf_and_png_are_the_same_again_and_have_no_date(self, run: RunDir, form: drawn.Format):
        one = drawing(report_of(run), "intervals")
        written = rendered(one, COLUMN, form)
        assert written == rendered(one, COLUMN, form)
        assert b"CreationDate" not in written

    def test_what_it_shows_stands_in_it_in_words(self, run: RunDir):
        one = drawing(report_of(run), "intervals")
        assert "a 95.00% [" in one.conclusion
        root = ET.fromstring(rendered(one, COLUMN, "svg"))
        assert [root.findtext(f"{SVG}title"), root.findtext(f"{SVG}desc")] == [one.title, one.conclusion]
        labelled = {element.get("id") for element in root}
        assert set((root.get("aria-labelledby") or "?").split()) <= labelled
        picture = Image.open(io.BytesIO(rendered(one, COLUMN, "png")))
        assert (picture.info["Title"], picture.info["Description"]) == (one.title, one.conclusion)
        assert b"/Title" in rendered(one, COLUMN, "pdf")
        assert b"/Subject" in rendered(one, COLUMN, "pdf")

    def test_names_are_text_and_neither_formulas_nor_elements(self, run: RunDir):
        svg = rendered(drawing(report_of(run), "confusion"), SLIDE, "svg")
        assert "$x_1$ & y" in texts(svg)
        assert "esc\\x1b[31m" in texts(svg)
        assert not [one for one in ET.fromstring(svg).iter() if one.tag.rpartition("}")[2] in ("script", "img")]

    def test_what_a_user_has_set_does_not_change_a_figure(self, run: RunDir):
        import matplotlib as mpl

        one = drawing(report_of(run), "cost")
        before = rendered(one, COLUMN, "svg")
        with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "lines.linewidth": 9}):
            assert rendered(one, COLUMN, "svg") == before
            assert mpl.rcParams["font.size"] == 30  # nor does the figure change that

    def test_a_row_has_the_colour_that_it_has_in_the_page(self, run: RunDir):
        found = Material(report_of(run))
        svg = rendered(cost_figures(found, ("time",), log=True)[0], COLUMN, "svg").decode()
        assert {one for one in ("a", "b", "c") if colour_of(found.styles[one].colour) in svg} == {"a", "b", "c"}
        assert re.fullmatch("#[0-9a-f]{6}", colour_of("good"))


def test_a_name_keeps_its_ends_and_a_character_without_a_glyph_its_code():
    assert shortened("abcdefghij", 10) == "abcdefghij"
    assert shortened("abcdefghijk", 5) == "ab…jk"
    if find_spec("matplotlib"):
        assert shown("vgg")[1] == ["DejaVu Sans"]
        assert shown("a\U0010fffd")[0] == "aU+10FFFD"  # of the private use area: in no font


@needs_matplotlib
class TestPlaces:
    """Where things stand, in points from the left and from the top."""

    def corners(self, one: Drawing, colour: str) -> list[Any]:
        """The lines of that colour, as their points."""
        axes = figure_of(one, COLUMN).axes[0]
        return [[tuple(p) for p in line.get_xydata()] for line in axes.lines if line.get_color() == colour_of(colour)]

    def places(self, one: Drawing) -> list[tuple[float, float]]:
        """The middles of the marks."""
        axes = figure_of(one, COLUMN).axes[0]
        marks = [patch for patch in axes.patches if patch.get_zorder() == 3]
        boxes = [patch.get_path().get_extents(patch.get_patch_transform()) for patch in marks]
        return [((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for box in boxes]

    def test_the_front_is_stairs_through_what_nothing_cheaper_beats(self, tmp_path: Path):
        trials = [make_trial(name) for name in ("cnn", "vit", "faster_rcnn")]
        run = make_run(tmp_path, *trials)
        for trial, accuracy, seconds in zip(trials, (0.9, 0.8, 0.95), (10.0, 100.0, 1000.0), strict=True):
            write_shard(run.shard(trial.name), finished(trial, accuracy, train_seconds=seconds))
        one = drawing(report_of(run), "cost", costs=("time",))
        assert one.conclusion.endswith("more accurate than cnn (10 s, 90.00%) and faster_rcnn (1,000 s, 95.00%).")
        ((first, below, second, end),) = self.corners(one, "accent")
        assert (first[1], below[0], second[1]) == (below[1], second[0], end[1])
        assert first[0] < second[0] < end[0]
        assert first[1] > second[1]  # more accurate is higher
        cnn, vit, detector = sorted(x for x, _ in self.places(one))
        assert vit - cnn == pytest.approx(detector - vit)  # equal ratios are equal distances

    def test_a_difference_and_its_interval_stand_where_the_ticks_say(self, run: RunDir):
        report = report_of(run)
        one, judged = drawing(report, "differences"), report.finding.judged
        zero, minus_five, again, five, *_ = (line[0][0] for line in self.corners(one, "quiet"))
        assert (zero, zero - minus_five) == pytest.approx((again, five - zero))  # ticks at -5, 0, 5 and 10 points
        pairs = sorted(judged.pairs, key=lambda pair: -pair.difference)
        wanted = [[zero + (five - zero) * 20 * share for share in (pair.low, pair.high)] for pair in pairs]
        found = [[x for x, _ in line] for line in self.corners(one, "good")]  # all are shown to be better
        assert np.array(found) == pytest.approx(np.array(wanted))
        assert [x for x, _ in self.places(one)] == pytest.approx([sum(ends) / 2 for ends in wanted])

    def test_rows_stand_below_one_another_the_most_accurate_first(self, run: RunDir):
        places = self.places(drawing(report_of(run), "intervals"))
        assert [y for _, y in places] == sorted(y for _, y in places)
        assert [x for x, _ in places] == sorted((x for x, _ in places), reverse=True)

    def test_a_slide_with_much_on_it_has_smaller_text(self, tmp_path: Path):
        rights = {f"r{number}": among(200, range(100 + number)) for number in range(30)}
        report = report_of(answered(tmp_path, {name: right[None] for name, right in rights.items()}))
        one = drawing(report, "intervals")
        sizes = {text.get_fontsize() for text in figure_of(one, SLIDE).axes[0].texts}
        assert max(sizes) < SLIDE.font
        assert one.height(SLIDE) * max(sizes) == pytest.approx(7.5 * 72)


@needs_matplotlib
class TestKinds:
    def test_rows_can_be_chosen(self, run: RunDir):
        svg = rendered(drawing(report_of(run), "intervals", rows=("a", "c")), COLUMN, "svg")
        assert [text for text in texts(svg) if text in RIGHTS] == ["a", "c"]
        pairs = rendered(drawing(report_of(run), "differences", rows=("a", "c")), COLUMN, "svg")
        assert [text for text in texts(pairs) if "−" in text and text[0] in RIGHTS] == ["a − c"]

    def test_of_many_classes_the_commonest_mistakes_are_bars(self, run: RunDir, monkeypatch):
        monkeypatch.setattr("lab2.report.page.answers.LARGEST_MATRIX", 5)
        one = drawing(report_of(run), "confusion")
        assert "taken for" in one.conclusion
        svg = texts(rendered(one, COLUMN, "svg"))
        assert "$x_1$ & y → <script…cript>" in svg
        assert "test images: true class → answer" in svg

    def test_curves_of_a_search_are_those_of_its_chapter(self, run: RunDir):
        one = drawing(report_of(run), "tuning")
        assert (one.name, one.conclusion) == ("tuning-curves", "cnn: 80% after 3 settings. vit: 90% after 3 settings.")

    def test_what_a_run_has_not_is_not_drawn(self, tmp_path: Path):
        trial = make_trial("cnn")
        empty = make_report(found := make_run(tmp_path, trial), collect(found))
        assert draw(empty, list(KINDS), Asked()) == []


class TestCommand:
    @needs_matplotlib
    def test_it_says_what_the_figure_shows_and_what_was_written(self, run: RunDir, run_cli, tmp_path: Path):
        where = tmp_path / "paper" / "figures"
        code, said, _ = run_cli(
            *("plot", "cost", "run", "--cost", "latency", "--size", "column", "--format", "pdf", "--out", str(where))
        )
        assert code == 0
        assert "Latency of one image" in said
        assert said.rstrip().endswith(": cost-latency-column.pdf")
        assert (where / "cost-latency-column.pdf").read_bytes().startswith(b"%PDF")

    @needs_matplotlib
    def test_what_cannot_be_drawn_is_said_with_its_reason(self, tmp_path: Path, run_cli):
        trial = make_trial("cnn")
        run = make_run(tmp_path / "runs", trial)
        write_shard(run.shard(trial.name), finished(trial))
        code, _, said = run_cli("plot", "tuning", "run")
        assert (code, "nothing to draw as tuning" in said, "lab2 tune" in said) == (2, True, True)
        code, _, said = run_cli("plot", "intervals", "run", "--rows", "vit")
        assert (code, "--rows vit: no such row; there are: cnn" in said) == (2, True)

    @needs_matplotlib
    def test_a_report_has_them_where_they_are_asked_for(self, run: RunDir, run_cli, monkeypatch):
        monkeypatch.setattr("lab2.report.figures.kinds.KINDS", {"intervals": KINDS["intervals"]})
        code, said, _ = run_cli("report", "run", "--quiet", "--figures")
        assert (code, "6 files of figures in figures/" in said) == (0, True)
        names = {f"intervals-{size}.{form}" for size in ("column", "slide") for form in ("svg", "pdf", "png")}
        assert {one.name for one in (run.report / "figures").iterdir()} == names

    @pytest.mark.parametrize(
        ("words", "answer"),
        [
            (("plot", "pie"), "lab2 plot pie: wanted cost, intervals, "),
            (("plot", "cost", "--cost", "money"), "--cost money: wanted time, parameters, memory, latency, flops"),
            (("plot", "curves", "--cost", "time"), "lab2 plot curves: --cost is for cost"),
            (("plot", "curves", "--linear"), "lab2 plot curves: --linear is for cost"),
            (("plot", "cost", "--size", "poster"), "--size poster: wanted column, slide"),
            (("plot", "cost", "--format", "gif"), "--format gif: wanted svg, pdf, png"),
        ],
    )
    def test_a_word_that_there_is_not_is_refused_with_those_that_are(self, run_cli, words, answer: str):
        code, _, said = run_cli(*words)
        assert (code, answer in said) == (2, True)

    def test_without_matplotlib_one_sentence_says_how_to_install_it(self, run_cli, monkeypatch):
        monkeypatch.setattr(drawn, "find_spec", lambda name: None)
        for words in (("plot", "cost"), ("report", "--figures")):
            code, said, warned = run_cli(*words)
            assert (code, said) == (2, "")
            assert warned == "lab2: figures need matplotlib, which is not installed; pip install 'lab2[figures]'\n"
