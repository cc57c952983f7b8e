"""ONNX bytes -> the bytes of a TensorRT plan with the proof of its precision, and what came of it in words."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stc.errors import IncompatibleError, Missing, MissingDependencyError, OutputError
from stc.export.engine import audit, embed, engine_layers
from stc.export.engine.audit import Audit
from stc.export.engine.engine_layers import EngineLayers, ask_inspector
from stc.export.engine.options import EngineOptions, resolve
from stc.export.engine.parse import Parsed, parse
from stc.export.engine.progress import Display, Silent, interruptible, monitor
from stc.export.engine.toolchain import Toolchain
from stc.export.graph.precision import Precision
from stc.export.sizes import Sizes
from stc.files import check_output, write_bytes
from stc.runtime.backends.tensorrt import cuda
from stc.runtime.backends.tensorrt.cuda import Cuda
from stc.runtime.backends.tensorrt.engine import collector
from stc.runtime.bundle.contract import INPUT
from stc.runtime.bundle.engine_record import ENGINE_FILE, EngineRecord, PluginRecord
from stc.runtime.machine import plugin as plugin_library
from stc.runtime.machine.flavour import FLAVOURS
from stc.runtime.machine.machine import Machine, gather
from stc.runtime.machine.plugin import Plugin

_GIB = 1 << 30
logger = logging.getLogger(__name__)

NEVER_RUN = "the engine itself was not run: that takes a GPU"


@dataclass(frozen=True)
class Engine:
    """A finished plan and what its passport says of it. `audit` is of the network, `layers` of the engine."""

    plan: bytes
    record: EngineRecord
    audit: Audit
    layers: EngineLayers | Missing


def check(toolchain: Toolchain, options: EngineOptions) -> None:
    """Raise what `build` would raise for `options` on any model: InputError, MissingDependencyError, ..."""
    _plugin(resolve(options, toolchain))
    if options.timing_cache is not None:
        check_output(options.timing_cache)


def build(
    model: bytes,
    source: str,
    toolchain: Toolchain,
    options: EngineOptions,
    precision: Precision,
    display: Display = Silent(),  # noqa: B008  (it has no state)
) -> Engine:
    """Build the ONNX file `source`, whose content is `model`, for the batch sizes of `options`, and for its input sizes
    where the file takes any.

    Raises InputError for a bad option or model, MissingDependencyError for a plugin that is not there, AccuracyError
    when the network or the engine is not of `precision`, IncompatibleError when TensorRT cannot parse or build it, and
    KeyboardInterrupt after Ctrl-C, once TensorRT has stopped.
    """
    options = resolve(options, toolchain)
    plugin = _plugin(options)
    parsed = parse(model, source, toolchain, plugin)
    counted = _audited(parsed, toolchain, options, precision)
    audit.check(counted, source)
    plan = _plan(parsed, source, toolchain, options, display)
    layers = inspect(plan, source, toolchain, precision)
    record = EngineRecord(
        flavour=toolchain.name,
        version=toolchain.version,
        targets=options.targets or (_target(gather(), cuda.current()),),
        batch=options.batch.to_tuple(),
        sizes=None if options.sizes is None else options.sizes.to_tuple(),
        source=source,
        plugin=None if plugin is None else _record(plugin),
        hardware_compatibility=options.hw_compat,
        precision={**counted.to_dict(), "inspector": engine_layers.sentence(layers)},
    )
    return Engine(plan, record, counted, layers)


def _audited(parsed: Parsed, toolchain: Toolchain, options: EngineOptions, precision: Precision) -> Audit:
    """The network's layers in numbers, at the optimal size where it takes any: sizes weigh them."""
    frames = parsed.network.get_input(0)
    free = tuple(frames.shape)
    if options.sizes is not None:
        frames.shape = (free[0], *options.sizes.optimal, free[3])
    counted = audit.count(audit.read(toolchain.module, parsed.network), precision)
    if options.sizes is not None:
        frames.shape = free
    return counted


def _target(here: Machine, gpu: Cuda | None) -> str:
    """Of the GPU that TensorRT has just built on."""
    if here.cuda_bindings is None:
        raise MissingDependencyError(f"cuda-bindings is not installed; fix: {FLAVOURS['tensorrt'].install}")
    if not here.gpus:
        raise IncompatibleError(f"CUDA does not tell this machine's GPU ({here.cuda_error}); see: stc-doctor")
    return here.gpus[0 if gpu is None else gpu.index].target


def inspect(plan: bytes, source: str, toolchain: Toolchain, precision: Precision) -> EngineLayers | Missing:
    """What TensorRT says of the finished engine, checked; where no GPU is, why it was not asked."""
    answer = ask_inspector(toolchain, plan, source, gather())
    counted = answer if isinstance(answer, Missing) else engine_layers.count(answer, precision)
    if isinstance(counted, EngineLayers):
        engine_layers.check(counted, source)
    return counted


def _plugin(options: EngineOptions) -> Plugin | embed.EmbeddedKernel | None:
    if options.plugin == "none":
        return None
    found = plugin_library.find() if options.plugin == "library" else embed.find()
    if isinstance(found, Missing):
        raise MissingDependencyError(
            f"no plugin to build the engine with: {found.reason}; or build from standard operators: --plugin none"
        )
    return found


def _record(plugin: Plugin | embed.EmbeddedKernel) -> PluginRecord:
    route = "library" if isinstance(plugin, Plugin) else "embed"
    return PluginRecord(route, plugin.path.name, plugin.sha256)  # type: ignore[arg-type]  # str is one of the routes


def _plan(parsed: Parsed, source: str, toolchain: Toolchain, options: EngineOptions, display: Display) -> bytes:
    cancelled = threading.Event()
    config = _config(parsed, toolchain, options)
    config.progress_monitor = monitor(toolchain.module, display, cancelled)
    cache = _read_timing_cache(config, options)
    log = collector(toolchain.module)
    log.clear()
    plan = interruptible(lambda: parsed.builder.build_serialized_network(parsed.network, config), cancelled)
    if plan is None:
        raise IncompatibleError(
            f"{source}: {toolchain.title} cannot build it for {', '.join(options.targets) or 'this GPU'}: "
            f"{log.reason()}"
        )
    if cache is not None and options.timing_cache is not None:
        try:
            write_bytes(options.timing_cache, bytes(config.get_timing_cache().serialize()))
        except OutputError as error:  # not worth the plan that took so long to build
            logger.warning("%s; the next build times everything again", error)
    return bytes(plan)


def _config(parsed: Parsed, toolchain: Toolchain, options: EngineOptions) -> Any:
    """Neither VERSION_COMPATIBLE nor any code that a plan could run on the host: a plan is data and GPU code."""
    module = toolchain.module
    config = parsed.builder.create_builder_config()
    # A float32 layer means float32: TF32, the default, rounds the inputs of a product to eleven bits.
    config.clear_flag(module.BuilderFlag.TF32)
    # Keeps names, shapes and types of the layers in the plan, for the engine inspector and for NVTX ranges.
    config.profiling_verbosity = module.ProfilingVerbosity.DETAILED
    if options.workspace is not None:
        config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, int(options.workspace * _GIB))
    if options.opt_level is not None:
        config.builder_optimization_level = options.opt_level
    if options.hw_compat != "none":
        config.hardware_compatibility_level = module.HardwareCompatibilityLevel.__members__[options.hw_compat.upper()]
    if options.targets:
        config.num_compute_capabilities = len(options.targets)
        for index, name in enumerate(options.targets):
            config.set_compute_capability(module.ComputeCapability.__members__[name], index)
    shape = tuple(parsed.network.get_input(0).shape)
    if -1 in shape:
        profile = parsed.builder.create_optimization_profile()
        profile.set_shape(INPUT, *_profile(shape, options))
        config.add_optimization_profile(profile)
    return config


def _profile(shape: tuple[int, ...], options: EngineOptions) -> Iterator[tuple[int, ...]]:
    """Least, optimal and largest shape of the frames: of `shape`, what is free (-1)."""
    pictures, height, width, channels = shape
    sizes = ((height, width),) * 3 if options.sizes is None else options.sizes.to_tuple()
    for batch, size in zip(options.batch.to_tuple(), sizes, strict=True):
        yield (batch if pictures == -1 else pictures, *size, channels)


def _read_timing_cache(config: Any, options: EngineOptions) -> Any:
    path = options.timing_cache
    if path is None:
        return None
    cache = config.create_timing_cache(path.read_bytes() if path.is_file() else b"")
    config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


def sentence(built: Engine | Missing) -> str:
    """One sentence for the terminal and the report."""
    if isinstance(built, Missing):
        return f"no TensorRT engine was built: {built.reason}. model.onnx runs in ONNX Runtime as it is."
    record = built.record
    least, optimal, largest = record.batch
    batch = str(least) if least == largest else f"{least} to {largest}, best at {optimal}"
    if record.sizes is not None:
        batch += f", inputs {Sizes(*record.sizes)}"
    plugin = "from standard operators" if record.plugin is None else f"by plugin ({record.plugin.route})"
    return (
        f"{ENGINE_FILE}: {FLAVOURS[record.flavour].title} {record.version} for {', '.join(record.targets)}, "
        f"batch {batch}, of {record.source}; mask head {plugin}; {built.audit}; "
        f"{engine_layers.sentence(built.layers)}; {NEVER_RUN}."
    )
