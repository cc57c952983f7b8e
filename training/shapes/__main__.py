"""`python -m stc.training.shapes OUT`: clips of moving shapes, with masks and ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stc.cli import Parser, command
from stc.errors import InputError
from stc.training.shapes.draw import write_shapes


def main(argv: Sequence[str]) -> int:
    parser = Parser(prog="python -m stc.training.shapes", description="Write clips of moving shapes, YouTube-VIS form.")
    parser.add_argument("output", type=Path, metavar="DIR", help="folder to write to")
    parser.add_argument("--clips", type=int, default=60, metavar="N", help="number of clips (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal clips (default: %(default)s)")
    arguments = parser.parse_args(argv)
    if arguments.clips < 1 or arguments.seed < 0:
        raise InputError("--clips must be 1 or more, --seed 0 or more")
    print(write_shapes(arguments.output, arguments.clips, arguments.seed))
    return 0


if __name__ == "__main__":
    command(main)()
