"""Who reaches the page, and how: by keys alone, on paper, and what axe-core finds in all its states."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.axe import violations
from tests.browser import DEMANDED, Browser, unavailable
from tests.page_kinds import RUNS
from tests.printed import pages_of

PAPER = 720  # pixels between the margins of a sheet of A4


@pytest.mark.page
class TestKeys:
    """Each control is reached by Tab from the top of the page, and used by keys."""

    @pytest.fixture
    def at_top(self, shown: Browser, pages) -> Browser:
        shown.open(pages["three"])
        return shown

    def test_the_first_stop_leads_past_the_sections(self, at_top: Browser):
        at_top.press("Tab", "Enter")
        assert at_top.run("return location.hash") == "#table"

    def test_sort(self, at_top: Browser):
        at_top.tab_to("#rows th:nth-child(2) button")
        at_top.press("Enter")
        assert at_top.texts("#rows tbody th") == ["cnn", "resnet", "vit"]
        at_top.press("Space")
        assert at_top.texts("#rows tbody th") == ["vit", "resnet", "cnn"]

    def test_filter(self, at_top: Browser):
        at_top.tab_to("#find")
        at_top.press(*"resn")
        assert at_top.texts("#rows tbody th") == ["resnet"]
        at_top.press(*["Back"] * 4)
        at_top.tab_to("#status")
        at_top.press("Down")
        assert at_top.run("return document.querySelector('#status').value") == "ok"
        assert at_top.text("#found") == "3 of 3 rows"

    def test_cost_and_scale(self, at_top: Browser):
        seen = "return [...document.querySelectorAll('#cost-charts figure:not([hidden])')].map(f => ({...f.dataset}))"
        at_top.tab_to("#cost-axis")
        at_top.press("Down")
        assert at_top.run(seen) == [{"cost": "parameters", "log": "true"}]
        at_top.tab_to("#cost-log")
        at_top.press("Space")
        assert at_top.run(seen) == [{"cost": "parameters", "log": "false"}]

    def test_pairs_seeds_and_classes(self, at_top: Browser):
        at_top.tab_to("#matrix button[data-first='1'][data-second='2']")
        at_top.press("Enter")
        before = at_top.text("#difference")
        assert before.startswith("resnet \u2212 vit: ")
        at_top.tab_to("#first .boxes label:nth-child(2) input")
        at_top.press("Space")
        assert at_top.text("#difference") != before
        at_top.tab_to("#some-classes summary")
        at_top.press("Enter")
        at_top.tab_to("#some-classes button[value=none]")
        at_top.press("Enter")
        assert at_top.text("#difference").startswith("Choose two different rows")
        at_top.tab_to("#some-classes label:nth-child(4) input")
        at_top.press("Space")
        assert "On 60 test images" in at_top.text("#difference")

    def test_confusion_matrices(self, at_top: Browser):
        at_top.tab_to("#confusion-second")
        at_top.press("Down")
        assert at_top.texts("#confusion-shown figcaption") == ["cnn", "vit", "cnn \u2212 vit"]
        at_top.tab_to("#confusions details:nth-child(2) summary")
        at_top.press("Enter")
        assert at_top.run("return [...document.querySelectorAll('#confusions details')].map(d => d.open)") == [
            False, True, False,
        ]  # fmt: skip


@pytest.mark.page
class TestPaper:
    @pytest.mark.parametrize("scripts", [True, False])
    def test_what_was_closed_chosen_or_filtered_away_is_printed(self, shown: Browser, pages, scripts: bool):
        shown.open(pages["five"], scripts=scripts)
        if scripts:
            shown.choose("#cost-axis", "parameters")
            shown.click("#cost-log")
            shown.choose("#confusion-second", "")
            shown.click("#find")
            shown.press(*"vgg")
            shown.run("document.querySelectorAll('#origin details').forEach(one => { one.open = false; })")
        printed = pages_of(shown.pdf())
        shown.devtools("Emulation.setScriptExecutionDisabled", value=False)
        whole = "".join(printed)
        for job in ("cnn", "vit", "alexnet", "vgg16", "resnet20_with_a_long_name"):
            row = shown.run(
                "return [...document.querySelectorAll('#rows tbody tr')]"
                ".find(r => r.children[0].textContent.trim() === arguments[0]).children[1].textContent",
                job,
            )
            assert f"{job}{re.sub(r'[ ]', '', row)}" in whole
            assert re.search(rf"{job}:mostoften\dtakenfor\d:\d+0123456789", whole), "no confusion matrix"
            assert re.search(rf"{job}architecture\w+seeds1effort", whole), "no provenance"
        for cost in (
            "Trainingtime(seconds)",
            "Parameters(millions)",
            "Memorytotrain(GiB)",
            "Latencyofoneimage",
            "FLOPs",
        ):
            assert len(re.findall(rf"{re.escape(cost)}[^.]*andtestaccuracy", whole)) == 1, cost
        assert "logarithmic" not in whole  # no control
        assert len(printed) < 25

    @pytest.mark.parametrize("kind", [kind for kind in RUNS if kind != "many"])
    def test_nothing_is_wider_than_the_paper(self, shown: Browser, pages, kind: str):
        shown.open(pages[kind])
        shown.on_paper(PAPER)
        assert shown.run("return document.documentElement.scrollWidth") <= PAPER
        assert shown.run(
            "return [...document.querySelectorAll('table, td, th, figure, p, dl, pre')]"
            ".filter(e => e.getBoundingClientRect().right > arguments[0] + 1).map(e => e.outerHTML.slice(0, 200))",
            PAPER,
        ) == []  # fmt: skip


@pytest.mark.page
class TestAxe:
    @pytest.mark.parametrize("kind", RUNS)
    @pytest.mark.parametrize(("width", "dark"), [(1440, False), (360, True)])
    def test_it_finds_nothing(self, shown: Browser, pages, kind: str, width: int, dark: bool):
        shown.open(pages[kind], width=width, dark=dark)
        assert violations(shown) == []

    @pytest.mark.parametrize(("width", "dark"), [(1440, False), (360, True)])
    def test_nor_after_what_a_reader_does(self, shown: Browser, pages, width: int, dark: bool):
        shown.open(pages["three"], width=width, dark=dark)
        shown.click("#rows th:nth-child(2) button")
        shown.click("#matrix button[data-first='1'][data-second='2']")
        shown.click("#some-classes summary")
        shown.choose("#confusion-second", "vit")
        shown.choose("#cost-axis", "parameters")
        for place in (1, 2, 3):
            shown.click(f"#confusions details:nth-child({place}) summary")
        shown.click("#find")
        shown.press(*"cnn")
        assert violations(shown) == []


def test_in_ci_nothing_is_skipped(monkeypatch):
    monkeypatch.delenv(DEMANDED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="LOUD: no npm"):
        unavailable("no npm")
    monkeypatch.setenv(DEMANDED, "1")
    with pytest.raises(pytest.fail.Exception, match="no npm"):
        unavailable("no npm")
    assert f"{DEMANDED}=1 make test-report" in (Path(__file__).parents[1] / ".ci" / "run").read_text()
