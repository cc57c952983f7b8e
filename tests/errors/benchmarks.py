"""Measurements without a reference, frames or an option that fits."""

from __future__ import annotations

import sys
from dataclasses import replace

from stc.benchmarks import reference
from stc.runtime import Session
from tests.benchmarks.proven import prove
from tests.errors.cases import Place, case
from tests.seeded import stc_lite_model


def bench(*arguments: str) -> int:
    from stc.benchmarks.main import main

    return main([*arguments, "--frames", "1"])


@case
def bench_no_reference(place: Place) -> None:
    bench(str(place.bundle))


@case
def bench_altered_reference(place: Place) -> None:
    prove(place.bundle)
    place.flip("reference.npz")
    bench(str(place.bundle))


@case
def bench_other_reference(place: Place) -> None:
    own = reference.read(prove(place.bundle) / "reference.npz")
    replace(own, frames=own.frames[:, :32]).write(place.bundle / "other.npz")
    bench(str(place.bundle), "--reference", str(place.bundle / "other.npz"))


@case
def bench_no_frames(place: Place) -> None:
    from stc.model import checkpoint

    place.monkeypatch.setitem(sys.modules, "tensorrt", None)  # PyTorch would look into the pretended one
    checkpoint.save(stc_lite_model(0), place.bundle / "lite.safetensors")
    bench(str(place.bundle / "lite.safetensors"))


@case
def bench_fixed_batch(place: Place) -> None:
    prove(place.bundle)
    place.monkeypatch.setattr(Session, "batches", property(lambda self: (4, 4)))
    bench(str(place.bundle))


@case
def bench_wrong_option(place: Place) -> None:
    bench(str(place.bundle), "--streams", "2")
