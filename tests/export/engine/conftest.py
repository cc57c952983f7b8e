from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from stc.export.graph.graph import trace
from stc.export.graph.precision import Precision
from stc.export.sizes import Batch
from stc.model import checkpoint
from stc.model.function_body import DOMAIN, OP, PLUGIN_ATTRIBUTES, function_body

LITE = Path("assets/stc-lite-2.safetensors")
BINDINGS = "tensorrt-cu12-bindings"


@pytest.fixture(scope="session")
def lite_onnx() -> Callable[[Precision, Batch], bytes]:
    """The ONNX file of the shipped stc-lite, traced once per precision and batch."""
    model = checkpoint.load(LITE).model
    done: dict[tuple[Precision, Batch], bytes] = {}

    def exported(precision: Precision, batch: Batch) -> bytes:
        if (precision, batch) not in done:
            done[precision, batch] = trace(model, precision, batch).deployed.SerializeToString()
        return done[precision, batch]

    return exported


@pytest.fixture
def op_model() -> onnx.ModelProto:
    """The op alone, with its function body, on a grid of 4x6 for 3 instances of 2 pictures."""
    names = ["mask_feats", "params", "locations", "sizes", "count"]
    shapes = [[2, 8, 4, 6], [2, 3, 169], [2, 3, 2], [2, 3], [2]]
    kinds = [TensorProto.FLOAT] * 4 + [TensorProto.INT32]
    attributes = {"channels": 8, "layers": 3, "stride": 8, "upsample": 2, **PLUGIN_ATTRIBUTES}
    node = helper.make_node(OP, names, ["masks"], name="head", domain=DOMAIN, **attributes)
    inputs = [helper.make_tensor_value_info(*value) for value in zip(names, kinds, shapes, strict=True)]
    masks = helper.make_tensor_value_info("masks", TensorProto.FLOAT, [2, 3, 8, 12])
    return helper.make_model(
        helper.make_graph([node], "op", inputs, [masks]),
        functions=[function_body(8, 3, 2, 18)],
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)],
        ir_version=9,
    )


@dataclass(frozen=True)
class Bindings:
    """NVIDIA's own Python bindings of one TensorRT version, over a library that does nothing."""

    version: str
    environment: dict[str, str]

    def run(self, program: str) -> Any:
        """What `program` prints as JSON in its last line, in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-c", program], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def bindings(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bindings]:
    """The bindings of any version, downloaded once into build/bindings. Skips where that or a C compiler is missing."""

    def of(version: str) -> Bindings:
        if sys.platform != "linux" or shutil.which("cc") is None:
            pytest.skip("the bindings are for Linux, and the library under them needs a C compiler")
        folder = Path("build/bindings").resolve() / f"{version}-{sys.version_info.major}{sys.version_info.minor}"
        if not folder.is_dir():
            partial = tmp_path_factory.mktemp("bindings") / "unpacked"
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(partial)]
            found = subprocess.run([*command, f"{BINDINGS}=={version}"], capture_output=True, text=True, check=False)
            if found.returncode:
                pytest.skip(f"{BINDINGS} {version} cannot be downloaded: {found.stderr.strip()[-200:]}")
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(partial, folder)
        libraries = tmp_path_factory.mktemp("libraries")
        major = version.partition(".")[0]
        source = Path("tests/tensorrt_api/stub.c").resolve()
        for name in ("nvinfer", "nvinfer_plugin", "nvonnxparser"):
            library = libraries / f"lib{name}.so.{major}"
            subprocess.run(
                ["cc", "-shared", "-fPIC", f"-DVERSION={major}0000", "-o", str(library), str(source)], check=True
            )
        return Bindings(version, {"LD_LIBRARY_PATH": str(libraries), "PYTHONPATH": f"{folder}:{Path.cwd()}"})

    return of
