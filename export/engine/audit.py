"""How much of a network computes in the precision that was asked for: its layers before it is built, counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from stc.errors import AccuracyError
from stc.export.graph.precision import Precision

_TYPES = {"FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16"}
# Layers that move or convert numbers and compute none.
_MOVES = {
    "CAST",
    "CONCATENATION",
    "CONSTANT",
    "DEQUANTIZE",
    "FILL",
    "GATHER",
    "IDENTITY",
    "PADDING",
    "QUANTIZE",
    "SELECT",
    "SHAPE",
    "SHUFFLE",
    "SLICE",
    "SQUEEZE",
    "UNSQUEEZE",
}

TYPES: dict[Precision, str] = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "int8": "int8"}
# The least fraction of the multiply-adds. The op's arithmetic is float32 whatever is asked for: 6 % of them in a slim
# network with mask features at stride 4. int8 is for some convolutions of backbone and pyramid alone: heads, depthwise
# and first convolutions stay float32.
LEAST: dict[Precision, float] = {"fp32": 0.95, "fp16": 0.9, "bf16": 0.9, "int8": 0.01}
_SHOWN = 3


def read(module: Any, network: Any) -> Iterator[Layer]:
    """The layers of an `INetworkDefinition` that compute in floating point (or on dequantised integers).

    A strongly typed network runs in the types that its tensors have.
    """
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    writers = {layer.get_output(i).name: layer.type.name for layer in layers for i in range(layer.num_outputs)}
    for layer in layers:
        kind = layer.type.name
        if kind in _MOVES:
            continue
        found = _type(layer, writers)
        if found is not None:
            yield Layer(layer.name, kind, found, _multiply_adds(module, layer))


def plugins(network: Any) -> int:
    """How many layers are plugins."""
    return sum(network.get_layer(i).type.name.startswith("PLUGIN") for i in range(network.num_layers))


def _type(layer: Any, writers: dict[str, str]) -> str | None:
    """Of the first input, else of the first output; a convolution of dequantised numbers runs on the integers."""
    tensors = [layer.get_input(i) for i in range(layer.num_inputs)]
    if layer.type.name.startswith("PLUGIN"):
        return "float32"  # our op accumulates in float32 whatever it stores
    operands = [writers.get(tensor.name) for tensor in tensors[:2] if tensor is not None]
    if layer.type.name == "CONVOLUTION" and operands == ["DEQUANTIZE", "DEQUANTIZE"]:  # activations and weights
        return "int8"
    first = next((tensor for tensor in tensors if tensor is not None), layer.get_output(0))
    return _TYPES.get(first.dtype.name)


def _multiply_adds(module: Any, layer: Any) -> int:
    """Of one run; an unknown dimension, which is the batch, counts as 1."""
    kind = layer.type.name
    if kind == "CONVOLUTION":
        layer.__class__ = module.IConvolutionLayer  # the bindings hand out the base class
        inputs: int = layer.get_input(0).shape[1] // layer.num_groups
        kernel: int = prod(layer.kernel_size_nd)
        return _volume(layer.get_output(0)) * inputs * kernel
    if kind == "MATRIX_MULTIPLY":
        layer.__class__ = module.IMatrixMultiplyLayer
        transposed = layer.op0 == module.MatrixOperation.TRANSPOSE
        summed: int = layer.get_input(0).shape[-2 if transposed else -1]
        return _volume(layer.get_output(0)) * summed
    if kind.startswith("PLUGIN"):  # every parameter of an instance is used once per cell of the mask features
        height, width = tuple(layer.get_input(0).shape)[-2:]
        cells: int = height * width
        return _volume(layer.get_input(1)) * cells
    return 0


def _volume(tensor: Any) -> int:
    return prod(max(size, 1) for size in tensor.shape)


@dataclass(frozen=True)
class Layer:
    """A layer that computes: its type is that of the numbers it reads, "float32", "float16", "bfloat16" or "int8"."""

    name: str
    kind: str
    type: str
    multiply_adds: int = 0


@dataclass(frozen=True)
class Audit:
    """`layers` compute, `layers_asked` of them in the precision asked for; the same of multiply-adds, per run.

    `others` are the largest layers of another type, as (name, type, multiply-adds).
    """

    precision: Precision
    layers: int
    layers_asked: int
    multiply_adds: int
    multiply_adds_asked: int
    others: tuple[tuple[str, str, int], ...]

    @property
    def fraction(self) -> float:
        """Of the multiply-adds, 0..1."""
        return self.multiply_adds_asked / self.multiply_adds if self.multiply_adds else 0.0

    def __str__(self) -> str:
        percent = 100 * self.fraction
        return f"{self.precision}: {self.layers_asked} of {self.layers} layers, {percent:.1f} % of the multiply-adds"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "fraction": self.fraction}


def count(layers: Iterable[Layer], precision: Precision) -> Audit:
    layers = list(layers)
    wanted = [one for one in layers if one.type == TYPES[precision]]
    others = sorted(
        (one for one in layers if one.type != TYPES[precision] and one.multiply_adds),
        key=lambda one: -one.multiply_adds,
    )
    return Audit(
        precision=precision,
        layers=len(layers),
        layers_asked=len(wanted),
        multiply_adds=sum(one.multiply_adds for one in layers),
        multiply_adds_asked=sum(one.multiply_adds for one in wanted),
        others=tuple((one.name, one.type, one.multiply_adds) for one in others[:_SHOWN]),
    )


def check(audit: Audit, source: str) -> None:
    """Raise AccuracyError when the network of the file `source` is not of the precision that was asked for."""
    if audit.fraction < LEAST[audit.precision]:
        largest = ", ".join(f"{name} ({kind})" for name, kind, _ in audit.others) or "none of them multiplies"
        raise AccuracyError(
            f"{source}: {audit}, at least {100 * LEAST[audit.precision]:.0f} % are needed; the largest others: "
            f"{largest}; re-export with: stc-export --ckpt FILE"
        )
