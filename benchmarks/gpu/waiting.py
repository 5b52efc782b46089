"""A network of the user's whose step waits for the GPU, with dropout: no graph of it can be recorded."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from lab2.models.network import NetworkConfig
from lab2.spec.job import JobSpec, TrainConfig

DEPTH = 2  # hidden layers


class Waiting(nn.Module):
    """Takes (B, 3, 28, 28) images; a value that it computes decides which layers run."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(3 * 14 * 14, 64), nn.ReLU())
        self.hidden = nn.ModuleList(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2)) for _ in range(DEPTH))
        self.last = nn.Linear(64, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images)  # (B, 64)
        for layer in self.hidden:
            if x.detach().mean().item() > 0:  # Python waits for the value
                x = x + layer(x)
        logits: Tensor = self.last(x)
        return logits  # (B, K)


WAITING = JobSpec(
    name="waiting",
    model=NetworkConfig(name=f"{Path(__file__)}:Waiting", image_side=28),
    train=TrainConfig(
        epochs=1,
        batch_size=128,
        learning_rate=1e-3,
        precision="fp32",  # these three are not measured then: the same bits each time
        memory_format="channels_last",
        convolution="direct",
    ),
)
