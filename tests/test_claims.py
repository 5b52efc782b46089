"""`lab2 study`: what is fixed beforehand, what is refused, and a claim from end to end."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from lab2.cli.claiming import resumed_at_once
from lab2.cli.reporting import report_of
from lab2.compare import variance
from lab2.errors import ConfigError, DataError
from lab2.models.cnn import CNNConfig
from lab2.report.chapter import Table
from lab2.report.page.page import index_html
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir, create_run, open_run
from lab2.results.shard import write_shard
from lab2.spec.job import DataConfig, Trial
from lab2.spec.plan import Plan
from lab2.study import claim as claim_module
from lab2.study.claim import Claim, Conclusion, Figure, Verdict, choose, claims, shown
from lab2.study.record import claim_of, judges_sha256, read_record, record_of, write_record
from lab2.study.report import study_json, study_md
from lab2.study.stating import state
from tests.conftest import SMALL, finished, make_trial

TRIALS = (make_trial("cnn", seed=1), make_trial("cnn", seed=2))


def made(**more: object) -> Claim:
    """A claim whose rule always concludes the same."""
    found = Conclusion(
        verdict=Verdict.SUPPORTED,
        sentence="two | seeds agree",
        figures=(Figure(name="difference", value=1.25, low=0.5, high=2.0, unit="points"),),
        tables=(Table(title="all", columns=("a", "b"), rows=(("x|y", "1"),)),),
        notes=("one thing more",),
    )
    fields = {
        "name": "made",
        "number": 9,
        "text": "Seeds agree.",
        "rule": "They do.",
        "plan": lambda size: TRIALS,
        "conclude": lambda evidence: found,
        "file": Path(__file__),
    }
    return Claim(**{**fields, **more})


def on_nothing() -> Trial:
    raise DataError("nothing: not on this machine; bring it")


@pytest.fixture
def one_claim(monkeypatch) -> Claim:
    """`made()` as the only claim that there is."""
    claim = made()
    monkeypatch.setattr(claim_module, "claims", lambda: {claim.name: claim})
    monkeypatch.setattr("lab2.study.record.claims", lambda: {claim.name: claim})
    return claim


def started(folder: Path, claim: Claim, *done: Trial) -> RunDir:
    plan = Plan(
        run_id="run", created_at="2026-01-01T00:00:00", smoke=False, trials=TRIALS,
        digests=tuple(t.digest for t in TRIALS),
    )  # fmt: skip
    run = create_run(folder, plan, lambda run: write_record(run.claim, record_of(claim, "small", TRIALS)))
    for trial in done:
        write_shard(run.shard(trial.name), finished(trial, git_commit="abc", git_dirty=False, device_name="a CPU"))
    return run


class TestClaims:
    def test_each_states_its_text_its_rule_and_both_plans(self):
        found = claims()
        assert [one.number for one in found.values()] == sorted(one.number for one in found.values())
        for one in found.values():
            assert one.text.endswith(".")
            for verdict in ("upported", "efuted", "not decided"):
                assert verdict in one.rule, one.name
            for size in ("small", "full"):
                trials = one.plan(size)
                assert trials == one.plan(size)  # of the size alone
                assert len({trial.name for trial in trials}) == len(trials)

    def test_an_unknown_one_is_refused_with_a_list(self):
        with pytest.raises(ConfigError, match=r"no such claim; there are: .*parameters"):
            choose(["parametres"])

    def test_all_are_chosen_by_one_word(self):
        assert choose(["all"]) == list(claims().values())

    @pytest.mark.parametrize(
        ("number", "text"),
        [(0, "0"), (0.123456, "0.1235"), (1.5, "1.5"), (123456, "123,456"), (-2.25, "-2.25"), (99.995, "100")],
    )
    def test_numbers_are_short(self, number, text):
        assert shown(number) == text


class TestFixedBefore:
    def test_the_record_comes_back_and_names_all_that_decides(self, runs, one_claim):
        run = started(runs, one_claim)
        record = read_record(run.claim)
        assert record == record_of(one_claim, "small", TRIALS)
        others = [
            record_of(made(rule="They do not."), "small", TRIALS),
            record_of(one_claim, "full", TRIALS),
            record_of(one_claim, "small", TRIALS[:1]),
            record_of(made(file=Path(__file__).with_name("conftest.py")), "small", TRIALS),
            replace(record, judges_sha256="0" * 64),
        ]
        assert len({one.sha256 for one in (record, *others)}) == 6

    @pytest.mark.parametrize(
        ("harm", "message"),
        [
            (lambda text: text.replace("They do.", "They may."), "it was altered, or another version"),
            (lambda text: text.replace('"schema": 1', '"schema": 7'), "update lab2"),
            (lambda text: text.replace('"size": "small"', '"size": "tiny"'), "size: found 'tiny'"),
            (lambda text: text[:-9], "not the record of a study"),
        ],
    )
    def test_an_altered_one_is_refused(self, runs, one_claim, harm, message):
        run = started(runs, one_claim)
        run.claim.write_text(harm(run.claim.read_text()))
        with pytest.raises(ConfigError, match=message) as caught:
            state(run, collect(run))
        assert str(run.claim) in str(caught.value)

    def test_another_rule_does_not_judge_what_was_started_with_this_one(self, runs, one_claim, monkeypatch):
        run = started(runs, one_claim, *TRIALS)
        monkeypatch.setattr("lab2.study.record.claims", lambda: {"made": made(rule="They might.")})
        with pytest.raises(ConfigError, match="was started with another rule"):
            state(run, collect(run))

    def test_a_claim_that_is_not_there_is_named(self, runs, one_claim):
        record = replace(record_of(one_claim, "small", TRIALS), claim="gone")
        with pytest.raises(ConfigError, match="of a claim that is not known here, 'gone'"):
            claim_of(record, Path("claim.json"))

    def test_a_changed_file_of_the_rule_is_said(self, runs, one_claim, monkeypatch):
        run = started(runs, one_claim, *TRIALS)
        changed = made(file=Path(__file__).with_name("conftest.py"))
        monkeypatch.setattr("lab2.study.record.claims", lambda: {"made": changed})
        assert "conftest.py, was changed since the study started" in state(run, collect(run)).conclusion.notes[-1]

    def test_a_change_of_the_code_that_judges_is_said(self, runs, one_claim):
        run = started(runs, one_claim, *TRIALS)
        said = "the code that judges, in lab2/compare or lab2/study, was changed since the study started"
        assert said not in state(run, collect(run)).conclusion.notes
        write_record(run.claim, replace(read_record(run.claim), judges_sha256="0" * 64))
        assert said in state(run, collect(run)).conclusion.notes

    def test_it_is_the_code_of_the_statistics_and_of_the_studies(self, tmp_path: Path):
        (tmp_path / "within").mkdir()
        names = ("a.py", "b.py", "notes.txt", "within/claim.py")
        for name in names:
            (tmp_path / name).write_text("1")
        seen = [judges_sha256(tmp_path)]
        for name in names:
            (tmp_path / name).write_text("2")
            seen.append(judges_sha256(tmp_path))
        assert [one != before for before, one in pairwise(seen)] == [True, True, False, False]
        (tmp_path / "b.py").rename(tmp_path / "c.py")
        assert judges_sha256(tmp_path) != seen[-1]
        compare, study = Path(variance.__file__).parent, Path(claim_module.__file__).parent
        assert judges_sha256() == judges_sha256(compare, study)

    def test_a_study_that_an_older_lab2_has_begun_goes_on(self, runs, one_claim):
        """Its record says nothing of the code that judges, and its SHA-256 is over what it says."""
        run = started(runs, one_claim, *TRIALS)
        content = json.loads(run.claim.read_text())
        del content["study"]["judges_sha256"]
        text = json.dumps(content["study"], sort_keys=True, separators=(",", ":"))
        run.claim.write_text(json.dumps(content | {"sha256": hashlib.sha256(text.encode()).hexdigest()}))
        assert read_record(run.claim).judges_sha256 is None
        found = state(run, collect(run)).conclusion
        assert (found.verdict, found.notes) == (Verdict.SUPPORTED, ("one thing more",))
        assert resumed_at_once(run, 2) == 2

    def test_other_trials_than_were_fixed_are_not_judged(self, runs, one_claim):
        run = started(runs, one_claim, *TRIALS)
        write_record(run.claim, record_of(one_claim, "small", TRIALS[:1]))
        found = state(run, collect(run)).conclusion
        assert (found.verdict, "other trials than the study fixed" in found.sentence) == (Verdict.UNDECIDED, True)


class TestStated:
    def test_nothing_is_decided_before_all_trials_have_ended(self, runs, one_claim):
        run = started(runs, one_claim, TRIALS[0])
        found = state(run, collect(run)).conclusion
        assert found.verdict is Verdict.UNDECIDED
        assert "1 of 2 trials have no result: cnn-seed2; lab2 resume run runs them" in found.sentence

    def test_the_files_hold_verdict_figures_seeds_commit_and_command(self, runs, one_claim):
        run = started(runs, one_claim, *TRIALS)
        stated = state(run, collect(run))
        text, content = study_md(stated), json.loads(study_json(stated))
        assert "**supported**: two \\| seeds agree" in text
        assert "| difference | 1.25 points \\[0.5, 2\\] |" in text
        assert "| x\\|y | 1 |" in text
        assert "lab2 study made --small: run run, 2 trials, seeds 1, 2, commit abc, on a CPU" in text
        assert (content["verdict"], content["commits"], content["seeds"]) == ("supported", ["abc"], [1, 2])
        assert content["figures"][0]["low"] == 0.5
        assert content["study"] == read_record(run.claim).sha256


class TestCommand:
    def test_without_a_name_it_lists_them(self, run_cli):
        code, told, _ = run_cli("study")
        assert code == 0
        assert all(name in told for name in claims())

    def test_a_dry_run_shows_rule_and_trials_and_writes_nothing(self, run_cli, runs, one_claim):
        code, told, _ = run_cli("study", "made", "--dry-run", "--runs", str(runs))
        assert code == 0
        assert "rule: They do." in told
        assert "2 trials: cnn-seed1, cnn-seed2" in told
        assert not runs.exists()

    def test_both_sizes_at_once_are_refused(self, run_cli):
        code, _, said = run_cli("study", "parameters", "--small", "--full")
        assert (code, "--small --full: give one of them" in said) == (2, True)

    def test_one_that_cannot_start_stops_no_other(self, run_cli, runs, monkeypatch):
        good, bad = made(name="good"), made(name="bad", plan=lambda size: (on_nothing(),))
        monkeypatch.setattr(claim_module, "claims", lambda: {"bad": bad, "good": good})
        code, told, said = run_cli("study", "bad", "good", "--dry-run", "--runs", str(runs))
        assert (code, "bad: " in said, "2 trials" in told) == (1, True, True)
        code, _, said = run_cli("study", "bad", "--dry-run", "--runs", str(runs))
        assert (code, said.count("\n")) == (2, 1)

    def test_a_report_of_its_run_shows_the_verdict(self, run_cli, runs, one_claim):
        run = started(runs, one_claim, *TRIALS)
        code, told, _ = run_cli("report", "latest", "--runs", str(runs))
        assert code == 0
        assert "supported: two | seeds agree" in told
        assert {"study.md", "study.json", "table.csv"} <= {path.name for path in run.report.iterdir()}
        page = (run.report / "index.html").read_text()
        assert "<h1>Supported: Seeds agree.</h1>" in page
        assert "<dt>difference</dt><dd>1.25 points [0.5, 2]</dd>" in page

    def test_where_the_record_was_altered_the_table_is_shown_and_then_the_error(self, run_cli, runs, one_claim):
        run = started(runs, one_claim, *TRIALS)
        run.claim.write_text(run.claim.read_text().replace("They do.", "They may."))
        code, told, said = run_cli("report", "latest", "--runs", str(runs))
        assert (code, "it was altered" in said) == (2, True)
        assert "2 of 2" in told
        assert (run.report / "table.csv").exists()
        page = index_html(report_of(run, collect(run))).decode()
        assert "Not judged: " in page
        assert "it was altered" in page


@pytest.mark.slow
def test_a_claim_from_its_plan_to_its_verdict(run_cli, runs, monkeypatch):
    """Claim 4 over five tiny networks; then again, from the trials that are there."""
    real = claims()["parameters"]
    widths = (2, 3, 4, 5, 6)
    trials = [make_trial("cnn", model=CNNConfig(filters=(n, n), hidden=16)) for n in widths]
    tiny = tuple(
        replace(trial, job=replace(trial.job, name=f"cnn_{n}"), data=replace(SMALL, train_images=100, test_images=60))
        for trial, n in zip(trials, widths, strict=True)
    )
    claim = replace(real, plan=lambda size: tiny)
    monkeypatch.setattr(claim_module, "claims", lambda: {"parameters": claim})
    monkeypatch.setattr("lab2.study.record.claims", lambda: {"parameters": claim})
    code, told, said = run_cli("study", "parameters", "--runs", str(runs), "--device", "cpu", "--parallel", "2")
    assert code == 0, said
    run = open_run(runs, "latest")
    content = json.loads((run.report / "study.json").read_text())
    assert content["verdict"] in [one.value for one in Verdict]
    assert "Kendall's tau is" in told
    assert "over 5 networks" in content["sentence"]
    assert json.loads(run.claim.read_text())["study"]["trials"] == list(run.read_plan().digests)
    assert run.claim.stat().st_mtime <= min(path.stat().st_mtime for path in run.shards.glob("*.json"))


def test_the_plan_of_a_study_is_of_data_that_come_with_lab2():
    assert {trial.data.dataset for trial in claims()["parameters"].plan("small")} == {DataConfig().dataset}
