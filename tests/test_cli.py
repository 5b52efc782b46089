"""The CLI: a user's mistake is one sentence, and every command explains itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab2.spec.catalogue import default_folder
from tests.conftest import make_run, make_trial
from tests.test_local import lab2


class TestBadInput:
    """One sentence on standard error, exit code 2, no traceback, nothing written."""

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["run-local", "--jobs", "cnnn"], "did you mean 'cnn'"),
            (["run-local", "--jobs", ""], "--jobs names nothing"),
            (["run-local", "--dataset", "mnits"], "did you mean 'mnist'"),
            (["run-local", "--set", "train.epoch=3"], "did you mean 'train.epochs'"),
            (["run-local", "--set", "train.epochs=three"], "found 'three'"),
            (["run-local", "--jobs", "cnn", "--set", "train.batch_size=100000"], "is larger than the 55000 training"),
            (["run-local", "--seeds", "many"], "wanted how many"),
            (["run-local", "--seeds", "1,1"], "more than once"),
            (["run-local", "--seeds", "20260101"], "for this one alone: --seeds 20260101,"),
            (["run-local", "--jobs", "cnn", "--set", "data.image_side=64"], "is for sets of pictures"),
            (["run-local", "--jobs", "no/such/folder"], "no such folder of jobs"),
            (["run-local", "--device", "cuda:99"], "not on this machine"),
            (["run-local", "--jobs", "alexnet", "--set", "model.weights=imagenet"], "lab2 prepare alexnet"),
            (["report", "20200101-000000-mnist"], "no such run"),
            (["logs", "nobody"], "no such run"),
            (["prepare", "fashion"], "did you mean 'fashion-mnist'"),
            (["train", "vitt"], "did you mean 'vit'"),
            (["train", "cnn,vit"], "wanted the name of one job"),
            (["train", "jobs/"], "wanted the name of one job"),
            (["run-local", "--set", "resources.timeout_min=Infinity"], "must be positive"),
            (["run-local", "--seeds", "²"], "wanted how many"),
            (["submit", "--profile", "cpu-clutser"], "did you mean 'cpu-cluster'"),
        ],
    )
    def test_gets_one_clear_sentence(self, words: list[str], message: str, runs: Path, run_cli):
        code, _, said = run_cli(*words)
        assert code == 2
        assert message in said
        assert said.startswith("lab2: ")
        assert len(said.strip().splitlines()) == 1
        assert not runs.exists() or not any(runs.iterdir())

    @pytest.mark.parametrize("command", ["report", "collect"])
    def test_a_run_without_shards_says_so_and_where_to_look(self, command: str, tmp_path: Path, run_cli):
        make_run(tmp_path / "else where", make_trial())
        code, _, said = run_cli(command, "--runs", str(tmp_path / "else where"))
        assert (code, "no shards yet" in said) == (2, True)
        assert f"lab2 status run --runs '{tmp_path}/else where'" in said

    @pytest.mark.skipif(os.geteuid() == 0, reason="LOUD: root may write everywhere")
    def test_an_unwritable_folder_is_named(self, tmp_path: Path):
        tmp_path.chmod(0o500)
        done = lab2(
            "run-local", "--jobs", "cnn", "--runs", str(tmp_path / "runs"), check=2, cwd=default_folder().parent
        )
        assert "choose a writable --runs folder" in done.stderr

    def test_a_file_where_the_folder_should_be_is_named(self, tmp_path: Path, run_cli):
        (tmp_path / "file").write_text("")
        code, _, said = run_cli("run-local", "--jobs", "cnn", "--runs", str(tmp_path / "file"))
        assert code == 2
        assert "choose a writable --runs folder" in said


@pytest.mark.parametrize(
    "command",
    [
        "run-local",
        "submit",
        "cancel",
        "train",
        "status",
        "logs",
        "resume",
        "report",
        "prepare",
        "jobs",
        "doctor",
    ],
)
def test_every_command_shows_an_example(command: str, run_cli):
    assert f"Example: lab2 {command}" in run_cli(command, "--help")[1]


def test_jobs_are_listed_with_their_questions(run_cli):
    assert "vit" in run_cli("jobs")[1]


@pytest.mark.usefixtures("small_products")
def test_doctor_says_what_there_is(run_cli):
    _, said, _ = run_cli("doctor")
    for what in ("cores", "memory", "bf16", "GPUs", "Slurm", "container tools", "mnist", "vgg16 weights", "disk"):
        assert what in said
