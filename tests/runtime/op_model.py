"""The tiny model with its masks made by the op, as an exported graph has them; what they show is of no consequence."""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import helper, numpy_helper

from stc.model.function_body import DOMAIN, OP, function_body
from tests.runtime import tiny_model

K, H, W = len(tiny_model.COLOURS), 8, 12  # cells of stride 8 in the padded input
CHANNELS, PARAMETERS = 8, 169


def model() -> onnx.ModelProto:
    """The whole contract of `tiny_model.PASSPORT`, with the passport in the metadata."""
    built = tiny_model.model()
    graph = built.graph
    for node in graph.node:
        names = ["whole_masks" if name == "masks" else name for name in node.output]
        del node.output[:]
        node.output.extend(names)
    rng = np.random.default_rng(0)
    shapes = {"mask_feats": (CHANNELS, H, W), "params": (K, PARAMETERS), "locations": (K, 2), "sizes": (K,)}
    graph.node.append(helper.make_node("Shape", ["num_detections"], ["batch"]))
    for name, shape in shapes.items():
        value = 64 * rng.uniform(0.1, 1, (1, *shape)).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(value, f"{name}_of"))
        graph.initializer.append(numpy_helper.from_array(np.ones(len(shape), np.int64), f"{name}_ones"))
        graph.node.append(helper.make_node("Concat", ["batch", f"{name}_ones"], [f"{name}_shape"], axis=0))
        graph.node.append(helper.make_node("Expand", [f"{name}_of", f"{name}_shape"], [name]))
    attributes = {"channels": CHANNELS, "layers": 3, "stride": 8, "upsample": 2}
    graph.node.append(helper.make_node(OP, [*shapes, "num_detections"], ["masks"], domain=DOMAIN, **attributes))
    built.functions.append(function_body(CHANNELS, 3, 2, 18))
    built.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    helper.set_model_props(built, {"stc.passport": json.dumps(tiny_model.PASSPORT.metadata())})
    return built
