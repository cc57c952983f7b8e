"""A comparison as `export-report.json` holds it, written and read; what is read is held against a table first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, get_args

from stc.benchmarks.agreement import floor
from stc.benchmarks.agreement.floor import Floor
from stc.benchmarks.agreement.parity import Agreement
from stc.export.graph.precision import Precision
from stc.export.proof.ranges import Extreme, Ranges
from stc.export.proof.verification import NotCompared, Speed, Stage, Verification
from stc.runtime import schema

Verified = Verification | NotCompared
_COUNT = schema.integer(0, 1 << 62)
_MEASURE = schema.optional(schema.number(-1e300, 1e300))  # None: not finite, or not measured
_WORDS = schema.text(10_000)
_FAILURES = schema.items(_WORDS, 0, 1000)
_AGREEMENT: schema.Table = {
    **dict.fromkeys(("frames", "detections", "tracks", "id_switches", "not_finite"), _COUNT),
    **dict.fromkeys(("detections_matched", "detections_left_out", "boxes_max_px", "scores_max", "masks_max"), _MEASURE),
    **dict.fromkeys(("mask_iou_mean", "mask_iou_p1", "mask_iou_min", "embedding_cos_min"), _MEASURE),
    **dict.fromkeys(("frame_masks_off", "ids_equal", "idf1"), _MEASURE),
    "required": schema.mapping(schema.items(_MEASURE, 2, 2)),
    "first_divergence": _WORDS,
    "verdict": schema.choice("pass", "fail", "unproven"),
    "failures": _FAILURES,
    "floor": schema.optional(schema.record(floor.FIELDS, tuple(floor.FIELDS))),
}
_STAGE: schema.Table = {
    "name": _WORDS,
    **dict.fromkeys(("max_error", "mean_error", "magnitude"), schema.number(0, 1e300)),
}
_EXTREME: schema.Table = {"name": _WORDS, "magnitude": schema.optional(schema.number(0, 1e300))}
_RANGES: schema.Table = {
    **dict.fromkeys(("frames", "tensors"), _COUNT),
    "type": schema.choice("float16", "float32"),
    "largest": schema.items(schema.record(_EXTREME, tuple(_EXTREME)), 1, 1000),
    "failures": _FAILURES,
}
_SPEED: schema.Table = {
    **dict.fromkeys(("ms", "fp32_ms"), schema.number(0, 1e300, above=True)),
    "rounds": schema.integer(1, 1 << 31),
}
_PRECISION = schema.choice(*get_args(Precision))
_COMPARED: schema.Table = {
    "precision": _PRECISION,
    "agreement": schema.record(_AGREEMENT, tuple(name for name in _AGREEMENT if name != "floor")),
    "speed": schema.optional(schema.record(_SPEED, tuple(_SPEED))),
    "ranges": schema.record(_RANGES, tuple(_RANGES)),
    "stages": schema.items(schema.record(_STAGE, tuple(_STAGE)), 0, 10_000),
}
_NOT_COMPARED: schema.Table = {"precision": _PRECISION, "reason": _WORDS}


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
    largest = tuple(
        Extreme(extreme["name"], float("inf") if extreme["magnitude"] is None else extreme["magnitude"])
        for extreme in ranges["largest"]
    )
    return Verification(
        values["precision"],
        tuple(Stage(**_known(Stage, stage)) for stage in values["stages"]),
        Ranges(**{**_known(Ranges, ranges), "largest": largest, "failures": tuple(ranges["failures"])}),
        Agreement(
            **{
                **_known(Agreement, agreement),
                "required": {name: tuple(pair) for name, pair in agreement["required"].items()},
                "failures": tuple(agreement["failures"]),
                "floor": None if measured is None else Floor(**_known(Floor, measured)),
            }
        ),
        None if speed is None else Speed(**_known(Speed, speed)),
    )


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the data class `kind`; a later version may have written more."""
    return {field.name: values[field.name] for field in fields(kind) if field.name in values}


def _finite(value: float) -> float | None:
    return value if value < float("inf") else None  # JSON knows no infinity
