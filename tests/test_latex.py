"""The table in LaTeX: it compiles, whatever names and reasons hold, and says what the other tables say."""

from __future__ import annotations

import re
import shutil
import subprocess
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lab2.foreign_text import for_latex, is_visible
from lab2.measure.predictions import Predictions, write_predictions
from lab2.report.latex import LETTERS, latex
from lab2.report.report import make_report
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from lab2.results.shard import unfinished, write_shard
from tests.conftest import finished, make_run, make_trial

NASTY = r"""100 % of $x_1 & y^2, C:\new\end{document} #1 ~ "a" `b' ''c'' [d] *e* --f -- <g> | {h"""
SYMBOLS = {
    "textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textbar": "|", "textless": "<",
    "textgreater": ">", "textdagger": "†", "textendash": "–", "textemdash": "—", "ldots": "…",
}  # fmt: skip
MATHS = {r"\geq": "≥", r"\leq": "≤", r"\pm": "±", r"\times": "×", "-": "−", r"\mu": "µ", r"\frac12": "½"}
LETTERS_OF_TEX = {"ss": "ß", "ae": "æ", "AE": "Æ", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł"}
ACCENTS = dict(zip("`'^~\"=.cvrH", "\u0300\u0301\u0302\u0303\u0308\u0304\u0307\u0327\u030c\u030a\u030b", strict=True))
TOKEN = re.compile(
    r"\\(?P<plain>[#$%&_{}])"
    r"|\\(?P<symbol>[a-zA-Z]+)\{\}"
    r"|\{\\char(?P<code>\d+)\}"
    r"|\{\\(?P<letter>[a-zA-Z]+)\}"
    r"|\{(?P<alone>[\[\]*])\}"
    r"|\$(?P<math>[^$]+)\$"
    r"|\\(?P<accent>[`'^~\"=.cvrH])\{(?P<base>[A-Za-z]|\\i|\\j)\}"
    r"|(?P<tie>~)|(?P<hyphen>[-'])(?!(?P=hyphen))(?:\{\})?"
    r"|(?P<text>[A-Za-z0-9 !()+,./:;=?@])"
)


def read_latex(text: str) -> str:
    """What TeX sets of `text`. Fails where a character that TeX obeys stands by itself."""
    found, place = "", 0
    while place < len(text):
        token = TOKEN.match(text, place)
        assert token, f"TeX would obey {text[place : place + 20]!r}"
        place = token.end()
        match token.lastgroup:
            case "symbol":
                found += SYMBOLS[token["symbol"]]
            case "code":
                found += chr(int(token["code"]))
            case "letter":
                found += LETTERS_OF_TEX[token["letter"]]
            case "math":
                found += MATHS[token["math"]]
            case "accent" | "base":
                found += unicodedata.normalize("NFC", token["base"].lstrip("\\") + ACCENTS[token["accent"]])
            case "tie":
                found += "\xa0"
            case other:
                found += token[other]
    return found


class TestText:
    @given(st.text(st.characters(codec="ascii")))
    @example(NASTY)
    @example("---''' -'")
    def test_ascii_is_set_as_it_is(self, text: str):
        visible = text.replace("\n", " ")
        wanted = "".join(c if is_visible(c) else c.encode("unicode_escape").decode() for c in visible)
        assert read_latex(for_latex(text)) == wanted

    @given(st.text())
    @example("Übung ≥ ½ † Œ 中文 ☃ é\u0301 ǻ")
    def test_any_text_is_ascii_that_tex_does_not_obey(self, text: str):
        escaped = for_latex(text)
        assert escaped.isascii()
        read_latex(escaped)

    def test_accents_are_set_and_what_has_no_glyph_is_named(self):
        assert read_latex(for_latex("Müller–Łódź, naïve ≥ 3 ß")) == "Müller–Łódź, naïve ≥ 3 ß"
        assert for_latex("中") == "U+4E2D"


def nasty_run(folder: Path) -> RunDir:
    """Two rows that are shown to differ, and one that failed for a reason that TeX would obey."""
    trials = [make_trial("cnn"), make_trial("vit"), make_trial("alexnet")]
    run = make_run(folder, *trials)
    truth = np.arange(400) % 10
    for trial, wrong in zip(trials, (4, 200), strict=False):
        answer = np.where(np.arange(400) < wrong, (truth + 1) % 10, truth)
        known = Predictions(truth, answer, np.eye(10, dtype=np.float32)[answer], np.arange(400, dtype=np.uint64))
        write_predictions(run.predictions(trial.name), known)
        write_shard(
            run.shard(trial.name),
            finished(trial, 1 - wrong / 400, test_images=400, device_name=NASTY, lab2_version="1", threads=2),
        )
    write_shard(run.shard(trials[2].name), unfinished(trials[2], "failed", f"{NASTY}\n中"))
    return run


def written(run: RunDir) -> str:
    return latex(make_report(run, collect(run)))


@pytest.fixture
def table(tmp_path: Path) -> str:
    return written(nasty_run(tmp_path))


class TestTable:
    def test_each_row_has_a_cell_for_each_column(self, table: str):
        columns = re.search(r"\\begin\{tabular\}\{(\w+)\}\n\\toprule\n(.*)\\bottomrule", table, re.DOTALL)
        assert columns
        rows = [line for line in columns[2].splitlines() if line != r"\midrule"]
        assert len(rows) == 4
        for row in rows:
            assert len(re.split(r"(?<!\\)&", row)) == len(columns[1]), row
            assert row.endswith(r" \\")

    def test_letters_stand_behind_the_accuracy_and_are_explained(self, table: str):
        assert re.search(r"^cnn & 99\.00\\% .*?\\textsuperscript\{a\} &", table, re.MULTILINE)
        assert re.search(r"^vit & 50\.00\\% .*?\\textsuperscript\{b\} &", table, re.MULTILINE)
        assert LETTERS in table

    def test_what_the_page_has_no_room_for_is_named(self, table: str):
        assert table.startswith("% no room for: ECE; table.csv has all\n")

    def test_every_environment_and_brace_is_closed(self, table: str):
        for name in ("table", "tabular", "minipage"):
            assert (table.count(rf"\begin{{{name}}}"), table.count(rf"\end{{{name}}}")) == (1, 1)
        bare = re.sub(r"\\[{}\\]", "", table)
        assert bare.count("{") == bare.count("}")

    def test_the_reason_of_a_failure_stands_below_it_as_text(self, table: str):
        (line,) = [line for line in table.splitlines() if line.startswith("alexnet: failed: ")]
        assert read_latex(line.removesuffix(r"\par")) == rf"alexnet: failed: {NASTY}\n" + "U+4E2D"

    def test_a_run_without_a_comparison_has_no_letters(self, tmp_path: Path):
        trial = make_trial("cnn")
        run = make_run(tmp_path, trial)
        write_shard(run.shard(trial.name), finished(trial))
        assert "textsuperscript" not in written(run)
        assert LETTERS not in written(run)

    def test_a_run_by_any_name_can_be_referred_to(self, tmp_path: Path):
        run = nasty_run(tmp_path)
        found = collect(run)
        named = replace(found, plan=replace(found.plan, run_id="a_b}%c"))
        assert r"\label{tab:a-b--c}" in latex(make_report(run, named))

    @pytest.mark.slow
    @pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here: the table is not compiled")
    def test_it_compiles(self, table: str, tmp_path: Path):
        page = "\n".join([r"\documentclass{article}", r"\usepackage{booktabs}", r"\begin{document}", table])
        (tmp_path / "page.tex").write_text(page + "\\end{document}\n")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "page.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
