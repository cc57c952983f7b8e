"""The command line of `stc-bench`."""

from __future__ import annotations

import math
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from stc.benchmarks.evaluation import annotated
from stc.cli import Parser
from stc.errors import InputError
from stc.runtime.machine import device as devices
from stc.runtime.machine import engine_names

if TYPE_CHECKING:
    from stc.benchmarks.timing.scenarios import Scenario

SCENARIOS = ("single-stream", "multi-stream", "offline", "paced")
FPS, STREAMS = 30.0, 4


def check(arguments: Namespace) -> None:
    """Raise InputError for values out of range, and for options that the scenario does not have."""
    if arguments.frames < 1:
        raise InputError(f"--frames {arguments.frames}: at least 1 is needed")
    for option, scenario in (("streams", "multi-stream"), ("fps", "paced")):
        if getattr(arguments, option) is not None and arguments.scenario != scenario:
            raise InputError(f"--{option} belongs to --scenario {scenario}; this is {arguments.scenario}")
    if arguments.streams is not None and not 1 <= arguments.streams <= 1024:
        raise InputError(f"--streams {arguments.streams}: from 1 to 1024")
    if arguments.fps is not None and not (math.isfinite(arguments.fps) and arguments.fps > 0):
        raise InputError(f"--fps {arguments.fps}: must be a positive number")


def scenario_of(arguments: Namespace) -> Scenario:
    from stc.benchmarks.timing.scenarios import MASKS, MultiStream, Offline, Paced, SingleStream

    masks = MASKS[arguments.masks][1]
    if arguments.scenario == "multi-stream":
        return MultiStream(masks, STREAMS if arguments.streams is None else arguments.streams)
    if arguments.scenario == "paced":
        return Paced(masks, FPS if arguments.fps is None else arguments.fps)
    return (Offline if arguments.scenario == "offline" else SingleStream)(masks)


def parser() -> Parser:
    p = Parser(
        prog="stc-bench",
        description="Measure models side by side, stage by stage, and compare what they find with PyTorch in float32.",
        epilog="docs/bench-report.md explains every number.",
        examples=(
            "stc-bench model-fp16",
            "stc-bench model model-fp16 --source clip.mp4 --html bench.html",
            "stc-bench model-fp16 --scenario multi-stream --streams 4 --json bench.json --strict",
        ),
        codes={2: "not for this machine", 3: "agreement missed or unproven", 4: "timing unstable, with --strict"},
    )
    p.add_argument(
        "models", nargs="+", metavar="MODEL", help="a bundle, its engine.plan or an .onnx file of it, or a checkpoint"
    )
    p.add_argument("--source", metavar="VIDEO", help="frames to time (default: those of the reference)")
    p.add_argument(
        "--reference",
        metavar="FILE",
        help="compare with this checkpoint, or reference.npz (default: each bundle's own)",
    )
    p.add_argument(
        "--scenario",
        choices=SCENARIOS,
        default=SCENARIOS[0],
        help="single-stream: one frame after the other (default); multi-stream: a thread per video; "
        "offline: all frames are there, in batches; paced: a camera that does not wait",
    )
    p.add_argument("--streams", type=int, metavar="N", help=f"multi-stream: videos (default {STREAMS})")
    p.add_argument("--fps", type=float, metavar="F", help=f"paced: frames per second of the camera (default {FPS:g})")
    p.add_argument(
        "--frames",
        type=int,
        default=200,
        metavar="N",
        help="frames of each model; up to 3 N until stable (default 200)",
    )
    p.add_argument(
        "--masks", choices=("rle", "dense", "compact"), default="rle", help="masks at frame size (default rle)"
    )
    annotated.add_options(p)
    devices.add_option(p)
    engine_names.add_option(p)
    p.add_argument("--threads", type=int, metavar="N", help="threads of the engine (default: all cores)")
    p.add_argument("--trust", action="store_true", help="run an engine that you built yourself, unverified")
    p.add_argument("--strict", action="store_true", help="exit with 4 when the timing does not become stable")
    p.add_argument("--explain", type=Path, metavar="DIR", help="write the worst instances as pictures")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON (-: to stdout)")
    p.add_argument("--html", type=Path, metavar="FILE", help="write the report as one page (-: to stdout)")
    return p
