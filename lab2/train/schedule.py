"""When a training is validated."""

from __future__ import annotations

from lab2.train.stage import Step


class ValidationSchedule:
    """After how many images seen: the same numbers for all trainings, whatever their epochs and batches.

    Every 2 V images for V validation images, for looking at them then costs about a sixth of the training; beyond 40 V
    every twentieth more, so that a long training is not validated hundreds of times. And at its end.
    """

    def __init__(self, validation_images: int, seen: int = 0) -> None:
        self.gap = 2 * validation_images
        self.next = self.gap
        self.go_on_from(seen)

    def asks_at(self, step: Step) -> bool:
        """Whether `step` is one to validate after."""
        return step.last or step.images >= self.next

    def go_on_from(self, images: int) -> None:
        """So many have been seen: what was to be validated by then has been."""
        while self.next <= images:
            self.next += max(self.gap, self.next // 20)
