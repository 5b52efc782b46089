"""Networks by their names: torchvision's, timm's, and the user's own with what lies beside them."""

from __future__ import annotations

import math
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch.nn import functional as F

from lab2.data.datasets import DataShape
from lab2.data.source import Images
from lab2.errors import ConfigError
from lab2.measure.inputs import pinned
from lab2.models.building import build, check_model
from lab2.models.building.answers import Answer, read_answer
from lab2.models.imported import ImportedConfig
from lab2.models.network import NetworkConfig
from lab2.spec import architectures
from lab2.spec.job import TRIAL, JobSpec, TrainConfig
from lab2.train import make_trainer
from lab2.train.classifier import _loss
from lab2.trial import run_trial
from tests.conftest import SMALL, make_run, make_trial

MODELS: Any = torchvision.models
CLASSIFIERS = MODELS.list_models(MODELS)
COLOURS = DataShape(3, 32, ("cat", "dog", "frog"), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), plain_background=False)
# The smallest side that each trains at, where 32 pixels are too few or its layers are made for one side.
SMALLEST = {"alexnet": 63, "efficientnet_v2_l": 33, "efficientnet_v2_m": 33, "efficientnet_v2_s": 33, "maxvit_t": 224}
SMALLEST |= {"inception_v3": 299, "vit_b_16": 16, "vit_h_14": 14, "vit_l_16": 16}


def train_two_steps(config: NetworkConfig) -> list[float]:
    """Their losses, on eight images; the weights have moved after them, and it answers."""
    check_model(config, COLOURS)
    torch.manual_seed(0)
    built = build(config, COLOURS)
    assert built.weights == "random"
    pixels = np.random.default_rng(0).integers(0, 256, (8, 3, 32, 32), dtype=np.uint8)
    images = Images(pixels, np.array([0, 1, 2, 0, 1, 2, 0, 1]))
    job = JobSpec(name="one", model=config, train=TrainConfig(epochs=1, batch_size=4, optimizer="sgd"))
    trainer = make_trainer(job, built, images, device=torch.device("cpu"), precision="fp32", seed=1)
    weights = list(built.model.parameters())
    before = [weights[0].detach().clone(), weights[-1].detach().clone()]
    losses = [float(step.loss) for step in trainer.fit()]
    assert not any(torch.equal(old, new) for old, new in zip(before, (weights[0], weights[-1]), strict=True))
    assert trainer.predict(images).y_pred.shape == (8,)
    return losses


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_each_classifier_of_torchvisions_is_accepted_and_trains(name: str):
    losses = train_two_steps(NetworkConfig(name=f"torchvision:{name}", image_side=SMALLEST.get(name, 32)))
    assert len(losses) == 2
    assert all(map(math.isfinite, losses))


@pytest.mark.parametrize("name", ["regnet_y_400mf", "googlenet", "inception_v3", "swin_t", "vit_h_14"])
def test_what_the_meta_device_alone_would_refuse_is_accepted_at_the_side_that_it_was_made_for(name: str):
    check_model(NetworkConfig(name=f"torchvision:{name}"), COLOURS)


@pytest.mark.slow
def test_every_tenth_of_timms_is_accepted_at_the_side_that_it_states():
    timm = pytest.importorskip("timm", reason="LOUD: timm is not installed: no network of timm's is tested")
    names, refused = timm.list_models()[::10], {}
    for name in names:
        try:
            check_model(NetworkConfig(name=f"timm:{name}"), COLOURS)
        except ConfigError as error:
            refused[name] = str(error)
    assert len(refused) <= 0.01 * len(names), refused


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet18.a1_in1k", "deit_tiny_distilled_patch16_224"])
def test_timms_train(name: str):
    pytest.importorskip("timm", reason="LOUD: timm is not installed: no network of timm's is tested")
    assert all(map(math.isfinite, train_two_steps(NetworkConfig(name=f"timm:{name}", image_side=64))))


def test_a_side_that_is_not_stated_is_that_of_the_networks_own_record():
    with torch.device("meta"):
        assert build(NetworkConfig(name="torchvision:efficientnet_b1"), COLOURS).image_side == 240
        assert build(NetworkConfig(name="torchvision:efficientnet_b1", image_side=64), COLOURS).image_side == 64
        assert build(NetworkConfig(name="torchvision.models:resnet18"), COLOURS).image_side == 32  # nothing is said


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torchvision:resnet51", "torchvision has no network of that name; did you mean 'resnet50'"),
        ("torchvision:fasterrcnn_resnet50_fpn", "torchvision has no network of that name"),
        ("torch.nn:Identity", r"gives \(2, 3, 32, 32\), wanted logits of shape \(2, 3\)"),
    ],
)
def test_a_name_of_nothing_is_a_sentence(name: str, message: str):
    with pytest.raises(ConfigError, match=message):
        check_model(NetworkConfig(name=name), COLOURS)


def test_timm_says_how_it_is_installed(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(ConfigError, match=r"timm is not installed; pip install 'lab2\[timm\]'"):
        check_model(NetworkConfig(name="timm:resnet18"), COLOURS)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "resnet18"}, "wanted torchvision:NAME"),
        ({"name": "torchvision:resnet18", "options": {"weights": "DEFAULT"}}, "say model.weights=pretrained instead"),
        ({"name": "timm:resnet18", "options": {"pretrained": True}}, "say model.weights=pretrained instead"),
        ({"name": "my/net.py:Net", "options": {"num_classes": 3}}, "num_classes comes from the data"),
        ({"name": "my/net.py:Net", "weights": "pretrained"}, "nothing is known of its weights"),
        ({"name": "torchvision:resnet18", "weights": "own"}, "weights=own is for a network of your own"),
        ({"name": "torchvision:resnet18", "mean": (0.5, 0.5, 0.5)}, "give both mean and std"),
        ({"name": "torchvision:resnet18", "crop": 0.0}, "crop=0.0"),
        ({"name": "torchvision:resnet18", "image_side": 0}, "image_side=0"),
    ],
)
def test_impossible_values_are_refused(fields: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        NetworkConfig(**fields)


def test_the_older_name_keeps_its_meaning_and_its_digest():
    assert architectures.ImportedConfig is ImportedConfig  # where job files of older versions import it from
    trial = make_trial("ours", model=ImportedConfig(network="torchvision.models:resnet18", image_side=32))
    # as the version before `NetworkConfig` computed it
    assert trial.digest == "920a66ebf0d7870de6aaf405e2df7244bf4f572d6a208394cd46b7a272112327"
    assert TRIAL.validate_json(TRIAL.dump_json(trial)) == trial


class TestBeside:
    """What Python would import beside a script is imported beside a network."""

    NET = (
        "from __future__ import annotations\nimport dataclasses\nimport torch\nfrom layers import SIZE\n"
        "@dataclasses.dataclass\nclass Size:\n    size: int\n"
        "def Net(num_classes):\n"
        "    import lazily\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(Size(SIZE).size), torch.nn.ReLU(),\n"
        "                               torch.nn.Linear(SIZE, num_classes))\n"
    )

    def write(self, folder: Path, size: int) -> NetworkConfig:
        folder.mkdir()
        (folder / "net.py").write_text(self.NET.replace("LazyLinear(", "Linear(3072, "))
        (folder / "layers.py").write_text(f"SIZE = {size}\n")
        (folder / "lazily.py").write_text("")
        return NetworkConfig(name=f"{folder / 'net.py'}:Net")

    def size(self, config: NetworkConfig) -> int:
        check_model(config, COLOURS)
        return build(config, COLOURS).model.get_submodule("network.1").out_features  # type: ignore[return-value]

    def test_two_folders_may_have_files_of_one_name(self, tmp_path: Path):
        first, second = self.write(tmp_path / "a", 5), self.write(tmp_path / "b", 6)
        assert [self.size(config) for config in (first, second, first)] == [5, 6, 5]

    def test_they_belong_to_the_trials_identity(self, tmp_path: Path):
        (trial,) = pinned([make_trial("own", model=self.write(tmp_path / "a", 5))], {SMALL: "d"})
        held = {name.rpartition("/")[2] for name in trial.inputs if name.startswith("network ")}
        assert held == {"net.py", "layers.py", "lazily.py"}


Pair = namedtuple("Pair", ["features", "logits"])  # as networks have them
TWO, OTHER = torch.ones(2, 3), torch.zeros(2, 3)


class TestAnswers:
    @pytest.mark.parametrize(
        "output",
        [
            {"features": torch.rand(2, 7), "logits": TWO},
            {"features": OTHER, "logits": TWO},
            (TWO, OTHER),
            [torch.rand(2, 7), TWO],
            Pair(OTHER, TWO),
        ],
        ids=["dict", "dict by its name", "tuple", "list", "named tuple"],
    )
    def test_logits_are_found_among_others(self, output: object):
        assert read_answer(output, 2, 3).logits is TWO

    def test_what_holds_none_is_described(self):
        with pytest.raises(ConfigError, match=r"gives dict of features \(2, 7\), wanted logits of shape \(2, 3\)"):
            read_answer({"features": torch.rand(2, 7), "loss": None}, 2, 3)

    def test_a_network_that_answers_a_dict_trains_and_is_tested(self, tmp_path: Path):
        (tmp_path / "net.py").write_text(
            "import torch\n"
            "class Net(torch.nn.Module):\n"
            "    def __init__(self, num_classes):\n"
            "        super().__init__()\n"
            "        self.layer = torch.nn.Linear(3, num_classes)\n"
            "    def forward(self, images):\n"
            "        return {'seen': images.mean((2, 3)), 'logits': self.layer(images.mean((2, 3)))}\n"
        )
        trial = make_trial("own", model=NetworkConfig(name=f"{tmp_path}/net.py:Net"))
        shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
        assert (shard.status, shard.reason, shard.weights) == ("ok", "", "random")
        assert shard.flops_per_image == 2 * 3 * 10

    def test_auxiliary_classifiers_are_learnt_at_three_tenths_and_never_asked(self):
        config = NetworkConfig(name="torchvision:googlenet", options={"aux_logits": True}, image_side=32)
        torch.manual_seed(0)
        model = build(config, COLOURS).model
        images, labels = torch.rand(2, 3, 32, 32), torch.tensor([0, 2])
        answer = model(images)
        assert isinstance(answer, Answer)
        by_hand = F.cross_entropy(answer.logits, labels) + 0.3 * sum(
            F.cross_entropy(one, labels) for one in answer.auxiliary
        )
        assert len(answer.auxiliary) == 2
        torch.testing.assert_close(_loss(answer, labels, 0.0), by_hand)
        assert model.eval()(images).shape == (2, 3)

    def test_a_batch_of_one_that_cannot_be_normalised_is_one_sentence(self):
        config = NetworkConfig(name="torchvision:resnet18", image_side=32)
        check_model(config, COLOURS, batch_size=2)
        with pytest.raises(ConfigError, match=r"one image cannot be normalised .* train\.batch_size to 2"):
            check_model(config, COLOURS, batch_size=1)

    def test_what_fails_in_training_alone_says_so(self):
        config = NetworkConfig(name="torchvision:inception_v3", image_side=75)
        with pytest.raises(ConfigError, match="takes images of 75 pixels, but not in training"):
            check_model(config, COLOURS)
        check_model(NetworkConfig(name=config.name, image_side=75, options={"aux_logits": False}), COLOURS)


class TestOwnWeights:
    """The column *weights* cannot lie."""

    def write(self, path: Path, more: str) -> NetworkConfig:
        path.write_text(
            "import torch\n"
            "def Net(num_classes):\n"
            "    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 8), torch.nn.BatchNorm1d(8),\n"
            f"                              torch.nn.Linear(8, num_classes))\n    {more}\n    return net\n"
        )
        return NetworkConfig(name=f"{path}:Net")

    def test_what_its_own_code_brings_is_found_out(self, tmp_path: Path):
        torch.save(torch.rand(8, 3072), tmp_path / "known.pt")
        config = self.write(tmp_path / "net.py", f"net[1].weight.data = torch.load('{tmp_path}/known.pt')")
        assert build(config, COLOURS).weights.startswith("own (its code brings 100%")
        assert build(ImportedConfig(network=config.name), COLOURS).weights.startswith("own (its code brings 100%")

    def test_what_is_drawn_is_random_and_the_draw_stays_what_it_was(self, tmp_path: Path):
        config = self.write(tmp_path / "net.py", "pass")
        torch.manual_seed(3)
        built = build(config, COLOURS)
        assert built.weights == "random"
        after = torch.rand(1)
        torch.manual_seed(3)
        expected = torch.nn.Linear(3072, 8), torch.nn.Linear(8, 3)
        assert torch.equal(built.model.get_submodule("network.1").weight, expected[0].weight)
        assert torch.equal(after, torch.rand(1))
