"""Identities of two runs of a tracker, compared up to a one-to-one renaming."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stc.benchmarks.originals.identities import Assignments, same_identity


def scene(frames: int = 5, objects: int = 4) -> Assignments:
    """Every object in every frame, in a place of its own."""
    number, track = (axis.ravel() for axis in np.meshgrid(np.arange(frames), np.arange(objects), indexing="ij"))
    boxes = np.stack([track * 50.0, number, track * 50.0 + 30, number + 30], axis=1)
    return Assignments(number, boxes, track % 2, track)


def test_other_numbers_for_the_same_tracks_are_the_same_identities() -> None:
    theirs = scene()
    ours = replace(theirs, tracks=np.array([7, 1, 12, 3])[theirs.tracks])
    order = np.random.default_rng(0).permutation(len(ours))
    ours = Assignments(*(values[order] for values in vars(ours).values()))
    assert same_identity(theirs, ours) == same_identity(ours, theirs) == 20


def test_a_switch_counts_from_where_it_happens() -> None:
    theirs = scene()
    tracks = theirs.tracks.copy()
    late = theirs.frames >= 3
    tracks[late & (theirs.tracks == 0)], tracks[late & (theirs.tracks == 1)] = 1, 0
    assert same_identity(theirs, replace(theirs, tracks=tracks)) == 20 - 4


def test_two_tracks_in_one_are_not_the_same() -> None:
    theirs = scene()
    joined = replace(theirs, tracks=np.where(theirs.tracks == 1, 0, theirs.tracks))
    assert same_identity(theirs, joined) == same_identity(joined, theirs) == 15


def test_what_has_no_partner_has_no_identity() -> None:
    theirs = scene()
    ours = Assignments(*(values[theirs.tracks > 0] for values in vars(theirs).values()))
    assert same_identity(theirs, ours) == 15
