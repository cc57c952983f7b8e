"""The command line of `stc-export`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stc.benchmarks.evaluation import annotated
from stc.cli import Parser
from stc.errors import InputError
from stc.model.backbone_styles import BACKBONE_STYLES
from stc.model.config import parse_size
from stc.model.decode_rules import DECODE_RULES

if TYPE_CHECKING:
    from stc.export.engine.options import EngineOptions
    from stc.export.graph.precision import Precision
    from stc.model.checkpoint.options import Reading

# Options of the fields of `stc.model.checkpoint.options.Reading`.
_READING: dict[str, dict[str, Any]] = {
    "classes": {"metavar": "NAME|FILE", "help": "coco, ytvis2019, ytvis2021, ovis, or a file of names"},
    "backbone_style": {"choices": BACKBONE_STYLES, "help": "stride placement and colours of the ResNet"},
    "decode_rule": {
        "choices": DECODE_RULES,
        "help": "how detections are made of the network's outputs (default: as the code base of the checkpoint does)",
    },
    "config": {
        "metavar": "FILE",
        "help": "what the checkpoint was trained with: detectron2's config.yaml, mmdetection's .py or JSON (default: "
        "that in the file or beside it)",
    },
    "key_map": {"metavar": "FILE", "help": "names of another code base: lines of a regular expression and our name"},
}
# Baked into an ONNX file: only an export can change them.
_OF_THE_EXPORT = (
    *("fp16", "bf16", "int8", "calib", "frames", "size", "max_detections", "appearance"),
    *annotated.OPTIONS,
    *_READING,
)


def parser() -> Parser:
    p = Parser(
        prog="stc-export",
        description="Export an STC or CondInst checkpoint to ONNX and a TensorRT engine, and prove it against PyTorch.",
        examples=(
            "stc-export --ckpt model.pth --inspect                      # what is it? nothing is written",
            "stc-export --ckpt model.pth -o model",
            "stc-export --ckpt model.pth -o model-fp16 --fp16 --batch 1:4:8",
            "stc-export --ckpt model.pth -o model-int8 --int8 --calib site.mp4",
            "stc-export --onnx model/model.onnx                         # its engine, on the machine that runs it",
        ),
        codes={2: "the artefact is not for this machine", 3: "other detections than PyTorch's: not proven"},
    )
    source = p.add_mutually_exclusive_group(required=True)
    source.add_argument("--ckpt", metavar="FILE", help="checkpoint: .pth, .pkl (detectron2) or .safetensors")
    source.add_argument("--onnx", metavar="FILE", help="rebuild the engine of a bundle from one of its .onnx files")
    source.add_argument("--bundle", metavar="DIR", help="with --triton: a bundle that exists, as it is")
    p.add_argument(
        "-o", "--output", metavar="DIR", help="bundle (default: the checkpoint's name; with --onnx: its own)"
    )
    p.add_argument("--triton", type=Path, metavar="DIR", help="also write a Triton model repository of the bundle")
    p.add_argument(
        "--overwrite", action="store_true", help="write over files that no export wrote; all others stay in any case"
    )
    precision = p.add_mutually_exclusive_group()
    precision.add_argument("--fp16", action="store_true", help="engine and model-fp16.onnx of float16, in its types")
    precision.add_argument("--bf16", action="store_true", help="engine and model-bf16.onnx of bfloat16, in its types")
    precision.add_argument("--int8", action="store_true", help="engine and model-int8.onnx; needs --calib")
    p.add_argument("--calib", metavar="VIDEO", help="frames to calibrate int8 on")
    p.add_argument("--frames", metavar="VIDEO", help="prove on the first frames of this video, not on the photographs")
    for name, settings in _READING.items():
        p.add_argument(_flag(name), **settings)
    p.add_argument(
        "--size",
        type=parse_size,
        metavar="HxW",
        help="one input size in pixels, which all frames are fitted into (default: the model's; "
        "AdelaiDet's, CrossVIS's and mmdetection's take any, and each frame keeps its shape)",
    )
    p.add_argument("--batch", metavar="N|MIN:OPT:MAX", help="pictures per run: fixed, or a range (default 1)")
    p.add_argument("--max-detections", type=int, metavar="K", help="capacity of the outputs (default: the model's)")
    annotated.add_options(p)
    p.add_argument(
        "--appearance",
        action=argparse.BooleanOptionalAction,
        help="give each object the mean of the backbone's C3 under its mask, by which the tracker tells objects apart "
        "(default: the model's)",
    )
    instead = p.add_argument_group("instead of an export")
    what = instead.add_mutually_exclusive_group()
    what.add_argument("--inspect", action="store_true", help="say what the checkpoint is, and write nothing")
    what.add_argument("--to-safetensors", metavar="FILE", help="write the checkpoint as .safetensors, with its config")
    instead.add_argument("--json", action="store_true", help="with --inspect: print JSON")
    _add_engine(p)
    return p


def _add_engine(p: Parser) -> None:
    engine = p.add_argument_group("engine")
    engine.add_argument(
        "--trt",
        choices=("auto", "tensorrt", "rtx", "none"),
        default="auto",
        help="what builds the engine (default: TensorRT where it imports, else TensorRT-RTX, else none)",
    )
    engine.add_argument(
        "--plugin",
        choices=("auto", "library", "embed", "none"),
        default="auto",
        help="what computes the masks: our plugin library, its kernel inside the engine, or standard operators "
        "(default: library; with RTX, which has no plugins, none)",
    )
    engine.add_argument(
        "--target", action="append", metavar="SM", help="RTX: compute capabilities, such as SM86,SM89 (repeatable)"
    )
    engine.add_argument(
        "--sizes",
        metavar="MIN:OPT:MAX",
        help="input sizes, HxW each, of a model that takes any (default: best at the first frame of --frames, and all "
        "shapes from 1:4 to 4:1)",
    )
    engine.add_argument("--workspace", type=float, metavar="GIB", help="GPU memory that a layer may use (default: all)")
    engine.add_argument(
        "--opt-level", type=int, metavar="N", help="0: fastest build, to 5: fastest engine (default: TensorRT's)"
    )
    engine.add_argument(
        "--hw-compat",
        choices=("ampere_plus", "same_compute_capability"),
        default="none",
        help="TensorRT: an engine for more GPUs than this one",
    )
    engine.add_argument(
        "--timing-cache", type=Path, metavar="FILE", help="TensorRT: read and written, for faster builds"
    )


def check(arguments: argparse.Namespace) -> None:
    """Raise InputError for options that do not go together."""
    if arguments.bundle is not None:
        _check_bundle(arguments)
    if arguments.json and not arguments.inspect:
        raise InputError("--json belongs to --inspect; an export writes export-report.json")
    if arguments.inspect or arguments.to_safetensors is not None:
        _check_reading(arguments)
    if arguments.onnx is None:
        return
    defaults = parser()
    given = [_flag(name) for name in _OF_THE_EXPORT if getattr(arguments, name) != defaults.get_default(name)]
    if given:
        raise InputError(f"{', '.join(given)}: fixed in an ONNX file; re-export with: stc-export --ckpt FILE")
    if arguments.trt == "none":
        raise InputError("--onnx only builds an engine, and --trt none builds none; leave one of them out")


def _check_bundle(arguments: argparse.Namespace) -> None:
    if arguments.triton is None:
        raise InputError("--bundle takes a bundle as it is, to write a Triton repository of: add --triton DIR")
    defaults = parser()
    given = [
        _flag(name)
        for name, value in vars(arguments).items()
        if name not in {"bundle", "triton", "overwrite"} and value != defaults.get_default(name)
    ]
    if given:
        raise InputError(f"{', '.join(given)}: --bundle takes a bundle as it is; leave them out")


def _check_reading(arguments: argparse.Namespace) -> None:
    own = ("inspect", "json") if arguments.inspect else ("to_safetensors",)
    what = _flag(own[0])
    if arguments.ckpt is None:
        raise InputError(f"{what} is for checkpoints: give --ckpt FILE")
    defaults = vars(parser().parse_args(["--ckpt", arguments.ckpt]))
    given = [name for name, value in vars(arguments).items() if value != defaults[name]]
    if foreign := [_flag(name) for name in given if name not in ("ckpt", *_READING, *own)]:
        raise InputError(f"{', '.join(foreign)}: of an export, and {what} exports nothing; leave out one of them")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def reading(arguments: argparse.Namespace) -> Reading:
    from stc.model.checkpoint.options import Reading

    return Reading(**{name: getattr(arguments, name) for name in _READING})


def precision(arguments: argparse.Namespace) -> Precision:
    asked: list[Precision] = [name for name in ("fp16", "bf16", "int8") if getattr(arguments, name)]  # one at most
    return asked[0] if asked else "fp32"


def engine_options(arguments: argparse.Namespace) -> EngineOptions:
    """Raises InputError for a value out of range."""
    from stc.export.engine.options import EngineOptions, parse_targets
    from stc.export.sizes import Batch, parse, parse_sizes

    return EngineOptions(
        trt=arguments.trt,
        plugin=arguments.plugin,
        batch=Batch() if arguments.batch is None else parse(arguments.batch),
        sizes=None if arguments.sizes is None else parse_sizes(arguments.sizes),
        targets=parse_targets(arguments.target or ()),
        workspace=arguments.workspace,
        opt_level=arguments.opt_level,
        hw_compat=arguments.hw_compat,
        timing_cache=arguments.timing_cache,
    )
