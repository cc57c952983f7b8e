"""Names: the seeded states have the published names, and every layout reads in both directions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from stc.model.checkpoint.layouts import known as layouts
from stc.model.checkpoint.save import weights
from stc.model.config import R50, STC_LITE
from stc.model.network import STC
from tests.seeded import adelaidet_state, crossvis_state, settings


def elements(state: dict[str, Tensor]) -> int:
    return sum(tensor.numel() for tensor in state.values())


def test_the_seeded_states_have_the_published_sizes() -> None:
    """Counts of entries and numbers of the published checkpoints."""
    condinst, crossvis = adelaidet_state(0), crossvis_state(0)
    assert (len(condinst), elements(condinst)) == (372, 34_219_224)
    assert len(adelaidet_state(0, sem=True)) == 386
    assert len(adelaidet_state(0, depth=101)) == 627
    assert (len(crossvis), elements(crossvis)) == (397, 37_526_127)


def test_seeded_states_repeat_and_differ_by_seed() -> None:
    first, again, other = (adelaidet_state(seed, num_classes=3) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["controller.weight"], other["controller.weight"])


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (partial(adelaidet_state, 0), "adelaidet"),
        (partial(adelaidet_state, 0, sem=True), "adelaidet"),
        (partial(crossvis_state, 0), "crossvis"),
    ],
)
def test_every_published_name_is_known_or_ignored_and_reads_back(
    make: Callable[[], dict[str, Tensor]], name: str
) -> None:
    state = make()
    layout, known = layouts.closest(state)
    assert layout.name == name
    ours = {entry: layout.ours(entry) for entry in state if not layout.ignores(entry)}
    assert known >= len(ours)
    for entry, our in ours.items():
        assert our is not None
        assert layout.theirs(our) == entry
    assert len(set(ours.values())) == len(ours)


@pytest.mark.parametrize(
    ("layout", "make", "tracked"),
    [(layouts.ADELAIDET, adelaidet_state, False), (layouts.CROSSVIS, crossvis_state, True)],
)
def test_names_cover_the_network_exactly(
    layout: layouts.Layout, make: Callable[[int], dict[str, Tensor]], tracked: bool
) -> None:
    state = make(0)
    classes = tuple(map(str, range(80)))
    with torch.device("meta"):
        model = STC(R50.with_(classes=classes) if tracked else R50.with_(classes=classes, track_dim=0))
    found = {layout.ours(name) for name in state if not layout.ignores(name)}
    scales = {f"head.scales.{level}" for level in range(5)}
    assert found == (set(weights(model)) - {"head.scales"}) | scales | set(settings(state))


def test_our_own_layout_knows_our_own_models() -> None:
    for config in (STC_LITE, R50.with_(classes=("a",))):
        with torch.device("meta"):
            names = list(weights(STC(config)))
        assert layouts.closest(names) == (layouts.STC, len(names))


def test_names_of_another_network_are_unknown() -> None:
    names = ["conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer4.2.bn3.weight", "fc.bias"]
    assert layouts.closest(names)[1] == 0
