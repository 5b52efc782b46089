"""Which layer of a network gives the classes, and the two stages that follow from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lab2.data.source import Images
from lab2.errors import ConfigError, WeightsError
from lab2.models.building import build, check_model
from lab2.models.building.headed import HeadedNet, find_heads
from lab2.models.layers.front import Front
from lab2.models.network import NetworkConfig
from lab2.spec.job import JobSpec, TrainConfig
from lab2.train import make_trainer
from lab2.train.trainer import evaluating
from lab2.train.transfer import TransferTrainer
from lab2.trial import run_trial
from tests.conftest import make_run, make_trial
from tests.test_pretrained import COLOURS, MODELS


def headed(config: NetworkConfig) -> HeadedNet:
    """The network of `config` as if its weights had been trained before."""
    network = build(replace(config, weights="random"), COLOURS).model.get_submodule("network")
    heads = find_heads(network, config.head, 3, "x")
    side = config.image_side
    front = Front((0.5,) * 3, (0.2,) * 3, side)
    return HeadedNet(front, network, 3, heads, where="x", predict_batch=2, frozen_statistics=True)


class TestHeads:
    @pytest.mark.parametrize(
        ("name", "part", "features"),
        [
            ("resnet18", "fc", (2, 512)),
            ("mobilenet_v3_small", "classifier", (2, 576)),
            ("squeezenet1_1", "classifier", (2, 512, 1, 1)),
            pytest.param("convnext_tiny", "classifier", (2, 768, 1, 1), marks=pytest.mark.slow),
            pytest.param("swin_t", "head", (2, 768), marks=pytest.mark.slow),
            ("regnet_y_400mf", "fc", (2, 440)),
            pytest.param("vgg11", "classifier.6", (2, 4096), marks=pytest.mark.slow),
            pytest.param("vit_b_16", "heads", (2, 768), marks=pytest.mark.slow),
        ],
    )
    def test_the_head_is_found_and_its_input_alone_gives_the_logits(self, name: str, part: str, features: Any):
        torch.manual_seed(0)
        model = headed(NetworkConfig(name=f"torchvision:{name}", image_side=32)).eval()
        images = torch.rand(2, 3, 32, 32)
        model.find_parts(images)
        assert (model.part, tuple(model.extract(images).shape)) == (part, features)
        torch.testing.assert_close(model.classify(model.extract(images)), model(images), rtol=1e-3, atol=1e-4)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", MODELS.list_models(MODELS))
    def test_so_is_that_of_all_of_torchvisions(self, name: str):
        with torch.device("cpu"):
            model = headed(NetworkConfig(name=f"torchvision:{name}", image_side=224)).to("meta")
        model.find_parts(torch.empty(2, 3, 32, 32, device="meta"))
        assert len(model.heads) == 1

    @pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224", "mobilenetv4_conv_small", "convnext_atto"])
    def test_timms_say_it_themselves(self, name: str):
        pytest.importorskip("timm", reason="LOUD: timm is not installed: no head of timm's is tested")
        model = headed(NetworkConfig(name=f"timm:{name}", image_side=64)).eval()
        images = torch.rand(2, 3, 32, 32)
        model.find_parts(images)
        torch.testing.assert_close(model.classify(model.extract(images)), model(images), rtol=1e-3, atol=1e-4)

    def test_ones_own_is_named(self, tmp_path: Path):
        config = own_network(tmp_path, "")
        with pytest.raises(ConfigError, match=r"not known which layer gives the classes; .* such as model\.head=last"):
            check_model(config, COLOURS)
        with pytest.raises(ConfigError, match=r"the head 'body\.0' gives 4 numbers, wanted one for 3 classes"):
            check_model(replace(config, head="body.0"), COLOURS)
        check_model(replace(config, head="last"), COLOURS)

    def test_where_something_follows_on_the_head_it_says_what_to_do(self, tmp_path: Path):
        config = own_network(tmp_path, "* 2")
        trainer = trainer_of(replace(config, head="last"))
        with pytest.raises(ConfigError, match=r"something follows on its head last; set model\.head_epochs=0"):
            next(trainer.fit())
        next(trainer_of(replace(config, head="last", head_epochs=0)).fit())


def own_network(folder: Path, after: str) -> NetworkConfig:
    """A network of the user's own, and a state dict of it."""
    (folder / "net.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, num_classes):\n"
        "        super().__init__()\n"
        "        self.body = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.BatchNorm2d(4))\n"
        "        self.last = torch.nn.Linear(4, num_classes)\n"
        f"    def forward(self, images): return self.last(self.body(images).mean((2, 3))) {after}\n"
    )
    torch.manual_seed(5)
    body = {f"body.0.{k}": v for k, v in nn.Conv2d(3, 4, 3).state_dict().items()}
    body |= {f"body.2.{k}": v for k, v in nn.BatchNorm2d(4).state_dict().items()}
    last = {f"last.{k}": v for k, v in nn.Linear(4, 1000).state_dict().items()}
    torch.save({**body, **last}, folder / "known.pt")
    return NetworkConfig(name=f"{folder}/net.py:Net", weights=str(folder / "known.pt"))


def trainer_of(config: NetworkConfig) -> TransferTrainer:
    torch.manual_seed(0)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 3, 32, 32), dtype=np.uint8)
    job = JobSpec(name="one", model=config, train=TrainConfig(epochs=1, batch_size=10, learning_rate=0.1))
    images = Images(pixels, np.arange(30) % 3)
    trainer = make_trainer(job, build(config, COLOURS), images, device=torch.device("cpu"), precision="fp32", seed=1)
    assert isinstance(trainer, TransferTrainer)
    return trainer


class TestTwoStages:
    def test_first_the_head_alone_moves_then_all_do_the_features_more_slowly(self, tmp_path: Path):
        trainer = trainer_of(replace(own_network(tmp_path, ""), head="last", head_epochs=1))
        model = trainer.model
        features, head = model.get_parameter("network.body.0.weight"), model.get_parameter("network.last.weight")
        mean = model.get_buffer("network.body.2.running_mean")
        before, head_before, mean_before = features.detach().clone(), head.detach().clone(), mean.clone()
        steps = trainer.fit()
        for _ in range(3):
            assert next(steps).total == 6
        assert torch.equal(features, before)
        assert torch.equal(mean, mean_before)  # batch normalisation too
        assert not torch.equal(head, head_before)
        head_before = head.detach().clone()
        list(steps)
        moved = [float((now.detach() - old).abs().max()) for now, old in ((features, before), (head, head_before))]
        assert 0 < moved[0] < moved[1]

    @pytest.mark.parametrize("frozen", [True, False])
    def test_batch_norms_keep_the_statistics_of_the_weights_unless_told_otherwise(self, frozen: bool, tmp_path: Path):
        trainer = trainer_of(replace(own_network(tmp_path, ""), head="last", head_epochs=1, frozen_statistics=frozen))
        model = trainer.model
        mean, gain = model.get_buffer("network.body.2.running_mean"), model.get_parameter("network.body.2.weight")
        mean_before, gain_before = mean.clone(), gain.detach().clone()
        steps = trainer.fit()
        next(steps)
        with evaluating(model):
            pass  # as a validation between two steps
        list(steps)
        assert torch.equal(mean, mean_before) == frozen
        assert not torch.equal(gain, gain_before)

    def test_frozen_layers_stay_as_they_are_and_the_rest_moves(self, tmp_path: Path):
        config = replace(own_network(tmp_path, ""), head="last", frozen=("body.0",))
        trainer = trainer_of(config)
        kept, gain = trainer.model.get_parameter("network.body.0.weight"), "network.body.2.weight"
        before, gain_before = kept.detach().clone(), trainer.model.get_parameter(gain).detach().clone()
        list(trainer.fit())
        assert torch.equal(kept, before)
        assert not torch.equal(trainer.model.get_parameter(gain), gain_before)
        assert trainer.trained_parameters == 4 + 4 + 4 * 3 + 3

    @pytest.mark.parametrize(
        ("frozen", "said"),
        [
            ("body.7", r"model\.frozen names 'body\.7', which it has not; its first are body, body\.0, body\.2"),
            ("", r"model\.frozen names ''"),
            ("last", r"model\.frozen names 'last', but its head last has to learn the classes"),
        ],
    )
    def test_a_layer_that_cannot_be_frozen_is_named(self, frozen: str, said: str, tmp_path: Path):
        with pytest.raises(ConfigError, match=said):
            build(replace(own_network(tmp_path, ""), head="last", frozen=(frozen,)), COLOURS)

    def test_a_trial_of_ones_own_network_with_weights_says_which(self, tmp_path: Path):
        config = replace(own_network(tmp_path, ""), head="last", head_epochs=1)
        trial = make_trial("own", model=config)
        shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
        assert (shard.status, shard.reason) == ("ok", "")
        assert shard.weights == f"file {tmp_path}/known.pt"

    def test_what_ones_own_code_brings_is_trained_so_where_it_is_asked_for(self, tmp_path: Path):
        config = own_network(tmp_path, "")
        known = f"torch.load('{config.weights}').items()"
        bringing = f"self.load_state_dict({{k: v for k, v in {known} if 'last' not in k}}, strict=False)"
        net = tmp_path / "net.py"
        net.write_text(net.read_text().replace("    def forward", f"        {bringing}\n    def forward"))
        brought = replace(config, weights="own", head="last")
        trainer_of(brought)
        assert build(brought, COLOURS).weights.startswith("own (its code brings 88%")

    def test_where_it_brings_none_it_is_an_error(self, tmp_path: Path):
        with pytest.raises(WeightsError, match="weights=own, but its code brings none"):
            build(replace(own_network(tmp_path, ""), weights="own", head="last"), COLOURS)
