"""The report as one self-contained page: no script, no font, no address of anything else."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from stc.benchmarks.agreement.metrics import BUDGETS, METRICS, Metric
from stc.benchmarks.report import charts, words
from stc.benchmarks.report.html import badge, document, facts, opening, section, table
from stc.benchmarks.report.pictures import Picture
from stc.benchmarks.report.structure import HEADLINES, ModelReport, Report, outer_stages
from stc.benchmarks.report.terminal import (
    STAGE_COLUMNS,
    contents,
    function_body_sentence,
    load_sentence,
    memory_sentence,
    ratio_sentence,
    stage_rows,
)
from stc.benchmarks.timing.intervals import figures
from stc.runtime.stages import END_TO_END, ENGINE


def render(report: Report, pictures: Mapping[str, Sequence[Picture]]) -> str:
    """pictures: of the worst instances, by the model's label."""
    title = f"stc-bench: {', '.join(model.label for model in report.models)}"
    height, width = report.source_size
    parts = [
        opening(
            "stc-bench", report.verdict, words.opening(report), f"{report.setting}; {report.source}, {width}x{height}"
        ),
        _cautions(report),
        f'<section class="cards">{"".join(_card(model) for model in report.models)}</section>',
        f"<p>{escape(contents(report))}.</p>",
        section("Side by side", _comparison(report)),
        section("Stages", _breakdown(report) + "".join(_stages(model) for model in report.models)),
        section("Distribution of the end-to-end times", charts.distributions(_whole(report))),
        section("Every frame, in the order of measurement", charts.timelines(_turns(report))),
        section("Agreement with PyTorch", _agreement(report)),
        section("Where they agree least", _pictures(pictures)),
        section("What it was measured on", _environment(report)),
    ]
    return document(title, "".join(parts))


def _cautions(report: Report) -> str:
    lines = "".join(f"<li>{escape(caution)}</li>" for caution in report.cautions)
    return f'<ul class="cautions">{lines}</ul>' if lines else ""


def _card(model: ModelReport) -> str:
    engine, whole = (model.intervals[name] for name in HEADLINES)
    told = [
        *(f"end to end {name} {whole[f'{name}_ms'].shown(' ms')}" for name in ("p50", "p99")),
        f"engine only p50 {figures(engine['p50_ms'].value)} ms, {figures(1e3 / model.stages[ENGINE].mean_ms)} FPS",
        f"{model.frames} frames, {figures(model.objects)} objects each, variation {model.variation:.1%}",
        f"{model.precision}; {model.engine}; masks by {model.mask_head}",
        model.bound.in_words(model.device),
        *([f"{model.dropped} frames dropped, {model.late} late"] if model.dropped or model.late else []),
        *filter(None, [load_sentence(model)]),
    ]
    lines = "".join(f"<li>{escape(fact)}</li>" for fact in told)
    return (
        f"<article><h3>{escape(model.label)} {badge(model.verdict)}</h3>"
        f'<p class="big">{figures(model.fps)}<small> FPS end to end</small></p><ul>{lines}</ul></article>'
    )


def _comparison(report: Report) -> str:
    rows = {m.label: (m.intervals[END_TO_END]["p50_ms"], m.intervals[ENGINE]["p50_ms"]) for m in report.models}
    sentences = [ratio_sentence(ratio) for ratio in report.ratios]
    if report.function_body is not None:
        sentences.append(function_body_sentence(report.function_body))
    note = "Medians end to end; the darker part is the engine, the line the bootstrap interval."
    return charts.comparison(rows) + f"<p class=note>{note}</p>" + "".join(f"<p>{escape(s)}.</p>" for s in sentences)


def _breakdown(report: Report) -> str:
    rows = {m.label: {name: m.stages[name].mean_ms for name in outer_stages(m.stages)} for m in report.models}
    return charts.breakdown(rows, list(dict.fromkeys(name for row in rows.values() for name in row)))


def _stages(model: ModelReport) -> str:
    return f"<h3>{escape(model.label)}</h3>" + table(STAGE_COLUMNS, stage_rows(model))


def _whole(report: Report) -> dict[str, np.ndarray]:
    return {m.label: np.concatenate(m.samples.stage(END_TO_END)) * 1e3 for m in report.models}


def _turns(report: Report) -> dict[str, list[np.ndarray]]:
    return {m.label: [turn * 1e3 for turn in m.samples.stage(END_TO_END)] for m in report.models}


def _agreement(report: Report) -> str:
    parts = []
    for model in report.models:
        found = [model.proof.truth.origin] if model.proof else ["there is no reference of this model to compare with"]
        if model.proof is not None:
            agreement = model.proof.agreement
            found += [f"{agreement.detections} detections of {agreement.tracks} tracks"]
            found += [f"first diverging stage: {agreement.first_divergence}"] if agreement.first_divergence else []
        parts.append(f"<p><b>{escape(model.label)}</b> {badge(model.verdict)} {escape('; '.join(found))}</p>")
        parts += [] if model.ground_truth is None else [f"<p>{escape(model.ground_truth.in_words())}</p>"]
        parts += [f'<p class="missed">missed budget: {escape(failure)}</p>' for failure in model.failures]
    proven = [model for model in report.models if model.proof is not None]
    if not proven:
        return "".join(parts)
    rows = [(metric.title, *(_compared(model, metric) for model in proven)) for metric in METRICS]
    outputs = proven[0].proof.agreement.required if proven[0].proof else {}
    rows += [
        (f"minimum required tolerance, {name}", *(_tolerance(model, name) for model in proven)) for name in outputs
    ]
    parts.append(table(("", *(f"{model.label} ({model.precision})" for model in proven)), rows))
    return "".join(parts) + "".join(_inside(model) for model in proven)


def _compared(model: ModelReport, metric: Metric) -> str:
    """A value of the agreement, and what its budget allows."""
    assert model.proof is not None
    shown, limit = metric.shown(getattr(model.proof.agreement, metric.name)), BUDGETS[model.precision].limits
    return f"{shown} ({metric.allowed(limit[metric.name])})" if metric.name in limit else shown


def _tolerance(model: ModelReport, output: str) -> str:
    assert model.proof is not None
    absolute, relative = model.proof.agreement.required[output]
    return f"abs {absolute:.3g} or rel {relative:.3g}"


def _inside(model: ModelReport) -> str:
    assert model.proof is not None
    if not model.proof.stages:
        return ""
    rows = [(s.name, f"{s.relative:.2g}", f"{s.allowed:.2g}") for s in model.proof.stages]
    inside = table(("tensor (first frame)", "relative error", "explained by rounding"), rows)
    return (
        f"<details><summary>{escape(model.label)}: {len(rows)} tensors inside the network</summary>{inside}</details>"
    )


def _pictures(pictures: Mapping[str, Sequence[Picture]]) -> str:
    from stc.runtime.drawing.encode import encoded

    parts = []
    for label, drawn in pictures.items():
        shown = "".join(
            f'<figure><img alt="{escape(p.caption)}" src="data:image/jpeg;base64,'
            f'{b64encode(encoded(p.pixels, Path("shown.jpg"), quality=85)).decode()}">'
            f"<figcaption>{escape(p.caption)}</figcaption></figure>"
            for p in drawn
        )
        if shown:
            parts.append(f'<h3>{escape(label)}</h3><div class="pictures">{shown}</div>')
    key = '<p class="legend"><span><i class="both"></i>both</span><span><i class="expected"></i>only PyTorch</span>'
    return f'{key}<span><i class="found"></i>only this model</span></p>{"".join(parts)}' if parts else ""


def _environment(report: Report) -> str:
    rows = list(report.environment.items())
    for model in report.models:
        made = model.passport.checkpoint
        rows.append((f"{model.label}: weights", f"{made.get('file', '?')}, sha256 {str(made.get('sha256', '?'))[:16]}"))
    memory = memory_sentence(report.memory)
    return facts([(name, str(value)) for name, value in rows]) + (f"<p>{escape(memory)}.</p>" if memory else "")
