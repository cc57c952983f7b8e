"""Input sizes and capacities that a model can have, and those that it cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stc.errors import InputError
from stc.export.sizes import configured, parse_size
from stc.model import checkpoint
from stc.model.checkpoint import Checkpoint


@pytest.fixture
def source() -> Checkpoint:
    return checkpoint.load(Path("assets/stc-lite.safetensors"))


def test_size_is_height_by_width() -> None:
    assert parse_size("360x640") == (360, 640)


@pytest.mark.parametrize("text", ["360", "360X640", "360*640", "0x640", "31x640", "360x4097", "-360x640", "360x640x3"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--size"):
        parse_size(text)


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
    """32x32: 16 + 4 + 1 + 1 + 1 locations of three classes are 69 candidates."""
    assert configured(source, (32, 32), 69).config.max_detections == 69
    with pytest.raises(InputError, match=r"69 candidates for 70 detections.*--max-detections 69"):
        configured(source, (32, 32), 70)
