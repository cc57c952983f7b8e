"""What the layers of a parsed TensorRT network compute, read from their tensors."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from stc.export.engine.audit import Layer

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
