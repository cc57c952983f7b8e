"""What float16 means here: types written into the graph, and the named places that stay float32."""

from __future__ import annotations

from stc.model.config import ModelConfig

_ISLANDS = {
    "normalise": "uint8 pixels minus mean over std, one pass over the input, before the first rounding",
    "group_norm": "sums of squares over a level overflow float16",
    "decode": "scores are compared with each other and with thresholds; boxes need more than 11 bits",
    "nms": "IoU against a threshold",
    "dynamic_mask_head": "relative coordinates and accumulation; storage is float16",
}


def fp32_islands(config: ModelConfig, precision: str) -> dict[str, str]:
    """The parts of a float16 graph that compute in float32, each with its reason; empty for fp32."""
    if precision == "fp32":
        return {}
    unused = {"group_norm"} if config.head_norm == "batch" else set()
    return {name: reason for name, reason in _ISLANDS.items() if name not in unused}
