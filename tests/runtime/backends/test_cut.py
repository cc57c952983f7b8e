"""The graph cut at the dynamic mask head: the same outputs as the whole graph, or a reason why it was not cut."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from stc.errors import IncompatibleError, Missing
from stc.files import sha256
from stc.model.function_body import DOMAIN, OP, function_body
from stc.runtime import Session
from stc.runtime.backends import cut_graph
from stc.runtime.backends.cut import Cut, Whole, cut
from stc.runtime.backends.onnxruntime import OnnxRuntimeBackend
from stc.runtime.bundle import passport as passports
from stc.runtime.native.library import Library, find
from tests.runtime import op_model, tiny_model

K, H, W = 4, 6, 9


@pytest.fixture(scope="module")
def library() -> Library:
    found = find()
    assert isinstance(found, Library), found
    return found.with_threads(2)


def graph(storage: int = TensorProto.FLOAT, *, channels: int = 8, **attributes: int) -> onnx.ModelProto:
    """`frames` (B, H, W, 3) to the op's inputs and masks: K instances, of which as many are valid as a frame's first
    pixel says. The op's `count` is an output of its own too, as in an exported graph.
    """
    half = storage == TensorProto.FLOAT16
    dtype = np.float16 if half else np.float32
    rng = np.random.default_rng(0)
    parameters = (channels + 2) * channels + channels**2 + channels + 2 * channels + 1
    constants = {
        "mix": rng.standard_normal((3, channels)).astype(dtype) / 100,
        "all_params": rng.standard_normal((1, K, parameters)).astype(dtype),
        "all_locations": rng.uniform(0, 72, (1, K, 2)).astype(np.float32),
        "all_sizes": np.full((1, K), 64, np.float32),
        "corner": np.array([0, 0, 0]),
        "corner_end": np.array([1, 1, 1]),
        "axes": np.array([1, 2, 3]),
        "inner": np.array([1, 2, 3]),
        "one": np.array([1]),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["frames"], ["pixels"], to=storage),
        node("MatMul", ["pixels", "mix"], ["mixed"]),
        node("Transpose", ["mixed"], ["mask_feats"], perm=[0, 3, 1, 2]),
        node("Slice", ["frames", "corner", "corner_end", "axes"], ["first"]),
        node("Squeeze", ["first", "inner"], ["first_value"]),
        node("Cast", ["first_value"], ["num_detections"], to=TensorProto.INT32),
        node("Shape", ["num_detections"], ["batch"]),
        *(_expanded(name, rank) for name, rank in (("params", 3), ("locations", 3), ("sizes", 2))),
        node(
            OP, ["mask_feats", "params", "locations", "sizes", "num_detections"], ["masks"], domain=DOMAIN,
            **{"channels": channels, "layers": 3, "stride": 8, "upsample": 2, **attributes},
        ),
    ]  # fmt: skip
    return helper.make_model(
        helper.make_graph(
            [n for group in nodes for n in (group if isinstance(group, list) else [group])],
            "cut",
            [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["B", H, W, 3])],
            [
                helper.make_tensor_value_info("num_detections", TensorProto.INT32, ["B"]),
                helper.make_tensor_value_info("masks", storage, ["B", K, 2 * H, 2 * W]),
            ],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        functions=[function_body(channels, 3, 2, 18)],
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)],
        ir_version=9,
    )


def _expanded(name: str, rank: int) -> list[onnx.NodeProto]:
    """`name` for every frame of the batch, from one."""
    ones = [f"{name}_one{axis}" for axis in range(1, rank)]
    constants = [helper.make_node("Identity", ["one"], [one]) for one in ones]
    return [
        *constants,
        helper.make_node("Concat", ["batch", *ones], [f"{name}_shape"], axis=0),
        helper.make_node("Expand", [f"all_{name}", f"{name}_shape"], [name]),
    ]


def save(model: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def frames(*counts: int) -> NDArray[np.uint8]:
    values = np.random.default_rng(1).integers(0, 255, (len(counts), H, W, 3), np.uint8)
    values[:, 0, 0, 0] = counts
    return values


@pytest.mark.parametrize(
    ("storage", "tolerance"),
    # float32: as test_native_mask_head.py. float16: two roundings of 2^-11, perhaps to either side of a tie.
    [(TensorProto.FLOAT, 1e-5), (TensorProto.FLOAT16, 2.0**-10 + 1e-5)],
)
def test_outputs_are_those_of_the_whole_graph(tmp_path: Path, library: Library, storage: int, tolerance: float) -> None:
    path = save(graph(storage), tmp_path)
    whole = OnnxRuntimeBackend(path, threads=1)
    backend = OnnxRuntimeBackend(path, threads=1, native=library)
    assert backend.mask_head == f"native op ({library.kernels}, threads: 2)"
    assert backend.outputs == whole.outputs and backend.inputs == whole.inputs
    for counts in ((0,), (1,), (K,), (3, 0, 2)):
        expected, found = whole.run(frames(*counts)), backend.run(frames(*counts))
        assert set(found) == set(expected) == {"num_detections", "masks"}
        assert found["masks"].dtype == expected["masks"].dtype
        np.testing.assert_array_equal(found["num_detections"], counts)
        np.testing.assert_allclose(found["masks"].astype(np.float64), expected["masks"], atol=tolerance)
        for image, count in enumerate(counts):
            assert not found["masks"][image, count:].any()


def test_the_rest_has_no_trace_of_the_op(tmp_path: Path, library: Library) -> None:
    rest = cut(save(graph(), tmp_path), library)
    assert isinstance(rest, Cut)
    model = onnx.load_from_string(rest.model)
    assert not model.functions and all(node.domain != DOMAIN for node in model.graph.node)
    assert {value.name for value in model.graph.output} == {
        "num_detections", "mask_feats", "params", "locations", "sizes",
    }  # fmt: skip
    assert rest.internal == {"mask_feats", "params", "locations", "sizes"}
    onnxruntime.InferenceSession(rest.model, providers=["CPUExecutionProvider"])


def reason(path: Path, library: Library) -> str:
    whole = cut(path, library)
    assert isinstance(whole, Whole)
    assert str(whole) == f"function body ({whole.reason})"
    return whole.reason


def test_a_graph_without_the_op_is_left_whole(bundle: Path, library: Library) -> None:
    assert "does not end in one stc::DynamicMaskHead" in reason(bundle / "model.onnx", library)
    backend = OnnxRuntimeBackend(bundle / "model.onnx", threads=1, native=library)
    assert backend.run(tiny_model.frame()[None])["num_detections"].tolist() == [0]


def test_a_graph_that_goes_on_after_the_op_is_left_whole(tmp_path: Path, library: Library) -> None:
    model = graph()
    model.graph.node.append(helper.make_node("ReduceMax", ["masks"], ["peak"]))
    model.graph.output.append(helper.make_tensor_value_info("peak", TensorProto.FLOAT, None))
    assert "does not end in one" in reason(save(model, tmp_path), library)


def test_an_unknown_attribute_leaves_the_graph_whole(tmp_path: Path, library: Library) -> None:
    assert "attribute that this version does not know" in reason(save(graph(dilation=2), tmp_path), library)


def test_a_network_without_a_kernel_leaves_the_graph_whole(tmp_path: Path, library: Library) -> None:
    path = save(graph(channels=5), tmp_path)
    assert "no kernel for MaskHead(channels=5" in reason(path, library)
    assert OnnxRuntimeBackend(path, threads=1, native=library).run(frames(2))["masks"][0, :2].any()


def test_a_file_that_onnx_cannot_read_is_left_to_the_engine(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert "cannot read the file" in reason(path, library)


def test_without_the_onnx_package_the_function_body_serves(
    tmp_path: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(graph(), tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)  # importing it fails
    backend = OnnxRuntimeBackend(path, threads=1, native=library)
    assert backend.mask_head == ("function body (the onnx package is not installed; fix: pip install 'stc-trt[cpu]')")
    assert backend.run(frames(2))["masks"][0, :2].any()


def test_without_the_library_the_function_body_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = OnnxRuntimeBackend(save(graph(), tmp_path), threads=1, native=Missing("no compiler"))
    assert backend.mask_head == "function body (no compiler)"
    assert backend.run(frames(2))["masks"][0, :2].any()


@pytest.fixture
def with_rest(tmp_path: Path) -> Path:
    """A bundle as the exporter writes it: the graph without the op beside the whole."""
    folder = tiny_model.write_bundle(tmp_path / "bundle", built=op_model.model())
    content, record = cut_graph.beside((folder / "model.onnx").read_bytes(), "model.onnx")
    (folder / record.file).write_bytes(content)
    files = {name: sha256(folder / name) for name in ("model.onnx", record.file)}
    replace(tiny_model.PASSPORT, files=files, cuts={"model.onnx": record.to_dict()}).write(folder)
    return folder


def test_the_rest_that_stands_beside_a_model_needs_no_onnx_package(
    with_rest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = tiny_model.frame((0, (8, 12, 40, 44)))[None]
    expected = Session(with_rest, threads=1, native=False).infer(picture)
    assert (with_rest / "model-cut.onnx").stat().st_size < (with_rest / "model.onnx").stat().st_size / 2
    monkeypatch.setitem(sys.modules, "onnx", None)  # importing it fails
    session = Session(with_rest, threads=1)
    assert session.mask_head.startswith("native op")
    for name, value in session.infer(picture).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)


def test_a_rest_that_is_not_here_is_made_and_one_that_was_altered_is_refused(with_rest: Path) -> None:
    rest = with_rest / "model-cut.onnx"
    content = rest.read_bytes()
    rest.unlink()  # as of a bundle of an older version
    assert Session(with_rest, threads=1).mask_head.startswith("native op")
    rest.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(IncompatibleError, match=r"model-cut\.onnx: sha256"):
        Session(with_rest, threads=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("file", "../a.onnx"),
        ("tensors", ["a"]),
        ("dtype", "int8"),
        ("attributes", {"channels": "8"}),
        ("shape", []),
    ],
)
def test_a_record_that_no_export_wrote_is_refused(with_rest: Path, field: str, value: Any) -> None:
    found = passports.read(with_rest)
    replace(found, cuts={"model.onnx": {**found.cuts["model.onnx"], field: value}}).write(with_rest)
    with pytest.raises(IncompatibleError, match=rf"cuts\.model\.onnx\.{field}"):
        Session(with_rest, threads=1)


@pytest.mark.parametrize("native", [True, False])
def test_a_session_says_what_computes_the_masks(bundle: Path, native: bool) -> None:
    session: Any = Session(bundle, threads=1, native=native)
    assert session.mask_head.startswith("function body (")
    assert ("native=False" in session.mask_head) is not native
    assert (session.native is not None) is native
