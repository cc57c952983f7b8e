"""The op `stc::DynamicMaskHead`: its name and its attributes, as a node of a graph gives them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from stc.errors import InputError
from stc.runtime import schema

DOMAIN, OP = "stc", "DynamicMaskHead"
FOR_TENSORRT = ("plugin_version", "plugin_namespace", "aot")  # attributes of the node that TensorRT's parser reads
_INT = 2  # onnx.AttributeProto.INT


@dataclass(frozen=True)
class Attributes:
    """`channels` of features, `layers` of each instance's network, `stride` in input pixels per cell, `upsample` times
    finer masks. Raises InputError for one that is no integer or out of range: ONNX has 64 bits, kernels and plugins
    take 32, and nothing beyond these limits may reach them.
    """

    channels: Annotated[int, schema.integer(1, 1024)] = 8
    layers: Annotated[int, schema.integer(1, 64)] = 3
    stride: Annotated[int, schema.integer(1, 4096)] = 8
    upsample: Annotated[int, schema.integer(1, 64)] = 2

    def __post_init__(self) -> None:
        if wrong := schema.problems(vars(self), FIELDS):
            raise InputError(f"{DOMAIN}::{OP}: {schema.sentence(wrong)}")

    @cached_property
    def parameters(self) -> int:
        """Length of `params` per instance."""
        return sum(part_sizes(self.channels, self.layers))


FIELDS = schema.table(Attributes)


def layer_channels(channels: int, layers: int) -> list[tuple[int, int]]:
    """Inputs and outputs of each layer of an instance's network; the first also reads x and y."""
    wide = [channels] * (layers - 1)
    return list(zip([channels + 2, *wide], [*wide, 1], strict=True))


def part_sizes(channels: int, layers: int) -> list[int]:
    """Lengths of the parts of `params`: the weights of each layer, then the biases of each."""
    each = layer_channels(channels, layers)
    return [inputs * outputs for inputs, outputs in each] + [outputs for _, outputs in each]


def attributes(node: Any) -> dict[str, int]:
    """Of an `onnx.NodeProto` of the op, without those for TensorRT.

    Raises InputError for one that this version does not know or that is no integer.
    """
    found = {}
    for attribute in node.attribute:
        if attribute.name in FOR_TENSORRT:
            continue
        if attribute.name not in FIELDS:
            raise InputError(f"the op has an attribute that this version does not know ({attribute.name[:60]})")
        if attribute.type != _INT:
            raise InputError(f"the op's attribute {attribute.name} is no integer")
        found[attribute.name] = int(attribute.i)
    return found
