"""A model small enough to reason about: it finds four colours, so a test paints the detections it wants."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from stc.files import sha256
from stc.runtime.bundle.passport import Passport

COLOURS = ((250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0))  # BGR, one per detection slot
SCORES = (0.9, 0.8, 0.6, 0.5)
LABELS = (0, 1, 0, 1)
INSIDE, OUTSIDE = 0.9, 0.1  # mask probabilities

PASSPORT = Passport(
    name="tiny",
    classes=("cat", "dog"),
    input_size=(60, 96),
    padded_size=(64, 96),
    resize="linear",
    border=(1, 2, 3),
    max_detections=len(COLOURS),
    embedding_dim=8,
    mask_stride=4,
    score_threshold=0.3,
    nms_threshold=0.6,
    tracker={"max_age": 1.0},
)


def frame(*objects: tuple[int, tuple[int, int, int, int]], size: tuple[int, int] = (60, 96)) -> NDArray[np.uint8]:
    """A grey frame with rectangles `(slot, (x1, y1, x2, y2))`."""
    picture = np.full((*size, 3), 77, np.uint8)
    for slot, (x1, y1, x2, y2) in objects:
        picture[y1:y2, x1:x2] = COLOURS[slot]
    return picture


def model(passport: Passport = PASSPORT) -> onnx.ModelProto:
    """The graph contract of `passport` (fp32), any batch size; any size of frames where it says so."""
    free = passport.shortest_edge is not None
    height, width = ("H", "W") if free else passport.input_size
    cells = ("Hm", "Wm") if free else passport.mask_cells(passport.input_size)
    k, d, stride = len(COLOURS), passport.embedding_dim, passport.mask_stride
    outputs = {
        "num_detections": (TensorProto.INT32, ["B"]),
        "boxes": (TensorProto.FLOAT, ["B", k, 4]),
        "scores": (TensorProto.FLOAT, ["B", k]),
        "labels": (TensorProto.INT32, ["B", k]),
        "masks": (TensorProto.FLOAT, ["B", k, *cells]),
    } | ({"embeddings": (TensorProto.FLOAT, ["B", k, d])} if d else {})
    graph = helper.make_graph(
        [*(_sizes() if free else ()), *_nodes(stride, with_embeddings=d > 0)],
        "tiny",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["B", height, width, 3])],
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in _constants(passport).items()],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(built)
    return built


def _constants(passport: Passport) -> dict[str, Any]:
    (height, width), (padded_h, padded_w) = passport.input_size, passport.padded_size
    k = len(COLOURS)
    of_the_size = {
        "xs": np.arange(width, dtype=np.float32),
        "ys": np.arange(height, dtype=np.float32),
        "pads": np.array([0, 0, 0, 0, 0, 0, padded_h - height, padded_w - width]),
    }
    if passport.shortest_edge is not None:
        of_the_size = {
            "divisor": np.array([passport.divisor]),
            "no_pads": np.zeros(6, np.int64),
            "from": np.int64(0),
            "by": np.int64(1),
        }
    return {
        **of_the_size,
        "colours": np.array(COLOURS, np.int32).reshape(1, k, 1, 1, 3),
        "base": np.array(SCORES, np.float32)[None],
        "labels_of": np.array(LABELS, np.int32)[None],
        "embeddings_of": (4 * np.eye(k, max(1, passport.embedding_dim))).astype(np.float32),
        "zero": np.float32(0),
        "none": np.int32(-1),
        "one": np.float32(1),
        "far": np.float32(1e6),
        "span": np.float32(INSIDE - OUTSIDE),
        "outside": np.float32(OUTSIDE),
        "k": np.array([k]),
        **{f"a{axis}": np.array([axis]) for axis in (1, 2, 3, 4)},
        "a23": np.array([2, 3]),
    }


def _sizes() -> list[onnx.NodeProto]:
    """What else is a constant: positions along both axes, and how much is padded."""
    nodes = []
    for axis, name in ((1, "y"), (2, "x")):
        nodes += [
            helper.make_node("Shape", ["frames"], [f"{name}_side"], start=axis, end=axis + 1),
            helper.make_node("Squeeze", [f"{name}_side"], [f"{name}_count"]),
            helper.make_node("Range", ["from", f"{name}_count", "by"], [f"{name}_range"]),
            helper.make_node("Cast", [f"{name}_range"], [f"{name}s"], to=TensorProto.FLOAT),
            helper.make_node("Neg", [f"{name}_side"], [f"{name}_negative"]),
            helper.make_node("Mod", [f"{name}_negative", "divisor"], [f"{name}_pad"]),
        ]
    return [*nodes, helper.make_node("Concat", ["no_pads", "y_pad", "x_pad"], ["pads"], axis=0)]


def _nodes(stride: int, with_embeddings: bool) -> list[onnx.NodeProto]:
    nodes: list[onnx.NodeProto] = []

    def op(kind: str, out: str, *inputs: str, **attributes: Any) -> None:
        nodes.append(helper.make_node(kind, list(inputs), out.split(), **attributes))

    def ranked(out: str, raw: str, order: str, valid: str) -> None:
        """Rows of `raw` (B, K, …) in the order of the scores, zero where there is no detection."""
        op("Shape", f"{out}_shape", raw)
        op("Expand", f"{out}_order", order, f"{out}_shape")
        op("GatherElements", f"{out}_ranked", raw, f"{out}_order", axis=1)
        op("Where", out, valid, f"{out}_ranked", "none" if out == "labels" else "zero")

    # Where each colour is (B, K, H, W), and whether it is anywhere (B, K).
    op("Cast", "ints", "frames", to=TensorProto.INT32)
    op("Unsqueeze", "each", "ints", "a1")
    op("Equal", "equal", "each", "colours")
    op("Cast", "equal_f", "equal", to=TensorProto.FLOAT)
    op("ReduceMin", "hit", "equal_f", "a4", keepdims=0)
    op("ReduceMax", "present", "hit", "a23", keepdims=0)
    op("ReduceSum", "count", "present", "a1", keepdims=0)
    op("Cast", "num_detections", "count", to=TensorProto.INT32)
    op("Mul", "raw_scores", "present", "base")
    op("TopK", "scores order", "raw_scores", "k", axis=1)
    op("Greater", "valid", "scores", "zero")
    for name in ("order", "valid"):
        op("Unsqueeze", f"{name}3", name, "a2")
        op("Unsqueeze", f"{name}4", f"{name}3", "a3")
    for axis, positions, other in (("x", "xs", "a2"), ("y", "ys", "a3")):
        op("ReduceMax", f"{axis}_line", "hit", other, keepdims=0)
        op("Greater", f"{axis}_on", f"{axis}_line", "zero")
        op("Where", f"{axis}_low", f"{axis}_on", positions, "far")
        op("ReduceMin", f"{axis}1", f"{axis}_low", "a2", keepdims=1)
        op("Add", f"{axis}_next", positions, "one")
        op("Where", f"{axis}_high", f"{axis}_on", f"{axis}_next", "zero")
        op("ReduceMax", f"{axis}2", f"{axis}_high", "a2", keepdims=1)
    op("Concat", "raw_boxes", "x1", "y1", "x2", "y2", axis=2)
    ranked("boxes", "raw_boxes", "order3", "valid3")
    op("Shape", "scores_shape", "scores")
    op("Expand", "raw_labels", "labels_of", "scores_shape")
    ranked("labels", "raw_labels", "order", "valid")
    op("Pad", "padded", "hit", "pads")
    op("MaxPool", "cells", "padded", kernel_shape=[stride, stride], strides=[stride, stride])
    op("Mul", "cells_span", "cells", "span")
    op("Add", "raw_masks", "cells_span", "outside")
    ranked("masks", "raw_masks", "order4", "valid4")
    if with_embeddings:
        op("Gather", "embeddings_ranked", "embeddings_of", "order", axis=0)
        op("Where", "embeddings", "valid3", "embeddings_ranked", "zero")
    return nodes


def write_bundle(folder: Path, passport: Passport = PASSPORT, built: onnx.ModelProto | None = None) -> Path:
    """A bundle as the exporter writes it: model.onnx and its passport."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(built or model(passport), folder / "model.onnx")
    replace(passport, files={"model.onnx": sha256(folder / "model.onnx")}).write(folder)
    return folder


def write_alone(path: Path, passport: Passport | None = PASSPORT) -> Path:
    """One ONNX file, its passport in the metadata (None: without)."""
    built = model(passport or PASSPORT)
    if passport is not None:
        helper.set_model_props(built, {"stc.passport": json.dumps(passport.metadata())})
    onnx.save(built, path)
    return path
