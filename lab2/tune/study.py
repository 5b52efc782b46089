"""A study: all that fixes a search, written down and hashed before anything starts.

What is tried, on what, how it is judged and what is trained at the end follow from it alone. So who reads a table can
hold it against the file: the rule was not made when the results were known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter

from lab2.spec.architectures import TransferConfig
from lab2.spec.budget import parse_budget, part_of_budget
from lab2.spec.checks import require
from lab2.spec.effort import Effort
from lab2.spec.job import NOT_COMPUTED, DataConfig, JobSpec, TrainConfig, Trial, unused
from lab2.spec.sealed import Sealed, sha256_of
from lab2.spec.space import Choice, Range, Value, apply_settings, space_of
from lab2.tune.halving import Rung, rungs
from lab2.tune.settings import settings_of

STUDY_SCHEMA = 1
FEW_IMAGES = 2000  # training images: with fewer, one in twelve are too few to choose by
LENGTHS = ("train.epochs", "train.images", "train.budget")
Mode = Literal["random", "halving"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Which images choose. The test images never do."""

    folds: int = 1  # 1: the one fixed split, or the data's own validation part; more: each image validates once
    repeats: int = 1  # with folds: how often they are dealt anew

    def __post_init__(self) -> None:
        require(self.folds > 0, f"validation.folds={self.folds} must be positive")
        require(self.repeats > 0, f"validation.repeats={self.repeats} must be positive")
        require(
            self.repeats == 1 or self.folds > 1,
            f"validation.repeats={self.repeats} with one fixed split would train the same again; ask for folds, too",
        )

    @property
    def trainings(self) -> int:
        """How many trainings judge one setting."""
        return self.folds * self.repeats

    def of(self, data: DataConfig) -> Iterator[DataConfig]:
        """`data`, once for each training."""
        if self.folds == 1:
            yield data
            return
        for draw in range(self.repeats):
            for fold in range(self.folds):
                yield replace(data, fold=fold, folds=self.folds, fold_draw=draw)


def default_validation(training_images: int, *, has_own: bool) -> Validation:
    """Five folds below `FEW_IMAGES` training images, else the one split; that, too, where the data bring their own.

    With 1,500 images one in twelve are 125, whose accuracy of 90 % has a standard error of 2.7 points; that of all, in
    five folds, has 0.8. More folds would cost more trainings for little (Kohavi 1995).
    """
    return Validation(folds=1 if has_own or training_images >= FEW_IMAGES else 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A job of a study, and the space in which its recipe is searched."""

    job: JobSpec  # setting 0: its recipe as it stands
    space: dict[str, Range | Choice] = field(hash=False)
    question: str = ""  # that its job file asks; for the file that is written of what is found

    def __post_init__(self) -> None:
        require(not self.job.model.fitted, f"study: {self.job.name} has no recipe to search; leave it out")
        require(bool(self.space), f"study: {self.job.name} has an empty space; there is nothing to search")
        checked = replace(self.job, space=self.space)
        object.__setattr__(self, "job", replace(self.job, space={}))  # it is said once
        object.__setattr__(self, "space", checked.space)


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A search of equal effort: the same number of settings and the same budget for each job."""

    jobs: tuple[Candidate, ...]
    data: DataConfig
    trials: int  # settings of each job, its own recipe, which is number 0, included
    seed: int  # of the settings; also the seed with which each of them is trained
    mode: Mode = "random"  # random: each setting gets the whole budget; halving: the better ones get more
    eta: int = 3  # halving: one in so many goes on
    budget: str = ""  # what one training may take, as `--budget` has it; empty: what its recipe says
    validation: Validation = field(default_factory=Validation)
    final_seeds: tuple[int, ...]  # the chosen recipe is trained anew with these, and tested

    def __post_init__(self) -> None:
        require(bool(self.jobs), "study: no job; choose at least one")
        names = [one.job.name for one in self.jobs]
        twins = sorted({name for name in names if names.count(name) > 1})
        require(not twins, f"study: {', '.join(twins)} more than once; give each job once")
        require(self.mode in get_args(Mode), f"study: mode={self.mode!r}, wanted {', '.join(get_args(Mode))}")
        require(self.trials > 1, f"study: trials={self.trials}; the first is the job's own recipe, wanted 2 or more")
        require(0 <= self.seed < 2**31, f"study: seed={self.seed} is not in [0, 2^31)")
        require(bool(self.final_seeds), "study: no final seed; the chosen recipe is trained anew before it is tested")
        require(
            len(set(self.final_seeds)) == len(self.final_seeds) and self.seed not in self.final_seeds,
            f"study: final_seeds={list(self.final_seeds)}: wanted each once, none of them {self.seed}, with which the "
            "search trains: a recipe that is chosen with a seed is partly chosen for that seed's luck",
        )
        require(self.data.fold is None, "study: leave data.fold out; --folds sets the folds")
        if self.budget:
            parse_budget(self.budget)
            idle = [f"{one.job.name}: {name}" for one in self.jobs for name in one.space if name in LENGTHS]
            require(not idle, f"study: {', '.join(idle)} of its space would do nothing: the budget is the length")
        if self.mode == "halving":
            rungs(self.trials, self.eta)
            heads = [one.job.name for one in self.jobs if _has_a_whole_head(one.job, self.budget)]
            require(
                not heads,
                f"study: {', '.join(heads)}: halving shortens a training, and not the epochs of a head on pre-trained "
                "features; give --budget, or --set model.head_epochs=0",
            )

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The rounds of the search; of a random search there is one."""
        return rungs(self.trials, self.eta) if self.mode == "halving" else rungs(self.trials, least_share=1)

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON of all that decides the results: without the jobs' resources and effort.

        What the recipes do not use of later versions is left out, as in a trial's digest.
        """
        of_jobs = {
            place: {
                "question": True,
                "job": {**NOT_COMPUTED, "model": unused(one.job.model), "train": unused(one.job.train)},
            }
            for place, one in enumerate(self.jobs)
        }
        return sha256_of(_STUDY, self, exclude={"jobs": of_jobs, "data": unused(self.data)})

    def candidate(self, job: str) -> Candidate:
        """The candidate of that name."""
        return next(one for one in self.jobs if one.job.name == job)

    def settings(self, job: str, i: int) -> dict[str, Value]:
        """Setting `i` of the job named `job`, by dotted name; of setting 0 it is empty."""
        return settings_of(self.candidate(job).space, self.seed, job, i)

    def setting_job(self, job: str, i: int) -> JobSpec:
        """That job with setting `i` and the study's budget, named `<job>_t<i>`.

        Raises `ConfigError` where the values do not go together.
        """
        changed = apply_settings(self.candidate(job).job, self.settings(job, i))
        if self.budget:
            changed = replace(changed, train=replace(changed.train, budget=self.budget))
        return replace(changed, name=f"{job}_t{i:0{len(str(self.trials - 1))}d}", effort=None)

    def search_trials(self, job: str, i: int, rung: int = 0) -> tuple[Trial, ...]:
        """The trainings that judge setting `i` in a rung: one for each fold and draw. They are not tested.

        They are named `<job>_t<i>`, `_r<rung>` after it from the second rung on, and `_f<n>` where there are several.
        Each rung trains from the start, with a whole cycle of the learning rate in its share of the length.
        """
        one = self.setting_job(job, i)
        name = one.name + f"_r{rung}" * (rung > 0)
        one = replace(one, name=name, train=_shortened(one.train, self.rungs[rung].share))
        parts = tuple(self.validation.of(self.data))
        names = [one.name] if len(parts) == 1 else [f"{one.name}_f{n}" for n in range(len(parts))]
        return tuple(
            Trial(job=replace(one, name=name), data=data, seed=self.seed, search=job)
            for name, data in zip(names, parts, strict=True)
        )

    def final_trials(self, job: str, i: int) -> tuple[Trial, ...]:
        """The trainings of the chosen setting `i`, under the job's own name; these alone are tested."""
        one = self.chosen_job(job, i)
        return tuple(Trial(job=one, data=self.data, seed=seed) for seed in self.final_seeds)

    def chosen_job(self, job: str, i: int) -> JobSpec:
        """The job with its setting `i`, under its own name and with the effort of this study."""
        return replace(self.setting_job(job, i), name=job, effort=self.effort(job))

    def effort(self, job: str) -> Effort:
        """What a recipe of this study took to find."""
        before = self.candidate(job).job.effort
        after = f"; the first was that of the job, found with {before.text}" if before else ""
        images = "the validation images"
        if self.validation.folds > 1:
            images = f"the training images in {self.validation.folds} folds"
            images += f", dealt {self.validation.repeats} times" * (self.validation.repeats > 1)
        how = "successive halving" if self.mode == "halving" else "random search"
        return Effort(
            settings=self.trials,
            data=f"{Path(self.data.dataset).name}, {images}",
            rule=f"lab2 tune: {how} by a Sobol sequence, seed {self.seed}, the best score{after}",
            study=self.sha256,
        )


def make_study(jobs: Sequence[JobSpec], questions: Mapping[str, str] | None = None, **more: Any) -> Study:
    """A study of `jobs`, each with the space that it states or the default one; `more` are fields of `Study`.

    `questions` has, by name of a job, what its file asks.

    All its trials are made once: raises `ConfigError`, before anything starts, for a setting that its job refuses,
    and for a job that is called as a trial of another is.
    """
    asked = questions or {}
    candidates = [Candidate(job=job, space=space_of(job), question=asked.get(job.name, "")) for job in jobs]
    study = Study(jobs=tuple(candidates), **more)
    names = {one.job.name for one in study.jobs}
    for name in sorted(names):
        rounds = [(i, rung) for rung in range(len(study.rungs)) for i in range(study.trials)]
        for trial in [t for i, rung in rounds for t in study.search_trials(name, i, rung)]:
            require(trial.job.name not in names, f"study: {trial.job.name} is a trial of {name}; rename the job")
    return study


def _has_a_whole_head(job: JobSpec, budget: str) -> bool:
    """Whether a head is trained for as many epochs as its config says, however short the training is."""
    stated = not budget and job.train.budget is None and job.train.images is None
    model = job.model
    return stated and isinstance(model, TransferConfig) and model.weights != "random" and model.head_epochs > 0


def _shortened(recipe: TrainConfig, share: Fraction) -> TrainConfig:
    """`recipe` with `share` of its length."""
    if share == 1:
        return recipe
    if recipe.budget is not None:
        return replace(recipe, budget=part_of_budget(recipe.budget, float(share)))
    if recipe.images is not None:
        return replace(recipe, images=max(1, round(recipe.images * share)))
    return replace(recipe, epochs=recipe.epochs * float(share))


def mean_score(scores: Sequence[float | None]) -> float | None:
    """The score of a setting: the mean over its trainings; None where one of them failed."""
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known and len(known) == len(scores) else None


def write_study(path: Path, study: Study) -> None:
    """Write `study` to `path`. Raises `OSError` if the disk refuses it."""
    _FILE.write(path, study)


def read_study(path: Path) -> Study:
    """The study that `write_study` wrote to `path`. Raises `ConfigError` for an altered one or any other file."""
    return _FILE.read(path)


_STUDY: TypeAdapter[Study] = TypeAdapter(Study)
_FILE = Sealed(
    adapter=_STUDY, key="study", schema=STUDY_SCHEMA, sha256=lambda study: study.sha256, what="a study",
    again="start a new study",
)  # fmt: skip
