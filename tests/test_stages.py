"""The stages of a study follow from its shards: what runs next, what is run again, and what was chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab2.cache import cache_folder
from lab2.data import places
from lab2.errors import RunError
from lab2.launch.planning import change_resources
from lab2.launch.slurm import batches
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard, unfinished, write_shard
from lab2.spec.job import JobSpec, Resources, Trial
from lab2.spec.plan import dump_plan, load_plan
from lab2.spec.space import Range
from lab2.trial import run_trial
from lab2.tune.stages import chosen, grown, is_spent, left, score, stages, with_more_memory
from lab2.tune.study import Study, Validation, make_study
from tests.conftest import SMALL, TINY, finished, make_run, make_trial

CNN = JobSpec(name="cnn", model=TINY["cnn"], space={"train.learning_rate": Range(1e-4, 1e-2, log=True)})
VIT = replace(CNN, name="vit", model=TINY["vit"])
Scores = Callable[[Trial], float | None]


def study(*jobs: JobSpec, **more: Any) -> Study:
    return make_study(jobs or (CNN, VIT), **{"data": SMALL, "trials": 3, "seed": 0, "final_seeds": (1, 2), **more})


def shard(trial: Trial, accuracy: float | None) -> Shard:
    """What a trial of a search reports; None: its training failed."""
    if accuracy is None:
        return unfinished(trial, "failed", "diverged").updated(fault="recipe", wall_seconds=3.0)
    row = finished(trial, validation_accuracy=accuracy, attempts=1, wall_seconds=3.0)
    return row.updated(accuracy=None) if trial.search else row


def rows(trials: list[Trial], scores: Scores) -> dict[str, Shard]:
    return {trial.name: shard(trial, scores(trial)) for trial in trials}


def by_setting(**scores: float | None) -> Scores:
    """The score by the beginning of a trial's name."""
    return lambda trial: next((s for name, s in scores.items() if trial.name.startswith(name)), 0.5)


def names(trials: list[Trial]) -> list[str]:
    return [trial.name for trial in trials]


class TestRandom:
    def test_first_all_settings_then_the_chosen_ones_when_all_are_spent(self):
        one = study()
        (first,) = stages(one, {})
        assert names(first) == [f"{job}_t{i}-seed0" for job in ("cnn", "vit") for i in range(3)]
        known = rows(first, by_setting(cnn_t1=0.9, vit_t2=0.8))
        _, final = stages(one, known)
        assert final == [*one.final_trials("cnn", 1), *one.final_trials("vit", 2)]
        del known["vit_t0-seed0"]
        assert len(list(stages(one, known))) == 1

    def test_a_failed_setting_is_spent_and_not_chosen(self):
        one = study(CNN)
        known = rows(next(stages(one, {})), by_setting(cnn_t0=None, cnn_t1=0.2, cnn_t2=None))
        assert chosen(one, known, "cnn") == 1

    def test_where_all_failed_nothing_is_trained(self):
        one = study()
        known = rows(next(stages(one, {})), by_setting(cnn=None))
        assert names(list(stages(one, known))[-1]) == ["vit-seed1", "vit-seed2"]

    def test_equal_scores_leave_the_job_its_own_recipe(self):
        one = study(CNN)
        assert chosen(one, rows(next(stages(one, {})), lambda _: 0.7), "cnn") == 0

    def test_all_folds_judge_a_setting(self):
        one = study(CNN, validation=Validation(folds=2))
        first = next(stages(one, {}))
        known = rows(first, by_setting(cnn_t1_f0=0.9, cnn_t1_f1=0.5, cnn_t2_f0=1.0, cnn_t2_f1=None))
        assert [score(one, known, "cnn", i, 0) for i in range(3)] == [0.5, 0.7, None]
        del known["cnn_t2_f0-seed0"]
        assert chosen(one, known, "cnn") is None


class TestHalving:
    def test_the_best_of_a_rung_go_on_with_more(self):
        one = study(CNN, trials=9, mode="halving", budget="900-images")
        first = next(stages(one, {}))
        known = rows(first, by_setting(cnn_t2=0.6, cnn_t5=0.8, cnn_t7=0.7, cnn_t8=None))
        second = list(stages(one, known))[-1]
        assert names(second) == ["cnn_t2_r1-seed0", "cnn_t5_r1-seed0", "cnn_t7_r1-seed0"]
        assert [{t.job.train.budget for t in stage} for stage in (first, second)] == [{"100-images"}, {"300-images"}]
        known |= rows(second, by_setting(cnn_t2=0.9))
        third = list(stages(one, known))[-1]
        assert [(t.name, t.job.train.budget) for t in third] == [("cnn_t2_r2-seed0", "900-images")]
        known |= rows(third, by_setting(cnn_t2=0.91))
        assert list(stages(one, known))[-1] == list(one.final_trials("cnn", 2))


class TestSpent:
    @pytest.mark.parametrize(
        ("status", "fault", "spent"),
        [
            ("ok", None, True),
            ("failed", "recipe", True),
            ("failed", "machine", False),  # a disk or a device that refuses says nothing of the setting
            ("failed", None, False),  # its process was killed: the launcher wrote that
            ("timeout", None, False),  # it goes on from its checkpoint
            ("out_of_memory", None, True),
            ("cancelled", None, False),
            ("missing", None, False),
        ],
    )
    def test_is_what_has_had_its_chance(self, status, fault, spent):
        assert is_spent(unfinished(make_trial(), status, "").updated(fault=fault)) is spent

    def test_a_trial_without_a_shard_is_not_spent(self):
        assert not is_spent(None)

    def test_what_ran_out_of_memory_and_is_given_more_is_not(self, runs: Path):
        one = study()
        first = next(stages(one, {}))
        plan = make_run(runs, *first).read_plan()
        known = rows(first, by_setting(cnn_t1=0.9))
        known["cnn_t0-seed0"] = unfinished(first[0], "out_of_memory", "")
        assert with_more_memory(one, plan, known, []) == known
        kept = with_more_memory(one, plan, known, plan.names)
        assert names(left(plan, kept)) == ["cnn_t0-seed0"]
        assert len(list(stages(one, kept))) == 1

    def test_it_stays_spent_where_the_next_stage_was_decided_by_it(self, runs: Path):
        one = study()
        first = next(stages(one, {}))
        known = rows(first, by_setting(cnn_t1=0.9))
        known["cnn_t0-seed0"] = unfinished(first[0], "out_of_memory", "")
        plan = make_run(runs, *first, *list(stages(one, known))[-1]).read_plan()
        assert with_more_memory(one, plan, known, plan.names) == known


class TestGrown:
    def start(self, runs: Path, one: Study) -> RunDir:
        first = [replace(t, inputs={"data mnist": f"of {t.search}"}) for t in next(stages(one, {}))]
        return make_run(runs, *first)

    def report(self, run: RunDir, trials: list[Trial], scores: Scores) -> dict[str, Shard]:
        for trial in trials:
            write_shard(run.shard(trial.name), shard(trial, scores(trial)))
        return {row.trial: row for row in collect(run).rows}

    def test_the_plan_grows_by_a_stage_whose_trials_have_the_inputs_and_the_resources_of_the_plan(self, runs):
        one = study()
        run = self.start(runs, one)
        plan = run.read_plan()
        more = [replace(t, job=replace(t.job, resources=Resources(cpus=1))) for t in plan.trials]
        run.write_plan(replace(plan, trials=tuple(more)))  # as lab2 resume --set resources.cpus=1 does
        assert grown(run, one, self.report(run, more[:5], lambda _: 0.5)) == run.read_plan()
        assert len(run.read_plan().trials) == 6
        known = self.report(run, more, by_setting(vit_t1=0.9))
        plan = grown(run, one, known)
        assert plan == run.read_plan()
        assert names(list(plan.trials[6:])) == ["cnn-seed1", "cnn-seed2", "vit-seed1", "vit-seed2"]
        assert [t.inputs["data mnist"] for t in plan.trials[6:]] == ["of cnn", "of cnn", "of vit", "of vit"]
        assert {t.job.resources.cpus for t in plan.trials} == {1}
        assert plan.trials[8].job.train.learning_rate == one.setting_job("vit", 1).train.learning_rate
        assert names(left(plan, known)) == names(list(plan.trials[6:]))
        assert grown(run, one, known) == plan

    def test_the_resources_of_a_search_are_set_by_the_name_of_its_job(self, runs):
        run = self.start(runs, study())
        plan = change_resources(run, ["cnn:resources.cpus=7"])
        assert {t.search for t in plan.trials if t.job.resources.cpus == 7} == {"cnn"}

    def test_what_was_killed_is_run_again_and_what_failed_is_not(self, runs):
        one = study(CNN)
        run = self.start(runs, one)
        plan = run.read_plan()
        self.report(run, [*plan.trials], by_setting(cnn_t1=None))
        killed = plan.trials[2]
        write_shard(run.shard(killed.name), unfinished(killed, "failed", "its process ended without a result"))
        assert left(plan, {row.trial: row for row in collect(run).rows}) == [killed]

    def test_a_choice_is_not_made_anew_when_shards_change(self, runs):
        one = study(CNN)
        run = self.start(runs, one)
        trials = [*run.read_plan().trials]
        before = grown(run, one, self.report(run, trials, by_setting(cnn_t1=0.9)))
        with pytest.raises(RunError, match="it has cnn-seed1, cnn-seed2, which the shards do not lead to"):
            grown(run, one, self.report(run, trials, by_setting(cnn_t2=0.9)))
        with pytest.raises(RunError, match="cnn-seed1, cnn-seed2, which the shards do not lead to"):
            grown(run, one, self.report(run, trials, lambda _: None))
        assert run.read_plan() == before

    def test_the_table_is_of_what_was_tested(self, runs):
        one = study(CNN)
        run = self.start(runs, one)
        known = self.report(run, [*run.read_plan().trials], by_setting(cnn_t1=0.9))
        assert collect(run).tested() is None
        plan = grown(run, one, known)
        self.report(run, [*plan.trials[3:]], lambda _: 0.9)
        found = collect(run).tested()
        assert [row.trial for row in found.rows] == [t.name for t in found.plan.trials] == ["cnn-seed1", "cnn-seed2"]
        other = collect(make_run(runs, make_trial(), run_id="other"))
        assert other.tested() is other


class TestTrial:
    def test_a_plan_keeps_what_is_of_a_search(self, runs):
        plan = make_run(runs, replace(make_trial(), search="cnn"), make_trial(seed=2)).read_plan()
        assert [t.search for t in load_plan(dump_plan(plan)).trials] == ["cnn", ""]

    def test_it_is_in_the_digest_only_of_a_search(self):
        trial = make_trial()
        assert replace(trial, search="cnn").digest != trial.digest

    def test_settings_of_one_search_are_an_array(self):
        one = study()
        parts = batches(next(stages(one, {})), largest=2, parallel=None)
        assert [(part.job, len(part.trials)) for part in parts] == [
            ("cnn-search", 2), ("cnn-search", 1), ("vit-search", 2), ("vit-search", 1),
        ]  # fmt: skip

    @pytest.mark.slow
    def test_one_of_a_search_reads_no_test_images(self, runs):
        """Test images that cannot be read end a trial that is tested, and not one of a search."""
        folder = cache_folder() / "data" / "fashion-mnist"
        folder.mkdir(parents=True)
        for file in (Path(places.__file__).parent / "embedded" / "mnist").glob("*.gz"):
            (folder / file.name).write_bytes(file.read_bytes())
        for file in folder.glob("t10k-images*"):
            file.unlink()
        (folder / "t10k-images-idx3-ubyte").write_bytes(b"not images")
        tested = replace(make_trial(), data=replace(SMALL, dataset="fashion-mnist"))
        searched = replace(tested, job=replace(tested.job, name="cnn_t0"), search="cnn")
        run = make_run(runs, tested, searched)
        row = run_trial(searched, run, device="cpu")
        assert (row.status, row.accuracy, row.latency_p50_seconds) == ("ok", None, None), row.reason
        assert 0 <= row.validation_accuracy <= 1
        assert not run.predictions(searched.name).exists()
        row = run_trial(tested, run, device="cpu")
        assert (row.status, "t10k-images-idx3-ubyte" in row.reason) == ("failed", True)
