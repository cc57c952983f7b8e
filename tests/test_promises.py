"""What others build on: names, commands, exit codes, files and their formats. A change here breaks somebody's system.

Everything is written down a second time, on purpose.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stc import errors
from stc.benchmarks import reference
from stc.cli import run
from stc.export import report
from stc.export.graph import precision
from stc.model.function_body import OP_VERSION
from stc.runtime import Session
from stc.runtime.bundle import engine_record, passport
from stc.runtime.mask_head_op import DOMAIN, OP
from stc.runtime.native import interface
from tests.installs import ROOT
from tests.runtime import tiny_model

PUBLIC = {
    "stc.runtime": "Detections DeviceArray DeviceFrame Handle Letterbox Masks Passport Result Session Stream Style "
    "TrackEvent TrackUpdate TrackedObject Tracker TrackerConfig YuvFrame",
    "stc.runtime.video": "Frame Gap Image ReconnectPolicy Sink Source State Stats Writer drawing jsonl_sink "
    "open_source open_writer ytvis_sink",
    "stc.runtime.zones": "Zone ZoneEvent ZoneReport Zones read_zones",
    "stc.export": "Export export",
}
COMMANDS = {
    "stc": "stc.umbrella:entry",
    "stc-bench": "stc.benchmarks.main:entry",
    "stc-doctor": "stc.runtime.machine.doctor:entry",
    "stc-eval": "stc.benchmarks.evaluation.main:entry",
    "stc-export": "stc.export.main:entry",
    "stc-track": "stc.runtime.track.main:entry",
    "stc-train": "stc.training.main:entry",
}
MODULES = [
    "stc.benchmarks.association",
    "stc.benchmarks.chain",
    "stc.benchmarks.crossings",
    "stc.benchmarks.kernels",
    "stc.benchmarks.kernels.report",
    "stc.benchmarks.originals",
    "stc.benchmarks.pans",
    "stc.benchmarks.paths",
    "stc.benchmarks.sizes",
    "stc.benchmarks.speed",
    "stc.benchmarks.startup",
    "stc.benchmarks.streams",
    "stc.benchmarks.threads",
    "stc.benchmarks.trackers",
    "stc.training.ablation",
    "stc.training.calibrate",
    "stc.training.plot",
    "stc.training.shapes",
]
# As the first version wrote it: before `threshold_bound`, `decode_rule`, the type of each file and `duplicate_iou`.
OLD_PASSPORT: dict[str, Any] = {
    "name": "tiny",
    "classes": ["cat", "dog"],
    "input_size": [60, 96],
    "padded_size": [64, 96],
    "resize": "linear",
    "border": [1, 2, 3],
    "max_detections": 4,
    "embedding_dim": 8,
    "mask_stride": 4,
    "score_threshold": 0.3,
    "nms_threshold": 0.6,
    "tracker": {
        "rule": "default",
        "capacity": 256,
        "match_threshold": 0.5,
        "cosine_floor": 0.4,
        "iou_weight": 0.5,
        "iou_threshold": 0.3,
        "class_gate": True,
        "assignment": "greedy",
        "momentum": 0.8,
        "max_age": 2.0,
        "init_score": 0.4,
        "instant_score": 0.7,
        "confirm_hits": 3,
    },
    "precision": {"type": "fp32", "fp32_islands": {}},
    "checkpoint": {"file": "tiny.pth", "sha256": "0" * 64, "layout": "stc", "assumed": {}},
    "model": {},
    "op": {"name": "stc::DynamicMaskHead", "version": 1, "plugin": None},
    "engine": None,
    "tools": {"stc": "0.1.0", "python": "3.11.7", "opset": "18"},
    "agreement": {"model.onnx": {"verdict": "pass"}},
    "flags": {"fp16": False, "frames": None},
    "schema": 1,
}


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names_are_there(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(module.__all__) == PUBLIC[package].split()
    assert all(hasattr(module, name) for name in module.__all__)


def test_console_commands_are_there() -> None:
    scripts = (ROOT / "pyproject.toml").read_text().partition("[project.scripts]\n")[2].partition("\n\n")[0]
    assert dict(re.findall(r'^(\S+) = "(.*)"$', scripts, re.MULTILINE)) == COMMANDS
    for entry in COMMANDS.values():
        module, _, function = entry.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_modules_run_as_commands(module: str) -> None:
    command = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: python -m {module} ")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("StcError", 1),
        ("InputError", 1),
        ("OutputError", 1),
        ("ProcessBoundError", 1),
        ("SkippedError", 1),
        ("StaleError", 1),
        ("CheckpointError", 1),
        ("MissingDependencyError", 1),
        ("IncompatibleError", 2),
        ("DeviceError", 2),
        ("FatalError", 2),
        ("AccuracyError", 3),
    ],
)
def test_errors_end_a_command_with_their_code(error: str, code: int) -> None:
    def fail(_: object) -> int:
        raise getattr(errors, error)("a reason")

    assert run(fail, []) == code


def test_ctrl_c_ends_a_command_with_130() -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    assert run(interrupted, []) == 130


def test_the_files_of_a_bundle_have_their_names() -> None:
    assert precision.FILES == {
        "fp32": "model.onnx",
        "fp16": "model-fp16.onnx",
        "bf16": "model-bf16.onnx",
        "int8": "model-int8.onnx",
    }
    assert engine_record.ENGINE_FILE == "engine.plan"
    assert (passport.FILE_NAME, reference.FILE_NAME) == ("passport.json", "reference.npz")
    assert report.FILES == ("export-report.json", "export-report.html")
    assert passport.METADATA_KEY == "stc.passport"


def test_the_op_and_the_formats_have_their_numbers() -> None:
    assert (DOMAIN, OP, OP_VERSION) == ("stc", "DynamicMaskHead", 1)
    assert passport.SCHEMA == 1
    header = (ROOT / "plugins/cpu/stc_cpu.h").read_text()
    (number,) = re.findall(r"#define STC_CPU_ABI (\d+)", header)
    assert int(number) == interface.ABI == 6


def write_old(folder: Path) -> Path:
    tiny_model.write_bundle(folder)
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    values = {**OLD_PASSPORT, "files": {"model.onnx": digest}}
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    sealed = {**values, "digest": hashlib.sha256(canonical.encode()).hexdigest()}
    (folder / "passport.json").write_text(json.dumps(sealed, indent=1) + "\n")
    return folder


def test_a_bundle_of_the_first_version_runs(tmp_path: Path) -> None:
    picture = tiny_model.frame((0, (8, 8, 40, 40)), (1, (48, 8, 88, 40)))
    new = tiny_model.write_bundle(tmp_path / "new")
    with Session(write_old(tmp_path / "old")) as old, Session(new) as today:
        assert old.passport.tracker["max_age"] == 2.0 and old.passport.threshold_bound is None
        found, expected = (session.stream()(picture, 0.0) for session in (old, today))
    assert found.labels.tolist() == expected.labels.tolist() == [0, 1]
    assert (found.boxes == expected.boxes).all() and (found.scores == expected.scores).all()
    assert found.track_ids.tolist() == [1, 2]


def test_an_old_bundle_that_was_altered_is_still_refused(tmp_path: Path) -> None:
    folder = write_old(tmp_path / "old")
    text = (folder / "passport.json").read_text()
    (folder / "passport.json").write_text(text.replace('"nms_threshold": 0.6', '"nms_threshold": 0.7'))
    with pytest.raises(errors.IncompatibleError):
        Session(folder)
