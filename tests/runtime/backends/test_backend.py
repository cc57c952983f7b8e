"""A session uses of a backend what `backend.py` asks for, whoever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime import DeviceArray, Session
from tests.runtime import tiny_model
from tests.runtime.many_streams import Watched

FRAMES = tiny_model.frame((0, (8, 12, 40, 44)))[None]


class Elsewhere:
    """Another library's array."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        self.values = values


class OnAnotherDevice(Watched):
    """A backend of somebody else's, which takes arrays of another library and leaves outputs where they are."""

    def adopt(self, frames: Any) -> DeviceArray:
        if not isinstance(frames, Elsewhere):
            raise InputError(f"got {type(frames).__name__}")
        values = frames.values
        return DeviceArray(values.ctypes.data, values.shape, values.dtype, owner=values)

    def run(self, frames: Any, timings: dict[str, float] | None = None) -> dict[str, Any]:
        return super().run(frames.owner if isinstance(frames, DeviceArray) else frames, timings)

    def run_on_device(self, frames: Any) -> dict[str, DeviceArray]:
        found = self.run(frames)
        return {name: DeviceArray(v.ctypes.data, v.shape, v.dtype, owner=v) for name, v in found.items()}


def test_any_backend_that_takes_device_arrays_is_given_them(bundle: Path) -> None:
    plain = Session(bundle / "model.onnx").infer(FRAMES)
    session = Session.from_backend(OnAnotherDevice(bundle), tiny_model.PASSPORT, "elsewhere")
    for outputs in (session.infer(FRAMES), session.infer(Elsewhere(FRAMES))):
        assert {name: value.tolist() for name, value in outputs.items()} == {n: v.tolist() for n, v in plain.items()}
    kept = session.infer_on_device(Elsewhere(FRAMES))
    assert {name: (array.shape, array.dtype) for name, array in kept.items()} == {
        name: (value.shape, value.dtype) for name, value in plain.items()
    }
    with pytest.raises(InputError, match=r"takes uint8 .*; got str"):
        session.infer("frames")


def test_a_backend_that_does_not_says_so(bundle: Path) -> None:
    session = Session.from_backend(Watched(bundle), tiny_model.PASSPORT, "plain")
    with pytest.raises(InputError, match="only where a TensorRT engine runs"):
        session.infer_on_device(FRAMES)
    with pytest.raises(InputError, match="as a NumPy array; got Elsewhere"):
        session.infer(Elsewhere(FRAMES))
