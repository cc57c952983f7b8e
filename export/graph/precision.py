"""What float16 and bfloat16 mean here: types written into the graph, and the named places that stay float32."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from stc.model.islands import REASONS, Island
from stc.runtime.bundle.passport import MODEL_FILE

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


def fp32_islands(entered: Iterable[Island], precision: Precision) -> dict[str, str]:
    """Of the islands that tracing `entered`, those of a half precision graph, each with its reason; else empty."""
    return {island: REASONS[island] for island in entered} if precision in HALVES else {}
