"""A comparison as `export-report.json` holds it, written and read; what is read is held against a table first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

from stc.benchmarks.agreement.floor import Floor
from stc.benchmarks.agreement.parity import Agreement
from stc.export.graph.precision import Precision
from stc.export.proof.ranges import Extreme, Ranges
from stc.export.proof.verification import NotCompared, Speed, Stage, Verification
from stc.runtime import schema

Verified = Verification | NotCompared
_PRECISION = schema.choice(*get_args(Precision))
_COMPARED: schema.Table = {
    "precision": _PRECISION,
    "agreement": schema.whole_record(Agreement),
    "speed": schema.optional(schema.whole_record(Speed)),
    "ranges": schema.whole_record(Ranges),
    "stages": schema.items(schema.whole_record(Stage), 0, 10_000),
}
_NOT_COMPARED: schema.Table = {"precision": _PRECISION, "reason": schema.text(10_000)}


def to_json(v: Verified) -> dict[str, Any]:
    if isinstance(v, NotCompared):
        return {"precision": v.precision, **v.to_dict()}
    return {
        "precision": v.precision,
        "agreement": v.agreement.to_dict(),
        "speed": None if v.speed is None else {**asdict(v.speed), "ratio": v.speed.ratio},
        "ranges": {
            **asdict(v.ranges),
            "largest": [{**asdict(extreme), "magnitude": _finite(extreme.magnitude)} for extreme in v.ranges.largest],
        },
        "stages": [
            {**asdict(stage), "relative": stage.relative, "float16_headroom": _finite(stage.float16_headroom)}
            for stage in v.stages
        ],
    }


def from_json(values: Any) -> Verified:
    """Inverse of `to_json`, after JSON. Raises ValueError for anything else, with what is wrong."""
    table = _COMPARED if isinstance(values, Mapping) and "agreement" in values else _NOT_COMPARED
    if wrong := list(schema.record(table, tuple(table))(values, "verification")):
        raise ValueError(schema.sentence(wrong))
    if table is _NOT_COMPARED:
        return NotCompared(values["precision"], values["reason"])
    agreement, ranges, speed = values["agreement"], values["ranges"], values["speed"]
    measured = agreement.get("floor")
    required = {name: tuple(pair) for name, pair in agreement["required"].items()}
    largest = tuple(
        Extreme(extreme["name"], float("inf") if extreme["magnitude"] is None else extreme["magnitude"])
        for extreme in ranges["largest"]
    )
    return Verification(
        values["precision"],
        tuple(Stage(**schema.known(Stage, stage)) for stage in values["stages"]),
        Ranges(**{**schema.known(Ranges, ranges), "largest": largest}),
        Agreement(
            **{
                **schema.known(Agreement, agreement),
                "required": required,
                "floor": None if measured is None else Floor(**schema.known(Floor, measured)),
            }
        ),
        None if speed is None else Speed(**schema.known(Speed, speed)),
    )


def _finite(value: float) -> float | None:
    return value if value < float("inf") else None  # JSON knows no infinity
