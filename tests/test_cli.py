"""The CLI: a user's mistake is one sentence, and every command explains itself."""

from __future__ import annotations

import os
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from lab2.cli.command import whole_command
from lab2.cli.listing import COMMANDS
from lab2.results.run_dir import RunDir
from lab2.results.shard import write_shard
from lab2.spec.catalogue import default_folder, read_catalogue
from lab2.spec.job import DataConfig, Trial
from lab2.spec.overrides import override
from tests.conftest import finished, make_run, make_trial
from tests.test_local import lab2

VISIBLE = [name for name, one in COMMANDS.items() if not one.hidden]


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
            (["run-local", "--jobs", "jobs/cnn.py"], "jobs/cnn.py: is a file; give its folder"),
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


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(command: str, run_cli):
    assert f"Example: lab2 {command}" in run_cli(command, "--help")[1]


class TestHelp:
    @pytest.mark.parametrize(
        "command", [[], *([name] for name in VISIBLE)], ids=lambda words: " ".join(words) or "lab2"
    )
    @pytest.mark.parametrize("width", [80, 120])
    def test_flags_stand_alone_and_nothing_is_cut(
        self, command: list[str], width: int, run_cli, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", width)
        code, said, _ = run_cli(*command, "--help")
        assert code == 0
        assert run_cli(*command, "-h")[1] == said
        assert not re.search(r"<\w+>|--no-(?!baselines)|…", said)
        assert all(len(line) <= width for line in said.splitlines())

    def test_commands_stand_in_groups(self, run_cli):
        said = run_cli("--help")[1]
        panels = {text.split(" ")[0]: text for text in said.split("╭─ ")[1:]}
        assert list(panels) == ["Options", "Start", "Run", "Watch", "Results"]
        found = {name: re.findall(r"^│ ([a-z][a-z-]*)", text, re.MULTILINE) for name, text in panels.items()}
        assert found == {
            "Options": [],
            "Start": ["init", "doctor", "prepare", "jobs", "inspect"],
            "Run": ["run-local", "train", "submit", "resume", "cancel", "tune", "more", "study"],
            "Watch": ["status", "watch", "logs"],
            "Results": ["report", "recommend", "compare", "plot", "merge", "import", "export"],
        }

    def test_a_word_means_one_thing_in_all_commands(self):
        """A run is an argument, and `latest` where none is given; each option takes one kind of value."""
        names: dict[str, set[str | None]] = {}
        for name in VISIBLE:
            shown = [one for one in whole_command(name).params if not getattr(one, "hidden", False)]
            for one in shown:
                for option in (word for word in one.opts if word.startswith("--")):
                    names.setdefault(option, set()).add(one.metavar)
            runs = [one for one in shown if one.name == "run_id" or one.metavar == "RUN"]
            assert {(one.param_type_name, one.default, one.metavar) for one in runs} <= {("argument", "latest", "RUN")}
            assert "--run" not in {option for one in shown for option in one.opts}
        assert {option for option, words in names.items() if len(words) > 1} == set()
        assert "--watch" not in names


class TestOldWords:
    """What commands were called before still works, and no help shows it."""

    @pytest.fixture
    def run(self, runs: Path) -> RunDir:
        trial = make_trial()
        run = make_run(runs, trial)
        write_shard(run.shard(trial.name), finished(trial))
        return run

    @pytest.mark.parametrize("option", ["--follow", "--watch"])
    def test_status_goes_on_until_all_have_ended(self, run: RunDir, option: str, run_cli):
        code, said, _ = run_cli("status", "run", option)
        assert (code, said) == (0, "cnn-seed1: ok\n")

    @pytest.mark.parametrize("words", [["run"], ["--run", "run"]])
    def test_logs_of_a_run_that_is_named(self, run: RunDir, words: list[str], run_cli):
        make_run(run.path.parent, make_trial("vit"), run_id="later")
        code, _, said = run_cli("logs", "vit-seed1", *words)
        assert (code, "run run has no trial 'vit-seed1'; there are: cnn-seed1" in said) == (2, True)


class TestJobs:
    def test_all_are_listed_with_their_questions(self, run_cli):
        assert "vit            ViT from scratch: what does attention cost" in run_cli("jobs")[1]

    @pytest.mark.parametrize("job", ["cnn", "vit", "faster_rcnn", "vgg16"])
    def test_one_is_shown_with_all_that_can_be_set(self, job: str, run_cli):
        """And each value, typed behind --set, is the one that it has."""
        said = run_cli("jobs", job)[1].partition("search space")[0]
        spec = read_catalogue(default_folder())[job].job
        trial = Trial(job=spec, data=DataConfig(), seed=1)
        shown = dict(re.findall(r"^((?:model|train|resources|data)\.\w+) +(\S+)", said, re.MULTILINE))
        retyped = replace(trial, job=replace(spec, effort=None))  # one of its lengths was typed first
        typed = [f"{name}={value}" for name, value in shown.items() if name != "data.dataset"]  # --dataset gives it
        assert override([trial], typed) == [retyped]
        for section, config in (("model", spec.model), ("train", spec.train), ("resources", spec.resources)):
            assert {f"{section}.{f.name}" for f in fields(config)} - {"model.architecture"} <= shown.keys()
        assert {f"data.{f.name}" for f in fields(DataConfig)} <= shown.keys()

    def test_its_own_words_and_its_networks_source_stand_above(self, run_cli):
        _, said, _ = run_cli("jobs", "cnn")
        for words in ("how far do two convolutions go?", "On MNIST: 99.18 %", "Source: LeCun et al. 1998"):
            assert words in said
        assert re.search(r"train\.batch_size +64 +256 +images a step", said)
        assert "on mnist: train.epochs=0.85 train.images=None " in " ".join(said.split())

    def test_several_of_a_folder(self, run_cli):
        _, said, _ = run_cli("jobs", "vit_strong", "--jobs", "jobs/strong/,cnn_strong")
        assert said.index("vit_strong  (") < said.index("cnn_strong  (")

    def test_what_a_job_file_says_is_shown_and_not_obeyed(self, tmp_path: Path, run_cli):
        text = (default_folder() / "cnn.py").read_text().replace("On MNIST:", "\\x1b[2J[bold]On MNIST:")
        (tmp_path / "bad.py").write_text(text)
        _, said, _ = run_cli("jobs", "cnn", "--jobs", f"{tmp_path}/")
        assert r"\x1b[2J[bold]On MNIST:" in said


class TestCompletion:
    @pytest.fixture
    def offered(self, run_cli, monkeypatch: pytest.MonkeyPatch):
        def ask(line: str) -> list[str]:
            monkeypatch.setenv("_LAB2_COMPLETE", "complete_bash")
            monkeypatch.setenv("COMP_WORDS", line)
            monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
            said: str = run_cli()[1]
            return said.split()

        return ask

    @pytest.mark.parametrize(
        ("line", "wanted"),
        [
            ("lab2 sta", ["status"]),
            ("lab2 study par", ["parameters"]),
            ("lab2 train v", ["vgg16", "vit", "vit_strong"]),
            ("lab2 train --jobs jobs/strong/ v", ["vit_strong"]),
            ("lab2 jobs c", ["cnn", "commonest_class", "cnn_strong"]),
            ("lab2 run-local --jobs cnn,v", ["cnn,vgg16", "cnn,vit", "cnn,vit_strong"]),
            ("lab2 run-local --jobs cnn,c", ["cnn,commonest_class", "cnn,cnn_strong"]),
            ("lab2 run-local --dataset k", ["kmnist"]),
            ("lab2 run-local --device c", ["cpu", "cuda"]),
            ("lab2 submit --profile c", ["cpu-cluster"]),
            ("lab2 prepare ", ["fashion-mnist", "kmnist", "emnist-letters", "cifar10", "vgg16", "alexnet"]),
            ("lab2 report ", ["latest", "run"]),
            ("lab2 logs c", ["cnn-seed1", "cnn-seed2"]),
            ("lab2 cancel run --trial cnn-seed2", ["cnn-seed2"]),
            ("lab2 status --f", ["--follow"]),
            ("lab2 status --w", []),
        ],
    )
    def test_names_that_are_there_are_offered(self, line: str, wanted: list[str], runs: Path, offered):
        make_run(runs, make_trial(), make_trial(seed=2))
        assert offered(line) == wanted

    @pytest.mark.parametrize("line", ["lab2 report ", "lab2 logs ", "lab2 train ", "lab2 submit --profile "])
    def test_what_cannot_be_read_offers_nothing_and_says_nothing(
        self, line: str, tmp_path: Path, offered, monkeypatch: pytest.MonkeyPatch
    ):
        for variable in ("LAB2_JOBS", "LAB2_PROFILES", "LAB2_RUNS"):
            monkeypatch.setenv(variable, str(tmp_path / "nowhere"))
        assert offered(line) == (["latest"] if "report" in line else [])

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_a_shell_is_told_how_to_ask(self, shell: str, run_cli, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("typer.completion._get_shell_name", lambda: shell)
        assert "_LAB2_COMPLETE" in run_cli("--show-completion")[1]


@pytest.mark.usefixtures("small_products")
def test_doctor_says_what_there_is(run_cli):
    _, said, _ = run_cli("doctor")
    for what in ("cores", "memory", "bf16", "GPUs", "Slurm", "container tools", "mnist", "vgg16 weights", "disk"):
        assert what in said
