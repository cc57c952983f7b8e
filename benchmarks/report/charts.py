"""Charts as HTML and SVG without a script. Words are HTML beside the drawing, never inside it: a drawing may then be
stretched to any width, and its words stay readable on a phone and in print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.timing.intervals import Interval, figures

Array = NDArray[Any]
WIDTH, HEIGHT = 1000, 100  # of a drawing's own coordinates
BINS = 60


def comparison(rows: Mapping[str, tuple[Interval, Interval]]) -> str:
    """Per model its median end to end with its interval, and the engine's part of it, in milliseconds."""
    longest = max(whole.high for whole, _ in rows.values()) or 1.0
    lines = []
    for number, (label, (whole, engine)) in enumerate(rows.items()):
        low, high = _share(whole.low, longest), _share(whole.high, longest)
        bar = (
            f'<div class="bar m{number % 6}" style="width:{_share(whole.value, longest)}%">'
            f'<div class="engine" style="width:{_share(engine.value, whole.value)}%"></div></div>'
            f'<div class="whisker" style="left:{low}%;width:{max(high - low, 0.2):.2f}%"></div>'
        )
        numbers = (
            f"<b>{figures(whole.value)} ms</b> [{figures(whole.low)}, {figures(whole.high)}], "
            f"engine {figures(engine.value)} ms"
        )
        lines.append(
            f'<div class="row"><div class="label">{escape(label)}</div><div class="track">{bar}</div>'
            f'<div class="value">{numbers}</div></div>'
        )
    return "".join(lines)


def breakdown(rows: Mapping[str, Mapping[str, float]], stages: Sequence[str]) -> str:
    """Per model one bar, of which every stage (mean milliseconds) is a part; a legend above."""
    key = "".join(f'<span><i class="s{i % 8}"></i>{escape(stage)}</span>' for i, stage in enumerate(stages))
    longest = max(sum(parts.values()) for parts in rows.values()) or 1.0
    lines = [f'<p class="legend">{key}</p>']
    for label, parts in rows.items():
        pieces = "".join(
            f'<div class="s{i % 8}" style="width:{_share(parts[stage], longest)}%"></div>'
            for i, stage in enumerate(stages)
            if stage in parts
        )
        words = ", ".join(f"{escape(stage)} {figures(parts[stage])}" for stage in stages if stage in parts)
        lines.append(
            f'<div class="row"><div class="label">{escape(label)}</div><div class="track stack">{pieces}</div>'
            f'<div class="value">{words} ms</div></div>'
        )
    return "".join(lines)


def distributions(rows: Mapping[str, Array]) -> str:
    """Per model a histogram of all its samples (milliseconds) over one logarithmic axis; nothing is cut off."""
    everything = np.concatenate(list(rows.values()))
    low, high = max(float(everything.min()), 1e-6), float(everything.max())
    edges = np.geomspace(low * 0.98, max(high, low * 1.01) * 1.02, BINS + 1)
    lines = []
    for number, (label, samples) in enumerate(rows.items()):
        counts, _ = np.histogram(samples, edges)
        tallest = max(int(counts.max()), 1)
        step = WIDTH / BINS
        bars = "".join(
            f'<rect x="{i * step:.1f}" y="{HEIGHT * (1 - _root(count / tallest)):.1f}" width="{step * 0.92:.1f}" '
            f'height="{HEIGHT * _root(count / tallest):.1f}"/>'
            for i, count in enumerate(counts.tolist())
            if count
        )
        p50, p99 = np.percentile(samples, (50, 99))
        told = f"p50 {figures(p50)} ms, p99 {figures(p99)} ms, longest {figures(float(samples.max()))} ms"
        marks = "".join(_mark(value, edges, name) for name, value in (("p50", p50), ("p99", p99)))
        lines.append(
            _figure(f"{label}: {len(samples)} samples, {told}", f'<g class="f{number % 6}">{bars}</g>{marks}', "")
        )
    ticks = "".join(f"<span>{figures(value)} ms</span>" for value in np.geomspace(edges[0], edges[-1], 5))
    return f'{"".join(lines)}<p class="axis">{ticks}</p>'


def timelines(rows: Mapping[str, Sequence[Array]]) -> str:
    """Per model every frame's time (milliseconds) in the order they were measured, on one logarithmic axis from the
    shortest to the longest; every other turn is shaded."""
    everything = np.log(np.concatenate([turn for turns in rows.values() for turn in turns]))
    low, high = float(everything.min()), float(everything.max())
    axis = f"{figures(np.exp(low))} to {figures(np.exp(high))} ms, logarithmic"
    lines = []
    for number, (label, turns) in enumerate(rows.items()):
        total = sum(len(turn) for turn in turns)
        shades, dots, at = [], [], 0
        for index, turn in enumerate(turns):
            if index % 2:
                left, width = WIDTH * at / total, WIDTH * len(turn) / total
                shades.append(f'<rect x="{left:.1f}" y="0" width="{width:.1f}" height="{HEIGHT}"/>')
            for offset, value in enumerate(np.log(turn).tolist()):
                x, y = WIDTH * (at + offset + 0.5) / total, 96 - 92 * (value - low) / max(high - low, 1e-9)
                dots.append(f"M{x:.1f} {y:.1f}h0")
            at += len(turn)
        body = f'<g class="shade">{"".join(shades)}</g><path class="dots d{number % 6}" d="{"".join(dots)}"/>'
        lines.append(_figure(f"{label}: frame 1 to {total},", body, axis))
    return "".join(lines)


def _figure(title: str, body: str, axis: str) -> str:
    note = f'<span class="note">{escape(axis)}</span>' if axis else ""
    return (
        f'<figure><figcaption>{escape(title)} {note}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'preserveAspectRatio="none" role="img" aria-label="{escape(title)}">{body}</svg></figure>'
    )


def _mark(value: float, edges: Array, name: str) -> str:
    x = WIDTH * (np.log(value) - np.log(edges[0])) / (np.log(edges[-1]) - np.log(edges[0]))
    return f'<line class="{name}" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{HEIGHT}"/>'


def _root(fraction: float) -> float:
    """Heights are square roots: a single outlier stays visible beside hundreds."""
    return float(np.sqrt(fraction))


def _share(value: float, whole: float) -> float:
    """Percent, two decimals."""
    return round(100 * min(value / whole, 1.0), 2) if whole > 0 else 0.0
