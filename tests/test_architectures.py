"""Every architecture is one file that is found without a list, and is what its paper says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import mobilenetv3

from lab2.data.datasets import DataShape
from lab2.errors import ConfigError
from lab2.measure.cost import count_parameters
from lab2.models import resnet20
from lab2.models.building import build, check_model
from lab2.models.layers.residual import HalfSide, Residual
from lab2.models.mobilenet_v3_small import MobileNetV3SmallConfig
from lab2.models.resnet20 import ResNet20Config
from lab2.spec import architectures as in_spec
from lab2.spec.architectures import Architecture, ModelConfig, architectures
from lab2.spec.catalogue import default_folder, read_catalogue
from lab2.trial import run_trial
from tests.conftest import make_run, make_trial

GREY = DataShape(1, 28, tuple("0123456789"), (0.13,), (0.31,), plain_background=True)
COLOUR = DataShape(3, 32, tuple("0123456789"), (0.5,) * 3, (0.25,) * 3, plain_background=False)
BUILT_IN = {name: one for name, one in architectures().items() if name not in ("external", "imported", "network")}


def default(one: Architecture) -> ModelConfig:
    config: Callable[[], ModelConfig] = one.config
    return config()


@pytest.mark.parametrize("one", BUILT_IN.values(), ids=BUILT_IN)
def test_it_states_its_paper_and_has_the_parameters_that_it_states(one: Architecture):
    assert any(source in one.paper for source in ("arXiv", "LeCun", "scikit-learn"))
    with torch.device("meta"):
        assert count_parameters(build(default(one), GREY).model)[0] == one.parameters


def test_each_file_of_the_folder_is_one():
    folder = Path(sys.modules["lab2.models.resnet20"].__file__ or "").parent
    assert set(architectures()) == {path.stem for path in folder.glob("*.py")} - {"__init__"}


class TestFound:
    """In a folder of its own: what lies there is found, or named."""

    ONE = Path(resnet20.__file__).read_text()

    @pytest.fixture
    def models(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(in_spec, "_MODELS", tmp_path.name)
        (tmp_path / tmp_path.name).mkdir()
        (tmp_path / tmp_path.name / "__init__.py").touch()
        return tmp_path / tmp_path.name

    def found(self) -> set[str]:
        return set(architectures.__wrapped__())

    def test_a_file_is_enough(self, models: Path):
        (models / "mine.py").write_text(self.ONE.replace('"resnet20"', '"mine"'))
        assert self.found() == {"mine"}

    def test_two_of_one_name_are_refused(self, models: Path):
        for name in ("first", "second"):
            (models / f"{name}.py").write_text(self.ONE)
        with pytest.raises(ConfigError, match=r"second\.py: its config is called 'resnet20', as that of .*first\.py"):
            self.found()

    def test_a_file_without_one_is_named(self, models: Path):
        (models / "notes.py").write_text("x = 1\n")
        with pytest.raises(ConfigError, match=r"notes\.py: binds no ARCHITECTURE"):
            self.found()


def test_reading_them_all_imports_no_torch():
    code = "import sys; from lab2.spec.architectures import *; architectures(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


class TestResNet20:
    def test_it_has_the_parameters_and_products_of_the_paper(self):
        """Table 6 of the paper: 20 layers, 0.27 million parameters, on CIFAR's images."""
        model = build(ResNet20Config(), COLOUR).model
        layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        assert len(layers) == 20
        kernels = 27 * 16 + 9 * (6 * 16**2 + 16 * 32 + 5 * 32**2 + 32 * 64 + 5 * 64**2)
        norms = 2 * (7 * 16 + 6 * 32 + 6 * 64)
        assert count_parameters(model)[0] == kernels + norms + 64 * 10 + 10

    def test_deeper_ones_follow_the_rule(self):
        model = build(ResNet20Config(blocks=5), COLOUR).model
        assert sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in model.modules()) == 32

    def test_a_block_adds_to_what_it_is_given(self):
        block = Residual(nn.Conv2d(2, 2, 1), nn.Identity())
        nn.init.zeros_(block.body.weight)
        nn.init.constant_(block.body.bias, -1.0)
        x = torch.tensor([[[[3.0]], [[0.5]]]])
        assert block(x).flatten().tolist() == [2.0, 0.0]

    def test_the_shortcut_of_a_wider_stage_takes_each_second_place(self):
        x = torch.arange(16.0).view(1, 1, 4, 4)
        y = HalfSide(3)(x)
        assert y.shape == (1, 4, 2, 2)
        assert y[0, 1].tolist() == [[0, 2], [8, 10]]
        assert y[0, [0, 2, 3]].abs().sum() == 0

    def test_tiny_images_are_refused(self):
        with pytest.raises(ConfigError, match="images of 3 pixels; two halvings need 4 or more"):
            check_model(ResNet20Config(), replace(GREY, side=3))


class TestMobileNetV3Small:
    def test_it_is_torchvisions(self):
        torch.manual_seed(0)
        ours = build(MobileNetV3SmallConfig(image_side=32), COLOUR).model.eval()
        theirs = mobilenetv3.mobilenet_v3_small(num_classes=10).eval()
        network = ours.get_submodule("network")
        theirs.load_state_dict(network.state_dict())
        images = torch.rand(2, 3, 32, 32)
        torch.testing.assert_close(ours(images), theirs((images - 0.5) / 0.25), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(
        ("field", "value"), [("image_side", 31), ("width", 0.0), ("width", float("inf")), ("dropout", 1.0)]
    )
    def test_impossible_values_are_refused(self, field: str, value: float):
        with pytest.raises(ConfigError, match=f"mobilenet_v3_small: {field}={value}"):
            MobileNetV3SmallConfig(**{field: value})


def test_more_jobs_stand_beside_the_default_ones():
    more = read_catalogue(default_folder() / "more")
    assert set(more) == {"resnet20", "mobilenet_v3_small"}
    assert not set(more) & set(read_catalogue(default_folder()))


def test_the_list_of_jobs_names_those_beside_them(run_cli):
    code, out, _ = run_cli("jobs")
    assert code == 0
    assert out.splitlines()[-4:] == [
        "commonest_class, logistic_regression, nearest_neighbour: --jobs jobs/baselines",
        "lab_vit: --jobs jobs/controls",
        "mobilenet_v3_small, resnet20: --jobs jobs/more",
        "cnn_strong, vit_strong: --jobs jobs/strong",
    ]
    for line in out.splitlines()[-4:]:
        names, _, folder = line.partition(": --jobs ")
        assert all(name in run_cli("jobs", "--jobs", folder)[1] for name in names.split(", "))


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(ResNet20Config(blocks=1, filters=4), id="resnet20", marks=pytest.mark.slow),
        pytest.param(MobileNetV3SmallConfig(image_side=32, width=0.25), id="mobilenet", marks=pytest.mark.slow),
    ],
)
def test_one_of_them_trains(model: ResNet20Config | MobileNetV3SmallConfig, tmp_path: Path):
    trial = make_trial("cnn", model=model)
    shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
    assert (shard.status, shard.architecture) == ("ok", model.architecture)
    assert shard.flops_per_image > 0
