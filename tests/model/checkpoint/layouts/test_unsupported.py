"""Variants of the known layouts: another model is refused by its name, what only looks different computes the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from stc.errors import CheckpointError
from stc.model.checkpoint import load
from stc.model.checkpoint.layouts import unsupported
from stc.model.head import Tower
from tests.foreign_layouts import CASES
from tests.seeded import HEAD, LEVELS, SLIM, Weights, adelaidet_state, crossvis_state, settings

State = dict[str, Tensor]
BACKBONE = "backbone.bottom_up"


def filled(state: State) -> State:
    """The same names and shapes, each tensor around one stored number: a small file."""
    return {name: torch.ones(()).expand(tensor.shape) for name, tensor in state.items()} | settings(state)


def condinst() -> State:
    return filled(adelaidet_state(None, num_classes=7, widths=SLIM))


def mmdet() -> State:
    return filled(CASES["mmdet3"].state(num_classes=7, widths=SLIM))


def without(state: State, pattern: str) -> State:
    return {name: tensor for name, tensor in state.items() if not re.search(pattern, name)}


def renamed(state: State, pattern: str, replacement: str | Callable[[re.Match[str]], str]) -> State:
    return {re.sub(pattern, replacement, name): tensor for name, tensor in state.items()}


def shaped(state: State, shapes: dict[str, tuple[int, ...]]) -> State:
    return state | {name: torch.ones(()).expand(shape) for name, shape in shapes.items()}


def bifpn() -> State:
    state = renamed(
        without(condinst(), r"fpn_(lateral|output)"), r"^backbone\.bottom_up", "backbone.bottom_up.bottom_up"
    )
    return shaped(state, {"backbone.repeated_bifpn.0.outputs_f3_5.conv.weight": (160, 160, 3, 3)})


def deformable() -> State:
    return shaped(condinst(), {f"{BACKBONE}.res3.{k}.conv2_offset.weight": (27, 128, 3, 3) for k in range(4)})


def deformable_mmdet() -> State:
    return shaped(mmdet(), {f"backbone.layer2.{k}.conv2.conv_offset.weight": (18, 128, 3, 3) for k in range(4)})


def deformable_tower() -> State:
    """AdelaiDet's DFConv2d in the last layer of a tower."""
    state = renamed(condinst(), r"cls_tower\.3\.(weight|bias)$", r"cls_tower.3.conv.\1")
    return shaped(state, {f"{HEAD}.cls_tower.3.offset.weight": (27, 64, 3, 3)})


def resnext() -> State:
    """32 groups of 4 channels."""
    state = condinst()
    widths = {stage: 128 << (stage - 2) for stage in range(2, 6)}
    grouped = {
        name: (widths[int(match[1])], widths[int(match[1])] // 32, 3, 3)
        for name in state
        if (match := re.search(r"res(\d)\.\d+\.conv2\.weight$", name))
    }
    return shaped(state, grouped)


def group_norm() -> State:
    return without(condinst(), r"^backbone\.bottom_up.*running_")


def group_norm_torchvision() -> State:
    return without(filled(CASES["condinst-torchvision"].state(num_classes=7, widths=SLIM)), r"bottom_up.*running_")


def group_norm_mmdet() -> State:
    return renamed(without(mmdet(), r"^backbone.*(running_|num_batches)"), r"\.bn(\d)\.", r".gn\1.")


def basic_blocks() -> State:
    return without(condinst(), r"bottom_up.*conv3")


def deeper() -> State:
    return shaped(condinst(), {f"{BACKBONE}.res3.{k}.conv1.weight": (128, 512, 1, 1) for k in range(4, 8)})


def shared_tower() -> State:
    return shaped(condinst(), {f"{HEAD}.share_tower.0.weight": (64, 64, 3, 3), f"{HEAD}.share_tower.1.weight": (64,)})


def no_norm() -> State:
    """Convolutions and ReLUs alternate."""
    state = without(condinst(), r"_tower\.\d*[147]\.")
    return renamed(state, r"_tower\.(\d+)\.", lambda match: f"_tower.{int(match[1]) * 2 // 3}.")


def no_norm_mmdet() -> State:
    return without(mmdet(), r"_convs\.\d+\.gn\.")


def shared_batch_norm() -> State:
    state = renamed(mmdet(), r"(cls|reg)_convs\.(\d+)\.gn\.", r"\1_convs.\2.bn.")
    return shaped(state, {f"bbox_head.cls_convs.{i}.bn.running_mean": (64,) for i in range(2)})


def no_coordinates() -> State:
    return shaped(condinst(), {"controller.weight": (153, 64, 3, 3), "controller.bias": (153,)})


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (bifpn, "a BiFPN pyramid"),
        (deformable, "deformable convolutions in the backbone"),
        (deformable_mmdet, "deformable convolutions in the backbone"),
        (deformable_tower, "deformable convolutions in the head's towers"),
        (resnext, "grouped convolutions in the backbone (ResNeXt)"),
        (group_norm, "a backbone with group norm (its norms hold no running statistics)"),
        (group_norm_torchvision, "a backbone with group norm (its norms hold no running statistics)"),
        (group_norm_mmdet, "a backbone with group norm (its norms hold no running statistics)"),
        (basic_blocks, "a ResNet of 18 or 34 layers"),
        (deeper, "a ResNet of 152 layers"),
        (shared_tower, "a tower that classes and boxes share (NUM_SHARE_CONVS)"),
        (no_norm, "towers without norm"),
        (no_norm_mmdet, "towers without norm"),
        (shared_batch_norm, "towers whose batch norm all levels share"),
        (no_coordinates, "mask heads without relative coordinates (DISABLE_REL_COORDS)"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.model."])
def test_a_variant_is_refused_by_its_name(make: Callable[[], State], name: str, prefix: str, tmp_path: Path) -> None:
    torch.save({"model": {f"{prefix}{key}": tensor for key, tensor in make().items()}}, tmp_path / "c.pth")
    with pytest.raises(CheckpointError, match="a model that is not supported; it has") as caught:
        load(tmp_path / "c.pth")
    text = str(caught.value)
    assert re.findall(r"\n  (.+), as \S+ shows", text) == [name]
    assert "supported are ResNet-50 and -101" in text and "--key-map" not in text and "whole" not in text


@pytest.mark.parametrize("name", CASES)
def test_no_layout_is_taken_for_a_variant(name: str) -> None:
    for depth in (50, 101) if not CASES[name].tracked else (50,):
        state = CASES[name].state(depth=depth, num_classes=7, widths=SLIM)
        assert unsupported.seen({key: tuple(tensor.shape) for key, tensor in state.items()}) == []


def test_a_head_without_scales_computes_as_with_scales_of_1(tmp_path: Path) -> None:
    state = crossvis_state(3, num_classes=7, widths=SLIM)
    ones = {name: torch.ones_like(t) if ".scales." in name else t for name, t in state.items()}
    torch.save(ones, tmp_path / "ones.pth")
    torch.save(without(state, r"\.scales\."), tmp_path / "none.pth")
    expected, found = load(tmp_path / "ones.pth"), load(tmp_path / "none.pth")
    assert found.assumed["scales"].startswith("1 on every level")
    assert "scales" not in expected.assumed
    theirs = expected.model.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in found.model.state_dict().items())


def test_some_scales_are_not_made_up(tmp_path: Path) -> None:
    torch.save(without(condinst(), r"\.scales\.3\."), tmp_path / "c.pth")
    with pytest.raises(CheckpointError, match=r"missing \(1\):\n +\S+\.scales\.3\.scale"):
        load(tmp_path / "c.pth")


def batch_normed(seed: int) -> State:
    """AdelaiDet's towers with MODEL.FCOS.NORM BN: one batch norm per level, and convolutions that keep their bias."""
    state = crossvis_state(seed, num_classes=7, widths=SLIM)
    w = Weights(seed + 2)
    norms = [m[1] for name in state if (m := re.fullmatch(r"(.*_tower\.(?:1|4))\.weight", name))]
    state = without(state, r"_tower\.(1|4)\.(weight|bias)$")
    for norm in [norm for norm in norms if "mask_branch" not in norm]:
        for level in range(LEVELS):
            state |= dict(w.batch_norm(f"{norm}.{level}", SLIM.fpn))
    return state


def published_tower(state: State, name: str, level: int) -> nn.Sequential:
    """The tower as AdelaiDet builds it for one level."""
    layers: list[nn.Module] = []
    for i in range(SLIM.convs):
        conv, norm = nn.Conv2d(SLIM.fpn, SLIM.fpn, 3, padding=1), nn.BatchNorm2d(SLIM.fpn)
        for part, module in ((f"{3 * i}", conv), (f"{3 * i + 1}.{level}", norm)):
            root = f"{HEAD}.{name}.{part}."
            module.load_state_dict({k.removeprefix(root): t for k, t in state.items() if k.startswith(root)})
        layers += [conv, norm, nn.ReLU()]
    return nn.Sequential(*layers).double().eval()


@torch.no_grad()
def test_towers_with_batch_norm_per_level_compute_the_published_values(tmp_path: Path) -> None:
    """Float64 against float64: only the rounding of the means to float32, about 6e-8 each, is between them."""
    state = batch_normed(5)
    torch.save({"model": state}, tmp_path / "c.pth")
    model = load(tmp_path / "c.pth").model.double()
    assert model.config.head_norm == "batch"
    x = Weights(9).normal(1, SLIM.fpn, 9, 14).double()
    towers = {
        "cls_tower": model.head.cls_tower,
        "bbox_tower": model.head.box_tower,
        "reid_tower": model.head.track_tower,
    }
    for name, tower in towers.items():
        assert isinstance(tower, Tower)
        for level in range(LEVELS):
            expected = published_tower(state, name, level)(x)
            assert torch.allclose(tower(x, level), expected, rtol=0, atol=3e-6), (name, level)


@pytest.mark.parametrize("gone", ["cls_tower.3.bias", "bbox_tower.4.2.running_var", "reid_tower.1.4.weight"])
def test_a_batch_norm_tower_that_lacks_something_is_refused_in_the_names_of_the_file(gone: str, tmp_path: Path) -> None:
    state = batch_normed(5)
    del state[f"{HEAD}.{gone}"]
    torch.save({"model": state}, tmp_path / "c.pth")
    with pytest.raises(CheckpointError, match=rf"missing \(1\):\n +{re.escape(f'{HEAD}.{gone}')}\n"):
        load(tmp_path / "c.pth")
