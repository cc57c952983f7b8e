"""The op's node as TensorRT's parser must see it, where a plugin computes it; it names the plugin as it is exported."""

from __future__ import annotations

import onnx

from stc.errors import InputError
from stc.runtime import mask_head_op
from stc.runtime.bundle.passport import FIX
from stc.runtime.mask_head_op import DOMAIN, OP, Attributes


def attributes(model: onnx.ModelProto, source: str) -> Attributes:
    """Of the one node of the op in `model`. Raises InputError for none, several, or odd attributes."""
    nodes = _nodes(model)
    if len(nodes) != 1:
        raise InputError(f"{source}: {len(nodes)} nodes {DOMAIN}::{OP}, expected 1; {FIX}")
    try:
        return Attributes(**mask_head_op.attributes(nodes[0]))
    except InputError as error:
        raise InputError(f"{source}: {error}; {FIX}") from error


def for_plugin(model: onnx.ModelProto, *, ahead_of_time: bool) -> bytes:
    """`model`, serialised, without the op's function body.

    Without the body a plugin that is missing is a parser error, not a silent change of route. ahead_of_time: the
    plugin is the kernel of `embed.py`, not a library's; it has no attributes.
    """
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    kept = [function for function in bare.functions if (function.domain, function.name) != (DOMAIN, OP)]
    del bare.functions[:]
    bare.functions.extend(kept)
    if ahead_of_time:
        for node in _nodes(bare):
            left = [attribute for attribute in node.attribute if attribute.name not in mask_head_op.FIELDS]
            del node.attribute[:]
            node.attribute.extend(left)
            node.attribute.append(onnx.helper.make_attribute("aot", 1))
    content: bytes = bare.SerializeToString()
    return content


def _nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if (node.domain, node.op_type) == (DOMAIN, OP)]
