"""Advice that can be followed: messages name commands, options and settings that there are, wherever they are read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest

from lab2.cli.command import whole_command
from lab2.cli.listing import COMMANDS as LISTED
from lab2.cli.options import folder_and_names
from lab2.data.places import NAMED, open_source
from lab2.errors import DataError
from lab2.machine.survey import survey
from lab2.spec.job import DataConfig, Resources, TrainConfig

PACKAGE = Path(__file__).parents[1] / "lab2"
ROOT = PACKAGE.parent
COMMANDS = {name: {option for p in whole_command(name).params for option in p.opts} for name in LISTED}
PROSE = set("again checkpoint has is sets that wrote".split())  # words that follow "lab2" where no command is meant


def messages() -> Iterator[tuple[str, str]]:
    """Each text in lab2's code that is no docstring, with an ellipsis for what is filled in, and where it stands."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        aside = {  # docstrings, and the parts of what is filled in
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and isinstance(node.body[0], ast.Expr)
            and isinstance(node.body[0].value, ast.Constant)
        }
        aside |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                text = "".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values)
                yield f"{path.relative_to(ROOT)}:{node.lineno}", text
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in aside:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def test_every_command_that_a_message_names_is_there():
    wrong = []
    seen = set()
    for where, text in messages():
        for word in re.findall(r"\blab2 ([a-z][a-z-]*)", text):
            seen.add(word)
            if word not in COMMANDS and word not in PROSE:
                wrong.append((where, word, text))
    assert not wrong
    assert {"resume", "status", "prepare", "doctor", "run-local"} <= seen  # the pattern finds what it should


def test_every_option_of_a_command_that_a_message_names_is_that_commands():
    wrong = []
    found = 0
    for where, text in messages():
        for command, rest in re.findall(r"\blab2 ([a-z][a-z-]*)((?: [^;,.)]*)?)", text):
            for option in re.findall(r"--[a-z][a-z-]*", rest):
                found += 1
                if command in COMMANDS and option not in COMMANDS[command]:
                    wrong.append((where, command, option))
    assert not wrong
    assert found > 10


def test_every_setting_that_a_message_names_is_there():
    known = {f"resources.{f.name}" for f in fields(Resources)} | {f"train.{f.name}" for f in fields(TrainConfig)}
    known |= {f"data.{f.name}" for f in fields(DataConfig)} | {"model.dim", "model.weights", "model.head_epochs"}
    named = [(where, name) for where, text in messages() for name in re.findall(r"--set (?:[a-z]+:)?([a-z_.]+)=", text)]
    assert [pair for pair in named if pair[1] not in known] == []
    assert len(named) > 5


def test_no_message_needs_a_makefile():
    """In an image, or where lab2 was installed by pip, there is none. An image is built in a checkout anyway."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"run-local", "report", "image"} <= targets
    found = [
        (where, text)
        for where, text in messages()
        if not where.startswith("lab2/launch/container.py")
        if any(word in targets for word in re.findall(r"\bmake ([a-z][a-z-]*)", text))
    ]
    assert found == []


class TestEmbeddedData:
    """`lab2 prepare` downloads what does not come with lab2; what does is mended by installing it again."""

    @pytest.fixture(autouse=True)
    def lost(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setitem(NAMED, "mnist", replace(NAMED["mnist"], places=(tmp_path / "nothing",)))

    def test_a_trial_says_so(self):
        with pytest.raises(DataError) as caught:
            open_source(DataConfig())
        assert "install lab2 again" in str(caught.value)
        assert "lab2 prepare" not in str(caught.value)

    @pytest.mark.usefixtures("small_products")
    def test_the_survey_says_so(self):
        found = next(finding for finding in survey() if finding.what == "mnist")
        assert (found.there, found.needed) == (False, True)
        assert "install lab2 again" in found.found


class TestJobs:
    def test_home_is_understood(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """What the Makefile passes in quotes no shell expands."""
        monkeypatch.setenv("HOME", str(tmp_path))
        assert folder_and_names(["~/my jobs/,cnn"]) == (tmp_path / "my jobs", ["cnn"])

    def test_names_may_stand_apart(self, monkeypatch: pytest.MonkeyPatch):
        assert folder_and_names(["cnn, vit"])[1] == ["cnn", "vit"]
