"""Trials as event files of TensorBoard: a folder a run, in it one a trial, with one file, written whole.

TensorBoard holds numbers as float32. Curves are scalars by images seen, figures of the end scalars under `final/`;
parameters are hyperparameters, provenance is a text.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lab2.export.outcome import Outcome
from lab2.export.packages import require_package
from lab2.export.record import TrialRecord
from lab2.foreign_text import for_markdown
from lab2.regular_file import LISTS, read_regular
from lab2.whole_file import write_whole

FILE = "events.out.tfevents.lab2"  # TensorBoard takes every name with tfevents in it


def to_tensorboard(records: Iterable[TrialRecord], place: str) -> Iterator[Outcome]:
    """Write `records` into the folder `place`. Raises `ConfigError` where TensorBoard is not installed."""
    require_package("tensorboard", "tensorboard")
    for record in records:
        folder = Path(place) / record.run / record.trial
        folder.mkdir(parents=True, exist_ok=True)
        path, content = folder / FILE, event_file(record)
        try:
            before: bytes | None = read_regular(path, LISTS)
        except OSError:
            before = None
        if before != content:
            write_whole(path, content)
        yield Outcome.PRESENT if before == content else Outcome.WRITTEN if before is None else Outcome.REPLACED


def event_file(record: TrialRecord) -> bytes:
    """The content of an event file; the same record gives the same bytes."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    buffer = io.BytesIO()
    writer = RecordWriter(buffer)

    def write(at: float, step: int, *values: Any) -> None:
        writer.write(Event(wall_time=at, step=step, summary=Summary(value=values)).SerializeToString())

    writer.write(Event(wall_time=record.started, file_version="brain.Event:2").SerializeToString())
    write(record.started, 0, _hyperparameters(record), _text("provenance", _provenance(record)))
    for point in record.curve:
        curve = point.values.items()
        write(point.at, point.step, *(Summary.Value(tag=f"curve/{name}", simple_value=value) for name, value in curve))
    final = (Summary.Value(tag=f"final/{name}", simple_value=value) for name, value in record.metrics.items())
    write(record.ended, record.last_step, *final)
    return buffer.getvalue()


def _hyperparameters(record: TrialRecord) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    made: Any = hparams_pb(dict(record.parameters), trial_id=record.identity, start_time_secs=record.started)
    value: Any = Summary.FromString(made.SerializeToString()).value[0]
    plugin = value.metadata.plugin_data
    plugin.content = HParamsPluginData.FromString(plugin.content).SerializeToString(deterministic=True)
    return value


def _text(name: str, text: str) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    return Summary.Value(
        tag=name,
        metadata=SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text")),
        tensor=TensorProto(dtype=DT_STRING, string_val=[text.encode()]),
    )


def _provenance(record: TrialRecord) -> str:
    """As a table of Markdown, which TensorBoard shows."""
    shown = {**record.tags, "lab2.shard_sha256": record.sha256}
    rows = [f"| {for_markdown(name)} | {for_markdown(value)} |" for name, value in shown.items()]
    return "\n".join(["| | |", "|---|---|", *rows])
