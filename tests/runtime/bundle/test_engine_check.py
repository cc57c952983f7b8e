"""Which engines fit which machines, and what is said when one does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stc.errors import IncompatibleError, Missing
from stc.runtime.bundle.engine_check import check
from stc.runtime.bundle.engine_record import EngineRecord, PluginRecord
from stc.runtime.machine.flavour import required_driver
from stc.runtime.machine.machine import Driver, Gpu, Machine, TensorRt
from stc.runtime.machine.plugin import Plugin

BUNDLE = Path("out/model")
PLUGIN = Plugin(Path("/lib/libstc_tensorrt.so"), "a" * 64)
RECORD = EngineRecord("tensorrt", "10.13.3.9", ("SM89",), (1, 1, 4), "model-fp16.onnx")
WITH_PLUGIN = replace(RECORD, plugin=PluginRecord("library", "libstc_tensorrt.so", "a" * 64))
RTX = EngineRecord("rtx", "1.7.1.116", ("SM80", "SM86", "SM89", "SM120"), (1, 1, 1), "model-fp16.onnx")
ADA, BLACKWELL, HOPPER, TURING = (
    Gpu(name, target, 8 << 30)
    for name, target in (("RTX 4090", "SM89"), ("RTX 5090", "SM120"), ("H100", "SM90"), ("RTX 2080", "SM75"))
)
MACHINE = Machine(
    driver=Driver("580.95.05", "13.0"),
    gpus=(ADA,),
    cuda_bindings="13.5.0",
    tensorrt=(TensorRt("tensorrt", "10.13.3.9", 13), TensorRt("rtx", "1.7.1.116", 13)),
    plugin=PLUGIN,
)


def having(**changes: Any) -> Machine:
    return replace(MACHINE, **changes)


@pytest.mark.parametrize(
    ("record", "machine"),
    [
        (RECORD, MACHINE),
        (RECORD, having(plugin=Missing("none"))),
        (WITH_PLUGIN, MACHINE),
        (replace(RECORD, plugin=PluginRecord("embed", "head.ptx", "b" * 64)), having(plugin=Missing("none"))),
        (replace(RECORD, version="10.13.3"), MACHINE),  # written out less far
        (RECORD, having(tensorrt=(TensorRt("tensorrt", None),))),  # TensorRT itself will say
        (replace(RECORD, targets=("SM80",), hardware_compatibility="ampere_plus"), having(gpus=(BLACKWELL,))),
        (replace(RECORD, hardware_compatibility="same_compute_capability"), MACHINE),
        (RTX, MACHINE),
        (RTX, having(gpus=(BLACKWELL,), driver=Driver(None, "13.1"))),
        (RECORD, having(driver=Driver("550.54", "12.4"), tensorrt=(TensorRt("tensorrt", "10.13.3.9", 12),))),
    ],
)
def test_an_engine_that_fits_passes(record: EngineRecord, machine: Machine) -> None:
    check(record, machine, BUNDLE)


REBUILD = "fix: stc-export --onnx out/model/model-fp16.onnx --trt "


@pytest.mark.parametrize(
    ("record", "machine", "built", "here", "fix"),
    [
        (
            RECORD,
            having(driver=None, gpus=()),
            "out/model/engine.plan: built with TensorRT 10.13.3.9",
            "needs an NVIDIA driver, here branch R580 or newer for CUDA 13; this machine has none",
            "out/model/model.onnx runs here with ONNX Runtime: give it in place of engine.plan",
        ),
        (
            replace(RECORD, version="10.3.0"),
            Machine(),
            "TensorRT 10.3.0",
            "branch R535 or newer for CUDA 12; this machine has none",
            "out/model/model.onnx runs here with ONNX Runtime: give it in place of engine.plan",
        ),
        (
            RTX,
            Machine(),
            "TensorRT-RTX 1.7.1.116",
            "branch R535 or newer for CUDA 12 or branch R580 or newer for CUDA 13; this machine has none",
            "out/model/model.onnx runs here with ONNX Runtime: give it in place of engine.plan",
        ),
        (
            RECORD,
            having(tensorrt=()),
            "built with TensorRT 10.13.3.9",
            "this machine has no TensorRT",
            "fix: pip install 'stc-trt[tensorrt]' 'tensorrt==10.13.3.9'",
        ),
        (
            RTX,
            having(tensorrt=(TensorRt("tensorrt", "11.4.0.106", 13),)),
            "built with TensorRT-RTX 1.7.1.116",
            "this machine has TensorRT 11.4.0.106",
            "fix: pip install 'stc-trt[rtx]' 'tensorrt-rtx==1.7.1.116'",
        ),
        (
            replace(RECORD, version="10.3.0"),
            MACHINE,
            "built with TensorRT 10.3.0",
            "here is TensorRT 10.13.3.9",
            REBUILD + "tensorrt",
        ),
        (
            replace(RECORD, version="10.13.3.8"),
            MACHINE,
            "built with TensorRT 10.13.3.8",
            "here is TensorRT 10.13.3.9",
            REBUILD + "tensorrt",
        ),
        (
            RECORD,
            having(driver=Driver("550.54", "12.4")),
            "built with TensorRT 10.13.3.9",
            "is for CUDA 13, the driver serves CUDA 12.4 at most",
            "fix: install a driver of branch R580 or newer for CUDA 13",
        ),
        (
            RECORD,
            having(cuda_bindings=None, gpus=()),
            "built with TensorRT",
            "the package cuda-bindings is not installed",
            "fix: pip install 'stc-trt[tensorrt]'",
        ),
        (
            RECORD,
            having(gpus=(), cuda_error="cudaErrorNoDevice"),
            "built with TensorRT",
            "CUDA finds no GPU (cudaErrorNoDevice)",
            "CUDA_VISIBLE_DEVICES",
        ),
        (RECORD, having(gpus=(HOPPER,)), "built for SM89", "here is H100 (SM90)", REBUILD + "tensorrt"),
        (
            replace(RECORD, targets=("SM80",), hardware_compatibility="ampere_plus"),
            having(gpus=(TURING,)),
            "built for SM80 (ampere_plus)",
            "here is RTX 2080 (SM75)",
            REBUILD + "tensorrt",
        ),
        (
            RTX,
            having(gpus=(HOPPER,)),
            "built for SM80, SM86, SM89, SM120",
            "here is H100 (SM90)",
            REBUILD + "rtx --target SM90",
        ),
        (
            RECORD,
            having(gpus=(HOPPER, ADA)),
            "built for SM89",
            "here is H100 (SM90)",
            "fix: choose the GPU that fits, with device='cuda:1' or: --device cuda:1",
        ),
        (
            WITH_PLUGIN,
            having(plugin=Missing("it was not built")),
            "plugin library libstc_tensorrt.so (sha256 aaaaaaaaaaaa…)",
            "missing here: it was not built",
            "STC_TENSORRT_PLUGIN=FILE with that library, or build an engine without it: stc-export --onnx "
            "out/model/model-fp16.onnx --trt tensorrt --plugin none",
        ),
        (
            WITH_PLUGIN,
            having(plugin=Plugin(PLUGIN.path, "c" * 64)),
            "plugin library libstc_tensorrt.so (sha256 aaaaaaaaaaaa…)",
            "here is /lib/libstc_tensorrt.so (sha256 cccccccccccc…)",
            "rebuild with the one that is here: stc-export --onnx out/model/model-fp16.onnx --trt tensorrt",
        ),
        (
            WITH_PLUGIN,
            having(
                plugin=replace(PLUGIN, cuda=13),
                driver=Driver("550.1", "12.4"),
                tensorrt=(TensorRt("tensorrt", "10.13.3.9", 12),),
            ),
            "/lib/libstc_tensorrt.so: built with CUDA 13",
            "the driver serves CUDA 12.4 at most",
            "fix: install a driver of branch R580 or newer for CUDA 13, or build the library with an older CUDA",
        ),
    ],
)
def test_a_refusal_says_what_was_built_what_is_here_and_what_helps(
    record: EngineRecord, machine: Machine, built: str, here: str, fix: str
) -> None:
    with pytest.raises(IncompatibleError) as refusal:
        check(record, machine, BUNDLE)
    message = str(refusal.value)
    assert built in message and here in message and fix in message
    assert message.index(built) < message.index(here) < message.index(fix)
    assert refusal.value.exit_code == 2


def test_trust_accepts_another_plugin_library_but_not_none() -> None:
    check(WITH_PLUGIN, having(plugin=Plugin(PLUGIN.path, "c" * 64)), BUNDLE, trust=True)
    with pytest.raises(IncompatibleError, match="missing here"):
        check(WITH_PLUGIN, having(plugin=Missing("none")), BUNDLE, trust=True)


@pytest.mark.parametrize(
    ("version", "majors"),
    [("10.0.1", "12"), ("10.13.0.35", "12"), ("10.13.2.6", "12 13"), ("11.4.0.106", "12 13"), ("", "12 13")],
)
def test_cuda_13_begins_with_tensorrt_10_13_2(version: str, majors: str) -> None:
    text = required_driver("tensorrt", version)
    assert [major for major in ("12", "13") if f"CUDA {major}" in text] == majors.split()
