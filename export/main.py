"""`stc-export`: a checkpoint goes in, a proven bundle comes out."""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stc import signals
from stc.cli import command
from stc.errors import CheckpointError, MissingDependencyError
from stc.export import arguments as options
from stc.export.arguments import parser
from stc.export.terminal import origins, show
from stc.progress import bars

if TYPE_CHECKING:
    from stc.export.folder import Export


def main(argv: Sequence[str]) -> int:
    arguments = parser().parse_args(argv)
    options.check(arguments)
    _check_read(arguments)
    if arguments.inspect:
        return _inspect(arguments)
    if arguments.to_safetensors is not None:
        return _convert(arguments)
    if arguments.timing_cache is not None:
        _check_timing_cache(arguments)
    if arguments.triton is not None:
        _need_onnx()
        from stc.export.triton.repository import find

        find(arguments.triton, overwrite=arguments.overwrite)
    if arguments.bundle is not None:
        _write_repository(Path(arguments.bundle), arguments)
        return 0

    with bars() as progress:
        result = export_checkpoint(arguments, progress)
    show(result)
    if arguments.onnx is None:  # a rebuild reads no checkpoint, and has no PyTorch to do so
        _warn(result.passport.checkpoint["assumed"])
    if arguments.triton is not None:
        _write_repository(result.path, arguments)
    return 0 if result.verdict == "pass" else 3


def _check_read(arguments: argparse.Namespace) -> None:
    """What is to be read is there: told before anything about what is to be written, and before PyTorch is loaded."""
    from stc.runtime.video import sources

    if arguments.ckpt is not None and not Path(arguments.ckpt).exists():
        raise CheckpointError(
            f"{arguments.ckpt}: cannot be read ({os.strerror(errno.ENOENT)}); check the path given to --ckpt"
        )
    for video in filter(None, (arguments.frames, arguments.calib)):
        sources.check(video)


def _check_timing_cache(arguments: argparse.Namespace) -> None:
    """Before the work: it is written at the end, over whatever has its name."""
    from stc.files import check_outputs
    from stc.runtime.bundle.files import read_with

    read = [arguments.ckpt, arguments.frames, arguments.calib, arguments.data, arguments.classes, arguments.key_map]
    check_outputs([arguments.timing_cache], [*read, *(read_with(arguments.onnx) if arguments.onnx else [])])


def _inspect(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from stc.export.checkpoints import show
    from stc.model.checkpoint.inspection import inspect

    found = inspect(arguments.ckpt, options.reading(arguments))
    if arguments.json:
        print(json.dumps(found.to_dict(), indent=1))
    else:
        show(found, Console())
    _warn(found.assumed)
    return 0 if found.complete else 1


def _convert(arguments: argparse.Namespace) -> int:
    from stc.export.checkpoints import to_safetensors
    from stc.files import check_outputs

    check_outputs([Path(arguments.to_safetensors)])
    source = to_safetensors(arguments.ckpt, arguments.to_safetensors, options.reading(arguments))
    for line in origins(source.assumed, source.read):
        print(line)
    _warn(source.assumed)
    print(f"{arguments.to_safetensors}: layout {source.layout} of {arguments.ckpt}")
    return 0


def export_checkpoint(arguments: argparse.Namespace, progress: Any) -> Export:
    task = progress.add_task("reading the bundle" if arguments.onnx else "loading PyTorch", total=None)

    from stc.export.engine.progress import Bars

    def step(text: str) -> None:
        signals.check()
        progress.update(task, description=text)

    engine, display = options.engine_options(arguments), Bars(progress)
    if arguments.onnx is not None:  # on a device that has no PyTorch and needs no extra with it
        _need_onnx()
        from stc.export.rebuild import rebuild
        from stc.export.sizes import parse

        batch = None if arguments.batch is None else parse(arguments.batch)
        return rebuild(
            arguments.onnx,
            arguments.output,
            engine=engine,
            batch=batch,
            overwrite=arguments.overwrite,
            step=step,
            display=display,
        )

    from stc.benchmarks.evaluation.annotated import Annotated
    from stc.export.bundle import export

    return export(
        arguments.ckpt,
        arguments.output,
        precision=options.precision(arguments),
        frames=arguments.frames,
        calib=arguments.calib,
        data=Annotated.of(arguments),
        reading=options.reading(arguments),
        size=arguments.size,
        max_detections=arguments.max_detections,
        appearance=arguments.appearance,
        engine=engine,
        overwrite=arguments.overwrite,
        step=step,
        display=display,
    )


def _need_onnx() -> None:
    if find_spec("onnx") is None:
        raise MissingDependencyError("onnx is not installed; fix: pip install onnx")


def _write_repository(bundle: Path, arguments: argparse.Namespace) -> None:
    from stc.export.triton.repository import CLIENT, write

    written = write(bundle, arguments.triton, overwrite=arguments.overwrite)
    print(f"{written.path}: Triton model {written.model}: {written.served}")
    print(f"start it with {written.path / 'start.sh'}, try it with {written.path / CLIENT} (never run in a server)")


entry = command(main)


def _warn(assumed: Mapping[str, str]) -> None:
    from stc.model.checkpoint.class_names import PLACEHOLDERS

    if (text := assumed.get("classes", "")).startswith(PLACEHOLDERS):
        print(f"warning: class names are {text}", file=sys.stderr)
