"""Files of weights: lab2's own, what `lab2 prepare` brings, or a state dict; read as data alone, and fitted in whole.

A file of `lab2 prepare` is safetensors, and its metadata hold a `Record` under `lab2_record`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from pydantic import TypeAdapter
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from lab2.cache import pretrained_file
from lab2.errors import WeightsError
from lab2.models.building.weights import check_digest
from lab2.regular_file import LARGE, check_regular
from lab2.spec.architectures import PRETRAINED, Record
from lab2.whole_file import whole_file

_RECORD = "lab2_record"
_RECORDS: TypeAdapter[Record] = TypeAdapter(Record)
_WRAPPERS = ("state_dict", "model", "model_state_dict")  # under which training scripts keep a state dict
Tensors = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Saved:
    """What a file holds: the tensors of a network by their names, and what it says of its images."""

    tensors: Tensors
    origin: str
    record: Record = field(default_factory=Record)


def read_start(asked: str, known_as: str) -> Saved:
    """The weights that are `asked` for, "pretrained" or a path. Raises `WeightsError` where they cannot be had."""
    if asked not in PRETRAINED:
        return _read(Path(asked))
    path = pretrained_file(known_as)
    if path is None:
        raise WeightsError(
            f"{known_as}: its weights are not in the cache; on a machine with a network: lab2 prepare {known_as}, "
            "or let $LAB2_CACHE name the folder that has them"
        )
    check_digest(path)
    found = _read(path)
    return Saved(found.tensors, f"pretrained ({path.name})", found.record)


def write_pretrained(path: Path, tensors: Mapping[str, Tensor], record: Record) -> None:
    """Write what `read_start` reads as "pretrained"."""
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with whole_file(path) as file:
        file.write(save(state, metadata={_RECORD: _RECORDS.dump_json(record).decode()}))


def load_into(network: nn.Module, saved: Saved, heads: Collection[str]) -> None:
    """Load all of `saved` but the layers `heads`, and others that are as wide as the classes.

    Raises `WeightsError` that names what is missing, of another shape, or of no layer here.
    """
    own, theirs = network.state_dict(), saved.tensors
    ours = {name for name in own if name.rpartition(".")[0] in heads}
    foreign = {name for name in theirs if name.rpartition(".")[0] in heads}
    widths = {(len(own[name]), len(theirs[name])) for name in ours & foreign if own[name].ndim and theirs[name].ndim}
    for name in own.keys() & theirs.keys():  # auxiliary classifiers
        mine, other = own[name].shape, theirs[name].shape
        if mine != other and mine[1:] == other[1:] and (mine[:1] + other[:1]) in widths:
            ours.add(name)
            foreign.add(name)
    wrong = [f"{name} is missing" for name in sorted(own.keys() - theirs.keys() - ours) if not _is_counter(name)]
    wrong += [
        f"{name} has shape {tuple(theirs[name].shape)}, here {tuple(own[name].shape)}"
        for name in sorted((own.keys() & theirs.keys()) - ours)
        if own[name].shape != theirs[name].shape
    ]
    wrong += [f"{name} is of no layer here" for name in sorted(theirs.keys() - own.keys() - foreign)]
    if wrong:
        more = f", and {len(wrong) - 6} more" if len(wrong) > 6 else ""
        raise WeightsError(
            f"{saved.origin}: does not fit the network: {', '.join(wrong[:6])}{more}; give model.name, "
            "model.options and model.image_side with which it was trained"
        )
    if not any(one.is_meta for one in own.values()):  # a check without memory for weights: nothing can be loaded
        network.load_state_dict({name: theirs[name] for name in own.keys() & theirs.keys() - ours}, strict=False)


def _is_counter(name: str) -> bool:
    """Of batch normalisation, which torch before 0.4.1 did not keep, and loads without."""
    return name.endswith(".num_batches_tracked")


def _read(path: Path) -> Saved:
    """Any file of weights. Raises `WeightsError` where it is missing, torn, or holds anything but tensors."""
    with torch._C.DisableTorchFunction():  # a check without memory for weights does not concern what is read
        try:
            check_regular(path, LARGE)
            with path.open("rb") as file:
                begins = file.read(9)
            if begins[8:] != b"{":  # safetensors are eight bytes of length, then JSON; `torch.save` wrote others
                return Saved(_plain(torch.load(path, map_location="cpu", weights_only=True)), f"file {path}")
            with safe_open(path, framework="pt") as opened:
                said: dict[str, str] = opened.metadata() or {}
            return _of_safetensors(path, load_file(path), said)
        except WeightsError:
            raise
        except Exception as error:  # of what is no file of weights, torch's unpickler raises whatever it meets first
            raise WeightsError(
                f"{path}: no file of weights that can be read ({' '.join(str(error).split())[:300]}); wanted "
                "safetensors, or a state dict that torch.save wrote"
            ) from error


def _of_safetensors(path: Path, tensors: Tensors, said: Mapping[str, str]) -> Saved:
    if said.get("lab2") != "1":
        record = _RECORDS.validate_json(said[_RECORD]) if _RECORD in said else Record()
        return Saved(tensors, f"file {path}", record)
    if said.get("architecture") not in ("network", "imported"):
        raise WeightsError(f"{path}: weights of lab2's {said.get('architecture')}, wanted those of a network by name")
    mean, std = (tuple(tensors[f"front.normalize.{name}"].flatten().tolist()) for name in ("mean", "std"))
    own = {name.removeprefix("network."): one for name, one in tensors.items() if name.startswith("network.")}
    record = Record(mean=mean, std=std, crop=float(said.get("crop", 1.0)))
    return Saved(own, f"checkpoint {path} (trained on {said.get('dataset')})", record)


def _plain(found: object) -> Tensors:
    """The state dict that `torch.load` found, without what training scripts wrap around it."""
    for name in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
    if not isinstance(found, Mapping) or not all(isinstance(one, Tensor) for one in found.values()) or not found:
        raise ValueError("not a state dict, which has a tensor for each name")
    prefix = "module." if all(str(name).startswith("module.") for name in found) else ""
    return {str(name).removeprefix(prefix): one for name, one in found.items()}
