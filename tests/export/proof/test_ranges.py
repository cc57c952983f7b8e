"""The range check on graphs whose largest values are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from stc.export.proof.ranges import Extreme, measure


def model(scale: float, kind: int) -> onnx.ModelProto:
    """x float32 -> kind, times `scale` (node "scaled"), plus one (node "shifted")."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    constants = [numpy_helper.from_array(np.array(v, dtype), n) for n, v in (("scale", scale), ("one", 1.0))]
    nodes = [
        helper.make_node("Cast", ["x"], ["narrow"], name="narrowed", to=kind),
        helper.make_node("Mul", ["narrow", "scale"], ["big"], name="scaled"),
        helper.make_node("Add", ["big", "one"], ["y"], name="shifted"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    y = helper.make_tensor_value_info("y", kind, ["n"])
    graph = helper.make_graph(nodes, "ranges", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run(content: bytes, frames: Any) -> list[dict[str, Any]]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return [dict(zip(names, session.run(names, {"x": frame}), strict=True)) for frame in frames]


FRAMES = np.array([[1.0, -3.0], [2.0, 0.5]], np.float32)


def test_the_largest_magnitude_of_all_frames_is_named_by_its_node() -> None:
    found = measure(model(100.0, TensorProto.FLOAT16), FRAMES, run)
    assert found.largest == (Extreme("scaled", 300.0), Extreme("shifted", 299.0), Extreme("narrowed", 3.0))
    assert (found.type, found.tensors, found.frames, found.failures) == ("float16", 3, 2, ())


@pytest.mark.parametrize("scale", [30000.0, -30000.0])
def test_a_float16_overflow_is_a_failure(scale: float) -> None:
    found = measure(model(scale, TensorProto.FLOAT16), FRAMES, run)
    assert len(found.failures) == 2
    assert found.failures[0].startswith("scaled overflows float16")


def test_float32_may_be_as_large() -> None:
    found = measure(model(30000.0, TensorProto.FLOAT), FRAMES, run)
    assert found.largest[0] == Extreme("scaled", 90000.0)
    assert found.type == "float32"
    assert found.failures == ()


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_what_is_not_finite_is_a_failure_wherever_it_stands(broken: float, kind: int) -> None:
    frames = np.array([[1.0, 2.0], [broken, 1.0]], np.float32)
    found = measure(model(1.0, kind), frames, run)
    assert len(found.failures) == 3
    assert found.failures[0].startswith("narrowed")
