"""Reading checkpoints of known layouts into `STC` models, and writing our own."""

from stc.model.checkpoint.load import Checkpoint, load
from stc.model.checkpoint.save import save

__all__ = ["Checkpoint", "load", "save"]
