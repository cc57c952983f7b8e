"""Looking around: what is found, and that no installation is too broken to look at."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from stc.errors import Missing
from stc.files import sha256
from stc.runtime.machine import machine, plugin
from stc.runtime.machine.machine import CudaRuntime, Gpu, Machine, TensorRt
from stc.runtime.machine.plugin import Plugin
from tests.runtime.backends.fake_cuda import FakeCuda, cudaError_t


def test_gpus_are_described_in_the_driver_s_order() -> None:
    found = machine.describe(FakeCuda(targets=((9, 0), (12, 0))))
    assert found == CudaRuntime("13.0", (Gpu("Fake GPU", "SM90", 8 << 30), Gpu("Fake GPU", "SM120", 8 << 30)))


def test_no_driver_and_no_gpu_are_told_apart() -> None:
    assert machine.describe(FakeCuda(targets=())) == CudaRuntime()
    without = FakeCuda()
    without.fail("cudaGetDeviceCount", cudaError_t.cudaErrorNoDevice)
    assert machine.describe(without) == CudaRuntime("13.0", error="cudaErrorNoDevice")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue Sep 23 10:11:16 UTC 2025\nGCC version: 12",
            "580.95.05",
        ),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release Build", "540.4.0"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  575.57.08  Release Build  (x@y)", "575.57.08"),
        ("nonsense", None),
    ],
)
def test_the_driver_version_comes_from_the_kernel(
    text: str, version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "version").write_text(text)
    monkeypatch.setattr(machine, "KERNEL_MODULE", tmp_path / "version")
    assert machine.loaded_driver() == version


@pytest.mark.parametrize(
    ("packages", "found"),
    [
        ({"tensorrt-cu13": "11.4.0.106", "tensorrt": "11.4.0.106"}, TensorRt("tensorrt", "11.4.0.106", 13)),
        ({"tensorrt-cu12": "10.3.0"}, TensorRt("tensorrt", "10.3.0", 12)),
        ({"tensorrt": "10.3.0"}, TensorRt("tensorrt", "10.3.0")),  # JetPack's package
        ({}, TensorRt("tensorrt", None)),
    ],
)
def test_tensorrt_is_found_without_importing_it(
    packages: dict[str, str], found: TensorRt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name not in packages:
            raise PackageNotFoundError(name)
        return packages[name]

    monkeypatch.setattr(machine, "package_version", version)
    monkeypatch.setattr(machine, "find_spec", lambda name: ModuleSpec(name, None, origin="somewhere"))
    assert machine.installed_tensorrt("tensorrt") == found
    monkeypatch.setattr(machine, "find_spec", lambda name: ModuleSpec(name, None))
    assert machine.installed_tensorrt("tensorrt") is None  # a folder of that name


def test_a_broken_probe_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken installation")

    for name in ("_cuda", "loaded_driver", "_driver_library", "installed_tensorrt", "installed"):
        monkeypatch.setattr(machine, name, broken)
    monkeypatch.setattr(plugin, "find", broken)
    assert machine.gather() == Machine()


def test_looking_around_imports_no_tensorrt_and_no_numpy_user() -> None:
    code = (
        "import sys; from stc.runtime.machine.machine import gather; gather();"
        "print([name for name in ('tensorrt', 'tensorrt_rtx', 'onnxruntime', 'torch', 'cv2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_plugin_is_the_environment_s_or_the_package_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, given = tmp_path / "own.so", tmp_path / "given.so"
    own.write_bytes(b"own")
    given.write_bytes(b"given")
    monkeypatch.delenv(plugin.VARIABLE, raising=False)
    monkeypatch.setattr(plugin, "FILE", own)
    assert plugin.find() == Plugin(own, sha256(own))
    monkeypatch.setenv(plugin.VARIABLE, str(given))
    assert plugin.find() == Plugin(given, sha256(given))
    monkeypatch.setenv(plugin.VARIABLE, str(tmp_path / "none.so"))
    found = plugin.find()
    assert isinstance(found, Missing) and "STC_TENSORRT_PLUGIN" in found.reason and "No such file" in found.reason
    monkeypatch.delenv(plugin.VARIABLE)
    own.unlink()
    found = plugin.find()
    assert isinstance(found, Missing) and "make plugin" in found.reason
