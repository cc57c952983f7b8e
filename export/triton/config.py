"""`config.pbtxt`: what Triton must know of a model, as protobuf text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Literal

from stc.export.sizes import Batch
from stc.runtime.backends.triton import BATCH, PASSPORT
from stc.runtime.bundle.contract import INPUT, TensorSpec
from stc.runtime.bundle.passport import Passport

Platform = Literal["tensorrt_plan", "onnxruntime_onnx"]
FILES: dict[Platform, str] = {"tensorrt_plan": "model.plan", "onnxruntime_onnx": "model.onnx"}  # Triton's own names
_KINDS: dict[Platform, str] = {"tensorrt_plan": "KIND_GPU", "onnxruntime_onnx": "KIND_CPU"}
_TYPES = {"uint8": "TYPE_UINT8", "int32": "TYPE_INT32", "float32": "TYPE_FP32", "float16": "TYPE_FP16"}
_QUEUE_DELAY = 2000  # microseconds that a request may wait for others to share a batch with


def config(
    name: str,
    platform: Platform,
    inputs: Mapping[str, TensorSpec],
    outputs: Mapping[str, TensorSpec],
    batch: Batch,
    passport: Passport,
) -> str:
    """The text of `config.pbtxt` for a model with these tensors (batch first; None where it is free).

    The server joins requests into batches where the model takes any number from 1 on. A fixed number, and a range that
    begins above 1, are the client's affair: a server that waits for nobody would send too few.
    """
    shared = inputs[INPUT].shape[0] is None and batch.least == 1
    lines = [
        "# Written by stc-export --triton. Never run in a Triton server.",
        f'name: "{name}"',
        f'platform: "{platform}"',
        f"max_batch_size: {batch.largest if shared else 0}",
        *_tensors("input", inputs, batch, shared=shared),
        *_tensors("output", outputs, batch, shared=shared),
    ]
    if platform == "onnxruntime_onnx":
        lines.append("# KIND_GPU for ONNX Runtime's CUDA provider; stc was never run with it.")
    lines.append(f"instance_group [ {{ count: 1 kind: {_KINDS[platform]} }} ]")
    if shared and batch.largest > 1:
        preferred = f"preferred_batch_size: [ {batch.optimal} ] " if batch.optimal > 1 else ""
        lines.append(f"dynamic_batching {{ {preferred}max_queue_delay_microseconds: {_QUEUE_DELAY} }}")
    lines.append("# The passport goes with the model, so that a client knows how to feed it and which model it is.")
    lines += _parameter(PASSPORT, json.dumps(json.loads(passport.to_json())))
    lines += _parameter(BATCH, json.dumps(batch.to_tuple()))
    return "\n".join(lines) + "\n"


def _tensors(kind: str, specs: Mapping[str, TensorSpec], batch: Batch, *, shared: bool) -> Iterable[str]:
    yield f"{kind} ["
    for index, (name, spec) in enumerate(specs.items()):
        first: tuple[int, ...] = () if shared else (spec.shape[0] or batch.fixed or -1,)
        dims = (*first, *(-1 if size is None else size for size in spec.shape[1:]))
        # Triton has no empty shapes: one number per picture is a row of one, which the model's tensor is not.
        shape = "dims: [ 1 ] reshape: { shape: [ ] }" if not dims else f"dims: [ {', '.join(map(str, dims))} ]"
        (dtype,) = spec.dtypes
        comma = "," if index < len(specs) - 1 else ""
        yield f'  {{ name: "{name}" data_type: {_TYPES[dtype]} {shape} }}{comma}'
    yield "]"


def _parameter(key: str, value: str) -> Iterable[str]:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')  # JSON in ASCII has nothing else to escape
    yield f'parameters {{ key: "{key}" value: {{ string_value: "{escaped}" }} }}'
