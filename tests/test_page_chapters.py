"""What a study adds to the page of its run: the search for recipes, and the verdict on a claim."""

from __future__ import annotations

from pathlib import Path

from lab2.report.page.page import index_html
from lab2.report.report import make_report
from lab2.results.collect import collect
from lab2.tune.outcome import job_outcomes
from lab2.tune.report import TITLES, tuning_chapter
from tests.answered import answered
from tests.paged import NASTY, RIGHTS, Page, chapters, page_of
from tests.test_outcome import spent
from tests.test_stages import CNN, by_setting, study


def of_chapters(folder: Path, *added: object) -> Page:
    run = answered(folder, RIGHTS)
    return Page(index_html(make_report(run, collect(run), added)).decode())


def test_a_search_has_its_table_its_curve_and_what_failed():
    one = study(CNN, trials=4)
    known = spent(one, by_setting(cnn_t0=0.5, cnn_t1=0.6, cnn_t2=None, cnn_t3=0.75))
    found = tuning_chapter(one, job_outcomes(one, known))
    assert found.tables[0].columns == TITLES
    assert found.tables[0].rows[0][:2] == ("cnn", "75.00%")
    assert (found.headline, found.notes) == ("", ("cnn: setting 2 failed: diverged",))
    (curve,) = found.curves
    # Of the drawn settings alone: 0.6, a failure, which counts as 0, and 0.75.
    assert (curve.x, curve.middle) == ((1, 2, 3), (0.6, 0.75, 0.75))
    assert curve.conclusion.startswith("cnn: 75.00% after 3 settings, median over searches like this; the second half")
    assert all(low <= middle <= high for low, middle, high in zip(curve.low, curve.middle, curve.high, strict=True))


def test_of_a_search_that_goes_on_there_is_no_curve():
    one = study(CNN, trials=4)
    assert tuning_chapter(one, job_outcomes(one, {})).curves == ()


def test_a_chapter_with_a_headline_is_the_answer_and_stands_above_the_table(tmp_path: Path):
    verdict, search = chapters()
    page = of_chapters(tmp_path, search, verdict)
    assert page.all_texts("h1") == ["Supported: Seeds agree."]
    titles = page.all_texts("h2")
    assert titles.index("The claim") < titles.index("The table") < titles.index("Tuning")
    assert [text for text in page.all_texts("a") if text in ("The claim", "Table", "Tuning")] == [
        "The claim", "Table", "Tuning",
    ]  # fmt: skip
    assert page.all_texts("p", **{"class": "answer"}) == list(verdict.lead)
    assert [text for text in page.all_texts("p") if text.startswith("a is the best")]  # that of the run, at its table


def test_its_text_is_text_and_its_curves_are_drawn_on_axes_of_their_own(tmp_path: Path):
    page = of_chapters(tmp_path, *chapters())
    shown = " ".join(page.texts)
    assert all(name in shown for name in NASTY if "\x1b" not in name and "  " not in name)
    assert "settings tried" in page.all_texts("text")
    ids = [str(attributes["id"]) for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {str(a["href"]) for tag, a in page.elements if tag == "use"}
    assert targets <= {f"#{name}" for name in ids}
    assert "#tuning-curves" in targets


def test_without_chapters_the_page_has_only_the_run(tmp_path: Path):
    page = Page(page_of(answered(tmp_path, RIGHTS)))
    assert "Tuning" not in page.all_texts("h2")
    assert page.all_texts("h1")[0].startswith("a is the best")


def test_it_says_how_many_configurations_were_judged_on_these_images(tmp_path: Path):
    run = answered(tmp_path, RIGHTS)
    report = make_report(run, collect(run))
    (note,) = report.judged.notes
    assert note in Page(index_html(report).decode()).all_texts("bdi")
