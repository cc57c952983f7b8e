"""The graph without its last node, the dynamic mask head: what `stc-export` writes beside an ONNX file, and what is
made of one that has none beside it.

`model-cut.onnx` holds the nodes; its weights are those of model.onnx, which it names by their place there (ONNX's
external data). So it is small, engines map the weights into memory, and nothing that loads it needs the package onnx.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stc.errors import InputError
from stc.runtime.bundle.contract import MASKS
from stc.runtime.bundle.cut_record import INPUTS, CutRecord
from stc.runtime.mask_head_op import DOMAIN, OP, attributes

_SMALLEST = 1024  # bytes of a weight that is left where it is: shapes and indices, which engines read early


def file_of(model: str) -> str:
    """The name of the file with the rest of `model`: "model-cut.onnx" of "model.onnx"."""
    return f"{Path(model).stem}-cut.onnx"


def without_head(model: Any, file: str) -> CutRecord | str:
    """Take the op out of an `onnx.ModelProto` where it makes the output `masks`; else say why not.

    Its inputs become outputs. What the record's `file` is, is the caller's affair.
    """
    import onnx

    graph = model.graph
    nodes = [node for node in graph.node if (node.domain, node.op_type) == (DOMAIN, OP)]
    if len(nodes) != 1 or list(nodes[0].output) != [MASKS] or any(MASKS in node.input for node in graph.node):
        return f"the graph does not end in one {DOMAIN}::{OP}"
    (node,) = nodes
    try:
        found = attributes(node)
    except InputError as error:
        return str(error)
    single, half, integer = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT32
    masks = [value.type.tensor_type for value in graph.output if value.name == MASKS]
    if len(masks) != 1 or masks[0].elem_type not in (single, half) or len(node.input) != INPUTS:
        return f"the graph has no output {MASKS} of float32 or float16 that the op makes of {INPUTS} inputs"
    types = (masks[0].elem_type, masks[0].elem_type, single, single, integer)
    kept = [value for value in graph.output if value.name != MASKS]
    present = {value.name for value in kept}
    added = [
        onnx.helper.make_tensor_value_info(name, kind, None)
        for name, kind in zip(node.input, types, strict=True)
        if name not in present
    ]
    shape = tuple(size.dim_value or None for size in masks[0].shape.dim)
    dtype = "float32" if masks[0].elem_type == single else "float16"
    tensors = tuple(node.input)
    graph.node.remove(node)
    del model.functions[:]
    del graph.output[:]
    graph.output.extend([*kept, *added])
    return CutRecord(file, found, tensors, tuple(value.name for value in added), dtype, shape)


def beside(content: bytes, name: str) -> tuple[bytes, CutRecord]:
    """What `stc-export` writes beside the ONNX file `name` with this `content`, and its record.

    Wherever a weight's bytes are found in the content they are the right ones. Raises InputError for a graph that does
    not end in the op.
    """
    import onnx

    model = onnx.load_from_string(content)
    record = without_head(model, file_of(name))
    if isinstance(record, str):
        raise InputError(f"{name}: {record}")
    position = 0
    for weight in model.graph.initializer:
        raw = weight.raw_data
        if len(raw) < _SMALLEST:
            continue
        place = content.find(raw, position)  # they are mostly in order
        position = place if place >= 0 else content.index(raw)
        weight.ClearField("raw_data")
        weight.data_location = onnx.TensorProto.EXTERNAL
        for key, value in {"location": name, "offset": position, "length": len(raw)}.items():
            entry = weight.external_data.add()
            entry.key, entry.value = key, str(value)
    return model.SerializeToString(), record
