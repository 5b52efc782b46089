"""What is typed after `make` reaches lab2 as it was typed, one word a variable, also in an image."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import PATIENCE_S

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="LOUD: no make here")

WORDS = [
    "My Pictures",
    "it's",
    "two  spaces and 'quotes'",
    'a "double" one',
    "a;touch broken",
    "a & b | c > d",
    "*",
    r"back\slash",
    "a,b",
    "`touch broken`",
    "(x)",
    "#hash",
    "ünïcode",
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The Makefile and the scripts, set up already, with a lab2 that notes what it was asked."""
    folder = tmp_path.resolve() / "my lab's checkout"
    shutil.copytree(ROOT / "slurm" / "containers", folder / "slurm" / "containers")
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("requirements.lock", "pyproject.toml", ".venv/bin/python", ".venv/.ready-run"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (0, int(name.endswith(".ready-run"))))
    stub = folder / ".venv" / "bin" / "lab2"
    stub.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\" > said\n")
    stub.chmod(0o755)
    return folder


def make(checkout: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "LAB2_", "SLURM_"))}
    return subprocess.run(
        ["make", *words],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=clean | environment,
    )


def asked(checkout: Path, *words: str) -> list[str]:
    """What lab2 was called with."""
    done = make(checkout, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return (checkout / "said").read_text().split("\0")[:-1]


class TestOneWord:
    @pytest.mark.parametrize("word", WORDS)
    def test_each_variable_of_a_launch(self, checkout: Path, word: str):
        given = [f"{name}={word}" for name in ("JOBS", "SEEDS", "DATASET", "PARALLEL")]
        choice = ["--jobs", word, "--seeds", word, "--dataset", word, "--parallel", word]
        assert asked(checkout, "run-local", *given) == ["run-local", *choice]
        assert asked(checkout, "submit", *given, f"PROFILE={word}") == ["submit", "--profile", word, *choice]
        assert not (checkout / "broken").exists()

    @pytest.mark.parametrize("word", WORDS)
    @pytest.mark.parametrize("command", ["resume", "status", "cancel", "report"])
    def test_the_id_of_a_run(self, checkout: Path, command: str, word: str):
        assert asked(checkout, command, f"RUN={word}") == [command, word]

    def test_the_study_of_one_claim_or_of_all(self, checkout: Path):
        assert asked(checkout, "study") == ["study", "all"]
        given = ("STUDY=small-data", "FULL=1", "PARALLEL=2", "PROFILE=my cluster")
        wanted = ["study", "small-data", "--full", "--profile", "my cluster", "--parallel", "2"]
        assert asked(checkout, "study", *given) == wanted

    def test_what_is_not_given_is_not_passed(self, checkout: Path):
        assert asked(checkout, "run-local") == ["run-local"]
        assert asked(checkout, "run-local", "QUICK=1", "SEEDS=3") == ["run-local", "--seeds", "3", "--quick"]
        assert asked(checkout, "report") == ["report", "latest"]
        assert asked(checkout, "submit", "PROFILE=p", "DRYRUN=1") == ["submit", "--profile", "p", "--dry-run"]

    def test_a_submission_without_a_profile_is_refused(self, checkout: Path):
        done = make(checkout, "submit")
        assert done.returncode == 2
        assert "which of slurm/profiles/?" in done.stderr


class TestImage:
    """The command that would start the container: what it mounts, and what it asks lab2."""

    def shown(
        self, checkout: Path, *words: str, tool: str = "docker", **environment: str
    ) -> tuple[list[str], list[str]]:
        image = "lab2.sif" if tool == "apptainer" else "lab2:1"
        done = make(
            checkout, "run-local", f"IMAGE={image}", f"ENGINE={tool}", *words,
            LAB2_SHOW="1", LAB2_GPU_FILES="/nowhere*", **environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        line = shlex.split(done.stdout)
        mount = "--bind" if tool == "apptainer" else "--volume"
        mounts = [value for name, value in pairwise(line) if name == mount]
        mounts = [value for value in mounts if not value.endswith(":/tmp") and ":/cache" not in value]
        return mounts, line[line.index("lab2.cli") + 1 :]

    def own(self, checkout: Path, tool: str = "docker") -> list[str]:
        runs = f"{checkout}/runs"
        return [runs if tool == "apptainer" else f"{runs}:{runs}", f"{checkout}:{checkout}:ro"]

    @pytest.fixture
    def elsewhere(self, tmp_path: Path) -> Path:
        folder = tmp_path.resolve() / "else where's" / "My Pictures"
        folder.mkdir(parents=True)
        return folder

    @pytest.mark.parametrize("tool", ["docker", "podman", "apptainer"])
    def test_pictures_that_lie_elsewhere_are_mounted_where_they_lie(self, checkout: Path, elsewhere: Path, tool: str):
        mounts, words = self.shown(checkout, f"DATASET={elsewhere}", tool=tool)
        assert mounts == [*self.own(checkout, tool), f"{elsewhere}:{elsewhere}:ro"]
        assert words == ["run-local", "--dataset", str(elsewhere), "--runs", f"{checkout}/runs"]

    def test_so_are_jobs(self, checkout: Path, elsewhere: Path):
        mounts, words = self.shown(checkout, f"JOBS={elsewhere}/,cnn", f"DATASET={elsewhere}")
        assert mounts == [*self.own(checkout), f"{elsewhere}:{elsewhere}:ro"]  # once
        assert words[:5] == ["run-local", "--jobs", f"{elsewhere}/,cnn", "--dataset", str(elsewhere)]

    def test_what_lies_in_this_folder_is_mounted_with_it(self, checkout: Path):
        (checkout / "pictures").mkdir()
        (checkout / "jobs").mkdir()
        mounts, words = self.shown(checkout, "DATASET=pictures", "JOBS=jobs/", "QUICK=1")
        assert mounts == self.own(checkout)
        assert words[:6] == ["run-local", "--jobs", "jobs/", "--dataset", "pictures", "--quick"]

    @pytest.mark.parametrize("name", ["mnist", "no such folder"])
    def test_a_name_is_no_folder(self, checkout: Path, name: str):
        mounts, words = self.shown(checkout, f"DATASET={name}")
        assert mounts == self.own(checkout)
        assert words[1:3] == ["--dataset", name]

    def test_a_relative_path_may_lead_out_of_this_folder(self, checkout: Path, elsewhere: Path):
        mounts, words = self.shown(checkout, "DATASET=../else where's/My Pictures")
        assert mounts == [*self.own(checkout), f"{elsewhere}:{elsewhere}:ro"]
        assert words[2] == "../else where's/My Pictures"

    def test_a_link_leads_to_what_is_mounted(self, checkout: Path, elsewhere: Path):
        (checkout / "link").symlink_to(elsewhere)
        mounts, words = self.shown(checkout, "DATASET=link")
        assert mounts == [*self.own(checkout), f"{elsewhere}:{elsewhere}:ro"]
        assert words[2] == "link"

    def test_home_is_that_of_whoever_calls(self, checkout: Path, elsewhere: Path):
        mounts, words = self.shown(checkout, "DATASET=~/My Pictures", HOME=str(elsewhere.parent))
        assert mounts == [*self.own(checkout), f"{elsewhere}:{elsewhere}:ro"]
        assert words[2] == str(elsewhere)

    def test_a_path_that_no_option_can_name_is_refused(self, checkout: Path, tmp_path: Path):
        folder = tmp_path / "a:b"
        folder.mkdir()
        done = make(checkout, "run-local", "IMAGE=lab2:1", "ENGINE=docker", f"DATASET={folder}", LAB2_SHOW="1")
        assert done.returncode == 2
        assert f"{folder}: a path with ':' or ',' cannot be mounted" in done.stderr

    def test_the_name_of_an_image_is_one_word(self, checkout: Path):
        done = make(
            checkout, "run-local", "IMAGE=it's mine", "ENGINE=docker", LAB2_SHOW="1", LAB2_GPU_FILES="/nowhere*"
        )
        assert "it's mine" in shlex.split(done.stdout)
