"""The fields that `--set` reaches, each with its type, its default and the comment beside it in the code."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import json
import textwrap
import tokenize
from dataclasses import MISSING, dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

NEEDED = "(needed)"  # in the place of a default where there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigField:
    """One field of a config."""

    name: str
    kind: str  # its type, in words
    default: str  # as `--set` takes it
    about: str  # what it is, its unit, what it may be


def fields_of(config: type) -> list[ConfigField]:
    """What can be set of a config, in its order."""
    hints, comments = get_type_hints(config), comments_of(config)
    return [
        ConfigField(name=f.name, kind=in_words(hints[f.name]), default=_default(f), about=comments.get(f.name, ""))
        for f in settable(config)
    ]


def settable(config: Any) -> list[dataclasses.Field[Any]]:
    """The fields of a config, a class or an instance, without `architecture`, by which configs are told apart."""
    return [field for field in dataclasses.fields(config) if field.name != "architecture"]


def as_set_takes_it(value: object) -> str:
    """A value as it is written after `--set name=`: JSON, but for bare words, None, True and False."""
    if value is None or isinstance(value, bool | str):
        return str(value)
    return json.dumps(value, separators=(",", ":"))  # without spaces: one word for the shell


def in_words(hint: Any) -> str:
    """A type as a person reads it."""
    kind, parts = get_origin(hint), get_args(hint)
    if kind is tuple:
        return f"[{', '.join(in_words(part) for part in parts if part is not ...)}]"
    if kind is dict:
        return '{"name": value, ...}'
    if words := _choices(hint):
        *some, last = words
        return f"{', '.join(some)} or {last}" if some else last
    return "None" if hint is NoneType else getattr(hint, "__name__", str(hint))


def _choices(hint: Any) -> list[str]:
    """The words that a `Literal` has, and the types that a union has."""
    kind, parts = get_origin(hint), get_args(hint)
    if kind is Literal:
        return [as_set_takes_it(part) for part in parts]
    if hint is bool:
        return ["True", "False"]
    if kind in (Union, UnionType):
        return [word for part in parts for word in _choices(part) or [in_words(part)]]
    return []


@cache
def comments_of(config: type) -> dict[str, str]:
    """The comment of each field of a dataclass, of the nearest class that has one.

    It is what stands behind the field, after the comment lines directly above it.
    """
    found: dict[str, str] = {}
    for one in reversed(config.__mro__):
        if dataclasses.is_dataclass(one):
            found |= _own_comments(one)
    return found


def _own_comments(config: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(config))
    except (OSError, TypeError):  # made by a call, as the base of `Shard` is: it has no source
        return {}
    words, alone = {}, set()  # by line; the lines that hold nothing else
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line = token.start[0]
            words[line] = token.string.removeprefix("#").strip()
            if token.line.lstrip().startswith("#"):
                alone.add(line)
    found = {}
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            first = node.lineno
            while first - 1 in alone:
                first -= 1
            last = node.end_lineno or node.lineno
            if text := " ".join(words[line] for line in range(first, last + 1) if line in words):
                found[node.target.id] = text
    return found


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not MISSING:
        return as_set_takes_it(field.default_factory())
    return NEEDED if field.default is MISSING else as_set_takes_it(field.default)
