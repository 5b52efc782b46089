"""Foreign text in one line, and for each kind of output."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from lab2.foreign_text import LONGEST, for_csv, for_markdown, for_terminal, is_visible, one_line
from tests.test_foreign_text import UNSEEN


class TestOneLine:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("plain", "plain"),
            ("naïve – ✓ 中文 عربي\u00a0\u3000", "naïve – ✓ 中文 عربي\u00a0\u3000"),
            ("\x1b[31m", r"\x1b[31m"),
            ("\x9b", r"\x9b"),
            ("a\r\nb\tc", r"a\r\nb\tc"),
            ("\u202e\u2066\u200b\ufeff\u00ad", r"\u202e\u2066\u200b\ufeff\xad"),
            ("\u2028\u2029", r"\u2028\u2029"),
            ("\U000e0041", r"\U000e0041"),  # a tag: text that no one sees
            ("\ud800", r"\ud800"),
            ("\0\x7f", r"\x00\x7f"),
        ],
    )
    def test_shows_what_cannot_be_seen(self, text: str, shown: str):
        assert one_line(text) == shown

    @given(st.text())
    def test_nothing_unseen_is_left_and_twice_is_once(self, text: str):
        shown = one_line(text)
        assert not any(unicodedata.category(c) in UNSEEN for c in shown)
        assert one_line(shown) == shown
        assert is_visible(shown)
        assert len(shown.splitlines()) <= 1

    def test_what_is_too_long_is_cut_once(self):
        cut = one_line("x" * (LONGEST + 1))
        assert len(cut) == LONGEST
        assert cut.endswith("x…")
        assert one_line(cut) == cut
        assert one_line("x" * LONGEST) == "x" * LONGEST

    @given(st.text())
    def test_a_terminal_gets_lines_and_tabs_and_nothing_else(self, text: str):
        left = [c for c in for_terminal(text) if unicodedata.category(c) in UNSEEN]
        assert left == [c for c in text if c in "\n\t"]


class TestOutputs:
    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
    def test_a_spreadsheet_shows_a_formula(self, text: str):
        assert for_csv(text) == f"'{text}"

    @pytest.mark.parametrize("text", ["", "a=1", "cnn", "'=1", " =1", "1-2"])
    def test_other_cells_stay(self, text: str):
        assert for_csv(text) == text

    @pytest.mark.parametrize(
        "text",
        [
            r"a | b \| c \ d",
            "`code` ``more``",
            "<script>alert(1)</script> <b>",
            "&lt; &amp; &#60;",
            "[text](http://evil.example) ![image](x) [ref][1]",
            "<http://evil.example>",
            "*a* **b** _c_ __d__ ~~e~~",
            "faster_rcnn out_of_memory a_b_c",
            r"C:\new\table",
        ],
    )
    def test_markdown_shows_the_text_itself(self, text: str):
        """Rendered by another's Markdown."""
        html = MarkdownIt("gfm-like", {"linkify": False}).render(f"- {for_markdown(text)}")
        shown = html.removeprefix("<ul>\n<li>").removesuffix("</li>\n</ul>\n")
        assert "<" not in shown
        for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
            shown = shown.replace(entity, character)
        assert shown == text

    def test_an_address_is_not_made_a_link(self):
        """GitHub makes links of what begins so. Source: GitHub Flavored Markdown, "Autolinks (extension)"."""
        text = for_markdown("see http://a.example, https://b.example and www.c.example")
        assert "://" not in text
        assert "www." not in text
