"""docs/graph.md, the contract that integrators read, against the contract that the runtime checks and real graphs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import onnx
import pytest

from stc.model.config import R50, STC_LITE, ModelConfig
from stc.model.decode_rules import DecodeRule, decode_rule, with_decode_rule
from stc.runtime.bundle import contract
from stc.runtime.bundle.contract import TensorSpec
from stc.runtime.bundle.passport import Passport
from tests.runtime import tiny_model

if TYPE_CHECKING:
    from stc.export.graph.precision import Precision

PAGE = Path("docs/graph.md").read_text()


def rows(first_column: str) -> list[list[str]]:
    """The cells of the table whose head begins with `first_column`, without the head."""
    table = re.search(rf"^\| {first_column} \|.*\n\|[- |]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert table, first_column
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


def stated(passport: Passport) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
    """Inputs and outputs as the page has them, its letters filled in from `passport` as it says."""
    fields = {letters: re.findall(r"`(\w+)`", field) for letters, _, field in rows("letter")}
    assert fields == {
        "B": [],
        "H, W": ["input_size", "shortest_edge"],
        "K": ["max_detections"],
        "D": ["embedding_dim"],
        "C": ["appearance_dim"],
        "Hm, Wm": ["padded_size", "mask_stride"],
    }
    (height, width), padded = passport.input_size, passport.padded_size
    sizes: dict[str, int | None] = {
        "C": passport.appearance_dim,
        **{"B": None, "H": height, "W": width, "K": passport.max_detections, "D": passport.embedding_dim},
        **{"Hm": padded[0] // passport.mask_stride, "Wm": padded[1] // passport.mask_stride},
    }
    if passport.shortest_edge is not None:
        sizes |= dict.fromkeys(("H", "W", "Hm", "Wm"))
    inputs, outputs = {}, {}
    for name, kinds, shape, _ in rows("name"):
        dims = tuple(sizes[dim] if dim in sizes else int(dim) for dim in shape.strip("()").split(", "))
        side = inputs if name.endswith("(in)") else outputs
        side[name.split("`")[1]] = TensorSpec(tuple(kinds.split(", ")), dims)
    if not passport.embedding_dim:
        del outputs["embeddings"]
    if not passport.appearance_dim:
        del outputs["appearance"]
    return inputs, outputs


def of_graph(model: onnx.ModelProto) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
    def specs(values: Any) -> dict[str, TensorSpec]:
        return {
            value.name: TensorSpec(
                (onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name,),
                tuple(None if dim.dim_param else dim.dim_value for dim in value.type.tensor_type.shape.dim),
            )
            for value in values
        }

    return specs(model.graph.input), specs(model.graph.output)


@pytest.mark.parametrize(
    "changes",
    [{}, {"embedding_dim": 0, "mask_stride": 8}, {"shortest_edge": (60, 107)}],
    ids=["tracked", "untracked", "any-size"],
)
def test_the_page_is_the_contract_that_the_runtime_checks(changes: dict[str, Any]) -> None:
    passport = replace(tiny_model.PASSPORT, **changes)
    inputs, outputs = stated(passport)
    assert inputs == {contract.INPUT: contract.input_spec(passport)}
    assert outputs == contract.output_specs(passport)


def test_the_tiny_model_of_the_tests_keeps_it() -> None:
    inputs, outputs = stated(tiny_model.PASSPORT)
    kept = {name: replace(spec, dtypes=spec.dtypes[:1]) for name, spec in outputs.items()}  # it is a float32 graph
    assert of_graph(tiny_model.model()) == (inputs, kept)
    any_size = replace(tiny_model.PASSPORT, shortest_edge=(60, 107))
    inputs, outputs = stated(any_size)
    kept = {name: replace(spec, dtypes=spec.dtypes[:1]) for name, spec in outputs.items()}
    assert of_graph(tiny_model.model(any_size)) == (inputs, kept)


def test_padding_and_empty_rows_are_those_of_the_model() -> None:
    assert "rounded up to multiples of 32" in PAGE
    assert ModelConfig(input_size=(360, 640)).padded_size == (384, 640)
    assert "are 0 (labels -1)" in PAGE
    assert contract.FILL == {"labels": -1}
    assert f"unrolled: {R50.nms_steps} times" in PAGE


@pytest.mark.parametrize("rule", get_args(DecodeRule))
def test_what_the_page_says_of_the_decode_rule_is_in_the_config(rule: DecodeRule) -> None:
    (scores, boxes, stride), config = {cells[0].strip("`"): cells[1:] for cells in rows("decode rule")}[rule], R50
    config = with_decode_rule(config, rule)
    assert scores == {"sqrt": "square root of class x centerness", "product": "class x centerness"}[config.score_form]
    assert boxes.startswith("clipped to the input" if config.clip_boxes else "as predicted")
    assert ("none is empty" in boxes) == config.drop_empty_boxes
    assert int(stride) == config.mask_out_stride
    assert decode_rule(STC_LITE) == rows("decode rule")[0][0].strip("`")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "precision", "free"), [("adelaidet", "fp32", True), ("mmdet3", "fp16", False), ("mmdet-pr", "fp32", False)]
)
def test_an_exported_graph_is_what_the_page_says(rule: DecodeRule, precision: Precision, free: bool) -> None:
    from stc.export.graph.graph import trace
    from stc.export.sizes import Batch
    from stc.model.checkpoint.load import Checkpoint
    from stc.model.checkpoint.passport import passport_of
    from stc.model.network import STC

    config = with_decode_rule(STC_LITE, rule).with_(input_size=(100, 128), pre_nms_topk=64, max_detections=20)
    passport = passport_of(Checkpoint(STC(config), config, "stc", "", {}), "seeded.pth", "seeded")
    inputs, outputs = stated(passport)
    outputs["masks"] = replace(outputs["masks"], dtypes=("float16",) if precision == "fp16" else ("float32",))
    if not free:
        for side in (inputs, outputs):
            side |= {name: replace(spec, shape=(1, *spec.shape[1:])) for name, spec in side.items()}
    assert of_graph(trace(STC(config), precision, Batch(1, 2, 4) if free else Batch()).deployed) == (inputs, outputs)
