"""From the PyTorch model to one ONNX file with the op `stc::DynamicMaskHead`, its function body, and names to read."""

from __future__ import annotations

import ast
import copy
import json
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import onnx
import torch
from torch import Tensor, nn

from stc.benchmarks.agreement.divergence import STAGE
from stc.export.graph.precision import OPSETS, Precision
from stc.export.sizes import Batch
from stc.model.fold import fold_batch_norms
from stc.model.function_body import DOMAIN, OP, OP_VERSION, PLUGIN_ATTRIBUTES, function_body
from stc.model.islands import Island, enter, islands_entered
from stc.model.layers import widen
from stc.model.network import STC, STCDeploy
from stc.runtime.bundle.passport import METADATA_KEY, Passport

_SCOPES = "pkg.torch.onnx.name_scopes"  # the exporter's note at each node: the modules around it, outermost first
_WRAPPER = "deploy.model."

_DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def name_nodes(model: onnx.ModelProto) -> None:
    """Name every node `module/operation`, such as `backbone.res2.0/relu_1`, and drop the exporter's notes, in place.

    TensorRT calls its layers so, and so do the audit, the range check and parser errors. The notes also hold stack
    traces, with paths of the machine that exported.
    """
    for node in model.graph.node:
        notes = {entry.key: entry.value for entry in node.metadata_props}
        scopes = [str(scope) for scope in ast.literal_eval(notes.get(_SCOPES, "[]"))]
        inside = [scope.removeprefix(_WRAPPER) for scope in scopes[:-1] if scope.startswith(_WRAPPER)]
        own = node.name.removeprefix("node_") or node.output[0]
        node.name = f"{inside[-1]}/{own}" if inside else own
        del node.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]


@dataclass(frozen=True)
class Graph:
    """An exported graph. `staged` has the intermediate tensors as further outputs, `deployed` only those of the
    contract.

    Both are the same nodes and weights: what the comparison runs is what is shipped. `islands`: where it computes in
    float32 whatever its precision, as met while tracing, with the number of activations that each widens.
    """

    staged: onnx.ModelProto
    deployed: onnx.ModelProto
    islands: dict[Island, int]


def trace(model: STC, precision: Precision = "fp32", batch: Batch = Batch()) -> Graph:  # noqa: B008  (frozen)
    """Export `model` (float32) at its input size, with weights and activations of `precision` (not int8).

    A batch that is fixed is fixed in the file; otherwise the first dimension of inputs and outputs is `batch`.
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    fold_batch_norms(model)
    model.to(_DTYPES[precision])
    wrapper = _Staged(STCDeploy(model, mask_head=_mask_head_node)).eval()
    height, width = model.config.input_size
    frames = torch.zeros(batch.fixed or 2, height, width, 3, dtype=torch.uint8)  # 1 would be taken for a constant
    with torch.no_grad(), islands_entered() as islands:
        names = list(wrapper(frames))

    with warnings.catch_warnings(), _quiet("torch.onnx", "onnxscript", "onnx_ir"):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            wrapper,
            (frames,),
            dynamo=True,
            opset_version=OPSETS[precision],
            input_names=["frames"],
            output_names=names,
            dynamic_shapes=None if batch.fixed else ({0: torch.export.Dim("batch", min=1)},),
            verbose=False,
        )
    assert program is not None
    staged = program.model_proto
    name_nodes(staged)
    head = model.config.mask_head
    staged.functions.append(function_body(head["channels"], head["layers"], head["upsample"], OPSETS[precision]))
    return graph_of(staged, islands)


def graph_of(staged: onnx.ModelProto, islands: Mapping[Island, int] | None = None) -> Graph:
    """Both forms of a graph, from the one with all outputs."""
    deployed = copy.deepcopy(staged)
    del deployed.graph.output[:]
    deployed.graph.output.extend(o for o in staged.graph.output if not o.name.startswith(STAGE))
    onnx.checker.check_model(deployed, full_check=True)
    return Graph(staged, deployed, dict(islands or {}))


def with_passport(model: onnx.ModelProto, passport: Passport) -> onnx.ModelProto:
    """A copy of `model` whose metadata holds the passport, so that a lone file still says how to feed it."""
    stamped = copy.deepcopy(model)
    onnx.helper.set_model_props(stamped, {METADATA_KEY: json.dumps(passport.metadata())})
    stamped.producer_name = "stc"
    stamped.producer_version = passport.tools.get("stc", "")
    return stamped


class _Staged(nn.Module):
    def __init__(self, deploy: STCDeploy) -> None:
        super().__init__()
        self.deploy = deploy

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        stages, outputs = self.deploy.trace(frames)
        return {**outputs, **{STAGE + name: value for name, value in stages.items()}}


def _mask_head_node(
    mask_feats: Tensor,
    params: Tensor,
    locations: Tensor,
    sizes: Tensor,
    count: Tensor,
    *,
    channels: int,
    layers: int,
    stride: int,
    upsample: int,
) -> Tensor:
    """The op as one node of the exported graph; it computes nothing here. It has no bfloat16."""
    enter("dynamic_mask_head")  # the op widens what it reads by itself
    if mask_feats.dtype == torch.bfloat16:
        mask_feats, params = widen(mask_feats, "dynamic_mask_head"), widen(params, "dynamic_mask_head")
    batch, _, height, width = mask_feats.shape
    node: Tensor = torch.onnx.ops.symbolic(
        f"{DOMAIN}::{OP}",
        [mask_feats, params, locations, sizes, count],
        {"channels": channels, "layers": layers, "stride": stride, "upsample": upsample, **PLUGIN_ATTRIBUTES},
        dtype=mask_feats.dtype,
        shape=(batch, params.shape[1], height * upsample, width * upsample),
        version=OP_VERSION,
    )
    return node


class _quiet:  # noqa: N801  (a context manager, used like contextlib's)
    """Keep the exporter's progress chatter out of our output; errors still come as exceptions."""

    def __init__(self, *names: str) -> None:
        self.loggers = [logging.getLogger(name) for name in names]

    def __enter__(self) -> None:
        self.levels = [logger.level for logger in self.loggers]
        for logger in self.loggers:
            logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        for logger, level in zip(self.loggers, self.levels, strict=True):
            logger.setLevel(level)
