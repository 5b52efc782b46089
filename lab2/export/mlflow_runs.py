"""Trials as runs of MLflow, an experiment a run of lab2.

A run that was written whole has the tag `lab2.identity`, which is set last. One without it was interrupted, and is
replaced; so is one of another identity.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from lab2.errors import RunError
from lab2.export.outcome import Outcome
from lab2.export.packages import require_package
from lab2.export.record import TrialRecord
from lab2.foreign_text import one_line

DATABASE = "mlflow.db"
_IDENTITY, _TRIAL = "lab2.identity", "lab2.trial"
_MOST_METRICS, _MOST_OTHERS = 1000, 100  # in one call, as MLflow's REST API limits them
_PAGE = 1000
_STATUS = {"ok": "FINISHED", "cancelled": "KILLED"}  # all others failed

T = TypeVar("T")


def to_mlflow(records: Iterable[TrialRecord], place: str) -> Iterator[Outcome]:
    """Write `records` to a tracking server (a URI), or to an SQLite database in the folder `place`.

    An older run of the same trial is deleted as MLflow deletes, which can be undone. Raises `RunError` where MLflow
    refuses, `ConfigError` where it is not installed.
    """
    require_package("mlflow", "mlflow")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of each table that it makes
    try:
        uri, artifacts = _location(place)
        client = MlflowClient(tracking_uri=uri)
        experiment, known = "", dict[str, list[Any]]()
        for record in records:
            if not experiment:
                experiment = _experiment(client, record.run, artifacts)
                known = _known(client, experiment)
            yield _export(client, experiment, record, known.get(record.trial, []))
    except MlflowException as error:
        raise RunError(f"{place}: MLflow refuses: {one_line(str(error))}; mend that and export again") from error


def _location(place: str) -> tuple[str, str | None]:
    """The tracking URI, and where artifacts go; None: where the server says."""
    if "://" in place:
        return place, None
    folder = Path(place).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / DATABASE}", (folder / "artifacts").as_uri()


def _experiment(client: Any, name: str, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name, artifact_location=artifacts))
    if found.lifecycle_stage == "deleted":
        raise RunError(
            f"the MLflow experiment {name} was deleted; mlflow experiments restore --experiment-id "
            f"{found.experiment_id} brings it back"
        )
    return str(found.experiment_id)


def _known(client: Any, experiment: str) -> dict[str, list[Any]]:
    """The runs of the experiment by the trial that they are of."""
    found: dict[str, list[Any]] = {}
    token = None
    while True:
        page = client.search_runs([experiment], max_results=_PAGE, page_token=token)
        for one in page:
            if (trial := one.data.tags.get(_TRIAL)) is not None:
                found.setdefault(trial, []).append(one)
        token = page.token
        if not token:
            return found


def _export(client: Any, experiment: str, record: TrialRecord, known: Sequence[Any]) -> Outcome:
    others = [one for one in known if one.data.tags.get(_IDENTITY) != record.identity]
    if len(others) == len(known):
        _write(client, experiment, record)
    for one in others:
        client.delete_run(one.info.run_id)
    if len(others) < len(known):
        return Outcome.PRESENT
    return Outcome.REPLACED if others else Outcome.WRITTEN


def _write(client: Any, experiment: str, record: TrialRecord) -> None:
    from mlflow.entities import Metric, Param, RunTag

    made = client.create_run(
        experiment, start_time=_milliseconds(record.started), run_name=record.trial, tags={_TRIAL: record.trial}
    )
    number = made.info.run_id
    for tags in _pieces([RunTag(*one) for one in record.tags.items()], _MOST_OTHERS):
        client.log_batch(number, tags=tags)
    for params in _pieces([Param(name, str(value)) for name, value in record.parameters.items()], _MOST_OTHERS):
        client.log_batch(number, params=params)
    metrics = [
        Metric(f"curve/{name}", value, _milliseconds(point.at), point.step)
        for point in record.curve
        for name, value in point.values.items()
    ]
    end = _milliseconds(record.ended)
    metrics += [Metric(name, value, end, record.last_step) for name, value in record.metrics.items()]
    for piece in _pieces(metrics, _MOST_METRICS):
        client.log_batch(number, metrics=piece)
    client.set_terminated(number, status=_STATUS.get(record.status, "FAILED"), end_time=end)
    client.set_tag(number, "lab2.shard_sha256", record.sha256)
    client.set_tag(number, _IDENTITY, record.identity)


def _pieces(items: Sequence[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while piece := list(islice(rest, size)):
        yield piece


def _milliseconds(unix: float) -> int:
    return round(1000 * unix)
