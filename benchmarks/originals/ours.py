"""Our way of a frame: the checkpoint that the original wrote, loaded by our reader, run by the runtime's session."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stc.benchmarks.models.pytorch import TorchBackend
from stc.benchmarks.originals.frames import LONGEST, SHORTEST, Array
from stc.benchmarks.originals.seen import Seen
from stc.model.checkpoint.load import load
from stc.model.checkpoint.passport import passport_of
from stc.runtime.session import Session


def open_for(checkpoint: Path, classes: str, frame: Array) -> Session:
    """A session of `checkpoint` whose input has the size that the original resizes `frame` to."""
    source = load(checkpoint, classes=classes)
    height, width = frame.shape[:2]
    scale = min(SHORTEST / min(height, width), LONGEST / max(height, width))
    source.model.config = source.config.with_(input_size=(int(height * scale + 0.5), int(width * scale + 0.5)))
    passport = passport_of(replace(source, config=source.model.config), checkpoint.name, checkpoint.stem)
    return Session.from_backend(TorchBackend(source.model, passport), passport, str(checkpoint))


def see(session: Session, frame: Array) -> Seen:
    """What `session` finds in a frame of no video."""
    found = session.stream()(frame)
    return Seen.of(found.boxes, found.scores, found.labels, found.masks.dense(), found.embeddings)
