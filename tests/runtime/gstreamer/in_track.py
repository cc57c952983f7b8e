"""`stctrack` in pipelines that run: every format, files, seeks, leaks, changes, ends, and two elements at once."""

from __future__ import annotations

import json
from dataclasses import asdict
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from stc.cli import run
from stc.runtime import Session, YuvFrame
from stc.runtime.gstreamer.sessions import Sessions
from stc.runtime.gstreamer.settings import Loading
from stc.runtime.track.main import main as stc_track
from tests.installs import ROOT
from tests.runtime import tiny_model
from tests.runtime.gstreamer.raw_camera import STEPS, RawCamera
from tests.runtime.gstreamer.streams import FPS, SIZE, raw, walk, walks

if TYPE_CHECKING:
    from tests.runtime.gstreamer.pipelines import Pipelines


@pytest.fixture
def element(bundle: Path) -> str:
    return f"stctrack model={bundle} threads=1"


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, pipelines: Pipelines) -> list[Session]:
    """The sessions that elements load, in order."""
    from stc.runtime.gstreamer import gst_track

    loaded: list[Session] = []

    def load(loading: Loading) -> Session:
        loaded.append(Session(**asdict(loading)))
        return loaded[-1]

    monkeypatch.setattr(gst_track, "SESSIONS", Sessions(load))
    return loaded


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of the walk, lossless, so that every decoder gives the same pixels."""
    path = tmp_path_factory.mktemp("clip") / "walk.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=FPS)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "rgb24"
        for step in range(12):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(walk(step)[:, :, ::-1]), format="rgb24")
            frame.pts, frame.time_base = step, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def ids(told: dict[str, Any]) -> list[int]:
    return sorted(item["track_id"] for item in told["objects"])


@pytest.mark.parametrize("options", [{}, {"every": "3", "classes": "cat", "score": "0.7", "tracker": "crossvis"}])
def test_a_file_gives_what_the_command_gives(
    options: dict[str, str], clip: Path, bundle: Path, tmp_path: Path, pipelines: Pipelines, element: str
) -> None:
    """Times, numbers, ids, boxes and the run lengths of masks, all equal; in messages and in lines."""
    lines = tmp_path / "element.jsonl"
    settings = " ".join(f"{name}={value}" for name, value in options.items())
    source = f"filesrc location={clip} ! qtdemux ! pngdec"
    pipeline = pipelines.run(f"{source} ! {element} {settings} jsonl={lines} name=gate ! fakesink")
    assert pipeline.ended and pipeline.errors == []

    file = tmp_path / "command.jsonl"
    more = [word for name, value in options.items() for word in (f"--{name}", value)]
    assert run(stc_track, [str(clip), "--model", str(bundle), "--threads", "1", "--jsonl", str(file), *more]) == 0
    expected = [json.loads(line) | {"source": "gate"} for line in file.read_text().splitlines()]
    assert len(expected) == (12 if not options else 4) and all(told["objects"] for told in expected)
    assert [json.loads(line) for line in lines.read_text().splitlines()] == pipeline.told
    assert [{key: told[key] for key in ("time", "index", "source", "objects")} for told in pipeline.told] == expected


# Two colours as levels of YUV, and what they are in BGR: those that the model is to find.
YUV = ((60, 200, 100), (170, 90, 60))


def yuv_planes(step: int) -> list[NDArray[np.uint8]]:
    """The walk in 4:2:0; all edges are even."""
    y, u, v = np.full(SIZE, 77, np.uint8), *(np.full((SIZE[0] // 2, SIZE[1] // 2), 128, np.uint8) for _ in "uv")
    for levels, (x0, y0, x1, y1) in zip(YUV, [(2 + 6 * step, 12, 22 + 6 * step, 40), (70, 44, 90, 56)], strict=True):
        y[y0:y1, x0:x1] = levels[0]
        for plane, level in ((u, levels[1]), (v, levels[2])):
            plane[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = level
    return [y, u, v]


@pytest.mark.parametrize("format", ["BGR", "RGB", "NV12", "I420"])
def test_every_format_gives_what_a_stream_gives(
    format: str, pipelines: Pipelines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same pixels: the colours are chosen in YUV, so nothing is rounded twice."""
    levels = np.array(YUV, np.uint8).repeat(4, axis=0).reshape(2, 2, 2, 3)  # two pictures of 2 x 2 pixels
    colours = [YuvFrame(p[..., 0], p[:1, :1, 1], p[:1, :1, 2]).bgr()[0, 0] for p in levels]
    monkeypatch.setattr(tiny_model, "COLOURS", (*(tuple(map(int, c)) for c in colours), *tiny_model.COLOURS[2:]))
    model = tiny_model.write_bundle(tmp_path / "model")

    def content(step: int) -> bytes:
        y, u, v = yuv_planes(step)
        bgr = YuvFrame(y, u, v).bgr()
        packed = {"BGR": [bgr], "RGB": [bgr[:, :, ::-1]], "NV12": [y, np.dstack([u, v])], "I420": [y, u, v]}
        return b"".join(np.ascontiguousarray(plane).tobytes() for plane in packed[format])

    caps = raw(format, more=f"framerate={FPS}/1" + (",colorimetry=bt601" if format in ("NV12", "I420") else ""))
    with pipelines.started(f"appsrc name=in format=time ! stctrack model={model} threads=1 ! fakesink") as pipeline:
        pipeline.push([(content(step), step / FPS) for step in range(4)], caps)
        told = pipeline.end().listen().told
    with Session(model, threads=1) as session:
        stream = session.stream()
        expected = [stream(YuvFrame(*yuv_planes(step)).bgr(), step / FPS).to_dict() for step in range(4)]
    assert [len(frame["objects"]) for frame in expected] == [2] * 4
    assert [frame["objects"] for frame in told] == [frame["objects"] for frame in expected]


def test_pixels_pass_as_they_came(pipelines: Pipelines, element: str) -> None:
    with pipelines.started(f"appsrc name=in format=time ! {element} ! appsink name=out sync=false") as pipeline:
        pipeline.push(walks(3), raw("BGR"))
        pipeline.end()
        for step in range(3):
            np.testing.assert_array_equal(pipeline.pull(), walk(step))
        assert pipeline.pull() is None


def test_messages_can_be_left_out(pipelines: Pipelines, element: str, tmp_path: Path) -> None:
    lines = tmp_path / "x.jsonl"
    with pipelines.started(
        f"appsrc name=in format=time ! {element} post-messages=false jsonl={lines} ! fakesink"
    ) as pipeline:
        pipeline.push(walks(3), raw("BGR"))
        assert pipeline.end().listen().told == []
    assert len(lines.read_text().splitlines()) == 3


def test_zones_are_counted(pipelines: Pipelines, element: str, tmp_path: Path) -> None:
    file = tmp_path / "zones.json"
    file.write_text('{"left": {"polygon": [[0, 0], [48, 0], [48, 60], [0, 60]], "anchor": "center"}}')
    with pipelines.started(f"appsrc name=in format=time ! {element} zones={file} ! fakesink") as pipeline:
        pipeline.push(walks(8), raw("BGR"))
        zones = [told["zones"][0] for told in pipeline.end().listen().told]
    assert [(zone["entered"], zone["left"], zone["inside"]) for zone in (zones[0], zones[-1])] == [(1, 0, 1), (1, 1, 0)]


def test_two_elements_of_one_model_share_a_session(pipelines: Pipelines, element: str, loads: list[Session]) -> None:
    with pipelines.started(
        f"appsrc name=in format=time ! tee name=t t. ! queue ! {element} name=a ! fakesink "
        f"t. ! queue ! {element} name=b every=2 ! fakesink"
    ) as pipeline:
        pipeline.push(walks(6), raw("BGR"))
        told = pipeline.end().listen().told
    a, b = ([frame for frame in told if frame["source"] == name] for name in "ab")
    assert len(loads) == 1
    assert [frame["index"] for frame in a] == [*range(6)] and [frame["index"] for frame in b] == [0, 2, 4]
    assert [frame["objects"] for frame in b] == [frame["objects"] for frame in a[::2]]


def test_a_pipeline_can_be_stopped_and_started_again(pipelines: Pipelines, element: str, loads: list[Session]) -> None:
    told = []
    with pipelines.started(f"appsrc name=in format=time ! {element} ! fakesink") as pipeline:
        for _ in range(2):
            pipeline.push(walks(4), raw("BGR"))
            told.append(pipeline.end().listen().told)
            pipeline.again()
    assert told[0] == told[1] and len(told[0]) == 4 and len(loads) == 3


def test_caps_may_change_in_mid_stream(pipelines: Pipelines, element: str) -> None:
    """The camera changes its resolution: ids go on, boxes are of the new frames."""
    with pipelines.started(f"appsrc name=in format=time ! {element} ! fakesink") as pipeline:
        pipeline.push(walks(2), raw("BGR"))
        large = walk(2).repeat(2, axis=0).repeat(2, axis=1)
        pipeline.push([(large.tobytes(), 2 / FPS)], raw("BGR", (120, 192)))
        pipeline.push([(np.ascontiguousarray(walk(3)[:, :, ::-1]).tobytes(), 3 / FPS)], raw("RGB"))
        told = pipeline.end().listen().told
    assert [frame["frame_size"] for frame in told] == [[60, 96]] * 2 + [[120, 192], [60, 96]]
    assert [ids(frame) for frame in told] == [[1, 2]] * 4
    assert [frame["objects"][0]["box"] for frame in told[2:]] == [[28, 24, 68, 80], [20, 12, 40, 40]]


def test_after_a_seek_times_start_again_and_ids_do_not(pipelines: Pipelines, element: str, clip: Path) -> None:
    description = f"filesrc location={clip} ! qtdemux ! pngdec ! {element} ! fakesink"
    with pipelines.started(description, paused=True) as pipeline:
        pipeline.preroll().seek(0.2).preroll().seek(0.0).preroll().play()
        told = pipeline.listen().told
    played = [round(step / FPS, 6) for step in range(12)]
    assert [frame["time"] for frame in told] == [0.0, 0.2, *played]  # in the pause a frame passes after each seek
    assert [ids(frame) for frame in told] == [[1, 2], [3, 4], *[[5, 6]] * 12]


@pytest.mark.parametrize("leaky", ["upstream", "downstream"])
def test_a_queue_may_leak(leaky: str, pipelines: Pipelines, element: str) -> None:
    """How many frames are lost is chance; those that come have their own times."""
    frames = "videotestsrc num-buffers=300 ! " + raw("BGR")
    pipeline = pipelines.run(
        f"{frames} ! queue leaky={leaky} max-size-buffers=1 max-size-time=0 max-size-bytes=0 ! {element} ! fakesink"
    )
    times = [frame["time"] for frame in pipeline.told]
    assert pipeline.ended and 0 < len(times) <= 300
    assert all(before < after for before, after in pairwise(times))
    assert all(abs(time * FPS - round(time * FPS)) < 1e-3 for time in times)


def test_tracks_end_in_a_gap(pipelines: Pipelines, element: str) -> None:
    """The tiny model's tracks live for a second: what a tracker forgets is decided by time, not by frames."""
    with pipelines.started(f"appsrc name=in format=time ! {element} ! fakesink") as pipeline:
        nothing = tiny_model.frame().tobytes()
        content = [(walk(0).tobytes(), 0.0), (nothing, 0.1), (walk(0).tobytes(), 0.9), (nothing, 1.0)]
        pipeline.push([*content, (nothing, 5.0), (walk(0).tobytes(), 5.1)], raw("BGR"))
        told = pipeline.end().listen().told
    assert [ids(frame) for frame in told] == [[1, 2], [], [1, 2], [], [], [3, 4]]


def test_frames_before_the_place_that_was_sought_are_not_looked_at(pipelines: Pipelines, element: str) -> None:
    with pipelines.started(f"appsrc name=in format=time handle-segment-change=true ! {element} ! fakesink") as pipeline:
        pipeline.push(walks(6), raw("BGR"), start=0.08)
        told = pipeline.end().listen().told
    assert [frame["time"] for frame in told] == [0.08, 0.12, 0.16, 0.2] and ids(told[-1]) == [1, 2]


def test_frames_without_times_are_counted(pipelines: Pipelines, element: str) -> None:
    with pipelines.started(f"appsrc name=in format=time ! {element} ! fakesink") as pipeline:
        pipeline.push([(content, None) for content, _ in walks(3)], raw("BGR", more="framerate=50/1"))
        assert [frame["time"] for frame in pipeline.end().listen().told] == [0, 0.02, 0.04]


def test_a_pipeline_can_be_stopped_in_mid_frame(
    pipelines: Pipelines, element: str, loads: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for the frame, and closes the session behind it."""
    entered, order = Event(), []
    infer, close = Session.infer, Session.close

    def slow(self: Session, *arguments: Any) -> Any:
        entered.set()
        leaving.wait(0.3)
        order.append("frame")
        return infer(self, *arguments)

    def noted(self: Session) -> None:
        order.append("closed")
        close(self)

    leaving = Event()  # never set: a frame takes 0.3 s
    monkeypatch.setattr(Session, "infer", slow)
    monkeypatch.setattr(Session, "close", noted)
    with pipelines.started(f"appsrc name=in format=time ! {element} ! fakesink") as pipeline:
        pipeline.push(walks(3), raw("BGR"))
        assert entered.wait(20)
    assert order[-1] == "closed" and order.count("closed") == 1 and pipeline.errors == []


def test_a_live_camera_over_rtsp_is_tracked(pipelines: Pipelines, element: str) -> None:
    """Which frames come is chance; what is found in one is where the walk is then."""
    with RawCamera() as camera:
        source = f"rtspsrc location={camera.url} protocols=tcp latency=0 ! rtpvrawdepay"
        with pipelines.started(f"{source} ! queue leaky=downstream ! {element} ! fakesink sync=false") as pipeline:
            told = pipeline.listen(until=20).told
    assert pipeline.errors == [] and all(before["time"] < after["time"] for before, after in pairwise(told))
    walked = [item for frame in told for item in frame["objects"] if item["label"] == "cat"]
    assert len(walked) == 20
    assert {(*item["box"][1::2], item["box"][2] - item["box"][0]) for item in walked} == {(12.0, 40.0, 20.0)}
    assert {item["box"][0] for item in walked} <= {2.0 + 6 * step for step in range(STEPS)}


def test_the_program_of_the_documents_runs(
    pipelines: Pipelines, clip: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clip.mov").symlink_to(clip)
    (tmp_path / "model").symlink_to(bundle)
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "gstreamer.md").read_text()
    names: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], names)
    assert names["seen"] == {1, 2} and names["frame"]["index"] == 11
