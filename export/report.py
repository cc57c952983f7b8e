"""The export's report: JSON for machines, one self-contained page for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stc.benchmarks.agreement.metrics import METRICS
from stc.benchmarks.report import words
from stc.benchmarks.report.html import badge, document, facts, opening, paragraph, section, table
from stc.export.proof.ranges import FLOAT16_MAX, Ranges
from stc.export.proof.record import Verified, from_json, to_json
from stc.export.proof.verification import NotCompared, Stage
from stc.files import write_json, write_text
from stc.runtime.bundle import engines
from stc.runtime.bundle.passport import Passport

FP16_NOTE = (
    "float16 was run by ONNX Runtime on a CPU, which computes in float32 and rounds what it stores: "
    "this shows the rounding of storage, not a GPU's accumulation."
)
_VERDICTS = ("fail", "unproven", NotCompared.verdict, "pass")  # the worst first
FILES = ("export-report.json", "export-report.html")


def write_report(folder: Path, passport: Passport, verifications: Sequence[Verified], engine: str) -> None:
    """Write `export-report.json` and `export-report.html` into `folder`; `engine` is a sentence on the engine."""
    report = {
        "passport": asdict(passport),
        "engine": engine,
        "verifications": [to_json(v) for v in verifications],
        "notes": [FP16_NOTE] if any(v.precision == "fp16" for v in verifications) else [],
    }
    write_json(folder / FILES[0], report)
    write_text(folder / FILES[1], _page(passport, verifications, engine))


def read(folder: Path) -> tuple[Verified, ...]:
    """The verifications in `folder`'s report, for a new one; none when there is no report that this version reads."""
    try:
        report = json.loads((folder / FILES[0]).read_text(encoding="utf-8"))
        return tuple(from_json(values) for values in report["verifications"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return ()


def verdict(passport: Passport) -> str:
    """The worst of all files, in ONNX Runtime."""
    verdicts = {values.get("verdict") for values in _proven(passport).values()}
    return next((v for v in _VERDICTS if v in verdicts), "unproven")


def in_words(passport: Passport, verifications: Sequence[Verified]) -> list[str]:
    """The verdict, the speed where it was measured, and what the agreement with PyTorch is: a sentence for each."""
    worst = verdict(passport)
    shown = "unproven" if worst == NotCompared.verdict else worst
    told = [f"verdict {shown}: {_verdict_in_words(passport)}."]
    compared = [v for v in verifications if not isinstance(v, NotCompared)]
    speeds = [f"{v.precision}, {v.speed}." for v in compared if v.speed is not None]
    told += speeds or ["No speed was measured here: stc-bench with this folder does, on the machine that will run it."]
    return told + [words.agreement(v.precision, v.agreement, v.precision) for v in compared]


def _verdict_in_words(passport: Passport) -> str:
    worst, files = verdict(passport), _proven(passport)
    named = [name for name, values in files.items() if values.get("verdict") == worst]
    if worst == "pass":
        return f"{words.joined(named)} {'finds' if len(named) == 1 else 'find'} what PyTorch finds in float32"
    if worst == "fail":
        return "; ".join(words.missed(name, _failures(files[name])) for name in named)
    if worst == NotCompared.verdict:
        return f"{words.joined(named)} {'was' if len(named) == 1 else 'were'} {worst}"
    return f"nothing is proven of what {words.joined(named)} finds" if named else "nothing was compared"


def _failures(values: dict[str, Any]) -> list[str]:
    """Whatever a passport of somebody else holds there."""
    found = values.get("failures")
    return [str(failure) for failure in found] if isinstance(found, (list, tuple)) else []


def _proven(passport: Passport) -> dict[str, dict[str, Any]]:
    """What came of each file in ONNX Runtime."""
    return {name: values for name, values in passport.agreement.items() if not engines.is_record(name)}


def _page(passport: Passport, verifications: Sequence[Verified], engine: str) -> str:
    known = {
        "Checkpoint": f"{passport.checkpoint['file']} ({passport.checkpoint['layout']})",
        "sha256": passport.checkpoint["sha256"],
        "Input": f"{passport.sizes_in_words}, resize {passport.resize}",
        "Classes": ", ".join(passport.classes),
        "Detections": f"at most {passport.max_detections}, score >= {passport.score_threshold:.4f}, "
        f"decode rule {passport.checkpoint.get('decode_rule', 'adelaidet')}",
        "Engine": engine,
        **{f"Read {key}": value for key, value in passport.checkpoint.get("read", {}).items()},
        **{f"Assumed {key}": value for key, value in passport.checkpoint["assumed"].items()},
    }
    title = f"Export of {passport.name}"
    parts = [opening(title, verdict(passport), in_words(passport, verifications))]
    parts += [_verified(v) for v in verifications]
    if scored := [
        (name, v["ground_truth"]["summary"]) for name, v in passport.agreement.items() if "ground_truth" in v
    ]:
        parts.append(section("Against ground truth, beside float32", facts(scored)))
    if passport.engine is not None:
        parts.append(section("Precision of the engine's network", facts(_audit_rows(passport.engine["precision"]))))
    islands = list(passport.precision["fp32_islands"].items())
    parts.append(section("Where it computes in float32 all the same", facts(islands) if islands else ""))
    parts.append(section("What was exported", facts([(name, str(value)) for name, value in known.items()])))
    return document(title, "".join(parts))


def _verified(v: Verified) -> str:
    """What the comparison of one file found."""
    heading = f"<h2>{v.precision} against PyTorch float32 "
    if isinstance(v, NotCompared):
        return f"{heading}{badge('unproven')}</h2>{paragraph(f'{v.verdict}: {v.reason}')}"
    agreement = v.agreement
    parts = [f"{heading}{badge(agreement.verdict)}</h2>"]
    parts += [paragraph(f"missed budget: {failure}", "missed") for failure in agreement.failures]
    if agreement.floor is not None:
        parts.append(paragraph(str(agreement.floor)))
    if v.precision == "fp16":
        parts.append(paragraph(FP16_NOTE))
    if v.speed is not None:
        parts.append(paragraph(str(v.speed)))
    counted = f"{agreement.detections} detections of {agreement.tracks} tracks in {agreement.frames} frames"
    parts.append(paragraph(counted))
    parts.append(table((), [(metric.title, metric.shown(getattr(agreement, metric.name))) for metric in METRICS]))
    parts.append(paragraph(ranges_sentence(v.ranges)))
    parts.append(table(_RANGE_HEADER, [(extreme.name, _number(extreme.magnitude)) for extreme in v.ranges.largest]))
    stages = table(_STAGE_HEADER, [_stage_row(stage) for stage in v.stages])
    parts.append(f"<details><summary>{len(v.stages)} tensors inside the network</summary>{stages}</details>")
    return "".join(parts)


def ranges_sentence(ranges: Ranges) -> str:
    """What the range check saw, in words."""
    largest = ranges.largest[0]
    text = f"{ranges.tensors} tensors on {ranges.frames} frames; "
    text += f"largest {ranges.type}: {largest.magnitude:.4g} of {largest.name}"
    if ranges.type == "float16":
        text += f", {FLOAT16_MAX / largest.magnitude if largest.magnitude else float('inf'):.3g} times below the limit"
    return text


def _audit_rows(audit: dict[str, Any]) -> list[tuple[str, str]]:
    rows = {
        "Precision": audit["precision"],
        "Layers": f"{audit['layers_asked']} of {audit['layers']}",
        "Multiply-adds": f"{100 * audit['fraction']:.2f} % of {audit['multiply_adds']:,} per run",
        "Engine inspector": audit["inspector"].removeprefix("engine inspector: "),
        **{f"Largest other: {name}": f"{kind}, {count:,}" for name, kind, count in audit["others"]},
    }
    return [(key, str(value)) for key, value in rows.items()]


_RANGE_HEADER = ("tensor written by", "largest value")
_STAGE_HEADER = ("stage (first frame)", "max error", "mean error", "largest value", "relative", "float16 headroom")


def _stage_row(stage: Stage) -> tuple[str, ...]:
    values = (stage.max_error, stage.mean_error, stage.magnitude, stage.relative, stage.float16_headroom)
    return (stage.name, *map(_number, values))


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
