"""What may be changed: each place of a file at which one of mutmut's operators has something to put instead.

Left alone is what no test could notice, or what everything would: annotations, docstrings, imports, decorators, the
arguments of `len` and `isinstance` (all as mutmut does), those of `assert_never`; the words of errors, which tests
match in part; the `strict` of `zip`, which only asserts something.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

LEFT_ALONE = cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom | cst.Raise
UNCHANGED_CALLS = {"len", "isinstance", "assert_never"}
STRICT = re.compile(r",\s*strict=\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change of one file."""

    key: str
    path: str  # from the root of the repository
    scope: str  # "Class.method"; "" where it is in no class and no function
    statement: tuple[int, int]  # first and last line, from 1, of the statement that changes
    at_import: bool  # it runs when the module is imported, before any test does
    around: tuple[int, int]  # first and last line of the function or class around it, or of the module's statement
    first: int  # the first line that changes
    before: tuple[str, ...]  # the lines that change
    after: tuple[str, ...]  # what they become

    def applied_to(self, lines: Sequence[str]) -> list[str]:
        """The lines of the whole file, with the change."""
        return [*lines[: self.first - 1], *self.after, *lines[self.first - 1 + len(self.before) :]]

    def diff(self) -> str:
        """The changed lines alone, as `diff` writes them."""
        parts = unified_diff([line.strip() for line in self.before], [line.strip() for line in self.after], n=0)
        return "\n".join(line for line in parts if not line.startswith(("---", "+++", "@@")))


@dataclass(frozen=True, kw_only=True)
class Change:
    """One that can be made."""

    path: str
    scope: str
    statement: tuple[int, int]
    at_import: bool
    around: tuple[int, int]
    key: str  # what it is, wherever its lines stand: the same after a change elsewhere in the file
    node: cst.CSTNode
    instead: cst.CSTNode
    top: cst.CSTNode  # the statement of the module that holds the node
    top_line: int  # where the code of `top` begins, with the blank lines above it

    @cached_property
    def means(self) -> str:
        """What Python reads in the changed code; nothing where it cannot, or where it is what stood there before."""
        before, after = (STRICT.sub("", self._code(node)) for node in (self.node, self.instead))
        try:
            read = ast.dump(ast.parse(after))
        except SyntaxError:
            return ""
        return "" if read == ast.dump(ast.parse(before)) else read

    def made(self) -> Mutant:
        """The lines that it changes."""
        old, new = (self._code(node).splitlines(keepends=True) for node in (self.node, self.instead))
        first, before, after = _difference(old, new)
        return Mutant(
            key=self.key, path=self.path, scope=self.scope, statement=self.statement, at_import=self.at_import,
            around=self.around, first=self.top_line + first, before=before, after=after,
        )  # fmt: skip

    def _code(self, node: cst.CSTNode) -> str:
        """The statement of the module, with `node` in its place."""
        top = self.top if node is self.node else self.top.deep_replace(self.node, node)
        assert isinstance(top, cst.CSTNode)
        return cst.Module([]).code_for_node(top)


def sample(changes: Iterable[Change], count: int, seed: int) -> list[Mutant]:
    """`count` different ones by chance. What is drawn depends on what each is, so most stay when others come or go."""
    drawn: dict[tuple[str, int, str], Mutant] = {}
    for change in sorted(changes, key=lambda one: hashlib.sha256(f"{seed} {one.key}".encode()).digest()):
        if len(drawn) == count:
            break
        if change.means and (what := (change.path, change.top_line, change.means)) not in drawn:
            drawn[what] = change.made()
    return list(drawn.values())


def changes_of(root: Path, path: str) -> list[Change]:
    """All that can be made of the file `root/path`."""
    wrapper = MetadataWrapper(cst.parse_module((root / path).read_text()))
    places = _Places(path, wrapper.module)
    wrapper.visit(places)
    return places.found


class _Places(cst.CSTVisitor):
    """Walks a module and keeps what can be changed."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, path: str, module: cst.Module) -> None:
        super().__init__()
        self.path = path
        self.found: list[Change] = []
        self.above: list[cst.CSTNode] = []
        self.equal = Counter[str]()
        self.module = module
        self.top_lines: dict[cst.CSTNode, int] = {}
        line = 1 + sum(module.code_for_node(one).count("\n") for one in module.header)
        for statement in module.body:
            self.top_lines[statement] = line
            line += module.code_for_node(statement).count("\n")

    def on_visit(self, node: cst.CSTNode) -> bool:
        if _left_alone(node):
            return False
        if len(self.above) > 1 and self.above[1] in self.top_lines:
            for operator in (made for kind, made in mutation_operators if isinstance(node, kind)):
                self.found += [self._change(node, instead, operator.__name__) for instead in operator(node)]
        self.above.append(node)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if self.above and self.above[-1] is original_node:
            self.above.pop()

    def _change(self, node: cst.CSTNode, instead: cst.CSTNode, operator: str) -> Change:
        scope = ".".join(one.name.value for one in self.above if isinstance(one, cst.ClassDef | cst.FunctionDef))
        statement, lines = self._statement(node)
        words = f"{self.path} {scope} {operator} {self.module.code_for_node(node)} in {statement}"
        self.equal[words] += 1
        return Change(
            path=self.path, scope=scope, statement=lines, at_import=self._at_import(node), around=self._around(),
            key=hashlib.sha256(f"{words} {self.equal[words]}".encode()).hexdigest(),
            node=node, instead=instead, top=self.above[1], top_line=self.top_lines[self.above[1]],
        )  # fmt: skip

    def _statement(self, node: cst.CSTNode) -> tuple[str, tuple[int, int]]:
        """The statement around `node` and its lines; of a compound one, the node and the lines down to it."""
        end = self._lines(node)[1]
        for one in (node, *reversed(self.above)):
            if isinstance(one, cst.SimpleStatementLine | cst.SimpleStatementSuite):
                return self.module.code_for_node(one).strip(), self._lines(one)
            if isinstance(one, cst.BaseCompoundStatement | cst.ExceptHandler | cst.MatchCase):
                return self.module.code_for_node(node), (self._lines(one)[0], end)
        return self.module.code_for_node(node), self._lines(node)

    def _around(self) -> tuple[int, int]:
        outer = [one for one in self.above if isinstance(one, cst.ClassDef | cst.FunctionDef)]
        return self._lines(outer[-1] if outer else self.above[1])

    def _lines(self, node: cst.CSTNode) -> tuple[int, int]:
        found = self.get_metadata(PositionProvider, node)
        assert isinstance(found, CodeRange)
        return found.start.line, found.end.line

    def _at_import(self, node: cst.CSTNode) -> bool:
        """Around it stands no function, or only one of whose parameters it is a default."""
        return not any(
            isinstance(outer, cst.FunctionDef | cst.Lambda) and inner is outer.body
            for outer, inner in pairwise([*self.above, node])
        )


def _left_alone(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Call):
        return isinstance(node.func, cst.Name) and node.func.value in UNCHANGED_CALLS
    is_docstring = isinstance(node, cst.Expr) and isinstance(node.value, cst.BaseString)
    return is_docstring or isinstance(node, LEFT_ALONE)


def _difference(old: list[str], new: list[str]) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    """Where two texts begin to differ (0-based), and the lines of each that differ."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    return start, tuple(old[start : len(old) - end]), tuple(new[start : len(new) - end])
