"""One model by every path to masks and ids: `python -m stc.benchmarks.paths --ckpt FILE --bundle DIR`.

Our native op, the op's function body and int8 in ONNX Runtime, PyTorch eager and at its fastest, and AdelaiDet's form.
All take turns on the same frames with the same tracker; ratios are kept in a file that later runs are compared with.
"""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stc.benchmarks.paths import regression
from stc.benchmarks.timing.scenarios import MASKS, MaskMaker, SingleStream, Turn, serve, turn_of
from stc.cli import Parser, command
from stc.errors import InputError
from stc.files import check_outputs
from stc.runtime.bundle.files import of_precision
from stc.runtime.bundle.passport import read
from stc.runtime.stages import END_TO_END, ENGINE, MASKING

if TYPE_CHECKING:
    from stc.benchmarks.timing.intervals import Interval
    from stc.runtime.session import Session

FIRST = "native op"


@dataclass(frozen=True)
class Paths(SingleStream):
    """Every session makes masks its own way."""

    makers: tuple[tuple[Session, MaskMaker], ...] = ()

    def turn(self, session: Session, streams: Any, pictures: Any, asked: Callable[[], bool]) -> Turn:
        from time import perf_counter

        masks = next((maker for own, maker in self.makers if own is session), self.masks)
        start = perf_counter()
        return turn_of(serve(streams[0], pictures, masks, asked), start)


def main(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(argv)
    from stc.benchmarks.timing import environment

    file, here = arguments.regression, environment.describe(arguments.threads)
    known = {} if file is None else regression.read(file)
    before = None
    if file is not None and arguments.update:
        check_outputs([file])
    elif file is not None:
        before = regression.recorded(known, _name(arguments), regression.machine(here), file)
        if before is None:
            print(
                f"{file}: no ratios of {_name(arguments)} on this machine ({regression.machine(here)}), and those of "
                f"others say nothing about it. Nothing was measured; record this one with: "
                f"python -m stc.benchmarks.paths {shlex.join(argv)} --update"
            )
            return 0
    from stc.benchmarks.report.structure import ratios
    from stc.benchmarks.timing import source
    from stc.benchmarks.timing.schedule import measure, planned
    from stc.progress import bar

    with ExitStack() as stack:
        sessions, makers = _open(arguments, stack)
        pictures = source.load([], arguments.source, None, arguments.frames)
        scenario = Paths(MASKS["rle"][1], makers=makers)
        with bar("measuring", planned(scenario, len(sessions), arguments.frames)) as advance:
            measured = measure(list(sessions.values()), pictures.frames, scenario, arguments.frames, progress=advance)
    found = {ratio.model: ratio.end_to_end for ratio in ratios(list(sessions), measured.samples)}
    for label, samples in zip(sessions, measured.samples, strict=True):
        _print(label, samples, found.get(label))
    if not measured.stable:
        print("unstable: no three windows agreed for every path")
    ratio_values = {label: [interval.value, interval.low, interval.high] for label, interval in found.items()}
    if file is not None and arguments.update:
        record = {"environment": here, "frames": measured.samples[0].frames, "ratios": ratio_values}
        regression.write(file, known, _name(arguments), regression.machine(here), record)
    lost = [] if before is None else regression.slower(ratio_values, before)
    for line in lost:
        print(f"slower than recorded: {line}")
    return 4 if lost else 0


def _open(arguments: Namespace, stack: ExitStack) -> tuple[dict[str, Session], tuple[tuple[Session, MaskMaker], ...]]:
    from stc.benchmarks.models.pytorch import TorchBackend
    from stc.benchmarks.paths import pytorch_forms
    from stc.model.checkpoint.load import load
    from stc.model.checkpoint.passport import passport_of
    from stc.runtime.session import Session

    path, threads = Path(arguments.ckpt), arguments.threads
    source = load(path)
    passport = passport_of(source, path.name, path.stem)

    def onnx(model: str | Path, native: bool = True) -> Session:
        return Session(model, engine="onnxruntime", threads=threads, native=native)

    def pytorch(form: str, network: Any = None) -> Session:
        backend = TorchBackend(source.model, passport, threads, network, form)
        return Session.from_backend(backend, passport, f"{path} ({form})")

    sessions = {
        FIRST: onnx(arguments.bundle),
        "function body": onnx(arguments.bundle, native=False),
        **({} if arguments.int8 is None else {"int8": onnx(_int8(Path(arguments.int8)))}),
        "PyTorch eager": pytorch("eager"),
        "PyTorch compiled": pytorch("compiled", pytorch_forms.compiled(source.model)),
        "AdelaiDet's form": pytorch("AdelaiDet's", pytorch_forms.adelaidet(source.model)),
    }
    if sessions[FIRST].native is None:
        raise InputError("the native library is not installed here, so there is nothing to compare; run: make demo")
    for session in sessions.values():
        stack.callback(session.close)
    return sessions, ((sessions["AdelaiDet's form"], pytorch_forms.adelaidet_masks),)


def _int8(bundle: Path) -> Path:
    """Raises InputError for what is no bundle of `stc-export --int8`."""
    if (name := of_precision(read(bundle), "int8")) is None:
        raise InputError(f"{bundle}: holds no int8 model; make one with: stc-export --ckpt FILE --int8 --calib VIDEO")
    return bundle / name


def _print(label: str, samples: Any, ratio: Interval | None) -> None:
    import numpy as np

    medians = {name: 1e3 * float(np.median(np.concatenate(samples.stage(name)))) for name in samples.stages}
    beside = "" if ratio is None else f"  {ratio.value:5.2f}x [{ratio.low:.2f}, {ratio.high:.2f}]"
    engine, masks, whole = (medians[name] for name in (ENGINE, MASKING, END_TO_END))
    print(f"{label:18s} end to end {whole:8.2f} ms  engine {engine:8.2f}  masks {masks:6.2f}{beside}")


def _name(arguments: Namespace) -> str:
    return arguments.name or Path(arguments.ckpt).stem


def _parser() -> Parser:
    parser = Parser(prog="python -m stc.benchmarks.paths", description=__doc__)
    parser.add_argument("--ckpt", required=True, metavar="FILE", help="checkpoint, for the PyTorch paths")
    parser.add_argument("--bundle", required=True, metavar="DIR", help="what stc-export made of it")
    parser.add_argument("--int8", metavar="DIR", help="a bundle of stc-export --int8, to measure its model too")
    parser.add_argument("--source", required=True, metavar="VIDEO", help="frames")
    parser.add_argument("--frames", type=int, default=200, metavar="N", help="of each path (default 200)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of every engine (default: all cores)")
    parser.add_argument(
        "--regression", type=Path, metavar="FILE", help="compare with this machine's ratios there; 4 when slower"
    )
    parser.add_argument("--name", metavar="NAME", help="of the model in that file (default: the checkpoint's name)")
    parser.add_argument("--update", action="store_true", help="write the ratios there instead of comparing")
    return parser


if __name__ == "__main__":
    command(main)()
