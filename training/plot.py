"""The log of a run as a picture: `python -m stc.training.plot runs/mine`; several runs are drawn over each other."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stc.boundary import foreign
from stc.cli import Parser, command
from stc.errors import InputError
from stc.files import atomic_path, check_outputs, messages
from stc.training.run_folder import LOG, PLOT

SHOWN = ("total", "cls", "box", "centerness", "mask", "contrast", "cosine", "consistency", "norm", "lr")
SMOOTHED = 0.1  # of the run, that the moving mean is over
Curves = dict[str, NDArray[np.float64]]


def plot(folders: Sequence[Path], path: Path) -> None:
    """Draw every column of the logs against the steps, raw and as a moving mean. Raises InputError without rows."""
    from matplotlib.figure import Figure

    logs = [read_log(folder) for folder in folders]
    figure = Figure(figsize=(20, 7), layout="tight")
    axes = figure.subplots(2, 5)
    for name, axis in zip(SHOWN, axes.flat, strict=True):
        for folder, log in zip(folders, logs, strict=True):
            (line,) = axis.plot(log["step"], log[name], linewidth=0.5, alpha=0.3)
            steps, mean = _smooth(log["step"], log[name])
            axis.plot(steps, mean, color=line.get_color(), label=folder.name)
        axis.set(title=name, xlabel="step", yscale="log" if min(log[name].min() for log in logs) > 0 else "linear")
        axis.grid(alpha=0.3)
    axes.flat[0].legend()
    with atomic_path(path) as temporary:
        with foreign("Matplotlib", path, "give a name that ends in .png, .svg or .pdf"):
            figure.savefig(temporary, format=path.suffix[1:] or "png")


def read_log(folder: Path) -> Curves:
    """The columns of `log.csv`. Raises InputError when it is missing, without rows or damaged."""
    path = folder / LOG
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        curves = {name: np.array([float(row[name]) for row in rows]) for name in ("step", *SHOWN)}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no log of stc-train ({error}); give the folder of a run") from error
    if not rows:
        raise InputError(f"{path}: holds no step yet; wait for the first")
    return curves


def _smooth(steps: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean over a part of the steps, placed at the middle of them."""
    width = max(1, int(SMOOTHED * len(values)))
    kernel = np.full(width, 1 / width)
    return np.convolve(steps, kernel, "valid"), np.convolve(values, kernel, "valid")


def main(argv: Sequence[str]) -> int:
    parser = Parser(prog="python -m stc.training.plot", description="Draw the losses of one or more runs of stc-train.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="--output folder of a training")
    parser.add_argument("-o", "--output", type=Path, help=f"picture to write (default: {PLOT} in the first run)")
    arguments = parser.parse_args(argv)
    path = arguments.output or arguments.runs[0] / PLOT
    check_outputs([path], [run / LOG for run in arguments.runs])
    plot(arguments.runs, path)
    print(path, file=messages(path))
    return 0


if __name__ == "__main__":
    command(main)()
