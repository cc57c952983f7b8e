"""Which types the layers of a finished engine use, read from the text of TensorRT's engine inspector.

Written after the documented format and never executed on a GPU: there, an engine must be deserialised first.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from stc.errors import AccuracyError, IncompatibleError, Missing
from stc.export.engine.audit import TYPES
from stc.export.engine.toolchain import Toolchain
from stc.export.graph.precision import Precision
from stc.runtime.backends.tensorrt.engine import collector
from stc.runtime.machine.machine import Machine

# Layers that move or convert numbers and compute none.
_MOVES = {"constant", "noop", "reformat", "shuffle"}
_CONVOLUTION = re.compile(r"conv(?!ert)")  # CaskConvolution, CaskDeconvolutionV2, FusedConvActDirect, conv
# What the inspector calls a type: "Half", or within the name of a format, "Channel major FP16 format where …".
_NAMES = {  # the first that is found counts: "bfloat16" is no float16
    "bfloat16": ("bf16", "bfloat16"),
    "float16": ("fp16", "half", "float16"),
    "int8": ("int8",),
    "float32": ("fp32", "float"),
}


def ask_inspector(toolchain: Toolchain, plan: bytes, source: str, machine: Machine) -> str | Missing:
    """What it says of the engine's layers, JSON; why it was not asked where there is no driver or no GPU.

    The engine must have been built with detailed profiling verbosity, and its plugin be registered.
    Raises IncompatibleError when TensorRT refuses the plan that it has built for this GPU.
    """
    if machine.driver is None:
        return Missing("not asked, no NVIDIA driver here")
    if not machine.gpus:
        return Missing(f"not asked, no GPU here that CUDA can use ({machine.cuda_error or 'cuda-bindings is missing'})")
    module = toolchain.module
    log = collector(module)
    log.clear()
    runtime = module.Runtime(log)
    runtime.engine_host_code_allowed = False
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None and toolchain.targets:  # built ahead of time, perhaps for other GPUs than this one
        return Missing(f"not asked, this machine's {machine.gpus[0].name} does not load the plan ({log.errors()})")
    if engine is None:
        raise IncompatibleError(
            f"{source}: {toolchain.title} built an engine and does not load it ({log.reason()}); see: stc-doctor"
        )
    inspector = engine.create_engine_inspector()
    return str(inspector.get_engine_information(module.LayerInformationFormat.JSON))


@dataclass(frozen=True)
class EngineLayers:
    """Of the engine's layers whose types are known, TensorRT's fusions, how many read or write the type asked for.

    `convolutions` are those that the inspector calls so, `convolutions_asked` of them use it.
    """

    precision: Precision
    layers: int
    layers_asked: int
    convolutions: int
    convolutions_asked: int

    def __str__(self) -> str:
        return (
            f"engine: {self.precision}: {self.layers_asked} of {self.layers} layers (fused) have "
            f"{TYPES[self.precision]} inputs or outputs, {self.convolutions_asked} of {self.convolutions} convolutions"
        )


def count(text: str, precision: Precision) -> EngineLayers | Missing:
    """Count in the JSON text of `get_engine_information`; why nothing can be counted where it names no types.

    A free batch size hides the types: TensorRT says "N/A due to dynamic shapes" then.
    """
    try:
        layers = json.loads(text)["Layers"]
        # Without details, a layer is its name alone.
        known = [(entry, types) for entry in layers if isinstance(entry, dict) and (types := _types(entry))]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return Missing(f"its answer is not of the documented format ({error!r})")
    computing = [(entry, types) for entry, types in known if str(entry.get("LayerType")).lower() not in _MOVES]
    if not computing:
        return Missing(f"it names the types of none of {len(layers)} layers")
    convolutions = [types for entry, types in computing if _is_convolution(entry)]
    wanted = TYPES[precision]
    return EngineLayers(
        precision=precision,
        layers=len(computing),
        layers_asked=sum(wanted in types for _, types in computing),
        convolutions=len(convolutions),
        convolutions_asked=sum(wanted in types for types in convolutions),
    )


def sentence(counted: EngineLayers | Missing) -> str:
    """For the terminal, the report and the passport."""
    return f"engine inspector: {counted.reason}" if isinstance(counted, Missing) else str(counted)


def check(counted: EngineLayers, source: str) -> None:
    """Raise AccuracyError when no convolution of the engine uses the type that was asked for.

    Where the inspector calls no layer a convolution, because all are fused under other names: no layer at all.
    """
    if not (counted.convolutions_asked if counted.convolutions else counted.layers_asked):
        raise AccuracyError(
            f"{source}: TensorRT has built it in another precision ({counted}); "
            "to see what it does: STC_LOG=DEBUG stc-export --onnx FILE"
        )


def _is_convolution(entry: dict[str, Any]) -> bool:
    return any(_CONVOLUTION.search(str(entry.get(key)).lower()) for key in ("LayerType", "ParameterType"))


def _types(entry: dict[str, Any]) -> set[str]:
    """The known types of its inputs and outputs; a convolution's weights speak for it where those are not named."""
    tensors = [*entry.get("Inputs", ()), *entry.get("Outputs", ())]
    named = [tensor.get("Format/Datatype") for tensor in tensors]
    found = {kind for text in named if (kind := _type(str(text)))}
    weight = _type(str(entry.get("Weights", {}).get("Type")))
    return found or ({weight} if weight else set())


def _type(text: str) -> str | None:
    words = text.lower()
    return next((kind for kind, names in _NAMES.items() if any(name in words for name in names)), None)
