"""Texts of the engine inspector, and what is counted in them.

They are written by hand after the format that NVIDIA documents for TensorRT 8 to 11 (names of layers, `LayerType`,
`Inputs` and `Outputs` with `Format/Datatype`, "Half" or the name of a memory format). None of them comes from a
GPU: the inspector needs a deserialised engine, and none was ever deserialised here.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from stc.errors import AccuracyError, Missing
from stc.export.engine.engine_layers import EngineLayers, check, count, sentence

DYNAMIC = "N/A due to dynamic shapes"


def layer(kind: str, inputs: str, outputs: str | None = None, **more: Any) -> dict[str, Any]:
    def tensors(text: str) -> list[dict[str, Any]]:
        return [{"Name": "t", "Location": "Device", "Dimensions": [1, 8, 4, 4], "Format/Datatype": text}]

    return {"Name": kind, "LayerType": kind, "Inputs": tensors(inputs), "Outputs": tensors(outputs or inputs), **more}


def text(*layers: Any) -> str:
    return json.dumps({"Layers": layers, "Bindings": ["frames", "masks"]})


HALF = text(
    layer("Reformat", "Float", "Half"),
    layer("CaskConvolution", "Channel major FP16 format where channel % 8 == 0"),
    layer("CaskGemmConvolution", "Half", "Float"),
    layer("FusedConvActDirect", "Row major linear FP32"),
    layer("kgen", "Half"),
    layer("PluginV3", "Float"),
    layer("NoOp", "Half"),
    layer("Convert", "Int32"),
)


def test_layers_that_read_or_write_half_precision_are_counted() -> None:
    counted = count(HALF, "fp16")
    assert counted == EngineLayers("fp16", layers=5, layers_asked=3, convolutions=3, convolutions_asked=2)
    assert sentence(counted) == (
        "engine: fp16: 3 of 5 layers (fused) have float16 inputs or outputs, 2 of 3 convolutions"
    )
    assert isinstance(counted, EngineLayers)
    check(counted, "model-fp16.onnx")


@pytest.mark.parametrize(
    ("named", "precision"),
    [
        ("Half", "fp16"),
        ("Row major linear FP16 format", "fp16"),
        ("BF16", "bf16"),
        ("BFloat16", "bf16"),
        ("Float", "fp32"),
        ("Row major linear FP32", "fp32"),
        ("Thirty-two wide channel vectorized row major Int8 format", "int8"),
        ("Int8", "int8"),
    ],
)
def test_every_name_of_a_type_stands_for_that_type_alone(named: str, precision: str) -> None:
    for asked in ("fp32", "fp16", "bf16", "int8"):
        counted = count(text(layer("CaskConvolution", named)), asked)  # type: ignore[arg-type]  # of a tuple of literals
        assert isinstance(counted, EngineLayers)
        assert counted.convolutions_asked == (asked == precision)


def test_half_precision_asked_for_and_no_convolution_of_it_is_an_error() -> None:
    """Half precision around convolutions of float32 is not what was asked for."""
    counted = count(text(layer("CaskConvolution", "Float"), layer("kgen", "Half")), "fp16")
    assert isinstance(counted, EngineLayers)
    with pytest.raises(AccuracyError, match=r"model\.onnx: .*1 of 2 layers .* 0 of 1 convolutions") as caught:
        check(counted, "model.onnx")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(("named", "fails"), [("Half", False), ("Float", True)])
def test_where_all_is_fused_under_other_names_any_layer_counts(named: str, fails: bool) -> None:
    counted = count(text(layer("kgen", named), layer("gemm", "Float")), "fp16")
    assert isinstance(counted, EngineLayers)
    assert counted.convolutions == 0
    if fails:
        with pytest.raises(AccuracyError, match="0 of 2 layers"):
            check(counted, "model.onnx")
    else:
        check(counted, "model.onnx")


def test_weights_speak_for_a_convolution_of_a_free_batch() -> None:
    weights = {"Type": "Half", "Count": 9408}
    found = count(text(layer("CaskConvolution", DYNAMIC, ParameterType="Convolution", Weights=weights)), "fp16")
    assert found == EngineLayers("fp16", 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (text("conv1 + relu1", "conv2"), "types of none of 2 layers"),  # built without details
        (text(layer("CaskConvolution", DYNAMIC)), "types of none of 1 layers"),
        (text(), "types of none of 0 layers"),
        ("", "not of the documented format"),
        ("[]", "not of the documented format"),
        ('{"Layers": [{"Inputs": ["t"]}]}', "not of the documented format"),
        ('{"Bindings": []}', "not of the documented format"),
    ],
)
def test_what_names_no_types_proves_nothing_and_is_said(answer: str, reason: str) -> None:
    found = count(answer, "fp16")
    assert isinstance(found, Missing)
    assert reason in found.reason
    assert sentence(found) == f"engine inspector: {found.reason}"
