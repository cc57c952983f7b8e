"""What float16 and bfloat16 mean here: types written into the graph, and the named places that stay float32."""

from __future__ import annotations

from typing import Literal

from stc.model.config import ModelConfig
from stc.runtime.passport import MODEL_FILE

Precision = Literal["fp32", "fp16", "bf16", "int8"]
FILES: dict[Precision, str] = {
    "fp32": MODEL_FILE,
    "fp16": "model-fp16.onnx",
    "bf16": "model-bf16.onnx",
    "int8": "model-int8.onnx",
}
HALVES: tuple[Precision, ...] = ("fp16", "bf16")  # those whose graph has half precision types
# The oldest opset that the exporter writes without conversion; TensorRT 10 and ONNX Runtime >= 1.14 read it. The
# convolution of older ones than 22 has no bfloat16.
OPSETS: dict[Precision, int] = {"fp32": 18, "fp16": 18, "bf16": 22, "int8": 18}

_ISLANDS = {
    "normalise": "uint8 pixels minus mean over std, one pass over the input, before the first rounding",
    "group_norm": "sums of squares over a level overflow float16",
    "decode": "scores are compared with each other and with thresholds; boxes need more than 11 bits",
    "nms": "IoU against a threshold",
    "dynamic_mask_head": "relative coordinates and accumulation; storage is float16 (bfloat16 graph: float32)",
}


def fp32_islands(config: ModelConfig, precision: Precision) -> dict[str, str]:
    """The parts of a half precision graph that compute in float32, each with its reason; empty for other precisions."""
    if precision not in HALVES:
        return {}
    unused = {"group_norm"} if config.head_norm == "batch" else set()
    return {name: reason for name, reason in _ISLANDS.items() if name not in unused}
