"""How many trials at once is measured: by their images a second together, and never by more than they need."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lab2.launch.at_once import Rate, chosen, is_better, run_measured
from lab2.results.collect import collect
from lab2.spec.architectures import ImportedConfig
from tests.conftest import make_run, make_trial
from tests.paced import PACED_NETWORK


@pytest.mark.parametrize(
    ("images", "memory", "better"), [(190, 0.2, True), (104, 0.2, False), (105, 0.2, True), (190, 0.9, False)]
)
def test_more_at_once_is_better_where_it_is_faster_and_fits(images: float, memory: float, better: bool):
    alone = Rate(1, images_per_second=100, memory_share=0.1)
    assert is_better(Rate(2, images, memory), alone) is better


@pytest.mark.slow
def test_a_network_that_waits_is_trained_twice_at_once_and_its_rows_say_so(tmp_path: Path):
    """Its steps sleep: two of them at once take as long as one."""
    waits = ImportedConfig(network=PACED_NETWORK)
    trials = [make_trial("waits", model=waits, seed=seed, epochs=20) for seed in (1, 2)]
    trials.append(make_trial("cnn"))
    run = make_run(tmp_path, *trials)
    told: list[str] = []
    for _ in run_measured(run, run.read_plan(), trials, cores=2, gpus=[], report=told.append):
        pass
    rows = {row.trial: row for row in collect(run).rows}
    assert {name: (row.status, row.trials_at_once, row.threads) for name, row in rows.items()} == {
        "waits-seed1": ("ok", 2, 1),
        "waits-seed2": ("ok", 2, 1),
        "cnn-seed1": ("ok", 1, 2),
    }
    assert [text.partition(" (")[0] for text in told] == ["waits: 2 at once", "cnn: 1 at once"]


def test_the_trials_with_a_budget_in_time_take_none_from_one_another(tmp_path: Path):
    trials = [make_trial(seed=seed, budget="5s") for seed in (1, 2)]
    assert chosen(make_run(tmp_path, *trials), trials, cores=2)[0] == 1


def test_the_settings_of_one_search_are_measured_once(tmp_path: Path, monkeypatch):
    trials = [replace(make_trial(name, epochs=1), search="cnn") for name in ("cnn", "alexnet")]
    seen: list[list[str]] = []
    monkeypatch.setattr("lab2.launch.at_once.chosen", lambda _run, group, _cores: (2, "measured"))
    monkeypatch.setattr(
        "lab2.launch.at_once.run_locally",
        lambda _run, _plan, group, **_: iter([seen.append([trial.job.name for trial in group])]),
    )
    run = make_run(tmp_path, *trials)
    told: list[str] = []
    list(run_measured(run, run.read_plan(), trials, cores=2, gpus=[], report=told.append))
    assert (seen, told) == ([["cnn", "alexnet"]], ["cnn-search: 2 at once (measured)"])


def test_where_no_server_can_be_made_trials_are_measured_by_python_itself(tmp_path: Path, monkeypatch):
    """Its socket finds no place on a full disk: that ended `--parallel auto`."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    asked: list[str] = []
    monkeypatch.setattr("lab2.launch.fork_server.ForkServer", full)
    monkeypatch.setattr("lab2.launch.at_once.measured", lambda python, *_: asked.append(python))
    trials = [make_trial(seed=seed) for seed in (1, 2)]
    assert chosen(make_run(tmp_path, *trials), trials, cores=2)[0] == 1
    assert asked == [sys.executable]
