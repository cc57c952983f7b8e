"""The traced graph: batch sizes, node names, and nothing of the machine that made it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from stc.export.graph.graph import trace
from stc.export.proof.frames import reference_frames
from stc.export.sizes import Batch
from stc.model import checkpoint
from stc.model.decode_rules import with_decode_rule
from stc.model.network import STC, STCDeploy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model() -> STC:
    return checkpoint.load(Path("assets/stc-lite-2.safetensors")).model


@pytest.fixture(scope="module")
def dynamic(model: STC) -> onnx.ModelProto:
    return trace(model, "fp32", Batch(1, 2, 4)).deployed


def run(graph: onnx.ModelProto, frames: Any) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"frames": frames}), strict=True))


def first_sizes(graph: onnx.ModelProto) -> set[Any]:
    dims = [value.type.tensor_type.shape.dim for value in [*graph.graph.input, *graph.graph.output]]
    return {dim[0].dim_param or dim[0].dim_value for dim in dims}


def test_pictures_of_a_batch_do_not_mix(model: STC, dynamic: onnx.ModelProto) -> None:
    """A batch of different pictures against PyTorch on each alone; detections are compared where scores differ."""
    frames = reference_frames(model.config, None)[::5].copy()
    frames[1] = frames[1, :, ::-1]
    assert first_sizes(dynamic) == {"batch"}
    batched = run(dynamic, frames)
    assert len(set(batched["num_detections"].tolist())) > 1 or batched["boxes"].std(axis=0).max() > 1
    for index, frame in enumerate(frames):
        single = run(dynamic, frame[None])
        with torch.inference_mode():
            expected = STCDeploy(model)(torch.from_numpy(frame.copy())[None])
        for name, values in batched.items():
            np.testing.assert_array_equal(values[index], single[name][0], err_msg=name)
            # float32 through a hundred layers; boxes and embeddings are of the order of a hundred and of one
            np.testing.assert_allclose(values[index], expected[name][0].numpy(), atol=1e-2, err_msg=name)


def test_a_fixed_batch_is_fixed_in_the_file(model: STC) -> None:
    assert first_sizes(trace(model, "fp32", Batch(3, 3, 3)).deployed) == {3}


def test_nodes_are_named_by_their_place_in_the_model(dynamic: onnx.ModelProto) -> None:
    names = [node.name for node in dynamic.graph.node]
    assert len(set(names)) == len(names)
    convolutions = [node.name for node in dynamic.graph.node if node.op_type == "Conv"]
    assert all(name.startswith(("backbone.", "fpn.", "head.", "mask_branch.")) for name in convolutions)


def test_the_file_says_nothing_of_the_machine_that_made_it(dynamic: onnx.ModelProto) -> None:
    content = dynamic.SerializeToString()
    for text in (str(Path.cwd()), "site-packages", ".py"):
        assert text.encode() not in content


def test_bfloat16_keeps_the_contract(model: STC) -> None:
    """NumPy has no bfloat16, and the op neither: the outputs are float32."""
    graph = trace(model, "bf16").deployed.graph
    types = {output.name: output.type.tensor_type.elem_type for output in graph.output}
    assert types["masks"] == onnx.TensorProto.FLOAT
    weights = {weight.data_type for weight in graph.initializer if len(weight.dims) == 4 and "conv" in weight.name}
    assert weights == {onnx.TensorProto.BFLOAT16}


def test_a_rule_that_ranks_each_level_takes_any_batch_too() -> None:
    """At most 200 candidates per level, so that levels are cut, in batches of another size than was traced."""
    model = checkpoint.load(Path("assets/stc-lite-2.safetensors")).model
    small = with_decode_rule(model.config.with_(input_size=(128, 160)), "mmdet-pr")
    model.config = small.with_(pre_nms_topk=200, max_detections=50, score_threshold=5e-5)
    graph = trace(model, "fp32", Batch(1, 2, 4)).deployed
    assert first_sizes(graph) == {"batch"}
    frames = reference_frames(model.config, None)[::4].copy()
    found = run(graph, frames)
    with torch.inference_mode():
        expected = STCDeploy(model)(torch.from_numpy(frames))
    assert len(frames) == 3
    assert found["num_detections"].min() > 10
    stride = model.config.mask_feats_stride  # where this rule leaves masks
    assert found["masks"].shape[2:] == (128 // stride, 160 // stride)
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name].numpy(), atol=1e-3, err_msg=name)  # boxes reach a hundred
