"""The command line of `stc-track`."""

from __future__ import annotations

import argparse
import math
from argparse import BooleanOptionalAction
from collections.abc import Sequence
from pathlib import Path

from stc.cli import Parser
from stc.runtime.drawing.style import Style
from stc.runtime.machine import device as devices
from stc.runtime.machine import engine_names
from stc.runtime.track import settings_file
from stc.runtime.track.listed import listed
from stc.runtime.tracking.config import RULE_NAMES

EXAMPLES = (
    "stc-track clip.mp4 --model model-fp16                      # into a new runs/track-N",
    "stc-track clip.mp4 --model model-fp16 -o out.mp4 --json tracks.json",
    "stc-track rtsp://cam/live --model model-fp16 --jsonl gate.jsonl --append --rotate 1d",
    "stc-track rtsp://cam/live --model model-fp16 --serve 8080  # watched in a browser",
    "stc-track a.mp4 b.mp4 --model model-fp16 -o out --classes person,car",
    "stc-track --config gate.toml                               # all of it from a file",
)


def parser() -> Parser:
    p = Parser(
        prog="stc-track",
        description="Track objects with masks through a video.",
        examples=EXAMPLES,
        codes={
            1: "wrong usage or input, or video that is damaged in part: what is left of it is written",
            2: "the model is not for this machine",
        },
    )
    p.add_argument(
        "input", nargs="*", metavar="INPUT",
        help="video, picture, folder of pictures, camera (0, /dev/video0) or URL, or @FILE with one on each line; of "
        "several, every output is a folder that takes one file per input; recorded ones take turns",
    )  # fmt: skip
    p.add_argument("--model", metavar="M", help="bundle of stc-export, or its model.onnx or engine.plan")
    p.add_argument(
        "--config", type=Path, metavar="FILE.toml",
        help="inputs and options from a file, by their long names; what the command line says too, counts instead",
    )  # fmt: skip
    p.add_argument(
        "-o", "--output", type=Path, metavar="OUT",
        help="annotated video (.mp4), picture (.png) or folder (without any output: all into a new runs/track-N)",
    )  # fmt: skip
    p.add_argument(
        "--json", type=Path, metavar="FILE", help="YTVIS result JSON, written at the end of a file or folder"
    )
    p.add_argument("--jsonl", type=Path, metavar="FILE", help="JSON lines, one per frame as it comes; - is stdout")
    p.add_argument(
        "--append", action=BooleanOptionalAction, help="continue the file of --jsonl (default: keep it under a number)"
    )
    p.add_argument(
        "--rotate", metavar="SIZE|TIME", help="begin a new file of --jsonl at this size or time, such as 100MB or 1h"
    )
    p.add_argument(
        "--zones", type=Path, metavar="ZONES.json",
        help='count tracks over lines and in areas: {"door": {"line": [[x, y], [x, y]]}, "yard": {"polygon": [...]}}',
    )  # fmt: skip
    p.add_argument("--contact", type=Path, metavar="FILE.png", help="contact sheet of annotated frames")
    p.add_argument(
        "--overwrite", action=BooleanOptionalAction,
        help="replace an earlier --jsonl file, and videos and pictures that stc did not write",
    )  # fmt: skip
    p.add_argument(
        "--score", type=float, metavar="S", help="keep detections with at least this score (model's: its own)"
    )
    p.add_argument("--classes", metavar="A,B", help="keep only these classes")
    p.add_argument("--every", type=int, default=1, metavar="N", help="use only every Nth frame (default 1)")
    p.add_argument(
        "--policy", choices=("drop-oldest", "wait"), default="drop-oldest",
        help="where a live source is faster than the model: skip to its newest frame (default), or hold it back; files "
        "are always read whole",
    )  # fmt: skip
    p.add_argument(
        "--give-up", type=float, default=math.inf, metavar="S",
        help="fail when a live source gives no frame for S seconds (default: reconnect for ever)",
    )  # fmt: skip
    p.add_argument(
        "--hwaccel", metavar="NAME",
        help="decode video on a device: cuda, cuda:1, vaapi, qsv, … (default: the CPU, which also does what it cannot)",
    )  # fmt: skip
    drawn = p.add_argument_group("what is drawn")
    drawn.add_argument(
        "--alpha",
        type=float,
        default=Style.alpha,
        metavar="A",
        help=f"of the tint in masks, 0 (none) to 1 (default {Style.alpha})",
    )
    drawn.add_argument(
        "--thickness", type=int, metavar="PX", help="of outlines, boxes and trails; 0: none (by the frame's size)"
    )
    drawn.add_argument("--labels", action=BooleanOptionalAction, help="#id class score beside each object (default)")
    drawn.add_argument("--boxes", action=BooleanOptionalAction, help="the boxes too")
    drawn.add_argument("--trails", type=int, default=0, metavar="N", help="the path of a track's last N positions")
    p.add_argument("--tracker", choices=RULE_NAMES, help="tracking rule (model's: its own)")
    devices.add_option(p)
    engine_names.add_option(p)
    p.add_argument("--threads", type=int, metavar="N", help="CPU threads of the engine; several inputs share them out")
    p.add_argument(
        "--ray", metavar="ADDRESS",
        help="a video per task of a Ray cluster (HOST:PORT, or local to start one); finished videos are not computed "
        "again",
    )  # fmt: skip
    p.add_argument(
        "--publish", metavar="URL",
        help="send the JSON lines of all inputs to mqtt://HOST/TOPIC or redis://HOST/STREAM; @FILE holds the URL",
    )  # fmt: skip
    p.add_argument(
        "--serve", metavar="[HOST:]PORT",
        help="a page with live video, counts and health, at http://HOST:PORT (default HOST: 127.0.0.1) while this runs",
    )  # fmt: skip
    p.add_argument(
        "--show", action=BooleanOptionalAction, help="a window with live video; q, Esc or closing it ends the run"
    )
    p.add_argument(
        "--metrics", metavar="[HOST:]PORT",
        help="counts and times for Prometheus, at http://HOST:PORT/metrics (default HOST: 127.0.0.1) while this runs",
    )  # fmt: skip
    p.add_argument("--trust", action=BooleanOptionalAction, help="run an engine that you built yourself, unverified")
    # Here, or the help would repeat it after each.
    p.set_defaults(append=False, overwrite=False, show=False, trust=False, labels=True, boxes=False)
    return p


def parse(command: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """What is asked for, also by a file of `--config`. Raises InputError for wrong usage, and for what is missing."""
    args = settings_file.parse(command, argv)
    missing = [name for name, given in (("INPUT", args.input), ("--model", args.model)) if not given]
    if missing:
        command.error(f"the following arguments are required: {', '.join(missing)}")
    args.input = listed(args.input)
    return args
