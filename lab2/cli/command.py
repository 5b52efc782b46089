"""How a command appears in the help: its panel, its example, and flags and arguments without type names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

START, RUN, WATCH, RESULTS = "Start", "Run", "Watch", "Results"  # the panels of `lab2 --help`, in this order

Function = TypeVar("Function", bound=Callable[..., Any])


class Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return _untyped(super().get_params(ctx))


class Group(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return _untyped(super().get_params(ctx))


def command(
    app: typer.Typer, panel: str, *, example: str, name: str | None = None, hidden: bool = False
) -> Callable[[Function], Function]:
    """Make a function a command of `app`."""
    return app.command(name, cls=Command, rich_help_panel=panel, epilog=f"Example: {example}", hidden=hidden)


def _untyped(params: list[Any]) -> list[Any]:
    """typer writes <bool> behind each flag, also behind its own --help, and <str> behind the name of an argument."""
    for param in params:
        if isinstance(param, TyperOption) and param.is_flag:
            param.metavar = ""
        elif isinstance(param, TyperArgument):
            param.display_type_rich = _nothing  # type: ignore[method-assign]  # it has no setting for this
    return params


def _nothing(ctx: Any) -> None:  # noqa: ARG001  # typer gives it
    return None
