"""int8: what is quantised, with which numbers, against arithmetic written out in NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from stc.benchmarks.agreement.divergence import STAGE
from stc.cli import run
from stc.export.engine import audit as network_layers
from stc.export.engine.audit import count
from stc.export.engine.parse import parse
from stc.export.engine.toolchain import Toolchain
from stc.export.graph.graph import Graph, graph_of
from stc.export.graph.quantise import calibrate, quantise, quantised_nodes
from stc.export.main import main
from stc.export.proof.frames import default_frames
from stc.runtime.bundle import passport

Array = np.ndarray[Any, Any]
NAMES = ("backbone.stem/conv0", "backbone.a/conv1", "backbone.b/conv2", "fpn.p3/conv3", "head.cls/conv4")
DENSE = ("w1", "w3", "w4")  # behind the first


def execute(content: bytes, frames: Array) -> Iterator[dict[str, Array]]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for frame in frames:
        yield dict(zip(names, session.run(names, {"frames": frame[None]}), strict=True))


def tiny() -> Graph:
    """Five 1x1 convolutions of 4 channels in a row, the third depthwise; the fourth's input is also an output."""
    rng = np.random.default_rng(0)
    shapes = [(4, 3, 1, 1), (4, 4, 1, 1), (4, 1, 1, 1), (4, 4, 1, 1), (4, 4, 1, 1)]
    weights = [
        numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), f"w{i}") for i, shape in enumerate(shapes)
    ]
    nodes = [helper.make_node("Conv", ["frames", "w0"], ["x0"], name=NAMES[0])]
    nodes += [
        helper.make_node("Conv", [f"x{i - 1}", f"w{i}"], [f"x{i}"], name=NAMES[i], group=4 if i == 2 else 1)
        for i in range(1, 5)
    ]
    frames = helper.make_tensor_value_info("frames", TensorProto.FLOAT, [1, 3, 2, 2])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4, 2, 2]) for name in ("x2", "x4", STAGE + "x3")
    ]
    nodes.append(helper.make_node("Identity", ["x3"], [STAGE + "x3"], name="copy"))
    graph = helper.make_graph(nodes, "tiny", [frames], outputs, weights)
    return graph_of(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9))


def rounded(values: Array, scale: Array | float) -> Array:
    return np.clip(np.rint(values / scale), -128, 127) * scale


FRAMES = np.random.default_rng(1).normal(size=(3, 3, 2, 2)).astype(np.float32)


def test_only_dense_convolutions_after_the_first() -> None:
    assert quantised_nodes(tiny().staged) == [NAMES[1], NAMES[3], NAMES[4]]


def test_equals_the_arithmetic_written_out() -> None:
    graph = quantise(tiny(), FRAMES, execute)
    weights = {w.name: numpy_helper.to_array(w)[:, :, 0, 0] for w in tiny().staged.graph.initializer}
    float32 = list(execute(tiny().staged.SerializeToString(), FRAMES))
    x0 = [np.einsum("oi,ihw->ohw", weights["w0"], frame) for frame in FRAMES]
    # With so few numbers the percentile is the largest one.
    scales = {"x0": max(np.abs(x).max() for x in x0) / 127, "x2": max(np.abs(o["x2"]).max() for o in float32) / 127}
    scales["x3"] = max(np.abs(o[STAGE + "x3"]).max() for o in float32) / 127
    for frame, found in zip(x0, execute(graph.staged.SerializeToString(), FRAMES), strict=True):
        w1, w3, w4 = (rounded(w, np.abs(w).max(axis=1, keepdims=True) / 127) for w in map(weights.get, DENSE))
        x1 = np.einsum("oi,ihw->ohw", w1, rounded(frame, scales["x0"]))
        x2 = weights["w2"][:, 0, None, None] * x1
        # From the graph's own x2: a value near the edge between two integers must not decide.
        x3 = np.einsum("oi,ihw->ohw", w3, rounded(found["x2"][0], np.float32(scales["x2"])))
        # float32 in another order
        np.testing.assert_allclose(found["x2"][0], x2, atol=1e-5)  # what others read of it is not quantised
        np.testing.assert_allclose(found[STAGE + "x3"][0], x3, atol=1e-5)
        x4 = np.einsum("oi,ihw->ohw", w4, rounded(found[STAGE + "x3"][0], np.float32(scales["x3"])))
        np.testing.assert_allclose(found["x4"][0], x4, atol=1e-5)


def test_weights_are_stored_as_int8_and_the_original_is_gone() -> None:
    before = tiny()
    graph = quantise(before, FRAMES, execute).deployed.graph
    stored = {weight.name: weight.data_type for weight in graph.initializer}
    assert all(stored[f"{name}_quantised"] == TensorProto.INT8 and name not in stored for name in DENSE)
    assert stored["w0"] == stored["w2"] == TensorProto.FLOAT
    assert len(before.staged.graph.node) == 6  # the float32 graph is left as it was


def test_calibration_is_the_percentile_of_a_run_and_the_largest_of_the_runs() -> None:
    node = helper.make_node("Identity", ["frames"], ["x"], name="x")
    value = helper.make_tensor_value_info("frames", TensorProto.FLOAT, [1, 200_000])
    output = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 200_000])
    model = helper.make_model(
        helper.make_graph([node], "x", [value], [output]), opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    )
    frames = np.zeros((2, 200_000), np.float32)
    frames[0, :4] = [-9, 3, 2, 1]  # two of 200,000 lie above the 99.999th percentile, which is the third largest
    frames[1, :4] = [5, 5, -2.5, 1]
    (found,) = calibrate(model, ["x"], frames, execute).values()
    assert found in {2.5, 5.0}
    assert found < 9


@pytest.mark.slow
def test_int8_is_held_to_its_budget_and_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether stc-lite meets it depends on the frames (docs/building-engines.md) and on the CPU's rounding."""
    (tmp_path / "clip").mkdir()
    for index, frame in enumerate(default_frames()):
        cv2.imwrite(str(tmp_path / "clip" / f"{index:02}.png"), frame)
    arguments = ["--ckpt", "assets/stc-lite-2.safetensors", "--int8", "--calib", str(tmp_path / "clip")]
    code = run(main, [*arguments, "--trt", "none", "-o", str(tmp_path / "out")])
    printed = " ".join(capsys.readouterr().out.split())
    assert "times as fast; medians of 15 runs in turns" in printed
    found = passport.read(tmp_path / "out")
    assert found.agreement["model.onnx"]["verdict"] == "pass"
    assert found.agreement["model-int8.onnx"]["verdict"] == {0: "pass", 3: "fail"}[code]
    assert ("missed budget: " in printed) == (code == 3)
    # What it finds is right all the same: a wrong scale or a wrong axis would leave nothing of it.
    assert found.agreement["model-int8.onnx"]["detections_matched"] > 0.95
    assert found.agreement["model-int8.onnx"]["ids_equal"] > 0.95
    assert found.agreement["model-int8.onnx"]["mask_iou_p1"] > 0.8
    assert found.precision["files"] == {"model.onnx": "fp32", "model-int8.onnx": "int8"}


@pytest.mark.slow
def test_tensorrt_sees_as_many_int8_convolutions_as_were_quantised(rtx: Toolchain) -> None:
    from stc.export.graph.graph import trace
    from stc.model import checkpoint

    graph = trace(checkpoint.load(Path("assets/stc-lite-2.safetensors")).model)
    shape = [dim.dim_value for dim in graph.staged.graph.input[0].type.tensor_type.shape.dim]
    frames = np.random.default_rng(0).integers(0, 256, (2, *shape[1:]), dtype=np.uint8)
    content = quantise(graph, frames, execute).deployed.SerializeToString()
    parsed = parse(content, "model-int8.onnx", rtx, None)
    audit = count(network_layers.read(rtx.module, parsed.network), "int8")
    assert audit.layers_asked == len(quantised_nodes(graph.staged)) == 66


CLIP = "assets/scene.jpg"  # it is there, whatever it shows


@pytest.mark.parametrize("options", [["--int8"], ["--calib", CLIP], ["--fp16", "--calib", CLIP]])
def test_int8_and_its_video_go_together(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["--ckpt", "assets/stc-lite-2.safetensors", *options, "-o", str(tmp_path / "out")]) == 1
    assert "--int8 and --calib VIDEO go together" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_quantising_needs_onnx_to_be_valid_afterwards() -> None:
    onnx.checker.check_model(quantise(tiny(), FRAMES, execute).deployed, full_check=True)
