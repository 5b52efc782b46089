"""What the charts and tables of the page are drawn from: small cases by hand, and scikit-learn."""

from __future__ import annotations

import io
import itertools
import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import confusion_matrix, f1_score

import lab2.report.page
from lab2.data.identity import identities
from lab2.data.places import open_source
from lab2.measure.predictions import Predictions, read_predictions, write_predictions
from lab2.measure.scores import CALIBRATION_BINS
from lab2.report.columns import COLUMNS
from lab2.report.page.answers import UNKNOWN, Answers, read_answers
from lab2.report.page.calibration import conclusion
from lab2.report.page.classes import matrices
from lab2.report.page.pictures import (
    EACH,
    HARDEST,
    LARGEST_SIDE,
    MOST_BYTES,
    MOST_IMAGES,
    choose,
    draw_pictures,
    packed,
)
from lab2.report.page.reading import reading
from lab2.report.page.styles import COLOURS, styles_of
from lab2.report.page.svg import SHAPES
from lab2.report.report import make_report
from lab2.results.collect import collect
from lab2.results.correctness import Correctness
from lab2.results.shard import write_shard
from lab2.spec.catalogue import baselines, read_catalogue
from lab2.spec.job import DataConfig
from tests.answered import among, answered
from tests.conftest import finished, make_run, make_trial
from tests.paged import Page, page_of

ROOT = Path(__file__).parents[1]
STYLE = (Path(lab2.report.page.__file__).parent / "page.css").read_text()
# How people with one kind of cones less see linear RGB. Source: Machado, Oliveira and Fernandes 2009, severity 1.0.
EYES = {
    "all": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])  # IEC 61966-2-1


def palettes() -> dict[str, dict[str, str]]:
    """The colours of page.css by name: of its light scheme, and of its dark one."""
    light, dark = STYLE.split("prefers-color-scheme: dark")
    return {
        "light": dict(re.findall(r"--(\w+): (#\w+);", light)),
        "dark": dict(re.findall(r"--(\w+): (#\w+);", dark.split("* {")[0])),
    }


def linear(colour: str) -> np.ndarray:
    """Linear RGB in [0, 1] of #rrggbb or #rgb (sRGB, IEC 61966-2-1)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    values = np.array([int(digits[place : place + 2], 16) for place in (0, 2, 4)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    """CIE L*a*b* under D65."""
    x = TO_XYZ @ light.clip(0, 1) / np.array([0.9505, 1, 1.089])
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


class TestColours:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("eyes", EYES)
    def test_any_two_are_told_apart_by_anybody(self, scheme: str, eyes: str):
        found = [lab(np.array(EYES[eyes]) @ linear(palettes()[scheme][f"c{number}"])) for number in range(COLOURS)]
        assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(found, 2)) > 20

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_marks_and_texts_stand_out_from_the_paper(self, scheme: str):
        """WCAG 2.2: 3 to 1 for what is drawn (1.4.11), 4.5 to 1 for text (1.4.3)."""
        colours = palettes()[scheme]
        bright = {name: float(np.array([0.2126, 0.7152, 0.0722]) @ linear(value)) for name, value in colours.items()}
        for name, least in {
            **{f"c{n}": 3.0 for n in range(COLOURS)},
            "cg": 3,
            "ink": 7,
            "quiet": 4.5,
            "accent": 4.5,
        }.items():
            low, high = sorted((bright[name], bright["paper"]))
            assert (high + 0.05) / (low + 0.05) >= least, name

    def test_a_row_keeps_its_look_and_the_architectures_of_lab2_differ(self):
        jobs = {name: entry.job for name, entry in read_catalogue(ROOT / "jobs").items()}
        more = {name: entry.job for name, entry in read_catalogue(ROOT / "jobs" / "more").items()}
        found = styles_of((jobs | more).values())
        assert len({one.colour for one in found.values()}) == len(found) == COLOURS
        for name, job in jobs.items():
            assert styles_of([replace(job, name=f"{name}_tuned"), job])[name] == found[name] == styles_of([job])[name]
        assert {one.colour for one in styles_of(baselines()).values()} == {"cg"}
        assert len({one.shape for one in styles_of(baselines()).values()}) == len(baselines())

    @pytest.mark.parametrize("job", sorted(read_catalogue(ROOT / "jobs")))
    def test_rows_of_one_architecture_have_its_colour_and_marks_of_their_own(self, job: str):
        one = read_catalogue(ROOT / "jobs")[job].job
        usual = [replace(one, name=f"{job}{suffix}") for suffix in ("", "_strong", "_tuned", "_run1", "_run2", "_run3")]
        found = styles_of(usual)
        assert {style.colour for style in found.values()} == {styles_of([one])[job].colour}
        assert len({style.shape for style in found.values()}) == len(SHAPES) == len(usual)
        for each in usual:
            assert styles_of([each]) == {each.name: found[each.name]}  # whatever stands beside it
        assert styles_of(reversed(usual)) == found

    @given(st.lists(st.from_regex(r"[a-z]{1,3}(_run[1-9])?", fullmatch=True), unique=True, min_size=2, max_size=8))
    def test_where_names_claim_one_mark_some_move_and_the_order_of_the_jobs_is_nothing(self, names: list[str]):
        one = make_trial("cnn").job
        jobs = [replace(one, name=name) for name in names]
        found = styles_of(jobs)
        assert len({style.shape for style in found.values()}) == min(len(SHAPES), len(names))
        assert styles_of(sorted(jobs, key=lambda job: job.name)) == found
        kept = [name for name in names if found[name] == styles_of([replace(one, name=name)])[name]]
        assert len(kept) >= len({styles_of([job])[job.name].shape for job in jobs})


def test_every_column_is_explained():
    titles = [column.title for column in COLUMNS if column.title != "model"]
    assert [title for title, _ in reading(titles)][: len(titles)] == titles


def test_a_reliability_says_by_how_much_it_is_too_sure():
    bins = np.zeros((3, CALIBRATION_BINS))
    bins[:, -1] = (80, 80 * 0.95, 70)
    bins[:, 7] = (20, 20 * 0.5, 12)
    # by hand: says (76 + 10) / 100, right 82 / 100; errors |76 - 70| + |10 - 12| of 100
    assert conclusion("cnn", bins, 2) == (
        "cnn: it says 86.0% on average and is right in 82.0%: too sure by 4.0 points. "
        "Calibration error 8.0 points, 2 seeds pooled."
    )


def test_f1_and_confusions_are_those_of_scikit_learn(tmp_path: Path):
    trials = [make_trial("cnn", seed=seed) for seed in (1, 2)]
    run = make_run(tmp_path, *trials)
    generator = np.random.default_rng(0)
    truth = np.arange(200) % 5
    images = np.arange(200, dtype=np.uint64) + 1000
    answers = [np.where(generator.random(200) < 0.7, truth, generator.integers(0, 5, 200)) for _ in trials]
    for trial, answer in zip(trials, answers, strict=True):
        write_predictions(
            run.predictions(trial.name), Predictions(truth, answer, np.eye(5, dtype=np.float32)[answer], images)
        )
        write_shard(run.shard(trial.name), finished(trial, float((answer == truth).mean()), test_images=200))
    found = read_answers(make_report(run, collect(run)), np.array([1003, 7, 1199], np.uint64)).jobs["cnn"]
    both = np.concatenate(answers)
    assert found.f1 == pytest.approx(f1_score(np.tile(truth, 2), both, average=None))
    assert found.matrix is not None
    assert (found.matrix[:, :5] * 2 == confusion_matrix(np.tile(truth, 2), both)).all()
    assert found.trials == tuple(trial.name for trial in trials)
    assert found.said.tolist() == [[one[3], UNKNOWN, one[199]] for one in answers]  # there is no image 7
    assert found.most_said(0) == sorted({int(one[3]) for one in answers})  # at a tie both
    assert found.most_said(1) == []
    assert found.bins is not None
    assert found.bins[0, -1] == 400
    thirds = Answers(jobs={"cnn": replace(found, matrix=found.matrix / 3 + np.eye(5, 6) * 1000)})
    (shown,) = matrices(thirds, ["cnn"], list("abcde"))
    for (_, cells), row in zip(shown.rows, thirds.jobs["cnn"].matrix, strict=True):
        values = [cell.value if cell.value is not None else float(cell.text.replace(",", "") or 0) for cell in cells]
        assert values == pytest.approx(row[:5], abs=0.006)  # what is subtracted is not what was rounded for the eye


def test_of_more_classes_than_a_matrix_may_have_it_says_so_and_names_mistakes(tmp_path: Path, monkeypatch):
    run = answered(tmp_path, {"a": among(200, range(150))[None], "b": among(200, range(160))[None]})
    whole = Page(page_of(run))
    assert [a["data-job"] for tag, a in whole.elements if tag == "table" and "data-job" in a] == ["b", "a"]
    for module in ("answers", "page"):
        monkeypatch.setattr(f"lab2.report.page.{module}.LARGEST_MATRIX", 9)
    text = page_of(run)
    page = Page(text)
    assert [a for tag, a in page.elements if tag == "table" and "data-job" in a] == []
    assert [
        text for text in page.all_texts("p") if text.startswith("There is no confusion matrix of 10 classes: 9 are")
    ]
    # Of a: the last 50 images are wrong.
    assert "<bdi>class 0</bdi> taken for <bdi>class 1</bdi>: 5" in " ".join(text.split())


class TestPictures:
    def test_the_hardest_come_first_then_those_that_tell_rows_apart(self):
        right = {"a": among(100, range(10, 90))[None], "b": among(100, range(20, 95))[None]}
        chosen = choose(Correctness(right=right), frozenset())
        assert chosen.hardest[:15] == (*range(10), *range(95, 100))  # neither is right
        assert len(chosen.hardest) == HARDEST
        assert {*range(10, 20), *range(90, 95)} <= set(chosen.all)  # one of them is

    def test_a_constant_answer_does_not_make_an_image_easy(self):
        right = {"a": among(100, range(1, 100))[None], "constant": among(100, range(50))[None]}
        assert choose(Correctness(right=right), frozenset({"constant"})).hardest == (0,)

    def test_they_are_found_by_what_they_show_and_are_small(self, tmp_path: Path):
        pixels = open_source(DataConfig()).read("test").pixels[5:149]
        sprite, _ = draw_pictures([DataConfig()], identities(pixels))
        assert (sprite.count, sprite.side, sprite.note) == (144, 28, "")
        assert len(sprite.address) < 4 / 3 * MOST_BYTES + 100

    def test_photographs_are_many_all_the_same(self):
        """Soft colours with noise, as a camera has it: exact, a tile takes 6 kB."""
        generator = np.random.default_rng(0)
        tiles = []
        for _ in range(MOST_IMAGES):
            soft = Image.fromarray(generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((LARGEST_SIDE,) * 2)
            noisy = np.asarray(soft) + generator.normal(0, 6, (LARGEST_SIDE, LARGEST_SIDE, 3))
            tiles.append(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)))
        sprite = packed(tiles, MOST_BYTES)
        assert sprite.address.startswith("data:image/webp;base64,")
        assert len(sprite.address) < 4 / 3 * MOST_BYTES + 100
        assert sprite.count >= 96  # three for each ordered pair of five rows, beside the hardest
        with Image.open(io.BytesIO(b64decode(sprite.address.partition(",")[2]))) as sheet:
            shown = np.asarray(sheet.convert("RGB"), dtype=float)[:LARGEST_SIDE, :LARGEST_SIDE]
        assert np.abs(shown - np.asarray(tiles[0], dtype=float)).mean() < 12

    def test_samples_are_the_first_of_each_class(self):
        images = open_source(DataConfig()).read("test")
        _, samples = draw_pictures([DataConfig()], identities(images.pixels[:1]))
        assert [label for label, _ in samples.places] == list(range(10))
        assert {len(places) for _, places in samples.places} == {EACH}
        sprite = samples.sprite
        with Image.open(io.BytesIO(b64decode(sprite.address.partition(",")[2]))) as sheet:
            pixels = np.asarray(sheet)
        for label, places in samples.places:
            found = np.flatnonzero(images.labels == label)[:EACH]
            for place, number in zip(places, found, strict=True):
                top, left = place // sprite.columns * 28, place % sprite.columns * 28
                assert (pixels[top : top + 28, left : left + 28] == images.pixels[number, 0]).all()

    def test_a_detectors_best_box_is_drawn_in_the_hardest_images(self, tmp_path: Path):
        identity = identities(open_source(DataConfig()).read("test").pixels[:20])
        run = answered(
            tmp_path, {"a": among(20, range(1, 20))[None], "b": among(20, range(2, 20))[None]}, images=identity
        )
        path = run.predictions("a-seed1")
        boxes = np.full((20, 4), np.nan, np.float32)
        boxes[0] = 0.25, 0.5, 0.75, 1
        write_predictions(path, replace(read_predictions(path), boxes=boxes))
        (box,) = [attributes for tag, attributes in Page(page_of(run)).elements if tag == "rect"]
        # The hardest image is the first of its sprite, whose tiles are 28 pixels wide.
        assert (box["x"], box["y"], box["width"], box["height"]) == ("7.0", "14.0", "14.0", "14.0")

    def test_a_data_set_that_is_not_here_is_named(self):
        sprite, _ = draw_pictures([DataConfig(dataset="/no/such/folder")], np.zeros(1, np.uint64))
        assert "/no/such/folder: no such data set and no such path" in sprite.note

    def test_nothing_is_decoded_for_a_report(self, tmp_path: Path, image_folder: Path):
        sprite, _ = draw_pictures([DataConfig(dataset=str(image_folder))], np.zeros(1, np.uint64))
        assert sprite.note.startswith("Pictures are not shown: that would take reading again")
        assert not (tmp_path / "cache" / "decoded").exists() or not list((tmp_path / "cache/decoded").glob("*/pixels"))
        with Image.open(image_folder / "test" / "left" / "0.png") as image:
            assert image.size == (12, 12)


def test_broken_predictions_are_named_and_the_page_is_still_made(tmp_path: Path):
    trial = make_trial("cnn")
    run = make_run(tmp_path, trial)
    run.predictions(trial.name).write_bytes(b"torn")
    write_shard(run.shard(trial.name), finished(trial))
    found = read_answers(make_report(run, collect(run)), np.zeros(0, np.uint64))
    assert (dict(found.jobs), "cnn-seed1" in found.notes[0]) == ({}, True)
    with pytest.raises(Exception, match="not the predictions"):
        read_predictions(run.predictions(trial.name))
