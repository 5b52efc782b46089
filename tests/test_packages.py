"""Imports point one way, and the packages of a login node need no torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "lab2"

# A package imports only from packages of layers before its own.
LAYERS = [
    ["errors", "foreign_text", "regular_file", "whole_file", "stop", "words"],
    ["cache", "file_lock", "json_lines", "compare"],
    ["spec"],
    ["measure"],
    ["data"],
    ["results"],
    ["more"],
    ["models"],
    ["train"],
    ["pace"],
    ["attempt", "evaluation", "kernel_choice"],
    ["trial", "check"],
    ["launch", "report", "machine", "trace", "export"],
    ["api", "rate"],
    ["__init__"],  # of lab2 itself: what it names is imported when it is asked for
    ["tune", "study", "watch"],
    ["cli"],
]
LAYER = {package: layer for layer, packages in enumerate(LAYERS) for package in packages}
FILES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    """Every module that the file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names if node.module == "lab2")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


def package(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_no_file_is_longer_than_one_reads_in_a_sitting():
    root = PACKAGE.parent
    files = [
        path for folder in ("lab2", "jobs", "benchmarks", "docs", "tests") for path in (root / folder).rglob("*.py")
    ]
    assert {str(p.relative_to(root)): n for p in files if (n := len(p.read_text().splitlines())) > 300} == {}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path):
    for module in imported_modules(path):
        parts = module.split(".")
        if parts[0] == "lab2" and len(parts) > 1 and parts[1] in LAYER:
            assert parts[1] == package(path) or LAYER[parts[1]] < LAYER[package(path)], f"{path} imports {module}"


@pytest.mark.parametrize(
    ("library", "packages"),
    [
        ("submitit", {"launch"}),
        ("pandas", {"results", "report"}),
        ("pyarrow", {"results", "data"}),
        ("typer", {"cli"}),
        ("opda", {"tune"}),
        ("matplotlib", {"report"}),
        ("mlflow", {"export"}),
        ("tensorboard", {"export"}),
        ("wandb", {"export"}),
        ("onnxruntime", {"export"}),
    ],
)
def test_a_library_stays_in_its_package(library: str, packages: set[str]):
    users = {package(path) for path in FILES if any(m.split(".")[0] == library for m in imported_modules(path))}
    assert users <= packages


def test_what_compares_imports_numpy_and_scipy_alone():
    modules = {m for path in FILES if package(path) == "compare" for m in imported_modules(path)}
    foreign = {m for m in modules if m.split(".")[0] not in {*sys.stdlib_module_names, "numpy", "scipy"}}
    assert {m for m in foreign if not m.startswith(("lab2.compare.", "lab2.errors"))} == set()


def test_only_the_cli_prints():
    for path in FILES:
        calls = [
            n.func.id
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        ]
        assert "print" not in calls, path


def test_the_login_node_needs_no_torch():
    modules = [
        ".".join(("lab2", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for path in FILES
        if package(path) in ("spec", "launch", "results", "compare", "more", "report", "tune", "study", "watch", "cli")
    ]
    code = f"""
import importlib.abc, sys

class NoTorch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("torch", "torchvision"):
            raise ImportError(f"{{name}} was imported")

sys.meta_path.insert(0, NoTorch())
for module in {modules}:
    importlib.import_module(module)
# It loads OpenMP, which binds this process to one core where the environment asks for it, before lab2 can prevent it.
assert "sklearn" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
