"""Every extra of pyproject.toml can be installed: pip's own resolver finds versions that fit together.

Nothing is installed. TensorRT's libraries alone are not on PyPI: there, `tensorrt-cu12-libs` and `tensorrt-cu13-libs`
are source packages that download a wheel from NVIDIA's own index when pip asks for their metadata. So that the answer
does not depend on that index, an empty wheel of the same name and versions stands in for each; what NVIDIA's wheels ask
for in turn is not seen. Everything else is resolved as PyPI has it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LIBRARIES = ("tensorrt-cu12-libs", "tensorrt-cu13-libs")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="some packages exist for Linux only"),
]


def pip(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty wheel for every version of TensorRT's libraries that the index lists.

    Skips without a network, so every test asks for it.
    """
    folder = tmp_path_factory.mktemp("stand-ins")
    for name in LIBRARIES:
        listed = pip("index", "versions", name, "--retries", "0", "--timeout", "15")
        versions = re.search(r"Available versions: (.*)", listed.stdout)
        if versions is None:
            pytest.skip(f"no package index that has {name} can be reached: {' '.join(listed.stderr.split())[-100:]}")
        for version in versions[1].split(", "):
            write_empty_wheel(folder, name.replace("-", "_"), version)
    return folder


def write_empty_wheel(folder: Path, name: str, version: str) -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        summary = "An empty stand-in for NVIDIA's wheel, of stc's tests"
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {summary}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: stc\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def project(folder: Path, replaced: tuple[str, str] | None = None) -> Path:
    """Our pyproject.toml as a project without code; `replaced`: a text of it and what stands there instead."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    if replaced is not None:
        assert replaced[0] in text
        text = text.replace(*replaced)
    folder.mkdir()
    (folder / "pyproject.toml").write_text(f"{text}\n[tool.setuptools]\npackages = []\n", encoding="utf-8")
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "stc", folder / "stc", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def resolve(folder: Path, extras: str, stand_ins: Path, report: Path) -> subprocess.CompletedProcess[str]:
    options = ("--dry-run", "--ignore-installed", "--quiet", "--report", report, "--find-links", stand_ins)
    return pip("install", *options, f"{folder}[{extras}]")


@pytest.mark.parametrize(
    ("extras", "brings"),
    [
        ("cpu", {"onnxruntime", "onnx"}),
        ("gpu", {"onnxruntime-gpu"}),
        ("tensorrt", {"tensorrt", "cuda-bindings"}),
        ("rtx", {"tensorrt-rtx", "cuda-bindings"}),
        ("pycuda", {"pycuda"}),
        ("cpu,export,tensorrt", {"torch", "tensorrt", "onnxruntime"}),
        ("gpu,export,rtx", {"torch", "tensorrt-rtx", "onnxruntime-gpu"}),
    ],
)
def test_pip_resolves(extras: str, brings: set[str], stand_ins: Path, tmp_path: Path) -> None:
    done = resolve(project(tmp_path / "stc"), extras, stand_ins, tmp_path / "report.json")
    assert done.returncode == 0, done.stderr
    packages: list[dict[str, Any]] = json.loads((tmp_path / "report.json").read_text())["install"]
    urls = {normalised(package["metadata"]["name"]): package["download_info"]["url"] for package in packages}
    assert brings <= set(urls)
    assert len({"onnxruntime", "onnxruntime-gpu"} & set(urls)) == len({"cpu", "gpu"} & set(extras.split(",")))
    assert ("torch" in urls) == ("export" in extras)
    # Nothing but TensorRT's libraries is a stand-in, and they only where TensorRT is.
    standing_in = {name for name, url in urls.items() if stand_ins.name in url}
    assert standing_in <= set(LIBRARIES)
    assert len(standing_in) == ("tensorrt" in brings)


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(
    ("extra", "replaced"),
    [
        # Against another requirement of ours.
        ("rtx", ('"tensorrt-rtx>=1.5;', '"numpy<1.26", "tensorrt-rtx>=1.5;')),
        # Against what TensorRT asks for, two packages further on.
        ("tensorrt", ('"tensorrt>=10.3;', '"tensorrt-cu13-bindings==10.16.1.11", "tensorrt==11.4.0.106;')),
    ],
)
def test_a_planted_conflict_is_found(extra: str, replaced: tuple[str, str], stand_ins: Path, tmp_path: Path) -> None:
    done = resolve(project(tmp_path / "stc", replaced), extra, stand_ins, tmp_path / "report.json")
    assert done.returncode != 0
    assert "ResolutionImpossible" in done.stderr
    assert not (tmp_path / "report.json").exists()
