"""What an element cannot do it says on the bus, in our words and without a traceback, and the pipeline ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stc.runtime import Session
from tests.runtime.gstreamer.streams import raw, walks

if TYPE_CHECKING:
    from tests.runtime.gstreamer.pipelines import Pipelines


@pytest.fixture(autouse=True)
def no_traceback(capfd: pytest.CaptureFixture[str]) -> Any:
    yield
    assert "Traceback" not in "".join(capfd.readouterr())


def refused(pipelines: Pipelines, elements: str, caps: str = "") -> str:
    """What the pipeline's first error says; it has no details."""
    with pipelines.started(f"appsrc name=in format=time ! {elements} ! fakesink") as pipeline:
        if not pipeline.failed:
            pipeline.push(walks(1), caps or raw("BGR"))
        (words, details), *_ = pipeline.listen().errors
    assert details == ""
    return words


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("", "no model; set one: stctrack model=BUNDLE"),
        ("model={place}/none", "{place}/none: no such model"),
        ("model={place}/text.onnx", "{place}/text.onnx"),
        ("model={bundle} tracker=crossviz", "tracker=crossviz: unknown (did you mean crossvis?); known: default, "),
        ("model={bundle} engine=onnx", "engine=onnx: unknown"),
        ("model={bundle} device=tpu", "unknown device 'tpu'"),
        ("model={bundle} classes=cat,cow", "unknown classes cow; this model knows cat, dog"),
        ("model={bundle} score=0.1", "score threshold 0.1: must be from 0.3000"),
        ("model={bundle} zones={place}/none.json", "{place}/none.json"),
        ("model={bundle} zones={place}/text.onnx", "{place}/text.onnx"),
        ("model={bundle} jsonl={place}/text.onnx/x.jsonl", "{place}/text.onnx/x.jsonl"),
        ("model={bundle} jsonl={place}", "{place}"),
    ],
    ids=lambda text: text.partition(" ")[2] or text,
)
def test_a_setting_that_cannot_be(settings: str, says: str, bundle: Path, tmp_path: Path, pipelines: Pipelines) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    places = {"bundle": bundle, "place": tmp_path}
    words = refused(pipelines, f"stctrack {settings.format(**places)}")
    assert words.startswith(says.format(**places)) and "\n" not in words
    assert list(tmp_path.iterdir()) == [tmp_path / "text.onnx"]


def test_a_refused_setting_can_be_mended(pipelines: Pipelines, bundle: Path) -> None:
    with pipelines.started(f"appsrc name=in format=time ! stctrack name=track model={bundle}x ! fakesink") as pipeline:
        assert pipeline.listen().errors
        pipeline["track"].set_property("model", str(bundle))
        pipeline.again()
        pipeline.push(walks(3), raw("BGR"))
        assert len(pipeline.end().listen().told) == 3


@pytest.mark.parametrize(
    ("caps", "found"),
    [
        (raw("GRAY8"), "video/x-raw GRAY8; put before it: videoconvert"),
        (raw("I420_10LE"), "video/x-raw I420_10LE; put before it: videoconvert"),
        ("video/x-h264", "video/x-h264; put before it: decodebin"),
        ("audio/x-raw,format=S16LE", "audio/x-raw S16LE; put before it: decodebin"),
        (
            raw("BGR").replace("x-raw", "x-raw(memory:CUDAMemory)"),
            "video/x-raw BGR in memory:CUDAMemory; put before it what brings that to the CPU: cudadownload, "
            "vapostproc, …",
        ),
    ],
)
@pytest.mark.parametrize(("name", "takes"), [("stctrack", "BGR, RGB, NV12, I420"), ("stcoverlay", "BGR, RGB")])
def test_caps_that_it_does_not_take(
    name: str, takes: str, caps: str, found: str, pipelines: Pipelines, bundle: Path
) -> None:
    element = f"{name} model={bundle}" if name == "stctrack" else name
    expected = f"takes raw video as {takes}; got {found}"
    assert refused(pipelines, element, caps) == expected
    with pipelines.started(f"appsrc name=in format=time ! {element} ! fakesink") as pipeline:
        pipeline.push(walks(2), raw("BGR"))
        pipeline.push(walks(1), caps)
        assert pipeline.listen().errors[0] == (expected, "")


def test_a_buffer_that_is_too_short(pipelines: Pipelines, bundle: Path) -> None:
    words = refused(pipelines, f"stctrack model={bundle}", raw("BGR", (61, 96)))
    assert words.startswith("a buffer of 17280 bytes is too short for BGR of 96x61")


def test_drawing_behind_what_scales(pipelines: Pipelines, bundle: Path) -> None:
    words = refused(pipelines, f"stctrack model={bundle} ! videoscale ! video/x-raw,width=48,height=30 ! stcoverlay")
    assert words == ("objects found in frames of 96x60 do not fit on 48x30; put stcoverlay before what scales or crops")


def test_a_fault_of_ours_ends_the_pipeline_too(
    pipelines: Pipelines, bundle: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """PyGObject would print it and go on. Where it happened is in the details, for a report."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr(Session, "infer", fail)
    with pipelines.started(f"appsrc name=in format=time ! stctrack model={bundle} ! fakesink") as pipeline:
        pipeline.push(walks(1), raw("BGR"))
        words, details = pipeline.listen().errors[0]
    assert words.startswith("a fault of stc (ZeroDivisionError: unforeseen)") and "in fail" in details


def test_one_that_fails_takes_no_session_from_the_other(pipelines: Pipelines, bundle: Path) -> None:
    good = f"appsrc name=in format=time ! stctrack model={bundle} ! fakesink"
    with pipelines.started(good) as pipeline:
        pipeline.push(walks(1), raw("BGR"))
        refused(pipelines, f"stctrack model={bundle} classes=cow")
        pipeline.push(walks(2)[1:], raw("BGR"))
        assert len(pipeline.end().listen().told) == 2
