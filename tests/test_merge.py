"""Several runs on one page: what stands beside what, what counts once, and what is kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lab2.models.commonest_class import CommonestClassConfig
from lab2.report.merged import MergedReport, merged_html, merged_report, write_merged
from lab2.results.collect import collect
from lab2.results.correctness import Collected
from lab2.results.journal import Attempt, CurvePoint, Journal
from lab2.results.run_dir import RunDir
from lab2.results.shard import unfinished, write_shard
from lab2.spec.job import JobSpec, Trial
from tests.answered import among, leave, seeds_of
from tests.conftest import SMALL, make_run, make_trial

HERE = {
    **{"device": "cpu", "device_name": "Xeon", "threads": 2, "precision": "fp32", "lab2_version": "0.2.0"},
    **{"git_commit": "a" * 40, "git_dirty": False, "host": "node-1"},
}
IMAGES = 200


def run_of(folder: Path, name: str, trials: Sequence[Trial], rights: Sequence[int], day: int = 1, **more) -> RunDir:
    """A run whose trials are right about so many of the first of 200 test images, and began on that day of January."""
    run = make_run(folder, *trials, run_id=name)
    for number, (trial, right) in enumerate(zip(trials, rights, strict=True)):
        began = f"2026-01-{day:02}T00:00:{number:02}"
        leave(run, trial, among(IMAGES, range(right)), **{**HERE, "started_at": began, **more})
    return run


def merged(*runs: RunDir) -> MergedReport:
    return merged_report({run.path.name: Collected(run=run, comparison=collect(run)) for run in runs})


def seeds(found: MergedReport, group: int = 0) -> dict[str, int]:
    """By row, how many trials are in it."""
    return dict(found.reports[group].summary[["job", "seeds"]].itertuples(index=False, name=None))


class TestCountedOnce:
    def test_seeds_of_one_recipe_are_one_row(self, tmp_path: Path):
        trials = seeds_of("cnn", 4)
        found = merged(
            run_of(tmp_path, "one", [*trials[:2], *seeds_of("vit", 2)], (180, 182, 150, 152)),
            run_of(tmp_path, "two", trials[2:], (184, 186), day=2),
        )
        assert seeds(found) == {"cnn": 4, "vit": 2}
        assert found.reports[0].summary["accuracy"].tolist() == pytest.approx([0.915, 0.755])
        assert found.merged.notes == ()

    def test_copies_are_those_of_the_run_that_trained_them(self, tmp_path: Path):
        trials = seeds_of("cnn", 3)
        one = run_of(tmp_path, "one", trials[:2], (180, 182))
        two = run_of(tmp_path, "two", trials, (180, 182, 190))
        found = merged(one, two)
        assert seeds(found) == {"cnn": 3}
        assert found.merged.notes == ("2 trials of two copied from one, counted once",)
        assert found.reports[0].summary["accuracy"].tolist() == pytest.approx([0.92])

    @pytest.mark.parametrize(("second", "words"), [(180, "the same predictions"), (170, "other predictions")])
    def test_of_a_trial_that_two_runs_trained_the_first_counts(self, tmp_path: Path, second: int, words: str):
        trials = seeds_of("cnn")
        found = merged(run_of(tmp_path, "one", trials, (180,)), run_of(tmp_path, "two", trials, (second,), day=2))
        assert found.reports[0].summary["accuracy"].tolist() == pytest.approx([0.9])
        assert found.merged.notes == (f"cnn-seed1 was trained in one and two, with {words}; the first counts",)

    def test_one_that_failed_first_is_that_which_ended_well(self, tmp_path: Path):
        trials = seeds_of("cnn", 2)
        one = run_of(tmp_path, "one", trials, (180, 170))
        write_shard(one.shard("cnn-seed2"), unfinished(trials[1], "failed", "why"))
        found = merged(one, run_of(tmp_path, "two", trials[1:], (190,), day=2))
        assert seeds(found) == {"cnn": 2}
        assert found.reports[0].summary["accuracy"].tolist() == pytest.approx([0.925])

    def test_a_baseline_is_one_row_whatever_its_seed(self, tmp_path: Path):
        job = JobSpec(name="commonest_class", model=CommonestClassConfig())
        first, other = (Trial(job=job, data=SMALL, seed=seed) for seed in (1, 7))
        found = merged(run_of(tmp_path, "one", [first], (20,)), run_of(tmp_path, "two", [other], (20,), day=2))
        assert seeds(found) == {"commonest_class": 1}


class TestRowsApart:
    @pytest.mark.parametrize(
        ("differs", "what"),
        [({"device_name": "H100"}, "machine"), ({"threads": 4}, "machine"), ({"git_commit": "b" * 40}, "code")],
    )
    def test_another_machine_or_code_is_a_row_of_its_own(self, tmp_path: Path, differs, what: str):
        trials = seeds_of("cnn", 2)
        one = run_of(tmp_path, "one", trials, (180, 182))
        two = run_of(tmp_path, "two", trials, (184, 186), day=2, **differs)
        found = merged(one, two)
        assert seeds(found) == {"cnn_run1": 2, "cnn_run2": 2}
        assert found.merged.notes == (f"cnn is 2 rows, which differ in {what}: cnn_run1 is of one; cnn_run2 is of two",)
        (pair,) = found.reports[0].finding.judged.pairs
        assert pair.difference == pytest.approx(0.02)

    def test_another_recipe_is_too(self, tmp_path: Path):
        one = run_of(tmp_path, "one", seeds_of("cnn"), (180,))
        two = run_of(tmp_path, "two", seeds_of("cnn", epochs=2), (184,), day=2)
        assert "which differ in recipe" in merged(one, two).merged.notes[0]

    def test_a_job_that_is_called_like_a_row_keeps_its_name(self, tmp_path: Path):
        one = run_of(tmp_path, "one", [*seeds_of("cnn"), *seeds_of("cnn_run2")], (180, 170))
        two = run_of(tmp_path, "two", seeds_of("cnn", epochs=2), (184,), day=2)
        assert list(seeds(merged(one, two))) == ["cnn_run1", "cnn_run2", "cnn_run22"]

    def test_the_longest_name_has_room_for_its_run(self, tmp_path: Path):
        name = "c" * 64
        one = run_of(tmp_path, "one", seeds_of(name), (180,))
        two = run_of(tmp_path, "two", seeds_of(name, epochs=2), (184,), day=2)
        assert list(seeds(merged(one, two))) == ["c" * 59 + "_run1", "c" * 59 + "_run2"]


class TestGroups:
    @pytest.fixture
    def two_sets(self, tmp_path: Path) -> list[RunDir]:
        other = [replace(trial, data=replace(SMALL, dataset="fashion-mnist")) for trial in seeds_of("cnn", 2)]
        first = run_of(tmp_path, "one", [*seeds_of("cnn", 2), *seeds_of("vit", 2)], (190, 188, 120, 122))
        return [run_of(tmp_path, "two", other, (150, 152), day=2, dataset_sha256="f" * 64), first]

    def test_other_data_are_not_compared_and_that_is_said(self, two_sets: list[RunDir]):
        found = merged(*two_sets)
        assert [(one.title, one.runs) for one in found.merged.groups] == [
            ("mnist, 200 test images", ("one",)), ("fashion-mnist, 200 test images", ("two",)),
        ]  # fmt: skip
        assert [seeds(found, group) for group in (0, 1)] == [{"cnn": 2, "vit": 2}, {"cnn": 2}]
        assert [len(report.finding.judged.pairs) if report.finding.judged else 0 for report in found.reports] == [1, 0]
        (said,) = found.apart
        assert "mnist, 200 test images: one; fashion-mnist, 200 test images: two" in said

    def test_the_page_has_all_groups_and_the_accuracies_side_by_side(self, two_sets: list[RunDir]):
        page = merged_html(merged(*two_sets)).decode()
        assert "<h1>2 groups of rows, each tested on images of its own</h1>" in page
        cells = '<td class="number"><bdi>94.50% a</bdi></td><td class="number"><bdi>75.50%'
        assert f'<th scope="row"><bdi>cnn</bdi></th>{cells}' in page
        assert '<section id="group-2"' in page
        assert "no number of one is compared with one of another" in page

    def test_as_many_images_of_other_data_or_fewer_images_are_a_group(self, tmp_path: Path):
        one = run_of(tmp_path, "one", seeds_of("cnn"), (180,))
        fewer = make_run(tmp_path, *seeds_of("vit"), run_id="two")
        leave(fewer, seeds_of("vit")[0], among(100, range(90)), **HERE)
        assert len(merged(one, fewer).merged.groups) == 2

    def test_data_of_one_name_are_told_apart_by_their_content(self, tmp_path: Path):
        one = run_of(tmp_path, "one", seeds_of("cnn"), (180,), dataset_sha256="a" * 64)
        two = run_of(tmp_path, "two", seeds_of("vit"), (150,), day=2, dataset_sha256="b" * 64)
        titles = [group.title for group in merged(one, two).merged.groups]
        assert titles == [f"mnist, 200 test images, SHA-256 {letter * 12}" for letter in "ab"]

    def test_what_failed_stands_with_the_data_of_its_run(self, tmp_path: Path):
        trials = [*seeds_of("cnn"), make_trial("vit")]
        one = make_run(tmp_path, *trials, run_id="one")
        leave(one, trials[0], among(IMAGES, range(180)), **HERE)
        write_shard(one.shard(trials[1].name), unfinished(trials[1], "failed", "<script>alert(1)</script>"))
        found = merged(one, run_of(tmp_path, "two", seeds_of("resnet"), (150,), day=2))
        assert seeds(found) == {"cnn": 1, "vit": 0, "resnet": 1}
        assert "<script>alert" not in merged_html(found).decode()

    def test_curves_and_predictions_are_those_of_each_run(self, tmp_path: Path):
        one = run_of(tmp_path, "one", seeds_of("cnn"), (180,))
        two = run_of(tmp_path, "two", seeds_of("cnn", epochs=2), (184,), day=2)
        for run, accuracy in ((one, 0.5), (two, 0.75)):
            attempt = Attempt(job_id=None, host="node-1", step=0, started_at="2026-01-01T00:00:00")
            point = CurvePoint(
                epoch=1, images=50, loss=1.0, validation_accuracy=accuracy, validation_macro_f1=0.5, train_seconds=1
            )
            Journal(run, "cnn-seed1").begin(attempt, [point])
        found = merged(one, two)
        page = merged_html(found).decode()
        assert "cnn_run1: validation accuracy 50.00%" in page
        assert "cnn_run2: validation accuracy 75.00%" in page
        read = found.reports[0].finding.read
        assert [int(read.right[name].sum()) for name in ("cnn_run1", "cnn_run2")] == [180, 184]


def test_the_files_of_each_group_lie_beside_the_page(tmp_path: Path):
    other = [replace(trial, data=replace(SMALL, dataset="fashion-mnist")) for trial in seeds_of("cnn")]
    one = run_of(tmp_path, "one", seeds_of("cnn"), (180,))
    two = run_of(tmp_path, "two", other, (150,), day=2, dataset_sha256="f" * 64)
    written, refused = write_merged(merged(one, two), tmp_path / "out")
    assert refused == []
    assert {"index.html", "1/table.csv", "2/table.csv", "1/trials.parquet"} <= {*written}
    assert {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")} == {*written}
    again = merged(one, run_of(tmp_path, "three", seeds_of("vit"), (150,), day=3))
    assert "table.csv" in write_merged(again, tmp_path / "one-group")[0]


def test_the_command_says_all_that_the_page_says(tmp_path: Path, run_cli):
    run_of(tmp_path, "one", seeds_of("cnn", 2), (180, 182))
    run_of(tmp_path, "two", [*seeds_of("cnn", 2), *seeds_of("vit", 2)], (180, 182, 150, 152))
    code, printed, warned = run_cli(
        "merge", "one", str(tmp_path / "two"), "--runs", str(tmp_path), "--out", str(tmp_path / "both")
    )
    assert code == 0
    assert "mnist, 200 test images: one, two" in printed
    assert "cnn is the best" in printed
    assert "2 trials of two copied from one, counted once" in warned
    page = (tmp_path / "both" / "index.html").read_text()
    assert "lab2 merge one" in page
    assert "2 trials of two copied from one, counted once" in page


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("one",), "one: wanted two runs or more; lab2 report makes the page of one"),
        (("one", "one"), "one, one: one run is named twice; name each once"),
        (("one", "none"), "no such run; there are: one"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, run_cli, names: tuple[str, ...], words: str):
    run_of(tmp_path, "one", seeds_of("cnn"), (180,))
    code, printed, warned = run_cli("merge", *names, "--runs", str(tmp_path), "--out", str(tmp_path / "both"))
    assert (code, printed) == (2, "")
    assert words in warned.replace("\n", " ")
    assert not (tmp_path / "both").exists()


def test_a_smoke_run_is_not_put_beside_another(tmp_path: Path):
    one = run_of(tmp_path, "one", seeds_of("cnn"), (180,))
    two = run_of(tmp_path, "two", seeds_of("vit"), (150,), day=2)
    two.write_plan(replace(two.read_plan(), smoke=True))
    found = merged(one, two)
    titles = [one.title for one in found.merged.groups]
    assert titles == ["mnist, 200 test images", "mnist, 200 test images, smoke run"]
    assert np.isclose(found.reports[0].summary["accuracy"], [0.9]).all()
