"""Loads the plugin into TensorRT-RTX's registry and parses the op with it. Run in a child process: RTX knows no plugin
layers and ends the process where one enters a network.
"""

from __future__ import annotations

import argparse

import onnx
import tensorrt_rtx as trt
from onnx import TensorProto, helper

from stc.model.function_body import DOMAIN, OP, PLUGIN_ATTRIBUTES, function_body
from stc.runtime.native.mask_head import MaskHead


class Printer(trt.ILogger):  # type: ignore[misc]
    def __init__(self) -> None:
        trt.ILogger.__init__(self)

    def log(self, severity: trt.ILogger.Severity, message: str) -> None:
        print(message, flush=True)


def op_alone(head: MaskHead) -> bytes:
    """An ONNX file with one node as the exporter writes it, and its function body."""
    names = ("mask_feats", "params", "locations", "sizes", "count")
    shapes = ((1, head.channels, 6, 10), (1, 4, head.parameters), (1, 4, 2), (1, 4), (1,))
    kinds = [TensorProto.FLOAT] * 4 + [TensorProto.INT32]
    attributes = {"channels": head.channels, "layers": head.layers, "stride": head.stride, "upsample": head.upsample}
    node = helper.make_node(OP, names, ["masks"], "op", domain=DOMAIN, **attributes, **PLUGIN_ATTRIBUTES)
    inputs = [helper.make_tensor_value_info(*value) for value in zip(names, kinds, shapes, strict=True)]
    output = helper.make_tensor_value_info("masks", TensorProto.FLOAT, (1, 4, 6 * head.upsample, 10 * head.upsample))
    model = helper.make_model(
        helper.make_graph([node], "op", inputs, [output]),
        functions=[function_body(head.channels, head.layers, head.upsample, 18)],
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)],
        ir_version=9,
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("--list", action="store_true")
    for name, default in (("channels", 8), ("layers", 3), ("upsample", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    logger = Printer()
    registry = trt.get_plugin_registry()
    registry.load_library(arguments.library)
    if arguments.list:
        for creator in registry.all_creators:
            print("registered:", creator.name, creator.plugin_version, creator.plugin_namespace)
        return
    network = trt.Builder(logger).create_network(0)
    onnx_parser = trt.OnnxParser(network, logger)
    head = MaskHead(arguments.channels, arguments.layers, 8, arguments.upsample)
    parsed = onnx_parser.parse(op_alone(head))
    print("parsed:", parsed, [onnx_parser.get_error(i).desc() for i in range(onnx_parser.num_errors)])


if __name__ == "__main__":
    main()
