"""What the range check keeps: the extremes of all tensors, and not the tensors."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from onnx import TensorProto, helper, numpy_helper
from stc.export.proof.ranges import measure
from stc.benchmarks.agreement.divergence import on_cpu, run

CHANNELS, SIDE, COUNT = 16, 192, 120  # 2.25 MiB each, 270 in all
names = ["frames", *(f"x{i}" for i in range(COUNT))]
nodes = [helper.make_node("Cast", ["frames"], ["x0"], name="n0", to=TensorProto.FLOAT)]
nodes += [helper.make_node(OP, [a, *WEIGHTS], [b], name=b) for a, b in zip(names[1:], names[2:])]
shape = [1, CHANNELS, SIDE, SIDE]
ends = [helper.make_tensor_value_info("frames", TensorProto.UINT8, shape)], [
    helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, shape)
]
negative = numpy_helper.from_array(-np.eye(CHANNELS, dtype=np.float32)[..., None, None], "negative")
graph = helper.make_graph(nodes, "chain", *ends, [negative] if WEIGHTS else [])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
frames = np.full(shape, 200, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = measure(model, frames, lambda model, frames: [run(on_cpu(model), frames)])
assert found.tensors == COUNT and found.largest[0].magnitude == 200
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.parametrize(
    "layer",
    [
        'OP, WEIGHTS = "Neg", []',
        'OP, WEIGHTS = "Conv", ["negative"]',  # ONNX Runtime computes it in a layout of its own, and back at the end
    ],
)
def test_the_range_check_keeps_no_tensor_of_a_deep_network(layer: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", layer + PROGRAM], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 120, "MiB, of 270 that all tensors have"
