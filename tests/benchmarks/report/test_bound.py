"""The slowest part of planted frames is named, in words and in numbers."""

from __future__ import annotations

import pytest

from stc.benchmarks.report.bound import Bound

GPU = {
    "preprocess": 2.0,
    "upload": 0.5,
    "engine": 1.0,
    "download": 0.5,
    "track": 0.25,
    "masks": 0.75,
    "end_to_end": 5.0,
}


def test_a_gpu_that_waits_for_the_resize_is_bound_by_it_and_by_the_engine_when_it_is_as_slow_with_its_copies() -> None:
    bound = Bound.of(GPU | {"preprocess": 6.0}, serial=True)
    assert (bound.part, bound.share, bound.overlapped_fps) == ("preprocess", 6 / 9, pytest.approx(1e3 / 6))
    bound = Bound.of(GPU | {"preprocess": 1.9}, serial=True)
    assert (bound.part, bound.parts_ms["engine"], bound.overlapped_fps) == ("engine", 2.0, 500.0)


@pytest.mark.parametrize(
    ("slow", "words"),
    [
        ("decode", "bound by decoding"),
        ("preprocess", "bound by the resize"),
        ("upload", "bound by the engine"),
        ("engine", "bound by the engine"),
        ("track", "bound by the tracker"),
        ("masks", "bound by the masks"),
    ],
)
def test_whatever_is_slowest_is_named(slow: str, words: str) -> None:
    stages = {"decode": 1.0, **GPU, slow: 45.0}
    bound = Bound.of(stages, serial=True)
    assert bound.in_words("cuda").startswith(words) and sum(bound.parts_ms.values()) == pytest.approx(
        sum(stages.values()) - 5.0
    )


def test_the_sentence_has_the_share_the_parts_and_the_ceiling() -> None:
    bound = Bound.of({"preprocess": 1.0, "engine": 8.0, "mask_head": 2.0, "track": 0.5, "masks": 0.5}, serial=True)
    told = "bound by the engine: 80% of a frame (8.00 ms; the resize 1.00, the tracker 0.500, the masks 0.500)"
    assert bound.in_words("cuda:1") == f"{told}; overlapped at most 125 FPS"
    assert bound.in_words("cpu") == (f"{told}; overlapped at most 125 FPS, with processors that the engine leaves free")


def test_where_stages_overlapped_already_no_ceiling_is_told() -> None:
    assert "at most" not in Bound.of(GPU, serial=False).in_words("cuda")


def test_the_wait_for_a_camera_is_no_part() -> None:
    assert Bound.of({"wait": 30.0, "preprocess": 1.0, "engine": 2.0}, serial=True).parts_ms == {
        "preprocess": 1.0,
        "engine": 2.0,
    }


def test_stages_of_no_time_are_bound_by_one_of_them() -> None:
    assert Bound.of({"preprocess": 0.0, "engine": 0.0}, serial=True).overlapped_fps is None


def test_of_an_engine_that_takes_whole_frames_the_parts_are_called_what_they_are() -> None:
    told = Bound.of(GPU | {"engine": 3.0}, serial=True, whole_frames=True).in_words("cuda")
    assert told == (
        "bound by the engine with resize and masks: 57% of a frame (4.00 ms; the copy into pinned memory 2.00, "
        "the tracker 0.250, encoding the masks 0.750); overlapped at most 250 FPS"
    )
