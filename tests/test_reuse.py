"""What another run has finished is taken over where it would come out the same, and said where it would not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from lab2.launch.place import place_of
from lab2.launch.planning import start_run
from lab2.launch.reuse import Finished, Here, reuse
from lab2.launch.submission import Submission, write_submission
from lab2.report.caption import caption
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from lab2.results.shard import read_shard, write_shard
from lab2.spec.architectures import ImportedConfig
from lab2.spec.job import Resources, Trial
from lab2.spec.profile import Profile
from tests.conftest import finished, make_run, make_trial
from tests.test_inputs import write_net
from tests.test_regular_file import dangling, device, directory, fifo, put

COMMIT = "c" * 40
VERSIONS = {"torch_version": version("torch"), "torchvision_version": version("torchvision")}
NODES = Profile(partition="cpu")
HERE = {
    "git_commit": COMMIT,
    "git_dirty": False,
    "scheduler_job_id": "17",
    "device": "cpu",
    "device_name": "NVIDIA A100",
    "started_at": "2026-01-01T00:00:00+00:00",
    **VERSIONS,
}


def finish(folder: Path, trial: Trial, *, run_id: str = "first", profile: Profile = NODES, **more: object) -> RunDir:
    """A run that was submitted as `profile` says, and has finished `trial`."""
    run = make_run(folder, trial, run_id=run_id)
    place = place_of(trial, profile, "auto")
    write_submission(run, Submission(job_id="17", job_name="x", trials=(trial.name,), submitted_at="", place=place))
    write_shard(run.shard(trial.name), finished(trial, **{**HERE, **more}))
    run.predictions(trial.name).write_bytes(b"predictions")
    return run


def taken(
    run: RunDir, trial: Trial, *, profile: Profile = NODES, device: str = "auto", commit: str | None = COMMIT
) -> list[Finished]:
    return reuse(run, [trial], profile, device=device, commit=commit)


def test_the_same_of_the_same_code_on_the_same_kind_of_node_is_taken_over_and_marked(tmp_path: Path):
    trial = make_trial()
    finish(tmp_path, trial)
    run = make_run(tmp_path, trial, make_trial(seed=2), run_id="second")
    assert taken(run, trial) == [Finished(trial.name, "first")]
    assert read_shard(run.shard(trial.name)).status == "ok"
    assert run.predictions(trial.name).read_bytes() == b"predictions"
    assert "; 1 of 2 trials taken over from run first" in caption(collect(run))
    write_shard(run.shard(trial.name), finished(trial, started_at="2026-01-02T00:00:00+00:00"))  # run again here
    assert "taken over" not in caption(collect(run))


def test_what_changes_no_result_may_be_otherwise(tmp_path: Path):
    trial = make_trial()
    finish(tmp_path, trial, profile=Profile(partition="cpu", account="mine", sbatch={"nice": 100}))
    richer = replace(trial, job=replace(trial.job, resources=Resources(memory_gb=99, timeout_min=1)))
    run = make_run(tmp_path, richer, run_id="second")
    assert taken(run, richer, profile=Profile(partition="cpu", qos="long")) == [Finished(trial.name, "first")]


@pytest.mark.parametrize(
    ("theirs", "against"),
    [
        ({"git_commit": "e" * 40}, "with other code (commit eeeeeeeeeeee; here cccccccccccc)"),
        ({"git_dirty": True}, "with other code (commit cccccccccccc, changed; here cccccccccccc)"),
        ({"scheduler_job_id": None}, "but not as a job of that run's on Slurm (on NVIDIA A100)"),
        ({"scheduler_job_id": "18"}, "but not as a job of that run's on Slurm (on NVIDIA A100)"),
        ({"torch_version": "1.0"}, f"with torch 1.0 (here {version('torch')})"),
        ({"torchvision_version": "0.1"}, f"with torchvision 0.1 (here {version('torchvision')})"),
        (
            {"profile": Profile(partition="gpu")},
            "with another partition asked of Slurm (gpu, on NVIDIA A100; here cpu)",
        ),
        (
            {"profile": Profile(partition="cpu", gres="gpu:a100:1")},
            "with another gres asked of Slurm (gpu:a100:1, on NVIDIA A100; here none)",
        ),
        (
            {"profile": Profile(partition="cpu", setup=("module load torch",))},
            "with another setup asked of Slurm (('module load torch',), on NVIDIA A100; here none)",
        ),
        (
            {"profile": Profile(partition="cpu", sbatch={"nodelist": "n1"})},
            "with another sbatch asked of Slurm ({'nodelist': 'n1'}, on NVIDIA A100; here none)",
        ),
    ],
)
def test_what_came_about_otherwise_is_run_again_and_why_is_said(tmp_path: Path, theirs, against: str):
    trial = make_trial()
    finish(tmp_path, trial, **theirs)
    run = make_run(tmp_path, trial, run_id="second")
    assert taken(run, trial) == [Finished(trial.name, "first", against)]
    assert not run.shard(trial.name).exists()
    assert not run.taken.exists()


@pytest.mark.parametrize(
    ("here", "against"),
    [
        ({"commit": None}, "but no commit describes the code here"),
        ({"device": "cpu"}, "with another device asked of Slurm (auto, on NVIDIA A100; here cpu)"),
    ],
)
def test_so_is_what_would_come_about_otherwise_here(tmp_path: Path, here, against: str):
    trial = make_trial()
    finish(tmp_path, trial)
    assert taken(make_run(tmp_path, trial, run_id="second"), trial, **here) == [Finished(trial.name, "first", against)]


@pytest.mark.parametrize(("name", "there", "here"), [("cpus", 4, 2), ("gpus", 1, 0)])
def test_other_threads_or_no_gpu_are_another_trial(tmp_path: Path, name: str, there: int, here: int):
    """Threads are the cores that Slurm grants, and the device is the GPU that it grants: no digest holds them."""
    trial = make_trial()
    finish(tmp_path, trial)
    other = replace(trial, job=replace(trial.job, resources=replace(Resources(), **{name: here})))
    assert other.digest == trial.digest
    run = make_run(tmp_path, other, run_id="second")
    against = f"with another {name} asked of Slurm ({there}, on NVIDIA A100; here {here})"
    assert taken(run, other) == [Finished(trial.name, "first", against)]


def test_a_variable_that_changes_arithmetic_is_compared(tmp_path: Path, monkeypatch):
    trial = make_trial()
    finish(tmp_path, trial)
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    (found,) = taken(make_run(tmp_path, trial, run_id="second"), trial)
    assert "another NVIDIA_TF32_OVERRIDE asked of Slurm (none, on NVIDIA A100; here 0)" in found.against


@pytest.mark.parametrize("other", [{"digest": "e"}, {"status": "failed", "reason": "why"}])
def test_of_another_configuration_or_of_a_failure_nothing_is_said(tmp_path: Path, other: dict[str, object]):
    trial = make_trial()
    finish(tmp_path, trial, **other)
    assert taken(make_run(tmp_path, trial, run_id="second"), trial) == []


def test_the_newest_run_that_fits_is_taken_and_the_newest_that_does_not_is_named(tmp_path: Path):
    trial = make_trial()
    for run_id, commit in (("a", COMMIT), ("b", COMMIT), ("c", "e" * 40)):
        finish(tmp_path, trial, run_id=run_id, git_commit=commit)
    assert taken(make_run(tmp_path, trial, run_id="x"), trial) == [Finished(trial.name, "b")]
    (found,) = taken(make_run(tmp_path, trial, run_id="y"), trial, commit="d" * 40)
    assert found.run == "c"  # x has it from b
    assert "with other code" in found.against


def test_what_was_taken_over_is_taken_from_where_it_was_computed(tmp_path: Path):
    trial = make_trial()
    finish(tmp_path, trial, run_id="a")
    for run_id in ("b", "c"):
        assert taken(make_run(tmp_path, trial, run_id=run_id), trial) == [Finished(trial.name, "a")]
    shutil.rmtree(tmp_path / "a")
    (found,) = taken(make_run(tmp_path, trial, run_id="d"), trial)
    assert found == Finished(trial.name, "c", "which had it from run a, which has it no more")


class TestImage:
    def test_the_same_file_is_the_same_image_and_another_under_its_name_is_not(self, tmp_path: Path):
        from lab2.launch import container

        image = tmp_path / "lab2.sqsh"
        image.write_bytes(b"one")
        profile = Profile(container="pyxis", image=str(image))
        trial = make_trial()
        finish(tmp_path, trial, profile=profile, torch_version="of the image")
        assert taken(make_run(tmp_path, trial, run_id="b"), trial, profile=profile) == [Finished(trial.name, "first")]
        image.write_bytes(b"two")
        container._file_digest.cache_clear()  # another process would have read it anew
        (found,) = taken(make_run(tmp_path, trial, run_id="c"), trial, profile=profile)[:1]
        assert "with another image asked of Slurm (sha256:" in found.against

    def test_an_archive_is_known_by_its_size_and_date(self, tmp_path: Path):
        image = tmp_path / "lab2.tar"
        image.write_bytes(b"one")
        profile = Profile(container="podman", image=str(image))
        before = place_of(make_trial(), profile, "auto")
        os.utime(image, ns=(1, 1))
        assert place_of(make_trial(), profile, "auto")["image"] != before["image"]

    def test_a_name_may_mean_another_image_tomorrow_unless_it_holds_a_digest(self, tmp_path: Path):
        trial = make_trial()
        for run_id, name, against in (
            ("a", "lab2:0.2.0", "in image 'lab2:0.2.0', which may be another by now; name it by its digest"),
            ("b", f"lab2@sha256:{'0' * 64}", ""),
        ):
            profile = Profile(container="podman", image=name)
            finish(tmp_path / run_id, trial, profile=profile)
            (found,) = taken(make_run(tmp_path / run_id, trial, run_id="x"), trial, profile=profile)
            assert found.against[: len(against) or None] == against


@pytest.mark.parametrize(
    ("imports", "against"),
    [("math import pi", ""), ("timm import nets", "but which timm the nodes' python has is not known here")],
)
def test_a_network_out_of_a_package_of_another_python_is_not_known_here(tmp_path: Path, imports: str, against: str):
    profile = Profile(python="/nodes/python")
    trial = make_trial("own", model=ImportedConfig(network=f"{write_net(tmp_path / 'my', imports)}:Net"))
    finish(tmp_path, trial, profile=profile, torch_version="of the nodes")
    run = make_run(tmp_path, trial, run_id="second")
    assert taken(run, trial, profile=profile) == [Finished(trial.name, "first", against)]


def test_a_submission_of_before_there_were_places_is_read(tmp_path: Path):
    from lab2.launch.submission import read_submissions

    run = start_run(tmp_path, [make_trial()], smoke=False, device="auto")
    note = {"job_id": "7", "job_name": "x", "trials": ["cnn-seed1"], "submitted_at": ""}
    (run.submissions / "7.json").write_text(json.dumps(note))
    assert read_submissions(run)[0].place == {}


@pytest.mark.parametrize("part", ["predictions", "history", "weights"])
@pytest.mark.parametrize("kind", [fifo, directory, device, dangling], ids=lambda kind: kind.__name__)
def test_what_is_no_file_is_run_again(kind: Callable[[Path], None], part: str, tmp_path: Path):
    trial = make_trial()
    other = finish(tmp_path, trial)
    put(kind, getattr(other, part)(trial.name))
    run = make_run(tmp_path, trial, run_id="second")
    (told,) = taken(run, trial)
    assert f"its {part} cannot be copied" in told.against
    assert not run.shard(trial.name).exists()


def test_a_shard_that_is_no_file_is_none(tmp_path: Path):
    trial = make_trial()
    put(fifo, finish(tmp_path, trial).shard(trial.name))
    assert taken(make_run(tmp_path, trial, run_id="second"), trial) == []


class TestOnThisMachine:
    """Trials that are not submitted, as those of `lab2 study`."""

    def taken(self, folder: Path, *, device: str = "auto", alone: bool = False, **theirs: object) -> list[Finished]:
        trial = make_trial()
        first = make_run(folder, trial, run_id="first")
        own = {"scheduler_job_id": None, "host": "mine", "threads": 2}
        write_shard(first.shard(trial.name), finished(trial, **{**HERE, **own, **theirs}))
        run = make_run(folder, trial, run_id="second")
        place = Here(host="mine", image_digest=None, threads=2, alone=alone)
        return reuse(run, [trial], place, device=device, commit=COMMIT)

    def test_the_same_is_taken_over(self, tmp_path: Path):
        assert self.taken(tmp_path) == [Finished("cnn-seed1", "first")]
        assert RunDir(tmp_path / "second").shard("cnn-seed1").exists()

    @pytest.mark.parametrize(
        ("theirs", "against"),
        [
            ({"git_dirty": True}, "with other code (commit cccccccccccc, changed; here cccccccccccc)"),
            ({"scheduler_job_id": "17"}, "but as a job on Slurm"),
            ({"host": "yours"}, "on another machine (yours)"),
            ({"all_machines": "yours, then mine"}, "on another machine (yours, then mine)"),
            ({"threads": 1}, "with 1 threads (here 2)"),
            ({"image_digest": "sha256:1"}, "in another image"),
            ({"torch_version": "1.0"}, f"with torch 1.0 (here {version('torch')})"),
        ],
    )
    def test_what_came_about_otherwise_is_not(self, tmp_path: Path, theirs, against: str):
        assert self.taken(tmp_path, **theirs) == [Finished("cnn-seed1", "first", against)]

    def test_what_ran_beside_others_is_not_where_times_are_compared(self, tmp_path: Path):
        against = "with 2 trials at once, and here their times are compared"
        assert self.taken(tmp_path / "a", alone=True, trials_at_once=2) == [Finished("cnn-seed1", "first", against)]
        for name, alone, beside in (("b", True, 1), ("c", False, 2)):
            assert self.taken(tmp_path / name, alone=alone, trials_at_once=beside) == [Finished("cnn-seed1", "first")]

    def test_what_ran_on_another_kind_of_device_is_not(self, tmp_path: Path):
        assert self.taken(tmp_path, device="cpu")[0].against == "with --device auto (here cpu)"
