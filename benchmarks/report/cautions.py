"""What a reader must know before quoting a number, in the manner of trtexec's warnings."""

from __future__ import annotations

from collections.abc import Sequence

from stc.benchmarks.report.structure import ModelReport
from stc.benchmarks.timing.environment import Disturbance
from stc.benchmarks.timing.intervals import AGREE, WINDOWS
from stc.benchmarks.timing.schedule import MOST_WINDOWS
from stc.runtime.stages import COPIES, ENGINE, ENQUEUE

ADD_UP = 0.03  # of a serial frame's time may be in no stage
ENQUEUE_BOUND = 0.8  # of the engine's time
SCARCE = 200  # frames from which on a 99th percentile rests on more than the two slowest


def of_model(model: ModelReport, fps: float | None, *, interrupted: bool = False) -> list[str]:
    """fps: of a paced source; None for other scenarios. interrupted: before the comparison with PyTorch."""
    found = []
    engine = model.stages[ENGINE].p50_ms
    if model.unaccounted is not None and abs(model.unaccounted) > ADD_UP:
        found.append(f"stages do not add up: {model.unaccounted:.1%} of end to end is in none of them")
    copies = {name: model.stages[name].p50_ms for name in COPIES if name in model.stages}
    found += [
        f"transfer-bound: {name} {ms:.2f} ms, engine {engine:.2f} ms" for name, ms in copies.items() if ms >= engine
    ]
    enqueue = model.stages.get(ENQUEUE)
    if enqueue is not None and enqueue.p50_ms > ENQUEUE_BOUND * engine:
        found.append(f"enqueue-bound: the host needs {enqueue.p50_ms:.2f} ms to give the GPU {engine:.2f} ms of work")
    if fps is not None and model.dropped:
        came = model.frames + model.dropped
        found.append(
            f"falls behind a camera of {fps:g} FPS: {model.dropped} of {came} frames dropped, {model.late} late"
        )
    elif fps is not None and model.late:
        found.append(
            f"late for a camera of {fps:g} FPS: {model.late} of {model.frames} results came after the next frame"
        )
    if model.proof is None and not interrupted:
        found.append("unproven: there is no reference of this model to compare with")
    elif model.proof is not None and model.verdict == "unproven":
        agreement = model.proof.agreement
        found.append(f"unproven: {agreement.detections} detections of {agreement.tracks} tracks prove too little")
    return [f"{model.label}: {text}" for text in found]


def of_run(
    models: Sequence[ModelReport], *, stable: bool, interrupted: bool, during: Disturbance, cores: int
) -> list[str]:
    """during: of the measurement."""
    found = []
    if interrupted:
        found.append("interrupted: what was measured so far, not known to be stable")
    elif not stable:
        found.append(
            f"unstable: in {MOST_WINDOWS} windows no {WINDOWS} in a row agreed within {AGREE:.0%} for every model; "
            "close what else runs here, or fix the clocks"
        )
    if during.throttled > 0:
        found.append(f"throttled: the container's quota stopped the process for {during.throttled:.2f} s")
    if during.stolen > 0.5:
        found.append(f"stolen: the hypervisor gave {during.stolen:.1f} s of this machine's cores to others")
    if during.waiting > cores + 1:
        found.append(f"busy: {during.waiting:.1f} tasks wanted {cores} cores on average over the last minute")
    fewest = min(model.frames for model in models)
    if fewest < SCARCE:
        found.append(f"few frames: a 99th percentile of {fewest} frames says little; measure more with --frames")
    return found
