"""The report on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from stc.benchmarks.agreement.divergence import first_diverged
from stc.benchmarks.report.structure import HEADLINES, Memory, ModelReport, Ratio, Report, outer_stages
from stc.benchmarks.timing.growth import SAMPLES
from stc.runtime.stages import END_TO_END, ENGINE, INNER

if TYPE_CHECKING:
    from rich.console import Console

STAGE_COLUMNS = ("stage", "p50 ms", "p90 ms", "p99 ms", "max ms", "mean ms")


def show(report: Report, to: TextIO | None = None) -> None:
    """to: a stream for people; None takes stdout."""
    from rich.console import Console

    console = Console(file=to, highlight=False, soft_wrap=True)
    for model in report.models:
        _model(console, report, model)
    for ratio in report.ratios:
        console.print(ratio_sentence(ratio))
    if report.function_body is not None:
        console.print(function_body_sentence(report.function_body))
    for caution in report.cautions:
        console.print(f"caution: {caution}", markup=False)
    if (memory := memory_sentence(report.memory)) is not None:
        console.print(memory)
    console.print(f"verdict {report.verdict}")


def contents(report: Report) -> str:
    """What is inside "end to end"."""
    stages = outer_stages(report.models[0].stages)
    decoding = (
        "decoding the video is not" if report.decode is None else f"decoding ({report.decode.p50_ms:.2f} ms) is not"
    )
    return f"in end to end: {', '.join(stages)} (masks: {report.mask_form}); {decoding}"


def headline(model: ModelReport) -> str:
    engine, whole = (model.intervals[name]["p50_ms"] for name in HEADLINES)
    return (
        f"end to end {model.fps:.1f} FPS, p50 {whole.shown(' ms')}; engine only "
        f"{1e3 / model.stages[ENGINE].mean_ms:.1f} FPS, p50 {engine.shown(' ms')}; variation {model.variation:.1%}"
    )


def ratio_sentence(ratio: Ratio) -> str:
    return (
        f"{ratio.model} takes {ratio.end_to_end.shown('x')} the time of {ratio.baseline} end to end, "
        f"{ratio.engine.shown('x')} in the engine"
    )


def function_body_sentence(values: dict[str, float]) -> str:
    return (
        f"without the native library: engine {values['engine_p50_ms']:.2f} ms + masks {values['masks_p50_ms']:.2f} ms, "
        f"with it {values['native_engine_p50_ms']:.2f} + {values['native_masks_p50_ms']:.2f} ms: "
        f"{values['ratio']:.2f}x (medians of {values['frames']} frames, in turns)"
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
            *(f"{x:.2f}" for x in (v.p50_ms, v.p90_ms, v.p99_ms, v.max_ms, v.mean_ms)),
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


def _model(console: Console, report: Report, model: ModelReport) -> None:
    from rich.table import Table

    height, width = report.source_size
    table = Table(
        title=f"{model.label} ({model.precision}; {model.engine}; masks by {model.mask_head})\n"
        f"{report.setting}: {model.frames} frames {width}x{height}, {model.objects:.1f} objects each"
    )
    for column in (*STAGE_COLUMNS, "share"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    whole = model.stages[END_TO_END].mean_ms
    for (name, *numbers), values in zip(stage_rows(model), model.stages.values(), strict=True):
        table.add_row(f"  {name}" if name.startswith("of it") else name, *numbers, f"{values.mean_ms / whole:.1%}")
    console.print(table)
    lines = [headline(model), f"p99 {model.intervals[END_TO_END]['p99_ms'].shown(' ms')}; {contents(report)}"]
    for line in [*lines, model.bound.in_words(model.device), load_sentence(model), *agreement_lines(model)]:
        if line is not None:
            console.print(line, markup=False)
