"""The scores of `stc-eval` in lines: every clip, then a table of the classes, as wide as the terminal is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.cells import cell_len

from stc.benchmarks.columns import Column, all_wrapped, table
from stc.benchmarks.evaluation.clip_score import ClipScore
from stc.benchmarks.evaluation.evaluate import SUMMED, EvaluationReport
from stc.benchmarks.timing.intervals import Interval

COLUMNS = (
    *("objects", "tracks", "AP", "AP50", "AP75", "APs", "APm", "APl", "AP_light", "AP_medium", "AP_heavy"),
    *("AR1", "AR10", "AR100", "HOTA", "IDF1", "IDSW"),
)


def lines(
    report: EvaluationReport, clips: Sequence[ClipScore], intervals: Mapping[str, Interval], width: int | None
) -> list[str]:
    """Lines of at most `width` cells, from 40 on; None: each clip and class is one line."""
    told = [_clip(clip) for clip in clips]
    found = [_interval(name, interval) for name, interval in intervals.items()]
    between = [""] if found else []
    return [*all_wrapped(told, width), "", *_classes(report, width), *between, *all_wrapped(found, width)]


def _clip(clip: ClipScore) -> str:
    return (
        f"{clip.name:24s} J {clip.mean_j:.3f}  recall {clip.recall:.3f}  cover changes {clip.id_switches}  "
        f"({clip.objects} objects, {clip.frames} annotated frames)"
    )


def _classes(report: EvaluationReport, width: int | None) -> list[str]:
    """A row per class; where that is too wide, a row per score."""
    rows = {**report.classes, "mean (counts: sum)": report.mean}
    names = [name for name in COLUMNS if name in report.mean]
    numbers = {name: [_cell(name, row[name]) for row in rows.values()] for name in names}
    wide = table([Column("", list(rows)), *(Column(name, cells) for name, cells in numbers.items())], None)
    if width is None or cell_len(wide[0]) <= width:
        return wide
    turned = zip(rows, zip(*numbers.values(), strict=True), strict=True)
    return table([Column("", names), *(Column(label, cells) for label, cells in turned)], width)


def _cell(column: str, value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0f}" if column in SUMMED else f"{value:.3f}"


def _interval(name: str, found: Interval) -> str:
    return f"mean {name} {found.value:.3f}, 95 % of resampled videos give {found.low:.3f} to {found.high:.3f}"
