"""Videos one after the other into one report; of each, only scores and flags are kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.annotations.videos import Track, Video, VideoAnnotations
from stc.benchmarks.evaluation.average_precision import ClassMatches, accumulate, match, occlusion_score
from stc.benchmarks.evaluation.bootstrap import mean_draws, mean_intervals
from stc.benchmarks.evaluation.clip_score import ClipScore, clip_score, overall
from stc.benchmarks.evaluation.hota import Identity, identity
from stc.benchmarks.evaluation.overlap import Overlap, overlap
from stc.benchmarks.evaluation.results import Prediction
from stc.benchmarks.timing.intervals import Interval
from stc.errors import InputError

SUMMED = ("objects", "tracks", "IDSW")


@dataclass(frozen=True)
class EvaluationReport:
    """classes: column -> value of each class with objects, in the order of the categories. mean: over those classes;
    counts and switches are sums. NaN: no object in that range. clips: whatever the classes; the last is all of them.
    """

    classes: dict[str, dict[str, float]]
    mean: dict[str, float]
    clips: tuple[ClipScore, ...]


class Evaluation:
    """Takes one video after the other, in order of their ids, and makes the report."""

    def __init__(self, annotations: VideoAnnotations, min_area: float = 0.0) -> None:
        """min_area: mean area in pixels from which objects count in AP and AR (but for those of a range of areas).

        Raises InputError where there is nothing to score, or occlusion is annotated for some objects only.
        """
        tracks = [track for video in annotations.videos for track in video.tracks]
        if not tracks:
            raise InputError("no annotated object: nothing can be scored; check --data, --split and --clips")
        graded = sum(track.occlusion is not None for track in tracks)
        if graded not in (0, len(tracks)):
            raise InputError(f"`occlusion` in {graded} of {len(tracks)} annotations; it must be in all or in none")
        self._min_area = min_area
        self._categories = annotations.categories
        self._has_occlusion = annotations.has_occlusion
        self._matches: dict[int, dict[int, ClassMatches]] = defaultdict(dict)  # category -> number of the video
        self._identities: dict[int, Identity] = defaultdict(Identity)
        self._objects: dict[int, int] = defaultdict(int)
        self._tracks: dict[int, int] = defaultdict(int)
        self._clips: list[ClipScore] = []

    def add(self, video: Video, predictions: Sequence[Prediction]) -> None:
        """The tracks that were found in `video`, in the order in which ties of their scores are broken."""
        masks = [track.masks for track in video.tracks], [prediction.masks for prediction in predictions]
        regions = np.array([track.crowd and video.picture for track in video.tracks], bool)
        whole_video = overlap(*masks, len(video.files), regions)
        self._clips.append(clip_score(video.name, whole_video))
        truth, tracked = _by_category(video.tracks), _by_category(predictions)
        for category in truth.keys() | tracked.keys():
            objects, found = truth[category], tracked[category]
            part = whole_video.of(np.array(objects, int), np.array(found, int))
            self._identities[category] += identity(part)
            self._matches[category][len(self._clips) - 1] = self._match(
                part, [video.tracks[i] for i in objects], [predictions[i] for i in found]
            )
            self._objects[category] += len(objects)
            self._tracks[category] += len(found)

    def report(self) -> EvaluationReport:
        classes = {name: self._row(id) for id, name in self._categories.items() if self._objects[id]}
        columns = next(iter(classes.values()), {})
        return EvaluationReport(
            classes,
            {column: _mean(column, [row[column] for row in classes.values()]) for column in columns},
            (*self._clips, overall(self._clips)),
        )

    def intervals(self) -> dict[str, Interval]:
        """AP and AP50 of the mean over classes, with their bootstrap intervals over videos."""
        return mean_intervals(self._scored(), len(self._clips))

    def draws(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The same with every resample, for the difference of two models: see `mean_draws`."""
        return mean_draws(self._scored(), len(self._clips))

    def _scored(self) -> list[dict[int, ClassMatches]]:
        return [matches for category, matches in self._matches.items() if self._objects[category]]

    def _match(self, part: Overlap, objects: Sequence[Track], predictions: Sequence[Prediction]) -> ClassMatches:
        occlusion = np.array([occlusion_score(o.occlusion or ()) for o in objects]) if self._has_occlusion else None
        return match(
            part.whole,
            np.array([p.score for p in predictions], float),
            np.array([p.area for p in predictions], float),
            np.array([o.area for o in objects], float),
            np.array([o.crowd for o in objects], bool),
            occlusion,
            self._min_area,
        )

    def _row(self, category: int) -> dict[str, float]:
        counts = {"objects": float(self._objects[category]), "tracks": float(self._tracks[category])}
        curves = accumulate(list(self._matches[category].values()))
        return counts | curves.summary() | self._identities[category].summary()


def _by_category(tracks: Sequence[Track | Prediction]) -> dict[int, list[int]]:
    """The indices of the tracks of each category."""
    indices: dict[int, list[int]] = defaultdict(list)
    for index, track in enumerate(tracks):
        indices[track.category].append(index)
    return indices


def _mean(column: str, values: Sequence[float]) -> float:
    if column in SUMMED:
        return sum(values)
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
