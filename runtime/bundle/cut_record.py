"""What a passport says of the graph without its last node, the dynamic mask head, that stands in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from stc.runtime import schema

INPUTS = 5  # of the op
DTYPES = ("float32", "float16")  # of masks


@dataclass(frozen=True)
class CutRecord:
    """`Passport.cuts`, of one model file. The SHA-256 of `file` is in `Passport.files`.

    `attributes` are the op's, `tensors` its five inputs in its order: outputs of the rest; those of them in `internal`
    are no outputs of the whole graph. `dtype` and `shape` are of its output `masks`, None for a free size.
    """

    file: Annotated[str, schema.file_name()]
    attributes: Annotated[Mapping[str, int], schema.mapping(schema.integer(-(2**63), 2**63 - 1), 100)]
    tensors: Annotated[tuple[str, ...], schema.items(schema.text(1000), INPUTS, INPUTS)]
    internal: Annotated[tuple[str, ...], schema.items(schema.text(1000), 0, INPUTS)]
    dtype: Annotated[str, schema.choice(*DTYPES)]
    shape: Annotated[tuple[int | None, ...], schema.items(schema.optional(schema.integer(0, 1 << 31)), 4, 4)]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


FIELDS = schema.table(CutRecord)
REQUIRED = tuple(FIELDS)


def from_dict(values: Mapping[str, Any]) -> CutRecord:
    """Of a passport that was read, so whose fields are what they must be."""
    return CutRecord(**schema.known(CutRecord, values))
