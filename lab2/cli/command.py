"""The group of all commands, which imports the one that is called, and how a command appears in the help.

A command has an example, and flags and arguments without type names.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import typer
import typer.main
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from lab2.cli.listing import COMMANDS

Function = TypeVar("Function", bound=Callable[..., Any])


class Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return _untyped(super().get_params(ctx))


class Group(TyperGroup):
    """lab2's commands as the listing has them; `resolve_command` brings the whole command that is called."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        for name, one in COMMANDS.items():
            self.add_command(TyperCommand(name=name, help=one.summary, rich_help_panel=one.panel, hidden=one.hidden))

    def get_params(self, ctx: Any) -> list[Any]:
        return _untyped(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed and whole_command(args[0]), rest


def whole_command(name: str) -> Any:
    """The command `name` with its options, from its module."""
    return typer.main.get_group(import_module(f"lab2.cli.{COMMANDS[name].module}").app).commands[name]


def command(
    app: typer.Typer, *, example: str, name: str | None = None, hidden: bool = False
) -> Callable[[Function], Function]:
    """Make a function a command of `app`. `listing.py` has its place in the help."""
    return app.command(name, cls=Command, epilog=f"Example: {example}", hidden=hidden)


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
