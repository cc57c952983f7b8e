"""Input sizes and capacities that a model can have, and those that it cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stc.errors import InputError
from stc.export.engine.options import EngineOptions, for_sizes
from stc.export.sizes import configured, parse_sizes, sizes_of
from stc.model import checkpoint
from stc.model.checkpoint import Checkpoint
from stc.model.config import STC_LITE, ModelConfig, parse_size


@pytest.fixture
def source() -> Checkpoint:
    return checkpoint.load(Path("assets/stc-lite-2.safetensors"))


def test_size_is_height_by_width() -> None:
    assert parse_size("360x640") == (360, 640)


@pytest.mark.parametrize("text", ["360", "360X640", "360*640", "0x640", "31x640", "360x4097", "-360x640", "360x640x3"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--size"):
        parse_size(text)


def test_a_size_that_is_asked_for_is_one_for_all_frames(source: Checkpoint) -> None:
    free = replace(source, config=source.config.with_(shortest_edge=(360, 640)))
    assert configured(free, (200, 330), None).config.shortest_edge is None
    assert configured(free, None, None).config.shortest_edge == (360, 640)


def test_sizes_of_an_engine_rise_on_both_sides() -> None:
    sizes = parse_sizes("160x192:360x640:640x640")
    assert sizes.to_tuple() == ((160, 192), (360, 640), (640, 640)) and str(sizes) == "160x192:360x640:640x640"
    for text in ("360x640", "160x160:360x640", "160x160:360x640:300x640", "360x640:160x160:640x640", "1x1:2x2:9999x3"):
        with pytest.raises(InputError, match=f"--sizes {text}"):
            parse_sizes(text)


def test_an_engine_takes_the_shapes_of_cameras_and_is_best_at_that_of_the_frames() -> None:
    """Sides of 16:9 are 360 and 640; the least is the shorter one of 4:1, the largest the longer one of either."""
    rule = ModelConfig(shortest_edge=(360, 640)).letterbox
    assert str(sizes_of(rule, (720, 1280))) == "160x160:360x640:640x640"
    assert str(sizes_of(rule, (1280, 720))) == "160x160:640x360:640x640"
    assert str(sizes_of(rule, (100, 1000))) == "64x160:64x640:640x640"
    for shape in ((480, 640), (720, 1280), (1280, 720), (300, 1000), (1000, 1000)):
        size = rule(shape).input_size
        assert all(160 <= side <= 640 for side in size)


def test_sizes_are_for_models_that_take_any() -> None:
    sizes = parse_sizes("64x64:128x128:256x256")
    options = EngineOptions(sizes=sizes)
    free = ModelConfig(shortest_edge=(360, 640))
    assert for_sizes(options, False, free.letterbox, (720, 1280)).sizes == sizes
    assert for_sizes(EngineOptions(), True, STC_LITE.letterbox, (720, 1280)).sizes is None
    with pytest.raises(InputError, match=r"--sizes 64x64:128x128:256x256: this model takes one input size"):
        for_sizes(options, True, STC_LITE.letterbox, (720, 1280))


def test_model_and_config_change_together(source: Checkpoint) -> None:
    changed = configured(source, (200, 330), 20)
    assert changed.config.input_size == (200, 330)
    assert changed.config.padded_size == (224, 352)
    assert changed.config.max_detections == 20
    assert changed.model.config == changed.config


def test_a_size_that_is_given_is_no_longer_assumed(source: Checkpoint) -> None:
    assumed = {"input_size": "360x640", "decode_constants": "as published"}
    guessed = replace(source, assumed=assumed)
    assert configured(guessed, (200, 330), None).assumed == {"decode_constants": "as published"}
    assert configured(guessed, None, 20).assumed == assumed


def test_nothing_asked_changes_nothing(source: Checkpoint) -> None:
    assert configured(source, None, None).config == source.config


@pytest.mark.parametrize("count", [0, -1, 257])
def test_capacity_is_limited_by_the_candidates_before_suppression(source: Checkpoint, count: int) -> None:
    with pytest.raises(InputError, match="from 1 to 256"):
        configured(source, None, count)


def test_a_picture_with_fewer_candidates_than_detections_is_refused(source: Checkpoint) -> None:
    """32x32: 16 + 4 + 1 and so on locations, one for each level above, of three classes."""
    there = 3 * (16 + 4 + len(source.model.config.strides) - 2)
    assert configured(source, (32, 32), there).config.max_detections == there
    with pytest.raises(InputError, match=rf"{there} candidates for {there + 1} .*--max-detections {there}"):
        configured(source, (32, 32), there + 1)
