"""The largest value of every float tensor of a graph on real frames: does it fit its type?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from stc.benchmarks.agreement.parity import Count, Failures, Words
from stc.runtime import schema

Array = NDArray[Any]
FLOAT16_MAX = 65504.0
_SHOWN = 5
_PREFIX = "magnitude/"


@dataclass(frozen=True)
class Extreme:
    """The largest absolute value of one tensor over all frames; infinite also stands for NaN.

    `name` is that of the node which writes it.
    """

    name: Words
    magnitude: Annotated[float, schema.optional(schema.number(0, 1e300))]  # JSON knows no infinity: None


@dataclass(frozen=True)
class Ranges:
    """`largest` are the largest tensors of the type that overflows first (float16 where there is any, else float32),
    `failures` says which tensors are not finite or too large for their type.
    """

    frames: Count
    tensors: Count
    type: Annotated[str, schema.choice("float16", "float32")]
    largest: Annotated[tuple[Extreme, ...], schema.items(schema.whole_record(Extreme), 1, 1000)]
    failures: Failures


def measure(model: onnx.ModelProto, frames: Array, run: Callable[[bytes, Array], Iterable[dict[str, Array]]]) -> Ranges:
    """Run `model` on `frames`, every float tensor reduced to its largest magnitude within the graph.

    run: executes a serialised model on the frames, one dictionary of outputs per run. Tensors inside of the op's
    function body are not seen: they are float32 whatever the graph is.
    """
    types = _float_tensors(model)
    runs = list(run(_measured(model, list(types)).SerializeToString(), frames))
    writers = {output: node.name for node in model.graph.node for output in node.output}
    extremes = {name: Extreme(writers[name], max(float(outputs[_PREFIX + name]) for outputs in runs)) for name in types}
    half = [name for name, kind in types.items() if kind == TensorProto.FLOAT16]
    ordered = sorted((extremes[name] for name in half or types), key=lambda extreme: -extreme.magnitude)
    return Ranges(
        frames=len(frames),
        tensors=len(types),
        type="float16" if half else "float32",
        largest=tuple(ordered[:_SHOWN]),
        failures=_failures(extremes, types),
    )


def _failures(extremes: dict[str, Extreme], types: dict[str, int]) -> tuple[str, ...]:
    failures = []
    for name, extreme in extremes.items():
        if types[name] == TensorProto.FLOAT16 and extreme.magnitude > FLOAT16_MAX:
            failures.append(f"{extreme.name} overflows float16: {extreme.magnitude:g} exceeds {FLOAT16_MAX:g}")
        elif not np.isfinite(extreme.magnitude):
            failures.append(f"{extreme.name} is not finite")
    hidden = len(failures) - _SHOWN
    return (*failures[:_SHOWN], *([f"and {hidden} tensors more"] if hidden > 0 else []))


def _float_tensors(model: onnx.ModelProto) -> dict[str, int]:
    """Every float16 and float32 tensor that a node writes, with its type, in the order of the computation."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    known = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.output)}
    written = [output for node in graph.node for output in node.output if output]
    floats = (TensorProto.FLOAT16, TensorProto.FLOAT)
    return {name: known[name] for name in written if known.get(name) in floats}


def _measured(model: onnx.ModelProto, names: list[str]) -> onnx.ModelProto:
    """`model` with `magnitude/<tensor>`, a float32 scalar, for each of `names` as its only outputs.

    Those of the last tensors come first: ONNX Runtime computes what leads to the last node before all else, so each
    tensor is reduced once it is there. Otherwise all are kept until the end of the network.
    """
    measured = copy.deepcopy(model)
    graph = measured.graph
    infinity = "magnitude_infinity"
    graph.initializer.append(helper.make_tensor(infinity, TensorProto.FLOAT, [], [np.inf]))
    del graph.output[:]
    for index, name in reversed(list(enumerate(names))):
        wide, absolute, broken, safe = (f"magnitude_{step}{index}" for step in ("wide", "absolute", "broken", "safe"))
        graph.node.extend(
            [
                helper.make_node("Cast", [name], [wide], to=TensorProto.FLOAT),
                helper.make_node("Abs", [wide], [absolute]),
                helper.make_node("IsNaN", [wide], [broken]),
                helper.make_node("Where", [broken, infinity, absolute], [safe]),  # a maximum may pass over a NaN
                helper.make_node("ReduceMax", [safe], [_PREFIX + name], keepdims=0),
            ]
        )
        graph.output.append(helper.make_tensor_value_info(_PREFIX + name, TensorProto.FLOAT, []))
    return measured
