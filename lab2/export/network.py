"""The network that a trial trained, from its kept weights, and the test images that it was tested on.

Shapes: N test images, B images of a batch, C channels, S side of the data (pixels), K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lab2.data.datasets import DataShape, load_test, load_training
from lab2.data.identity import identities
from lab2.data.source import Images
from lab2.errors import ConfigError, WeightsError
from lab2.measure.batch import images_at_a_time
from lab2.measure.inputs import check_inputs
from lab2.measure.predictions import Predictions, read_predictions
from lab2.models.building import build
from lab2.models.building.answers import Answering
from lab2.models.building.deploy import deploy
from lab2.models.building.weights import load_trained
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard, read_shard
from lab2.spec.job import Trial
from lab2.train.classifier import to_unit
from lab2.train.precision import autocast
from lab2.train.streamed import batches

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """A trained classifier on the CPU, in evaluation mode: (B, C, S, S) float images in [0, 1] to (B, K) logits."""

    trial: Trial
    shard: Shard
    model: nn.Module
    shape: DataShape
    test: Images
    kept: Predictions  # of the trial, for the images of `test`

    @property
    def batch(self) -> int:
        """Images at a time."""
        own = self.model.predict_batch if isinstance(self.model, Answering) else None
        return own or images_at_a_time(self.test.pixels.shape[-1])

    def images(self) -> Iterator[Tensor]:
        """The test images in batches, as float in [0, 1]."""
        return map(to_unit, batches(self.test.pixels, self.batch))

    @torch.inference_mode()
    def logits(self, images: Tensor, precision: str = "fp32") -> Tensor:
        """(B, K) logits in float32, computed in that precision."""
        with autocast(CPU, precision):
            found: Tensor = self.model(images)
        return found.float()


def load_network(run: RunDir, trial: Trial) -> Trained:
    """The network of a finished trial that kept its weights.

    Raises `ConfigError` for a trial that cannot be exported, `WeightsError` for weights that are missing or foreign,
    `DataError` or `InputError` where the data set is missing or has changed, `ShardError` as the files are.
    """
    _check_exportable(run, trial)
    shard = read_shard(run.shard(trial.name))
    if shard.status != "ok":
        raise ConfigError(f"{trial.name}: {shard.status}: {shard.reason}; only a finished trial can be exported")
    data = load_training(trial.data)
    check_inputs(trial, data.sha256)
    model = build(trial.job.model, data.shape).model
    load_trained(model, run.weights(trial.name), trial.job.model.architecture)
    test, path = load_test(trial.data), run.predictions(trial.name)
    kept = read_predictions(path, probabilities=False)
    found = identities(test.pixels)
    if len(found) != len(kept.y_true) or (kept.images is not None and (found != kept.images).any()):
        raise ConfigError(f"{path}: of other test images than {trial.data.dataset} has now; start a new run")
    model.eval()
    trained = Trained(trial=trial, shard=shard, model=model, shape=data.shape, test=test, kept=kept)
    sample = to_unit(torch.from_numpy(test.pixels[: min(8, len(test))]))
    deploy(model, trained.logits, sample, torch.float32)
    return trained


def _check_exportable(run: RunDir, trial: Trial) -> None:
    model, path = trial.job.model, run.weights(trial.name)
    if model.detects:
        raise ConfigError(
            f"{trial.name}: a detector answers with boxes, as many as it finds, and an export is of a classifier"
        )
    if model.fitted:
        raise ConfigError(f"{trial.name}: a baseline keeps no weights; name a trial of a network")
    if model.trained_elsewhere:
        raise ConfigError(
            f"{trial.name}: imported, and its network is not here, only its predictions; name a trial that was trained"
        )
    if trial.search:
        raise ConfigError(f"{trial.name}: a trial of a search has no test images to check an export on; name another")
    if not path.exists():
        raise WeightsError(
            f"{path}: {trial.name} kept no weights; start its run anew, with its options and --set train.save_weights="
            "true"
        )
