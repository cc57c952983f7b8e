"""Running an engine on buffers that never move: with CUDA graphs of ours (TensorRT) or of its own (TensorRT-RTX)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from stc.errors import DeviceError, FatalError, OutputError
from stc.files import write_bytes
from stc.runtime.backends.tensorrt.bindings import Bindings
from stc.runtime.backends.tensorrt.cuda import Cuda

Shape = tuple[int, ...]  # (B, H, W, 3)
MOST_GRAPHS = 16  # of one shape
MOST_SHAPES = 16  # whose contexts and graphs are kept: enough for batches of mixed streams, and bounded
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Site:
    """Where an engine runs: on `stream`, reading and writing `addresses` (tensor name -> GPU address)."""

    cuda: Cuda
    trt: Any
    log: Any
    engine: Any
    stream: Any
    bindings: Bindings
    addresses: Mapping[str, int]
    name: str

    def bind(self, context: Any, shape: Shape) -> None:
        """Raises DeviceError when TensorRT does not take the shape or an address."""
        if not context.set_input_shape(self.bindings.frames.name, shape):
            raise DeviceError(
                f"{self.name}: TensorRT refuses {shape[0]} pictures of {shape[1]}x{shape[2]} at once "
                f"({self.log.reason()})"
            )
        for name, address in self.addresses.items():
            if not context.set_tensor_address(name, address):
                raise DeviceError(f"{self.name}: TensorRT refuses the buffer of {name} ({self.log.reason()})")

    def enqueue(self, context: Any) -> None:
        """Raises FatalError after a sticky CUDA error, DeviceError when TensorRT fails otherwise."""
        if not context.execute_async_v3(int(self.stream)):
            self.cuda.check_sticky(self.stream, "running the engine")
            raise DeviceError(f"{self.name}: TensorRT cannot run the engine ({self.log.reason()}); see: stc-doctor")


@dataclass(frozen=True)
class Around:
    """What goes before and after the engine on its stream, in the same graph. Equal keys stand for equal work."""

    key: Hashable
    before: Callable[[], None]
    after: Callable[[], None]


ALONE = Around(None, lambda: None, lambda: None)


class Execution(Protocol):
    """The engine with one set of buffers."""

    def run(self, shape: Shape, around: Around = ALONE) -> None:
        """Put its work for frames of `shape` (B, H, W, 3) on the stream, with what goes around it."""

    def beside(self, addresses: Mapping[str, int], release: ExitStack) -> Execution:
        """The engine with other buffers, on the same stream. Raises DeviceError where they cannot be had."""


@dataclass
class _Prepared:
    """graphs: by the key of what goes around the engine, those last used; None: tried in vain."""

    context: Any
    graphs: dict[Hashable, Any] = field(default_factory=dict)


class CapturedGraphs:
    """One execution context per batch size and input size, and one CUDA graph for each work around it, of those last
    used.

    A context of its own, because changing the shape of a context spoils what was captured from it; all, those of other
    buffers too, share one piece of scratch memory, because they never run at the same time. The first run of a shape is
    plain, as TensorRT does its lazy work in it; then it is captured. If that fails, one warning is logged, and all runs
    stay plain.
    """

    def __init__(self, site: Site, release: ExitStack, scratch: int | None = None) -> None:
        """scratch: of another one's; None: reserve it."""
        self._site = site
        self._prepared: dict[Shape, _Prepared] = {}
        self._capturing = True
        self._scratch_size = max(1, int(site.engine.device_memory_size_v2))
        if scratch is None:
            scratch = site.cuda.malloc(self._scratch_size)
            release.callback(site.cuda.free, scratch)
        self._scratch = scratch
        release.callback(self._close)
        first = site.bindings.frames.shape(site.bindings.least)
        self._prepared[first] = self._prepare(first)  # what a context needs is known to fit when the session opens

    def run(self, shape: Shape, around: Around = ALONE) -> None:
        site = self._site
        prepared = self._prepared.pop(shape, None) or self._prepare(shape)
        self._prepared[shape] = prepared  # the last used is the last
        graphs = prepared.graphs
        known = around.key in graphs
        graph = graphs.pop(around.key, None)
        if graph is not None:
            graphs[around.key] = graph
            site.cuda.launch(graph, site.stream)
            return
        self._plain(prepared.context, around)
        graphs[around.key] = self._capture(prepared.context, around) if self._capturing and not known else None
        if len(graphs) > MOST_GRAPHS:
            site.cuda.synchronize(site.stream)  # it may still run
            self._destroy(graphs.pop(next(iter(graphs))))

    def beside(self, addresses: Mapping[str, int], release: ExitStack) -> CapturedGraphs:
        return CapturedGraphs(replace(self._site, addresses=addresses), release, self._scratch)

    def _plain(self, context: Any, around: Around) -> None:
        around.before()
        self._site.enqueue(context)
        around.after()

    def _prepare(self, shape: Shape) -> _Prepared:
        site = self._site
        if len(self._prepared) >= MOST_SHAPES:
            site.cuda.synchronize(site.stream)  # it may still run
            self._forget(self._prepared.pop(next(iter(self._prepared))))
        strategy = site.trt.ExecutionContextAllocationStrategy.USER_MANAGED
        context = site.engine.create_execution_context(strategy)
        if context is None:
            raise DeviceError(f"{site.name}: TensorRT cannot create an execution context ({site.log.reason()})")
        context.set_device_memory(self._scratch, self._scratch_size)
        site.bind(context, shape)
        return _Prepared(context)

    def _capture(self, context: Any, around: Around) -> Any:
        """The graph, or None where it cannot be captured. What ran before stays on the stream. Raises FatalError."""
        site = self._site
        site.cuda.synchronize(site.stream)
        try:
            site.cuda.begin_capture(site.stream)
            try:
                self._plain(context, around)
            except BaseException:
                site.cuda.abandon_capture(site.stream)
                raise
            return site.cuda.end_capture(site.stream)
        except FatalError:
            raise
        except DeviceError as error:
            site.cuda.check_sticky(site.stream, "capturing a graph")
            self._capturing = False
            logger.warning("%s: runs without CUDA graphs, a little slower: %s", site.name, error)
            return None

    def _close(self) -> None:
        for prepared in self._prepared.values():
            self._forget(prepared)
        self._prepared.clear()

    def _forget(self, prepared: _Prepared) -> None:
        for graph in prepared.graphs.values():
            self._destroy(graph)

    def _destroy(self, graph: Any) -> None:
        if graph is not None:
            self._site.cuda.destroy_graph(graph)


class KernelCache:
    """TensorRT-RTX compiles kernels on this machine: what an earlier process left in a file, and this one leaves."""

    def __init__(self, engine: Any, strategy: Any, file: Path, release: ExitStack) -> None:
        self._file = file
        self.runtime_config = engine.create_runtime_config()
        self.runtime_config.cuda_graph_strategy = strategy
        self._cache = self.runtime_config.create_runtime_cache()
        self._stored = _read(file)
        if self._stored:
            self._cache.deserialize(self._stored)
        self.runtime_config.set_runtime_cache(self._cache)
        release.callback(self._close)

    def _close(self) -> None:
        compiled = bytes(self._cache.serialize() or b"")
        self._cache = self.runtime_config = None
        if compiled and compiled != self._stored:
            try:
                _write(self._file, compiled)
            except (OSError, OutputError) as error:
                logger.info("%s: not written (%s); the next start compiles again", self._file, error)


class OwnGraphs:
    """TensorRT-RTX: one context that captures and replays by itself."""

    def __init__(self, site: Site, kernels: KernelCache, release: ExitStack) -> None:
        self._site, self._kernels = site, kernels
        self._shape: Shape = ()
        self._context = site.engine.create_execution_context(kernels.runtime_config)
        if self._context is None:
            raise DeviceError(f"{site.name}: TensorRT-RTX cannot create an execution context ({site.log.reason()})")
        release.callback(self._close)

    def run(self, shape: Shape, around: Around = ALONE) -> None:
        if shape != self._shape:
            self._site.bind(self._context, shape)
            self._shape = shape
        around.before()
        self._site.enqueue(self._context)
        around.after()

    def beside(self, addresses: Mapping[str, int], release: ExitStack) -> OwnGraphs:
        """Its context has scratch memory of its own."""
        return OwnGraphs(replace(self._site, addresses=addresses), self._kernels, release)

    def _close(self) -> None:
        self._context = None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_bytes(path, content)
