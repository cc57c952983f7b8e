"""From the PyTorch model to one ONNX file with the op `stc::DynamicMaskHead`, its function body, and names to read."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass

import onnx
import torch
from torch import Tensor, nn

from stc.benchmarks.agreement.divergence import STAGE
from stc.export.graph import free_size
from stc.export.graph.precision import OPSETS, Precision
from stc.export.graph.program import batch_dimension, pictures, program_of, staged
from stc.export.sizes import Batch
from stc.model.fold import fold_batch_norms
from stc.model.function_body import DOMAIN, OP, OP_VERSION, PLUGIN_ATTRIBUTES, function_body
from stc.model.islands import Island, enter, islands_entered
from stc.model.kept.rewrite import KeptSTC
from stc.model.layers import widen
from stc.model.network import STC, STCDeploy
from stc.runtime.bundle.passport import METADATA_KEY, Passport

_DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Graph:
    """An exported graph. `staged` has the intermediate tensors as further outputs, `deployed` only those of the
    contract.

    Both are the same nodes and weights: what the comparison runs is what is shipped. `islands`: where it computes in
    float32 whatever its precision, as met while tracing, with the number of activations that each widens.
    """

    staged: onnx.ModelProto
    islands: dict[Island, int]

    @property
    def deployed(self) -> onnx.ModelProto:
        """A copy: all weights, so not kept."""
        deployed = copy.deepcopy(self.staged)
        del deployed.graph.output[:]
        deployed.graph.output.extend(o for o in self.staged.graph.output if not o.name.startswith(STAGE))
        return deployed


def trace(model: STC, precision: Precision = "fp32", batch: Batch = Batch()) -> Graph:  # noqa: B008  (frozen)
    """Export `model` (float32), with weights and activations of `precision` (not int8).

    At its input size, or, with `shortest_edge`, for frames of any height and width from `free_size.LEAST` on. A batch
    that is fixed is fixed in the file; otherwise the first dimension of inputs and outputs is `batch`.
    """
    network = KeptSTC(copy.deepcopy(model).eval().requires_grad_(False))
    fold_batch_norms(network)
    network.to(_DTYPES[precision])
    deploy = STCDeploy(network, mask_head=_mask_head_node).eval()
    opset = OPSETS[precision]
    with islands_entered() as islands:
        if model.config.shortest_edge is None:
            frames = torch.zeros(pictures(batch), *model.config.input_size, 3, dtype=torch.uint8)
            program = program_of(_Staged(deploy), {"frames": frames}, [batch_dimension(batch)], opset)
        else:
            program = free_size.program(deploy, batch, opset)
    head = model.config.mask_head
    program.functions.append(function_body(head["channels"], head["layers"], head["upsample"], opset))
    return graph_of(program, islands)


def graph_of(staged: onnx.ModelProto, islands: Mapping[Island, int] | None = None) -> Graph:
    """Both forms of a graph, checked, from the one with all outputs."""
    graph = Graph(staged, dict(islands or {}))
    onnx.checker.check_model(graph.deployed, full_check=True)
    return graph


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
        return staged(*self.deploy.trace(frames))


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
