"""What a model is compared with, and the comparison: PyTorch in float32, recorded by the export or run here and now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks import reference
from stc.benchmarks.agreement import divergence
from stc.benchmarks.agreement.divergence import StageError
from stc.benchmarks.agreement.ids import scatter
from stc.benchmarks.agreement.matching import FrameMasks
from stc.benchmarks.agreement.parity import Agreement, Shown, compare
from stc.benchmarks.models.candidates import Candidate, is_checkpoint
from stc.benchmarks.reference import FrameOutputs, Reference, valid_rows
from stc.errors import InputError
from stc.runtime.bundle.passport import FIX, verify_file
from stc.runtime.letterbox import Letterbox
from stc.runtime.tracking.detections import kept

if TYPE_CHECKING:
    from stc.benchmarks.models.pytorch import TorchBackend

Array = NDArray[Any]
LIVE_FRAMES = 24  # of the source, where PyTorch runs here


@dataclass(frozen=True)
class Truth:
    """Frames and what PyTorch made of them. origin: in words. live: PyTorch itself, for the intermediate tensors."""

    reference: Reference
    origin: str
    live: TorchBackend | None = None


@dataclass(frozen=True)
class Proof:
    """outputs: what the candidate gave on the reference's frames. stages: of its first frame, where PyTorch runs here
    and the candidate is an ONNX file of ours."""

    truth: Truth
    outputs: tuple[FrameOutputs, ...]
    agreement: Agreement
    stages: tuple[StageError, ...]


def find(
    candidates: Sequence[Candidate], given: str | None, pictures: Sequence[Array], threads: int | None
) -> list[Truth | None]:
    """What every candidate is compared with: what was `given` (a reference.npz or a checkpoint), else its bundle's
    reference.npz; a checkpoint takes that of a bundle in this run that was made from it. None where there is nothing.

    pictures: the frames of this run, for a checkpoint to run on. Raises InputError for a given file that does not fit.
    """
    recordings = {c.label: recorded(c) for c in candidates if given is None and c.folder is not None}
    if given is not None:
        fixed = _live(Path(given), pictures, threads) if is_checkpoint(Path(given)) else _read(Path(given))
        for candidate in candidates:
            _check(candidate, fixed.reference, f"--reference {given}", "give the reference of this very model")
        return [fixed] * len(candidates)
    return [_own(candidate, candidates, recordings) for candidate in candidates]


def prove(
    candidate: Candidate,
    truth: Truth,
    frame_size: tuple[int, int],
    asked: Callable[[], bool] = lambda: False,
    progress: Callable[[], None] = lambda: None,
) -> Proof | None:
    """Run the reference's frames through the candidate's session, its tracker and its masks, and compare.

    frame_size: (H, W) that masks are compared at. None when `asked()` to stop before the end.
    """
    session, passport = candidate.session, candidate.session.passport
    shape = Letterbox.fit(frame_size, truth.reference.input_size, passport.resize, passport.border)
    masks = FrameMasks(shape, passport.mask_stride, session.native)
    stream = session.stream("proof")
    outputs, shown = [], []
    for frame in truth.reference.frames:
        if asked():
            return None
        letterbox, inputs = stream.prepare(frame)
        arrays = session.infer(np.repeat(inputs[None], session.batches[0], axis=0))
        result = stream.finish(arrays, 0, letterbox)
        found = valid_rows(arrays)
        rows = kept(letterbox.to_frame(found.boxes), found.scores, session.score_threshold)
        outputs.append(found)
        shown.append(Shown(scatter(result.handles, rows, len(found)), masks.differences))
        progress()
    stream.close()
    agreement = compare(truth.reference, outputs, passport, candidate.precision, shown)
    return Proof(truth, tuple(outputs), agreement, _stages(candidate, truth))


def _stages(candidate: Candidate, truth: Truth) -> tuple[StageError, ...]:
    file = candidate.session.file
    if truth.live is None or file is None or file.suffix != ".onnx":
        return ()
    frame = truth.reference.frames[0]
    expected, _ = truth.live.stages(frame)
    return divergence.stage_errors(file, candidate.precision, frame, expected)


def _own(candidate: Candidate, candidates: Sequence[Candidate], recordings: dict[str, Truth]) -> Truth | None:
    """Of a bundle or a checkpoint, where no reference was given."""
    weights = candidate.session.passport.checkpoint.get("sha256")
    relatives = [c for c in candidates if weights and c.session.passport.checkpoint.get("sha256") == weights]
    live = next((c.torch for c in relatives if c.torch is not None), None)
    if candidate.label in recordings:
        truth = recordings[candidate.label]
        return Truth(truth.reference, truth.origin, live)
    sizes = _sizes(candidate)
    bundle = next((c for c in relatives if c.label in recordings and _sizes(c) == sizes), None)
    if bundle is None:
        return None
    return Truth(recordings[bundle.label].reference, f"{recordings[bundle.label].origin} of {bundle.label}")


def recorded(candidate: Candidate) -> Truth:
    """The recording in a candidate's bundle, verified before it is read. Raises InputError or IncompatibleError."""
    assert candidate.folder is not None
    path = candidate.folder / reference.FILE_NAME
    if not path.is_file():
        raise InputError(
            f"{path}: missing, so there is nothing to compare {candidate.label} with; "
            "re-export with: stc-export --ckpt FILE, or name the checkpoint: --reference FILE"
        )
    verify_file(candidate.session.passport, path)
    found = _read(path)
    _check(candidate, found.reference, str(path), FIX)
    return found


def _read(path: Path) -> Truth:
    found = reference.read(path)
    return Truth(found, f"PyTorch float32, recorded in {path.name} ({len(found.frames)} frames)")


def _live(path: Path, pictures: Sequence[Array], threads: int | None) -> Truth:
    from stc.benchmarks.models.pytorch import open_checkpoint

    session, backend = open_checkpoint(path, threads)
    frames: list[Array] = []
    outputs = []
    for picture in pictures[:LIVE_FRAMES]:
        _, inputs = session.stream().prepare(picture)
        if frames and inputs.shape != frames[0].shape:  # of pictures of several shapes, those of the first one's
            continue
        frames.append(inputs)
        outputs.append(valid_rows(session.infer(inputs[None])))
    origin = f"PyTorch float32, {path.name} run here on {len(frames)} frames"
    return Truth(Reference(np.stack(frames), tuple(outputs)), origin, backend)


def _check(candidate: Candidate, expected: Reference, where: str, fix: str) -> None:
    """Raises InputError when the reference is of another kind of model."""
    passport = candidate.session.passport
    size = expected.input_size
    cells = passport.mask_cells(size)
    if (takes := passport.letterbox(size).input_size) != size:
        wrong = f"of input size {_by(size)}, {candidate.label} takes {_by(takes)}"
    elif widths := {o.embeddings.shape[1] for o in expected.outputs} - {passport.embedding_dim}:
        wrong = f"embeddings of {max(widths)} numbers, {candidate.label} has {passport.embedding_dim}"
    elif sizes := {o.masks.shape[1:] for o in expected.outputs} - {cells}:
        wrong = f"masks of {_by(max(sizes))} cells, {candidate.label} has {_by(cells)}"
    elif any(len(o) > passport.max_detections for o in expected.outputs):
        wrong = f"more detections in a frame than the {passport.max_detections} of {candidate.label}"
    elif any(not np.isin(o.labels, np.arange(len(passport.classes))).all() for o in expected.outputs):
        wrong = f"labels beyond the {len(passport.classes)} classes of {candidate.label}"
    else:
        return
    raise InputError(f"{where}: {wrong}; {fix}")


def _sizes(candidate: Candidate) -> tuple[Any, ...]:
    passport = candidate.session.passport
    return passport.input_size, passport.shortest_edge


def _by(size: Sequence[int]) -> str:
    return "x".join(map(str, size))
