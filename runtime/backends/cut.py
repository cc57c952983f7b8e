"""An ONNX file cut at its last node, the dynamic mask head, so that the native op does the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from stc.boundary import foreign
from stc.errors import InputError
from stc.runtime.backends.cuda_library import CudaLibrary
from stc.runtime.bundle.contract import MASKS, TensorSpec
from stc.runtime.bundle.passport import FIX
from stc.runtime.mask_head_op import DOMAIN, OP, attributes
from stc.runtime.native.library import Library
from stc.runtime.native.mask_head import MaskHead

INPUTS = 5  # of the op


@dataclass(frozen=True)
class Cut:
    """The graph without the op.

    `model` is the serialised rest, `tensors` are the op's five inputs in its order: outputs of the rest, those of them
    in `internal` not of the contract. `masks` is what the whole graph's output of that name is.
    """

    model: bytes
    library: Library | CudaLibrary
    head: MaskHead
    tensors: tuple[str, ...]
    internal: frozenset[str]
    masks: TensorSpec

    def __str__(self) -> str:
        if isinstance(self.library, CudaLibrary):
            return f"native op ({self.library.path.name})"
        return f"native op ({self.library.kernels}, threads: {self.library.threads})"

    def contract(self, outputs: Mapping[str, TensorSpec]) -> dict[str, TensorSpec]:
        """The outputs of the whole graph, from those of the rest."""
        return {name: spec for name, spec in outputs.items() if name not in self.internal} | {MASKS: self.masks}

    def complete(self, outputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """What the whole graph gives, from the outputs of the rest on the host; masks beyond the count are zero."""
        assert isinstance(self.library, Library)
        masks = self.head(self.library, *(outputs[name] for name in self.tensors))
        return {name: value for name, value in outputs.items() if name not in self.internal} | {MASKS: masks}


@dataclass(frozen=True)
class Whole:
    """Why a graph was not cut."""

    reason: str

    def __str__(self) -> str:
        return f"function body ({self.reason})"


def cut(path: Path, library: Library | CudaLibrary) -> Cut | Whole:
    """Cut the graph of an ONNX file where the op makes the output `masks`; else say why not.

    Raises InputError for a file, or one with weights of it, that the onnx package gives up on; what it merely cannot
    parse is left to the engine.
    """
    try:
        import onnx
    except ImportError:
        return Whole("the onnx package is not installed; fix: pip install 'stc-trt[cpu]'")
    with foreign("the onnx package", path, FIX):
        return _cut(path, library, onnx)


def _cut(path: Path, library: Library | CudaLibrary, onnx: Any) -> Cut | Whole:
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        return Whole(f"the onnx package cannot read the file ({error})")
    graph = model.graph
    nodes = [node for node in graph.node if (node.domain, node.op_type) == (DOMAIN, OP)]
    if len(nodes) != 1 or list(nodes[0].output) != [MASKS] or _used(graph, MASKS):
        return Whole(f"the graph does not end in one {DOMAIN}::{OP}")
    (node,) = nodes
    try:
        head = MaskHead(**attributes(node))
    except InputError as error:
        return Whole(str(error))
    if not (library.supports(head) if isinstance(library, CudaLibrary) else head.supported(library)):
        return Whole(f"the native library has no kernel for {head}")
    single, half, integer = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT32
    masks = [value.type.tensor_type for value in graph.output if value.name == MASKS]
    if len(masks) != 1 or masks[0].elem_type not in (single, half) or len(node.input) != INPUTS:
        return Whole(f"the graph has no output {MASKS} of float32 or float16 that the op makes of {INPUTS} inputs")
    types = (masks[0].elem_type, masks[0].elem_type, single, single, integer)
    kept = [value for value in graph.output if value.name != MASKS]
    present = {value.name for value in kept}
    added = [
        onnx.helper.make_tensor_value_info(name, kind, None)
        for name, kind in zip(node.input, types, strict=True)
        if name not in present
    ]
    dtype = "float32" if masks[0].elem_type == single else "float16"
    spec = TensorSpec((dtype,), tuple(size.dim_value or None for size in masks[0].shape.dim))
    tensors = tuple(node.input)
    graph.node.remove(node)
    del model.functions[:]
    del graph.output[:]
    graph.output.extend([*kept, *added])
    # The engine gets bytes and no path: weights that are in files beside must come along.
    onnx.external_data_helper.load_external_data_for_model(model, str(path.parent))
    return Cut(model.SerializeToString(), library, head, tensors, frozenset(value.name for value in added), spec)


def _used(graph: Any, name: str) -> bool:
    return any(name in node.input for node in graph.node)
