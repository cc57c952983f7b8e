"""The original code of AdelaiDet, CrossVIS and mmdetection beside ours, from the raw frame to pixels of masks.

Each original is built with seeded weights, writes its checkpoint, and runs raw frames of several aspects; we load that
checkpoint and run the same frames. Their code comes from checkouts of yours: none of it is here. docs/fidelity.md has
the table, and what has to be installed.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from stc.cli import Parser, run
from stc.errors import InputError

if TYPE_CHECKING:
    from stc.benchmarks.originals.frames import Array
    from stc.benchmarks.originals.table import Row
    from stc.benchmarks.originals.witness import Original, Testimony
    from stc.runtime.session import Session

# What the root of a checkout has.
SIGNS = {"adelaidet": "adet", "crossvis": "adet", "detectron2": "detectron2"}
CONDINST = "CondInst/MS_R_50_1x.yaml"


def main(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(argv)
    originals = _originals(arguments)

    from stc.benchmarks.originals import table
    from stc.benchmarks.originals.frames import raw_frames
    from stc.benchmarks.originals.witness import hear

    frames = raw_frames()
    print(table.HEADER)
    missed: list[str] = []
    for original in originals:
        with TemporaryDirectory(prefix="stc-originals-") as folder:
            testimony = hear(original, frames, Path(folder))
            for row in _rows(original, testimony, frames, export=arguments.export):
                print(row, flush=True)
                missed += row.misses()
            if testimony.loop is not None:
                missed += _identities(original, testimony.checkpoint, testimony.loop)
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    return 3 if missed else 0


def _rows(original: Original, testimony: Testimony, frames: Mapping[str, Array], *, export: bool) -> Iterator[Row]:
    from stc.benchmarks.agreement.matching import thresholds
    from stc.benchmarks.originals import ours
    from stc.benchmarks.originals.seen import Seen, differ
    from stc.benchmarks.originals.table import MARGIN, Row, Side

    sides: dict[Side, Callable[[Path], Session]] = {"our PyTorch": ours.in_pytorch}
    if export:
        sides["our ONNX"] = ours.exported
    for side, opened in sides.items():
        with opened(testimony.checkpoint) as session:
            limits = thresholds(session.passport, MARGIN)
            for name, frame in frames.items():
                theirs = Seen.read(testimony.seen[name])
                yield Row(original.title, name, side, differ(theirs, ours.see(session, frame), limits))
    for name in frames:
        theirs, again = Seen.read(testimony.seen[name]), Seen.read(testimony.again[name])
        yield Row(original.title, name, "itself", differ(theirs, again, limits))


def _identities(original: Original, checkpoint: Path, loop: Path) -> list[str]:
    """Print how many assignments of the original's own loop have our identity, and say what is missed."""
    from stc.benchmarks.originals import identities, ours

    theirs = identities.read(loop)
    with ours.in_pytorch(checkpoint) as session:
        found = identities.ours(session)
    same, tracks = identities.same_identity(theirs, found), len(set(theirs.tracks.tolist()))
    line = f"{same} of {len(theirs)} assignments to {tracks} tracks have the same identity ({len(found)} of ours)"
    print(f"\n{original.title}, its own test loop: {line}\n", flush=True)
    return [] if same == len(theirs) == len(found) else [f"{original.title}: {line}"]


def _originals(arguments: Namespace) -> list[Original]:
    """Those that were asked for. Raises InputError for none, and for folders that are no checkouts."""
    from stc.benchmarks.originals.witness import Original

    for name, sign in SIGNS.items():
        folder = getattr(arguments, name)
        if folder is not None and not (folder / sign).is_dir():
            raise InputError(f"{folder}: no checkout of {name}, which has a folder {sign}; give its root")
    found = []
    detectron2 = arguments.detectron2
    if (arguments.adelaidet or arguments.crossvis) and detectron2 is None:
        raise InputError("AdelaiDet and CrossVIS run on detectron2; add: --detectron2 DIR")
    if arguments.adelaidet is not None:
        roots = arguments.adelaidet.resolve(), detectron2.resolve()
        found.append(Original("AdelaiDet", *roots, CONDINST))
        found.append(
            Original("AdelaiDet, masks at stride 8", *roots, CONDINST, ("MODEL.CONDINST.MASK_OUT_STRIDE", "8"))
        )
    if arguments.crossvis is not None:
        root = arguments.crossvis.resolve()
        found.append(Original("CrossVIS", root, detectron2.resolve(), "CrossVIS/R_50_1x.yaml", loop=True))
    if arguments.mmdet:
        found.append(Original("mmdetection"))
    if not found:
        raise InputError("nothing to compare with; give --adelaidet DIR, --crossvis DIR or --mmdet")
    return found


def _parser() -> Parser:
    parser = Parser(prog="python -m stc.benchmarks.originals", description=__doc__)
    parser.add_argument("--adelaidet", type=Path, metavar="DIR", help="checkout of AdelaiDet")
    parser.add_argument("--crossvis", type=Path, metavar="DIR", help="checkout of CrossVIS; its test loop is run too")
    parser.add_argument("--detectron2", type=Path, metavar="DIR", help="checkout of detectron2, which both need")
    parser.add_argument("--mmdet", action="store_true", help="the installed mmdetection")
    parser.add_argument(
        "--export", action="store_true", help="compare the ONNX that stc-export makes too (minutes each)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(run(main))
