"""What a passport says of the graph without its last node, the dynamic mask head, that stands in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from stc.runtime import schema

INPUTS = 5  # of the op
DTYPES = ("float32", "float16")  # of masks

FIELDS: schema.Table = {
    "file": schema.file_name(),
    "attributes": schema.mapping(schema.integer(-(2**63), 2**63 - 1), 100),
    "tensors": schema.items(schema.text(1000), INPUTS, INPUTS),
    "internal": schema.items(schema.text(1000), 0, INPUTS),
    "dtype": schema.choice(*DTYPES),
    "shape": schema.items(schema.optional(schema.integer(0, 1 << 31)), 4, 4),
}
REQUIRED = tuple(FIELDS)


@dataclass(frozen=True)
class CutRecord:
    """`Passport.cuts`, of one model file. The SHA-256 of `file` is in `Passport.files`.

    `attributes` are the op's, `tensors` its five inputs in its order: outputs of the rest; those of them in `internal`
    are no outputs of the whole graph. `dtype` and `shape` are of its output `masks`, None for a free size.
    """

    file: str
    attributes: Mapping[str, int]
    tensors: tuple[str, ...]
    internal: tuple[str, ...]
    dtype: str
    shape: tuple[int | None, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def from_dict(values: Mapping[str, Any]) -> CutRecord:
    """Of a passport that was read, so whose fields are what they must be."""
    known = {f.name: values[f.name] for f in fields(CutRecord)}
    fixed: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in known.items()}
    return CutRecord(**fixed)
