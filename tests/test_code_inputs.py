"""The code of a user's network belongs to a trial's identity, with what it imports."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from lab2.errors import InputError
from lab2.measure.inputs import check_inputs, packages_of, pinned
from lab2.spec.job import Trial
from tests.conftest import SMALL
from tests.test_inputs import edit, of_network, write_net


class TestCode:
    """What is found of a network's code, without importing it."""

    def names(self, *trials: Trial, elsewhere: bool = False) -> set[str]:
        found = pinned(trials, {SMALL: "d"}, elsewhere=elsewhere)
        return {name for trial in found for name in trial.inputs} - {"data mnist"}

    def test_what_a_file_imports_of_those_beside_it_and_so_on(self, tmp_path: Path):
        folder = tmp_path / "my"
        path = write_net(folder, "layers import wide")
        (folder / "layers.py").write_text("import parts.deep\ndef wide(): from lazily import late\n")
        (folder / "lazily.py").write_text("import net\nlate = 1\n")
        (folder / "parts").mkdir()
        for name in ("__init__", "deep", "deeper"):
            (folder / "parts" / f"{name}.py").write_text("from . import deeper\n")
        (folder / "notes.py").write_text("import layers\n")
        used = ("net.py", "layers.py", "lazily.py", "parts/__init__.py", "parts/deep.py", "parts/deeper.py")
        trial = of_network(f"{path}:Net")
        assert self.names(trial) == {f"network {folder / name}" for name in used}
        (before,) = pinned([trial], {SMALL: "d"})
        edit(folder / "parts" / "deeper.py")
        with pytest.raises(InputError, match=r"changed since the run was planned: network .*/parts/deeper\.py;"):
            check_inputs(before, None)

    @pytest.mark.parametrize("content", ["x = (", "\0", "import nothing_of_that_name"])
    def test_what_cannot_be_imported_is_held_as_it_is(self, tmp_path: Path, content: str):
        path = tmp_path / "net.py"
        path.write_text(content)
        assert self.names(of_network(f"{path}:Net")) == {f"network {path}"}

    def install(self, folder: Path, version: str, *, record: bool = True) -> None:
        """A package that must not be imported, as pip leaves it, or as a source tree describes itself."""
        (folder / "lab2_test_net").mkdir(parents=True, exist_ok=True)
        (folder / "lab2_test_net" / "__init__.py").write_text("raise SystemExit('it was imported')\n")
        kind, metadata = ("dist", "METADATA") if record else ("egg", "PKG-INFO")
        for old in folder.glob("lab2_test_net*info"):
            shutil.rmtree(old)
        about = folder / (f"lab2_test_net-{version}.dist-info" if record else "lab2_test_net.egg-info")
        about.mkdir()
        (about / metadata).write_text(f"Metadata-Version: 2.1\nName: lab2-test-net\nVersion: {version}\n")
        (about / "top_level.txt").write_text("lab2_test_net\n")
        if kind == "dist":
            (about / "RECORD").write_text("lab2_test_net/__init__.py,,\n")

    def test_an_installed_package_is_held_by_its_version(self, tmp_path: Path, monkeypatch):
        self.install(tmp_path / "one", "1.0")
        self.install(tmp_path / "two", "1.1")
        monkeypatch.syspath_prepend(tmp_path / "one")
        trial = of_network("lab2_test_net.nets:Net")
        (before,) = pinned([trial], {SMALL: "d"})
        assert before.inputs["package lab2_test_net"] == "lab2-test-net==1.0"
        monkeypatch.syspath_prepend(tmp_path / "two")
        with pytest.raises(
            InputError, match=r"package lab2_test_net \(lab2-test-net==1\.0, here lab2-test-net==1\.1\)"
        ):
            check_inputs(before, None)
        assert "lab2_test_net" not in sys.modules

    def test_so_is_one_that_a_file_imports(self, tmp_path: Path, monkeypatch):
        self.install(tmp_path / "one", "1.0")
        monkeypatch.syspath_prepend(tmp_path / "one")
        path = write_net(tmp_path / "my", "lab2_test_net import wide")
        assert self.names(of_network(f"{path}:Net")) == {f"network {path}", "package lab2_test_net"}
        assert packages_of(of_network(f"{path}:Net").job.model) == ["lab2_test_net"]

    def test_one_that_the_user_works_on_is_held_by_its_files(self, tmp_path: Path, monkeypatch):
        """Its source tree states a version, which stays the same however it is edited."""
        self.install(tmp_path, "1.0", record=False)
        monkeypatch.syspath_prepend(tmp_path)
        trial = of_network("lab2_test_net.nets:Net")
        assert self.names(trial) == {f"network {tmp_path}/lab2_test_net/__init__.py"}

    def test_what_is_installed_here_says_nothing_of_another_python(self, tmp_path: Path, monkeypatch):
        self.install(tmp_path / "one", "1.0")
        monkeypatch.syspath_prepend(tmp_path / "one")
        path = write_net(tmp_path / "my", "lab2_test_net import wide")
        trials = [of_network("lab2_test_net.nets:Net"), of_network(f"{path}:Net", seed=2)]
        assert self.names(*trials, elsewhere=True) == {f"network {path}"}

    def test_torchvisions_networks_are_held_by_its_version(self):
        (trial,) = pinned([of_network("torchvision.models:squeezenet1_1")], {SMALL: "d"})
        assert trial.inputs["package torchvision"] == f"torchvision=={version('torchvision')}"
