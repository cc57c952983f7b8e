"""`python -m stc.training.calibrate`: a trained model with calibrated scores, in one file ready to ship."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from stc.cli import Parser, command
from stc.errors import InputError
from stc.files import check_outputs


def parser() -> argparse.ArgumentParser:
    p = Parser(
        prog="python -m stc.training.calibrate",
        description="Scale the scores of a model so that they are the shares of detections that are right.",
    )
    p.add_argument("--ckpt", type=Path, required=True, metavar="FILE", help="what stc-train left: ema.safetensors")
    p.add_argument("--data", type=Path, required=True, metavar="JSON", help="annotated pictures never trained on")
    p.add_argument("--frames", type=Path, required=True, metavar="DIR", help="folder that their file names start from")
    p.add_argument("--split", default="val", help="which of them, where the file has splits (default: val)")
    p.add_argument(
        "--score", type=float, metavar="S", help="least score that the model gives out afterwards (default: as before)"
    )
    p.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help=".safetensors, stored as float16")
    return p


def main(argv: Sequence[str]) -> int:
    arguments = parser().parse_args(argv)
    if arguments.score is not None and not 0 < arguments.score < 1:
        raise InputError(f"--score {arguments.score:g}: must be between 0 and 1")
    check_outputs([arguments.output], [arguments.ckpt, arguments.data])

    import torch

    from stc.model import checkpoint
    from stc.training.calibrate.fit import UNCHANGED, apply, error, fit, held_out
    from stc.training.calibrate.sample import detect
    from stc.training.data.annotations import Source
    from stc.training.data.index import read_all

    model = checkpoint.load(arguments.ckpt).model
    if model.config.score_form != "sqrt":
        raise InputError(
            f"{arguments.ckpt}: its scores are class x centerness; only those of stc-train and AdelaiDet, the square "
            "root of it, can be calibrated"
        )
    dataset = read_all([Source(arguments.data, arguments.frames)], split=arguments.split)
    if dataset.classes != model.config.classes:
        raise InputError(
            f"the model knows {', '.join(model.config.classes)}, the data {', '.join(dataset.classes)}: they must be "
            "the same; give --data the categories of the training"
        )
    sample = detect(model, dataset)
    calibration = fit(sample)
    right = sample.right.numpy()
    before, after = (error(scores, right) for scores in (UNCHANGED.scores(sample), held_out(sample)))
    apply(model, calibration)
    if arguments.score is not None:
        model.config = model.config.with_(score_threshold=arguments.score**2)
    checkpoint.save(model, arguments.output, torch.float16)
    print(
        f"{len(right)} detections in {dataset.num_frames} pictures, {int(right.sum())} right\n"
        f"class logit x {calibration.class_scale:.3f} {calibration.class_shift:+.3f}, centerness logit x "
        f"{calibration.centerness_scale:.3f} {calibration.centerness_shift:+.3f}\n"
        f"calibration error {before:.3f} before, {after:.3f} after (five-fold, on pictures left out of the fit)\n"
        f"written: {arguments.output}"
    )
    return 0


entry = command(main)


if __name__ == "__main__":
    entry()
