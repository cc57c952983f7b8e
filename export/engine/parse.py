"""ONNX bytes -> TensorRT's network, or one message that says which nodes it cannot read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx

from stc.boundary import foreign
from stc.errors import IncompatibleError, InputError
from stc.export.engine import audit, embed
from stc.export.engine.plugin_node import attributes, for_plugin
from stc.export.engine.toolchain import Toolchain
from stc.runtime.backends.tensorrt.engine import collector
from stc.runtime.bundle import passport as passports
from stc.runtime.machine import plugin as plugins
from stc.runtime.machine.plugin import Plugin

_SHOWN = 5


@dataclass(frozen=True)
class Parsed:
    """A network and what must live as long: the parser holds its weights."""

    builder: Any
    network: Any
    parser: Any


def parse(model: bytes, source: str, toolchain: Toolchain, plugin: Plugin | embed.EmbeddedKernel | None) -> Parsed:
    """Parse the ONNX file `source`, whose content is `model`; `plugin` computes the op, None: its function body does.

    Raises InputError for what is no model of ours, IncompatibleError when this TensorRT cannot start here, cannot
    load the plugin, or cannot parse the model.
    """
    proto = load(model, source)
    head = attributes(proto, source)
    module = toolchain.module
    log = collector(module)
    log.clear()
    builder = start_builder(toolchain, log)
    if isinstance(plugin, Plugin):
        plugins.load(plugin, module.get_plugin_registry())
        model = for_plugin(proto, ahead_of_time=False)
    elif isinstance(plugin, embed.EmbeddedKernel):
        embed.register(module, plugin, head)
        model = for_plugin(proto, ahead_of_time=True)

    network = builder.create_network(toolchain.network_flags)
    parser = module.OnnxParser(network, log)
    if not parser.parse(model):
        raise IncompatibleError(f"{source}: {toolchain.title} cannot parse it: {_errors(parser, log)}")
    found, expected = audit.plugins(network), 0 if plugin is None else 1
    if found != expected:
        raise IncompatibleError(f"{source}: parsed to {found} plugin layers, expected {expected} ({toolchain.title})")
    return Parsed(builder, network, parser)


def load(model: bytes, source: str) -> onnx.ModelProto:
    """Decode `model`. Raises InputError for what is no ONNX file, or an empty one."""
    with foreign("the onnx package", source, passports.FIX):
        proto = onnx.load_model_from_string(model)
    if not proto.graph.node:
        raise InputError(f"{source}: an ONNX file without nodes; {passports.FIX}")
    return proto


def start_builder(toolchain: Toolchain, log: Any) -> Any:
    """TensorRT's `Builder`. Raises IncompatibleError where it cannot start, as TensorRT cannot without a driver."""
    try:
        return toolchain.module.Builder(log)
    except (TypeError, RuntimeError) as error:  # the bindings' word for a null pointer
        raise IncompatibleError(
            f"{toolchain.title} cannot build on this machine ({log.errors() or error}): it needs an NVIDIA GPU and its "
            "driver; build on the target, or here with: --trt rtx, or leave the engine out with: --trt none"
        ) from error


def _errors(parser: Any, log: Any) -> str:
    """TensorRT's errors on one line, each with the name and the operator of its node."""
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    lines = [f"node {e.node_name()!r} ({e.node_operator()}): {' '.join(e.desc().split())}" for e in errors[:_SHOWN]]
    hidden = len(errors) - _SHOWN
    return "; ".join([*lines, *([f"and {hidden} errors more"] if hidden > 0 else [])]) or log.errors()
