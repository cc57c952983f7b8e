"""The data of a trial: pairs to train on, and scenes to judge on that are made of nothing that was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stc.annotations.file import read_annotations
from stc.benchmarks.crossings.cutouts import Material
from stc.benchmarks.crossings.main import ANNOTATIONS, FPS, make
from stc.benchmarks.crossings.scene import LENGTH
from stc.benchmarks.evaluation.frames import find_frames
from stc.errors import InputError
from stc.model.network import STC
from stc.training.ablation.cache import freeze_frame, freeze_pair, save
from stc.training.ablation.scenes import Scenes
from stc.training.ablation.variants import RECIPE
from stc.training.calibrate.sample import views
from stc.training.data.annotations import Dataset, Source
from stc.training.data.frame_files import unpack_videos
from stc.training.data.index import read_all
from stc.training.data.pairs import PairSource

FROZEN_SHARE = 4  # of so many pairs one keeps its maps, for stage 2: they are larger than patches
JUDGED = "val"  # split of the pictures that are judged on
SEED = 1 << 20  # of what is drawn once for all seeds, far from theirs


@dataclass(frozen=True)
class Data:
    """train: what --data holds but for --exclude. judged: pictures of split `val` and the excluded clips."""

    sources: tuple[Source, ...]
    train: Dataset
    judged: Dataset

    @classmethod
    def read(cls, sources: Sequence[Source], exclude: Sequence[str], split: str) -> Data:
        """Raises InputError for data that cannot be read, and where nothing is left to judge on."""
        train = read_all(sources, exclude=frozenset(exclude), split=split)
        other = read_all(sources, split=JUDGED)
        trained = {clip.name for clip in train.clips}
        judged = tuple(clip for clip in other.clips if clip.name not in trained)
        if not any(frame.objects for clip in judged for frame in clip.frames):
            raise InputError(
                f"nothing to judge on: --data has neither pictures of split {JUDGED!r} nor clips that --exclude names"
            )
        return cls(tuple(sources), train, replace(other, clips=judged))


def cache_pairs(model: STC, data: Data, number: int, folder: Path, advance: Callable[[], None]) -> list[Path]:
    """The patches of `number` pairs, `NNNNN.pt`, and of every fourth its maps, `NNNNN.frozen.pt`."""
    paths = [folder / "pairs" / f"{index:05d}.pt" for index in range(number)]
    missing = [index for index, path in enumerate(paths) if not path.is_file()]
    if missing:
        frames = unpack_videos(data.train, folder / "frames" / "train")
        source = PairSource(frames, model.config, replace(RECIPE, seed=SEED, batch_pairs=1))
        for index in missing:
            frozen, located = freeze_pair(model, source.batch(index)[0], index)
            if index % FROZEN_SHARE == 0:
                save(frozen_path(paths[index]), frozen)
            save(paths[index], located)  # last: where it is, both are
            advance()
    return paths


def frozen_path(pair: Path) -> Path:
    return pair.with_suffix(".frozen.pt")


def cache_scenes(model: STC, data: Data, scenes: Scenes, folder: Path, advance: Callable[[], None]) -> None:
    """Both files of each frame of `scenes`; what is there stays."""
    missing = [frame for frame in scenes.frames() if not scenes.path(*frame).is_file()]
    if not missing:
        return
    crossings = folder / "crossings"
    if not (crossings / ANNOTATIONS).is_file():
        make(crossings, *_judged_material(data), scenes.crossings, SEED)
    drawn = read_all([Source(crossings / ANNOTATIONS, crossings)], split=JUDGED).clips
    judged = unpack_videos(data.judged, folder / "frames" / "judged")
    composites = replace(RECIPE, seed=SEED + 1, batch_pairs=1, still_share=0.0, clip_share=0.0, composite_share=1.0)
    source = PairSource(judged, model.config, composites)
    for name, scene, time in missing:
        if name == "crossings":
            (view,) = views(model, [drawn[scene].frames[time]])
        else:
            view = source.batch(scene)[0][time]
        frozen, seen = freeze_frame(model, view)
        save(scenes.path(name, scene, time, "frozen"), frozen)
        save(scenes.path(name, scene, time), seen)
        advance()


def scenes_in(folder: Path, number: int) -> Scenes:
    """`number` drawn crossings, and four composites for each."""
    return Scenes(folder / "scenes", number, 4 * number, LENGTH)


def _judged_material(data: Data) -> tuple[list[Material], dict[int, str]]:
    names = {clip.name for clip in data.judged.clips}
    material, categories = [], {}
    for source in data.sources:
        read = read_annotations(source.annotations, split=JUDGED)
        read = replace(read, videos=tuple(video for video in read.videos if video.name in names))
        if read.videos:
            material.append(Material(read.videos, find_frames(read, source.frames, FPS)))
            categories = read.categories
    return material, categories
