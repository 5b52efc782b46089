"""A network whose training steps take their time: on any machine a trial lasts long enough to be interrupted."""

from __future__ import annotations

import time
from pathlib import Path

from torch import Tensor, nn

SECONDS = 0.025  # a step of 50 images
PACED_NETWORK = f"{Path(__file__).resolve()}:Paced"
PACED = f"ImportedConfig(network='{PACED_NETWORK}')"  # for a job file


class Paced(nn.Module):
    """(B, 3, 28, 28) images to (B, K) logits; waits in each training step."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=3), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(512, num_classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            time.sleep(SECONDS)
        logits: Tensor = self.layers(images)
        return logits
