"""What the folder of a run holds, and which folders may become one."""

from __future__ import annotations

import json
from pathlib import Path

from stc.errors import InputError
from stc.folders import Folder, find

LAST, EMA, LOG, CONFIG, PLOT = "last.pt", "ema.safetensors", "log.csv", "config.json", "losses.png"
FRAMES = "frames"  # pictures taken out of videos
BEST, VALIDATION, EVENTS = "best.safetensors", "validation.csv", "tensorboard"  # of a run that is validated; curves
OPTION = "--output DIR"


def check(folder: Path, *, resume: bool) -> None:
    """Raise InputError when a run cannot be written into `folder`: before the work, and for what is no run's there."""
    real = find(folder, OPTION)
    if resume:
        return
    if (real / LAST).exists():
        raise InputError(f"{folder} already holds a training; continue it with --resume or choose another --output")
    clashes = Folder(real).clashes({EMA, LOG, CONFIG, PLOT, FRAMES, BEST, VALIDATION, EVENTS})
    if clashes and not _began(real):
        raise InputError(
            f"{folder / clashes[0]}: there already, and not of a run of stc-train; choose another with: {OPTION}"
        )


def _began(folder: Path) -> bool:
    """Whether a run began here, which writes its settings first; one that was killed before it saved starts anew."""
    try:
        values = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(values, dict) and values.keys() == {"model", "training"}
