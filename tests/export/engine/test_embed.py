"""The kernel inside the plan: what we tell TensorRT's own decorators, checked by them.

Neither the kernel nor the plan is run: that takes TensorRT and a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stc.benchmarks.kernels import report as kernel_report
from stc.errors import InputError
from stc.export.engine import embed
from tests.export.engine.conftest import Bindings

PROGRAM = """
import json, sys, tempfile
from pathlib import Path
import tensorrt_bindings as trt

sys.modules["tensorrt"] = trt
registered, creators = [], []

class Registry:  # the real one is part of the library that is not here
    def register_creator(self, creator, namespace):
        creators.append(creator)
        registered.append([creator.name, namespace, [field.name for field in creator.field_names]])
        return True
    def get_creator(self, *_):
        return object()

class Number:  # a dimension whose value is known, in place of the builder's expressions, which cannot be constructed
    def __init__(self, value): self.value = value
    def is_constant(self): return True
    def get_constant_value(self): return self.value

class Arithmetic:
    def constant(self, value): return Number(value)
    def operation(self, kind, a, b):
        a, b = a.value, b.value
        return Number({"SUM": a + b, "PROD": a * b, "CEIL_DIV": -(-a // max(b, 1))}[kind.name])

trt.get_plugin_registry = lambda: Registry()
trt.IDimensionExpr = Number

import tensorrt_bindings.plugin as trtp
from tensorrt_bindings.plugin._lib import QDP_REGISTRY
from tensorrt_bindings.plugin._tensor import SymIntExpr, SymInt32
from stc.export.engine import embed

ptx = Path(tempfile.mkdtemp()) / "mask_head.ptx"
ptx.write_bytes(b"the kernel")
embed.register(trt, embed.EmbeddedKernel(ptx, "unused"), embed.BAKED)
embed.register(trt, embed.EmbeddedKernel(ptx, "unused"), embed.BAKED)  # twice in a process, as two exports do
definition = QDP_REGISTRY["stc::DynamicMaskHead"]

SymIntExpr._exprBuilder = Arithmetic()
shapes = [(2, 8, 45, 80), (2, 100, 169), (2, 100, 2), (2, 100), (2,)]
types = [trt.float16, trt.float16, trt.float32, trt.float32, trt.int32]
inputs = [trtp.from_shape_expr(shape, kind) for shape, kind in zip(shapes, types)]
masks = definition.register_func(*inputs)
name, content, launch, scalars = definition.aot_impl_func(*inputs, (masks,), 0)
(combination,) = definition.autotune_func(*inputs, (masks,))
# As the parser does for a node of the op, with the fields of ours that a model could still hold.
fields = trt.PluginFieldCollection([])
created = creators[0].create_plugin(
    "DynamicMaskHead", "stc", fields, trt.TensorRTPhase.BUILD, trt.QuickPluginCreationRequest.STRICT_AOT
)
half, single, whole = trt.DataType.HALF, trt.DataType.FLOAT, trt.DataType.INT32
print(json.dumps({
    "created": [t.name for t in created.get_output_data_types([half, half, single, single, whole], [4, 3, 3, 2, 1])],
    "version": trt.__version__,
    "registered": registered,
    "masks": [masks.dtype.name, [size._expr.value for size in masks.shape_expr]],
    "entry": name,
    "content": content.decode(),
    "launch": {key: value._expr.value for key, value in vars(launch).items()},
    "scalars": [scalar._expr.value for scalar in scalars],
    "int32": all(isinstance(scalar, SymInt32) for scalar in scalars),
    "types": combination.io_types,
    "layouts": combination.layouts,
}))
"""


# NumPy 2.4 could not create the plugin with attributes up to 11.1.
VERSIONS = [
    *("10.9.0.34", "10.13.2.6", "10.14.1.48.post1", "10.16.1.11"),
    *("11.0.0.114", "11.1.0.106", "11.2.1.2", "11.3.0.99", "11.4.0.106"),
]


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_tensorrts_own_decorators_accept_the_op_and_its_launch(
    version: str, bindings: Callable[[str], Bindings]
) -> None:
    found = bindings(version).run(PROGRAM)
    assert found["version"] == version
    assert found["registered"] == [["DynamicMaskHead", "stc", []]]
    assert found["created"] == ["HALF"]
    assert found["masks"] == ["HALF", [2, 100, 90, 160]]
    assert (found["entry"], found["content"]) == ("stc_dynamic_mask_head_f16", "the kernel")
    assert found["launch"] == {
        "grid_x": 6,  # 45 rows, 8 per block
        "grid_y": 100,
        "grid_z": 2,
        "block_x": 128,
        "block_y": 1,
        "block_z": 1,
        "shared_mem": ((8 + 2) * 80 + 256) * 4,
    }
    assert found["scalars"] == [100, 45, 80]
    assert found["int32"]
    assert found["types"] == ["FP32|FP16", "FP32|FP16", "FP32", "FP32", "INT32", "FP32|FP16"]
    assert set(found["layouts"]) == {"LINEAR"}


def test_a_model_that_the_kernel_is_not_compiled_for_is_refused(tmp_path: Path) -> None:
    (tmp_path / "k.ptx").touch()
    with pytest.raises(InputError, match=r"compiled for .*channels=8.* this model has .*channels=16"):
        embed.register(object(), embed.EmbeddedKernel(tmp_path / "k.ptx", ""), replace(embed.BAKED, channels=16))


def test_the_launch_is_that_of_the_kernel() -> None:
    """plugins/cuda/mask_head.cuh says the same, and the kernel report too."""
    text = Path("plugins/cuda/mask_head.cuh").read_text()
    stated = {name: int(value) for name, value in re.findall(r"constexpr int (k\w+) = (\d+);", text)}
    expected = {"kThreads": embed.THREADS, "kBand": embed.ROWS, "kParamRoom": embed.TABLE}
    assert {name: stated[name] for name in expected} == expected
    assert tuple(expected.values()) == (kernel_report.THREADS, kernel_report.BAND, kernel_report.PARAM_ROOM)
