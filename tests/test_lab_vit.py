"""The lab's ViT as it was, and what claim 1 makes of the changes to it."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest
import torch
from torch import nn

from lab2.data.datasets import DataShape
from lab2.errors import ConfigError
from lab2.models.building import build
from lab2.models.lab_vit import LabViTConfig
from lab2.models.layers.lab_transformer import LabBlock, positions
from lab2.spec.job import TrainConfig
from lab2.study.claim import Verdict
from lab2.study.claims.vit_data import AUGMENTATION, CHANGES, CONTROL, LESS_DATA, Gain, decide, plan
from lab2.train.optimizer import OneCycle, groups
from tests.conftest import make_trial

GREY = DataShape(1, 28, tuple("0123456789"), (0.13,), (0.31,), plain_background=True)


class TestNetwork:
    def test_it_has_the_labs_1642_parameters(self):
        block = 2 * 2 * 8 + 2 * 3 * (4 * 4 + 4) + (8 * 32 + 32) + (32 * 8 + 8)  # norms, heads, MLP
        assert (16 * 8 + 8) + 8 + 2 * block + (8 * 10 + 10) == 1_642
        assert sum(p.numel() for p in build(LabViTConfig(), GREY).model.parameters()) == 1_642

    def test_it_gives_probabilities_where_the_loss_wants_logits(self):
        torch.manual_seed(0)
        images = torch.rand(3, 1, 28, 28)
        with_softmax = build(LabViTConfig(), GREY).model.eval()
        assert with_softmax(images).sum(1).tolist() == pytest.approx([1, 1, 1])
        without = build(LabViTConfig(ends_in_softmax=False), GREY).model.eval()
        without.load_state_dict(with_softmax.state_dict())
        assert torch.allclose(without(images).softmax(1), with_softmax(images))

    def test_each_head_maps_its_own_part_as_in_a_loop_over_heads(self):
        torch.manual_seed(0)
        block, x = LabBlock(8, 2, 4), torch.randn(2, 5, 8)
        for batch in range(2):
            for head in range(2):
                part = x[batch, :, 4 * head : 4 * head + 4]
                q, k, v = (part @ block.weight[i, head] + block.bias[i, head, 0] for i in range(3))
                wanted = torch.softmax(q @ k.T / math.sqrt(4), 1) @ v
                assert torch.allclose(block.attend(x)[batch, :, 4 * head : 4 * head + 4], wanted, atol=1e-6)

    def test_positions_are_sines_at_even_places_and_cosines_at_odd_ones(self):
        found = positions(50, 8)
        assert found[0].tolist() == [0, 1] * 4
        assert found[3, 2] == pytest.approx(math.sin(3 / 10_000 ** (2 / 8)), abs=1e-6)
        assert found[3, 3] == pytest.approx(math.cos(3 / 10_000 ** (2 / 8)), abs=1e-6)

    def test_what_does_not_fit_is_refused(self):
        with pytest.raises(ConfigError, match="dim=9 is not divisible by num_heads=2"):
            LabViTConfig(dim=9)
        with pytest.raises(ConfigError, match="not divisible into patches"):
            build(LabViTConfig(patch_size=5), GREY)


class TestConstantSchedule:
    def rates(self, schedule: str) -> list[float]:
        torch.manual_seed(0)
        layer = nn.Linear(2, 2)
        recipe = TrainConfig(learning_rate=0.5, schedule=schedule)
        optimizer = OneCycle(groups(layer, recipe), recipe, 6)
        found = []
        for _ in range(6):
            found.append(optimizer.optimizers[0].param_groups[0]["lr"])
            optimizer.update(layer(torch.ones(1, 2)).sum())
            optimizer.advance()
        return found

    def test_the_learning_rate_stays(self):
        assert self.rates("constant") == [0.5] * 6

    def test_one_cycle_rises_and_falls(self):
        found = self.rates("one_cycle")
        assert 0.4 < max(found) <= 0.5
        assert found[-1] < 1e-3

    def test_another_word_is_refused(self):
        with pytest.raises(ConfigError, match="schedule='cosine', wanted one_cycle, constant"):
            TrainConfig(schedule="cosine")

    def test_a_trial_that_does_not_use_it_is_the_trial_that_it_was(self):
        assert make_trial().digest == make_trial(schedule="one_cycle").digest != make_trial(schedule="constant").digest


class TestPlan:
    def test_each_arm_changes_one_thing(self):
        jobs = {trial.job.name: trial.job for trial in plan("small")}
        control = jobs.pop(CONTROL)
        assert jobs.keys() == {*CHANGES, LESS_DATA}
        changed = {
            name: {
                field.name
                for part in ("model", "train")
                for field in fields(getattr(control, part))
                if getattr(getattr(control, part), field.name) != getattr(getattr(jobs[name], part), field.name)
            }
            for name in CHANGES
        }
        together, of_images = changed.pop("lab_vit_together"), changed.pop(AUGMENTATION)
        assert {len(one) for one in changed.values()} == {1}
        assert together == {"ends_in_softmax", "dim", "schedule"}  # no augmentation: that stands for more data
        assert of_images == {"shift", "rotation"}

    def test_half_of_the_images_is_seen_in_as_many_steps(self):
        less = next(trial for trial in plan("small") if trial.job.name == LESS_DATA)
        control = next(trial for trial in plan("small") if trial.job.name == CONTROL)
        assert less.data.train_images * less.job.train.epochs == 59_500 * control.job.train.epochs


class TestRule:
    def gain(self, name: str, points: float, half: float = 1.0) -> Gain:
        return Gain(name=name, points=points, low=points - half, high=points + half)

    def changes(self, largest: float, half: float = 1.0) -> list[Gain]:
        rest = [self.gain(name, 1.0, half) for name in CHANGES if name != "lab_vit_width"]
        return [self.gain("lab_vit_width", largest, half), *rest]

    @pytest.mark.parametrize(
        ("largest", "half", "data", "control", "verdict"),
        [
            (18.0, 1.0, -4.0, 76.0, Verdict.REFUTED),
            (3.0, 1.0, -4.0, 76.0, Verdict.SUPPORTED),
            (3.0, 1.0, -1.5, 76.0, Verdict.UNDECIDED),  # data matter little
            (3.0, 1.0, 0.0, 76.0, Verdict.UNDECIDED),  # or not at all
            (10.0, 3.0, -6.0, 76.0, Verdict.UNDECIDED),  # may be worth as much
            (3.0, 1.0, -4.0, 90.0, Verdict.UNDECIDED),  # what the claim explains is not there
            (18.0, 1.0, -4.0, 90.0, Verdict.UNDECIDED),  # nor is then what refutes it
            (18.0, 1.0, -4.0, 60.0, Verdict.UNDECIDED),
        ],
    )
    def test_verdicts(self, largest, half, data, control, verdict):
        found, sentence = decide(self.changes(largest, half), self.gain(LESS_DATA, data), control)
        assert found is verdict
        assert f"changes it by {data:+.2f} points" in sentence

    @pytest.mark.parametrize(("data", "verdict"), [(-4.0, Verdict.SUPPORTED), (0.0, Verdict.UNDECIDED)])
    def test_what_augmentation_is_worth_refutes_nothing(self, data, verdict):
        """It stands for more data: a gain of it is what the claim expects."""
        changes = [one for one in self.changes(3.0) if one.name != AUGMENTATION] + [self.gain(AUGMENTATION, 18.0)]
        found, sentence = decide(changes, self.gain(LESS_DATA, data), 76.0)
        assert found is verdict
        assert CHANGES[AUGMENTATION] not in sentence

    def test_the_best_change_is_named_in_words(self):
        _, sentence = decide(self.changes(18.0), self.gain(LESS_DATA, -1), 76.0)
        assert "width 16 instead of 8 is worth +18.0 points [17.0, 19.0]" in sentence
