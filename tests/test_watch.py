"""`lab2 watch`: a run in a browser while it goes on, and its report when it has ended."""

from __future__ import annotations

import re
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from lab2.file_lock import held
from lab2.launch.status import TrialStatus
from lab2.report.page.page import index_html
from lab2.report.report import make_report
from lab2.results.collect import collect
from lab2.results.journal import Attempt, CurvePoint, Journal, Progress
from lab2.results.run_dir import open_run
from lab2.spec.plan import Plan
from lab2.watch import standing
from lab2.watch.standing import Standing, Watcher
from tests.answered import among, leave, seeds_of
from tests.axe import violations
from tests.browser import browser, silent
from tests.conftest import PATIENCE_S, make_run
from tests.test_local import ALONE, TINY_JOBS, lab2, settings, start, started, wait_for, write_jobs
from tests.watched import ask, events, serving


def point(epoch: int, accuracy: float) -> CurvePoint:
    return CurvePoint(
        epoch=epoch,
        images=100 * epoch,
        loss=0.5,
        validation_accuracy=accuracy,
        validation_macro_f1=0.5,
        train_seconds=1,
    )


def progress(epoch: int, accuracy: float, left: float = 60) -> Progress:
    return Progress(
        state="training", epoch=epoch, epochs=4, loss=0.5, validation_accuracy=accuracy, seconds_left=left,
        wall_seconds=20,
    )  # fmt: skip


class Going:
    """A run whose first trial trains until `finish` is called; the second has finished."""

    def __init__(self, folder: Path, locks: ExitStack) -> None:
        self.trials = seeds_of("cnn", 2)
        self.run = make_run(folder, *self.trials)
        leave(self.run, self.trials[1], among(100, range(90)))
        self.journal = Journal(self.run, self.trials[0].name)
        self.journal.begin(Attempt(job_id=None, host="node-7", step=0, started_at="2026-01-01T00:00:00"), [])
        self.locks = locks
        locks.enter_context(held(self.run.lock(self.trials[0].name)))
        self.grow(1, 0.5)

    def grow(self, epoch: int, accuracy: float) -> None:
        self.journal.add(point(epoch, accuracy))
        self.journal.note(progress(epoch, accuracy))

    def finish(self) -> None:
        leave(self.run, self.trials[0], among(100, range(80)))
        self.locks.close()


@pytest.fixture
def going(tmp_path: Path) -> Iterator[Going]:
    with ExitStack() as locks:
        yield Going(tmp_path, locks)


def test_it_shows_trials_nodes_and_curves_as_they_grow(going: Going):
    with serving(going.run) as server, events(server) as sent:
        name, first = next(sent)
        assert (name, first["summary"]) == ("now", "1 of 2 trials finished, 1 running")
        assert "cnn: validation accuracy 50.00% by now." in first["html"]
        assert re.search(r"node-7</bdi></th><td class=\"number\">1<", first["html"])
        assert "1 of 4</td>" in first["html"]
        going.grow(2, 0.75)
        name, second = next((name, data) for name, data in sent if "75.00%" in data["html"])
        assert "cnn: validation accuracy 75.00% by now." in second["html"]


def test_when_the_run_has_ended_it_is_its_report(going: Going):
    with serving(going.run) as server, events(server) as sent:
        next(sent)
        going.finish()
        assert [name for name, _ in sent][-1] == "ended"
        page = ask(server, f"/{server.token}/").body
    assert page == index_html(make_report(going.run, collect(going.run))).decode()


def test_while_somebody_launches_trials_a_run_has_not_ended(going: Going):
    with held(going.run.launcher):
        going.finish()
        assert not Watcher(going.run).look().ended
    assert Watcher(going.run).look().ended


def test_a_run_that_goes_on_again_is_shown_again(going: Going):
    with serving(going.run) as server:
        going.finish()
        assert "comparison</title>" in ask(server, f"/{server.token}/").body
        with held(going.run.lock(going.trials[0].name)):
            assert any("running</title>" in ask(server, f"/{server.token}/").body for _ in range(1000))


def test_what_cannot_be_read_is_said_beside_what_was(going: Going):
    with serving(going.run) as server, events(server) as sent:
        next(sent)
        going.run.plan.unlink()
        data = next(data for _, data in sent if "nothing newer" in data["html"])
    assert "plan.json" in data["html"]
    assert "cnn-seed1" in data["html"]


def test_readers_are_let_go_when_it_stops(going: Going):
    with serving(going.run) as server, events(server) as sent:
        next(sent)
        server.feed.stop()
        assert [name for name, _ in sent if name != "now"] == []


class TestTimeLeft:
    """By hand, of trials of jobs a and b: one that has finished took 20 s; one that runs took 20 s, and needs 60."""

    def left(self, *states: str, estimate: float | None = 60.0) -> float | None:
        trials = [trial for job in ("a", "b") for trial in seeds_of(job, 3)]
        chosen = [trials[0], trials[1], trials[3]] if len(states) == 3 else trials[: len(states)]
        now = {"ok": progress(4, 0.9), "running": replace(progress(1, 0.5), seconds_left=estimate)}
        lines = [TrialStatus(t.name, state, progress=now.get(state)) for t, state in zip(chosen, states, strict=True)]
        plan = Plan(run_id="run", created_at="2026-01-01T00:00:00", smoke=False, trials=tuple(chosen))
        return Standing(plan=plan, trials=tuple(lines), curves={}, hosts={}).seconds_left

    def test_what_waits_takes_as_long_as_others_of_its_job(self):
        assert self.left("ok", "running") == 60
        assert self.left("running", "waiting") == 60 + 80
        assert self.left("running", "running", "ok") == 60  # they run at once

    def test_it_is_not_guessed(self):
        assert self.left("running", "ok", "waiting") is None  # no trial of b is known
        assert self.left("running", "ok", "queued") is None  # nobody knows when Slurm starts it
        assert self.left("ok", "running", estimate=None) is None
        assert self.left("ok", "waiting") is None  # nothing runs


def test_of_many_trials_those_that_matter_are_listed(monkeypatch):
    monkeypatch.setattr(standing, "MOST_ROWS", 3)
    states = ("ok", "waiting", "running", "waiting", "failed", "ok")
    trials = seeds_of("cnn", len(states))
    lines = tuple(TrialStatus(trial.name, state) for trial, state in zip(trials, states, strict=True))
    plan = Plan(run_id="run", created_at="2026-01-01T00:00:00", smoke=False, trials=tuple(trials))
    found = Standing(plan=plan, trials=lines, curves={}, hosts={})
    assert [line.state for line in found.listed] == ["running", "failed", "ok"]
    assert found.listed[-1].trial == trials[-1].name  # of those that have finished the newest
    assert found.counts == {"running": 1, "failed": 1, "ok": 2, "waiting": 2}


def test_a_run_that_is_not_there_is_one_sentence(tmp_path: Path):
    done = lab2("watch", "--runs", str(tmp_path), check=2)
    assert re.fullmatch(r"lab2: .*: no such run; there are: none yet; lab2 run-local makes the first\n", done.stderr)


@pytest.mark.slow
def test_a_real_run_from_its_first_trial_to_its_report_and_ctrl_c(tmp_path: Path, runs: Path):
    jobs = write_jobs(tmp_path / "jobs", {"first": TINY_JOBS["a_cnn"], "second": TINY_JOBS["b_vit"]}, epochs=20)
    run_local = start(*ALONE, "--jobs", jobs, *settings(), runs=runs)
    wait_for(lambda: started(runs, "first-seed1"))
    watching = start("watch", runs=runs)
    assert watching.stdout is not None
    address = re.search(r"http://127\.0\.0\.1:\d+/\S+/", watching.stdout.readline())
    assert address
    assert "ssh -N -L " in watching.stdout.readline()
    seen = []
    with urllib.request.urlopen(f"{address[0]}events", timeout=PATIENCE_S) as sent:
        for line in sent:
            seen.append(line.decode())
            if line == b"event: ended\n":
                break
    assert any("validation accuracy" in line and "running" in line for line in seen)
    with urllib.request.urlopen(address[0], timeout=PATIENCE_S) as answer:
        page = answer.read()
    assert run_local.wait(PATIENCE_S) == 0
    assert page == (open_run(runs, "latest").report / "index.html").read_bytes()
    watching.send_signal(signal.SIGINT)
    printed, errors = watching.communicate(timeout=PATIENCE_S)
    assert (watching.returncode, errors) == (0, "")
    assert "not watched any more" in printed


@pytest.mark.page
@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_follows_it_to_the_report(going: Going, tmp_path: Path, width: int, dark: bool):
    with serving(going.run, seconds=0.2) as server, browser(tmp_path) as window, silent(window) as shown:
        shown.visit(server.address, width=width, dark=dark)
        wait_for(lambda: shown.text("#connection") == "live")
        assert shown.text("#summary") == "1 of 2 trials finished, 1 running"
        assert shown.run("return document.documentElement.scrollWidth") <= width
        light = shown.run("return getComputedStyle(document.body).backgroundColor")
        assert (light == "rgb(255, 255, 255)") != dark
        going.grow(2, 0.75)
        wait_for(lambda: "75.00%" in shown.text("#curves figcaption"))
        assert shown.messages() == []
        assert violations(shown) == []
        going.finish()
        wait_for(lambda: shown.run("return document.title") == "run: comparison")
        assert shown.texts("#rows tbody th") == ["cnn"]
