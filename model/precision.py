"""Where a half precision model still computes in float32: its islands, named at the place that widens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

Island: TypeAlias = Literal["normalise", "group_norm", "decode", "nms", "dynamic_mask_head"]
REASONS: dict[Island, str] = {
    "normalise": "uint8 pixels minus mean over std, one pass over the input, before the first rounding",
    "group_norm": "sums of squares over a level overflow float16",
    "decode": "scores are compared with each other and with thresholds; boxes need more than 11 bits",
    "nms": "IoU against a threshold",
    "dynamic_mask_head": "relative coordinates and accumulation; storage is float16 (bfloat16 graph: float32)",
}
_entered: ContextVar[Counter[Island] | None] = ContextVar("_entered", default=None)


def at_least_float32(x: Tensor) -> Tensor:
    """Integers, float16 and bfloat16 become float32; float32 and float64 stay as they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def widen(x: Tensor, island: Island) -> Tensor:
    """`x` as an input of `island`, in float32 (float64 for a float64 model)."""
    wide = at_least_float32(x)
    # A graph stores weights in the type that it computes with, so only activations are cast in it.
    enter(island, casts=int(wide.dtype != x.dtype and not isinstance(x, nn.Parameter)))
    return wide


def enter(island: Island, casts: int = 0) -> None:
    """Note that the computation is in `island` from here; `casts`: activations that were widened for it."""
    entered = _entered.get()
    if entered is not None:
        entered[island] += casts


@contextmanager
def islands_entered() -> Iterator[Counter[Island]]:
    """Within the block: the islands that a model enters, with the number of activations that each widened."""
    entered: Counter[Island] = Counter()
    token = _entered.set(entered)
    try:
        yield entered
    finally:
        _entered.reset(token)
