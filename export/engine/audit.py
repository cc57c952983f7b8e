"""How much of a network computes in the precision that was asked for. Counting only; see network_layers.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from stc.errors import AccuracyError
from stc.export.precision import Precision

TYPES: dict[Precision, str] = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "int8": "int8"}
# The least fraction of the multiply-adds. int8 is for some convolutions of backbone and pyramid alone: heads, depthwise
# and first convolutions stay float32.
LEAST: dict[Precision, float] = {"fp32": 0.95, "fp16": 0.95, "bf16": 0.95, "int8": 0.01}
_SHOWN = 3


@dataclass(frozen=True)
class Layer:
    """A layer that computes: its type is that of the numbers it reads, "float32", "float16", "bfloat16" or "int8"."""

    name: str
    kind: str
    type: str
    multiply_adds: int = 0


@dataclass(frozen=True)
class Audit:
    """`layers` compute, `layers_asked` of them in the precision asked for; the same of multiply-adds, per run.

    `others` are the largest layers of another type, as (name, type, multiply-adds).
    """

    precision: Precision
    layers: int
    layers_asked: int
    multiply_adds: int
    multiply_adds_asked: int
    others: tuple[tuple[str, str, int], ...]

    @property
    def fraction(self) -> float:
        """Of the multiply-adds, 0..1."""
        return self.multiply_adds_asked / self.multiply_adds if self.multiply_adds else 0.0

    def __str__(self) -> str:
        percent = 100 * self.fraction
        return f"{self.precision}: {self.layers_asked} of {self.layers} layers, {percent:.1f} % of the multiply-adds"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "fraction": self.fraction}


def count(layers: Iterable[Layer], precision: Precision) -> Audit:
    layers = list(layers)
    wanted = [layer for layer in layers if layer.type == TYPES[precision]]
    others = sorted(
        (layer for layer in layers if layer.type != TYPES[precision] and layer.multiply_adds),
        key=lambda layer: -layer.multiply_adds,
    )
    return Audit(
        precision=precision,
        layers=len(layers),
        layers_asked=len(wanted),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        multiply_adds_asked=sum(layer.multiply_adds for layer in wanted),
        others=tuple((layer.name, layer.type, layer.multiply_adds) for layer in others[:_SHOWN]),
    )


def check(audit: Audit, source: str) -> None:
    """Raise AccuracyError when the network of the file `source` is not of the precision that was asked for."""
    if audit.fraction < LEAST[audit.precision]:
        largest = ", ".join(f"{name} ({kind})" for name, kind, _ in audit.others) or "none of them multiplies"
        raise AccuracyError(
            f"{source}: {audit}, at least {100 * LEAST[audit.precision]:.0f} % are needed; the largest others: "
            f"{largest}; re-export with: stc-export --ckpt FILE"
        )
