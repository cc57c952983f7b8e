"""What TensorRT cannot read becomes one error that names the node; what is no model never reaches it."""

from __future__ import annotations

import onnx
import pytest
from onnx import helper

from stc.errors import IncompatibleError, InputError
from stc.export.engine.parse import load, parse
from stc.export.engine.plugin_node import Attributes, attributes, for_plugin
from stc.export.engine.toolchain import Toolchain


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" * 9, b"\x00" * 100])
def test_garbage_is_an_input_error(content: bytes) -> None:
    with pytest.raises(InputError, match="re-export with"):
        load(content, "model.onnx")


def test_a_truncated_model_is_an_input_error(op_model: onnx.ModelProto) -> None:
    content = op_model.SerializeToString()
    with pytest.raises(InputError, match=r"model\.onnx"):
        load(content[: len(content) // 2], "model.onnx")


def test_a_model_without_the_op_is_an_input_error(rtx: Toolchain, op_model: onnx.ModelProto) -> None:
    op_model.graph.node[0].op_type = "Other"
    with pytest.raises(InputError, match="0 nodes stc::DynamicMaskHead"):
        parse(op_model.SerializeToString(), "model.onnx", rtx, None)


def test_the_error_names_node_and_operator(rtx: Toolchain, op_model: onnx.ModelProto) -> None:
    op_model.graph.node.append(helper.make_node("NonZero", ["masks"], ["where"], name="somewhere"))
    output = helper.make_tensor_value_info("where", onnx.TensorProto.INT64, [4, "n"])
    op_model.graph.output.append(output)
    with pytest.raises(IncompatibleError, match=r"TensorRT-RTX .* cannot parse it: node 'somewhere' \(NonZero\)"):
        parse(op_model.SerializeToString(), "model.onnx", rtx, None)


def test_a_missing_plugin_is_an_error_and_no_change_of_route(rtx: Toolchain, op_model: onnx.ModelProto) -> None:
    """Of what a plugin route gives to the parser; RTX stands for a TensorRT that did not find the plugin."""
    with pytest.raises(IncompatibleError, match="DynamicMaskHead"):
        parse(for_plugin(op_model, ahead_of_time=False), "model.onnx", rtx, None)


@pytest.mark.parametrize("ahead_of_time", [False, True])
def test_the_plugins_node_has_no_body_and_names_its_plugin(op_model: onnx.ModelProto, ahead_of_time: bool) -> None:
    before = op_model.SerializeToString()
    model = load(for_plugin(op_model, ahead_of_time=ahead_of_time), "model.onnx")
    assert not model.functions
    values = {a.name: onnx.helper.get_attribute_value(a) for a in model.graph.node[0].attribute}
    assert values["plugin_version"] == b"1"
    assert values["plugin_namespace"] == b"stc"
    assert values.get("aot") == (1 if ahead_of_time else None)
    assert attributes(model, "model.onnx") == Attributes(channels=8, layers=3, stride=8, upsample=2)
    assert op_model.SerializeToString() == before
