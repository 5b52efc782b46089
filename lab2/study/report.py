"""The files of a study: `study.md` for people, `study.json` for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from lab2.foreign_text import for_markdown
from lab2.report.chapter import Chapter, Table
from lab2.results.run_dir import RunDir
from lab2.study.stating import Statement
from lab2.whole_file import write_files


def write_study_report(run: RunDir, stated: Statement) -> tuple[list[str], list[OSError]]:
    """Write the files; returns the names of those that were written, and the errors of the others."""
    files = {"study.md": study_md(stated), "study.json": study_json(stated)}
    return write_files(run.report, ((name, text.encode()) for name, text in files.items()))


def study_chapter(stated: Statement) -> Chapter:
    """The statement as a section of the run's page, which its verdict heads."""
    found = stated.conclusion
    return Chapter(
        name="claim",
        title="The claim",
        headline=f"{found.verdict.value.capitalize()}: {stated.claim.text}",
        lead=(found.sentence,),
        figures=tuple((one.name, one.text) for one in found.figures),
        tables=found.tables,
        charts=found.charts,
        jobs=stated.jobs,
        notes=(*found.notes, *filter(None, provenance(stated))),
    )


def study_md(stated: Statement) -> str:
    """The statement as Markdown."""
    found, claim = stated.conclusion, stated.claim
    lines = [f"# {for_markdown(claim.text)}", "", f"**{for_markdown(found.verdict.value)}**: ", ""]
    lines[2] += for_markdown(found.sentence)
    if found.figures:
        lines += ["| figure | value [95 %] |", "|---|---|"]
        lines += [f"| {for_markdown(one.name)} | {for_markdown(one.text)} |" for one in found.figures]
    for table in found.tables:
        lines += ["", f"## {for_markdown(table.title)}", "", *_table(table)]
    lines += ["", *(f"- {for_markdown(note)}" for note in found.notes), *map(for_markdown, provenance(stated))]
    return "\n".join(lines).rstrip() + "\n"


def provenance(stated: Statement) -> Iterator[str]:
    """What a reader needs to repeat it, a line each."""
    seeds = ", ".join(map(str, stated.seeds))
    yield ""
    yield f"Rule, fixed before it ran (study {stated.record.sha256[:12]}): {stated.record.rule}"
    yield ""
    yield (
        f"{stated.command}: run {stated.run}, {len(stated.record.trials)} trials, seeds {seeds}, commit "
        f"{' and '.join(stated.commits) or 'unknown'}, on {' and '.join(stated.machines) or 'no machine yet'}"
    )


def study_json(stated: Statement) -> str:
    """The statement for programs. Figures are in the units that they name."""
    found = asdict(stated.conclusion)
    content = {
        "claim": stated.claim.name,
        "text": stated.claim.text,
        **found,
        "rule": stated.record.rule,
        "study": stated.record.sha256,
        "size": stated.record.size,
        "command": stated.command,
        "run": stated.run,
        "trials": len(stated.record.trials),
        "seeds": stated.seeds,
        "commits": stated.commits,
        "machines": stated.machines,
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _table(table: Table) -> Iterator[str]:
    for row in (table.columns, ("---",) * len(table.columns), *table.rows):
        yield f"| {' | '.join(cell if cell == '---' else for_markdown(cell) for cell in row)} |"
