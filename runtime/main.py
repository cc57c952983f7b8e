"""`stc-track`: masks and ids of the objects in a video, a picture, a folder of pictures, a camera or a stream."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING

from stc.cli import Parser, run
from stc.errors import InputError, StcError
from stc.runtime.rule_names import RULE_NAMES, RuleName

if TYPE_CHECKING:
    from stc.runtime.result import Result
    from stc.runtime.session import Session
    from stc.runtime.stream import Stream
    from stc.runtime.tracker import TrackerConfig
    from stc.runtime.video import Source
    from stc.runtime.video.sinks import Sink, Writer


def parser() -> argparse.ArgumentParser:
    p = Parser(prog="stc-track", description="Track objects with masks through a video.")
    p.add_argument("input", metavar="INPUT", help="video, picture, folder of pictures, camera (0, /dev/video0) or URL")
    p.add_argument("--model", required=True, help="bundle of stc-export, or its model.onnx or engine.plan")
    p.add_argument("-o", "--output", type=Path, metavar="OUT", help="annotated video (.mp4), picture (.png) or folder")
    p.add_argument(
        "--json", type=Path, metavar="FILE", help="YTVIS result JSON, written at the end of a file or folder"
    )
    p.add_argument("--jsonl", type=Path, metavar="FILE", help="JSON lines, one per frame as it comes")
    p.add_argument("--contact", type=Path, metavar="FILE.png", help="contact sheet of annotated frames")
    p.add_argument(
        "--score", type=float, metavar="S", help="keep detections with at least this score (model's: its own)"
    )
    p.add_argument("--classes", metavar="A,B", help="keep only these classes")
    p.add_argument("--every", type=int, default=1, metavar="N", help="use only every Nth frame (default 1)")
    p.add_argument("--tracker", choices=RULE_NAMES, help="tracking rule (model's: its own)")
    p.add_argument("--threads", type=int, metavar="N", help="CPU threads of the engine")
    p.add_argument("--trust", action="store_true", help="run an engine that you built yourself, unverified")
    return p


@dataclass
class _Summary:
    frames: int = 0
    tracks: int = 0
    start: float = field(default_factory=perf_counter)

    def add(self, result: Result) -> None:
        self.frames += 1
        self.tracks += sum(event.kind == "born" for event in result.events)

    def __str__(self) -> str:
        seconds = perf_counter() - self.start
        fps = self.frames / seconds
        return f"{self.frames} frames in {seconds:.1f} s ({fps:.1f} FPS end to end), {self.tracks} tracks"


def main(argv: Sequence[str]) -> int:
    args = parser().parse_args(argv)
    try:
        return _run(args)
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise InputError(f"{where}{error.strerror or error}; check paths and free space with: df -h") from error


def _run(args: argparse.Namespace) -> int:
    from stc.runtime.video import open_source

    outputs = _outputs(args)
    source = open_source(args.input, args.every)
    if args.json is not None and source.live:
        lines = args.json.with_suffix(".jsonl")
        raise InputError(f"{source.name}: a live source has no end to write --json at; use: --jsonl {lines}")
    writers = _writers(args, source)
    session = _session(args)
    stopped: StcError | KeyboardInterrupt | None = None
    with ExitStack() as files:
        files.callback(session.close)
        sinks = _enter_sinks(args, writers, files)
        summary = _Summary()
        try:
            stream = session.stream(source.name, source.fps, _tracker(session.tracker_config, args.tracker, source))
            _track(source, stream, sinks, summary)
        except (StcError, KeyboardInterrupt) as error:
            if summary.frames == 0:
                raise
            stopped = error  # raised again once the files with the frames so far are complete
    print(f"{summary} -> {', '.join(outputs)}")
    if stopped is not None:
        raise stopped
    return 0


def _outputs(args: argparse.Namespace) -> list[str]:
    """The outputs asked for; raises InputError for none, for one given twice, and for the input itself."""
    paths = [path for path in (args.output, args.json, args.jsonl, args.contact) if path is not None]
    if not paths:
        raise InputError(
            "no output asked for: give one or more of -o, --json, --jsonl, --contact; see: stc-track --help"
        )
    places = [path.resolve() for path in paths]
    for place, path in zip(places, paths, strict=True):
        if place == Path(args.input).resolve():
            raise InputError(f"{path}: is the input itself; choose another output")
        if places.count(place) > 1:
            raise InputError(f"{path}: given for two outputs; choose another for one")
    return [str(path) for path in paths]


def _writers(args: argparse.Namespace, source: Source) -> list[AbstractContextManager[Writer]]:
    """What takes annotated pictures, checked against the source but not begun."""
    from stc.runtime.video.sinks import open_contact, open_writer

    writers = []
    if args.output is not None:
        writers.append(open_writer(args.output, source))
    if args.contact is not None:
        writers.append(open_contact(args.contact))
    return writers


def _session(args: argparse.Namespace) -> Session:
    from stc.runtime.session import Session

    classes = None if args.classes is None else [name.strip() for name in args.classes.split(",")]
    return Session(args.model, threads=args.threads, score_threshold=args.score, classes=classes, trust=args.trust)


def _tracker(config: TrackerConfig, rule: RuleName | None, source: Source) -> TrackerConfig:
    if rule is not None:
        config = replace(config, rule=rule)
    if source.length == 1:  # no second frame can confirm what the only one shows
        config = replace(config, confirm_hits=1)
    return config


def _enter_sinks(
    args: argparse.Namespace, writers: Sequence[AbstractContextManager[Writer]], files: ExitStack
) -> list[Sink]:
    from stc.runtime.video.jsonl import jsonl_sink
    from stc.runtime.video.sinks import drawing
    from stc.runtime.video.ytvis import ytvis_sink

    sinks = []
    if writers:
        sinks.append(files.enter_context(drawing([files.enter_context(writer) for writer in writers])))
    if args.json is not None:
        sinks.append(files.enter_context(ytvis_sink(args.json)))
    if args.jsonl is not None:
        sinks.append(files.enter_context(jsonl_sink(args.jsonl)))
    return sinks


def _track(source: Source, stream: Stream, sinks: Sequence[Sink], summary: _Summary) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import MofNCompleteColumn, Progress

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(escape(source.name), total=source.length)
        for frame in source:
            result = stream(frame.image, frame.time)
            with _uninterrupted():
                for sink in sinks:
                    sink(frame, result)
                summary.add(result)
            progress.advance(task)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the block ends, so that a frame goes into all outputs or into none."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        yield
        return
    pending = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal pending
        pending = True

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pending:
        raise KeyboardInterrupt


def entry() -> None:
    sys.exit(run(main))
