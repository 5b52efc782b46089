"""What goes to a cluster and comes back from it, as far as it needs none: profiles, batches, verdicts."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab2.errors import ConfigError, ResourceError
from lab2.launch.batch import GO_ON, ExitNote, batch_lines, read_exit_notes
from lab2.launch.planning import change_resources, plan_trials
from lab2.launch.slurm import batches, outside_any_job
from lab2.launch.status import status
from lab2.launch.submission import Submission, latest_jobs, read_submissions, write_submission
from lab2.results.shard import unfinished, write_shard
from lab2.spec.job import DataConfig, Resources
from lab2.spec.profile import Profile, profile_folder, read_profile
from tests.conftest import PATIENCE_S, make_run, make_trial


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


class TestProfile:
    @pytest.mark.parametrize("path", sorted(profile_folder().glob("*.toml")), ids=lambda p: p.stem)
    def test_each_template_is_read_and_has_at_most_a_dozen_lines_to_adapt(self, path: Path):
        read_profile(str(path))
        lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
        assert len(lines) <= 12

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('partitoin = "gpu"', "no field is called 'partitoin'; did you mean 'partition'"),
            ("partition = 3", "partition: found 3, wanted a valid string"),
            ('setup = "module load x"', """setup: found 'module load x', wanted a list, as in ["..."]"""),
            ("array_parallelism = 0", "array_parallelism=0 must be positive"),
            ("[resources]\nmemory = 3", "no field is called 'resources.memory'; did you mean 'memory_gb'"),
            ('[resources]\ncpus = "many"', "resources.cpus: found 'many', wanted a valid integer"),
            ("[resources]\ntimeout_min = -1", "timeout_min=-1"),
            ('[sbatch]\narray = "0-3"', "sbatch.array: lab2 sets it itself"),
            ('[sbatch]\npartition = "gpu"', "sbatch.partition: has a field of its own"),
            ('[sbatch]\njob_name = "mine"', "sbatch.job-name: lab2 sets it itself"),
            ("partition = [", "not TOML"),
            ('container = "podman"', "container='podman', image=None: wanted both, or neither"),
            ('container = "lxc"\nimage = "x"', "container: found 'lxc', wanted 'apptainer', 'pyxis', 'podman'"),
            ('container = "podman"\nimage = "x"\npython = "p"', "python='p' does not go with container"),
        ],
    )
    def test_what_is_wrong_is_named_with_what_is_wanted(self, tmp_path: Path, text: str, message: str):
        with pytest.raises(ConfigError) as caught:
            read_profile(written(tmp_path, text))
        assert str(caught.value).startswith(str(tmp_path / "mine.toml"))
        assert message in str(caught.value)

    @pytest.mark.parametrize(
        ("container", "image", "is_file"),
        [
            ("podman", "lab2", False),
            ("docker", "lab2", False),
            ("podman", "lab2.tar", True),
            ("apptainer", "lab2", True),
        ],
    )
    def test_a_folder_here_is_no_image_of_an_engine_that_takes_names(
        self, container: str, image: str, is_file: bool, tmp_path: Path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "lab2").mkdir()
        profile = read_profile(written(tmp_path, f'container = "{container}"\nimage = "{image}"'))
        assert profile.image == (str(tmp_path / image) if is_file else image)

    def test_a_variable_names_the_folder_of_profiles(self, tmp_path: Path, monkeypatch):
        written(tmp_path, 'partition = "here"')
        monkeypatch.setenv("LAB2_PROFILES", str(tmp_path))
        assert profile_folder() == tmp_path
        assert read_profile("mine").partition == "here"

    def test_resources_merge_by_one_rule(self, tmp_path: Path):
        """The job says what it needs, the profile replaces it, --set replaces both."""
        profile = read_profile(written(tmp_path, "[resources]\nmemory_gb = 5\ncpus = 3"))
        job = replace(make_trial().job, resources=Resources(memory_gb=1, cpus=1, timeout_min=7))
        (trial,) = plan_trials([job], [1], DataConfig(), ["resources.cpus=9"], smoke=False, profile=profile)
        asked = trial.job.resources
        assert (asked.timeout_min, asked.memory_gb, asked.cpus) == (7, 5, 9)


class TestBatches:
    @given(
        seeds=st.lists(st.integers(1, 12), min_size=1, max_size=4),
        largest=st.integers(1, 9),
        parallel=st.none() | st.integers(1, 20),
    )
    def test_every_trial_once_no_array_too_large_and_the_cap_holds(self, seeds, largest, parallel):
        names = ("cnn", "vit", "alexnet", "vgg16")
        trials = [make_trial(names[i], seed=s) for i, count in enumerate(seeds) for s in range(count)]
        made = batches(trials, largest=largest, parallel=parallel)
        assert [t for batch in made for t in batch.trials] == trials
        assert all(len(batch.trials) <= largest and len({t.job for t in batch.trials}) == 1 for batch in made)
        if parallel is None:
            assert all(batch.after is None and batch.max_running is None for batch in made)
            return
        lanes: dict[int, int] = {}  # the first batch of a lane, and the most of its trials that run at once
        first: dict[int, int] = {}
        for i, batch in enumerate(made):
            assert batch.max_running is not None
            assert batch.after is None or batch.after < i
            lane = i if batch.after is None else first[batch.after]
            first[i] = lane
            lanes[lane] = max(lanes.get(lane, 0), batch.max_running)
        assert 1 <= sum(lanes.values()) <= parallel

    def test_other_resources_are_another_batch(self):
        one = make_trial(seed=1)
        other = replace(make_trial(seed=2), job=replace(one.job, resources=Resources(cpus=9)))
        assert len(batches([one, other], largest=100, parallel=None)) == 2


class TestBatchScript:
    def script(self, tmp_path: Path, command: str) -> tuple[int, str]:
        """Run the set-up lines and then `command` as Slurm would; squeue and scontrol only tell that they were."""
        run = make_run(tmp_path, make_trial())
        tools = tmp_path / "bin"
        tools.mkdir()
        (tools / "squeue").write_text("#!/bin/sh\necho RUNNING\n")
        (tools / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/requeued\n')
        for tool in tools.iterdir():
            tool.chmod(0o755)
        text = "\n".join([*batch_lines(run, []), command])
        slurm = {"SLURM_JOB_ID": "18", "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "2", "SLURMD_NODENAME": "n9"}
        done = subprocess.run(
            ["bash", "-c", text], env={"PATH": f"{tools}:{os.environ['PATH']}", **slurm, "SLURM_CPUS_PER_TASK": "2"},
            check=False, timeout=PATIENCE_S,
        )  # fmt: skip
        requeued = tmp_path / "requeued"
        self.left = read_exit_notes(run)
        return done.returncode, requeued.read_text() if requeued.exists() else ""

    @pytest.mark.parametrize(("command", "code"), [("true", 0), ("exit 3", 3), ("sh -c 'kill -9 $$'", 137)])
    def test_the_exit_code_is_kept_and_noted(self, tmp_path: Path, command: str, code: int):
        assert self.script(tmp_path, command) == (code, "")
        assert self.left == {"17_2": ExitNote(exit_code=code, node="n9", restart=0)}

    def test_a_trial_that_can_go_on_is_put_back(self, tmp_path: Path):
        assert self.script(tmp_path, f"sh -c 'exit {GO_ON}'") == (GO_ON, "requeue 17_2\n")

    def test_a_cancelled_one_is_not(self, tmp_path: Path):
        command = f'touch "$lab2_exits/17_2.cancelled"; sh -c "exit {GO_ON}"'
        assert self.script(tmp_path, command) == (GO_ON, "")

    def test_a_script_that_is_ended_still_leaves_its_note(self, tmp_path: Path):
        assert self.script(tmp_path, "kill $$; sleep 0.1")[0] == 128 + signal.SIGTERM
        assert self.left["17_2"].exit_code == 128 + signal.SIGTERM

    def test_a_note_that_is_not_whole_is_none(self, tmp_path: Path):
        run = make_run(tmp_path, make_trial())
        (run.exits / "4.0.json").write_text('{"exit_code": 137, "no')
        (run.exits / "5.0.json").write_text('{"exit_code": 85, "node": "n1"}')
        (run.exits / "5.1.json").write_text('{"exit_code": 137, "node": "n2"}')
        assert read_exit_notes(run) == {"5": ExitNote(exit_code=137, node="n2", restart=1)}


def test_a_job_that_submits_others_hides_its_own_ids(monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    with outside_any_job():
        assert "SLURM_ARRAY_TASK_ID" not in os.environ
        assert os.environ["SLURM_CONF"] == "/etc/slurm.conf"
    assert os.environ["SLURM_ARRAY_TASK_ID"] == "3"


def test_the_newest_submission_of_a_trial_counts(tmp_path: Path):
    run = make_run(tmp_path, make_trial(seed=1), make_trial(seed=2))
    both, one = ("cnn-seed1", "cnn-seed2"), ("cnn-seed2",)
    write_submission(run, Submission(job_id="10", job_name="x", trials=one, submitted_at=""))
    write_submission(run, Submission(job_id="9", job_name="x", trials=both, submitted_at=""))
    assert latest_jobs(read_submissions(run)) == {"cnn-seed1": "9_0", "cnn-seed2": "10"}


def test_without_any_slurm_status_says_what_the_trials_left(tmp_path: Path, monkeypatch):
    run = make_run(tmp_path, make_trial(seed=1), make_trial(seed=2), make_trial(seed=3))
    trials = tuple(f"cnn-seed{n}" for n in (1, 2, 3))
    write_submission(run, Submission(job_id="9", job_name="x", trials=trials, submitted_at=""))
    write_shard(run.shard(trials[0]), unfinished(make_trial(seed=1), "ok", ""))
    (run.exits / "9_1.0.json").write_text('{"exit_code": 137, "node": "n1"}')
    monkeypatch.setenv("PATH", str(tmp_path))
    now = status(run, run.read_plan())
    assert [t.state for t in now.trials] == ["ok", "failed", "queued"]
    assert "squeue" in now.caveat


class TestChangeResources:
    def test_changes_the_plan_and_no_digest(self, tmp_path: Path):
        run = make_run(tmp_path, make_trial())
        before = run.read_plan().trials[0]
        (after,) = change_resources(run, ["resources.timeout_min=99"]).trials
        assert run.read_plan().trials[0] == after
        assert (after.job.resources.timeout_min, after.digest) == (99, before.digest)

    def test_refuses_anything_else(self, tmp_path: Path):
        run = make_run(tmp_path, make_trial())
        with pytest.raises(ConfigError, match=r"only resources\.\* can change"):
            change_resources(run, ["train.epochs=3"])


def test_a_machine_without_slurm_says_where_to_go(tmp_path: Path, monkeypatch):
    from lab2.launch.slurm import submit

    monkeypatch.setenv("PATH", str(tmp_path))
    run = make_run(tmp_path, make_trial())
    with pytest.raises(ResourceError, match=r"no Slurm answers here.*lab2 run-local"):
        list(submit(run, run.read_plan(), run.read_plan().trials, Profile()))
