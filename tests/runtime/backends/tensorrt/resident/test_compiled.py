"""The kernels themselves, compiled for the host, between a pretended engine's buffers: frames give what the CPU gives.

What they need of a GPU beside order is in tests/plugins/; here it is whether the two sides mean the same.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from stc.runtime import DeviceFrame, Session
from stc.runtime.backends.tensorrt.resident import kernels
from stc.runtime.backends.tensorrt.resident.kernels import Kernels
from stc.runtime.native import cuda_interface
from tests.plugins.toolchain import emulated
from tests.runtime.backends import engine_bundle
from tests.runtime.backends.engine_bundle import Gpus
from tests.runtime.backends.tensorrt.other_library import SpeaksDlPack
from tests.runtime.backends.tensorrt.resident.conftest import AREA
from tests.runtime.backends.tensorrt.resident.fake_kernels import CompiledKernels
from tests.runtime.backends.tensorrt.resident.test_frames import Part, assert_same, clip, on_cpu, padded


@pytest.mark.slow
def test_the_kernels_give_what_the_cpu_gives(
    gpus: Gpus, library: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = ctypes.CDLL(str(emulated(tmp_path_factory)))
    assert cuda_interface.mismatch(handle) is None
    functions = CompiledKernels(gpus.cuda, handle)
    monkeypatch.setattr(kernels, "find", lambda here: Kernels(functions, "libstc_emulated.so"))
    bundle = engine_bundle.write(tmp_path / "whole", library, passport=AREA)
    side = gpus.cuda.new_stream(blocking=False)
    with Session(bundle, device="cuda") as session:
        for size in ((120, 192), (97, 161)):
            frames = [clip(size)[index] for index in (2, 0, 4)]
            expected = on_cpu(bundle, frames)
            given = [
                [Part(gpus.cuda, frames[0], side), SpeaksDlPack(gpus.cuda, frames[1], side), padded(frames[2])],
                [DeviceFrame(SpeaksDlPack(gpus.cuda, f[..., ::-1].copy(), side), "rgb") for f in frames],
            ]
            streams = [session.stream(), session.stream()]
            for pair, wanted in zip(zip(*given, strict=True), expected, strict=True):
                for result in session.step(dict(zip(streams, pair, strict=True))).values():
                    assert_same(result, wanted)
    assert len(set(functions.calls)) == 7
