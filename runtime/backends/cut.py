"""An ONNX file without its last node, the dynamic mask head, so that the native op does the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from stc.boundary import foreign
from stc.errors import InputError, Missing, MissingDependencyError
from stc.runtime.backends import cut_graph
from stc.runtime.backends.cuda_library import CudaLibrary
from stc.runtime.bundle.contract import MASKS, TensorSpec
from stc.runtime.bundle.cut_record import CutRecord
from stc.runtime.bundle.passport import FIX
from stc.runtime.native.library import Library
from stc.runtime.native.mask_head import MaskHead

NOT_ASKED = Missing("not asked for")  # the native library, where nobody gives one


@dataclass(frozen=True)
class Cut:
    """The graph without the op.

    `model` is the rest: serialised, or a file. `tensors` are the op's five inputs in its order: outputs of the rest,
    those of them in `internal` not of the contract. `masks` is what the whole graph's output of that name is.
    """

    model: bytes | Path
    library: Library | CudaLibrary
    head: MaskHead
    tensors: tuple[str, ...]
    internal: frozenset[str]
    masks: TensorSpec

    def __str__(self) -> str:
        if isinstance(self.library, CudaLibrary):
            return f"native op ({self.library.path.name})"
        return f"native op ({self.library.kernels}, threads: {self.library.threads})"

    def contract(self, outputs: Mapping[str, TensorSpec]) -> dict[str, TensorSpec]:
        """The outputs of the whole graph, from those of the rest."""
        return {name: spec for name, spec in outputs.items() if name not in self.internal} | {MASKS: self.masks}

    def complete(self, outputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """What the whole graph gives, from the outputs of the rest on the host; masks beyond the count are zero."""
        assert isinstance(self.library, Library)
        masks = self.head(self.library, *(outputs[name] for name in self.tensors))
        return {name: value for name, value in outputs.items() if name not in self.internal} | {MASKS: masks}


@dataclass(frozen=True)
class Whole:
    """Why a graph was not cut."""

    reason: str

    def __str__(self) -> str:
        return f"function body ({self.reason})"


def cut(path: Path, library: Library | CudaLibrary, record: CutRecord | None = None) -> Cut | Whole:
    """Cut the graph of an ONNX file where the op makes the output `masks`; else say why not.

    record: of a file beside it that is the rest. Raises InputError for a file, or one with weights of it, that the onnx
    package gives up on; what it merely cannot parse is left to the engine.
    """
    if record is not None:
        return _cut(path.with_name(record.file), library, record)
    try:
        import onnx
    except ImportError:
        return Whole("the onnx package is not installed; fix: pip install 'stc-trt[cpu]'")
    with foreign("the onnx package", path, FIX):
        return _cut_now(path, library, onnx)


def whole(path: Path) -> bytes | Path:
    """A graph for an engine that takes no functions, and would read weights wherever a file says that they are: that of
    an ONNX file with both in it, or the file where it has neither.

    Raises InputError as `cut`.
    """
    try:
        import onnx
        from onnx import inliner
    except ImportError:
        return path  # of the engine's errors the user can make something
    with foreign("the onnx package", path, FIX):
        model = onnx.load(path, load_external_data=False)
        if not model.functions and not any(map(onnx.external_data_helper.uses_external_data, model.graph.initializer)):
            return path
        # It refuses what is no file in the model's folder.
        onnx.external_data_helper.load_external_data_for_model(model, str(path.parent))
        return bytes(inliner.inline_local_functions(model).SerializeToString())


def check(path: Path) -> None:
    """Raise InputError unless the onnx package finds a file sound, MissingDependencyError without the package.

    For an engine that damaged files send into endless loops, or worse, where no hash vouches for the file.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingDependencyError(
            f"{path}: stands alone, and OpenVINO is only given what the package onnx finds sound ({error}); "
            "fix: pip install 'stc-trt[openvino]'"
        ) from error
    with foreign("the onnx package", path, FIX):
        onnx.checker.check_model(str(path), full_check=True)


def _cut_now(path: Path, library: Library | CudaLibrary, onnx: Any) -> Cut | Whole:
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        return Whole(f"the onnx package cannot read the file ({error})")
    record = cut_graph.without_head(model, path.name)
    if isinstance(record, str):
        return Whole(record)
    # The engine gets bytes and no path: weights that are in files beside must come along.
    onnx.external_data_helper.load_external_data_for_model(model, str(path.parent))
    return _cut(model.SerializeToString(), library, record)


def _cut(model: bytes | Path, library: Library | CudaLibrary, record: CutRecord) -> Cut | Whole:
    try:
        head = MaskHead(**record.attributes)
    except (InputError, TypeError) as error:
        return Whole(str(error))
    if not (library.supports(head) if isinstance(library, CudaLibrary) else head.supported(library)):
        return Whole(f"the native library has no kernel for {head}")
    masks = TensorSpec((record.dtype,), record.shape)
    return Cut(model, library, head, record.tensors, frozenset(record.internal), masks)
