"""ONNX files that are hostile or merely broken end in a typed error, or run as the graph says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from stc.errors import IncompatibleError, InputError
from stc.runtime import Session
from stc.runtime.native.library import Library, find
from stc.runtime.native.mask_head import MaskHead
from tests.runtime import op_model, tiny_model

FRAME = tiny_model.frame((0, (8, 12, 40, 44)))
WEIGHTS = "params_of"  # what the op is given, so that it stays in the part that the native op leaves to ONNX Runtime


def save(folder: Path, model: onnx.ModelProto) -> Path:
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def elsewhere(folder: Path, location: str = "weights.data", offset: int = 0, length: int | None = None) -> Path:
    """The model with the weights `WEIGHTS` in a file of their own, which lies in `folder`, and said to be elsewhere."""
    model = op_model.model()
    (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name == WEIGHTS]
    content = tensor.raw_data
    (folder / "weights.data").write_bytes(content)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length or len(content))):
        tensor.external_data.add(key=key, value=str(value))
    tensor.ClearField("raw_data")
    return save(folder, model)


def masks(path: Path, native: bool) -> np.ndarray:
    with Session(path, threads=1, native=native) as session:
        return session.infer(FRAME[None])["masks"]


def test_weights_in_a_file_beside_come_along(tmp_path: Path) -> None:
    with Session(elsewhere(tmp_path), threads=1) as session:
        assert session.mask_head.startswith("native op")
        found = session.infer(FRAME[None])["masks"]
    (tmp_path / "whole").mkdir()
    np.testing.assert_array_equal(found, masks(save(tmp_path / "whole", op_model.model()), native=True))


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(
    "location", ["missing.data", "../secret.data", "/etc/hostname", "link.data", "pipe.data", "folder", "\x00"]
)
def test_weights_that_are_nowhere_or_out_of_bounds_are_refused(tmp_path: Path, location: str, native: bool) -> None:
    place = tmp_path / "model"
    (place / "folder").mkdir(parents=True)
    (tmp_path / "secret.data").write_bytes(bytes(1 << 16))
    (place / "link.data").symlink_to(tmp_path / "secret.data")
    os.mkfifo(place / "pipe.data")
    with pytest.raises(InputError, match=r"model\.onnx: .* cannot use it .*re-export with: stc-export --ckpt FILE"):
        masks(elsewhere(place, location), native)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(("offset", "length"), [(1 << 40, None), (-1, None), (64, None), (0, 1 << 50)])
def test_weights_beyond_their_file_are_refused(tmp_path: Path, offset: int, length: int | None, native: bool) -> None:
    with pytest.raises(InputError, match=r"model\.onnx: .* cannot use it"):
        masks(elsewhere(tmp_path, offset=offset, length=length), native)


def attribute(name: str, value: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        for each in model.graph.node[-1].attribute:
            if each.name == name:
                each.i = value

    return change


def op_of_text(model: onnx.ModelProto) -> None:
    model.graph.node[-1].attribute[0].CopyFrom(helper.make_attribute("channels", "8"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (attribute("stride", 2**32 + 8), "stride: must be an integer from 1 to 4096; got 4294967304"),
        (attribute("channels", 2**32 + 8), "channels: must be"),
        (attribute("layers", 2**32 + 3), "layers: must be"),
        (attribute("upsample", 2**32 + 2), "upsample: must be"),
        (attribute("upsample", -2), "upsample: must be an integer from 1 to 64; got -2"),
        (attribute("stride", 0), "stride: must be"),
        (op_of_text, "attribute channels is no integer"),
    ],
)
def test_attributes_out_of_range_never_reach_the_native_op(
    tmp_path: Path, change: Callable[[onnx.ModelProto], None], reason: str
) -> None:
    model = op_model.model()
    change(model)
    path = save(tmp_path, model)
    try:
        with Session(path, threads=1) as session:
            assert session.mask_head.startswith("function body (") and reason in session.mask_head
            found = session.infer(FRAME[None])["masks"]
    except InputError as error:  # the graph itself makes no sense to ONNX Runtime
        assert "ONNX Runtime cannot use it" in str(error)
    else:
        np.testing.assert_array_equal(found, masks(path, native=False))


@pytest.mark.parametrize("values", [{"upsample": -1}, {"layers": 0}, {"channels": 2**32}, {"stride": 2.0}])
def test_a_mask_head_takes_only_what_a_kernel_could(values: dict[str, int]) -> None:
    with pytest.raises(InputError, match="stc::DynamicMaskHead: "):
        MaskHead(**values)


def test_features_of_three_dimensions_are_refused() -> None:
    library = find()
    assert isinstance(library, Library)
    nothing = np.zeros((1, 0), np.float32)
    with pytest.raises(InputError, match=r"mask_feats must be \(B, channels, h, w\)"):
        MaskHead()(library, np.zeros((1, 8, 4), np.float32), np.zeros((1, 0, 169), np.float32),
                   np.zeros((1, 0, 2), np.float32), nothing, np.zeros(1, np.int32))  # fmt: skip


def without_masks(model: onnx.ModelProto) -> None:
    kept = [value for value in model.graph.output if value.name != "masks"]
    del model.graph.output[:]
    model.graph.output.extend(kept)


def of_type_77(model: onnx.ModelProto) -> None:
    next(v for v in model.graph.output if v.name == "masks").type.tensor_type.elem_type = 77


def with_four_inputs(model: onnx.ModelProto) -> None:
    del model.graph.node[-1].input[-1]


def of_another_size(model: onnx.ModelProto) -> None:
    """It gives one more set of boxes for each detection, which no declaration says."""
    graph = model.graph
    (maker,) = [node for node in graph.node if "boxes" in node.output]
    maker.output[0] = "one_set"
    for name, value in (("one64", [1]), ("one32", 1)):
        dims, kind = ([1], TensorProto.INT64) if name == "one64" else ([], TensorProto.INT32)
        graph.initializer.append(helper.make_tensor(name, kind, dims, np.atleast_1d(value)))
    graph.node.insert(len(graph.node) - 1, helper.make_node("Add", ["num_detections", "one32"], ["sets32"]))
    graph.node.insert(len(graph.node) - 1, helper.make_node("Cast", ["sets32"], ["sets"], to=TensorProto.INT64))
    graph.node.insert(len(graph.node) - 1, helper.make_node("Concat", ["one64", "sets", "one64"], ["repeats"], axis=0))
    graph.node.insert(len(graph.node) - 1, helper.make_node("Tile", ["one_set", "repeats"], ["boxes"]))


def that_fails_in_a_run(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(helper.make_tensor("far", TensorProto.INT64, [1], [1 << 20]))
    model.graph.node.append(helper.make_node("Gather", ["scores", "far"], ["x"], axis=1))
    model.graph.output.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, None))


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (without_masks, IncompatibleError, "output masks: missing"),
        (of_type_77, InputError, "ONNX Runtime cannot use it"),
        (with_four_inputs, InputError, "ONNX Runtime cannot use it"),
        (
            of_another_size,
            IncompatibleError,
            r"the model gave boxes float32 \(1, 8, 4\) instead of float32 \(B, 4, 4\)",
        ),
        (that_fails_in_a_run, InputError, "ONNX Runtime cannot use it"),
    ],
)
def test_a_graph_that_breaks_the_contract_is_refused(
    tmp_path: Path, change: Callable[[onnx.ModelProto], None], error: type[Exception], message: str, native: bool
) -> None:
    model = op_model.model()
    change(model)
    with pytest.raises(error, match=message):
        masks(save(tmp_path, model), native)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("text", [b"num_detections", b"embeddings", b"stc.passport"])
def test_names_that_are_no_text_are_refused(tmp_path: Path, text: bytes, native: bool) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(op_model.model().SerializeToString().replace(text, b"\xff\xfe" + text[2:]))
    with pytest.raises((InputError, IncompatibleError), match=r"model\.onnx"):
        masks(path, native)


def test_a_passport_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    model = op_model.model()
    helper.set_model_props(model, {"stc.passport": "[" * 100_000})
    with pytest.raises(InputError, match=r"metadata stc\.passport\): unreadable"):
        Session(save(tmp_path, model))


def test_a_model_that_insists_on_a_million_pictures_is_refused(tmp_path: Path) -> None:
    model = op_model.model()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1 << 20
    with pytest.raises(IncompatibleError, match="1048576 pictures at once instead of 1 to 1024"):
        Session(save(tmp_path, model))
