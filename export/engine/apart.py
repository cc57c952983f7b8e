"""An engine built in a process of its own.

What TensorRT's builder takes the system has back when that process ends, and PyTorch's is not in its way.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from contextlib import nullcontext, suppress
from typing import IO, Any

from stc.cli import INTERRUPTED
from stc.errors import IncompatibleError, Missing, StcError
from stc.export.engine.build import Engine, build
from stc.export.engine.options import EngineOptions
from stc.export.engine.progress import Display
from stc.export.engine.toolchain import Toolchain, choose
from stc.export.graph.precision import Precision
from stc.runtime.backends.tensorrt import cuda
from stc.runtime.backends.tensorrt.cuda import Cuda, import_cudart

SERVE = "from stc.export.engine.apart import serve; serve()"


def build_apart(
    model: bytes, source: str, toolchain: Toolchain, options: EngineOptions, precision: Precision, display: Display
) -> Engine:
    """As `build.build`, and raises what that raises; IncompatibleError where the process ends without a word."""
    gpu = cuda.current()
    ask = (model, source, toolchain.name, options, precision, None if gpu is None else gpu.index)
    # In a session of its own: a Ctrl-C of the terminal reaches this process, which passes it on, once.
    with subprocess.Popen(
        [sys.executable, "-c", SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            with suppress(BrokenPipeError), process.stdin as given:
                pickle.dump(ask, given)
            return _answer(process.stdout, display)
        except EOFError:
            raise IncompatibleError(
                f"{source}: the process that builds the engine ended without one ({_end(process.wait())}); "
                "see: stc-doctor; without an engine: --trt none"
            ) from None
        except BaseException:
            process.send_signal(signal.SIGINT)
            raise  # once it has ended


def _answer(said: IO[bytes], display: Display) -> Engine:
    while True:
        kind, value = pickle.load(said)  # noqa: S301  (our own process)
        if kind == "engine":
            engine: Engine = value
            return engine
        if kind == "error":
            raise value
        getattr(display, kind)(*value)


def _end(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def serve() -> None:
    """The process: a request from stdin; phases, and then the engine or an error, to stdout."""
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what TensorRT prints is no message
        signal.signal(signal.SIGINT, signal.default_int_handler)  # also where who started all this ignores it

        def say(kind: str, value: object) -> None:
            try:
                pickle.dump((kind, value), out)
                out.flush()
            except BrokenPipeError:  # nobody listens: as if asked to end
                os.kill(os.getpid(), signal.SIGINT)

        try:
            model, source, name, options, precision, gpu = pickle.load(sys.stdin.buffer)  # noqa: S301  (from our parent)
            found = choose(name)
            assert not isinstance(found, Missing)
            with nullcontext() if gpu is None else Cuda(import_cudart(), gpu).using():
                say("engine", build(model, source, found, options, precision, _Told(say)))
        except StcError as error:
            say("error", error)
        except KeyboardInterrupt:
            os._exit(INTERRUPTED)


class _Told:
    """A display whose phases are said to another process."""

    def __init__(self, say: Any) -> None:
        self._say = say

    def start(self, phase: str, steps: int) -> None:
        self._say("start", (phase, steps))

    def advance(self, phase: str) -> None:
        self._say("advance", (phase,))

    def finish(self, phase: str) -> None:
        self._say("finish", (phase,))
