"""ONNX files with damaged bytes, or sound ones of odd graphs, weights elsewhere and odd metadata: loaded and run."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx

from stc.runtime import Session
from stc.runtime.machine.engine_names import EngineName
from tests.mutations import EXTREMES, damaged, odd_json
from tests.runtime import op_model, tiny_model

FRAMES = [tiny_model.frame((0, (8 + i, 12, 40 + i, 44)), (1, (50, 8 + i, 80, 30 + i))) for i in range(2)]
PLACES = (
    "weights.data",
    "missing.data",
    "../weights.data",
    "/etc/hostname",
    "link.data",
    "pipe.data",
    "folder",
    "",
    "\x00",
)


def cases(folder: Path, engine: EngineName = "onnxruntime") -> Callable[[random.Random], object]:
    place = folder / "model"
    place.mkdir()
    (place / "weights.data").write_bytes(bytes(4096))
    (place / "link.data").symlink_to("/etc/hostname")
    (place / "folder").mkdir()
    os.mkfifo(place / "pipe.data")
    content = op_model.model().SerializeToString()
    path = place / "model.onnx"

    def case(r: random.Random) -> None:
        if r.random() < 0.4:
            path.write_bytes(damaged(r, content))
        else:
            model = onnx.load_model_from_string(content)
            for _ in range(r.choice((1, 1, 2, 3))):
                r.choice(MUTATIONS)(r, model)
            path.write_bytes(model.SerializeToString())
        with Session(path, threads=1, engine=engine, native=r.random() < 0.7) as session:
            stream = session.stream()
            for frame in FRAMES:
                stream(frame).masks.rle()

    return case


def _signed(r: random.Random, bits: int = 64) -> int:
    number = r.choice((*EXTREMES, 2**32 + 8, 2**32 + 3, 2**32 + 2, -8, 3, 5, 8, 16)) % (1 << bits)
    return number - (1 << bits) if number >> (bits - 1) else number


def _op(model: onnx.ModelProto) -> onnx.NodeProto:
    return model.graph.node[-1]


def _attribute(r: random.Random, model: onnx.ModelProto) -> None:
    node = _op(model) if r.random() < 0.6 else r.choice(model.graph.node)
    if node.attribute:
        attribute = r.choice(node.attribute)
        match r.randrange(4):
            case 0:
                attribute.type = r.randrange(1, 15)
            case 1:
                attribute.name = r.choice(("", "dilation", "channels", "plugin_version"))
            case _:
                attribute.i = _signed(r)


def _wiring(r: random.Random, model: onnx.ModelProto) -> None:
    node = _op(model) if r.random() < 0.4 else r.choice(model.graph.node)
    match r.randrange(5):
        case 0:
            node.op_type = r.choice(("Identity", "NoSuchOperator", "DynamicMaskHead", ""))
        case 1:
            node.domain = r.choice(("", "stc", "com.microsoft"))
        case 2 if node.input:
            node.input[r.randrange(len(node.input))] = r.choice(("", "frames", "masks", "boxes", "params", "nowhere"))
        case 3:
            node.output[0] = r.choice(("masks", "boxes", "frames", ""))
        case 4 if node.input:
            del node.input[-1]


def _value(r: random.Random, model: onnx.ModelProto) -> None:
    value = r.choice([*model.graph.output, *model.graph.input])
    kind = value.type.tensor_type
    match r.randrange(5):
        case 0:
            kind.elem_type = r.choice((0, 1, 2, 6, 7, 8, 10, 11, 16, 77, 2**31 - 1))
        case 1 if kind.shape.dim:
            r.choice(kind.shape.dim).dim_value = _signed(r)
        case 2:
            kind.shape.dim.add().dim_value = _signed(r)
        case 3:
            value.name = r.choice(("masks", "boxes", "frames", "other", ""))
        case 4:
            value.ClearField("type")


def _weights(r: random.Random, model: onnx.ModelProto) -> None:
    tensor = r.choice(model.graph.initializer)
    match r.randrange(4):
        case 0 if tensor.dims:
            tensor.dims[r.randrange(len(tensor.dims))] = _signed(r)
        case 1:
            tensor.data_type = r.choice((0, 1, 2, 6, 7, 8, 10, 11, 77))
        case 2:
            tensor.raw_data = tensor.raw_data[: r.randrange(len(tensor.raw_data) + 1)]
        case 3:
            tensor.data_location = onnx.TensorProto.EXTERNAL
            said = {"location": r.choice(PLACES), "offset": r.choice(("0", "64", "-1", "4095", "x", str(2**63)))}
            said["length"] = r.choice((str(len(tensor.raw_data)), "0", "-5", str(2**62), "4096"))
            for key, value in said.items():
                if r.random() < 0.9:
                    tensor.external_data.add(key=key, value=value)
            tensor.ClearField("raw_data")


def _parts(r: random.Random, model: onnx.ModelProto) -> None:
    graph = model.graph
    parts: Any = r.choice(
        (graph.node, graph.initializer, graph.output, graph.input, model.functions, model.opset_import)
    )
    if parts and r.random() < 0.6:
        del parts[r.randrange(len(parts))]
    elif parts:
        parts.append(r.choice(parts))


def _header(r: random.Random, model: onnx.ModelProto) -> None:
    if r.random() < 0.5:
        r.choice(model.opset_import).version = _signed(r)
    else:
        model.ir_version = _signed(r)


def _metadata(r: random.Random, model: onnx.ModelProto) -> None:
    entry = model.metadata_props[0]
    match r.randrange(4):
        case 0:
            entry.value = "[" * r.choice((1, 200_000))
        case 1:
            entry.key = r.choice(("", "other"))
        case _:
            entry.value = json.dumps(odd_json(r, tiny_model.PASSPORT.metadata()))


MUTATIONS: tuple[Callable[[random.Random, onnx.ModelProto], None], ...] = (
    *(_attribute, _wiring, _value, _weights, _parts, _header, _metadata),
)
