"""A training scored on annotated pictures and clips as it goes on; the best weights are kept."""

from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stc.annotations.file import read_annotations
from stc.annotations.videos import VideoAnnotations
from stc.benchmarks.evaluation.evaluate import Evaluation
from stc.benchmarks.evaluation.frames import Frames, find_frames
from stc.benchmarks.evaluation.predict import category_ids, predict
from stc.benchmarks.models.pytorch import open_checkpoint
from stc.errors import InputError
from stc.files import atomic_path, write_text
from stc.training.run_folder import BEST, EMA, VALIDATION

FPS = 30.0  # of clips whose frames are pictures
RANKED_BY = "AP"
COLUMNS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100", "IDF1", "IDSW")


@dataclass(frozen=True)
class Validation:
    """Ground truth that was not trained on. `every`: steps between two scores."""

    annotations: VideoAnnotations
    frames: Mapping[int, Frames]
    every: int

    @classmethod
    def read(
        cls, annotations: Path, frames: Path, split: str | None, every: int, classes: tuple[str, ...]
    ) -> Validation:
        """Raises InputError for what cannot be read, has no object, or shares no class with the training data."""
        read = read_annotations(annotations, split=split)
        Evaluation(read)
        category_ids(classes, read.categories)
        return cls(read, find_frames(read, frames, FPS), every)

    def due(self, step: int, progress: float) -> bool:
        return step % self.every == 0 or progress >= 1

    def score(self, folder: Path, step: int) -> dict[str, float]:
        """What the averaged weights in the run's `folder` find: the means of `stc-eval`, and mean J and recall.

        Adds a row to `validation.csv`, and keeps the weights as `best.safetensors` where no earlier step had more AP.
        """
        evaluation = Evaluation(self.annotations)
        session, _ = open_checkpoint(folder / EMA)
        with session:
            categories = category_ids(session.passport.classes, self.annotations.categories)
            for video in self.annotations.videos:
                evaluation.add(video, predict(session, video, self.frames[video.id], categories, lambda: None))
        report = evaluation.report()
        scores = {name: report.mean[name] for name in COLUMNS if name in report.mean}
        scores |= {"J": report.clips[-1].mean_j, "recall": report.clips[-1].recall}
        self._keep(folder, step, scores)
        return scores

    def _keep(self, folder: Path, step: int, scores: Mapping[str, float]) -> None:
        before = [row for row in read_scores(folder) if row["step"] < step]  # a run that went back scores again
        ranked = [row[RANKED_BY] for row in before if not math.isnan(row[RANKED_BY])]
        rows = [*before, {"step": float(step), **scores}]
        lines = [",".join(rows[-1]), *(",".join(f"{row.get(name, math.nan):.6g}" for name in rows[-1]) for row in rows)]
        if not math.isnan(scores[RANKED_BY]) and scores[RANKED_BY] > max(ranked, default=-1.0):
            with atomic_path(folder / BEST) as temporary:
                shutil.copyfile(folder / EMA, temporary)
        write_text(folder / VALIDATION, "\n".join(lines) + "\n")


def read_scores(folder: Path) -> list[dict[str, float]]:
    """The rows of `validation.csv`; none where there is no such file. Raises InputError for one that is damaged."""
    path = folder / VALIDATION
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(handle)]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path}: damaged ({error}); move it away, the scores begin anew") from error
