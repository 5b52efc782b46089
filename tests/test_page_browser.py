"""The page in a real browser, from disk and without a network: what a reader does with it, and what axe-core finds."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lab2.data.identity import identities
from lab2.data.places import open_source
from lab2.report.finding import find
from lab2.report.page.differences import signed
from lab2.report.page.page import index_html
from lab2.report.report import make_report
from lab2.results.collect import collect
from lab2.results.correctness import Collected
from lab2.results.run_dir import RunDir
from lab2.results.shard import unfinished, write_shard
from lab2.spec.job import DataConfig
from tests.answered import answered, leave, seeds_of
from tests.browser import Browser, browser, missing
from tests.conftest import PATIENCE_S, make_run, make_trial
from tests.paged import chapters, with_classes

pytestmark = [
    pytest.mark.page,
    pytest.mark.skipif(bool(missing()), reason=f"LOUD: no {' and no '.join(missing())} here (Debian: apt install "
                       "chromium chromium-driver); the page is not looked at"),
]  # fmt: skip

IMAGES = 600
AXE = "axe-core@4.10.3"


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunDir:
    """Three rows on real test images of MNIST, one of which failed, with names that are hard to show."""
    generator = np.random.default_rng(0)
    ease = generator.random(IMAGES)
    rights = {name: np.stack([ease + generator.normal(0, 0.1, IMAGES) > hard for _ in range(3)])
              for name, hard in (("cnn", 0.05), ("vit", 0.12), ("resnet", 0.1))}  # fmt: skip
    images = identities(open_source(DataConfig()).read("test").pixels[:IMAGES])
    costs = {"parameters": 10_000, "latency_p50_seconds": 0.01, "peak_memory_bytes": 2**30}
    found = answered(tmp_path_factory.mktemp("run"), rights, images=images, **costs)
    with_classes(found)
    return found


@pytest.fixture(scope="module")
def failed(tmp_path_factory) -> RunDir:
    trial, other = make_trial("cnn"), make_trial("vit")
    found = make_run(tmp_path_factory.mktemp("failed"), trial, other)
    write_shard(found.shard(trial.name), unfinished(trial, "failed", "<script>alert(1)</script> " + "x" * 300))
    return found


@pytest.fixture(scope="module")
def one_seed(tmp_path_factory) -> RunDir:
    trials = [*seeds_of("a"), *seeds_of("b"), *seeds_of("c")]
    found = make_run(tmp_path_factory.mktemp("one"), *trials)
    for place, trial in enumerate(trials[:2]):
        leave(found, trial, np.arange(200) % (9 + place) > 0)
    write_shard(found.shard(trials[2].name), unfinished(trials[2], "failed", "diverged"))
    return found


@pytest.fixture(scope="module")
def pages(run: RunDir, failed: RunDir, one_seed: RunDir) -> dict[str, Path]:
    """The pages' files, by what they are of."""
    files = {}
    kinds = {"three": (run, ()), "failed": (failed, ()), "one seed": (one_seed, ()), "study": (run, chapters())}
    for name, (of, added) in kinds.items():
        files[name] = of.report / f"{name}.html"
        files[name].write_bytes(index_html(make_report(of, collect(of), added)))
    return files


KINDS = ("three", "failed", "one seed", "study")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("dark", [False, True])
def test_it_opens_without_a_complaint_and_without_overflow(shown: Browser, pages, kind: str, width: int, dark: bool):
    shown.open(pages[kind], width=width, dark=dark)
    assert shown.run("return document.documentElement.classList.contains('scripted')")
    assert shown.messages() == []
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
    assert len(shown.texts("#cost-charts figure")) == 4
    assert shown.texts(".script") == []
    assert shown.messages() == []


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


def test_all_is_reached_by_keys(shown: Browser, pages):
    shown.open(pages["three"])
    shown.press("Tab", "Enter")  # the first stop: a link past all sections
    assert shown.run("return location.hash") == "#table"
    stops = []
    for _ in range(60):
        shown.press("Tab")
        stops.append(shown.run("const e = document.activeElement; return e.id || e.textContent.trim().slice(0, 20)"))
    assert {"find", "status", "cost-axis", "cost-log"} <= set(stops)
    shown.run("document.querySelector('#matrix button[data-first=\"1\"]').focus()")
    shown.press("Enter")
    assert shown.run("return document.querySelector('#first select').value") == "1"
    shown.run("document.querySelector('#rows th button').focus()")
    shown.press("Space")
    assert shown.texts("#rows tbody th") == ["cnn", "resnet", "vit"]


def test_it_prints(shown: Browser, pages):
    shown.open(pages["three"])
    assert shown.pdf().startswith(b"%PDF-")


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> str:
    """The source of axe-core, from npm."""
    if shutil.which("npm") is None:
        pytest.skip("LOUD: no npm here; the page's accessibility is not checked")
    folder = tmp_path_factory.mktemp("axe")
    done = subprocess.run(
        ["npm", "pack", "--silent", AXE], cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    if done.returncode:
        pytest.skip(f"LOUD: npm pack {AXE}: {done.stderr.strip()[-200:]}; the page's accessibility is not checked")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        file = archive.extractfile("package/axe.min.js")
        assert file is not None
        return file.read().decode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(shown: Browser, pages, axe: str, kind: str, dark: bool):
    shown.open(pages[kind], dark=dark)
    shown.run(axe)
    found = shown.run_async(
        "const done = arguments[arguments.length - 1]; axe.run(document).then(r => done(r.violations.map(v =>"
        " [v.id, v.nodes.length, v.nodes[0].html.slice(0, 200), v.nodes[0].failureSummary])))"
    )
    assert found == []
