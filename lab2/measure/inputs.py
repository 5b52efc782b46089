"""The inputs of a trial besides its configuration: recorded when its run is planned, checked before it trains.

A trial's `inputs` record, by name:

- `data NAME`: the SHA-256 of the data set, which does not depend on its folder.
- `weights PATH`: the SHA-256 of the file of weights that the training starts from.
- `pretrained NAME`: the hash in the file name of weights in the cache, which is checked when they are loaded.
- `network FILE`: the SHA-256 of a file of the user's code. The files are: the network's file, the files and folders
  beside it that it imports, packages on `PYTHONPATH` and editable installs, and whatever these import in turn.
- `package NAME`: the version of an installed package that this code imports, or from which the network comes. It is not
  recorded where the nodes use another python, because the packages installed here need not be those of the nodes.

Not recorded in `inputs`, and why:

- ImageNet's weights of VGG16 and AlexNet: the name of their file contains its hash, which is checked when they are
  loaded. "auto" is replaced in the plan. Jobs, options and the profile's resources are stored in the plan or the run by
  value.
- torch, torchvision and lab2's code: they are recorded in every shard (the code by its commit) and in a checkpoint's
  `made_by`. They are compared before a result is copied from another run (`lab2/launch/reuse.py`), and so are the kind
  of node and the image, which decide what "auto" becomes.
- Environment variables, and the numpy and Pillow that lab2 itself uses: they change speed, or the last bits of results.
  Variables that change more (TF32, the CPU's instructions) are compared before a result is copied.
- Files that the user's code opens, and modules that it imports, while it runs: they cannot be known before.
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

from lab2.cache import IMAGENET, pretrained_file
from lab2.errors import InputError
from lab2.spec.architectures import NAMED_WEIGHTS, PRETRAINED, ModelConfig, TransferConfig
from lab2.spec.job import DataConfig, Trial

_DATA, _PACKAGE, _PRETRAINED = "data ", "package ", "pretrained "
_RECORDED = sys.stdlib_module_names | {"torch", "lab2"}  # no inputs: the shard records their versions


def pinned(trials: Sequence[Trial], data: Mapping[DataConfig, str], *, elsewhere: bool = False) -> list[Trial]:
    """`trials` with their `inputs` as they are now; `data` has the SHA-256 of each data set.

    `elsewhere`: another python than this one will run them, so that packages are not recorded.
    """
    result = []
    for (job, config), group in groupby(trials, key=lambda trial: (trial.job, trial.data)):
        contents = {name: _content(name) for name in _names(job.model, elsewhere=elsewhere)}
        present = {name: content for name, content in contents.items() if content is not None}
        inputs = {f"{_DATA}{config.dataset}": data[config], **present}
        result += [replace(trial, inputs=inputs) for trial in group]
    return result


def check_inputs(trial: Trial, dataset_sha256: str | None) -> None:
    """Raise `InputError` that names the inputs that have changed since `trial` was planned.

    `dataset_sha256` is that of the data now; None: the data are not checked.
    """
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
    """The packages that a user's network comes from or imports, without torch and the user's files beside it."""
    return _code(model, elsewhere=True)[1]


def _names(model: ModelConfig, *, elsewhere: bool) -> list[str]:
    """The names of a network's inputs, without the data."""
    files, packages = _code(model, elsewhere=elsewhere)
    names = [f"network {file}" for file in files] + [f"{_PACKAGE}{name}" for name in packages if not elsewhere]
    if isinstance(model, TransferConfig) and model.weights not in NAMED_WEIGHTS:
        return [f"weights {model.weights}", *names]
    if isinstance(model, TransferConfig) and model.weights in PRETRAINED and model.known_as not in IMAGENET:
        return [f"{_PRETRAINED}{model.known_as}", *names]
    return names


def _content(name: str) -> str | None:
    """The current content of the input `name`: a package's version or a file's SHA-256; None where it is missing."""
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
    """The user's files that define a network, and the other packages that it needs."""
    place = model.code.rpartition(":")[0]
    if not place:
        return [], []
    entry = Path(place) if place.endswith(".py") else None
    files: set[Path] = set()
    packages: dict[str, bool] = dict.fromkeys(_RECORDED, False)  # by package: whether its version is an input

    def follow(name: str) -> None:
        if name not in packages:
            user_files = _beside(entry, name) or ([] if elsewhere else _own_files(name))
            packages[name] = not user_files
            for file in user_files:
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
    return sorted(files), sorted(name for name, is_input in packages.items() if is_input)


def _imports(path: Path) -> set[str]:
    """The top-level packages that a file imports; none where it is not valid Python: importing it will report that."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set()
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module)
    return {name.partition(".")[0] for name in modules}


def _beside(entry: Path | None, name: str) -> list[Path]:
    """The files of the module or package of that name in the folder of `entry`."""
    if entry is None:
        return []
    return [p for p in (entry.with_name(f"{name}.py"), *entry.with_name(name).rglob("*.py")) if p.is_file()]


def _own_files(name: str) -> list[Path]:
    """The files of a package that was not installed: on `PYTHONPATH` or an editable install; none for others."""
    origin = _origin(name)
    if origin is None or _version(name):
        return []
    return [path for path in (origin, *origin.rglob("*.py")) if path.is_file()]


def _version(name: str) -> str | None:
    """The distribution and version of an installed package; None where it is missing or the user's own code."""
    origin = _origin(name)
    if origin is None:
        return None
    for owner in _owners(tuple(sys.path)).get(name, ()):
        owner_distribution = distribution(owner)
        # A source tree with .egg-info has no RECORD. Its version does not count: it does not follow the code.
        installed = owner_distribution.read_text("RECORD") or "dist-packages" in origin.parts
        if installed and origin.is_relative_to(Path(str(owner_distribution.locate_file("")))):
            return f"{owner_distribution.name}=={owner_distribution.version}"
    return None


def _origin(name: str) -> Path | None:
    """The path from which Python would import the package; the package itself is not imported."""
    try:
        spec = find_spec(name)
    except ValueError:  # __main__
        return None
    if spec is None:
        return None
    place = next(iter(spec.submodule_search_locations or ()), spec.origin)
    return Path(place) if place else None


@lru_cache(maxsize=1)
def _owners(path: tuple[str, ...]) -> Mapping[str, list[str]]:  # noqa: ARG001  # the key of the cache: sys.path
    """The distributions that provide each top-level package."""
    return packages_distributions()
