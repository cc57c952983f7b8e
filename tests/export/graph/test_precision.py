"""What the passport says of float32 inside a half precision graph is what the graph has."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from stc.export.graph.graph import Graph, trace
from stc.export.graph.precision import Precision, fp32_islands
from stc.model import checkpoint
from stc.model.config import ModelConfig
from stc.model.network import STC

FLOAT, UINT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8
HALF = {"fp16": onnx.TensorProto.FLOAT16, "bf16": onnx.TensorProto.BFLOAT16}


@pytest.fixture(scope="module")
def lite() -> STC:
    return checkpoint.load(Path("assets/stc-lite-2.safetensors")).model


def casts_to_float32(graph: Graph, precision: Precision) -> int:
    """Cast nodes from the half type or from pixels to float32, but for those of weights."""
    shown = graph.staged.graph
    weights = {weight.name for weight in shown.initializer}
    types = {value.name: value.type.tensor_type.elem_type for value in (*shown.value_info, *shown.input, *shown.output)}
    return sum(
        types.get(node.input[0]) in {HALF[precision], UINT8}
        for node in shown.node
        if node.op_type == "Cast" and node.attribute[0].i == FLOAT and node.input[0] not in weights
    )


@pytest.mark.slow  # exports the demo model
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_each_cast_to_float32_belongs_to_a_named_island(lite: STC, precision: Precision) -> None:
    graph = trace(lite, precision)
    # A bfloat16 op reads the mask parameters in float32, as the appearance does: one node casts them for both.
    shared = precision == "bf16" and lite.config.appearance
    assert casts_to_float32(graph, precision) == sum(graph.islands.values()) - shared > 0
    islands = {"normalise", "decode", "nms", "dynamic_mask_head", *(["appearance"] if lite.config.appearance else [])}
    assert set(fp32_islands(graph.islands, precision)) == islands


@pytest.mark.slow  # traces a ResNet
def test_group_norm_is_an_island_where_the_model_has_it() -> None:
    small = ModelConfig(fpn_channels=64, track_dim=32, mask_branch_channels=32, classes=("a",), input_size=(64, 96))
    graph = trace(STC(small.with_(pre_nms_topk=50, max_detections=20)), "fp16")
    assert casts_to_float32(graph, "fp16") == sum(graph.islands.values())
    # Four convolutions in each of three towers, on five levels.
    assert graph.islands["group_norm"] == 3 * 4 * 5
    assert "group_norm" in fp32_islands(graph.islands, "fp16")


@pytest.mark.slow  # exports the demo model
def test_a_float32_graph_has_none(lite: STC) -> None:
    assert fp32_islands(trace(lite).islands, "fp32") == {}


def test_the_mask_head_of_a_config_is_the_ops_attributes() -> None:
    assert ModelConfig().mask_head == {"channels": 8, "layers": 3, "stride": 8, "upsample": 2}
    assert ModelConfig(mask_out_stride=8).mask_head["upsample"] == 1
