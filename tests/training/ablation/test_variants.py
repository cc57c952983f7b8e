"""What is compared differs in what it is named for, and in nothing else."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from stc.model.config import STC_LITE
from stc.training.ablation.cache import Located, Seen, save
from stc.training.ablation.embeddings import association, draw, raw_vectors, tower_loss, train_tower
from stc.training.ablation.patches import Patches
from stc.training.ablation.scenes import Scenes
from stc.training.ablation.variants import CROSSOVER, EMBEDDING, RECIPE, STAGES, Variant

SMALL = STC_LITE.with_(fpn_channels=8, track_dim=4)


def patches(count: int, seed: int = 0) -> Patches:
    values = torch.randn(count, 8, 5, 5, generator=torch.Generator().manual_seed(seed)).half()
    return Patches(values, torch.arange(count) % 3, torch.ones(count, 5, 5, dtype=torch.bool))


def located(seed: int, identities: list[int], off: int = 0) -> Located:
    """The first `off` positives lie off their mask."""
    own = torch.tensor(identities) >= 0
    own[:off] = False
    return Located(patches(len(identities), seed), torch.tensor(identities), own)


def test_each_variant_changes_the_settings_that_it_names_and_the_first_of_a_stage_none() -> None:
    for variants in STAGES.values():
        first, *others = variants.values()
        assert first == Variant()
        for variant in others:
            changed = {key for key, value in asdict(variant.config).items() if value != getattr(RECIPE, key)}
            assert changed == set(variant.settings)
            assert variant != first
    control = EMBEDDING["one direction, twice the pairs"]
    assert control == replace(EMBEDDING["one direction"], pairs=2)
    assert CROSSOVER["with crossover"].config.consistency == "crossover"


def test_the_steps_of_a_seed_have_the_same_pairs_and_towers_the_same_beginning(tmp_path: Path) -> None:
    assert draw(50, 8, 1, 2) == draw(50, 8, 1, 2)
    assert draw(50, 8, 1, 2) != draw(50, 8, 1, 3)
    assert draw(50, 8, 1, 2) != draw(50, 8, 2, 2)
    paths = [tmp_path / f"{index}.pt" for index in range(8)]
    for index, path in enumerate(paths):
        save(path, [located(index, [1, 2, -1]), located(index + 50, [2, 1, -1])])
    begun = [train_tower(SMALL, paths, variant, 0, seed) for variant in EMBEDDING.values() for seed in (1, 2)]
    for one in begun[2::2]:
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), begun[0].parameters(), strict=True))
    assert not torch.equal(begun[0].track_pred.weight, begun[1].track_pred.weight)
    trained, again = (train_tower(SMALL, paths, EMBEDDING["both directions"], 2, 1) for _ in "12")
    assert not torch.equal(trained.track_pred.weight, begun[0].track_pred.weight)
    assert torch.equal(trained.track_pred.weight, again.track_pred.weight)


def test_positives_off_their_mask_teach_nothing_where_only_own_ones_count() -> None:
    """Whatever stands at the location that is off the mask; the norms have fixed statistics here."""
    views = [located(1, [7, 7, 8, -1], off=1), located(2, [7, 8, -1])]
    other = [replace(views[0], patches=located(3, [7, 7, 8, -1]).patches), views[1]]
    for part in ("values", "level", "inside"):
        getattr(other[0].patches, part)[1:] = getattr(views[0].patches, part)[1:]
    head = train_tower(SMALL, [], Variant(), 0, 0).eval()

    def loss(seen: list[Located], name: str) -> float:
        return float(tower_loss(head, seen, EMBEDDING[name], torch.Generator().manual_seed(0)).detach())

    assert loss(views, "own-mask positives") == pytest.approx(loss(other, "own-mask positives"), rel=1e-6)
    assert loss(views, "both directions") != pytest.approx(loss(other, "both directions"), rel=1e-6)


def test_association_counts_objects_that_have_a_rival_of_their_class() -> None:
    """Of frame one's five objects, one has no rival and one is not in frame two; of the others one is confused."""
    scenes = Scenes(Path(), crossings=0, composites=1, length=0)
    first, second = scenes.paths()
    detected = torch.tensor([True, True, True, True, False])
    seen = {
        first: Seen(patches(5), torch.tensor([1, 2, 3, 4, 9]), torch.tensor([0, 0, 0, 1, 0]), detected),
        second: Seen(patches(5), torch.tensor([3, 2, 1, 4, 8]), torch.tensor([0, 0, 0, 1, 0]), detected),
    }
    east, north = [1.0, 0.0], [0.0, 1.0]
    vectors = {
        first: torch.tensor([east, north, north, east, north]),
        second: torch.tensor([[-1.0, 0.0], north, [9.0, 0.1], north, [0.0, -1.0]]),  # cosines, not lengths
    }
    shares, counts = association(scenes, seen, vectors)
    assert counts == {"composites, all": 3, "composites, detected": 3}
    assert shares["composites, all"] == pytest.approx(2 / 3)
    assert raw_vectors(seen)[first].shape == (5, 8)


def test_crossings_are_compared_at_three_gaps_within_their_length() -> None:
    scenes = Scenes(Path(), crossings=1, composites=0, length=75)
    found = [name for name, *_ in scenes.comparisons()]
    assert {name: found.count(name) for name in found} == {
        "crossings, 5 frames": 5,
        "crossings, 15 frames": 4,
        "crossings, 30 frames": 3,
    }
    assert {path for _, *pair in scenes.comparisons() for path in pair} == set(scenes.paths())
