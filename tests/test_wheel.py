"""What is installed is whole: jobs, profiles and container scripts come with the package, and can be copied from it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import lab2
from lab2.errors import ConfigError
from lab2.launch.container import wrapper
from lab2.spec.catalogue import default_folder, named_folder, passed_over, read_catalogue
from lab2.spec.profile import profile_folder, profiles, read_profile
from lab2.spec.shipped import FILES, shipped, write_copies

ROOT = Path(lab2.__file__).parents[1]
COPIES = sorted(path.relative_to(ROOT) for pattern in FILES for path in ROOT.glob(pattern))
BUILD = "import setuptools.build_meta as b, sys; getattr(b, f'build_{sys.argv[1]}')(sys.argv[2])"


def code_folders(top: str, name: str) -> set[str]:
    """The packages that the Python files below the folder `top` are in, if `top` itself is called `name`."""
    folders = {path.parent.relative_to(ROOT / top) for path in (ROOT / top).rglob("*.py")}
    return {".".join((name, *folder.parts)) for folder in folders}


def test_the_package_has_every_folder_of_code_and_of_jobs():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    listed = {name for name in settings["packages"] if not name.startswith("lab2.shipped.slurm")}
    assert listed == code_folders("lab2", "lab2") | code_folders("jobs", "lab2.shipped.jobs")


class TestCopies:
    def test_everything_that_comes_with_lab2_is_written(self, tmp_path: Path, run_cli):
        code, said, _ = run_cli("init", str(tmp_path / "mine"))
        found = sorted(path.relative_to(tmp_path / "mine") for path in (tmp_path / "mine").rglob("*") if path.is_file())
        assert (code, found) == (0, COPIES)
        assert all((tmp_path / "mine" / file).read_bytes() == (ROOT / file).read_bytes() for file in COPIES)
        assert os.access(tmp_path / "mine/slurm/containers/in-image", os.X_OK)
        assert f"cd {tmp_path}/mine, then" in said
        for name in ("cnn", "cnn_strong", "gpu-cluster", "in-image"):
            assert name in said

    def test_it_goes_beside_what_else_is_there(self, tmp_path: Path):
        (tmp_path / "notes.txt").touch()
        assert write_copies(tmp_path) == COPIES

    @pytest.mark.parametrize("there", ["jobs", "slurm"])
    def test_nothing_is_overwritten(self, tmp_path: Path, there: str, run_cli):
        (tmp_path / there).mkdir()
        code, _, said = run_cli("init", str(tmp_path))
        assert code == 2
        assert f"has {there} already; nothing is overwritten" in said
        assert [path.name for path in tmp_path.rglob("*")] == [there]

    def test_a_file_is_no_folder(self, tmp_path: Path, run_cli):
        (tmp_path / "mine").touch()
        code, _, said = run_cli("init", str(tmp_path / "mine"))
        assert (code, "is no folder" in said) == (2, True)

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path, run_cli):
        (tmp_path / "file").touch()
        code, _, said = run_cli("init", str(tmp_path / "file" / "mine"))
        assert (code, "name a folder that you can write" in said) == (2, True)


class TestWhichAreUsed:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        return tmp_path

    def test_those_that_come_with_lab2_where_there_are_none_here(self):
        assert default_folder() == shipped("jobs")
        assert profile_folder() == shipped("slurm/profiles")
        assert wrapper() == shipped("slurm/containers/in-image")
        assert list(read_catalogue(named_folder("jobs/strong/"))) == ["cnn_strong", "vit_strong"]

    def test_the_copies_where_there_are_some(self, here: Path):
        write_copies(here)
        assert default_folder() == Path("jobs")
        assert profile_folder() == Path("slurm/profiles")
        assert wrapper() == here / "slurm/containers/in-image"
        assert named_folder("jobs/strong/") == Path("jobs/strong")

    def test_a_folder_of_that_name_that_is_not_lab2s_is_left_alone(self, here: Path):
        (here / "jobs").mkdir()
        assert passed_over() == ""
        (here / "jobs" / "nightly.py").write_text("raise SystemExit('this must not run')")
        assert default_folder() == shipped("jobs")
        assert passed_over().startswith(f"no file in {here}/jobs binds JOB; the jobs are those of {shipped('jobs')}")

    def test_that_it_is_left_alone_is_said(self, run_cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        here = tmp_path
        monkeypatch.chdir(here)
        (here / "jobs").mkdir()
        (here / "jobs" / "nightly.py").write_text("raise SystemExit('this must not run')")
        code, said, warned = run_cli("jobs")
        assert (code, "vgg16" in said) == (0, True)
        assert "warning: no file in" in warned

    def test_a_job_counts_that_only_binds_one(self, here: Path):
        (here / "jobs").mkdir()
        (here / "jobs" / "mine.py").write_text("from base import make\nJOB = make('mine')\n")
        assert default_folder() == Path("jobs")
        assert passed_over() == ""

    def test_profiles_here_stand_beside_lab2s_and_before_them(self, here: Path):
        (here / "slurm" / "profiles").mkdir(parents=True)
        (here / "slurm" / "profiles" / "mine.toml").write_text('partition = "here"\n')
        (here / "slurm" / "profiles" / "gpu-cluster.toml").write_text('partition = "ours"\n')
        assert (read_profile("mine").partition, read_profile("gpu-cluster").partition) == ("here", "ours")
        assert {"mine", "gpu-cluster", "cpu-cluster"} <= set(profiles())
        with pytest.raises(ConfigError, match=r"no such profile; did you mean 'mine'\? There are: .*cpu-cluster.*mine"):
            read_profile("mien")

    def test_what_a_variable_names_in_any_case(self, here: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("LAB2_JOBS", "jobs")
        monkeypatch.setenv("LAB2_PROFILES", "profiles")
        monkeypatch.setenv("LAB2_WRAPPER", "in-image")
        assert (default_folder(), profile_folder(), wrapper()) == (Path("jobs"), Path("profiles"), here / "in-image")


def build(kind: str, source: Path, folder: Path) -> Path:
    """The "wheel", "editable" wheel or "sdist" of `source`, by the hooks that pip calls (PEP 517, PEP 660)."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, kind, str(folder)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.tar.gz" if kind == "sdist" else "*.whl")
    return made


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """What of this checkout git would hand out, where building leaves its traces."""
    folder: Path = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("lab2", "jobs", "slurm"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory) -> Path:
    return build("wheel", checkout, tmp_path_factory.mktemp("wheel"))


class Installed:
    """A new environment with a wheel, which sees what else is installed here: nothing is downloaded."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.python = folder / "bin" / "python"
        words = ["-m", "pip", "--python", str(self.python), "install", "-q", "--no-deps", "--no-index", str(wheel)]
        subprocess.run([sys.executable, *words], check=True)
        (self.packages,) = folder.glob("lib/*/site-packages")
        others = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
        (self.packages / "others.pth").write_text("\n".join(others))

    def lab2(self, *words: str, where: Path) -> str:
        return self._run(self.python.with_name("lab2"), *words, where=where)

    def paths(self, where: Path) -> list[str]:
        """Where it takes jobs, profiles and the script for containers from."""
        code = (
            "from lab2.spec.catalogue import default_folder as d; from lab2.spec.profile import profile_folder as p\n"
            "from lab2.launch.container import wrapper as w; print(d(), p(), w(), sep=chr(10))"
        )
        return self._run(self.python, "-c", code, where=where).splitlines()

    def _run(self, *words: Path | str, where: Path) -> str:
        clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "LAB2_RUNS")}
        done = subprocess.run(words, cwd=where, capture_output=True, text=True, check=False, env=clean)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def files_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("RECORD")}


@pytest.mark.slow
class TestWheel:
    def test_it_has_what_the_checkout_has(self, wheel: Path):
        files = files_of(wheel)
        code = {f"lab2/{path.relative_to(ROOT / 'lab2')}" for path in (ROOT / "lab2").rglob("*.py")}
        assert code | {"lab2/py.typed"} <= files.keys()
        assert {name for name in files if "/shipped/" in name} == {f"lab2/shipped/{file}" for file in COPIES}
        assert {name.partition("/")[0] for name in files} == {"lab2", f"lab2-{lab2.__version__}.dist-info"}

    def test_that_of_the_sdist_is_the_same(self, checkout: Path, wheel: Path, tmp_path: Path):
        with tarfile.open(build("sdist", checkout, tmp_path / "sdist")) as archive:
            archive.extractall(tmp_path / "source", filter="data")
        (source,) = (tmp_path / "source").iterdir()
        assert files_of(build("wheel", source, tmp_path / "wheel")) == files_of(wheel)

    def test_from_an_empty_folder_to_the_table(self, wheel: Path, tmp_path: Path):
        here, mine = tmp_path / "empty", tmp_path / "empty" / "mine"
        here.mkdir()
        installed = Installed(wheel, tmp_path / "venv")
        within = installed.packages / "lab2" / "shipped"
        parts = ("jobs", "slurm/profiles", "slurm/containers/in-image")
        few = [f"data.{name}" for name in ("train_images=200", "validation_images=50", "test_images=50")]
        smoke = ["run-local", "--quick", *(word for text in few for word in ("--set", text))]

        assert installed.lab2("--version", where=here) == f"lab2 {lab2.__version__}\n"
        assert installed.paths(here) == [str(within / part) for part in parts]
        assert os.access(within / "slurm/containers/in-image", os.X_OK)
        assert "Custom CNN: how far do two convolutions go?" in installed.lab2("jobs", where=here)
        assert "cnn_strong" in installed.lab2("jobs", "--jobs", "jobs/strong", where=here)
        assert "vit" in installed.lab2(*smoke, "--jobs", "vit", where=here)
        assert list((here / "runs").glob("2*/report/table.csv"))

        installed.lab2("init", "mine", where=here)
        (mine / "jobs/cnn.py").write_text((ROOT / "jobs/cnn.py").read_text().replace("Custom CNN", "My own"))
        assert installed.paths(mine) == ["jobs", "slurm/profiles", str(mine / "slurm/containers/in-image")]
        assert "My own: how far" in installed.lab2("jobs", where=mine)
        installed.lab2(*smoke, "--no-baselines", "--jobs", "cnn", where=mine)
        assert list((mine / "runs").glob("2*/report/table.csv"))

    def test_an_editable_install_uses_what_the_checkout_has(self, checkout: Path, tmp_path: Path):
        installed = Installed(build("editable", checkout, tmp_path / "editable"), tmp_path / "venv")
        parts = ("jobs", "slurm/profiles", "slurm/containers/in-image")
        assert installed.paths(tmp_path) == [str(checkout / part) for part in parts]
        assert "Custom CNN" in installed.lab2("jobs", where=tmp_path)
