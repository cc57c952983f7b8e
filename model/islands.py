"""Where a half precision model computes in float32 all the same: islands with names, noted when they are entered.

It imports no PyTorch: a device that only rebuilds an engine reads their reasons too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeAlias

Island: TypeAlias = Literal["normalise", "group_norm", "decode", "nms", "dynamic_mask_head", "appearance"]
REASONS: dict[Island, str] = {
    "normalise": "uint8 pixels minus mean over std, one pass over the input, before the first rounding",
    "group_norm": "sums of squares over a level overflow float16",
    "decode": "scores are compared with each other and with thresholds; boxes need more than 11 bits",
    "nms": "IoU against a threshold",
    "appearance": "sums over all cells of a map",
    "dynamic_mask_head": "relative coordinates and accumulation; storage is float16 (bfloat16 graph: float32)",
}
_entered: ContextVar[Counter[Island] | None] = ContextVar("_entered", default=None)


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
