"""What a comparison comes to, in sentences: verdict, speed and agreement, before any table of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stc.benchmarks.agreement.metrics import BUDGETS, METRICS
from stc.benchmarks.timing.intervals import figures
from stc.runtime.stages import END_TO_END, ENGINE

if TYPE_CHECKING:
    from stc.benchmarks.agreement.parity import Agreement
    from stc.benchmarks.report.structure import ModelReport, Report

_TITLES = {metric.name: metric for metric in METRICS}


def opening(report: Report) -> list[str]:
    """The verdict, then the speed of each model, then what its agreement with PyTorch is."""
    return [verdict(report), *map(speed, report.models), *map(_agreement, report.models)]


def verdict(report: Report) -> str:
    named = [model for model in report.models if model.verdict == report.verdict]
    if report.verdict == "pass":
        finds = "finds" if len(named) == 1 else "find"
        limits = joined(list(dict.fromkeys(model.precision for model in named)))
        text = f"{joined([model.label for model in named])} {finds} what PyTorch finds, within the limits of {limits}"
    elif report.verdict == "fail":
        text = "; ".join(missed(model.label, model.failures) for model in named)
    else:
        text = f"nothing is proven of what {joined([model.label for model in named])} finds"
    return f"verdict {report.verdict}: {text}."


def missed(subject: str, failures: Sequence[str]) -> str:
    """Of a failed comparison: how many limits `subject` misses, and the first."""
    count = "a limit" if len(failures) == 1 else f"{len(failures)} limits, first"
    return f"{subject} misses {count}: {failures[0]}" if failures else f"{subject} misses its limits"


def speed(model: ModelReport) -> str:
    whole, engine = model.stages[END_TO_END], model.stages[ENGINE]
    return (
        f"{model.label}: {figures(model.fps)} FPS end to end; a frame takes {figures(whole.p50_ms)} ms (median), "
        f"99 of 100 at most {figures(whole.p99_ms)} ms, and the engine alone {figures(engine.p50_ms)} ms."
    )


def agreement(subject: str, found: Agreement, precision: str) -> str:
    """By what its budget limits: every detection, or what a user sees of the tracks."""
    seen = {name: metric.shown(getattr(found, name)) for name, metric in _TITLES.items()}
    compared = f"{found.detections} detections of {found.tracks} tracks in {found.frames} frames"
    if "detections_matched" in BUDGETS[precision].limits:
        return (
            f"{subject}: of {compared}, {seen['detections_matched']} are matched, boxes within "
            f"{seen['boxes_max_px']}, masks with an IoU of at least {seen['mask_iou_min']}; {seen['ids_equal']} "
            "of the ids are equal."
        )
    return (
        f"{subject}: of PyTorch's objects on tracks {seen['tracks_recall']} are found again ({compared}), their masks "
        f"with a mean IoU of {seen['tracks_iou']}; {seen['tracks_ids']} of the ids are kept."
    )


def joined(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _agreement(model: ModelReport) -> str:
    if model.proof is None:
        return f"{model.label}: not compared with PyTorch."
    return agreement(model.label, model.proof.agreement, model.precision)
