"""Names of nodes that people can read: where in the model a node comes from."""

from __future__ import annotations

import ast

import onnx

_SCOPES = "pkg.torch.onnx.name_scopes"  # the exporter's note at each node: the modules around it, outermost first
_WRAPPER = "deploy.model."


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
