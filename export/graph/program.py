"""PyTorch modules written as ONNX graphs by PyTorch's own exporter."""

from __future__ import annotations

import ast
import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from stc.benchmarks.agreement.divergence import STAGE
from stc.export.sizes import Batch
from stc.model.islands import islands_entered
from stc.signals import finished_first

_SCOPES = "pkg.torch.onnx.name_scopes"  # the exporter's note at each node: the modules around it, outermost first
_WRAPPER = "deploy.model."


def program_of(
    module: nn.Module, inputs: Mapping[str, Tensor], free: Sequence[Mapping[int, Any]], opset: int
) -> onnx.ModelProto:
    """The graph of `module`, which gives tensors by name; its nodes are named by their places.

    inputs: what it is traced with, in its own order. free: per input, the dimensions that may be of any size, by
    index.
    """
    with torch.no_grad():
        names = list(module(*inputs.values()))
    # The exporter runs the module several times; what it enters was noted in the run above.
    # An exception between its Python and its C++, which a signal would raise, aborts the process: a signal waits.
    with warnings.catch_warnings(), _quiet("torch.onnx", "onnxscript", "onnx_ir"), islands_entered(), finished_first():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            dynamo=True,
            opset_version=opset,
            input_names=list(inputs),
            output_names=names,
            dynamic_shapes=tuple(dict(dimensions) for dimensions in free) if any(free) else None,
            verbose=False,
        )
    assert program is not None
    graph = program.model_proto  # a new one each time
    _name_nodes(graph)
    return graph


def staged(stages: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All outputs of a graph that shows its intermediate tensors."""
    return {**outputs, **{STAGE + name: value for name, value in stages.items()}}


def pictures(batch: Batch) -> int:
    """How many pictures to trace with: a free number is traced as 2, because 1 would be taken for a constant."""
    return batch.fixed or 2


def batch_dimension(batch: Batch) -> dict[int, Any]:
    return {} if batch.fixed else {0: torch.export.Dim("batch", min=1)}


def _name_nodes(model: onnx.ModelProto) -> None:
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
