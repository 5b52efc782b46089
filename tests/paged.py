"""Pages of hand-made runs, and what a program reads in them."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from lab2.data.findings import Findings, write_findings
from lab2.report.chapter import Chapter, Chart, Curve, Line, Table
from lab2.report.page.page import index_html
from lab2.report.report import make_report
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from tests.answered import among, answered
from tests.conftest import make_trial

A, B = among(1000, range(950)), among(1000, range(900))
RIGHTS = {"a": A[None].repeat(3, 0), "b": B[None].repeat(3, 0), "c": among(1000, range(20, 890))[None].repeat(3, 0)}

NASTY = (
    *("<script>alert(1)</script>", "=cmd()", "quo\"te's", "שלום עולם", "x" * 80, "esc\x1b[31m", "a  b"),
    *("{{ 7 * 7 }}", "&amp;", "</script><img src=x onerror=alert(2)>"),
)


def chapters() -> tuple[Chapter, Chapter]:
    """Of a study that is judged, and of one that searched; both with names that are hard to show."""
    table = Table(title="All", columns=("what", *NASTY), rows=((NASTY[0], *NASTY),))
    sides = [
        Line(name=name, job=job, x=(28.0, 56.0, 112.0), middle=middle, low=middle, high=tuple(2 * y for y in middle))
        for name, job, middle in ((NASTY[0], "cnn", (1.0, 4.0, 16.0)), ("attention", "vit", (2.0, 30.0, 480.0)))
    ]
    points = [
        Line(name=f"net {place}", job=("cnn", "vit")[place % 2], x=(10.0**place,), middle=(0.9 + place / 100,),
             low=(0.88 + place / 100,), high=(0.91 + place / 100,))
        for place in range(3, 8)
    ]  # fmt: skip
    charts = (
        Chart(title=NASTY[2], conclusion="Attention takes longer.", x="side, pixels", y="ms", lines=tuple(sides)),
        Chart(title="Size", conclusion="The larger, the better.", x="parameters", y="%", lines=tuple(points)),
    )
    verdict = Chapter(
        name="claim", title="The claim", headline="Supported: Seeds agree.", lead=NASTY[:2],
        figures=(("difference", "1.25 points [0.5, 2]"), (NASTY[4], "not determined")), tables=(table,), charts=charts,
        notes=NASTY, jobs=tuple(make_trial(name).job for name in ("cnn", "vit")),
    )  # fmt: skip
    curves = [
        Curve(job=name, conclusion=f"{name}: {top:.0%} after 3 settings.", x=(1, 2, 3), middle=(0.6, 0.75, top),
              low=(0.2, 0.6, 0.75), high=(0.8, 0.9, 0.95))
        for name, top in (("cnn", 0.8), ("vit", 0.9))
    ]  # fmt: skip
    jobs = tuple(make_trial(one.job).job for one in curves)
    search = Chapter(
        name="tuning", title="Tuning", lead=("The rule.",), curves=tuple(curves), x="settings tried", jobs=jobs
    )
    return verdict, search


def page_of(run: RunDir) -> str:
    return index_html(make_report(run, collect(run))).decode()


def paged(folder: Path, rights: Mapping[str, np.ndarray] = RIGHTS, **more: Any) -> str:
    """The page of a run in which each job's seeds are right about these images."""
    return page_of(answered(folder, rights, **more))


def with_classes(run: RunDir, names: tuple[str, ...] = NASTY, **more: Any) -> None:
    """Let it be found that the data have classes of these names."""
    run.data.mkdir(exist_ok=True)
    facts: dict[str, Any] = {
        "dataset": "mnist", "classes": names, "counts": {"train": (60,) * len(names), "test": (10,) * len(names)},
        "split": "as given", "left_out": {}, "sizes": {"smallest": (28, 28)}, "modes": {}, "formats": {},
        "form": (1, 28), "repeated": {}, "leaked": {},
    }  # fmt: skip
    write_findings(run.findings, [Findings(**{**facts, **more})])


class Page(HTMLParser):
    """The elements of a page: each with its attributes and its own text. Checks that they are closed in order."""

    VOID = ("meta", "input", "br", "link", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[int] = []
        self.feed(text)
        self.close()
        assert not self.open, [self.elements[number][0] for number in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts.append("")
        if tag not in self.VOID:
            self.open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        number = self.open.pop()
        assert self.elements[number][0] == tag, f"<{self.elements[number][0]}> is closed by </{tag}>"
        if self.open:
            self.texts[self.open[-1]] += self.texts[number]

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]] += data

    def text(self, tag: str, **wanted: str) -> str:
        """All text in the first such element."""
        return self.all_texts(tag, **wanted)[0]

    def all_texts(self, tag: str, **wanted: str) -> list[str]:
        return [
            text.strip()
            for (name, attributes), text in zip(self.elements, self.texts, strict=True)
            if name == tag and all(attributes.get(key) == value for key, value in wanted.items())
        ]

    def data(self) -> Any:
        """What the page's script compares with."""
        return json.loads(self.text("script", id="data"))


def unpacked(text: str, count: int) -> np.ndarray:
    """Correctness as the page holds it."""
    return np.unpackbits(np.frombuffer(b64decode(text), np.uint8), bitorder="little")[:count].astype(bool)
