"""`stc-export`: a checkpoint goes in, a proven bundle comes out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stc.cli import Parser, run

if TYPE_CHECKING:
    from stc.export.bundle import Export
    from stc.export.verify import Verification


def main(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(argv)

    from rich.console import Console

    console = Console(stderr=True)
    with console.status("loading PyTorch") as status:
        from stc.export.bundle import NO_ENGINE, export

        result = export(
            arguments.ckpt,
            arguments.output,
            fp16=arguments.fp16,
            frames=arguments.frames,
            classes=arguments.classes,
            backbone_style=arguments.backbone_style,
            step=status.update,
        )
    _print(result)
    print(NO_ENGINE)
    return 0 if result.verdict == "pass" else 3


def entry() -> None:
    sys.exit(run(main))


def _parser() -> Parser:
    parser = Parser(
        prog="stc-export", description="Export an STC or CondInst checkpoint to ONNX and prove it against PyTorch."
    )
    parser.add_argument(
        "--ckpt", required=True, metavar="FILE", help="checkpoint: .pth, .pkl (detectron2) or .safetensors"
    )
    parser.add_argument("--fp16", action="store_true", help="also write model-fp16.onnx, float16 in its types")
    parser.add_argument("-o", "--output", metavar="DIR", help="bundle folder (default: the checkpoint's name)")
    parser.add_argument(
        "--frames", metavar="VIDEO", help="prove on the first frames of this video, not on the photographs"
    )
    parser.add_argument("--classes", metavar="NAME|FILE", help="coco, ytvis2019, ytvis2021, ovis, or a file of names")
    parser.add_argument(
        "--backbone-style", choices=("msra", "torchvision"), help="stride placement and colours of the ResNet"
    )
    return parser


def _print(result: Export) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for verification in result.verifications:
        table = Table(title=f"{verification.precision}: ONNX Runtime against PyTorch float32, stage by stage")
        for column in ("stage", "max error", "relative", "largest value"):
            table.add_column(column, justify="left" if column == "stage" else "right")
        for stage in verification.stages:
            table.add_row(stage.name, f"{stage.max_error:.2e}", f"{stage.relative:.2e}", f"{stage.magnitude:.3g}")
        console.print(table)
        console.print(_summary(verification), highlight=False)
    for key, value in result.passport.checkpoint["assumed"].items():
        console.print(f"assumed {key}: {value}", highlight=False)
    print(f"{result.path}: {result.verdict}")


def _summary(verification: Verification) -> str:
    a = verification.agreement
    lines = [
        f"{verification.precision} {a.verdict}: {a.detections} detections of {a.tracks} tracks in {a.frames} frames; "
        f"matched {a.detections_matched:.2%}, left out {a.detections_left_out:.2%}; boxes {a.boxes_max_px:.2g} px, "
        f"scores {a.scores_max:.2g}, masks {a.masks_max:.2g}, "
        f"mask IoU p1 {a.mask_iou_p1:.4f}, min {a.mask_iou_min:.4f}, "
        f"embedding cosine {a.embedding_cos_min:.6f}, ids equal {a.ids_equal:.2%}"
    ]
    lines += [f"  missed budget: {failure}" for failure in a.failures]
    if verification.precision == "fp16":
        lines.append("  (a CPU shows the rounding of float16 storage, not a GPU's accumulation)")
    return "\n".join(lines)
