"""`stc-bench`: how fast models are here, side by side, and whether they still say what PyTorch said."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from stc.benchmarks.arguments import check, parser, scenario_of
from stc.cli import command

if TYPE_CHECKING:
    from stc.benchmarks.agreement.proof import Proof, Truth
    from stc.benchmarks.evaluation.loss import GroundTruth
    from stc.benchmarks.models.candidates import Candidate
    from stc.benchmarks.report.structure import Report
    from stc.benchmarks.timing.scenarios import Scenario
    from stc.benchmarks.timing.schedule import Measurement
    from stc.benchmarks.timing.source import Pictures
    from stc.runtime.session import Session


def main(argv: Sequence[str]) -> int:
    arguments = parser().parse_args(argv)
    check(arguments)

    from stc.benchmarks.report import terminal
    from stc.files import check_outputs, messages
    from stc.runtime.bundle.files import read_with

    read = [name for model in arguments.models for name in read_with(model)]
    check_outputs([arguments.json, arguments.html], [*read, arguments.source, arguments.reference, arguments.data])
    if arguments.explain is not None:
        from stc.benchmarks.report import pictures

        pictures.check(arguments.explain, [path for path in (arguments.json, arguments.html) if path is not None])
    with ExitStack() as stack:
        report = compare(arguments, scenario_of(arguments), stack.callback)
    if report is None:
        print("interrupted before anything was measured", file=sys.stderr)
        return 130
    if not report.interrupted:
        _write(report, arguments)
    terminal.show(report, messages(arguments.json, arguments.html))
    if report.interrupted:
        return 130
    if report.verdict != "pass":
        return 3
    return 4 if arguments.strict and not report.stable else 0


entry = command(main)


def compare(arguments: Namespace, scenario: Scenario, close: Callable[[Callable[[], None]], object]) -> Report | None:
    from stc.benchmarks.agreement import proof
    from stc.benchmarks.evaluation import beside_float32
    from stc.benchmarks.evaluation.annotated import Annotated
    from stc.benchmarks.models.candidates import open_all
    from stc.benchmarks.timing import environment, source
    from stc.benchmarks.timing.schedule import measure, planned
    from stc.progress import bar
    from stc.signals import Hold

    data = Annotated.of(arguments)
    candidates = open_all(
        arguments.models, arguments.threads, arguments.trust, close, arguments.device, arguments.engine
    )
    _check_batches(candidates, scenario)
    if data is not None:
        beside_float32.check(candidates, data)
    pictures = source.load(candidates, arguments.source, arguments.reference, arguments.frames)
    truths = proof.find(candidates, arguments.reference, pictures.frames, arguments.threads)
    sessions = [candidate.session for candidate in candidates]
    if (plain := _without_native(candidates, arguments)) is not None:
        sessions.append(plain)
    proofs: list[Proof | None] = [None] * len(candidates)
    scores: list[GroundTruth | None] = [None] * len(candidates)
    with Hold() as stop:
        before = environment.disturbance()
        with bar("measuring", planned(scenario, len(sessions), arguments.frames)) as advance:
            measured = measure(sessions, pictures.frames, scenario, arguments.frames, lambda: stop.asked, advance)
        during = environment.disturbance() - before
        if not measured.interrupted:
            proofs = _prove(candidates, truths, pictures, lambda: stop.asked)
            if data is not None:
                scores = beside_float32.score(candidates, data, arguments.threads, lambda: stop.asked)
        interrupted = stop.asked
    if not any(samples.turns for samples in measured.samples):
        return None
    return _report(arguments, scenario, pictures, candidates, measured, proofs, scores, during, interrupted)


def _check_batches(candidates: Sequence[Candidate], scenario: Scenario) -> None:
    from stc.errors import InputError

    for candidate in candidates:
        if (least := candidate.session.batches[0]) > 1 and scenario.name != "offline":
            raise InputError(
                f"{candidate.label} takes {least} pictures at once, {scenario.name} has one at a time; "
                "measure it with: --scenario offline"
            )


def _prove(
    candidates: Sequence[Candidate], truths: Sequence[Truth | None], pictures: Pictures, asked: Callable[[], bool]
) -> list[Proof | None]:
    from stc.benchmarks.agreement.proof import prove
    from stc.progress import bar

    with bar("comparing", sum(len(truth.reference.frames) for truth in truths if truth is not None)) as advance:
        return [
            None if truth is None else prove(candidate, truth, pictures.size, asked, advance)
            for candidate, truth in zip(candidates, truths, strict=True)
        ]


def _without_native(candidates: Sequence[Candidate], arguments: Namespace) -> Session | None:
    """The same model without the native library, to say what that is worth: where one ONNX model is measured alone."""
    from stc.runtime.session import Session

    first = candidates[0]
    alone = len(candidates) == 1 and arguments.scenario == "single-stream" and first.torch is None
    if not alone or first.session.native is None or first.session.device != "cpu":
        return None
    return Session(first.path, engine=arguments.engine, threads=arguments.threads, native=False)


def _report(
    arguments: Namespace,
    scenario: Scenario,
    pictures: Pictures,
    candidates: Sequence[Candidate],
    measured: Measurement,
    proofs: Sequence[Proof | None],
    scores: Sequence[GroundTruth | None],
    during: Any,
    interrupted: bool,
) -> Report:
    from stc.benchmarks.models import memory
    from stc.benchmarks.report import cautions
    from stc.benchmarks.report.structure import Memory, Report, function_body, model_report, ratios
    from stc.benchmarks.timing import environment
    from stc.benchmarks.timing.scenarios import MASKS
    from stc.runtime.processors import processors

    serial = scenario.name in {"single-stream", "paced"}
    seen = [group for group in zip(candidates, measured.samples, proofs, scores, strict=False) if group[1].turns]
    models = tuple(
        model_report(candidate, samples, proof, pictures.size, pictures.decode, truth, serial=serial)
        for candidate, samples, proof, truth in seen
    )
    fps = getattr(scenario, "fps", None)
    run_wide = cautions.of_run(
        models, stable=measured.stable, interrupted=interrupted, during=during, cores=processors()
    )
    twin = measured.samples[len(candidates) :]
    return Report(
        scenario={
            "name": scenario.name,
            **({} if scenario.streams == 1 else {"streams": scenario.streams}),
            **({} if fps is None else {"fps": fps}),
        },
        source=pictures.name,
        source_size=pictures.size,
        mask_form=MASKS[arguments.masks][0],
        decode=pictures.decode,
        models=models,
        ratios=ratios([model.label for model in models], [samples for _, samples, *_ in seen]),
        function_body=function_body(measured.samples[0], twin[0]) if twin and twin[0].turns else None,
        memory=Memory.of(measured.resident, memory.peak(), scenario.frames * scenario.streams),
        environment=environment.describe(arguments.threads),
        cautions=tuple(
            run_wide + [text for model in models for text in cautions.of_model(model, fps, interrupted=interrupted)]
        ),
        stable=measured.stable,
        interrupted=interrupted,
    )


def _write(report: Report, arguments: Namespace) -> None:
    from stc.files import write_json, write_text

    if arguments.json is not None:
        write_json(arguments.json, report.to_dict(), allow_nan=False)
    if arguments.html is not None or arguments.explain is not None:
        from stc.benchmarks.report import page, pictures

        drawn = pictures.of_report(report)
        if arguments.html is not None:
            write_text(arguments.html, page.render(report, drawn))
        if arguments.explain is not None:
            pictures.write(drawn, arguments.explain)
