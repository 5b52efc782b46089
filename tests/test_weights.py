"""Weights: where they come from, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from lab2.cache import IMAGENET
from lab2.errors import WeightsError
from lab2.models.alexnet import AlexNetConfig
from lab2.models.building import build, check_model
from lab2.models.building.weights import load_weights, save_weights
from tests.conftest import TINY
from tests.test_models import DIGITS


class TestWeights:
    def test_nothing_calls_random_weights_pre_trained(self):
        assert build(AlexNetConfig(), DIGITS).weights == "random"

    def test_imagenet_asked_for_and_not_there_names_the_command(self):
        with pytest.raises(WeightsError, match="lab2 prepare alexnet"):
            check_model(AlexNetConfig(weights="imagenet"), DIGITS)

    def test_an_altered_file_is_refused(self, tmp_path: Path):
        place = tmp_path / "cache" / "weights"
        place.mkdir(parents=True)
        (place / IMAGENET["alexnet"]).write_bytes(b"not these")
        with pytest.raises(WeightsError, match="its SHA-256 begins"):
            check_model(AlexNetConfig(weights="imagenet"), DIGITS)

    def test_imagenet_weights_are_taken_from_the_cache(self, tmp_path: Path, monkeypatch):
        import hashlib

        state = torchvision.models.alexnet().state_dict()
        place = tmp_path / "cache" / "weights"
        place.mkdir(parents=True)
        torch.save(state, place / "x.pth")
        digest = hashlib.sha256((place / "x.pth").read_bytes()).hexdigest()[:8]
        (place / "x.pth").rename(place / f"alexnet-owt-{digest}.pth")
        monkeypatch.setitem(IMAGENET, "alexnet", f"alexnet-owt-{digest}.pth")
        built = build(AlexNetConfig(), DIGITS)
        assert built.weights == f"imagenet (alexnet-owt-{digest}.pth)"
        assert torch.equal(built.model.state_dict()["features.0.weight"], state["features.0.weight"])
        assert torch.equal(built.model.state_dict()["classifier.1.weight"], state["classifier.1.weight"])

    @pytest.mark.slow
    def test_a_checkpoint_gives_all_but_the_last_layer(self, tmp_path: Path):
        path = tmp_path / "a.safetensors"
        first = build(AlexNetConfig(weights="random"), DIGITS).model
        save_weights(path, first, "alexnet", "mnist")
        three = replace(DIGITS, classes=("a", "b", "c"))
        built = build(AlexNetConfig(weights=str(path)), three)
        assert "trained on mnist" in built.weights
        assert torch.equal(built.model.state_dict()["features.0.weight"], first.state_dict()["features.0.weight"])
        assert built.model.state_dict()["classifier.6.weight"].shape == (3, 4096)

    def test_a_checkpoint_of_another_architecture_is_refused(self, tmp_path: Path):
        path = tmp_path / "cnn.safetensors"
        model = build(TINY["cnn"], DIGITS).model
        save_weights(path, model, "cnn", "mnist")
        with pytest.raises(WeightsError, match="weights of cnn, wanted alexnet"):
            load_weights(model, path, "alexnet")

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("harm", "message"),
        [
            ("renamed", "features.0.bias is absent or of another shape, no.such.layer is of no layer here"),
            ("of another shape", "features.0.bias is absent or of another shape"),
            ("more", "no.such.layer is of no layer here"),
        ],
    )
    def test_a_checkpoint_of_other_layers_is_refused(self, tmp_path: Path, harm: str, message: str):
        path = tmp_path / "other.safetensors"
        model = build(AlexNetConfig(weights="random"), DIGITS).model
        state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        match harm:
            case "renamed":
                state["no.such.layer"] = state.pop("features.0.bias")
            case "of another shape":
                state["features.0.bias"] = torch.zeros(3)
            case "more":
                state["no.such.layer"] = torch.zeros(1)
        save_file(state, path, {"lab2": "1", "architecture": "alexnet", "dataset": "mnist"})
        with pytest.raises(WeightsError, match=f"{path}: does not fit: {message}; was it trained with the same"):
            load_weights(model, path, "alexnet")

    @pytest.mark.parametrize("content", [None, b"", b"garbage" * 10])
    def test_a_torn_checkpoint_is_refused(self, tmp_path: Path, content):
        path = tmp_path / "torn.safetensors"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(WeightsError, match="not a lab2 checkpoint"):
            check_model(AlexNetConfig(weights=str(path)), DIGITS)
