"""`stc-bench`: how fast a model is here, and whether it still says what PyTorch said."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stc.cli import Parser, run
from stc.errors import InputError

if TYPE_CHECKING:
    from stc.benchmarks.latency import Latency
    from stc.benchmarks.parity import Agreement
    from stc.benchmarks.without_native import WithoutNative
    from stc.runtime.passport import Passport
    from stc.runtime.session import Session

MAX_DECODED = 300  # frames; of 1280x720 these are 0.8 GB
AGREEMENT_FIELDS = (
    "detections_matched",
    "boxes_max_px",
    "scores_max",
    "mask_iou_min",
    "mask_iou_p1",
    "embedding_cos_min",
    "ids_equal",
)


def main(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(argv)

    from stc.runtime.session import Session

    if arguments.frames < 1:
        raise InputError(f"--frames {arguments.frames}: at least 1 is needed")
    with Session(arguments.model, threads=arguments.threads, trust=arguments.trust) as session:
        return _bench(session, arguments)


def _bench(session: Session, arguments: Namespace) -> int:
    from stc.benchmarks import reference
    from stc.benchmarks.latency import WARM_UP, measure
    from stc.benchmarks.progress import bar
    from stc.files import write_text
    from stc.runtime.passport import verify_file

    proof = _folder(Path(arguments.model)) / reference.FILE_NAME
    verify_file(session.passport, proof)
    expected = reference.read(proof)
    pictures = (
        list(expected.frames) if arguments.source is None else _decode(arguments.source, WARM_UP + arguments.frames)
    )
    with bar("measuring", WARM_UP + arguments.frames) as advance:
        latency = measure(session, pictures, arguments.frames, advance)
    function_body = _without_native(session, arguments, pictures)
    with bar("comparing", len(expected.frames)) as advance:
        agreement = _agreement(session, _file(Path(arguments.model)), expected, advance)

    source = "reference frames, already at the input size" if arguments.source is None else arguments.source
    report = _report(session, latency, agreement, source, pictures[0].shape[:2])
    report |= {"mask_head": session.mask_head, "function_body": asdict(function_body) if function_body else None}
    if arguments.json:
        write_text(Path(arguments.json), json.dumps(report, indent=1) + "\n")
    _print(report, agreement)
    print(function_body or f"mask head: {session.mask_head}")
    print(f"verdict {agreement.verdict}")
    return 0 if agreement.verdict == "pass" else 3


def entry() -> None:
    sys.exit(run(main))


def _parser() -> Parser:
    parser = Parser(prog="stc-bench", description="Measure a model and compare it with PyTorch.")
    parser.add_argument("model", metavar="MODEL", help="a bundle, or its model.onnx or engine.plan")
    parser.add_argument("--source", metavar="VIDEO", help="frames to time (default: those of the reference)")
    parser.add_argument("--frames", type=int, default=200, metavar="N", help="frames to time (default 200)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of the engine (default: all cores)")
    parser.add_argument("--trust", action="store_true", help="run an engine that you built yourself, unverified")
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON")
    return parser


def _folder(model: Path) -> Path:
    return model if model.is_dir() else model.parent


def _precision(passport: Passport, file: str) -> str:
    """Of one file of a bundle, which decides its budget; an engine has that of the ONNX file it was built from."""
    if passport.engine is not None and file == passport.engine["file"]:
        file = passport.engine["source"]
    return str(passport.precision.get("files", {}).get(file, "fp32"))


def _file(model: Path) -> str:
    """The name of the file that a session loads."""
    from stc.runtime.passport import MODEL_FILE

    return MODEL_FILE if model.is_dir() else model.name


def _decode(source: str, needed: int) -> list[Any]:
    """The first frames, in memory: decoding is not timed. At most 300, which are then shown again and again."""
    from itertools import islice

    from stc.runtime.video.sources import open_source

    return [frame.image for frame in islice(open_source(source), min(needed, MAX_DECODED))]


def _without_native(session: Session, arguments: Any, pictures: list[Any]) -> WithoutNative | None:
    """What the native library is worth here; None where the session runs without it, or on a GPU."""
    from stc.benchmarks.progress import bar
    from stc.benchmarks.without_native import FRAMES, WARM_UP, measure
    from stc.runtime.session import Session

    if session.native is None or session.device != "cpu":
        return None
    frames = min(FRAMES, arguments.frames)
    plain = Session(arguments.model, threads=arguments.threads, native=False)
    with bar("without the native library", WARM_UP + frames) as advance:
        return measure(session, plain, pictures, frames, advance)


def _agreement(session: Session, file: str, expected: Any, advance: Any) -> Agreement:
    from stc.benchmarks.parity import compare
    from stc.benchmarks.reference import valid_rows

    outputs = []
    for frame in expected.frames:
        arrays = session.infer(frame[None])
        outputs.append(valid_rows(arrays))
        advance()
    return compare(expected, outputs, session.passport, _precision(session.passport, file))


def _report(
    session: Session, latency: Latency, agreement: Agreement, source: str, size: tuple[int, int]
) -> dict[str, Any]:
    from stc.benchmarks.environment import describe

    values = agreement.to_dict()
    return {
        "model": session.passport.name,
        "source": source,
        "source_size": list(size),
        "input_size": list(session.passport.input_size),
        "mask_form": "COCO RLE at frame size",
        **latency.to_dict(),
        "agreement": {name: values[name] for name in AGREEMENT_FIELDS},
        "verdict": agreement.verdict,
        "failures": list(agreement.failures),
        "environment": describe(),
    }


def _print(report: dict[str, Any], agreement: Agreement) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    height, width = report["source_size"]
    title = f"{report['model']}: {report['frames']} frames {width}x{height}, {report['objects']:.1f} objects each"
    table = Table(title=title)
    for column in ("stage", "p50 ms", "p90 ms", "p99 ms", "max ms", "mean ms", "share"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    whole = report["stages"]["end_to_end"]["mean_ms"]
    for stage, values in report["stages"].items():
        numbers = [values[name] for name in ("p50_ms", "p90_ms", "p99_ms", "max_ms", "mean_ms")]
        table.add_row(stage, *(f"{number:.2f}" for number in numbers), f"{values['mean_ms'] / whole:.1%}")
    console.print(table)
    engine = report["stages"]["engine"]["mean_ms"]
    console.print(f"end to end {report['fps']:.1f} FPS; engine only {1e3 / engine:.1f} FPS")
    console.print(f"in end to end: preprocess, engine, masks ({report['mask_form']}), track; decoding the video is not")
    values = ", ".join(f"{name} {report['agreement'][name]:.6g}" for name in AGREEMENT_FIELDS)
    console.print(f"agreement with PyTorch on {agreement.frames} frames, {agreement.detections} detections: {values}")
    for failure in agreement.failures:
        console.print(f"missed budget: {failure}")
