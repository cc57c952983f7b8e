"""`stc-track`: masks and ids of the objects in a video, a picture, a folder of pictures, a camera or a stream."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from stc.cli import command
from stc.errors import InputError
from stc.files import messages
from stc.progress import bar
from stc.runtime.track.arguments import parse, parser
from stc.runtime.track.listed import only
from stc.runtime.track.metrics import Input, Opened, of_inputs, of_publisher
from stc.runtime.track.one import Summary, track
from stc.runtime.track.outputs import Outputs, file_names
from stc.runtime.track.run_folder import new_run_folder

if TYPE_CHECKING:
    from stc.runtime.drawing.style import Style
    from stc.runtime.publishing.publisher import Publisher
    from stc.runtime.serving.live_view import LiveView
    from stc.runtime.session import Session
    from stc.runtime.tracking.config import TrackerConfig
    from stc.runtime.video import Source

log = logging.getLogger(__name__)

Open: TypeAlias = "Callable[[str], Source]"


def main(argv: Sequence[str]) -> int:
    args = parse(parser(), argv)
    from stc.runtime.publishing.publisher import publishing
    from stc.runtime.track import beforehand, screens
    from stc.runtime.video import ReconnectPolicy, open_source
    from stc.runtime.video.sinks.lines import Rotation
    from stc.runtime.zones import read_zones

    if args.ray is not None:
        _check_fleet(args)
    beforehand.check_inputs(args.input, args.every)
    if args.show:
        screens.check_window(args.input)
    beforehand.check_model(Path(args.model), args.score, _classes(args))
    rotation = None if args.rotate is None else Rotation.parse(args.rotate)
    zones = () if args.zones is None else tuple(read_zones(args.zones))
    outputs = Outputs(
        args.output,
        args.json,
        args.jsonl,
        args.contact,
        args.append,
        rotation,
        args.overwrite,
        zones=zones,
        style=_style(args),
    )
    if args.ray is not None:
        outputs.check_folders()
        return _run_fleet(args, outputs)
    reconnect = ReconnectPolicy(give_up=args.give_up)

    def open_(spec: str) -> Source:
        return open_source(spec, args.every, policy=args.policy, reconnect=reconnect, hwaccel=args.hwaccel)

    with ExitStack() as stack:
        publisher = None
        if args.publish is not None:
            publisher = stack.enter_context(publishing(only(args.publish)))
            outputs = replace(outputs, publisher=publisher)
        view = stack.enter_context(screens.page(args.serve))
        watched = (*([] if view is None else [view.url]), *([screens.WINDOW] if args.show else []))
        code = _run(args, replace(outputs, screens=watched), open_, view, stack)
    return 1 if publisher is not None and publisher.dropped else code


def _run(args: argparse.Namespace, outputs: Outputs, open_: Open, view: LiveView | None, stack: ExitStack) -> int:
    from stc.runtime.bundle.files import read_with

    if not (outputs.shown or args.append or args.rotate):
        outputs = _chosen(outputs, args.input, stack.enter_context(new_run_folder()))
    if len(args.input) > 1:
        outputs.check_folders()
        return _run_many(args, outputs, open_, view)
    outputs.check([*args.input, *read_with(args.model), *([str(args.zones)] if args.zones else [])])
    return _run_one(args, outputs, open_, view)


def _chosen(outputs: Outputs, inputs: Sequence[str], folder: Path) -> Outputs:
    """What is written where nobody asked for anything: the picture of everything and its lines, into `folder`."""
    from stc.runtime.video.sources import is_picture

    folders = replace(outputs, annotated=folder, jsonl=folder)
    if len(inputs) > 1:
        return folders
    return folders.of_input(file_names(inputs)[0], picture=is_picture(Path(inputs[0])))


def _run_one(args: argparse.Namespace, outputs: Outputs, open_: Open, view: LiveView | None) -> int:
    from stc.runtime.track import screens

    with open_(args.input[0]) as source, screens.sinks(source, view, outputs.style, show=args.show) as sinks:
        outputs = replace(outputs, sinks=sinks)
        writers = outputs.writers(source)
        with _session(args, args.threads) as session, bar(source.name, source.length) as advance:
            summary, tracker = Summary(), _tracker(session, args)
            with _metrics(args.metrics, [Opened(source, summary)], outputs.publisher):
                stopped = track(source, session, tracker, outputs, writers, summary, advance)
        print(_sentence(summary, tracker.rule, session.engine, source, outputs), file=messages(*outputs.paths))
        lossy = bool(source.loss)
    if stopped is not None:
        raise stopped
    return 1 if lossy else 0


def _sentence(summary: Summary, rule: str, engine: str, source: Source, outputs: Outputs) -> str:
    stats = source.stats
    text = f"{summary.frames} frames in {summary.seconds:.1f} s ({summary.fps:.1f} FPS end to end, tracker {rule})"
    text += f", {summary.tracks} tracks, {engine}"
    if stats.dropped or stats.gaps:
        text += f", {stats.dropped} frames dropped, {stats.gaps} gaps"
    if source.loss:
        text += f", {source.loss}"
    return f"{text} -> {', '.join(outputs.shown)}"


def _run_many(args: argparse.Namespace, folders: Outputs, open_: Open, view: LiveView | None) -> int:
    from stc.runtime.bundle.files import read_with
    from stc.runtime.track.many import Run, shared, track_many
    from stc.runtime.video.shown import shown_spec
    from stc.runtime.video.sources import is_live, is_picture

    read = [*args.input, *read_with(args.model)]
    if (pictures := sum(is_picture(Path(spec)) for spec in args.input)) > 1:
        log.warning("%d pictures are so many videos, each with ids of its own; those of one are its folder", pictures)
    runs = []
    for number, (spec, name) in enumerate(zip(args.input, file_names(args.input), strict=True), 1):
        outputs = folders.of_input(name, number, picture=is_picture(Path(spec)))
        outputs.check(read)
        run = Run(spec, shown_spec(spec), is_live(spec), outputs)
        if view is not None:
            seen = run.shown if "://" in run.shown else Path(run.shown).name  # others need not know the folder
            run.outputs = replace(outputs, sinks=(view.feed(seen or run.shown, run, outputs.style),))
        runs.append(run)
    workers, threads = shared(args.threads, runs)
    with _session(args, threads, workers) as session:
        print(session.engine, file=sys.stderr)  # stdout is the table's
        with _metrics(args.metrics, runs, folders.publisher):
            return 0 if track_many(runs, session, _tracker(session, args), open_) else 1


@contextmanager
def _metrics(address: str | None, inputs: Sequence[Input], publisher: Publisher | None) -> Iterator[None]:
    if address is None:
        yield
        return
    from stc.runtime.metrics.endpoint import metrics_page
    from stc.runtime.metrics.exposition import render

    with metrics_page(address, lambda: render(of_inputs(inputs) + of_publisher(publisher))) as url:
        print(f"metrics: {url}", file=sys.stderr)
        yield


def _check_fleet(args: argparse.Namespace) -> None:
    """Raises InputError for what belongs to one process, where there are many."""
    if args.metrics is not None or args.publish is not None or args.serve is not None or args.show:
        raise InputError(
            "--metrics, --publish, --serve and --show are of one command, and --ray has many workers; leave out --ray"
        )


def _run_fleet(args: argparse.Namespace, folders: Outputs) -> int:
    from stc.runtime.track import fleet
    from stc.runtime.track.ray import run_all
    from stc.runtime.track.table import Report

    if args.hwaccel is not None:
        from stc.runtime.video import hardware

        hardware.check(args.hwaccel)
    model = Path(args.model).resolve()
    settings = fleet.Settings(
        str(model), fleet.model_sha256(model), args.threads or 1, args.score, _classes(args), args.every, args.tracker,
        args.trust, args.device, args.engine, args.hwaccel,
    )  # fmt: skip
    with Report(jobs := fleet.jobs(args.input, folders, settings)) as report:
        run_all(jobs, args.ray, report.add)
    return 1 if report.failed else 0


def _session(args: argparse.Namespace, threads: int | None, workers: int | None = None) -> Session:
    from stc.runtime.session import Session

    return Session(
        args.model, device=args.device, engine=args.engine, threads=threads, workers=workers,
        score_threshold=args.score, classes=_classes(args), trust=args.trust,
    )  # fmt: skip


def _style(args: argparse.Namespace) -> Style:
    """Raises InputError for what is out of range."""
    from stc.runtime.drawing.style import Style

    return Style(args.alpha, args.thickness, args.labels, args.boxes, args.trails)


def _classes(args: argparse.Namespace) -> tuple[str, ...] | None:
    return None if args.classes is None else tuple(name.strip() for name in args.classes.split(","))


def _tracker(session: Session, args: argparse.Namespace) -> TrackerConfig:
    config = session.tracker_config
    return config if args.tracker is None else replace(config, rule=args.tracker)


entry = command(main)
