"""What can be set is said beside the field itself, and read from there."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

import pytest

from lab2.spec.architectures import PooledConfig, architectures
from lab2.spec.fields import NEEDED, as_set_takes_it, comments_of, fields_of
from lab2.spec.job import DataConfig, Resources, TrainConfig

CONFIGS = [*(one.config for one in architectures().values()), TrainConfig, Resources, DataConfig]


@dataclass(kw_only=True)
class Base:
    inherited: int = 1  # of the base
    narrowed: int = 1  # of the base, too
    renamed: int = 1  # wrong here


@dataclass(kw_only=True)
class Example(Base):
    """A field is no comment: # neither is this."""

    # A heading over some fields.

    needed: str
    narrowed: int = 2
    renamed: int = 2  # right here
    # Two lines
    # above,
    above: float | None = None  # and one behind.
    hashed: str = "#"  # after a hash
    listed: tuple[int, ...] = (1, 2)
    options: dict[str, int] = field(
        default_factory=dict,  # inside
    )
    word: Literal["a", "b"] = "a"
    flag: bool = False

    # Of nothing.
    @property
    def other(self) -> int:
        return 0  # nor this


def test_a_comment_is_what_stands_behind_a_field_and_directly_above_it():
    assert comments_of(Example) == {
        "inherited": "of the base",
        "narrowed": "of the base, too",
        "renamed": "right here",
        "above": "Two lines above, and one behind.",
        "hashed": "after a hash",
        "options": "inside",
    }


def test_types_and_defaults_are_written_as_set_takes_them():
    assert {one.name: (one.kind, one.default) for one in fields_of(Example)} == {
        "inherited": ("int", "1"),
        "narrowed": ("int", "2"),
        "renamed": ("int", "2"),
        "needed": ("str", NEEDED),
        "above": ("float or None", "None"),
        "hashed": ("str", "#"),
        "listed": ("[int]", "[1,2]"),
        "options": ('{"name": value, ...}', "{}"),
        "word": ("a or b", "a"),
        "flag": ("True or False", "False"),
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.001, "0.001"), (1e-5, "1e-05"), ((32, 64), "[32,64]"), ("adamw", "adamw"), (True, "True"), (None, "None")],
)
def test_a_value_is_one_word(value: object, text: str):
    assert as_set_takes_it(value) == text


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.__name__)
def test_every_field_that_can_be_set_says_what_it_is(config: type):
    assert [one.name for one in fields_of(config) if not one.about] == []
    assert {one.name for one in fields_of(config)} == {f.name for f in fields(config)} - {"architecture"}


def test_a_config_inherits_comments():
    assert comments_of(architectures()["vgg16"].config)["dropout"] == comments_of(PooledConfig)["dropout"]
