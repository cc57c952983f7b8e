"""config.pbtxt, read by Triton's own schema (it is in tritonclient)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from stc.export.sizes import Batch
from stc.export.triton.config import Platform, config
from stc.runtime.bundle import passport
from stc.runtime.bundle.contract import INPUT, TensorSpec, input_spec, output_specs
from tests.runtime.tiny_model import PASSPORT


def parsed(batch: Batch, *, free: bool = True, platform: Platform = "tensorrt_plan", **changes: Any) -> Any:
    """The configuration of a model whose tensors are those of the contract, the batch free or fixed in the file."""
    known = replace(PASSPORT, **changes)

    def with_batch(spec: TensorSpec) -> TensorSpec:
        return replace(spec, dtypes=spec.dtypes[:1], shape=(None if free else batch.fixed, *spec.shape[1:]))

    outputs = {name: with_batch(spec) for name, spec in output_specs(known).items()}
    text = config("tiny", platform, {INPUT: with_batch(input_spec(known))}, outputs, batch, known)
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def dims(tensors: Any) -> dict[str, list[int]]:
    return {tensor.name: list(tensor.dims) for tensor in tensors}


def test_a_fixed_batch_is_part_of_the_shapes() -> None:
    read = parsed(Batch(4, 4, 4), free=False)
    assert read.max_batch_size == 0
    assert not read.HasField("dynamic_batching")
    assert dims(read.input) == {"frames": [4, 60, 96, 3]}
    assert dims(read.output) == {
        "num_detections": [4],
        "boxes": [4, 4, 4],
        "scores": [4, 4],
        "labels": [4, 4],
        "masks": [4, 4, 16, 24],
        "embeddings": [4, 4, 8],
    }


def test_a_free_batch_from_one_on_is_made_by_the_server() -> None:
    read = parsed(Batch(1, 4, 8))
    assert read.max_batch_size == 8
    assert list(read.dynamic_batching.preferred_batch_size) == [4]
    assert dims(read.input) == {"frames": [60, 96, 3]}
    count = next(output for output in read.output if output.name == "num_detections")
    assert list(count.dims) == [1] and count.HasField("reshape") and not count.reshape.shape
    assert not any(
        output.HasField("reshape") for output in read.output if output is not count and output.name != "num_detections"
    )


def test_a_range_above_one_is_the_clients_affair() -> None:
    read = parsed(Batch(2, 4, 8))
    assert read.max_batch_size == 0
    assert dims(read.input) == {"frames": [-1, 60, 96, 3]}
    assert dims(read.output)["num_detections"] == [-1]


def test_an_engine_of_one_size_from_a_graph_of_any() -> None:
    assert dims(parsed(Batch(4, 4, 4)).input) == {"frames": [4, 60, 96, 3]}


@pytest.mark.parametrize(("platform", "kind"), [("tensorrt_plan", "KIND_GPU"), ("onnxruntime_onnx", "KIND_CPU")])
def test_who_runs_it_where(platform: Platform, kind: str) -> None:
    read = parsed(Batch(), platform=platform)
    assert read.platform == platform
    (group,) = read.instance_group
    assert (group.count, model_config_pb2.ModelInstanceGroup.Kind.Name(group.kind)) == (1, kind)


def test_the_passport_survives_the_text_format() -> None:
    """With what protobuf text has to escape."""
    names = ('tab\there "quoted"', "back\\slash", "Größe\n")
    text = parsed(Batch(), classes=names).parameters["stc.passport"].string_value
    assert passport.parse(text, "config.pbtxt").classes == names
