"""Trials in MLflow, TensorBoard and W&B: what their own readers find, and nothing twice."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lab2.export import packages
from lab2.export.record import parameters, read_records
from lab2.results.collect import collect
from lab2.results.journal import CurvePoint, Journal
from lab2.results.run_dir import RunDir
from lab2.results.shard import row_digest, unfinished, write_shard
from tests.conftest import finished, make_run, make_trial

TIMES = {"started_at": "2026-01-02T00:00:00+00:00", "ended_at": "2026-01-02T00:01:00+00:00"}
START = 1767312000  # of `TIMES`, as Unix time: 20455 days of 86,400 seconds
CURVE = [(300, 2.0, 0.25), (600, 1.0, 0.5), (900, 0.5, 0.75)]  # images, loss, validation accuracy


def needs(package: str) -> pytest.MarkDecorator:
    absent = find_spec(package) is None
    return pytest.mark.skipif(absent, reason=f"{package} is not installed: the export to it is NOT tested here")


@pytest.fixture
def run(runs: Path) -> RunDir:
    """A finished trial with a curve, a failed one, and one that has not begun."""
    trials = [make_trial("cnn", learning_rate=0.01), make_trial("vit"), make_trial("cnn", seed=2)]
    made = make_run(runs, *trials)
    (runs / "latest").unlink(missing_ok=True)
    journal = Journal(made, trials[0].name)
    for number, (images, loss, accuracy) in enumerate(CURVE, 1):
        journal.add(
            CurvePoint(
                epoch=number / 3, images=images, loss=loss, validation_accuracy=accuracy,
                validation_macro_f1=accuracy, train_seconds=10.0 * number,
            )
        )  # fmt: skip
    more = {"git_commit": "abc", "device_name": "a|b\\c", "parameters": 134_301_514, **TIMES}
    write_shard(made.shard(trials[0].name), finished(trials[0], 0.875, **more))
    write_shard(made.shard(trials[1].name), unfinished(trials[1], "failed", "the disk").updated(**TIMES))
    return made


def rerun(run: RunDir) -> None:
    """The first trial ran again, with another result."""
    trial = run.read_plan().trials[0]
    write_shard(run.shard(trial.name), finished(trial, 0.5, **TIMES))


class TestRecord:
    def test_a_record_has_what_the_shard_the_plan_and_the_history_have(self, run: RunDir):
        good, bad = read_records(run, collect(run))
        assert (good.trial, good.metrics["accuracy"], good.metrics["parameters"]) == ("cnn-seed1", 0.875, 134_301_514)
        assert (good.parameters["train.learning_rate"], good.parameters["model.filters"]) == (0.01, "[4, 8]")
        assert good.tags["git_commit"] == "abc"
        assert good.tags["lab2.run"] == "run"
        assert good.tags["digest"] == run.read_plan().trials[0].digest
        assert [(p.step, p.values["loss"], p.values["validation_accuracy"]) for p in good.curve] == CURVE
        assert [p.at for p in good.curve] == [START + 10, START + 20, START + 30]
        assert (bad.status, bad.tags["reason"], bad.curve) == ("failed", "the disk", ())

    def test_no_parameter_that_set_takes_is_left_out_but_what_is_none(self):
        names = parameters(make_trial("cnn"))
        assert {"train.epochs", "data.dataset", "model.hidden", "resources.cpus", "seed", "job"} <= names.keys()
        assert "train.budget" not in names

    def test_the_digest_of_a_row_is_of_what_is_set_and_changes_with_it(self):
        row = finished(make_trial("cnn"))
        assert row_digest(row) == row_digest(row.updated(budget=None))
        assert row_digest(row) != row_digest(row.updated(accuracy=0.8))

    def test_identities_tell_runs_trials_and_rows_apart(self, run: RunDir):
        before = [one.identity for one in read_records(run, collect(run))]
        assert len(set(before)) == 2
        rerun(run)
        after = [one.identity for one in read_records(run, collect(run))]
        assert (after[0] != before[0], after[1] == before[1]) == (True, True)


class TestCommand:
    def test_a_place_that_nobody_knows_is_refused_with_those_that_are(self, run: RunDir, run_cli):
        code, _, said = run_cli("export", "run", "--to", "excel")
        assert code == 2
        assert "--to excel: wanted mlflow, tensorboard, wandb, onnx, torch-export" in said

    def test_a_package_that_is_absent_is_named_with_what_brings_it(self, run: RunDir, run_cli, monkeypatch):
        monkeypatch.setattr(packages, "find_spec", lambda name: None)
        for to in ("mlflow", "tensorboard", "wandb"):
            code, _, said = run_cli("export", "run", "--to", to)
            assert code == 2
            assert f"--to {to}: {to} is not installed; pip install 'lab2[{to}]'" in said

    @needs("tensorboard")
    def test_it_says_what_became_of_each_trial_and_which_have_no_result(self, run: RunDir, run_cli, tmp_path: Path):
        place = str(tmp_path / "board")
        code, said, warned = run_cli("export", "run", "--to", "tensorboard", "--out", place)
        assert (code, said) == (0, f"{place}: 2 written\n")
        assert "not exported, because they have left no result: cnn-seed2" in warned
        assert run_cli("export", "run", "--to", "tensorboard", "--out", place)[1] == f"{place}: 2 already there\n"
        rerun(run)
        said = run_cli("export", "run", "--to", "tensorboard", "--out", place)[1]
        assert said == f"{place}: 1 replaced, 1 already there\n"


@needs("tensorboard")
class TestTensorBoard:
    def test_its_own_reader_finds_curves_figures_and_provenance(self, run: RunDir, run_cli):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

        assert run_cli("export", "run", "--to", "tensorboard")[0] == 0
        folder = run.path / "export" / "tensorboard" / "run"
        assert sorted(one.name for one in folder.iterdir()) == ["cnn-seed1", "vit-seed1"]
        read = EventAccumulator(str(folder / "cnn-seed1")).Reload()
        assert [(e.step, e.value) for e in read.Scalars("curve/loss")] == [(300, 2.0), (600, 1.0), (900, 0.5)]
        assert [e.wall_time for e in read.Scalars("curve/loss")] == [START + 10, START + 20, START + 30]
        assert read.Scalars("final/accuracy")[0].value == 0.875
        (text,) = read.Tensors("provenance")
        assert r"| a\|b\\c |" in text.tensor_proto.string_val[0].decode()
        content = read.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        found = HParamsPluginData.FromString(content).session_start_info.hparams
        assert found["train.learning_rate"].number_value == 0.01

    def test_two_runs_in_one_place_keep_the_trials_of_each(self, run: RunDir, run_cli, tmp_path: Path):
        other = shutil.copytree(run.path, run.path.with_name("other"))
        plan = other / "plan.json"
        plan.write_text(plan.read_text().replace('"run_id": "run"', '"run_id": "other"'))
        place = str(tmp_path / "board")
        for name in ("run", "other"):
            assert run_cli("export", name, "--to", "tensorboard", "--out", place)[1] == f"{place}: 2 written\n"
        assert len(list((tmp_path / "board").rglob("events*"))) == 4


@needs("mlflow")
@pytest.mark.slow
class TestMlflow:
    def runs_of(self, run: RunDir) -> list[Any]:
        from mlflow.tracking import MlflowClient

        client = MlflowClient(f"sqlite:///{run.path / 'export' / 'mlflow' / 'mlflow.db'}")
        found = client.search_runs([client.get_experiment_by_name("run").experiment_id])
        return sorted(found, key=lambda one: one.data.tags["lab2.trial"])

    def test_a_second_export_changes_nothing_and_a_trial_that_ran_again_is_replaced(self, run: RunDir, run_cli):
        from mlflow.tracking import MlflowClient

        ask = ("export", "run", "--to", "mlflow")
        assert run_cli(*ask)[:2] == (0, f"{run.path / 'export' / 'mlflow'}: 2 written\n")
        good, bad = self.runs_of(run)
        assert (good.info.status, bad.info.status) == ("FINISHED", "FAILED")
        assert (good.info.run_name, good.info.start_time) == ("cnn-seed1", 1000 * START)
        assert good.data.params["train.learning_rate"] == "0.01"
        assert (good.data.metrics["accuracy"], good.data.metrics["parameters"]) == (0.875, 134_301_514)
        assert good.data.tags["digest"] == run.read_plan().trials[0].digest
        client = MlflowClient(f"sqlite:///{run.path / 'export' / 'mlflow' / 'mlflow.db'}")
        curve = client.get_metric_history(good.info.run_id, "curve/loss")
        assert [(one.step, one.value) for one in curve] == [(300, 2.0), (600, 1.0), (900, 0.5)]
        assert run_cli(*ask)[1].endswith(": 2 already there\n")
        assert [one.info.run_id for one in self.runs_of(run)] == [good.info.run_id, bad.info.run_id]
        client.delete_tag(bad.info.run_id, "lab2.identity")  # as an export leaves it that was killed
        rerun(run)
        assert run_cli(*ask)[1].endswith(": 2 replaced\n")
        again = self.runs_of(run)
        assert [one.data.metrics.get("accuracy") for one in again] == [0.5, None]
        client.delete_experiment(good.info.experiment_id)
        code, _, said = run_cli(*ask)
        assert (code, "experiment run was deleted; mlflow experiments restore" in said) == (2, True)


BLOCK = 32 * 1024


def wandb_records(path: Path) -> Iterator[Any]:
    """The records of a .wandb file: a log in LevelDB's format behind 7 bytes of header."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, place, whole = path.read_bytes(), 7, b""
    while place < len(content):
        left = BLOCK - place % BLOCK
        if left < 7:
            place += left
            continue
        _, size, kind = struct.unpack_from("<IHB", content, place)
        whole += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # a record that is whole, or the last part of one
            yield Record.FromString(whole)
            whole = b""


@needs("wandb")
@pytest.mark.slow
class TestWandb:
    def test_offline_and_a_second_export_changes_nothing(self, run: RunDir, run_cli):
        ask = ("export", "run", "--to", "wandb")
        assert run_cli(*ask)[:2] == (0, f"{run.path / 'export' / 'wandb'}: 2 written\n")
        folder = run.path / "export" / "wandb"
        names = sorted(one.name for one in folder.iterdir())
        assert [name[:43] for name in names] == [
            "offline-run-20260102_000000-run-cnn-seed1-" + names[0][42],
            "offline-run-20260102_000000-run-vit-seed1-" + names[1][42],
        ]
        (file,) = (folder / names[0]).glob("run-*.wandb")
        records = list(wandb_records(file))
        config = {one.key: one.value_json for r in records for one in r.run.config.update}
        assert config["train.learning_rate"] == "0.01"
        losses = [
            item.value_json for r in records for item in r.history.item if "curve/loss" in (item.key, *item.nested_key)
        ]
        assert [float(one) for one in losses] == [2.0, 1.0, 0.5]
        assert run_cli(*ask)[1].endswith(": 2 already there\n")
        rerun(run)
        assert run_cli(*ask)[1].endswith(": 1 replaced, 1 already there\n")
        assert len(list(folder.iterdir())) == 2
