"""`stc-bench` on a model whose answers are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stc.benchmarks import reference
from stc.benchmarks.main import main
from stc.benchmarks.reference import Reference
from stc.benchmarks.timing.intervals import Percentiles
from stc.cli import run
from stc.runtime.bundle import passport
from stc.runtime.machine.machine import Machine
from tests.benchmarks.proven import prove, put_reference
from tests.runtime import tiny_model
from tests.runtime.backends.engine_bundle import Gpus


def test_report_has_the_names_others_rely_on(proven_bundle: Path, tmp_path: Path) -> None:
    report = tmp_path / "bench.json"
    assert run(main, [str(proven_bundle), "--frames", "12", "--json", str(report)]) == 0
    values = json.loads(report.read_text())
    assert values["frames"] >= 12
    assert values["fps"] > 0
    assert set(values["stages"]) == {"preprocess", "engine", "masks", "track", "end_to_end"}
    for stage in values["stages"].values():
        assert set(stage) == {"p50_ms", "p90_ms", "p99_ms", "mean_ms", "max_ms"}
        assert 0 <= stage["p50_ms"] <= stage["p90_ms"] <= stage["p99_ms"] <= stage["max_ms"]
    assert values["verdict"] == "pass"
    assert values["agreement"] == {
        "detections_matched": 1.0,
        "boxes_max_px": 0.0,
        "scores_max": 0.0,
        "mask_iou_min": 1.0,
        "mask_iou_p1": 1.0,
        "embedding_cos_min": pytest.approx(1.0),
        "ids_equal": 1.0,
        "tracks_recall": 1.0,
        "tracks_iou": 1.0,
    }


def test_every_form_of_the_report_says_which_part_bounds_the_box(
    proven_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = [f"--{form}={tmp_path / f'bench.{form}'}" for form in ("json", "html")]
    assert run(main, [str(proven_bundle), "--frames", "2", *outputs]) == 0
    values = json.loads((tmp_path / "bench.json").read_text())
    parts = values["bound"]["parts_ms"]
    assert list(parts) == ["preprocess", "engine", "track", "masks"]
    assert parts[values["bound"]["part"]] == max(parts.values())
    assert values["bound"]["overlapped_fps"] == pytest.approx(1e3 / max(parts.values()))
    words = f"{values['bound']['share']:.0%} of a frame ("
    for text in (capsys.readouterr().out, (tmp_path / "bench.html").read_text()):
        assert "bound by the " in text and words in text and "overlapped at most " in text


def test_end_to_end_contains_the_stages(proven_bundle: Path, tmp_path: Path) -> None:
    report = tmp_path / "bench.json"
    run(main, [str(proven_bundle), "--frames", "20", "--json", str(report)])
    means = {name: stage["mean_ms"] for name, stage in json.loads(report.read_text())["stages"].items()}
    parts = sum(means[name] for name in ("preprocess", "engine", "masks", "track"))
    assert parts <= means["end_to_end"]


def test_a_model_that_disagrees_exits_3(proven_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = reference.read(proven_bundle / reference.FILE_NAME)
    moved = tuple(replace(o, boxes=o.boxes + np.float32(0.5)) for o in expected.outputs)
    put_reference(proven_bundle, Reference(expected.frames, moved))
    assert run(main, [str(proven_bundle), "--frames", "2"]) == 3
    printed = capsys.readouterr().out
    assert "missed budget: boxes_max_px" in printed
    assert "verdict fail" in printed


def test_a_reference_with_too_little_in_it_is_unproven(proven_bundle: Path, tmp_path: Path) -> None:
    expected = reference.read(proven_bundle / reference.FILE_NAME)
    put_reference(proven_bundle, Reference(expected.frames[:2], expected.outputs[:2]))
    report = tmp_path / "bench.json"
    assert run(main, [str(proven_bundle), "--frames", "2", "--json", str(report)]) == 3
    assert json.loads(report.read_text())["verdict"] == "unproven"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing"], 1, "stc-export"),
        (["{bundle}", "--frames", "0"], 1, "at least 1"),
        (["{bundle}", "--source", "missing.mp4"], 1, "missing.mp4"),
        (["{bundle}", "--bogus"], 1, "--help"),
        (["missing.pth"], 1, "no such file"),
        (["{bundle}", "--streams", "2"], 1, "--scenario multi-stream"),
        (["{bundle}", "--scenario", "multi-stream", "--streams", "0"], 1, "from 1"),
        (["{bundle}", "--scenario", "paced", "--fps", "nan"], 1, "positive"),
        (["{bundle}", "--reference", "missing.npz"], 1, "missing.npz"),
        (["{bundle}/engine.plan"], 1, "no such model"),
        (["{bundle}", "--device", "tpu"], 1, "unknown device 'tpu'; known: cpu, cuda"),
    ],
)
def test_wrong_use_is_one_line_and_exit_1(
    arguments: list[str], code: int, message: str, proven_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(main, [a.replace("{bundle}", str(proven_bundle)) for a in arguments]) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error


def test_a_bundle_without_reference_says_how_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny_model.write_bundle(tmp_path / "bundle")
    assert run(main, [str(folder)]) == 1
    assert "stc-export" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["model.onnx", reference.FILE_NAME])
def test_an_altered_file_exits_2(name: str, proven_bundle: Path) -> None:
    with (proven_bundle / name).open("ab") as file:
        file.write(b"\0")
    assert run(main, [str(proven_bundle)]) == 2


def test_an_engine_is_measured_and_proven_like_a_model(engine: Path, gpus: Gpus, tmp_path: Path) -> None:
    report = tmp_path / "bench.json"
    assert run(main, [str(prove(engine) / "engine.plan"), "--frames", "5", "--json", str(report)]) == 0
    assert json.loads(report.read_text())["agreement"]["mask_iou_min"] == 1.0
    assert "cudaGraphLaunch" in gpus.cuda.calls and not gpus.cuda.memory


def test_a_device_chooses_a_bundle_s_file_and_the_gpu_that_runs_it(
    engine: Path, gpus: Gpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "bench.json"
    command = [str(prove(engine)), "--frames", "5", "--json", str(report), "--device"]
    gpus.cuda.targets *= 2
    gpus.machine = replace(gpus.machine, gpus=gpus.machine.gpus * 2)
    for device, engine_name in (("cuda:1", "TensorRT"), ("cpu", "ONNX Runtime")):
        assert run(main, [*command, device]) == 0
        values = json.loads(report.read_text())
        assert values["device"] == device and values["engine"].startswith(engine_name) and values["verdict"] == "pass"
        assert (values["device_mib"] is None) == (device == "cpu")
    assert gpus.cuda.contexts == {1}
    assert run(main, [*command, "cuda:2"]) == 2
    assert "cuda:2: no such GPU; this process may use 2 GPUs" in capsys.readouterr().err


def test_an_engine_without_a_driver_exits_2_and_names_what_runs_here(
    engine: Path, gpus: Gpus, capsys: pytest.CaptureFixture[str]
) -> None:
    prove(engine)
    gpus.machine = Machine()
    assert run(main, [str(engine / "engine.plan")]) == 2
    shown = capsys.readouterr().err
    assert "an engine needs an NVIDIA driver, here branch R535 or newer for CUDA 12 or branch R580" in shown
    assert shown.endswith(f"{engine / 'model.onnx'} runs here with ONNX Runtime: give it in place of engine.plan\n")
    assert run(main, [str(engine / "model.onnx"), "--frames", "2"]) == 0


def test_an_engine_of_one_s_own_is_measured_with_trust(engine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prove(engine)
    known = passport.read(engine)
    files = {name: digest for name, digest in known.files.items() if name != "engine.plan"}
    replace(known, engine=None, files=files).write(engine)
    assert run(main, [str(engine / "engine.plan"), "--frames", "2"]) == 2
    assert "add --trust" in capsys.readouterr().err
    assert run(main, [str(engine / "engine.plan"), "--frames", "2", "--trust"]) == 0


def test_percentiles_keep_every_sample() -> None:
    """One slow frame in a hundred stays visible."""
    values = Percentiles.of(np.array([0.010] * 99 + [1.0]))
    assert values.max_ms == pytest.approx(1000)
    assert values.p50_ms == pytest.approx(10)
    assert values.mean_ms == pytest.approx(19.9)


def test_models_are_compared_side_by_side(proven_bundle: Path, tmp_path: Path) -> None:
    report = tmp_path / "bench.json"
    models = [str(proven_bundle), str(proven_bundle / "model.onnx"), str(proven_bundle)]
    assert run(main, [*models, "--frames", "8", "--json", str(report)]) == 0
    values = json.loads(report.read_text())
    labels = ["tmp/bundle", "bundle/model.onnx", "tmp/bundle #2"]
    assert [model["label"].rpartition("/")[2] for model in values["models"]] == [x.rpartition("/")[2] for x in labels]
    assert values["frames"] == values["models"][0]["frames"]
    assert [ratio["baseline"] for ratio in values["ratios"]] == [values["models"][0]["label"]] * 2
    for ratio in values["ratios"]:
        assert ratio["end_to_end"]["low"] <= ratio["end_to_end"]["value"] <= ratio["end_to_end"]["high"]
    assert values["function_body"] is None


def test_every_sample_is_in_the_report(proven_bundle: Path, tmp_path: Path) -> None:
    report = tmp_path / "bench.json"
    run(main, [str(proven_bundle), "--frames", "8", "--json", str(report)])
    values = json.loads(report.read_text())
    assert values["schema"] == 1
    samples = values["samples_ms"]["end_to_end"]
    assert len(samples) == values["frames"]
    assert np.percentile(samples, 50) == pytest.approx(values["stages"]["end_to_end"]["p50_ms"], abs=2e-3)
    assert values["stages"]["end_to_end"]["max_ms"] == pytest.approx(max(samples), abs=2e-3)


@pytest.mark.parametrize("scenario", ["multi-stream", "offline", "paced"])
def test_other_scenarios_have_the_same_report(scenario: str, proven_bundle: Path, tmp_path: Path) -> None:
    report = tmp_path / "bench.json"
    more = ["--fps", "500"] if scenario == "paced" else []
    assert run(main, [str(proven_bundle), "--scenario", scenario, *more, "--frames", "4", "--json", str(report)]) == 0
    values = json.loads(report.read_text())
    assert values["scenario"]["name"] == scenario
    assert (values["unaccounted"] is None) == (scenario in {"multi-stream", "offline"})
    assert values["fps"] > 0


def test_unstable_timing_is_an_error_only_when_strict(
    proven_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("stc.benchmarks.timing.schedule.agree", lambda medians: False)
    assert run(main, [str(proven_bundle), "--frames", "1"]) == 0
    assert "caution: unstable" in capsys.readouterr().out
    assert run(main, [str(proven_bundle), "--frames", "1", "--strict"]) == 4


def test_the_worst_instances_are_shown_as_pictures(
    proven_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import cv2

    expected = reference.read(proven_bundle / reference.FILE_NAME)
    moved = list(expected.outputs)
    moved[5] = replace(moved[5], masks=np.roll(moved[5].masks, 2, axis=2))
    put_reference(proven_bundle, Reference(expected.frames, tuple(moved)))
    command = [str(proven_bundle), "--frames", "1", "--explain", str(tmp_path / "worst")]
    assert run(main, command) == 3
    files = sorted((tmp_path / "worst").iterdir())
    assert len(files) == 6
    assert all("frame005" in path.name for path in files[:3])
    picture = cv2.imread(str(files[0]))
    assert max(picture.shape) == 360
    orange = (abs(picture.astype(int) - np.array([0, 140, 255])) < 60).all(axis=2)
    assert orange.any(), "what only the reference has"
    put_reference(proven_bundle, expected)
    assert run(main, command) == 0
    again = sorted((tmp_path / "worst").iterdir())
    assert again and not any("frame005" in path.name for path in again), "those of the run before are gone"
    foreign = again[0].rename(tmp_path / "worst" / "mine.png")
    assert run(main, command) == 1
    assert "holds files that stc-bench did not write (mine.png)" in capsys.readouterr().err
    assert foreign.exists()


def test_an_engine_tells_its_copies_apart(engine: Path, tmp_path: Path) -> None:
    report = tmp_path / "bench.json"
    assert run(main, [str(prove(engine) / "engine.plan"), "--frames", "5", "--json", str(report)]) == 0
    values = json.loads(report.read_text())
    assert list(values["stages"]) == [
        "preprocess",
        "upload",
        "engine",
        "enqueue",
        "download",
        "track",
        "masks",
        "end_to_end",
    ]
    assert values["device_mib"] > 0


def test_a_model_of_fixed_batches_is_measured_offline(
    proven_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("stc.runtime.session.Session.batches", property(lambda self: (4, 4)))
    assert run(main, [str(proven_bundle), "--frames", "1"]) == 1
    assert "takes 4 pictures at once, single-stream has one at a time" in capsys.readouterr().err
    assert run(main, [str(proven_bundle), "--frames", "1", "--scenario", "offline"]) == 0
