"""Pairs of views for one training step, as a function of (seed, step)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.model.config import ModelConfig
from stc.training.config import TrainConfig
from stc.training.data.annotations import Clip, Dataset, Frame
from stc.training.data.composites import find_cutouts, occlude, paste
from stc.training.data.geometry import Matrix, random_motion, random_view
from stc.training.data.mosaics import corners, moved_to, tile
from stc.training.data.photometric import distort
from stc.training.data.views import PictureCache, View, drop_slivers, render

Pair = tuple[View, View]  # key, reference


class PairSource:
    """Draws pairs from a data set: stills, clips and composites in the shares of the config."""

    def __init__(self, dataset: Dataset, model: ModelConfig, config: TrainConfig) -> None:
        self.config = config
        self.model = model
        self.target = model.input_size
        # Twice the input is all that the largest zoom can use.
        self.pictures = PictureCache(2 * max(model.input_size), config.cache_bytes)
        stills = [clip for clip in dataset.clips if len(clip.frames) == 1]
        self.stills = [clip for clip in stills if clip.frames[0].objects or config.negative_weight]
        self.empty = [clip for clip in stills if not clip.frames[0].instances]
        # A pair is built around an object: clips without any give none.
        self.clips = [clip for clip in dataset.clips if len(clip.frames) > 1 and any(f.objects for f in clip.frames)]
        self.cutouts = find_cutouts(dataset, config)
        self.still_weights = _still_weights(self.stills, config)
        # Objects of rare classes are cut out as often as those of common ones.
        self.cutout_weights = _balanced(np.array([cutout.instance.label for cutout in self.cutouts], dtype=np.int64))
        shares = np.array(
            [
                config.still_share if self.stills else 0.0,
                config.clip_share if self.clips else 0.0,
                config.composite_share if self.cutouts else 0.0,
            ]
        )
        if not shares.any():
            raise InputError(
                f"no pair can be drawn: {len(self.stills)} stills at still_share={config.still_share}, "
                f"{len(self.clips)} clips at clip_share={config.clip_share}, {len(self.cutouts)} cut-outs at "
                f"composite_share={config.composite_share}; change the shares with --set"
            )
        self.shares = shares / shares.sum()

    def batch(self, step: int) -> list[Pair]:
        """The pairs of a step; equal for equal (seed, step).

        The views of a pair show one scene, or two that have nothing in common, where the config says `independent`.
        """
        rng = np.random.default_rng((self.config.seed, step))
        draw = self._pair if self.config.views == "pairs" else self._strangers
        return [draw(rng) for _ in range(self.config.batch_pairs)]

    def _strangers(self, rng: np.random.Generator) -> Pair:
        one, two = (
            self._mosaic(rng) if rng.random() < self.config.mosaic_share else self._scene(rng, 1)[0] for _ in "12"
        )
        return self._finished(rng, one), self._finished(rng, two)

    def _pair(self, rng: np.random.Generator) -> Pair:
        key, reference = self._recoloured(rng, self._scene(rng, 2))
        return drop_slivers(key, self.config), drop_slivers(reference, self.config)

    def _finished(self, rng: np.random.Generator, view: View) -> View:
        picture = distort(rng, view.picture, self.config.colour_strength)
        return drop_slivers(replace(view, picture=picture), self.config)

    def _scene(self, rng: np.random.Generator, number: int) -> tuple[View, ...]:
        """`number`, one or two, views of a still, of a clip, or of one of them with cut-outs in front."""
        kind = rng.choice(3, p=self.shares)
        # Composites are made of stills, whose labels tend to be complete, of clips only without stills.
        if kind == 1 or not self.stills:
            clip = self._clip(rng)
            views = self._clip_views(rng, clip, number)
        else:
            clip = self._still(rng)
            views = self._still_views(rng, clip, number)
        if kind != 2:
            return views
        empty = not any(frame.objects for frame in clip.frames)
        if not empty or rng.random() >= self.config.empty_share:
            views = self._with_cutouts(rng, views, {i.identity for frame in clip.frames for i in frame.instances})
        if self.empty and rng.random() < self.config.occluder_share:
            texture = self.pictures.get(self.empty[int(rng.integers(len(self.empty)))].frames[0].path)
            for _ in range(int(rng.integers(1, 4))):
                views = occlude(rng, views, texture, self.config)
        return views

    def _still(self, rng: np.random.Generator) -> Clip:
        return self.stills[int(rng.choice(len(self.stills), p=self.still_weights))]

    def _clip(self, rng: np.random.Generator) -> Clip:
        return self.clips[int(rng.integers(len(self.clips)))]

    def _mosaic(self, rng: np.random.Generator) -> View:
        """Stills, or frames where there are none."""
        tiles, places = [], []
        for corner, size in corners(rng, self.target):
            if self.stills:
                clip = self._still(rng)
                frame = clip.frames[0]
            else:
                clip = self._clip(rng)
                frame = clip.frames[int(rng.integers(len(clip.frames)))]
            matrix = moved_to(corner, self._random_view(rng, frame), self.target, size)
            tiles.append(self._render(frame, matrix, clip))
            places.append(corner)
        return tile(tiles, places)

    def _recoloured(self, rng: np.random.Generator, views: tuple[View, ...]) -> Pair:
        """Both views in the same new light, then each a little off: colours tell objects apart, and they last."""
        strength, seed = self.config.colour_strength, int(rng.integers(2**63))
        same = [distort(np.random.default_rng(seed), view.picture, strength) for view in views]
        drift = strength * self.config.colour_drift
        key, reference = (
            replace(view, picture=distort(rng, picture, drift)) for view, picture in zip(views, same, strict=True)
        )
        return key, reference

    def _with_cutouts(self, rng: np.random.Generator, views: tuple[View, ...], present: set[int]) -> tuple[View, ...]:
        """No identity twice in a scene."""
        number = min(int(rng.integers(self.config.min_cutouts, self.config.max_cutouts + 1)), len(self.cutouts))
        chosen = rng.choice(len(self.cutouts), number, replace=False, p=self.cutout_weights)
        fresh = [c for c in (self.cutouts[int(i)] for i in chosen) if c.instance.identity not in present]
        unique = {cutout.instance.identity: cutout for cutout in fresh}
        return paste(rng, views, list(unique.values()), self.pictures, self.config)

    def _still_views(self, rng: np.random.Generator, clip: Clip, number: int) -> tuple[View, ...]:
        """One picture, and the same after a small motion."""
        frame = clip.frames[0]
        matrix = self._random_view(rng, frame)
        moved = (random_motion(rng, self.target, self.config) @ matrix for _ in range(number - 1))
        return tuple(self._render(frame, matrix, clip) for matrix in (matrix, *moved))

    def _clip_views(self, rng: np.random.Generator, clip: Clip, number: int) -> tuple[View, ...]:
        """Frames of a clip, not too far apart, in the same geometry (as CrossVIS samples them)."""
        annotated = [index for index, frame in enumerate(clip.frames) if frame.objects]
        first = annotated[int(rng.integers(len(annotated)))]
        near = [index for index in annotated if 0 < abs(index - first) <= self.config.clip_window]
        others = (near[int(rng.integers(len(near)))] if near else first for _ in range(number - 1))
        matrix = self._random_view(rng, clip.frames[first])
        return tuple(self._render(clip.frames[index], matrix, clip) for index in (first, *others))

    def _random_view(self, rng: np.random.Generator, frame: Frame) -> Matrix:
        # A box that is turned is a box around a box: those of objects without an outline stay upright.
        upright = any(instance.boxed for instance in frame.instances)
        boxes = [instance.box for instance in frame.objects]
        return random_view(rng, frame.size, self.target, boxes, self.config, upright)

    def _render(self, frame: Frame, matrix: Matrix, clip: Clip) -> View:
        margin = self.config.partial_margin
        return render(frame, matrix, self.model, clip.partial, self.pictures, margin, clip.incomplete)


def _still_weights(stills: list[Clip], config: TrainConfig) -> NDArray[np.float64]:
    """Probability of each still: repeat factor of its rarest class (LVIS balances classes so), negatives less often."""
    frames = [still.frames[0] for still in stills]
    counts = Counter(label for frame in frames for label in {instance.label for instance in frame.objects})
    most = max(counts.values(), default=0)
    weights = np.full(len(stills), config.negative_weight)
    for index, frame in enumerate(frames):
        if frame.objects:
            rarest = min(counts[instance.label] for instance in frame.objects)
            weights[index] = min(config.repeat_limit, (most / rarest) ** 0.5)
    return weights / weights.sum() if stills else weights


def _balanced(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probabilities that give every label the same share."""
    weights = np.array([1.0 / np.count_nonzero(labels == label) for label in labels])
    return weights / weights.sum() if len(labels) else weights
