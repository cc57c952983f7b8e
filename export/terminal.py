"""What an export tells on a terminal: verdict, speed and agreement in words, then the numbers, as wide as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from stc.benchmarks import columns
from stc.benchmarks.columns import Column, all_wrapped, table, wrapped

if TYPE_CHECKING:
    from stc.export.folder import Export
    from stc.export.proof.verification import Verification


def show(result: Export) -> None:
    """To stdout: as wide as its terminal; anywhere else no line is broken."""
    columns.show(partial(lines, result))


def lines(result: Export, width: int | None) -> list[str]:
    """The report in lines of at most `width` cells, from 40 on; None: each sentence and row is one line."""
    from stc.export.graph.precision import FILES
    from stc.export.proof.verification import NotCompared
    from stc.export.report import in_words
    from stc.runtime.bundle.engines import is_record

    passport = result.passport
    found = all_wrapped(in_words(passport, result.verifications), width)
    told: list[str] = []
    for verification in result.verifications:
        if isinstance(verification, NotCompared):
            told.append(f"{verification.precision} {verification.verdict}: {verification.reason}")
            continue
        title = f"{verification.precision}: ONNX Runtime against PyTorch float32, stage by stage"
        found += ["", *wrapped(title, width), *table(_stages(verification), width)]
        scored = _ground_truth(passport.agreement.get(FILES[verification.precision], {}))
        found += all_wrapped((*_details(verification), *scored), width)
    for name, agreement in passport.agreement.items():
        if is_record(name):
            told += [f"{name}: {agreement['verdict']}{_why(agreement)}", *_ground_truth(agreement)]
    told += origins(passport.checkpoint["assumed"], passport.checkpoint.get("read", {}))
    told += [f"{result.path}: {result.verdict}", result.engine]
    return [*found, "", *all_wrapped(told, width)]


def origins(assumed: Mapping[str, str], read: Mapping[str, str]) -> list[str]:
    """Where settings of a checkpoint come from that its weights do not tell."""
    return [
        f"{verb} {name}: {text}"
        for verb, texts in (("read", read), ("assumed", assumed))
        for name, text in texts.items()
    ]


def _stages(verification: Verification) -> list[Column]:
    stages = verification.stages
    return [
        Column("stage", [stage.name for stage in stages]),
        Column("max error", [f"{stage.max_error:.2e}" for stage in stages], drop=2),
        Column("relative", [f"{stage.relative:.2e}" for stage in stages]),
        Column("largest value", [f"{stage.magnitude:.3g}" for stage in stages], drop=1),
    ]


def _details(verification: Verification) -> Iterator[str]:
    from stc.export.report import ranges_sentence

    agreement = verification.agreement
    yield f"{verification.precision} {agreement.verdict}: {agreement.in_words()}"
    yield ranges_sentence(verification.ranges)
    if verification.speed is not None:
        yield str(verification.speed)
    if agreement.floor is not None:
        yield str(agreement.floor)
    yield from (f"missed budget: {failure}" for failure in agreement.failures)
    if verification.precision == "fp16":
        yield "(a CPU shows the rounding of float16 storage, not a GPU's accumulation)"


def _why(agreement: Mapping[str, Any]) -> str:
    """What came of a model in another engine, which a session takes by itself where it passed."""
    reasons = [*agreement.get("failures", ()), *([agreement["reason"]] if "reason" in agreement else [])]
    return f" ({'; '.join(reasons)})" if reasons else ""


def _ground_truth(agreement: Mapping[str, Any]) -> list[str]:
    return [agreement["ground_truth"]["summary"]] if "ground_truth" in agreement else []
