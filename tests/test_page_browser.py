"""The page in a real browser, from disk and without a network: what a reader does with it."""

from __future__ import annotations

import re

import pytest

from lab2.report.finding import find
from lab2.report.page.differences import signed
from lab2.results.collect import collect
from lab2.results.correctness import Collected
from lab2.results.run_dir import RunDir
from tests.browser import Browser
from tests.page_kinds import RUNS, Pages

pytestmark = pytest.mark.page


@pytest.fixture
def run(pages: Pages) -> RunDir:
    """That of the page `three`."""
    assert pages["three"]
    return pages.runs["three"]


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("dark", [False, True])
def test_it_opens_without_a_complaint_and_without_overflow(shown: Browser, pages, kind: str, width: int, dark: bool):
    shown.open(pages[kind], width=width, dark=dark)
    assert shown.run("return document.documentElement.classList.contains('scripted')")
    assert shown.run("return document.documentElement.scrollWidth") <= width
    assert shown.run("return window.alert.toString().includes('native code')")
    light = shown.run("return getComputedStyle(document.body).backgroundColor")
    assert (light == "rgb(255, 255, 255)") != dark


def test_without_scripts_it_has_all_tables_and_charts(shown: Browser, pages):
    shown.open(pages["three"], scripts=False)
    size = shown.devtools("Page.getLayoutMetrics")["cssContentSize"]
    shown.devtools("Emulation.setScriptExecutionDisabled", value=False)
    assert (size["width"], size["height"] > 3000) == (1440, True)
    assert shown.texts("#rows tbody th") == ["cnn", "resnet", "vit"]
    assert len(shown.texts("#cost-charts figure")) == 5
    assert shown.texts(".script") == []


def test_a_click_on_a_title_sorts_and_another_turns_it_round(shown: Browser, pages):
    shown.open(pages["three"])
    shown.click("#rows th:nth-child(2) button")
    assert shown.texts("#rows tbody th") == ["cnn", "resnet", "vit"]
    shown.click("#rows th:nth-child(2) button")
    assert shown.texts("#rows tbody th") == ["vit", "resnet", "cnn"]
    assert shown.run("return document.querySelector('#rows th:nth-child(2)').ariaSort") == "ascending"


def test_the_filter_leaves_rows_that_hold_all_words(shown: Browser, pages):
    shown.open(pages["three"])
    shown.click("#find")
    shown.press("r", "e", "s")
    assert shown.texts("#rows tbody th") == ["resnet"]
    assert shown.text("#found") == "1 of 3 rows"
    shown.open(pages["one seed"])
    shown.choose("#status", "failed")
    assert shown.texts("#rows tbody th") == ["c"]


def test_one_chart_is_shown_for_the_chosen_cost_and_scale(shown: Browser, pages):
    shown.open(pages["three"])
    shown.choose("#cost-axis", "parameters")
    assert shown.run("return [...document.querySelectorAll('#cost-charts figure')].filter(f => !f.hidden)"
                     ".map(f => [f.dataset.cost, f.dataset.log])") == [["parameters", "true"]]  # fmt: skip
    shown.click("#cost-log")
    assert shown.run("return document.querySelector('#cost-charts figure:not([hidden])').dataset.log") == "false"


def test_any_pair_seeds_and_classes_are_compared_as_python_does(shown: Browser, pages, run: RunDir):
    finding = find(Collected(run=run, comparison=collect(run)))
    assert finding.judged is not None
    shown.open(pages["three"])
    names = [row.name for row in finding.judged.rows]
    for first in range(3):
        for second in range(3):
            if first != second:
                shown.click(f"#matrix button[data-first='{first}'][data-second='{second}']")
                answer = finding.judged.pair(names[first], names[second]).answer
                wanted = f"{names[first]} − {names[second]}: {signed(answer.difference)} points, 95 % interval "
                assert shown.text("#difference").startswith(f"{wanted}[{signed(answer.low)}, {signed(answer.high)}], ")
    shown.click("#first .boxes label:nth-child(1) input")
    assert shown.text("#difference").startswith(f"{names[2]} − {names[1]}: ")
    rights, truth = finding.read.right, finding.read.truth
    assert truth is not None
    means = [rights[names[2]][1:].mean(), rights[names[1]].mean()]
    assert signed(float(means[0] - means[1])) in shown.text("#difference")
    shown.click("#some-classes summary")
    shown.click("#some-classes button[value=none]")
    shown.click("#some-classes label:nth-child(4) input")
    assert "On 60 test images" in shown.text("#difference")
    means = [rights[names[2]][1:][:, truth == 3].mean(), rights[names[1]][:, truth == 3].mean()]
    assert signed(float(means[0] - means[1])) in shown.text("#difference")


def test_pictures_are_of_images_that_the_first_is_right_about_and_the_second_not(shown: Browser, pages, run: RunDir):
    shown.open(pages["three"])
    shown.click("#matrix button[data-first='0'][data-second='2']")
    read = find(Collected(run=run, comparison=collect(run))).read
    said = shown.text("#about-pictures")
    better = int((read.right["cnn"].mean(0) > read.right["vit"].mean(0)).sum())
    assert said.startswith(f"cnn is right more often than vit about {better} images")
    for label in shown.run("return [...document.querySelectorAll('#pictures svg')].map(s => s.ariaLabel)"):
        number = int(re.match(r"test image (\d+), ", label)[1])
        assert read.right["cnn"][:, number].mean() > read.right["vit"][:, number].mean()
    assert len(shown.texts("#pictures figure")) == min(24, better)


class TestConfusions:
    def numbers(self, shown: Browser, place: int) -> list[list[float]]:
        """The cells of a matrix that is shown, 0 where they are empty."""
        texts = shown.run(
            "const figure = document.querySelectorAll('#confusion-shown figure')[arguments[0]];"
            "return [...figure.querySelectorAll('tbody tr')].map(row => "
            "[...row.querySelectorAll('td')].map(cell => cell.textContent))",
            place,
        )
        return [[float(text.replace("\u2212", "-") or 0) for text in row] for row in texts]

    def places(self, shown: Browser) -> list[list[float]]:
        """Left and top of each matrix."""
        return list(
            shown.run(
                "return [...document.querySelectorAll('#confusion-shown figure')].map(e => e.getBoundingClientRect())"
                ".map(box => [box.left, box.top])"
            )
        )

    def test_two_stand_beside_each_other_above_their_difference(self, shown: Browser, pages):
        shown.open(pages["five"])
        shown.choose("#confusion-first", "cnn")
        shown.choose("#confusion-second", "vit")
        assert shown.texts("#confusion-shown figcaption") == ["cnn", "vit", "cnn \u2212 vit"]
        one, other, apart = (self.numbers(shown, place) for place in range(3))
        assert sum(map(sum, one)) == sum(map(sum, other)) == 600
        assert apart == [[a - b for a, b in zip(*rows, strict=True)] for rows in zip(one, other, strict=True)]
        (left, top), (right, beside), (below_left, below) = self.places(shown)
        assert (left < right, top == beside, below_left == left, below > top) == (True, True, True, True)

    def test_on_a_phone_they_stand_below_each_other(self, shown: Browser, pages):
        shown.open(pages["five"], width=360)
        lefts, tops = zip(*self.places(shown), strict=True)
        assert (len(set(lefts)), sorted(tops) == list(tops), len(set(tops))) == (1, True, 3)

    def test_one_alone_has_no_difference(self, shown: Browser, pages):
        shown.open(pages["five"])
        shown.choose("#confusion-second", "")
        assert shown.texts("#confusion-shown figcaption") == [shown.texts("#rows tbody th")[0]]

    def test_means_over_seeds_are_subtracted_before_they_are_rounded(self, shown: Browser, pages):
        shown.open(pages["three"])
        apart = self.numbers(shown, 2)
        assert sum(map(sum, apart)) == pytest.approx(0, abs=0.05 * 100)
        exact = shown.run(
            "const of = job => [...document.querySelectorAll(`#confusions table[data-job=${job}] td[class]`)]"
            ".map(c => Number(c.dataset.value ?? (c.textContent || 0)));"
            "const [a, b] = [of('cnn'), of('resnet')]; return a.map((one, place) => one - b[place])"
        )
        assert [one for row in apart for one in row] == pytest.approx(exact, abs=0.0501)


def test_the_table_fits_a_desktop_or_casts_a_shadow_where_it_goes_on(shown: Browser, pages):
    shown.open(pages["five"])
    wide = "const e = document.querySelector('#table .scroll'); return [e.scrollWidth, e.clientWidth]"
    whole, seen = shown.run(wide)
    assert whole <= seen
    shown.open(pages["five"], width=360)
    whole, seen = shown.run(wide)
    assert whole > seen
    assert shown.run(
        "const s = getComputedStyle(document.querySelector('#table .scroll'));return s.backgroundAttachment"
    ).startswith("local, local, scroll, scroll")
