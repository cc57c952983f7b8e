"""What the range check keeps: the extremes of all tensors, and not the tensors."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource
import numpy as np
from onnx import TensorProto, helper
from stc.export.proof.ranges import measure
from stc.benchmarks.agreement.divergence import on_cpu, run

SIDE, COUNT = 768, 120  # 2.25 MiB each, 270 in all
names = ["frames", *(f"x{i}" for i in range(COUNT))]
nodes = [helper.make_node("Cast", ["frames"], ["x0"], name="n0", to=TensorProto.FLOAT)]
nodes += [helper.make_node("Neg", [a], [b], name=b) for a, b in zip(names[1:], names[2:])]
shape = [1, SIDE, SIDE, 1]
ends = [helper.make_tensor_value_info("frames", TensorProto.UINT8, shape)], [
    helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, shape)
]
graph = helper.make_graph(nodes, "chain", *ends)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
frames = np.full(shape, 200, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = measure(model, frames, lambda model, frames: [run(on_cpu(model, soon=True), frames)])
assert found.tensors == COUNT and found.largest[0].magnitude == 200
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_the_range_check_keeps_no_tensor_of_a_deep_network() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 120, "MiB, of 270 that all tensors have"
