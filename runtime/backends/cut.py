"""An ONNX file cut at its last node, the dynamic mask head, so that the native op does the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.contract import MASKS, TensorSpec
from stc.runtime.native import Library
from stc.runtime.native_mask_head import MaskHead

DOMAIN, OP = "stc", "DynamicMaskHead"
FOR_TENSORRT = ("plugin_version", "plugin_namespace")  # attributes of the node that TensorRT's parser reads


@dataclass(frozen=True)
class Cut:
    """The graph without the op.

    `model` is the serialised rest, `tensors` are the op's five inputs in its order: outputs of the rest, those of them
    in `internal` not of the contract. `masks` is what the whole graph's output of that name is.
    """

    model: bytes
    library: Library
    head: MaskHead
    tensors: tuple[str, ...]
    internal: frozenset[str]
    masks: TensorSpec

    def __str__(self) -> str:
        return f"native op ({self.library.kernels}, threads: {self.library.threads})"

    def contract(self, outputs: Mapping[str, TensorSpec]) -> dict[str, TensorSpec]:
        """The outputs of the whole graph, from those of the rest."""
        return {name: spec for name, spec in outputs.items() if name not in self.internal} | {MASKS: self.masks}

    def complete(self, outputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """What the whole graph gives, from the outputs of the rest; masks beyond the count are zero."""
        masks = self.head(self.library, *(outputs[name] for name in self.tensors))
        return {name: value for name, value in outputs.items() if name not in self.internal} | {MASKS: masks}


@dataclass(frozen=True)
class Whole:
    """Why a graph was not cut."""

    reason: str

    def __str__(self) -> str:
        return f"function body ({self.reason})"


def cut(path: Path, library: Library) -> Cut | Whole:
    """Cut the graph of an ONNX file where the op makes the output `masks`; else say why not."""
    try:
        import onnx
    except ImportError:
        return Whole("the onnx package is not installed; fix: pip install 'stc-trt[cpu]'")
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path)
    except DecodeError as error:
        return Whole(f"the onnx package cannot read the file ({error})")
    graph = model.graph
    nodes = [node for node in graph.node if (node.domain, node.op_type) == (DOMAIN, OP)]
    if len(nodes) != 1 or list(nodes[0].output) != [MASKS] or _used(graph, MASKS):
        return Whole(f"the graph does not end in one {DOMAIN}::{OP}")
    node = nodes[0]
    try:
        head = MaskHead(**{a.name: a.i for a in node.attribute if a.name not in FOR_TENSORRT})
    except TypeError as error:
        return Whole(f"the op has an attribute that this version does not know ({error})")
    if not head.supported(library):
        return Whole(f"the native library has no kernel for {head}")
    masks = next(value for value in graph.output if value.name == MASKS).type.tensor_type
    single, integer = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
    types = (masks.elem_type, masks.elem_type, single, single, integer)
    kept = [value for value in graph.output if value.name != MASKS]
    present = {value.name for value in kept}
    added = [
        onnx.helper.make_tensor_value_info(name, kind, None)
        for name, kind in zip(node.input, types, strict=True)
        if name not in present
    ]
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(masks.elem_type)).name
    spec = TensorSpec((dtype,), tuple(size.dim_value or None for size in masks.shape.dim))
    tensors = tuple(node.input)
    graph.node.remove(node)
    del model.functions[:]
    del graph.output[:]
    graph.output.extend([*kept, *added])
    return Cut(model.SerializeToString(), library, head, tensors, frozenset(value.name for value in added), spec)


def _used(graph: Any, name: str) -> bool:
    return any(name in node.input for node in graph.node)
