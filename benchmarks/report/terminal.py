"""The report on a terminal: verdict, speed and agreement in words, then the numbers, as wide as the terminal is."""

from __future__ import annotations

from functools import partial
from typing import TextIO

from stc.benchmarks import columns
from stc.benchmarks.agreement.divergence import first_diverged
from stc.benchmarks.columns import Column, all_wrapped, table
from stc.benchmarks.report import words
from stc.benchmarks.report.structure import HEADLINES, Memory, ModelReport, Ratio, Report, outer_stages
from stc.benchmarks.timing.growth import SAMPLES
from stc.benchmarks.timing.intervals import figures
from stc.runtime.stages import END_TO_END, ENGINE, INNER

STAGE_COLUMNS = ("stage", "p50 ms", "p90 ms", "p99 ms", "max ms", "mean ms")
SHARE = "share"
DROPPED = (SHARE, "max ms", "p90 ms", "mean ms", "p99 ms")  # first to last, where a terminal is too narrow


def show(report: Report, to: TextIO | None = None) -> None:
    """to: a stream for people; None takes stdout. As wide as its terminal is; anywhere else no line is broken."""
    columns.show(partial(lines, report), to)


def lines(report: Report, width: int | None) -> list[str]:
    """The report in lines of at most `width` cells, from 40 on; None: each sentence and row is one line."""
    told = [*words.opening(report), *map(ratio_sentence, report.ratios)]
    if report.function_body is not None:
        told.append(function_body_sentence(report.function_body))
    told += [f"caution: {caution}" for caution in report.cautions]
    if (memory := memory_sentence(report.memory)) is not None:
        told.append(memory)
    found = all_wrapped(told, width)
    for model in report.models:
        found += ["", *_model(report, model, width)]
    return found


def contents(report: Report) -> str:
    """What is inside "end to end"."""
    stages = outer_stages(report.models[0].stages)
    decoding = (
        "decoding the video is not"
        if report.decode is None
        else f"decoding ({figures(report.decode.p50_ms)} ms) is not"
    )
    return f"in end to end: {', '.join(stages)} (masks: {report.mask_form}); {decoding}"


def headline(model: ModelReport) -> str:
    engine, whole = (model.intervals[name]["p50_ms"] for name in HEADLINES)
    return (
        f"end to end {figures(model.fps)} FPS, p50 {whole.shown(' ms')}; engine only "
        f"{figures(1e3 / model.stages[ENGINE].mean_ms)} FPS, p50 {engine.shown(' ms')}; variation {model.variation:.1%}"
    )


def ratio_sentence(ratio: Ratio) -> str:
    return (
        f"{ratio.model} takes {ratio.end_to_end.shown('x')} the time of {ratio.baseline} end to end, "
        f"{ratio.engine.shown('x')} in the engine"
    )


def function_body_sentence(values: dict[str, float]) -> str:
    engine, masks = (figures(values[f"{stage}_p50_ms"]) for stage in ("engine", "masks"))
    native_engine, native_masks = (figures(values[f"native_{stage}_p50_ms"]) for stage in ("engine", "masks"))
    return (
        f"without the native library: engine {engine} ms + masks {masks} ms, with it {native_engine} + {native_masks} "
        f"ms: {figures(values['ratio'])}x (medians of {values['frames']} frames, in turns)"
    )


def memory_sentence(memory: Memory) -> str | None:
    """None where the system does not tell."""
    known = {
        "at most {:.0f} MiB": memory.peak,
        "growth {:+.2f} MiB per 1,000 frames of every model": memory.growth,
        "no growth found of {:.2f} MiB per 1,000 frames or more": memory.growth_below
        if memory.growth is None
        else None,
    }
    texts = [text.format(value) for text, value in known.items() if value is not None]
    if memory.peak is not None and memory.growth_below is None:
        texts.append(f"growth not told, which takes {SAMPLES} rounds on Linux")
    return f"memory of the whole process: {', '.join(texts)}" if texts else None


def load_sentence(model: ModelReport) -> str | None:
    """None where the system does not tell."""
    known = {"{:.0f} MiB": model.load_mib, "{:.0f} MiB of the GPU's memory": model.device_mib}
    texts = [text.format(value) for text, value in known.items() if value is not None]
    return f"loading it took {' and '.join(texts)}" if texts else None


def stage_rows(model: ModelReport) -> list[tuple[str, ...]]:
    """A row of `STAGE_COLUMNS` for each stage."""
    return [
        (
            f"of it {name}" if name in INNER else name,
            *(figures(x) for x in (v.p50_ms, v.p90_ms, v.p99_ms, v.max_ms, v.mean_ms)),
        )
        for name, v in model.stages.items()
    ]


def agreement_lines(model: ModelReport) -> list[str]:
    scored = [] if model.ground_truth is None else [model.ground_truth.in_words()]
    missed = [f"missed budget: {failure}" for failure in model.failures]
    if model.proof is None:
        return ["agreement with PyTorch: not compared", *scored, *missed]
    found = model.proof.agreement
    lines = [f"agreement with {model.proof.truth.origin}: {found.in_words()}"]
    tolerances = "; ".join(f"{name} [abs={a:.3g}] OR [rel={r:.3g}]" for name, (a, r) in found.required.items())
    lines.append(f"minimum required tolerance: {tolerances}")
    first = first_diverged(model.proof.stages)
    if first or found.first_divergence:
        inside = f" (inside the network: {first})" if first else ""
        lines.append(
            f"first diverging stage: {found.first_divergence or first}{inside if found.first_divergence else ''}"
        )
    return [*lines, *scored, *missed]


def _model(report: Report, model: ModelReport, width: int | None) -> list[str]:
    height, across = report.source_size
    heading = [
        f"{model.label} ({model.precision}; {model.engine}; masks by {model.mask_head})",
        f"{report.setting}: {model.frames} frames {across}x{height}, {figures(model.objects)} objects each",
    ]
    details = [headline(model), f"p99 {model.intervals[END_TO_END]['p99_ms'].shown(' ms')}; {contents(report)}"]
    details += [model.bound.in_words(model.device), *filter(None, [load_sentence(model)]), *agreement_lines(model)]
    return [*all_wrapped(heading, width), *table(_columns(model), width), *all_wrapped(details, width)]


def _columns(model: ModelReport) -> list[Column]:
    whole = model.stages[END_TO_END].mean_ms
    shares = [f"{values.mean_ms / whole:.1%}" for values in model.stages.values()]
    cells = [*zip(*stage_rows(model), strict=True), shares]
    titles = (*STAGE_COLUMNS, SHARE)
    return [
        Column(title, of_title, DROPPED.index(title) + 1 if title in DROPPED else 0)
        for title, of_title in zip(titles, cells, strict=True)
    ]
