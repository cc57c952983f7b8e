"""Every name of TensorRT that the build uses exists in every version that it supports.

Asked of NVIDIA's own bindings over a library that does nothing: TensorRT's builder is not run here.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stc.export.engine.flavour import Flavour
from tests.export.engine.conftest import Bindings

NAMES = {
    "": "Builder OnnxParser ILogger IProgressMonitor get_plugin_registry",
    "BuilderFlag": "TF32",
    "DataType": "FLOAT HALF BF16 INT8",
    "HardwareCompatibilityLevel": "NONE AMPERE_PLUS",
    "IConvolutionLayer": "num_groups kernel_size_nd",
    "ILayer": "name type num_inputs num_outputs get_input get_output",
    "ILogger.Severity": "ERROR",
    "IMatrixMultiplyLayer": "op0",
    "INetworkDefinition": "num_layers get_layer get_input",
    "IOptimizationProfile": "set_shape",
    "IProgressMonitor": "phase_start step_complete phase_finish",
    "ITensor": "name dtype shape",
    "LayerType": "CONVOLUTION MATRIX_MULTIPLY CAST CONSTANT QUANTIZE DEQUANTIZE SHUFFLE SLICE CONCATENATION",
    "MatrixOperation": "TRANSPOSE",
    "MemoryPoolType": "WORKSPACE",
    "OnnxParser": "parse num_errors get_error",
    "ParserError": "desc node_name node_operator",
    "Builder": "create_network create_builder_config create_optimization_profile build_serialized_network",
    "IBuilderConfig": "clear_flag set_memory_pool_limit builder_optimization_level hardware_compatibility_level "
    "add_optimization_profile progress_monitor",
}
TENSORRT = {
    "IBuilderConfig": "create_timing_cache set_timing_cache get_timing_cache",
    "IPluginRegistry": "load_library",
    "ITimingCache": "serialize",
    "LayerType": "PLUGIN_V3",
    "NetworkDefinitionCreationFlag": "STRONGLY_TYPED",
}
RTX = {"ComputeCapability": "SM80 SM86 SM89 SM120", "IBuilderConfig": "num_compute_capabilities set_compute_capability"}
PROGRAM = """
import functools, json
import {module} as trt
wanted = {wanted!r}
def missing(owner, name):
    try:
        functools.reduce(getattr, filter(None, [*owner.split("."), name]), trt)
    except AttributeError:
        return True
print(json.dumps([trt.__version__, [f"{{o}}.{{n}}" for o, names in wanted for n in names.split() if missing(o, n)]]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["10.3.0", "10.16.1.11", "11.4.0.106"])
def test_tensorrt_has_every_name(version: str, bindings: Callable[[str], Bindings]) -> None:
    wanted = [*NAMES.items(), *TENSORRT.items()]
    found = bindings(version).run(PROGRAM.format(module="tensorrt_bindings", wanted=wanted))
    assert found == [version, []]


def test_rtx_has_every_name(rtx: Flavour) -> None:
    for owner, names in [*NAMES.items(), *RTX.items()]:
        for name in names.split():
            target = rtx.module
            for part in filter(None, [*owner.split("."), name]):
                target = getattr(target, part)


NO_BUILDER = """
import json
import tensorrt_bindings as trt
from stc.errors import IncompatibleError
from stc.export.engine.flavour import Flavour
from stc.export.engine.parse import start_builder
from stc.export.engine.log import collector
try:
    start_builder(Flavour("tensorrt", trt), collector(trt))
except IncompatibleError as error:
    print(json.dumps([error.exit_code, str(error)]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["10.3.0", "11.4.0.106"])
def test_a_tensorrt_that_cannot_start_says_what_it_needs(version: str, bindings: Callable[[str], Bindings]) -> None:
    """As without a driver: the library gives the bindings no builder."""
    code, message = bindings(version).run(NO_BUILDER)
    assert code == 2
    assert f"TensorRT {version} cannot build on this machine" in message
    assert "--trt rtx" in message
    assert "--trt none" in message
