"""What stc-track cannot read, or not write what was asked for."""

from __future__ import annotations

from PIL import Image

from stc.runtime.video import ReconnectPolicy, open_source
from tests.errors.cases import Place, case
from tests.runtime.track.track_cli import give_source
from tests.runtime.video.clips import encode, steady


def track(place: Place, *arguments: str) -> int:
    from stc.runtime.track.main import main

    return main([*arguments, "--model", str(place.bundle)])


@case
def no_input(place: Place) -> None:
    track(place, "missing.mp4", "-o", "out.mp4")


@case
def no_live_sources(place: Place) -> None:
    """Told by what those systems lack."""
    place.monkeypatch.delattr("select.poll")
    track(place, "rtsp://user:secret@127.0.0.1:9/live", "-o", "out.mp4")


@case
def no_camera(place: Place) -> None:
    track(place, "97", "-o", "out.mp4")


@case
def no_video(place: Place) -> None:
    track(place, str(place.bundle / "model.onnx"), "-o", "out.mp4")


@case
def unknown_codec(place: Place) -> None:
    path = encode(place.bundle.with_name("clip.mp4"), steady(3))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"qqqq"))
    track(place, str(path), "-o", "out.mp4")


@case
def no_such_decoder(place: Place) -> None:
    clip = encode(place.bundle.with_name("clip.mp4"), steady(3))
    track(place, str(clip), "-o", str(clip.with_name("out.mp4")), "--hwaccel", "nvdec")


@case
def no_such_stream(place: Place) -> None:
    track(place, f"{encode(place.bundle.with_name('clip.mp4'), steady(3))}#2", "-o", "out.mp4")


@case
def pipe_as_input(place: Place) -> None:
    track(place, "-", "-o", "out.mp4")


@case
def list_as_input(place: Place) -> None:
    path = place.bundle.with_name("list.txt")
    path.write_text("a.mp4\n")
    track(place, str(path), "-o", "out.mp4")


@case
def pipeline_as_input(place: Place) -> None:
    track(place, "v4l2src ! videoconvert ! appsink", "-o", "out.mp4")


@case
def folder_of_videos(place: Place) -> None:
    folder = place.bundle.with_name("clips")
    folder.mkdir()
    encode(folder / "a.mp4", steady(3))
    track(place, str(folder), "-o", "out.mp4")


@case
def no_picture(place: Place) -> None:
    path = place.bundle.with_name("photo.png")
    path.write_bytes(b"GIF89a")
    track(place, str(path), "-o", "out.png")


@case
def gigantic_picture(place: Place) -> None:
    path = place.bundle.with_name("map.png")
    Image.new("1", (10_000, 10_001)).save(path)
    track(place, str(path), "-o", "out.png")


@case
def unreachable(place: Place) -> None:
    track(place, "rtsp://user:password@127.0.0.1:9/live", "-o", "out.mp4")


@case
def source_lost(place: Place) -> None:
    policy = ReconnectPolicy(first_delay=0.01, give_up=0.1, retry_first=True)
    with open_source("rtsp://user:password@127.0.0.1:9/live", reconnect=policy) as source:
        list(source)


@case
def live_json(place: Place) -> None:
    give_source(place.monkeypatch, lambda: iter(()), live=True)
    track(place, "rtsp://127.0.0.1:9/live", "--json", "out.json")


@case
def one_file_for_many(place: Place) -> None:
    track(place, "a.mp4", "b.mp4", "-o", "out.mp4")


@case
def foreign_pictures(place: Place) -> None:
    folder = place.bundle.with_name("pictures")
    folder.mkdir()
    (folder / "mine.txt").touch()
    track(place, str(place.bundle / "model.onnx"), "-o", str(folder))


@case
def foreign_output(place: Place) -> None:
    (place.bundle / "mine.png").write_bytes(b"the only copy")
    track(place, str(place.bundle / "model.onnx"), "--contact", str(place.bundle / "mine.png"))


@case
def no_stream(place: Place) -> None:
    track(place, str(place.bundle / "model.onnx"), "-o", "-")


@case
def no_rotation(place: Place) -> None:
    track(place, str(place.bundle / "model.onnx"), "--jsonl", "t.jsonl", "--rotate", "often")


def configured(place: Place, line: str) -> int:
    from stc.runtime.track.main import main

    path = place.bundle / "gate.toml"
    path.write_text(line)
    return main(["--config", str(path)])


@case
def no_such_setting(place: Place) -> None:
    configured(place, "scoer = 0.5")


@case
def setting_type(place: Place) -> None:
    configured(place, 'every = "2"')
