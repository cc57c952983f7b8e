"""Weights that wrappers have renamed load as they are, with a key map and without, and odd configs are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from stc.errors import CheckpointError
from stc.model.checkpoint import inspection, load
from stc.model.checkpoint.examine import examine
from stc.model.checkpoint.layouts import known as layouts
from stc.model.checkpoint.options import Reading
from stc.model.checkpoint.reading import files
from stc.model.config import STC_LITE, ModelConfig

LITE = Path(__file__).parents[3] / "assets" / "stc-lite-2.safetensors"


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    with safe_open(LITE, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping


def wrapped(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


PREFIXES = ("_orig_mod.", "module._orig_mod.", "model.", "net.", "module.model.", "model.net.wrapped.x.")


@pytest.mark.parametrize("prefix", ["", *PREFIXES])
def test_what_stands_before_all_names_of_a_known_layout_is_found(state: dict[str, Tensor], prefix: str) -> None:
    assert layouts.wrapping(wrapped(state, prefix)) == prefix


def test_what_stands_before_names_that_nobody_knows_stays() -> None:
    assert layouts.wrapping(["model.layers.0.weight", "model.layers.1.weight"]) == ""
    assert layouts.wrapping(["weight"]) == ""
    assert layouts.wrapping(["backbone.stem.conv.weight"]) == ""
    assert layouts.wrapping([".", "..", ". ."]) == ""


def test_what_stands_before_some_names_only_stays(state: dict[str, Tensor]) -> None:
    assert layouts.wrapping([*wrapped(state, "model."), "loss.weight"]) == ""


def complete(path: Path, state: dict[str, Tensor], key_map: Path | None = None) -> None:
    """It has no difference to what the network needs, and its numbers are those of `state`."""
    found = examine(path, files.read(path), Reading(key_map=key_map))
    assert not found.wrong, found.error()
    assert found.config.backbone == load(LITE).model.config.backbone and "tower_biases" not in found.origins.assumed
    assert torch.equal(found.tensors["head.cls_logits.weight"], state["head.cls_logits.weight"])


@pytest.mark.parametrize("prefix", PREFIXES[:4])
def test_a_wrapped_checkpoint_loads(tmp_path: Path, state: dict[str, Tensor], prefix: str) -> None:
    torch.save({"state_dict": wrapped(state, prefix), "epoch": 3}, tmp_path / "m.ckpt")
    complete(tmp_path / "m.ckpt", state)


@pytest.mark.parametrize(
    ("prefix", "line"),
    [
        ("", r"(.*) \1"),
        ("_orig_mod.", r"(.*) \1"),
        ("_orig_mod.", r"_orig_mod\.(.*) \1"),
        ("model.", r"model\.(.*) \1"),
        ("module._orig_mod.", r"_orig_mod\.(.*) \1"),
        ("net.", r"head\.cls_logits\.(.*) head.cls_logits.\1"),
    ],
)
def test_a_key_map_may_name_entries_with_the_wrapper_or_without(
    tmp_path: Path, state: dict[str, Tensor], prefix: str, line: str
) -> None:
    torch.save(wrapped(state, prefix), tmp_path / "m.pth")
    (tmp_path / "map.txt").write_text(line + "\n")
    complete(tmp_path / "m.pth", state, tmp_path / "map.txt")


def test_a_map_that_leaves_a_tracking_head_misnamed_ends_in_a_typed_error(
    tmp_path: Path, state: dict[str, Tensor]
) -> None:
    """What is left over speaks of tracking, and part of it has a name of the file no more."""
    odd = {name.replace("head.track_tower", "head.embed_tower"): tensor for name, tensor in state.items()}
    torch.save(odd, tmp_path / "m.pth")
    (tmp_path / "map.txt").write_text(r"head\.embed_tower\.convs\.0\.(.*) head.track_tower.convs.1.\1" + "\n")
    found = inspection.inspect(tmp_path / "m.pth", key_map=tmp_path / "map.txt")
    assert not found.complete and "missing" in found.problem


@pytest.mark.slow
def test_wrapped_weights_compute_the_same(tmp_path: Path, state: dict[str, Tensor]) -> None:
    for name, prefix in (("plain.pth", ""), ("wrapped.pth.tar", "module._orig_mod.model.")):
        torch.save({"model": None, "ema": wrapped(state, prefix)}, tmp_path / name)
    plain, other = load(tmp_path / "plain.pth"), load(tmp_path / "wrapped.pth.tar")
    assert other.config == plain.config and other.layout == "stc"
    for a, b in zip(plain.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": None}, {"backbone": ["resnet50"]}, {"fpn_channels": "64"},
        {"fpn_channels": 1 << 40}, {"cls_convs": -1}, {"cls_convs": 10**6}, {"strides": [8, 16, "x", 64, 128]},
        {"strides": [0, 16, 32, 64, 128]}, {"classes": "person"}, {"classes": [1, 2, 3]}, {"input_size": [256]},
        {"input_size": [0, 448]}, {"pixel_std": [1, 0, 1]}, {"pixel_mean": [float("nan")] * 3}, {"head_norm": "layer"},
        {"mask_out_stride": 0}, {"nms_steps": 16.0}, {"score_threshold": True}, {"track_norm": 0}, {"resize": "cubic"},
        {"mask_layers": 2**32}, {"max_detections": None}, {"channel_order": "gbr"},
    ],
)  # fmt: skip
def test_an_odd_config_is_refused_by_the_name_of_its_field(changes: dict[str, Any]) -> None:
    (name,) = changes
    with pytest.raises(ValueError, match=name):
        ModelConfig.from_dict({**STC_LITE.to_dict(), **changes})


@pytest.mark.parametrize(
    "text", [json.dumps({**STC_LITE.to_dict(), "backbone": "resnet18"}), "[" * 100_000, "[]", "null", '{"x": 1}']
)
def test_an_odd_config_in_a_file_is_a_typed_error(tmp_path: Path, state: dict[str, Tensor], text: str) -> None:
    save_file(state, tmp_path / "m.safetensors", metadata={"stc.config": text})
    with pytest.raises(CheckpointError, match=r"its stc\.config cannot be used"):
        load(tmp_path / "m.safetensors")


def test_the_configs_that_ship_pass_their_own_check() -> None:
    from stc.model.config import PRESETS

    for preset in PRESETS.values():
        assert ModelConfig.from_dict(json.loads(json.dumps(preset.to_dict()))) == preset
