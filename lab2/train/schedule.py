"""Decides after which training steps the network is validated."""

from __future__ import annotations

from lab2.train.stage import Step


class ValidationSchedule:
    """Validates after a number of training images that does not depend on a training's epochs or batch size.

    With V validation images, it validates every 2 V training images: validation then costs about a sixth of the
    training. Beyond 40 V images the gap grows to a twentieth of the images so far, so that a long training is not
    validated hundreds of times. The last step is always validated.
    """

    def __init__(self, validation_images: int, seen: int = 0) -> None:
        self.gap = 2 * validation_images
        self.next = self.gap
        self.resume_at(seen)

    def is_due_after(self, step: Step) -> bool:
        """Whether to validate after `step`."""
        return step.last or step.images >= self.next

    def resume_at(self, images: int) -> None:
        """Set the next validation to the first one that is due after so many training images."""
        while self.next <= images:
            self.next += max(self.gap, self.next // 20)
