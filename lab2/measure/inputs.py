"""What a trial reads beside its configuration: pinned when its run is planned, compared before it trains.

A trial's `inputs` hold, by name:

- `data NAME`: the data set, as its reader hashes it, wherever it lies.
- `weights PATH`: the file of weights that it starts from.
- `pretrained NAME`: those of the cache, by the hash in their file's name, which is checked when they are loaded.
- `network FILE`: the user's own code. The file itself, what it imports of the files and folders beside it, and packages
  that no installer put there (on `PYTHONPATH`, editable), each file with what it imports in turn.
- `package NAME`: the version of any other package that this code imports, or that a network by module comes from. Not
  where the nodes have a python of their own: what is installed here says nothing of it.

Not held there, and why not:

- ImageNet's weights of VGG16 and AlexNet: their file's name holds its hash, which is checked when they are loaded;
  "auto" is resolved in the plan. Job files, options and the profile's resources stand in the plan or the run by value.
- torch, torchvision and lab2's own code: in every shard (the code by its commit), in a checkpoint's `made_by`, and
  compared before a result of another run is taken over (`lab2/launch/reuse.py`), as are the kind of node, the image and
  so what "auto" becomes there.
- Environment variables, and the numpy and Pillow that lab2 itself uses: they change speed or the last bits. Variables
  that change more (TF32, the instructions of a CPU) are compared before a result is taken over.
- What the user's code opens or imports by itself when it runs: nobody can see it before.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import distribution, packages_distributions
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

from lab2.data.cache import IMAGENET, pretrained_file
from lab2.errors import InputError
from lab2.spec.architectures import NAMED_WEIGHTS, PRETRAINED, ModelConfig, TransferConfig
from lab2.spec.job import DataConfig, Trial

_DATA, _PACKAGE, _PRETRAINED = "data ", "package ", "pretrained "
_RECORDED = sys.stdlib_module_names | {"torch", "lab2"}  # their versions stand in the shard


def pinned(trials: Sequence[Trial], data: Mapping[DataConfig, str], *, elsewhere: bool = False) -> list[Trial]:
    """`trials` with what they read, as it is now; `data` has the SHA-256 of each data set.

    `elsewhere`: another python than this one will run them.
    """
    found = []
    for (job, config), group in groupby(trials, key=lambda trial: (trial.job, trial.data)):
        now = {name: _content(name) for name in _names(job.model, elsewhere=elsewhere)}
        there = {name: content for name, content in now.items() if content is not None}
        inputs = {f"{_DATA}{config.dataset}": data[config], **there}
        found += [replace(trial, inputs=inputs) for trial in group]
    return found


def check_inputs(trial: Trial, dataset_sha256: str | None) -> None:
    """Raise `InputError` that names what is not as it was when `trial` was planned; None: not of the data."""
    changed = []
    for name, planned in trial.inputs.items():
        now = (dataset_sha256 or planned) if name.startswith(_DATA) else _content(name)
        if now != planned:
            version = f" ({planned}, here {now or 'none'})" if "==" in planned else ""
            changed.append(name + (version or ("" if now else " (gone)")))
    if changed:
        raise InputError(
            f"changed since the run was planned: {', '.join(changed)}; start a new run, or restore it, then lab2 resume"
        )


def packages_of(model: ModelConfig) -> list[str]:
    """The packages that a network of the user's comes from or imports, but for torch and the user's files beside it."""
    return _code(model, elsewhere=True)[1]


def _names(model: ModelConfig, *, elsewhere: bool) -> list[str]:
    files, packages = _code(model, elsewhere=elsewhere)
    names = [f"network {file}" for file in files] + [f"{_PACKAGE}{name}" for name in packages if not elsewhere]
    if isinstance(model, TransferConfig) and model.weights not in NAMED_WEIGHTS:
        return [f"weights {model.weights}", *names]
    if isinstance(model, TransferConfig) and model.weights in PRETRAINED and model.known_as not in IMAGENET:
        return [f"{_PRETRAINED}{model.known_as}", *names]
    return names


def _content(name: str) -> str | None:
    """The version of the package of that name, or the SHA-256 of the file; None where it is not there."""
    if name.startswith(_PACKAGE):
        return _version(name.removeprefix(_PACKAGE))
    if name.startswith(_PRETRAINED):
        weights = pretrained_file(name.removeprefix(_PRETRAINED))
        return weights.stem.rpartition("-")[2] if weights else None
    path = Path(name.partition(" ")[2])
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _code(model: ModelConfig, *, elsewhere: bool) -> tuple[list[Path], list[str]]:
    """The files of the user's that a network is made of, and the other packages that it needs."""
    place = model.code.rpartition(":")[0]
    if not place:
        return [], []
    entry = Path(place) if place.endswith(".py") else None
    files: set[Path] = set()
    packages: dict[str, bool] = dict.fromkeys(_RECORDED, False)  # and whether it is one to name

    def follow(name: str) -> None:
        if name not in packages:
            own = _beside(entry, name) or ([] if elsewhere else _own_files(name))
            packages[name] = not own
            for file in own:
                read(file)

    def read(file: Path) -> None:
        if file not in files:
            files.add(file)
            for name in _imports(file):
                follow(name)

    if entry:
        read(entry)
    else:
        follow(place.partition(".")[0])
    return sorted(files), sorted(name for name, wanted in packages.items() if wanted)


def _imports(path: Path) -> set[str]:
    """The top-level names that a file imports; none where it is no Python, which is said when it is imported."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return {name.partition(".")[0] for name in found}


def _beside(entry: Path | None, name: str) -> list[Path]:
    """The files of the module or package of that name in the folder of `entry`."""
    if entry is None:
        return []
    return [p for p in (entry.with_name(f"{name}.py"), *entry.with_name(name).rglob("*.py")) if p.is_file()]


def _own_files(name: str) -> list[Path]:
    """The files of a package that no installer put where Python finds it."""
    origin = _origin(name)
    if origin is None or _version(name):
        return []
    return [path for path in (origin, *origin.rglob("*.py")) if path.is_file()]


def _version(name: str) -> str | None:
    """Distribution and version that a package was installed with; None where it is the user's own, or not there."""
    origin = _origin(name)
    if origin is None:
        return None
    for owner in _owners(tuple(sys.path)).get(name, ()):
        one = distribution(owner)
        # What a source tree says of itself (.egg-info) has no record, and does not change with the code.
        installed = one.read_text("RECORD") or "dist-packages" in origin.parts
        if installed and origin.is_relative_to(Path(str(one.locate_file("")))):
            return f"{one.name}=={one.version}"
    return None


def _origin(name: str) -> Path | None:
    """Where Python would import that package from; it is not imported."""
    try:
        spec = find_spec(name)
    except ValueError:  # __main__
        return None
    if spec is None:
        return None
    place = next(iter(spec.submodule_search_locations or ()), spec.origin)
    return Path(place) if place else None


@lru_cache(maxsize=1)
def _owners(path: tuple[str, ...]) -> Mapping[str, list[str]]:  # noqa: ARG001  # what it finds depends on it
    return packages_distributions()
