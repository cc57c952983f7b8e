"""Stream: frames of any size in, results in frame pixels out, one video's ids."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stc.errors import InputError
from stc.runtime import Session
from tests.runtime import tiny_model
from tests.runtime.tiny_model import COLOURS, PASSPORT, frame

ALL = tuple((slot, (24 * slot, 8, 24 * slot + 16, 40)) for slot in range(4))


def test_a_frame_of_the_model_s_size(session: Session) -> None:
    result = session.stream()(frame((0, (8, 12, 40, 44)), (1, (60, 4, 80, 40))), time=2.5)
    assert result.boxes.tolist() == [[8, 12, 40, 44], [60, 4, 80, 40]]
    assert result.scores.tolist() == pytest.approx([0.9, 0.8]) and result.labels.tolist() == [0, 1]
    assert result.track_ids.tolist() == [1, 2] and result.handles.tolist() == [0, 1]
    assert result.classes == ("cat", "dog") and result.frame_size == (60, 96) and result.time == 2.5
    assert [(event.kind, event.track_id) for event in result.events] == [("born", 1), ("born", 2)]
    assert result.embeddings.shape == (2, 8) and result.embeddings[1].argmax() == 1
    # Cell 0.9 inside, 0.1 outside: the mask is the rectangle up to a cell (4 px).
    dense = result.masks.dense()
    assert dense[0, 16:40, 12:36].all() and not dense[0, :8].any() and not dense[0, :, 48:].any()


def test_no_objects(session: Session) -> None:
    result = session.stream()(frame())
    assert len(result) == 0 and result.boxes.shape == (0, 4) and result.embeddings.shape == (0, 8)
    assert result.masks.dense().shape == (0, 60, 96) and result.masks.rle() == [] and result.events == ()
    assert result.to_coco(0) == []


def test_exactly_as_many_objects_as_the_model_can_give(session: Session) -> None:
    stream = session.stream()
    for _ in range(3):
        result = stream(frame(*ALL))
    assert result.scores.tolist() == pytest.approx([0.9, 0.8, 0.6, 0.5])
    assert result.track_ids.tolist() == [1, 2, 3, 4]  # the two weak ones are confirmed by the third frame
    assert (result.masks.areas() > 0).all()


@pytest.mark.parametrize("size", [(120, 192), (121, 193), (30, 48), (300, 200), (100, 900), (97, 31)])
def test_other_sizes_and_aspect_ratios_come_back_in_frame_pixels(session: Session, size: tuple[int, int]) -> None:
    height, width = size
    box = (width // 5, height // 5, width - width // 5, height - height // 5)
    result = session.stream()(frame((0, box), size=size))
    # Interpolated edge pixels are no pure colour: two input pixels on each side.
    tolerance = 2 * max(height / 60, width / 96) + 2
    assert len(result) == 1 and result.frame_size == size
    np.testing.assert_allclose(result.boxes[0], box, atol=tolerance)
    dense = result.masks.dense()[0]
    assert dense.shape == size
    y, x = dense.nonzero()
    # One mask cell is four input pixels.
    np.testing.assert_allclose([x.min(), y.min(), x.max(), y.max()], box, atol=3 * tolerance)


def warned(folder: Path, caplog: pytest.LogCaptureFixture, norm: str, *sizes: tuple[int, int]) -> list[str]:
    """What a stream of frames of these sizes warns of, with heads of that norm."""
    passport = replace(PASSPORT, head_norm=norm)
    with Session(tiny_model.write_bundle(folder / norm, passport), threads=1) as session:
        stream = session.stream("cam")
        for size in sizes:
            stream(frame(size=size))
    return [record.getMessage() for record in caplog.records if record.name == "stc.runtime.stream"]


@pytest.mark.parametrize(
    ("size", "border", "fitting"),
    [
        ((300, 300), "0 rows and 36 columns", "60x60"),
        ((192, 120), "0 rows and 58 columns", "96x60"),  # portrait: as detectron2's shortest and longest edge have it
        ((100, 900), "49 rows and 0 columns", "32x96"),
    ],
)
def test_much_border_with_group_norm_is_warned_of_once_with_the_size_that_fits(
    size: tuple[int, int], border: str, fitting: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (message,) = warned(tmp_path, caplog, "group", (120, 192), size, size)
    assert message.startswith(
        f"stream 'cam': frames of {size[0]}x{size[1]} leave a border of {border} in the 60x96 input"
    )
    assert message.endswith(f"stc-export --size {fitting}")


def test_little_border_batch_norm_and_old_bundles_are_not_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert warned(tmp_path, caplog, "group", (60, 96), (121, 193), (60, 64)) == []
    assert warned(tmp_path, caplog, "batch", (300, 300)) == []
    assert warned(tmp_path, caplog, "", (300, 300)) == []


def test_a_frame_of_one_pixel(session: Session) -> None:
    pixel = np.array(COLOURS[1], np.uint8).reshape(1, 1, 3)
    result = session.stream()(pixel)
    assert result.boxes.tolist() == [[0, 0, 1, 1]] and result.masks.dense().tolist() == [[[True]]]


def test_frames_are_bgr_all_the_way(session: Session) -> None:
    blue_box = frame((0, (8, 8, 40, 40)))
    assert session.stream()(blue_box).scores.tolist() == pytest.approx([0.9])  # slot 0 is blue first
    assert session.stream()(blue_box[:, :, ::-1]).scores.tolist() == pytest.approx([0.6])  # swapped, slot 2 is red


def test_an_object_that_changes_its_colour_is_another_track(session: Session) -> None:
    stream = session.stream()
    box = (8, 8, 40, 40)
    assert stream(frame((0, box))).track_ids.tolist() == [1]
    other = [stream(frame((2, box))) for _ in range(3)][-1]  # same class and place, other embedding
    assert other.track_ids.tolist() == [2]
    assert stream(frame((0, box))).track_ids.tolist() == [1]


def test_frame_size_may_change_between_frames(session: Session) -> None:
    stream = session.stream()
    sizes = [(60, 96), (120, 192), (60, 96)]
    results = [stream(frame((0, (w // 4, h // 4, w // 2, h // 2)), size=(h, w))) for h, w in sizes]
    assert [result.frame_size for result in results] == sizes
    assert [result.track_ids.tolist() for result in results] == [[1], [1], [1]]


def test_time_runs_on_by_the_frame_rate(session: Session) -> None:
    stream = session.stream(fps=25)
    times = [stream(frame(), time).time for time in (None, None, 1.0, None)]
    assert times == pytest.approx([0, 0.04, 1.0, 1.04])
    with pytest.raises(InputError, match="go back"):
        stream(frame(), 0.5)
    assert stream(frame()).time == pytest.approx(1.08)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_a_frame_rate_must_be_positive(session: Session, fps: float) -> None:
    with pytest.raises(InputError, match="fps"):
        session.stream(fps=fps)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((60, 96), np.uint8),
        np.zeros((60, 96, 4), np.uint8),
        np.zeros((60, 96, 3), np.float32),
        "frame.png",
        None,
    ],
)
def test_what_is_no_frame_is_refused_and_the_stream_goes_on(session: Session, wrong: Any) -> None:
    stream = session.stream()
    assert stream(frame(ALL[0])).track_ids.tolist() == [1]
    with pytest.raises(InputError, match="uint8"):
        stream(wrong)
    after = stream(frame(ALL[0]))
    assert after.track_ids.tolist() == [1] and after.time == pytest.approx(1 / 30)


def test_streams_of_one_session_have_their_own_tracks(session: Session) -> None:
    a, b = session.stream("a"), session.stream("b")
    assert a(frame(ALL[0])).track_ids.tolist() == [1]
    assert b(frame(ALL[1])).track_ids.tolist() == [1]
    assert a(frame(ALL[0], ALL[1])).track_ids.tolist() == [1, 2]


def test_timings_name_every_stage(session: Session) -> None:
    stream = session.stream()
    assert stream.timings == {}
    stream(frame(ALL[0]))
    assert list(stream.timings) == ["preprocess", "engine", "track"] and min(stream.timings.values()) > 0


def test_closing_ends_the_tracks_and_the_stream(session: Session) -> None:
    stream = session.stream("gate-1")
    stream(frame(ALL[0], ALL[1]))
    assert [(event.kind, event.track_id) for event in stream.close()] == [("ended", 1), ("ended", 2)]
    assert stream.close() == ()
    with pytest.raises(InputError, match="'gate-1' is closed"):
        stream(frame())


def test_results_stay_when_the_stream_goes_on(session: Session) -> None:
    """Masks are lazy: what they are made of must not be overwritten by later frames."""
    stream = session.stream()
    first = stream(frame(ALL[0]))
    expected = session.stream()(frame(ALL[0])).masks.rle()
    for _ in range(5):
        stream(frame(ALL[3]))
    assert first.masks.rle() == expected and first.boxes.tolist() == [[0, 8, 16, 40]]


def test_the_library_is_silent(bundle: Any) -> None:
    code = (
        "import sys\nfrom stc.runtime import Session\nfrom tests.runtime import tiny_model\n"
        f"Session({str(bundle)!r}, threads=1).stream()(tiny_model.frame())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""


def test_the_tiny_model_has_a_passport_of_the_tiny_model() -> None:
    assert len(tiny_model.SCORES) == len(tiny_model.LABELS) == tiny_model.PASSPORT.max_detections


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "L", "1"])
def test_a_picture_of_pillow_is_a_frame(session: Session, mode: str) -> None:
    """As the same picture in BGR; a palette and CMYK change colours, and the frame is what they changed them to."""
    picture = Image.fromarray(frame((0, (8, 8, 40, 40)))[:, :, ::-1]).convert(mode)
    array = np.asarray(picture.convert("RGB"))[:, :, ::-1]
    found, expected = session.stream()(picture), session.stream()(array)
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(session.stream().submit(picture).result().scores, expected.scores)
    np.testing.assert_array_equal(found.draw(picture), expected.draw(array))


def test_pillow_may_be_half_imported_by_another_thread(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", ModuleType("PIL.Image"))
    assert len(session.stream()(frame((0, (8, 8, 40, 40))))) == 1


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_a_picture_whose_levels_are_not_bytes_is_refused(session: Session, mode: str) -> None:
    with pytest.raises(InputError, match=rf"mode '{mode}', whose levels are not 0..255; scale them"):
        session.stream()(Image.new(mode, (64, 48)))


def test_a_picture_that_breaks_while_it_is_read_is_refused(session: Session, tmp_path: Path) -> None:
    Image.fromarray(frame()).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:80])
    with pytest.raises(InputError, match="cannot be read"):
        session.stream()(Image.open(tmp_path / "half.png"))
