"""The audit against numbers counted by hand, on invented layers and on a real network of three layers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stc.errors import AccuracyError
from stc.export.engine import audit as network_layers
from stc.export.engine.audit import Audit, Layer, check, count
from stc.export.engine.toolchain import Toolchain
from stc.runtime.backends.tensorrt.engine import collector


def layers(half: int, single: int) -> list[Layer]:
    return [
        Layer("a", "CONVOLUTION", "float16", half),
        Layer("relu", "ACTIVATION", "float16"),
        Layer("big", "MATRIX_MULTIPLY", "float32", single),
        Layer("small", "MATRIX_MULTIPLY", "float32", 1),
    ]


def test_counts_layers_and_multiply_adds_of_the_type_asked_for() -> None:
    audit = count(layers(half=970, single=29), "fp16")
    assert audit == Audit("fp16", 4, 2, 1000, 970, (("big", "float32", 29), ("small", "float32", 1)))
    assert str(audit) == "fp16: 2 of 4 layers, 97.0 % of the multiply-adds"
    check(audit, "model.onnx")


def test_half_precision_asked_for_and_not_got_is_an_error_that_names_the_largest() -> None:
    with pytest.raises(AccuracyError, match=r"fp16: 2 of 4 layers, 89\.0 % .* big \(float32\), small") as caught:
        check(count(layers(half=890, single=109), "fp16"), "model.onnx")
    assert caught.value.exit_code == 3


def test_a_float32_file_is_not_taken_for_float16() -> None:
    with pytest.raises(AccuracyError, match="0 of 1"):
        check(count([Layer("conv", "CONVOLUTION", "float32", 9)], "fp16"), "model.onnx")


def test_nothing_to_count_proves_nothing() -> None:
    with pytest.raises(AccuracyError):
        check(count([], "fp16"), "model.onnx")


def tiny_network() -> bytes:
    """(2, 4, 6, 5) float16 -> grouped 3x3 convolution to 8 channels -> relu -> float32 -> product with (5, 7)."""
    weight = numpy_helper.from_array(np.ones((8, 2, 3, 3), np.float16), "weight")
    matrix = numpy_helper.from_array(np.ones((5, 7), np.float32), "matrix")
    nodes = [
        helper.make_node("Conv", ["x", "weight"], ["c"], name="conv", group=2, pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("Cast", ["r"], ["f"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["f", "matrix"], ["y"], name="product"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT16, [2, 4, 6, 5])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 8, 6, 7])
    graph = helper.make_graph(nodes, "tiny", [x], [y], [weight, matrix])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()


def test_a_real_network_is_read_as_it_is(rtx: Toolchain) -> None:
    log = collector(rtx.module)
    builder = rtx.module.Builder(log)
    network = builder.create_network(rtx.network_flags)
    parser = rtx.module.OnnxParser(network, log)
    assert parser.parse(tiny_network())
    found = {layer.name: layer for layer in network_layers.read(rtx.module, network)}
    convolution = 2 * 8 * 6 * 5 * (2 * 3 * 3)  # outputs times inputs of the group times kernel
    product = 2 * 8 * 6 * 7 * 5
    assert found["conv"] == Layer("conv", "CONVOLUTION", "float16", convolution)
    assert found["product"] == Layer("product", "MATRIX_MULTIPLY", "float32", product)
    assert found["relu"] == Layer("relu", "ACTIVATION", "float16")
    assert "cast" not in found
    audit = count(found.values(), "fp16")
    assert audit.fraction == pytest.approx(convolution / (convolution + product))
    assert network_layers.plugins(network) == 0


def test_reading_needs_no_weights_to_be_present(op_model: onnx.ModelProto, rtx: Toolchain) -> None:
    """The op's function body: three products per instance, all float32."""
    log = collector(rtx.module)
    builder = rtx.module.Builder(log)
    network = builder.create_network(rtx.network_flags)
    parser = rtx.module.OnnxParser(network, log)
    assert parser.parse(op_model.SerializeToString())
    audit = count(network_layers.read(rtx.module, network), "fp32")
    cells, instances = 4 * 6, 2 * 3
    assert audit.multiply_adds == instances * cells * (8 * 10 + 8 * 8 + 8)
    assert audit.layers_asked == audit.layers
