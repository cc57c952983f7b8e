"""An engine of a model that takes frames of any shape, on a fake CUDA runtime: one set of buffers for all sizes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime import Session
from stc.runtime.backends.tensorrt.execution import MOST_SHAPES
from tests.runtime import tiny_model
from tests.runtime.backends import engine_bundle
from tests.runtime.backends.engine_bundle import Gpus

ANY = replace(tiny_model.PASSPORT, shortest_edge=(60, 107))
OBJECTS = ((0, (8, 12, 40, 30)), (3, (2, 32, 30, 50)))


def pictures(*size: int, count: int = 1) -> np.ndarray:
    return np.stack([tiny_model.frame(*OBJECTS[: 1 + i % 2], size=(size[0], size[1])) for i in range(count)])


@pytest.fixture(params=["tensorrt", "rtx"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, library: Path, gpus: Gpus) -> Path:
    return engine_bundle.write(tmp_path / "any", library, flavour=request.param, passport=ANY)


def test_every_size_gives_the_results_of_onnxruntime(engine: Path, gpus: Gpus) -> None:
    reference = Session(engine / "model.onnx", native=False)
    with Session(engine / "engine.plan") as session:
        loaded = Counter(gpus.cuda.calls)
        for height, width, count in ((60, 96, 1), (96, 60, 2), (41, 99, 3), (60, 96, 1), (96, 107, 4), (60, 96, 2)):
            frames = pictures(height, width, count=count)
            expected, found = reference.infer(frames), session.infer(frames)
            assert expected["num_detections"].max() >= 1
            for name, value in expected.items():
                np.testing.assert_array_equal(found[name], value, err_msg=name)
        for name in ("cudaMalloc", "cudaMallocHost"):
            assert Counter(gpus.cuda.calls)[name] == loaded[name]  # for the largest, when it was loaded


def test_streams_of_several_shapes_share_an_engine(engine: Path) -> None:
    with Session(engine / "engine.plan") as session, Session(engine / "model.onnx") as reference:
        shapes = [(120, 192), (192, 120), (120, 160)]
        streams = [session.stream() for _ in shapes]
        frames = {
            s: tiny_model.frame((0, (20, 20, 70, 70)), size=shape) for s, shape in zip(streams, shapes, strict=True)
        }
        for stream, result in session.step(frames).items():
            expected = reference.stream()(frames[stream])
            np.testing.assert_array_equal(result.boxes, expected.boxes)
            assert result.masks.rle() == expected.masks.rle()


def test_a_size_that_it_was_not_built_for_is_refused_with_the_command(engine: Path) -> None:
    with Session(engine / "engine.plan") as session:
        stream = session.stream("cam")
        with pytest.raises(
            InputError, match=r"an input of 11x107, .* built for 32x32 to 96x107; .* --sizes MIN:OPT:MAX"
        ):
            stream(tiny_model.frame(size=(50, 500)))
        assert len(stream(tiny_model.frame((0, (20, 20, 70, 70)), size=(120, 192)))) == 1


def test_each_size_is_captured_once_and_so_many_are_kept(tmp_path: Path, library: Path, gpus: Gpus) -> None:
    folder = engine_bundle.write(tmp_path / "any", library, passport=ANY)
    with Session(folder / "engine.plan") as session:
        for width in (60, 61, 60, 61):
            session.infer(pictures(60, width))
        calls = Counter(gpus.cuda.calls)
        assert (calls["cudaGraphInstantiate"], calls["cudaGraphLaunch"]) == (2, 2)
        for width in range(60, 60 + MOST_SHAPES + 3):
            session.infer(pictures(60, width))
        calls = Counter(gpus.cuda.calls)
        assert calls["cudaGraphInstantiate"] - calls["cudaGraphDestroy"] <= MOST_SHAPES
        session.infer(pictures(60, 60))  # forgotten, and made again
        np.testing.assert_array_equal(session.infer(pictures(60, 60))["boxes"][0, 0], [8, 12, 40, 30])
