"""A trial's identity holds what it reads: what has changed is computed anew, or refused, and never passed off."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import lab2
from lab2.cache import IMAGENET
from lab2.check import check_trials
from lab2.launch.planning import plan_trials, resolve_weights
from lab2.measure.inputs import pinned
from lab2.measure.provenance import code_digest
from lab2.models.alexnet import AlexNetConfig
from lab2.models.building.weights import save_weights
from lab2.models.vgg16 import VGG16Config
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir, open_run
from lab2.results.shard import read_shard, write_shard
from lab2.spec.architectures import ImportedConfig, ModelConfig
from lab2.spec.job import NOT_COMPUTED, TRIAL, DataConfig, JobSpec, Trial
from lab2.trial import run_trial
from tests.conftest import SMALL, TINY, asked_weights, finished, make_run, make_trial, on_folder
from tests.test_local import lab2 as lab2_command
from tests.test_local import settings, write_jobs
from tests.test_train import interrupt

NET = """
import torch
from {imports}
class Net(torch.nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.layer = torch.nn.Linear(3, num_classes)
    def forward(self, images):
        return self.layer(images.mean((2, 3)))
"""


def write_net(folder: Path, imports: str = "math import pi") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "net.py"
    path.write_text(NET.format(imports=imports))
    return path


def of_network(network: object, *, seed: int = 1) -> Trial:
    return make_trial("own", model=ImportedConfig(network=str(network)), seed=seed)


def planned(*trials: Trial, device: str = "cpu") -> list[Trial]:
    """As the CLI plans them."""
    return pinned(trials, check_trials(trials, device))


def edit(path: Path) -> None:
    path.write_text(path.read_text() + "\n# edited\n")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class TestIdentity:
    def test_of_a_trial_that_pins_nothing_is_what_it_was_before_there_were_inputs(self):
        trial = make_trial("vit")
        raw = json.loads(TRIAL.dump_json(trial))
        del raw["inputs"], raw["search"]
        for name in NOT_COMPUTED:
            del raw["job"][name]
        job, raw_job = trial.job, raw["job"]
        for found, config in (raw["data"], trial.data), (raw_job["train"], job.train), (raw_job["model"], job.model):
            for name in getattr(type(config), "ADDED", ()):  # there were none of these either
                del found[name]
        older = json.dumps(raw, separators=(",", ":")).encode()
        assert trial.digest == hashlib.sha256(older).hexdigest()

    def test_is_what_version_0_1_0_made_it(self):
        assert make_trial().digest == "340c7582476f9bf30ff616a2f2a7b49607bcb9ff98e40a7676d9e5b0c164803a"

    @pytest.mark.parametrize(("name", "value"), [("broken", "skip"), ("background", "#000000"), ("test_share", 0.25)])
    def test_holds_a_field_that_was_added_where_it_is_used(self, name: str, value: object):
        trial = make_trial()
        assert replace(trial, data=replace(trial.data, **{name: value})).digest != trial.digest

    def test_a_network_that_was_edited_is_another(self, tmp_path: Path):
        path = write_net(tmp_path / "my")
        (before,) = planned(of_network(f"{path}:Net"))
        assert before.inputs[f"network {path}"] == sha256(path)
        edit(path)
        (after,) = planned(of_network(f"{path}:Net"))
        assert before.digest != after.digest

    def test_pictures_that_were_changed_are_others(self, image_folder: Path):
        trial = on_folder(make_trial("cnn", batch_size=16), image_folder)
        (before,) = planned(trial)
        next((image_folder / "test").rglob("*.png")).unlink()
        assert planned(trial)[0].digest != before.digest

    def test_weights_that_were_trained_again_are_others(self, tmp_path: Path):
        path = tmp_path / "a.safetensors"
        digests = []
        for number in (1, 2):
            save_weights(path, torch.nn.Linear(number, 1), "alexnet", "mnist")
            (trial,) = planned(make_trial("alexnet", model=AlexNetConfig(weights=str(path))))
            assert trial.inputs[f"weights {path}"] == sha256(path)
            digests.append(trial.digest)
        assert len(set(digests)) == 2

    def test_each_job_has_its_own_inputs_and_its_seeds_share_them(self, tmp_path: Path):
        path = write_net(tmp_path / "my")
        trials = planned(make_trial(seed=1), make_trial(seed=2), of_network(f"{path}:Net"))
        assert [len(trial.inputs) for trial in trials] == [1, 1, 2]
        run = make_run(tmp_path, *trials)
        assert run.read_plan().trials == tuple(trials)
        assert [len(one["inputs"]) for one in json.loads(run.plan.read_text())["jobs"]] == [1, 2]


@pytest.mark.slow
def test_a_network_that_was_edited_between_two_runs_is_trained_anew(tmp_path: Path, runs: Path):
    path = write_net(tmp_path / "my", "layers import wide")
    (tmp_path / "my" / "layers.py").write_text("wide = 1\n")
    jobs = write_jobs(tmp_path / "jobs", {"own": f"ImportedConfig(network='{path}:Net')"})
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path / 'my'}:{os.environ.get('PYTHONPATH', '')}"}
    digests = []
    for _ in range(2):
        lab2_command("run-local", "--no-baselines", "--jobs", jobs, "--runs", str(runs), *settings(), env=environment)
        digests.append(read_shard(open_run(runs, "latest").shard("own-seed1")).digest)
        edit(tmp_path / "my" / "layers.py")
    assert digests[0] != digests[1]


class TestTrial:
    """A trial that waited in the queue meets what was edited meanwhile."""

    def fails(self, trial: Trial, run: RunDir, what: str) -> None:
        shard = run_trial(trial, run, device="cpu")
        assert shard.status == "failed"
        assert shard.reason == (
            f"changed since the run was planned: {what}; start a new run, or restore it, then lab2 resume"
        )

    def test_an_edited_network_fails_and_one_that_was_restored_trains(self, tmp_path: Path):
        path = write_net(tmp_path / "my")
        (trial,) = planned(of_network(f"{path}:Net"))
        run = make_run(tmp_path, trial)
        content = path.read_text()
        edit(path)
        self.fails(trial, run, f"network {path}")
        path.unlink()
        self.fails(trial, run, f"network {path} (gone)")
        path.write_text(content)
        assert run_trial(trial, run, device="cpu").status == "ok"
        assert collect(run).statuses == ["ok"]

    def test_other_pictures_fail(self, image_folder: Path, tmp_path: Path):
        (trial,) = planned(on_folder(make_trial("cnn", batch_size=16), image_folder))
        run = make_run(tmp_path, trial)
        next((image_folder / "test").rglob("*.png")).unlink()
        self.fails(trial, run, f"data {image_folder}")

    def test_other_weights_fail(self, tmp_path: Path):
        path = tmp_path / "a.safetensors"
        save_weights(path, torch.nn.Linear(1, 1), "alexnet", "mnist")
        (trial,) = planned(make_trial("alexnet", model=AlexNetConfig(weights=str(path))))
        run = make_run(tmp_path, trial)
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        self.fails(trial, run, f"weights {path}")

    def test_a_checkpoint_of_other_inputs_is_not_gone_on_from(self, tmp_path: Path, caplog):
        path = write_net(tmp_path / "my")
        (trial,) = planned(make_trial("own", model=ImportedConfig(network=f"{path}:Net"), epochs=2))
        run = make_run(tmp_path, trial)
        interrupt(run, trial)
        edit(path)
        (edited,) = planned(trial)
        shard = run_trial(edited, run, device="cpu")
        assert (shard.status, shard.attempts) == ("ok", 2)
        assert "digest is" in caplog.text
        assert "starts over" in caplog.text

    def test_code_of_lab2_that_was_edited_is_other_code_also_where_no_commit_tells(self, tmp_path: Path, monkeypatch):
        copied = tmp_path / "lab2"
        shutil.copytree(Path(lab2.__file__).parent, copied, ignore=shutil.ignore_patterns("embedded", "__pycache__"))
        before = code_digest()
        monkeypatch.setattr(lab2, "__file__", str(copied / "__init__.py"))
        assert code_digest() == before
        edit(copied / "train" / "stage.py")
        assert code_digest() != before


class TestResume:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return write_net(tmp_path / "my")

    @pytest.mark.parametrize("on_slurm", [False, True])
    def test_it_refuses_at_once_what_would_fail(self, path: Path, runs: Path, on_slurm: bool, run_cli):
        trials = planned(of_network(f"{path}:Net"), of_network(f"{path}:Net", seed=2))
        run = make_run(runs, *trials)
        if on_slurm:
            run.profile.write_text("{}")
        edit(path)
        code, _, said = run_cli("resume", "run", "--runs", str(runs))
        assert (code, len(said.strip().splitlines())) == (2, 1)
        assert f"changed since the run was planned: network {path}; start a new run" in said
        assert not list(run.path.glob("logs/*"))

    def test_a_data_set_that_only_the_nodes_have_is_left_to_them(
        self, tmp_path: Path, runs: Path, run_cli, monkeypatch
    ):
        data = DataConfig(dataset="kmnist")
        run = make_run(runs, *pinned([replace(make_trial(), data=data)], {data: "d"}))
        run.profile.write_text("{}")
        monkeypatch.setenv("PATH", str(tmp_path))
        code, _, said = run_cli("resume", "run", "--runs", str(runs))
        assert (code, "no Slurm answers here" in said) == (2, True)

    def test_what_only_finished_trials_have_read_may_change(self, path: Path, runs: Path, run_cli):
        (trial,) = planned(of_network(f"{path}:Net"))
        run = make_run(runs, trial)
        write_shard(run.shard(trial.name), finished(trial))
        edit(path)
        code, said, _ = run_cli("resume", "run", "--runs", str(runs))
        assert (code, "nothing to resume: 1 of 1" in said) == (0, True)


class TestOlderPlan:
    """A plan that was written before there were inputs."""

    def test_is_read_and_its_shards_are_believed(self, tmp_path: Path):
        trial = make_trial()
        run = make_run(tmp_path, trial)
        raw = json.loads(run.plan.read_text())
        del raw["jobs"][0]["inputs"]
        run.plan.write_text(json.dumps(raw))
        assert run.read_plan().trials == (trial,)
        write_shard(run.shard(trial.name), finished(trial))
        assert collect(run).statuses == ["ok"]
        run.shard(trial.name).unlink()
        assert run_trial(run.read_plan().trials[0], run, device="cpu").status == "ok"


def with_imagenet(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where `lab2 prepare alexnet` puts AlexNet's weights, under the name of its hash."""
    place = cache / "weights"
    place.mkdir(parents=True)
    name = f"alexnet-owt-{hashlib.sha256(b'not to be loaded').hexdigest()[:8]}.pth"
    (place / name).write_bytes(b"not to be loaded")
    monkeypatch.setitem(IMAGENET, "alexnet", name)


class TestAutoWeights:
    """What "auto" means is settled when the run is planned, for all of its seeds."""

    def plan(self, *models: ModelConfig) -> tuple[list[Trial], str]:
        jobs = [JobSpec(name=model.architecture, model=model) for model in models]
        return resolve_weights(plan_trials(jobs, [1, 2], SMALL, [], smoke=False))

    def test_without_any_in_the_cache_they_are_random_and_the_line_says_where_was_looked(self, tmp_path: Path):
        trials, line = self.plan(AlexNetConfig(), VGG16Config(), TINY["cnn"])
        found = [(getattr(one.job.model, "weights", None), one.job.weights_missing) for one in trials]
        assert found == [("random", True)] * 4 + [(None, False)] * 2
        assert line == (
            f"training starts: alexnet, vgg16 from random weights ({tmp_path}/cache/weights has no others; "
            "lab2 prepare alexnet vgg16 brings ImageNet's weights)"
        )

    def test_after_prepare_they_are_imagenets_and_the_trials_are_others(self, tmp_path: Path, monkeypatch):
        before, _ = self.plan(AlexNetConfig())
        with_imagenet(tmp_path / "cache", monkeypatch)
        after, line = self.plan(AlexNetConfig(), VGG16Config())
        assert [asked_weights(trial) for trial in after] == ["imagenet"] * 2 + ["random"] * 2
        assert {trial.digest for trial in before}.isdisjoint(trial.digest for trial in after)
        assert f"alexnet from ImageNet's weights in {tmp_path}/cache/weights; vgg16 from random" in line

    def test_what_was_asked_for_stays_and_is_not_said(self, tmp_path: Path):
        trials, line = self.plan(AlexNetConfig(weights="imagenet"), TINY["vgg16"])
        found = [(asked_weights(one), one.job.weights_missing) for one in trials]
        assert found == [("imagenet", False)] * 2 + [("random", False)] * 2
        lacking = replace(trials[0], job=replace(trials[0].job, weights_missing=True))
        assert lacking.digest == trials[0].digest  # a result does not depend on what was wished for
        assert line == ""

    def test_a_node_whose_cache_lacks_them_says_so_and_does_not_train_from_others(self, tmp_path: Path, monkeypatch):
        with_imagenet(tmp_path / "cache", monkeypatch)
        trials, _ = self.plan(AlexNetConfig())
        run = make_run(tmp_path, *trials)
        monkeypatch.setenv("LAB2_CACHE", str(tmp_path / "the node's"))
        shard = run_trial(trials[0], run, device="cpu")
        assert shard.status == "failed"
        assert f"no ImageNet weights at {tmp_path}/the node's/weights/" in shard.reason
        assert "$LAB2_CACHE" in shard.reason
