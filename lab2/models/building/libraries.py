"""Where networks that are not lab2's own come from: torchvision, timm, or code of the user's."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
import torchvision
from torch import nn

from lab2.data.datasets import DataShape
from lab2.errors import ConfigError, WeightsError
from lab2.models.building.user_code import find
from lab2.spec.architectures import Record

Options = Mapping[str, Any]
_MODELS: Any = torchvision.models
SHA256_DIGITS = 64


class Library(Protocol):
    """A network of somebody else's."""

    def record(self) -> Record:
        """What is known of the images that it was made for; raises `ConfigError` where there is no such network."""
        ...

    def make(self, classes: int, options: Options, side: int | None) -> nn.Module:
        """The network without weights, for images of `side` pixels where its layers depend on that."""
        ...


def library(name: str) -> Library:
    """Where a network of that name comes from; raises `ConfigError` for timm where that is not installed."""
    place, _, own = name.rpartition(":")
    match place:
        case "torchvision":
            return Torchvision(own)
        case "timm":
            return Timm(own)
        case _:
            return UserCode(name)


def make(one: Library, options: Options, shape: DataShape, *, side: int | None, where: str) -> nn.Module:
    """The network of `one`, for the classes of `shape`. Raises `ConfigError`, which begins with `where`."""
    try:
        network = one.make(len(shape.classes), options, side)
    except ConfigError:
        raise
    except Exception as error:  # the code may be the user's: whatever it raises is theirs to mend
        raise ConfigError(f"{where}: {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise ConfigError(f"{where}: gives a {type(network).__name__}, wanted a torch.nn.Module")
    return network


class Torchvision:
    """A classifier of torchvision's."""

    def __init__(self, name: str) -> None:
        self.name = name

    def record(self) -> Record:
        _known(self.name, torchvision_names(), "torchvision")
        made_for = torchvision_weights(self.name).transforms()
        (side,), (resized,) = made_for.crop_size, made_for.resize_size
        mean, std = tuple(made_for.mean), tuple(made_for.std)
        if self.name in ("googlenet", "inception_v3"):
            # With weights torchvision makes these networks turn ImageNet's normalisation into this one themselves.
            mean = std = (0.5, 0.5, 0.5)
        return Record(image_side=side, mean=mean, std=std, crop=side / resized)

    def make(self, classes: int, options: Options, side: int | None) -> nn.Module:
        """Without GoogLeNet's auxiliary classifiers, as torchvision records it."""
        _known(self.name, torchvision_names(), "torchvision")
        more: dict[str, Any] = {}
        if self.name == "googlenet":
            more = {"aux_logits": False, "init_weights": True}
        elif self.name == "inception_v3":
            more = {"init_weights": True}
        elif self.name.startswith("vit_") and side:
            more = {"image_size": side}
        elif self.name == "maxvit_t" and side:
            more = {"input_size": (side, side)}
        network: nn.Module = _MODELS.get_model(self.name, weights=None, num_classes=classes, **{**more, **options})
        return network

    def pretrained(self, folder: Path) -> nn.Module:
        """The network with torchvision's recommended weights, downloaded into `folder` and checked by their hash.

        torchvision itself opens them as a pickle; so they are first read as data alone, which refuses any other.
        """
        before, url = torch.hub.get_dir(), torchvision_weights(self.name).url
        file = folder / "checkpoints" / url.rpartition("/")[2]
        file.parent.mkdir()
        torch.hub.download_url_to_file(url, str(file), hash_prefix=file.stem.rpartition("-")[2], progress=False)
        torch.load(file, map_location="cpu", weights_only=True)
        torch.hub.set_dir(str(folder))
        try:
            network: nn.Module = _MODELS.get_model(self.name, weights=torchvision_weights(self.name), progress=False)
        finally:
            torch.hub.set_dir(before)
        return network


class Timm:
    """A network of timm's, which is an extra: `pip install lab2[timm]`."""

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            import timm  # an extra
        except ModuleNotFoundError as error:
            raise ConfigError(f"timm:{name}: timm is not installed; pip install 'lab2[timm]'") from error
        self.timm: Any = timm

    def record(self) -> Record:
        known = self._known()
        _, high, wide = known.input_size
        if high != wide:
            raise ConfigError(f"timm:{self.name}: takes images of {high} x {wide} pixels; lab2's are square")
        return Record(image_side=wide, mean=tuple(known.mean), std=tuple(known.std), crop=known.crop_pct)

    def make(self, classes: int, options: Options, side: int | None) -> nn.Module:
        known = self._known()
        more = {"img_size": side} if known.fixed_input_size and side and side != known.input_size[-1] else {}
        more = {**more, **options}
        network: nn.Module = self.timm.create_model(self.name, pretrained=False, num_classes=classes, **more)
        return network

    def pretrained(self, folder: Path) -> nn.Module:
        """The network with the weights that its name stands for; files of Hugging Face's hub are checked by their hash.

        Raises `WeightsError` where there are none, or a file is not what the hub says.
        """
        if not self._known().has_weights:
            raise WeightsError(f"timm:{self.name}: timm knows of no weights; {self._known_tags()}")
        network: nn.Module = self.timm.create_model(self.name, pretrained=True, cache_dir=str(folder))
        for blob in folder.rglob("blobs/*"):  # large files lie there under their SHA-256, others under another hash
            if len(blob.name) == SHA256_DIGITS:
                with blob.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                if found != blob.name:
                    raise WeightsError(f"timm:{self.name}: what was downloaded has SHA-256 {found}, wanted {blob.name}")
        return network

    def _known_tags(self) -> str:
        tagged = self.timm.list_pretrained(f"{self.name.partition('.')[0]}.*")
        return f"it has some of {', '.join(tagged[:3])}" if tagged else "train it from random ones"

    def _known(self) -> Any:
        _known(self.name.partition(".")[0], self.timm.list_models(), "timm")
        try:
            found = self.timm.get_pretrained_cfg(self.name)
        except RuntimeError as error:  # an unknown tag
            raise ConfigError(f"timm:{self.name}: {error}") from error
        return found


class UserCode:
    """What `path/to/file.py:NAME` or `package.module:NAME` is: called with `num_classes` and the options."""

    def __init__(self, code: str) -> None:
        self.code = code

    def record(self) -> Record:
        return Record()

    def make(self, classes: int, options: Options, side: int | None) -> nn.Module:  # noqa: ARG002  # it takes any side
        made: nn.Module = find(self.code)(num_classes=classes, **options)
        return made


def torchvision_names() -> list[str]:
    """All classifiers of torchvision."""
    names: list[str] = _MODELS.list_models(_MODELS)
    return names


def torchvision_weights(name: str) -> Any:
    """The weights of a classifier that torchvision itself recommends."""
    return _MODELS.get_model_weights(name).DEFAULT


def _known(name: str, names: Iterable[str], place: str) -> None:
    """Raise `ConfigError` where `place` has no network of that name."""
    known = list(names)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {len(known)}, as in {known[0]!r}"
        raise ConfigError(f"{place}:{name}: {place} has no network of that name; {hint}")
