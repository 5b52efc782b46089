"""The formats of an exported network: what makes the file's content, and what computes logits from it alone.

Source: torch's documentation of `torch.export` and of `torch.onnx.export` (the exporter on `torch.export`).
"""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout

import torch
from torch import Tensor, nn

from lab2.errors import ConfigError
from lab2.export.packages import Format, require_package
from lab2.foreign_text import one_line

Infer = Callable[[Tensor], Tensor]  # (B, C, S, S) images in [0, 1] to (B, K) logits

SUFFIX: Mapping[Format, str] = {"onnx": ".onnx", "torch-export": ".pt2"}
FACTS = "lab2.json"  # in a `torch.export` file; ONNX has them as its metadata
_LONGEST = 400  # characters of an exporter's message


def export(model: nn.Module, example: Tensor, to: Format, facts: Mapping[str, str]) -> bytes:
    """The content of a file with `model`, for batches of any size of images like the (B, C, S, S) `example`.

    `facts` are written with it. Raises `ConfigError` where the network cannot be exported, or a package is missing.
    """
    if to == "onnx":
        require_package(to, "onnx", "onnxscript", "onnxruntime")
    with _quiet(), torch.no_grad():
        try:
            batch = {0: torch.export.Dim.DYNAMIC}
            program = torch.export.export(model, (example,), dynamic_shapes=(batch,))
            return _as_onnx(program, facts) if to == "onnx" else _as_program(program, facts)
        except Exception as error:  # the network may be the user's
            raise _refused(to, "this network cannot be exported", error) from error


def opened(content: bytes, to: Format) -> Infer:
    """What the file's content computes. It, and what it returns, raise `ConfigError` where the runtime refuses it."""
    try:
        run = _runtime(content, to)
    except Exception as error:  # the runtime's own, of many kinds
        raise _refused(to, "its runtime does not open the exported network", error) from error

    def infer(images: Tensor) -> Tensor:
        try:
            return run(images)
        except Exception as error:
            raise _refused(to, "its runtime does not run the exported network", error) from error

    return infer


def _runtime(content: bytes, to: Format) -> Infer:
    if to == "torch-export":
        return torch.export.load(io.BytesIO(content)).module()
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


def _refused(to: Format, what: str, error: Exception) -> ConfigError:
    found = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
    return ConfigError(f"--to {to}: {what} ({one_line(found)})")


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, the exporters do not tell of their progress on standard output, nor warn of their own insides."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _as_program(program: torch.export.ExportedProgram, facts: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={FACTS: json.dumps(dict(facts))})
    return buffer.getvalue()


def _as_onnx(program: torch.export.ExportedProgram, facts: Mapping[str, str]) -> bytes:
    made = torch.onnx.export(program, input_names=["images"], output_names=["logits"], dynamo=True, verbose=False)
    assert made is not None
    proto = made.model_proto
    for name, value in facts.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = name, value
    content: bytes = proto.SerializeToString()
    return content
