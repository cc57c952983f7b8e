"""Our way of a frame: the checkpoint that the original wrote, read by us and run behind the runtime's session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from stc.benchmarks.models.pytorch import open_checkpoint
from stc.benchmarks.originals.frames import Array
from stc.benchmarks.originals.seen import Seen
from stc.errors import InputError
from stc.runtime.session import Session

EXPORT = "from stc.export.main import entry; entry()"
MISSED = 3  # stc-export's code for a bundle that misses its own budget: here the original is the judge


def in_pytorch(checkpoint: Path) -> Session:
    return open_checkpoint(checkpoint)[0]


def exported(checkpoint: Path) -> Session:
    """`checkpoint` through `stc-export`, which is above this layer, in ONNX Runtime. The bundle is beside it."""
    bundle = checkpoint.parent / "bundle"
    command = [sys.executable, "-c", EXPORT, "--ckpt", str(checkpoint), "-o", str(bundle), "--trt", "none"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, MISSED):
        raise InputError(f"stc-export refuses what {checkpoint.name} holds: {done.stderr.strip().splitlines()[-1]}")
    return Session(bundle)


def see(session: Session, frame: Array) -> Seen:
    """What `session` finds in a frame of no video."""
    found = session.stream()(frame)
    return Seen.of(found.boxes, found.scores, found.labels, found.masks.dense(), found.embeddings)
