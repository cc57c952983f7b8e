"""Decoding on a device: which names are taken, what is asked of PyAV, and how a fall-back to the CPU is told.

No device is needed: the part of PyAV that would reach one is a stand-in.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any, ClassVar

import av
import av.codec.hwaccel
import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime.track import main as command
from stc.runtime.video import hardware, open_source
from stc.runtime.video.live.wire import Opened, Receiver, pack
from tests.runtime.track.track_cli import Track


class Device:
    """Stands in for `HWAccel`: notes what it is made of, and fails to reach a device as told."""

    made: ClassVar[list[tuple[Any, ...]]] = []
    problem: ClassVar[Exception | None] = None

    def __init__(self, kind: str, device: str | None = None, *, allow_software_fallback: bool) -> None:
        assert allow_software_fallback
        Device.made.append((kind, device))

    def create(self, codec: av.Codec) -> Device:
        if Device.problem is not None:
            raise Device.problem
        return self


@pytest.fixture(autouse=True)
def _device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av.codec.hwaccel, "HWAccel", Device)
    monkeypatch.setattr(av.codec.hwaccel, "hwdevices_available", lambda: ["cuda", "vaapi"])
    monkeypatch.setattr(Device, "made", [])
    monkeypatch.setattr(Device, "problem", None)


def container(*codecs: tuple[str, bool]) -> Any:
    contexts = [SimpleNamespace(name=name, is_hwaccel=used) for name, used in codecs]
    return SimpleNamespace(streams=SimpleNamespace(video=[SimpleNamespace(codec_context=c) for c in contexts]))


@pytest.mark.parametrize("asked", ["cuda", "cuda:1", "vaapi", "vaapi:/dev/dri/renderD129"])
def test_a_device_that_decodes_is_asked_for_and_nothing_is_told(asked: str) -> None:
    opened: list[Any] = []
    found = container(("h264", True))

    def open_(**options: Any) -> Any:
        opened.append(options)
        return found

    hardware.check(asked)
    assert hardware.opened(open_, asked) == (found, "")
    (options,) = opened
    assert isinstance(options["hwaccel"], Device)
    name, _, device = asked.partition(":")
    assert set(Device.made) == {(name, device or None)}


def test_nothing_is_asked_of_a_device_that_nobody_wants() -> None:
    assert hardware.opened(lambda: "the container", None) == ("the container", "")  # type: ignore[arg-type, return-value]
    assert Device.made == []


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (PermissionError(1, "Operation not permitted"), "Operation not permitted"),
        (av.error.ExternalError(542398533, "Generic error in an external library"), "Generic error in an external"),
        (RuntimeError("no driver"), "RuntimeError: no driver"),
    ],
)
def test_a_machine_without_the_device_decodes_on_the_cpu_and_opens_once(problem: Exception, why: str) -> None:
    Device.problem = problem
    opened: list[Any] = []

    def open_(**options: Any) -> Any:
        opened.append(options)
        return container(("h264", False))

    _, told = hardware.opened(open_, "cuda")
    assert told.startswith(why) and opened == [{}]


def test_a_codec_that_the_device_does_not_decode_is_named() -> None:
    Device.problem = NotImplementedError("No supported hardware config for h264")
    found = container(("prores", False), ("mjpeg", False))
    assert hardware.opened(lambda **_: found, "vaapi") == (found, "it does not decode mjpeg, prores")


def test_a_file_that_is_no_video_is_refused_as_without_a_device(tmp_path: Path) -> None:
    Device.problem = PermissionError(1, "Operation not permitted")
    (tmp_path / "clip.mp4").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be opened as video"):
        open_source(tmp_path / "clip.mp4", hwaccel="cuda")


def test_the_frames_of_a_fall_back_are_those_of_the_cpu(clip: Path, caplog: pytest.LogCaptureFixture) -> None:
    Device.problem = PermissionError(1, "Operation not permitted")
    fallen = list(open_source(clip, hwaccel="cuda:0"))
    assert [record.getMessage() for record in caplog.records] == [
        f"{clip}: decoded by the CPU, not by --hwaccel cuda:0 (Operation not permitted)"
    ]
    for one, other in zip(open_source(clip), fallen, strict=True):
        assert (one.time, one.index) == (other.time, other.index)
        np.testing.assert_array_equal(one.image, other.image)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("nvdec", "not among the devices of PyAV .*; it offers cuda, vaapi; or leave it out"),
        ("", "not among the devices"),
        ("cuda:first", "'first' is no device; give cuda, or cuda:0"),
        ("vaapi:", "'' is no device; give vaapi"),
    ],
)
def test_a_name_that_is_none_is_refused_before_anything_runs(
    asked: str, message: str, clip: Path, track: Track, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=message):
        open_source(clip, hwaccel=asked)
    assert track(clip, "--jsonl", tmp_path / "t.jsonl", "--hwaccel", asked) == 1
    assert f"error: --hwaccel {asked}: " in capsys.readouterr().err and not (tmp_path / "t.jsonl").exists()
    assert command.parser().parse_args(["clip", "--model", "m", "--hwaccel", "cuda"]).hwaccel == "cuda"


def test_a_pyav_that_knows_no_devices_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av.codec.hwaccel", None)
    monkeypatch.delattr(av.codec, "hwaccel")
    with pytest.raises(InputError, match="it offers none; update it with: pip install -U av"):
        hardware.check("cuda")


def test_the_reader_of_a_live_source_tells_of_its_fall_back() -> None:
    reading, writing = os.pipe()
    sent = Opened(25.0, (160, 120), False, "it does not decode h264")
    for part in pack(sent):
        os.write(writing, part)
    os.close(writing)
    assert Receiver(reading).receive(until=monotonic() + 30) == sent
    os.close(reading)
