"""Which file runs, and that nothing altered ever reaches an engine's library."""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np
import onnxruntime
import pytest

from stc.errors import IncompatibleError, InputError
from stc.files import sha256
from stc.runtime import Session
from stc.runtime.bundle import files as model_files
from stc.runtime.bundle import passport
from stc.runtime.bundle.files import EngineFile, OnnxFile
from stc.runtime.machine.device import FIRST_GPU
from stc.runtime.machine.flavour import FLAVOURS
from stc.runtime.machine.machine import TensorRt
from stc.runtime.machine.plugin import Plugin
from tests.runtime import tiny_model
from tests.runtime.backends import engine_bundle
from tests.runtime.backends.engine_bundle import Gpus


@pytest.mark.parametrize(
    ("model", "device", "name", "kind"),
    [
        (".", None, "model.onnx", OnnxFile),
        (".", "cpu", "model.onnx", OnnxFile),
        (".", "cuda", "engine.plan", EngineFile),
        ("engine.plan", None, "engine.plan", EngineFile),
        ("engine.plan", "cuda", "engine.plan", EngineFile),
        ("model.onnx", "cuda", "model.onnx", OnnxFile),
    ],
)
def test_the_device_chooses_the_file(engine: Path, model: str, device: str | None, name: str, kind: type) -> None:
    found = model_files.find(engine / model, device)
    assert isinstance(found, kind) and found.path == engine / name


def test_a_bundle_without_an_engine_gives_its_model_on_cuda(bundle: Path) -> None:
    found = model_files.find(bundle, "cuda")
    assert isinstance(found, OnnxFile) and found.device == FIRST_GPU


def test_an_engine_on_the_cpu_and_an_unknown_device_are_input_errors(engine: Path) -> None:
    with pytest.raises(InputError, match=r"an engine runs on a GPU; on the CPU use .*model\.onnx"):
        Session(engine / "engine.plan", device="cpu")
    with pytest.raises(InputError, match="known: cpu, cuda"):
        Session(engine, device="tpu")


class Spy(ModuleType):
    """A TensorRT that must not be touched."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"TensorRT was asked for {name}")


@pytest.fixture
def untouched(gpus: Gpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorRT and ONNX Runtime fail the test when anything reaches them."""
    for flavour in FLAVOURS.values():
        monkeypatch.setitem(sys.modules, flavour.module, Spy(flavour.module))

    def load(*arguments: Any) -> NoReturn:
        raise AssertionError("ONNX Runtime was asked to load a model")

    monkeypatch.setattr(onnxruntime, "InferenceSession", load)


def flips(path: Path, count: int = 40) -> list[int]:
    """Positions spread over a file, both ends among them."""
    return sorted({int(position) for position in np.linspace(0, path.stat().st_size - 1, count)})


@pytest.mark.parametrize("name", ["model.onnx", "engine.plan", "plugin", "passport.json"])
@pytest.mark.usefixtures("untouched")
def test_a_flipped_byte_anywhere_is_refused_before_an_engine_sees_it(
    name: str,
    engine: Path,
    library: Path,
    gpus: Gpus,
) -> None:
    path = library if name == "plugin" else engine / name
    content = path.read_bytes()
    for position in flips(path):
        altered = bytearray(content)
        altered[position] ^= 1
        path.write_bytes(altered)
        gpus.machine = replace(gpus.machine, plugin=Plugin(library, sha256(library)))
        with pytest.raises((IncompatibleError, InputError)):
            Session(engine / (name if name == "model.onnx" else "engine.plan"))


def test_a_lone_plan_is_refused_even_on_trust(engine: Path, gpus: Gpus) -> None:
    (engine / "passport.json").unlink()
    for trust in (False, True):
        with pytest.raises(IncompatibleError, match=r"a plan does not say how to feed it.*--trust cannot help"):
            Session(engine / "engine.plan", trust=trust)
    assert gpus.tensorrt.calls == []


def _unlist(bundle: Path) -> None:
    known = passport.read(bundle)
    replace(known, engine=None, files={"model.onnx": known.files["model.onnx"]}).write(bundle)


def _alter(bundle: Path) -> None:
    """Another plan, which TensorRT takes: built again by the user, say with trtexec."""
    other = engine_bundle.write(bundle.parent / "other", largest=2)
    (bundle / "engine.plan").write_bytes((other / "engine.plan").read_bytes())


@pytest.mark.parametrize("change", [_unlist, _alter])
def test_a_plan_of_the_user_s_own_runs_on_trust_and_says_what_is_not_known(
    change: Any,
    engine: Path,
    gpus: Gpus,
    library: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    change(engine)
    with pytest.raises(IncompatibleError, match="add --trust"):
        Session(engine / "engine.plan")
    assert gpus.tensorrt.calls == []
    with caplog.at_level(logging.WARNING), Session(engine / "engine.plan", trust=True) as session:
        frame = tiny_model.frame((0, (8, 12, 40, 44)))
        assert session.stream()(frame).boxes.tolist() == [[8, 12, 40, 44]]
        assert session.mask_head == "not known (plan loaded on trust)"
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "loaded on trust" in said and "agreement with PyTorch" in said and "which TensorRT, GPU and plugin" in said
    assert gpus.tensorrt.libraries == [str(library)]


def test_another_plugin_library_runs_on_trust(
    engine: Path,
    gpus: Gpus,
    library: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    library.write_bytes(b"built again")
    gpus.machine = replace(gpus.machine, plugin=Plugin(library, sha256(library)))
    with pytest.raises(IncompatibleError, match="rebuild with the one that is here"):
        Session(engine / "engine.plan")
    with caplog.at_level(logging.WARNING):
        Session(engine / "engine.plan", trust=True).close()
    assert "another plugin library" in caplog.text


def test_the_plugin_never_goes_into_tensorrt_rtx(engine: Path, gpus: Gpus) -> None:
    """TensorRT-RTX aborts the process when it meets a plugin."""
    _unlist(engine)
    gpus.machine = replace(gpus.machine, tensorrt=(TensorRt("rtx", "1.7.1.116", 13),))
    (engine / "engine.plan").write_bytes(
        engine_bundle.fake_tensorrt.plan((engine / "model.onnx").read_bytes(), 1, "1.7.1.116")
    )
    Session(engine / "engine.plan", trust=True).close()
    assert "deserialize_cuda_engine" in gpus.rtx.calls and gpus.rtx.libraries == []


def test_a_malformed_engine_record_is_refused(engine: Path, gpus: Gpus) -> None:
    known = passport.read(engine)
    assert known.engine is not None
    replace(known, engine={**known.engine, "surprise": 1}).write(engine)
    with pytest.raises(InputError, match="unknown fields surprise"):
        Session(engine / "engine.plan")
    values = json.loads((engine / "passport.json").read_text())
    assert values["engine"]["surprise"] == 1 and gpus.tensorrt.calls == []


def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    bundle = tiny_model.write_bundle(tmp_path / "bundle")
    os.mkfifo(bundle / "pipe.onnx")
    with pytest.raises(InputError, match=r"pipe\.onnx: no regular file"):
        Session(bundle / "pipe.onnx")
    (bundle / "passport.json").unlink()
    os.mkfifo(bundle / "passport.json")
    with pytest.raises(InputError, match="so not a passport"):
        passport.read(bundle)


def test_a_folder_with_a_model_that_runs_alone_says_so(tmp_path: Path) -> None:
    alone = tiny_model.write_alone(tmp_path / "model.onnx")
    with pytest.raises(InputError, match=rf"no passport.json, so not a bundle; .*give {alone}"):
        Session(tmp_path)
    Session(alone).close()
