"""Every TensorRT and CUDA name that we use exists, and takes our arguments, in every version that we support.

The real Python bindings are looked at, each version in a process of its own, over a stub in place of TensorRT. What we
use is read from the sources, so nothing can be forgotten here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from stc.runtime.backends.tensorrt.cuda import STICKY
from tests.tensorrt_api import inspect_bindings
from tests.tensorrt_api.usage import ROOT, Use, cuda_uses, tensorrt_uses

pytestmark = pytest.mark.slow
DOWNLOADS = ROOT / "build" / "bindings"
HERE = Path(__file__).parent
needs_rtx = pytest.mark.skipif(
    find_spec("tensorrt_rtx") is None, reason="TensorRT-RTX is not installed (Linux x86-64 only)"
)
TENSORRT = {
    "10.3.0": "tensorrt-cu12-bindings",  # JetPack 6
    "10.16.1.11": "tensorrt-cu13-bindings",
    "11.4.0.106": "tensorrt-cu13-bindings",
}
# Used only where the flavour is that one; everything else must be in all of them.
RTX_ONLY = {
    "CudaGraphStrategy.WHOLE_GRAPH_CAPTURE",
    "ICudaEngine.create_runtime_config",
    "IRuntimeConfig.cuda_graph_strategy",
    "IRuntimeConfig.create_runtime_cache",
    "IRuntimeConfig.set_runtime_cache",
    "IRuntimeCache|ITimingCache.deserialize",
    "ComputeCapability",
    "ComputeCapability.__members__",
    "IBuilderConfig.num_compute_capabilities",
    "IBuilderConfig.set_compute_capability",
}
TENSORRT_10_ONLY = {"NetworkDefinitionCreationFlag.STRONGLY_TYPED"}


def wheel(package: str, version: str) -> Path:
    """The unpacked wheel, downloaded once."""
    folder = DOWNLOADS / f"{package}-{version}"
    if not folder.is_dir():
        temporary = DOWNLOADS / "wheels"
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(temporary)]
        done = subprocess.run([*command, f"{package}=={version}"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"cannot download {package} {version}: {done.stderr}"
        (file,) = temporary.glob(f"{package.replace('-', '_')}-{version}-*.whl")
        zipfile.ZipFile(file).extractall(folder)
    return folder


def stub(major: str) -> Path:
    """The folder with a stub of that major version's libraries."""
    folder = DOWNLOADS / f"stub-{major}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("libnvinfer", "libnvonnxparser", "libnvinfer_plugin"):
        library = folder / f"{name}.so.{major}"
        command = ["cc", "-shared", "-fPIC", f"-DVERSION={major}0000", "-o", str(library), str(HERE / "stub.c")]
        subprocess.run(command, check=True)
    return folder


def inspect(module: str, uses: list[Use], **environment: str) -> dict[str, Any]:
    asked = json.dumps({"module": module, "uses": [asdict(use) for use in uses]})
    command = [sys.executable, str(HERE / "inspect_bindings.py")]
    done = subprocess.run(
        command, input=asked, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_sources_were_read() -> None:
    """The collector sees what is certainly used."""
    names = {(use.owners, use.name) for use in tensorrt_uses()}
    assert (("IExecutionContext",), "execute_async_v3") in names
    assert (("Runtime",), "deserialize_cuda_engine") in names
    assert (("IPluginRegistry",), "load_library") in names
    assert (("EngineInspector",), "get_engine_information") in names
    assert (("",), "LayerInformationFormat.JSON") in names
    assert (("",), "ProfilingVerbosity.DETAILED") in names
    assert (("",), "TensorIOMode.INPUT") in names
    assert len(names) > 20
    of_cuda = {"cudaMalloc", "cudaMemcpyKind.cudaMemcpyHostToDevice", "cuDevicePrimaryCtxGetState"}
    assert of_cuda <= {use.name for use in cuda_uses()}


@pytest.mark.parametrize(
    ("signature", "positional", "keywords", "accepted"),
    [
        ("self: a.b.X, name: str, shape: tuple", 2, [], True),
        ("self: a.b.X, name: str, shape: tuple", 1, [], False),
        ("self: a.b.X, name: str, shape: tuple", 3, [], False),
        ("self: a.b.X, type: str, version: str, plugin_namespace: str = ''", 2, [], True),
        ("self: a.b.X, strategy: a.b.S = <S.STATIC: 0>", 1, [], True),
        ("self: a.b.X, cache: a.C, ignore_mismatch: bool", 1, ["ignore_mismatch"], True),
        ("self: a.b.X, cache: a.C, ignore_mismatch: bool", 1, ["other"], False),
        ("self: a.b.X, f: Callable[[int, str], bool], x: int", 2, [], True),
    ],
)
def test_signatures_are_understood(signature: str, positional: int, keywords: list[str], accepted: bool) -> None:
    assert inspect_bindings.accepts(signature, positional, keywords) is accepted


@pytest.mark.parametrize("version", TENSORRT)
def test_tensorrt_has_what_we_use(version: str) -> None:
    environment = {
        "LD_LIBRARY_PATH": str(stub(version.split(".", maxsplit=1)[0])),
        "PYTHONPATH": str(wheel(TENSORRT[version], version)),
    }
    found = inspect("tensorrt_bindings", tensorrt_uses(), **environment)
    assert found["version"] == version
    assert [use for use in found["missing"] if use[0] not in RTX_ONLY] == []
    assert found["wrong"] == []


@needs_rtx
def test_tensorrt_rtx_has_what_we_use() -> None:
    found = inspect("tensorrt_rtx", tensorrt_uses())
    assert [use for use in found["missing"] if use[0] not in TENSORRT_10_ONLY] == []
    assert found["wrong"] == []


@needs_rtx
def test_a_name_that_no_version_has_is_found() -> None:
    uses = [
        Use(("IExecutionContext",), "execute_v4", 1, (), "x"),
        Use(("IExecutionContext",), "infer_shapes", 3, (), "x"),
    ]
    found = inspect("tensorrt_rtx", uses)
    assert [label for label, _ in found["missing"]] == ["IExecutionContext.execute_v4"]
    assert [label for label, *_ in found["wrong"]] == ["IExecutionContext.infer_shapes"]


@pytest.mark.parametrize("version", TENSORRT)
def test_our_log_is_one_that_tensorrt_takes(version: str) -> None:
    """TensorRT's binding accepts the object as its logger, and calls reach it."""
    code = (
        "import tensorrt_bindings as trt\n"
        "from stc.runtime.backends.tensorrt.engine import collector\n"
        "log = collector(trt)\n"
        "assert isinstance(log, trt.ILogger)\n"
        "log.log(trt.ILogger.Severity.ERROR, 'first'); log.log(trt.ILogger.Severity.INFO, 'second')\n"
        "assert log.reason() == 'first' and log.reason() == 'TensorRT gave no reason'\n"
        "try:\n    trt.Runtime(log)\n"
        "except TypeError as error:\n    assert 'nullptr' in str(error), error\n"
        "names = {'UINT8', 'INT32', 'FLOAT', 'HALF', 'INT64', 'INT8', 'BOOL'}\n"
        "assert names <= set(trt.DataType.__members__)\n"
    )
    environment = {
        "LD_LIBRARY_PATH": str(stub(version.split(".", maxsplit=1)[0])),
        "PYTHONPATH": str(wheel(TENSORRT[version], version)),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    assert done.returncode == 0, done.stderr


CUDA_CODE = """
import json, sys
sys.path.insert(0, sys.argv[1]) if sys.argv[1] else None
import cuda.bindings
from cuda.bindings import driver, runtime
assert cuda.bindings.__file__.startswith(sys.argv[1]), cuda.bindings.__file__
def module(name):
    return runtime if name.startswith("cuda") else driver
def has(name):
    found = module(name)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is not None
def parameters(name):
    text = (getattr(module(name), name).__doc__ or "").strip().splitlines()
    inside = text[0].partition("(")[2].rpartition(")")[0] if text else ""
    return len([part for part in inside.split(",") if part.strip()])
asked = json.load(sys.stdin)
missing = [name for name, _ in asked if not has(name)]
wrong = [[name, count, parameters(name)] for name, count in asked
         if name not in missing and count is not None and parameters(name) != count]
print(json.dumps({"missing": missing, "wrong": wrong}))
"""


@pytest.mark.parametrize("version", ["12.8.0", "installed"])
def test_cuda_bindings_has_what_we_use(version: str, tmp_path: Path) -> None:
    folder = "" if version == "installed" else str(wheel("cuda-bindings", version))
    asked = [(use.name, use.positional) for use in cuda_uses()] + [(f"cudaError_t.{name}", None) for name in STICKY]
    done = subprocess.run(
        [sys.executable, "-c", CUDA_CODE, folder], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"missing": [], "wrong": []}
