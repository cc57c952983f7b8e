"""`stc-doctor`: each finding on machines that are whole, lacking and broken."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stc.cli import run
from stc.errors import Missing
from stc.runtime.machine import doctor, machine
from stc.runtime.machine.doctor import Finding, Imported
from stc.runtime.machine.flavour import FLAVOURS
from stc.runtime.machine.machine import Driver, Gpu, Machine, TensorRt
from stc.runtime.machine.plugin import Plugin
from stc.runtime.native import library as native

WHOLE = Machine(
    driver=Driver("580.95.05", "13.0"),
    gpus=(Gpu("RTX 4090", "SM89", 24 << 30),),
    cuda_bindings="13.5.0",
    tensorrt=(TensorRt("tensorrt", "11.4.0.106", 13), TensorRt("rtx", "1.7.1.116", 13)),
    plugin=Plugin(Path("/lib/libstc_tensorrt.so"), "a" * 64),
)
BUILT = Plugin(Path("/lib/libstc_tensorrt.so"), "a" * 64, cuda=13)
BARE = Machine(plugin=Missing("it was not built"))


def works(module: str, expression: str) -> Imported:
    return Imported(["CUDAExecutionProvider", "CPUExecutionProvider"] if module == "onnxruntime" else "1.2.3")


def fails(module: str, expression: str) -> Imported:
    return Imported(error=f"ImportError: {module} is broken")


@pytest.mark.parametrize(
    ("finding", "status", "detail", "fix"),
    [
        (doctor.driver(WHOLE), "ok", "580.95.05, serves CUDA 13.0", None),
        (doctor.driver(BARE), "missing", "engines cannot run", "R580"),
        (
            doctor.driver(Machine(driver=Driver("550.1", "12.4"), tensorrt=WHOLE.tensorrt)),
            "broken",
            "too old for TensorRT 11.4.0.106",
            "branch R580 or newer for CUDA 13",
        ),
        (doctor.gpu(WHOLE), "ok", "RTX 4090 (SM89, 24.0 GiB)", None),
        (
            doctor.gpu(replace(WHOLE, gpus=(*WHOLE.gpus, Gpu("L4", "SM89", 22 << 30)))),
            "ok",
            "cuda:0 RTX 4090 (SM89, 24.0 GiB), cuda:1 L4 (SM89, 22.0 GiB)",
            None,
        ),
        (doctor.gpu(BARE), "missing", "no driver", None),
        (doctor.gpu(Machine(driver=WHOLE.driver)), "missing", "without cuda-bindings", "pip install"),
        (
            doctor.gpu(Machine(driver=WHOLE.driver, cuda_bindings="13.5.0", cuda_error="cudaErrorNoDevice")),
            "broken",
            "cudaErrorNoDevice",
            "nvidia-smi",
        ),
        (doctor.cuda_bindings(WHOLE), "ok", "13.5.0", None),
        (doctor.cuda_bindings(BARE), "missing", "engines need it", "pip install 'stc-trt[tensorrt]'"),
        (
            doctor.cuda_bindings(Machine(driver=Driver("550.1", "12.4"), cuda_bindings="13.5.0")),
            "broken",
            "serves CUDA 12.4 at most",
            "cuda-bindings<13",
        ),
        (doctor.tensorrt(WHOLE, FLAVOURS["tensorrt"], works), "ok", "1.2.3, for CUDA 13", None),
        (doctor.tensorrt(BARE, FLAVOURS["rtx"], works), "missing", "not installed", "pip install 'stc-trt[rtx]'"),
        (doctor.tensorrt(WHOLE, FLAVOURS["rtx"], fails), "broken", "does not import: ImportError", "--force-reinstall"),
        (doctor.plugin(WHOLE), "ok", "sha256 aaaaaaaaaaaa…", None),
        (doctor.plugin(replace(WHOLE, plugin=BUILT)), "ok", "sha256 aaaaaaaaaaaa…, CUDA 13)", None),
        (
            doctor.plugin(replace(WHOLE, plugin=BUILT, driver=Driver("550.1", "12.4"))),
            "broken",
            "CUDA 13), but the driver serves CUDA 12.4 at most",
            "driver of branch R580 or newer for CUDA 13, or build it with an older CUDA: make plugin",
        ),
        (doctor.plugin(replace(WHOLE, plugin=BUILT, driver=None)), "ok", "CUDA 13", None),
        (doctor.plugin(BARE), "missing", "it was not built", "STC_TENSORRT_PLUGIN=FILE"),
        (doctor.onnxruntime(BARE, {}, works), "missing", "not installed", "pip install 'stc-trt[cpu]'"),
        (doctor.onnxruntime(BARE, {"onnxruntime": "1.32"}, works), "ok", "providers compiled in: CUDA, CPU", None),
        (doctor.onnxruntime(BARE, {"onnxruntime": "1.32"}, fails), "broken", "does not import", "--force-reinstall"),
        (
            doctor.onnxruntime(WHOLE, {"onnxruntime": "1.32", "onnxruntime-gpu": "1.31"}, works),
            "broken",
            "overwrite each other",
            "pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'stc-trt[gpu]'",
        ),
        (doctor.opencv({}, works), "missing", "not installed", "pip install opencv-python-headless"),
        (doctor.opencv({Path("/a/cv2"): ("opencv-python",)}, works), "ok", "1.2.3 (opencv-python)", None),
        (doctor.opencv({Path("/usr/lib/cv2"): ()}, works), "ok", "1.2.3 (/usr/lib/cv2)", None),
        (doctor.opencv({Path("/a/cv2"): ("opencv-python",)}, fails), "broken", "does not import", "--force-reinstall"),
        (
            doctor.opencv(
                {Path("/a/cv2"): ("opencv-python",)},
                lambda *_: Imported(error="ImportError: libGL.so.1: cannot open shared object file: No such file"),
            ),
            "broken",
            "libGL.so.1",
            "pip uninstall -y opencv-python && pip install opencv-python-headless",
        ),
        (
            doctor.opencv({Path("/a/cv2"): ("opencv-python", "opencv-python-headless")}, works),
            "broken",
            "opencv-python and opencv-python-headless overwrite each other",
            "pip uninstall -y opencv-python opencv-python-headless && pip install opencv-python",
        ),
        (
            doctor.opencv({Path("/a/cv2"): ("opencv-python-headless",), Path("/usr/lib/cv2"): ()}, works),
            "ok",
            "1.2.3 (opencv-python-headless), which hides /usr/lib/cv2",
            "pip uninstall -y opencv-python-headless",
        ),
        (
            doctor.package("PyAV", "av", "x", "pip install av", lambda *_: Imported(error="No module named 'av'")),
            "missing",
            "No module",
            "pip install av",
        ),
        (doctor.package("PyAV", "av", "x", "pip install av", fails), "broken", "is broken", "pip install av"),
        (
            doctor.gstreamer(lambda *_: Imported(error="stc.errors.MissingDependencyError: no gi; fix: apt-get x")),
            "missing",
            "no gi",
            "apt-get x",
        ),
        (doctor.gstreamer(fails), "missing", "is broken", "docs/gstreamer.md"),
        (doctor.gstreamer(lambda *_: Imported(["GStreamer 1.22", True, True])), "ok", "finds stctrack", None),
        (
            doctor.gstreamer(lambda *_: Imported(["GStreamer 1.22", True, False])),
            "missing",
            "does not find",
            "export GST_PLUGIN_PATH=$(python -m stc.runtime.gstreamer)",
        ),
    ],
)
def test_findings(finding: Finding, status: str, detail: str, fix: str | None) -> None:
    assert finding.status == status and detail in finding.detail
    assert finding.fix is None if fix is None else finding.fix is not None and fix in finding.fix


def write_distribution(site: Path, name: str, *files: str) -> None:
    """An installed package as pip leaves it."""
    info = site / f"{name.replace('-', '_')}-4.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 4.1\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    for file in files:
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).touch()


def test_opencvs_are_told_by_who_wrote_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two packages in one folder, one without a package on a later path (JetPack's), and names that only look alike."""
    first, system = tmp_path / "site", tmp_path / "dist"
    write_distribution(first, "opencv-python", "cv2/__init__.py", "cv2/cv2.abi3.so")
    write_distribution(first, "opencv-python-headless", "cv2/__init__.py", "cv2/version.py")
    write_distribution(first, "cv2-tools", "cv2_tools/__init__.py")
    (system / "cv2").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(first), str(tmp_path / "none"), str(system)])
    assert list(doctor.opencvs().items()) == [
        (first / "cv2", ("opencv-python", "opencv-python-headless")),
        (system / "cv2", ()),
    ]


def test_an_opencv_of_one_file_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As Debian and older systems have it."""
    library = tmp_path / "cv2.cpython-310-aarch64-linux-gnu.so"
    library.touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert doctor.opencvs() == {library: ()}


def test_the_native_library_is_found_missing_or_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native, "find", lambda: Missing("why not"))
    monkeypatch.setattr(native, "FILE", tmp_path / "none.so")
    assert doctor.native_library().status == "missing"
    (tmp_path / "none.so").write_bytes(b"")
    assert doctor.native_library().status == "broken"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise ImportError('libfoo.so: cannot open')", "libfoo.so: cannot open"),
        ("import os; os.abort()", "the process died"),
        ("import os; os._exit(3)", "the process died (3)"),
        ("print('hello')\n__version__ = '1'", None),
    ],
)
def test_a_package_that_aborts_is_a_finding(
    code: str, error: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = doctor.import_apart("broken_package", "broken_package.__version__")
    assert found.value == "1" if error is None else found.error is not None and error in found.error


def test_a_package_that_hangs_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hanging_package.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(doctor, "TIMEOUT", 0.5)
    assert "timed out" in str(doctor.import_apart("hanging_package", "1").error)


def diagnose(monkeypatch: pytest.MonkeyPatch, here: Machine, importer: Any, packages: dict[str, str]) -> Any:
    monkeypatch.setattr(machine, "gather", lambda: here)
    monkeypatch.setattr(doctor, "installed_of", lambda *names: {n: v for n, v in packages.items() if n in names})
    return doctor.examine(importer)


@pytest.mark.slow  # looks through all installed packages four times
def test_engines_are_what_can_run_here(monkeypatch: pytest.MonkeyPatch) -> None:
    ort = {"onnxruntime": "1.32"}
    assert diagnose(monkeypatch, WHOLE, works, ort).engines == ("TensorRT", "TensorRT-RTX", "ONNX Runtime")
    assert diagnose(monkeypatch, BARE, works, ort).engines == ("ONNX Runtime",)
    assert diagnose(monkeypatch, WHOLE, works, {}).engines == ("TensorRT", "TensorRT-RTX")
    nothing = diagnose(monkeypatch, BARE, fails, ort)
    assert nothing.engines == () and "nothing here can run a model" in nothing.verdict


def test_a_probe_that_fails_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(here: Machine) -> Finding:
        raise ValueError("unforeseen")

    monkeypatch.setattr(doctor, "gpu", broken)
    report = diagnose(monkeypatch, WHOLE, works, {"onnxruntime": "1.32"})
    assert any("ValueError: unforeseen" in finding.detail for finding in report.findings)
    assert "ONNX Runtime" in report.engines


def test_the_exit_code_and_the_json_say_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for importer, code in ((works, 0), (fails, 2)):
        report = diagnose(monkeypatch, BARE, importer, {"onnxruntime": "1.32"})
        monkeypatch.setattr(doctor, "examine", lambda report=report: report)
        assert run(doctor.main, ["--json"]) == code
        values = json.loads(capsys.readouterr().out)
        assert [finding["name"] for finding in values["findings"]] == [f.name for f in report.findings]
        assert run(doctor.main, []) == code
        shown = capsys.readouterr().out
        assert all(finding.name in shown and finding.detail in shown for finding in report.findings)
        monkeypatch.undo()


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom stc.runtime.machine.doctor import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('HEAVY', [n for n in ('cuda', 'onnxruntime', 'cv2', 'av', 'tensorrt_rtx') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"
