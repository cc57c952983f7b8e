"""Geometry, composites and pairs: picture, masks, boxes and identities move together."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from stc.annotations.scenes import tight_boxes
from stc.errors import InputError
from stc.model.config import STC_LITE, Resize
from stc.runtime.letterbox import Letterbox
from stc.runtime.native.library import available
from stc.training.config import TrainConfig
from stc.training.data.annotations import Dataset
from stc.training.data.composites import find_cutouts, paste
from stc.training.data.geometry import letterbox, mirror, random_motion, random_view, rotation, shift, show
from stc.training.data.index import read_all
from stc.training.data.pairs import PairSource
from stc.training.data.photometric import distort
from stc.training.data.views import PictureCache, View, drop_slivers, render
from tests.training.conftest import Source

MODEL = STC_LITE.with_(input_size=(128, 192), classes=("disc", "square"))
TARGET = MODEL.input_size
BORDER = MODEL.border_bgr
CONFIG = TrainConfig()


def _dataset(*sources: Source) -> Dataset:
    return read_all(list(sources), split="train")


@pytest.mark.parametrize("size", [(480, 854), (640, 480), (37, 91), (128, 192), (1, 300)])
def test_letterbox_is_area_resize_and_border(size: tuple[int, int]) -> None:
    """The rule of the small model's inference, spelled out, within the rounding of the native library and of OpenCV."""
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    scale = min(TARGET[0] / size[0], TARGET[1] / size[1])
    height, width = (max(1, int(side * scale + 0.5)) for side in size)
    expected = np.full((*TARGET, 3), BORDER, dtype=np.uint8)
    expected[:height, :width] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    found = show(picture, letterbox(size, TARGET), MODEL)
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("resize", ["pil-bilinear", "linear", "area"])
@pytest.mark.parametrize("size", [(480, 854), (97, 53), (128, 192)])
def test_a_plain_view_shows_what_inference_shows(size: tuple[int, int], resize: Resize) -> None:
    """Of every model: resizing is a part of it. Mirrored ones are the mirror image of that, and nothing else."""
    model = MODEL.with_(resize=resize)
    picture = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    inference = Letterbox.fit(size, TARGET, resize, BORDER).apply(picture, available(threads=None))
    assert (show(picture, letterbox(size, TARGET), model) == inference).all()
    width = int(size[1] * min(TARGET[0] / size[0], TARGET[1] / size[1]) + 0.5)
    mirrored = show(picture, mirror(width) @ letterbox(size, TARGET), model)
    assert (mirrored[:, :width] == inference[:, :width][:, ::-1]).all()
    assert (mirrored[:, width:] == inference[:, width:]).all()


def test_other_views_are_reduced_by_the_models_rule() -> None:
    """A quarter of a pixel to the right: all that differs between the models is how they average four pixels."""
    size = (256, 384)
    picture = np.random.default_rng(2).integers(0, 256, (*size, 3), dtype=np.uint8)
    moved = shift(0.25, 0) @ letterbox(size, TARGET)
    reduced = Letterbox.fit(size, TARGET, "pil-bilinear", BORDER).apply(picture).astype(float)
    expected = 0.75 * reduced[:, 1:] + 0.25 * reduced[:, :-1]
    found = show(picture, moved, MODEL.with_(resize="pil-bilinear"))[:, 1:]
    assert np.abs(found - expected).max() <= 1  # rounding


def test_mirror_maps_edges_to_edges() -> None:
    points = mirror(100) @ np.array([[0.0, 100.0, 30.0], [5.0, 5.0, 5.0], [1.0, 1.0, 1.0]])
    assert points[0].tolist() == [100, 0, 70]


def test_random_view_keeps_an_anchor_inside() -> None:
    rng = np.random.default_rng(0)
    anchor = (300.0, 10.0, 340.0, 60.0)
    config = replace(CONFIG, plain_share=0.0, max_rotation=0.0)
    for _ in range(300):
        matrix = random_view(rng, (480, 640), TARGET, [anchor], config)
        x, y, _ = matrix @ [320, 35, 1]
        assert 0 <= x <= TARGET[1]
        assert 0 <= y <= TARGET[0]


def test_masks_follow_the_picture(stills: Source) -> None:
    """The red disc is where its mask is, whatever the view: over 97 % of mask pixels red, of red pixels in the mask.

    The rest is the rim, where bilinear colours lie between red and grey.
    """
    frame = _dataset(stills).clips[0].frames[0]
    rng = np.random.default_rng(0)
    pictures = PictureCache(1000, 1 << 20)
    seen = 0
    for _ in range(30):
        matrix = random_motion(rng, TARGET, CONFIG) @ random_view(rng, frame.size, TARGET, [], CONFIG)
        view = render(frame, matrix, MODEL, False, pictures, 0.2)
        picture = view.picture.astype(int)
        red = (picture[..., 2] > 165) & (picture[..., 1] < 70)
        disc = view.masks[0]
        if disc.sum() > 300:
            seen += 1
            overlap = (red & disc).sum()
            assert overlap > 0.9 * disc.sum()
            assert overlap > 0.97 * red.sum()
    assert seen > 10


def test_reduced_pictures_keep_their_masks(stills: Source) -> None:
    """A cache that halves pictures changes their resolution, not where things are."""
    frame = _dataset(stills).clips[0].frames[0]
    matrix = letterbox(frame.size, TARGET)
    full = render(frame, matrix, MODEL, False, PictureCache(1000, 1 << 20), 0.2)
    half = render(frame, matrix, MODEL, False, PictureCache(64, 1 << 20), 0.2)
    assert (full.masks == half.masks).all()
    inside = cv2.erode(full.masks[0].astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert abs(full.picture[inside].astype(int) - half.picture[inside]).max() < 5


def test_partial_frames_know_only_the_surroundings_of_their_object(clips: Source) -> None:
    clip = _dataset(clips).clips[0]
    frame = clip.frames[0]
    matrix = letterbox(frame.size, TARGET)
    view = render(frame, matrix, MODEL, True, PictureCache(1000, 0), 0.2)
    x1, y1, x2, y2 = tight_boxes(view.masks)[0]
    assert not view.unknown[int(y1) : int(y2), int(x1) : int(x2)].any()
    assert view.unknown[int((y1 + y2) / 2), int(x2 + 0.3 * (x2 - x1))]
    assert view.unknown[2, 100]
    assert not view.unknown[:, 175:].any()  # the letterbox border is background for certain


def test_crowds_are_unknown(stills: Source) -> None:
    frame = _dataset(stills).clips[1].frames[0]
    view = render(frame, letterbox(frame.size, TARGET), MODEL, False, PictureCache(1000, 0), 0.2)
    assert len(view.masks) == 1
    assert view.unknown[115:127, 2:50].all()
    assert not view.unknown[:100].any()


def test_slivers_become_unknown() -> None:
    masks = np.zeros((3, *TARGET), dtype=bool)
    masks[0, :20, :20] = True
    masks[1, 50:52, 50:60] = True  # 20 pixels: too small
    masks[2, 90:100, 0:10] = True  # 100 of 2000 pixels: too little of it
    whole = np.array([400.0, 20.0, 2000.0])
    unknown = np.zeros(TARGET, dtype=bool)
    view = View(np.zeros((*TARGET, 3), np.uint8), masks, np.arange(3), np.arange(3), whole, unknown)
    kept = drop_slivers(view, CONFIG)
    assert kept.identities.tolist() == [0]
    assert (kept.unknown == (masks[1] | masks[2])).all()


def test_pasted_objects_occlude_in_order_and_keep_their_identity(
    stills: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stc.training.data.composites.distort", lambda _rng, picture, _strength: picture)
    dataset = _dataset(stills)
    cutouts = find_cutouts(dataset, CONFIG)
    assert len(cutouts) == 3
    pictures = PictureCache(1000, 1 << 20)
    frame = dataset.clips[1].frames[0]
    base = render(frame, letterbox(frame.size, TARGET), MODEL, False, pictures, 0.2)
    chosen = [cutouts[0], cutouts[1]]
    overlaps = 0
    for seed in range(20):
        views = paste(np.random.default_rng(seed), (base, base), chosen, pictures, CONFIG)
        for view in views:
            assert view.identities.tolist() == [*base.identities, *(c.instance.identity for c in chosen)]
            assert view.labels.tolist() == [1, 0, 1]
            assert (view.masks.sum(axis=0) <= 1).all()  # every pixel belongs to one object
            overlaps += int(view.masks[0].sum() < base.masks[0].sum())
            top = view.masks[2]
            if top.any():  # the pasted square is blue, whatever lies below
                assert np.median(view.picture[top].astype(int)[:, 0] - view.picture[top][:, 2]) > 50
        assert (views[0].masks[1] != views[1].masks[1]).any()  # it moved
    assert overlaps > 3


def test_batches_are_a_function_of_seed_and_step(stills: Source, clips: Source) -> None:
    dataset = _dataset(stills, clips)
    first, second = (PairSource(dataset, MODEL, CONFIG) for _ in range(2))
    second.batch(3)
    for one, two in zip(first.batch(7), second.batch(7), strict=True):
        for a, b in zip(one, two, strict=True):
            assert (a.picture == b.picture).all()
            assert (a.masks == b.masks).all()
            assert a.identities.tolist() == b.identities.tolist()
    pictures = {view.picture.tobytes() for step in (7, 8) for pair in first.batch(step) for view in pair}
    assert len(pictures) == 4 * CONFIG.batch_pairs


def test_pairs_share_objects_and_hold_only_visible_ones(stills: Source, clips: Source) -> None:
    source = PairSource(_dataset(stills, clips), MODEL, CONFIG)
    shared = 0
    for step in range(10):
        for key, reference in source.batch(step):
            shared += bool(set(key.identities) & set(reference.identities))
            for view in (key, reference):
                assert view.picture.shape == (*TARGET, 3)
                assert (view.masks.sum(axis=(1, 2)) >= CONFIG.min_area).all()
                assert len(view.masks) == len(view.labels) == len(view.identities)
    assert shared > 30


def test_clips_alone_give_composites_too(clips: Source) -> None:
    """Somebody with nothing but YTVIS data: every composite is a pair of a clip with more objects pasted in."""
    config = replace(CONFIG, still_share=0.0, clip_share=0.0, composite_share=1.0, cutout_min_area=0.0)
    source = PairSource(_dataset(clips), MODEL, config)
    most = max(len(view.identities) for step in range(10) for pair in source.batch(step) for view in pair)
    assert most > 1


def test_clips_without_objects_are_not_drawn(clips: Source) -> None:
    dataset = _dataset(clips)
    bare = tuple(replace(frame, instances=()) for frame in dataset.clips[1].frames)
    source = PairSource(
        replace(dataset, clips=(dataset.clips[0], replace(dataset.clips[1], frames=bare))), MODEL, CONFIG
    )
    assert [clip.name for clip in source.clips] == ["moving"]


def test_shares_that_leave_nothing_are_an_error(clips: Source) -> None:
    config = replace(CONFIG, clip_share=0.0, composite_share=0.0)
    with pytest.raises(InputError, match=r"no pair can be drawn: 0 stills .* 2 clips at clip_share=0\.0"):
        PairSource(_dataset(clips), MODEL, config)


def test_a_partial_still_stays_partial(clips: Source) -> None:
    """A clip of one frame is a still; that it leaves objects out must not be forgotten."""
    dataset = read_all([replace(clips, partial=True)], split="train")
    still = replace(dataset.clips[0], frames=dataset.clips[0].frames[:1])
    config = replace(CONFIG, plain_share=1.0, composite_share=0.0, partial_margin=0.0)
    source = PairSource(replace(dataset, clips=(still,)), MODEL, config)
    for view in source.batch(0)[0]:
        assert view.unknown.mean() > 0.3


def test_photometric_strength_zero_changes_nothing() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    for seed in range(20):
        assert (distort(np.random.default_rng(seed), picture, 0.0) == picture).all()
    assert any((distort(np.random.default_rng(seed), picture) != picture).any() for seed in range(20))


def test_rotation_and_shift_compose_as_columns() -> None:
    """Quarter turn, then shift: (1, 0) -> (0, 1) -> (10, 1)."""
    assert np.allclose(shift(10, 0) @ rotation(90) @ [1, 0, 1], [10, 1, 1])
