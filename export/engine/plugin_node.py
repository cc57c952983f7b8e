"""The op's node as TensorRT's parser must see it, where a plugin computes it; it names the plugin as it is exported."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from stc.errors import InputError
from stc.model.function_body import DOMAIN, OP


@dataclass(frozen=True)
class Attributes:
    """Of a node `stc::DynamicMaskHead`."""

    channels: int
    layers: int
    stride: int
    upsample: int


def attributes(model: onnx.ModelProto, source: str) -> Attributes:
    """Of the one node of the op in `model`. Raises InputError when there is none, or more than one."""
    nodes = _nodes(model)
    if len(nodes) != 1:
        raise InputError(f"{source}: {len(nodes)} nodes {DOMAIN}::{OP}, expected 1; re-export with: stc-export --ckpt")
    values = {attribute.name: attribute.i for attribute in nodes[0].attribute}
    return Attributes(**{name: values[name] for name in Attributes.__dataclass_fields__})


def for_plugin(model: onnx.ModelProto, *, ahead_of_time: bool) -> bytes:
    """`model`, serialised, without the op's function body.

    Without the body a plugin that is missing is a parser error, not a silent change of route. ahead_of_time: the
    plugin is the kernel of `embed.py`, not a library's.
    """
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    kept = [function for function in bare.functions if (function.domain, function.name) != (DOMAIN, OP)]
    del bare.functions[:]
    bare.functions.extend(kept)
    if ahead_of_time:
        for node in _nodes(bare):
            node.attribute.append(onnx.helper.make_attribute("aot", 1))
    content: bytes = bare.SerializeToString()
    return content


def _nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if (node.domain, node.op_type) == (DOMAIN, OP)]
