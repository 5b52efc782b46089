"""What `lab2 --help` shows of each command, and the module that the command is in.

A module is imported when one of its commands is called: to list them all would load what any of them needs.
The order is that of the help.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Listed:
    """A command: its panel of the help, its module in `lab2.cli`, and the first line of its docstring."""

    panel: str
    module: str
    summary: str
    hidden: bool = False


START, RUN, WATCH, RESULTS = "Start", "Run", "Watch", "Results"

COMMANDS = {
    "init": Listed(START, "machine", "Write copies of lab2's jobs, profiles and scripts, to adapt."),
    "doctor": Listed(START, "machine", "Say what this machine can do, and what is missing."),
    "prepare": Listed(START, "machine", "Download data sets and pre-trained weights, once."),
    "jobs": Listed(START, "machine", "List the jobs, or show one with all its settings."),
    "inspect": Listed(START, "inspecting", "Say what is in a data set and what is wrong with it."),
    "run-local": Listed(RUN, "running", "Train on this machine, one process a trial, and show the table."),
    "train": Listed(RUN, "running", "Run one trial in the foreground, in a run of its own."),
    "submit": Listed(RUN, "running", "Hand trials to Slurm, an array a job, and return at once."),
    "resume": Listed(RUN, "running", "Run what is missing or failed in a run, from its checkpoints."),
    "cancel": Listed(RUN, "running", "Stop what is queued or running; checkpoints and results stay."),
    "tune": Listed(RUN, "tuning", "Search for a recipe for each job, with equal effort, then train and test it."),
    "more": Listed(
        RUN,
        "deciding",
        "Add seeds to two rows of a run, in looks planned beforehand, until it is decided which is better.",
    ),
    "study": Listed(
        RUN, "studying", "Measure a claim: run its trials, and state whether it is supported, refuted, or not decided."
    ),
    "status": Listed(WATCH, "watching", "Show what each trial is doing, or what became of it."),
    "watch": Listed(WATCH, "serving", "Show a run in a browser while it goes on; when it has ended, its report."),
    "logs": Listed(WATCH, "watching", "Show what a trial has logged."),
    "report": Listed(RESULTS, "watching", "Show a run's comparison table, and write its report."),
    "collect": Listed(RESULTS, "watching", "Another word for `lab2 report --quiet`.", hidden=True),
    "recommend": Listed(
        RESULTS,
        "recommending",
        "Say which rows fit limits, which may be the best of them, and what each limit costs. It forces no winner.",
    ),
    "compare": Listed(RESULTS, "comparing", "Show what changed from one run to another."),
    "plot": Listed(RESULTS, "plotting", "Draw a chart of a report alone, for a paper or a slide."),
    "merge": Listed(RESULTS, "merging", "Put several runs on one page: data sets, machines, before and after."),
    "import": Listed(RESULTS, "importing", "Make a run of predictions from elsewhere, and show its table."),
    "export": Listed(
        RESULTS,
        "exporting",
        "Export a run's trials to a tracker, or a trial's trained network to a file that is checked.",
    ),
}
