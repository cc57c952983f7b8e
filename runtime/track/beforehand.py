"""What a person mends first is told first: the input, the model, what is asked of it, and only then the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stc.runtime import selection
from stc.runtime.bundle import files, passport
from stc.runtime.video import sources


def check_inputs(inputs: Sequence[str], every: int) -> None:
    """Raise InputError for a step that is none, and for a single input that is not there; of several, one that fails
    stops nobody.
    """
    sources.check_every(every)
    if len(inputs) == 1:
        sources.check(inputs[0])


def check_model(model: Path, score: float | None, classes: Sequence[str] | None) -> None:
    """Raise InputError for a model that is not there, and for a score or a class that its passport does not allow, as
    `Session` would later. Raises as `passport.read` does for one that was altered.
    """
    files.check_there(model)
    folder = model if model.is_dir() else model.parent
    if (folder / passport.FILE_NAME).is_file():
        known = passport.read(folder)
        selection.threshold(known, score)
        selection.wanted(known, classes)
