"""Models that take frames of any shape: the size of the original, streams of several shapes, bundles of before."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stc.cli import run
from stc.errors import IncompatibleError, InputError
from stc.runtime import Session
from stc.runtime.bundle import passport as passports
from stc.runtime.letterbox import Letterbox, shortest_edge_size
from stc.runtime.track.main import main
from tests.runtime import tiny_model
from tests.runtime.tiny_model import PASSPORT, frame

ANY = replace(PASSPORT, input_size=(60, 96), shortest_edge=(60, 107), head_norm="group")
SIZES = [(120, 192), (120, 160), (192, 120), (300, 100), (60, 107), (31, 33), (9, 500)]
ALL = tuple((slot, (24 * slot, 8, 24 * slot + 16, 40)) for slot in range(4))


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tiny_model.write_bundle(tmp_path / "any", ANY), threads=1)


def exactly(size: tuple[int, int], edges: tuple[int, int]) -> list[Fraction]:
    """Both sides by the rule's definition, in rational numbers: the larger scale at which neither edge is exceeded."""
    scale = min(Fraction(edges[0], min(size)), Fraction(edges[1], max(size)))
    return [side * scale for side in size]


@pytest.mark.parametrize(
    ("frame_size", "resized"),
    [
        ((720, 1280), (360, 640)),
        ((480, 640), (360, 480)),
        ((1280, 720), (640, 360)),
        ((480, 854), (360, 640)),  # 640.5 is over the limit, and 359.7 rounds up
        ((300, 1000), (192, 640)),
        ((1000, 1000), (360, 360)),
        ((1, 5000), (1, 640)),
        ((36, 48), (360, 480)),  # enlarged
    ],
)
@pytest.mark.parametrize("resize", ["pil-bilinear", "linear"])
def test_the_shorter_side_decides_unless_the_longer_one_is_too_long(
    frame_size: tuple[int, int], resized: tuple[int, int], resize: str
) -> None:
    letterbox = Letterbox.fit(frame_size, (1, 1), resize, (0, 0, 0), (360, 640))
    assert letterbox.input_size == letterbox.resized_size == resized
    assert letterbox.border_size == (0, 0)


@given(
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    st.integers(1, 1500),
    st.integers(1, 1500),
    st.sampled_from(["pil-bilinear", "linear"]),
)
def test_sides_round_half_up(size: tuple[int, int], one: int, other: int, resize: str) -> None:
    edges = min(one, other), max(one, other)
    for side, exact in zip(shortest_edge_size(size, edges, resize), exactly(size, edges), strict=True):
        # Where the exact side ends in .5, floating point decides.
        close = abs(exact % 1 - Fraction(1, 2)) < Fraction(1, 10**9)
        assert side == max(1, int(exact + Fraction(1, 2))) or (close and side == max(1, int(exact)))


def test_each_code_base_rounds_in_its_own_way() -> None:
    """To 87.5 exactly: detectron2 scales twice and comes out below, mmcv scales once."""
    assert shortest_edge_size((35, 256), (360, 640), "pil-bilinear") == (87, 640)
    assert shortest_edge_size((35, 256), (360, 640), "linear") == (88, 640)


@pytest.mark.parametrize("size", SIZES)
def test_results_are_in_frame_pixels(session: Session, size: tuple[int, int]) -> None:
    height, width = size
    box = (width // 5, height // 5, width - width // 5, height - height // 5)
    result = session.stream()(frame((0, box), size=size))
    rows, columns = session.passport.letterbox(size).input_size
    assert len(result) == 1 and result.frame_size == size
    # Interpolated edge pixels are no pure colour: two input pixels on each side.
    np.testing.assert_allclose(result.boxes[0, ::2], box[::2], atol=2 * max(width / columns, 1) + 1)
    np.testing.assert_allclose(result.boxes[0, 1::2], box[1::2], atol=2 * max(height / rows, 1) + 1)
    assert result.masks.probabilities.shape[1:] == (-(-rows // 32) * 8, -(-columns // 32) * 8)
    dense = result.masks.dense()[0]
    assert dense.shape == size and dense.any()


def test_no_shape_is_warned_of(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    stream = session.stream("cam")
    for size in SIZES:
        stream(frame(size=size))
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_streams_of_several_shapes_in_one_step_are_as_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_model.write_bundle(tmp_path / "any", ANY)
    shapes = [(120, 192), (192, 120), (120, 192), (120, 160), (192, 120)]
    pictures = [frame((i % 3, (20, 20, 60 + i, 60)), (3, (80, 70, 100, 100)), size=s) for i, s in enumerate(shapes)]
    with Session(folder, threads=1) as together, Session(folder, threads=1) as alone:
        asked: list[tuple[int, ...]] = []
        infer = together.infer

        def noted(inputs: Any, timings: dict[str, float] | None = None) -> dict[str, Any]:
            asked.append(inputs.shape)
            return infer(inputs, timings)

        monkeypatch.setattr(together, "infer", noted)
        streams = [together.stream(str(i)) for i in range(5)]
        single = [alone.stream(str(i)) for i in range(5)]
        for _ in range(3):
            results = together.step(dict(zip(streams, pictures, strict=True)))
            assert list(results) == streams
            for stream, one, picture in zip(streams, single, pictures, strict=True):
                expected, found = one(picture), results[stream]
                assert len(expected) == 2
                for name in ("boxes", "scores", "labels", "track_ids", "embeddings"):
                    np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
                np.testing.assert_array_equal(found.masks.dense(), expected.masks.dense())
                assert found.frame_size == picture.shape[:2]
    assert asked[:3] == [(2, 60, 96, 3), (2, 96, 60, 3), (1, 60, 80, 3)]


def test_a_stream_may_change_its_shape(session: Session) -> None:
    stream = session.stream()
    for size in ((120, 192), (192, 120), (120, 192)):
        result = stream(frame((0, (20, 20, 60, 60)), size=size))
        assert result.track_ids.tolist() == [1] and result.frame_size == size


def test_inputs_of_any_size_are_taken_and_others_refused(session: Session) -> None:
    assert session.infer(frame(*ALL, size=(41, 99))[None])["masks"].shape == (1, 4, 16, 32)
    for wrong in (
        np.zeros((1, 60, 96, 4), np.uint8),
        np.zeros((60, 96, 3), np.uint8),
        np.zeros((1, 0, 9, 3), np.uint8),
    ):
        with pytest.raises(InputError, match=r"takes uint8 \(B, any, any, 3\)"):
            session.infer(wrong)


def test_a_graph_of_one_size_is_not_one_of_any(tmp_path: Path) -> None:
    folder = tiny_model.write_bundle(tmp_path / "fixed", ANY, tiny_model.model(PASSPORT))
    with pytest.raises(IncompatibleError, match="where any size is promised"):
        Session(folder)


def test_masks_of_another_size_than_the_input_s_are_refused(tmp_path: Path) -> None:
    folder = tiny_model.write_bundle(tmp_path / "padded", replace(ANY, divisor=64), tiny_model.model(ANY))
    with (
        Session(folder) as session,
        pytest.raises(IncompatibleError, match=r"masks float32 \(1, 4, 24, 32\) instead of"),
    ):
        session.infer(np.zeros((1, 96, 107, 3), np.uint8))


def test_a_bundle_of_before_takes_one_size(tmp_path: Path) -> None:
    values = json.loads(PASSPORT.to_json())
    for name in ("digest", "shortest_edge", "divisor"):
        del values[name]
    old = passports.from_dict(values, "old")
    assert old == PASSPORT
    assert old.letterbox((192, 120)) == Letterbox.fit((192, 120), (60, 96), "linear", (1, 2, 3))
    assert passports.from_dict(json.loads(ANY.to_json()), "new") == ANY


def test_stc_track_takes_inputs_of_several_shapes_in_one_call(tmp_path: Path) -> None:
    """Pictures in the frame's own shape, and a folder whose pictures change it."""
    model = tiny_model.write_bundle(tmp_path / "any", ANY)
    (tmp_path / "folder").mkdir()
    wide, upright = (frame((0, (20, 20, 70, 70)), size=size) for size in ((120, 192), (192, 120)))
    for name, picture in (("wide.png", wide), ("upright.png", upright), ("folder/0.png", wide), ("folder/1.png", wide)):
        cv2.imwrite(str(tmp_path / name), picture)
    inputs = [str(tmp_path / name) for name in ("wide.png", "upright.png", "folder")]
    out = tmp_path / "out"
    assert run(main, [*inputs, "--model", str(model), "--jsonl", str(out)]) == 0
    boxes = {}
    for path in sorted(out.glob("*.jsonl")):
        (*_, last) = (json.loads(line) for line in path.read_text().splitlines())
        boxes[path.stem] = last
    assert boxes.keys() == {"wide", "upright", "folder"}
    with Session(model) as session:
        for name, picture in (("wide", wide), ("upright", upright), ("folder", wide)):
            expected = session.stream()(picture)
            assert str(expected.masks.rle()[0]["counts"]) in json.dumps(boxes[name])
