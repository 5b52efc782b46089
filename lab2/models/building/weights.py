"""Loading pre-trained weights: files are checked first, and no code in them is executed."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from lab2.cache import imagenet_file
from lab2.errors import WeightsError
from lab2.models.layers.front import Front
from lab2.regular_file import LARGE, check_regular
from lab2.whole_file import whole_file

# Tensors that had other names in lab2 0.1.
_RENAMED = {"normalize.mean": "front.normalize.mean", "normalize.std": "front.normalize.std"}


def find_imagenet(architecture: str) -> Path:
    """The checked file of ImageNet weights; raises `WeightsError` where it is missing or altered."""
    path = imagenet_file(architecture)
    if not path.is_file():
        raise WeightsError(
            f"{architecture}: no ImageNet weights at {path}; on a machine with a network: lab2 prepare {architecture}, "
            "or let $LAB2_CACHE name the folder that has them"
        )
    check_digest(path)
    return path


def load_imagenet(network: nn.Module, architecture: str) -> str:
    """Load the ImageNet weights into `network` (1000 classes); returns where they came from.

    Raises `WeightsError` where the file is missing or altered.
    """
    path = find_imagenet(architecture)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except (RuntimeError, pickle.UnpicklingError, TypeError) as error:
        raise WeightsError(f"{path}: not the weights of torchvision's {architecture}: {error}") from error
    return f"imagenet ({path.name})"


def check_digest(path: Path) -> None:
    """Raise `WeightsError` unless the file's SHA-256 begins as its name says."""
    wanted = path.stem.rpartition("-")[2]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(wanted):
        raise WeightsError(
            f"{path}: its SHA-256 begins {found[:8]}, wanted {wanted}; remove it and run lab2 prepare again"
        )


def save_weights(path: Path, model: nn.Module, architecture: str, dataset: str) -> None:
    """Write the weights of `model` whole, as safetensors that name the architecture and the data."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    crop = next((layer.crop for layer in model.modules() if isinstance(layer, Front)), 1.0)
    said = {"lab2": "1", "architecture": architecture, "dataset": dataset, "crop": str(crop)}
    with whole_file(path) as file:
        file.write(save(state, metadata=said))


def read_weights_metadata(path: Path, architecture: str) -> dict[str, str]:
    """What a checkpoint says of itself; raises `WeightsError` where it is missing, torn, or of another network."""
    try:
        check_regular(path, LARGE)
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: not a lab2 checkpoint ({error}); train.save_weights=true makes one") from error
    if metadata.get("lab2") != "1" or metadata.get("architecture") != architecture:
        raise WeightsError(
            f"{path}: weights of {metadata.get('architecture', 'something else')}, wanted {architecture}"
        )
    return metadata


def load_weights(model: nn.Module, path: Path, architecture: str) -> str:
    """Load all but the last layer from a checkpoint of ours; returns where the weights came from.

    Raises `WeightsError` where the file is missing, torn, or of another network, be it one with more layers.
    """
    metadata = read_weights_metadata(path, architecture)
    state: dict[str, Tensor] = {_RENAMED.get(name, name): tensor for name, tensor in load_file(path).items()}
    own = model.state_dict()
    last = list(own)[-2:]  # weight and bias of the layer that belongs to the classes
    fitting = {k: v for k, v in state.items() if k in own and k not in last and v.shape == own[k].shape}
    absent, foreign = own.keys() - fitting.keys() - set(last), state.keys() - own.keys()
    if absent or foreign:
        wrong = [f"{name} is absent or of another shape" for name in sorted(absent)]
        wrong += [f"{name} is of no layer here" for name in sorted(foreign)]
        more = " ..." if len(wrong) > 3 else ""
        raise WeightsError(
            f"{path}: does not fit: {', '.join(wrong[:3])}{more}; was it trained with the same model.* settings?"
        )
    model.load_state_dict(fitting, strict=False)
    return f"checkpoint {path} (trained on {metadata.get('dataset', 'unknown data')})"


def load_trained(model: nn.Module, path: Path, architecture: str) -> None:
    """Load all of a trial's kept weights into `model`, the network that it trained.

    Raises `WeightsError` where the file is missing, torn, or not of this very network.
    """
    metadata = read_weights_metadata(path, architecture)
    state = {_RENAMED.get(name, name): tensor for name, tensor in load_file(path).items()}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(
            f"{path}: not the weights of this trial's network: {' '.join(str(error).split())}"
        ) from error
    for layer in model.modules():
        if isinstance(layer, Front):
            layer.crop = float(metadata.get("crop", layer.crop))
