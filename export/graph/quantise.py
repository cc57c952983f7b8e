"""int8 by explicit quantise and dequantise nodes, on the convolutions that bear it: one file for TensorRT, OpenVINO and
ONNX Runtime.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from stc.export.graph.graph import Graph, graph_of

Array = NDArray[Any]
Run = Callable[[bytes, Array], Iterator[dict[str, Array]]]
PERCENTILE = 99.999
LARGEST = 127  # of an int8, what a scale stands for; only an activation beyond its calibration can become -128


def quantise(graph: Graph, frames: Array, run: Run) -> Graph:
    """A float32 graph with int8 convolutions, calibrated on `frames` (T, H, W, 3) uint8.

    run: executes a serialised model on the frames, one dictionary of outputs per run. Weights have a scale per output
    channel, activations one per tensor; both are symmetric, as TensorRT needs them. What such a convolution reads is
    quantised for it alone: the tensor's other readers, and what the convolution writes, stay float32.
    """
    model = copy.deepcopy(graph.staged)
    names = set(quantised_nodes(model))
    nodes = [node for node in model.graph.node if node.name in names]
    magnitudes = calibrate(model, sorted({node.input[0] for node in nodes}), frames, run)
    weights = {weight.name: weight for weight in model.graph.initializer}
    made: dict[str, list[onnx.NodeProto]] = {}  # dequantised tensor -> the nodes that make it
    for node in nodes:
        source, weight = node.input[:2]
        dequantised = [f"{name}_dequantised" for name in (source, weight)]
        if dequantised[0] not in made:
            made[dequantised[0]] = _activation(model.graph, source, magnitudes[source])
        if dequantised[1] not in made:
            made[dequantised[1]] = _weight(model.graph, numpy_helper.to_array(weights[weight]), weight)
        node.input[0], node.input[1] = dequantised
    _insert(model.graph, made)
    used = {name for node in model.graph.node for name in node.input}
    kept = [weight for weight in model.graph.initializer if weight.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return graph_of(model)


def quantised_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions that int8 is for: dense ones.

    The first convolution, on pixels, and depthwise ones stay float32: they are a few percent of the multiply-adds, and
    most of the error of stc-lite came from them. Those of the heads are a third of the work and cost no accuracy that
    ground truth shows (docs/building-engines.md).
    """
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    return [node.name for node in convolutions[1:] if _groups(node) == 1]


def calibrate(model: onnx.ModelProto, names: list[str], frames: Array, run: Run) -> dict[str, float]:
    """Of each tensor, the 99.999th percentile of the magnitudes in a run, and of that the largest over the runs."""
    probe = copy.deepcopy(model)
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    found = dict.fromkeys(names, 0.0)
    for outputs in run(probe.SerializeToString(), frames):  # emptied: those of the next run do not come on top
        for name in names:
            found[name] = max(found[name], _percentile(np.abs(outputs.pop(name)).ravel()))
    return found


def _percentile(magnitudes: Array) -> float:
    index = min(round(len(magnitudes) * PERCENTILE / 100), len(magnitudes) - 1)
    return float(np.partition(magnitudes, index)[index])


def _activation(graph: onnx.GraphProto, name: str, magnitude: float) -> list[onnx.NodeProto]:
    scale, zero = f"{name}_scale", f"{name}_zero"
    graph.initializer.append(numpy_helper.from_array(np.array(max(magnitude, 1e-6) / LARGEST, np.float32), scale))
    graph.initializer.append(numpy_helper.from_array(np.zeros((), np.int8), zero))
    whole, back = f"{name}_quantised", f"{name}_dequantised"
    return [
        helper.make_node("QuantizeLinear", [name, scale, zero], [whole], name=f"{name}/quantise"),
        helper.make_node("DequantizeLinear", [whole, scale, zero], [back], name=f"{name}/dequantise"),
    ]


def _weight(graph: onnx.GraphProto, values: Array, name: str) -> list[onnx.NodeProto]:
    scales = np.maximum(np.abs(values).max(axis=(1, 2, 3)), 1e-12) / LARGEST
    integers = np.clip(np.rint(values / scales[:, None, None, None]), -LARGEST, LARGEST).astype(np.int8)
    parts = [f"{name}_quantised", f"{name}_scale", f"{name}_zero"]
    for part, array in zip(parts, (integers, scales.astype(np.float32), np.zeros(len(scales), np.int8)), strict=True):
        graph.initializer.append(numpy_helper.from_array(array, part))
    return [helper.make_node("DequantizeLinear", parts, [f"{name}_dequantised"], name=f"{name}/dequantise", axis=0)]


def _insert(graph: onnx.GraphProto, made: dict[str, list[onnx.NodeProto]]) -> None:
    """Put the nodes of `made` before their first reader, which keeps the order that ONNX asks for."""
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        for name in node.input:
            nodes.extend(made.pop(name, ()))
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _groups(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
