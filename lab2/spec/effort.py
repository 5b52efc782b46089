"""What it took to find a recipe. A comparison of recipes of unequal effort compares the efforts, too.

Source: Dodge et al. 2019 (arXiv:1909.03004), who ask that results come with the number of settings that were tried.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab2.spec.checks import require
from lab2.words import counted

NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How the recipe of a job was found. It computes nothing: a trial is the same with and without it."""

    settings: int | None = None  # how many were tried, the chosen one included; None: not recorded
    data: str = NOT_RECORDED  # on what, and which of its images chose
    rule: str = NOT_RECORDED  # who or what proposed the settings, and which was taken
    study: str = ""  # SHA-256 of the study, where `lab2 tune` found it

    def __post_init__(self) -> None:
        require(self.settings is None or self.settings > 0, f"effort.settings={self.settings} must be 1 or more")

    @property
    def text(self) -> str:
        """The number of settings as a table shows it."""
        if self.settings is None:
            return NOT_RECORDED
        return counted(self.settings, "setting")
