"""Bundles with a real engine of TensorRT-RTX, from a checkpoint and from an ONNX file."""

from __future__ import annotations

import _thread
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stc.cli import run
from stc.errors import IncompatibleError, InputError
from stc.export import Export, export
from stc.export.engine.options import RTX_TARGETS, EngineOptions
from stc.export.engine.progress import Bars
from stc.export.main import main
from stc.export.rebuild import rebuild
from stc.export.sizes import Batch
from stc.files import sha256
from stc.runtime.bundle import engine_record, passport
from stc.runtime.machine.machine import gather

pytestmark = pytest.mark.slow
LITE = Path("assets/stc-lite-2.safetensors")
FILES = {"model.onnx", "model-cut.onnx", "model-fp16.onnx", "model-fp16-cut.onnx"}


@pytest.fixture(scope="module", autouse=True)
def _needs_rtx() -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install 'stc-trt[rtx]' (Linux x86-64)")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Export:
    folder = tmp_path_factory.mktemp("bundle") / "lite-fp16"
    return export(LITE, folder, precision="fp16", engine=EngineOptions(trt="rtx", batch=Batch(1, 2, 4)))


@pytest.fixture
def copy(bundle: Export, tmp_path: Path) -> Path:
    shutil.copytree(bundle.path, tmp_path / "lite")
    return tmp_path / "lite"


def content(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in folder.iterdir()}


def test_one_export_makes_a_float16_engine_with_its_passport(bundle: Export) -> None:
    found = passport.read(bundle.path)
    assert bundle.verdict == "pass"
    assert set(found.files) == {*FILES, "engine.plan", "reference.npz"}
    for name in found.files:
        passport.verify_file(found, bundle.path / name)
    assert found.engine is not None
    record = engine_record.from_dict(found.engine, "passport")
    assert (record.flavour, record.source, record.batch) == ("rtx", "model-fp16.onnx", (1, 2, 4))
    assert record.targets == RTX_TARGETS
    assert (bundle.path / "engine.plan").stat().st_size > 5_000_000  # millions of weights of two bytes
    assert record.precision is not None
    assert record.precision["fraction"] > 0.94  # all but the op


def test_the_report_shows_audit_ranges_and_that_the_engine_was_not_run(bundle: Export) -> None:
    report = json.loads((bundle.path / "export-report.json").read_text())
    assert "fp16: " in report["engine"]
    assert "% of the multiply-adds" in report["engine"]
    assert "was not run" in report["engine"]
    if gather().driver is None:
        assert "engine inspector: not asked, no NVIDIA driver here" in report["engine"]
        assert "not asked, no NVIDIA driver here" in (bundle.path / "export-report.html").read_text()
    half = report["verifications"][1]["ranges"]
    assert half["type"] == "float16"
    assert 1 < half["largest"][0]["magnitude"] < 65504
    page = (bundle.path / "export-report.html").read_text()
    assert "Precision of the engine" in page
    assert half["largest"][0]["name"] in page


def test_rebuilding_gives_another_engine_and_keeps_everything_else(copy: Path) -> None:
    (copy / "notes.txt").write_text("mine")
    before = content(copy)
    rebuilt = rebuild(copy / "model.onnx", engine=EngineOptions(trt="rtx", targets=("SM89",)), batch=Batch(2, 2, 2))
    after = content(copy)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"engine.plan", "passport.json", "export-report.json", "export-report.html"}
    assert before.keys() == after.keys()
    found = passport.read(copy)
    assert found.engine is not None
    record = engine_record.from_dict(found.engine, "passport")
    assert (record.source, record.targets, record.batch) == ("model.onnx", ("SM89",), (2, 2, 2))
    assert set(found.files) == {*FILES, "engine.plan", "reference.npz"}
    passport.verify_file(found, copy / "engine.plan")
    assert rebuilt.verdict == "pass"
    report = json.loads((copy / "export-report.json").read_text())
    assert [v["precision"] for v in report["verifications"]] == ["fp32", "fp16"]
    assert "fp32: " in report["engine"]


def test_rebuilding_without_a_batch_keeps_the_exports(copy: Path) -> None:
    engine = EngineOptions(trt="rtx", targets=("SM89",))
    rebuild(copy / "model-fp16.onnx", copy.parent / "other", engine=engine)
    found = passport.read(copy.parent / "other")
    assert found.engine is not None
    assert tuple(found.engine["batch"]) == (1, 2, 4)
    assert passport.read(copy).engine is not None


# What `pip install stc-trt onnx` and a system's TensorRT leave out, as on a Jetson.
ABSENT = ("torch", "torchvision", "onnxscript", "onnx_ir", "safetensors", "onnxruntime", "polygraphy")
WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
{before}
from stc.export.main import entry
entry()
"""


def command(arguments: list[str], absent: tuple[str, ...], before: str = "") -> subprocess.CompletedProcess[str]:
    """`stc-export` in a process that cannot import what is `absent`."""
    program = WITHOUT.format(absent=absent, before=before)
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)


def test_rebuilding_needs_no_torch(copy: Path) -> None:
    done = command(["--onnx", str(copy / "model-fp16.onnx"), "--trt", "rtx", "--target", "SM89"], ABSENT)
    assert done.returncode == 0, done.stderr
    assert "fp16: " in done.stdout
    found = passport.read(copy)
    assert found.engine is not None
    assert (found.engine["targets"], found.engine["source"]) == (["SM89"], "model-fp16.onnx")
    passport.verify_file(found, copy / "engine.plan")
    assert "PyTorch float32" in (copy / "export-report.html").read_text()  # the comparisons of the export are kept


def test_what_rebuilding_needs_is_named_without_torch(copy: Path) -> None:
    done = command(["--onnx", str(copy / "model.onnx")], ABSENT, "sys.modules['onnx'] = None")
    assert (done.returncode, done.stderr) == (1, "error: onnx is not installed; fix: pip install onnx\n")


def test_exporting_does_need_torch(copy: Path) -> None:
    """The process of these tests really cannot import it."""
    done = command(["--ckpt", str(LITE)], ABSENT)
    assert done.returncode == 1
    assert "pip install 'stc-trt[export]'" in done.stderr


@pytest.mark.parametrize("name", ["model.onnx", "model-fp16.onnx", "reference.npz"])
def test_an_altered_bundle_is_refused_and_left_alone(name: str, copy: Path) -> None:
    damaged = bytearray((copy / name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (copy / name).write_bytes(damaged)
    before = content(copy)
    with pytest.raises(IncompatibleError, match=name):
        rebuild(copy / "model.onnx", engine=EngineOptions(trt="rtx"))
    assert content(copy) == before


def test_an_interrupted_build_leaves_the_bundle_as_it_was(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: Bars, phase: str, steps: int) -> None:
        if phase == "Building engine":  # TensorRT's first
            _thread.interrupt_main()
            time.sleep(0.5)  # the main thread looks ten times a second

    monkeypatch.setattr(Bars, "start", start)
    before = content(copy)
    assert run(main, ["--onnx", str(copy / "model.onnx"), "--trt", "rtx"]) == 130
    assert content(copy) == before
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fp16", "--size", "64x64"], "--fp16, --size: fixed in an ONNX file"),
        (["--trt", "none"], "--trt none builds none"),
        (["--plugin", "library", "--trt", "rtx"], "has no plugins"),
        (["--hw-compat", "ampere_plus", "--trt", "rtx"], "--target"),
        (["--target", "SM90", "--trt", "rtx"], "SM80"),
        (["--ckpt", "model.pth"], "not allowed with"),
    ],
)
def test_options_that_do_not_fit_exit_1_and_change_nothing(
    options: list[str], message: str, bundle: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(bundle.path)
    assert run(main, ["--onnx", str(bundle.path / "model.onnx"), *options]) == 1
    assert message in capsys.readouterr().err
    assert content(bundle.path) == before


def test_engine_options_without_an_engine_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--target, --opt-level: no engine is built"):
        export(LITE, tmp_path / "x", engine=EngineOptions(trt="none", targets=("SM89",), opt_level=3))


def test_a_lone_onnx_file_is_no_bundle(bundle: Export, tmp_path: Path) -> None:
    shutil.copy(bundle.path / "model.onnx", tmp_path)
    with pytest.raises(InputError, match="not a bundle"):
        rebuild(tmp_path / "model.onnx", tmp_path / "out", engine=EngineOptions(trt="rtx"))


def test_bfloat16_is_built_and_never_called_proven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments: list[Any] = ["--ckpt", LITE, "--bf16", "--trt", "rtx", "--size", "200x330", "--max-detections", "20"]
    assert run(main, [*map(str, arguments), "-o", str(tmp_path / "out")]) == 3
    printed = " ".join(capsys.readouterr().out.split())
    assert "bf16 not compared on this machine" in printed
    assert "bf16: " in printed
    found = passport.read(tmp_path / "out")
    assert found.agreement["model-bf16.onnx"]["verdict"] == "not compared on this machine"
    assert found.agreement["model.onnx"]["verdict"] == "pass"
    assert found.engine is not None and tuple(found.engine["targets"]) == RTX_TARGETS
    assert found.engine["precision"]["fraction"] >= 0.94  # all but the op
    assert (tuple(found.input_size), found.max_detections) == ((200, 330), 20)
