"""A checkpoint run by PyTorch behind the runtime's own session: the same frames, tracker and masks, another engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stc.benchmarks.reference import FrameOutputs, valid_rows
from stc.errors import InputError
from stc.model.checkpoint.load import load
from stc.model.checkpoint.passport import passport_of
from stc.model.network import STC, STCDeploy
from stc.runtime.bundle.contract import INPUT, TensorSpec, input_spec, output_specs
from stc.runtime.bundle.passport import Passport
from stc.runtime.processors import threads_to_ask_for
from stc.runtime.session import Session

Array = NDArray[Any]


Network = Callable[[Tensor], dict[str, Tensor]]


class TorchBackend:
    """PyTorch in float32 on the CPU, in inference mode."""

    device = "cpu"
    batches: tuple[int, int | None] = (1, None)

    def __init__(
        self,
        model: STC,
        passport: Passport,
        threads: int | None = None,
        network: Network | None = None,
        form: str = "eager",
    ) -> None:
        """network: `STCDeploy` in another form, from uint8 frames (B, H, W, 3) to the outputs of the contract; `form`
        names it. threads: of PyTorch in the whole process; None: its own default, one per core.

        Raises InputError for a bad thread count.
        """
        self.engine = f"PyTorch {torch.__version__}, {form} float32"
        self.mask_head = f"PyTorch ({form})"
        if threads is not None and threads < 1:
            raise InputError(f"threads must be at least 1; got {threads}")
        if count := threads_to_ask_for(threads):
            torch.set_num_threads(count)
        self._deploy = STCDeploy(model).eval()
        self._network: Network = self._deploy if network is None else network
        self.inputs: dict[str, TensorSpec] = {INPUT: input_spec(passport)}
        # A mask of the float32 model is float32, whatever else the contract allows.
        self.outputs = {name: TensorSpec(spec.dtypes[:1], spec.shape) for name, spec in output_specs(passport).items()}

    def run(self, frames: Array, timings: dict[str, float] | None = None) -> dict[str, Array]:
        with torch.inference_mode():
            return {name: value.numpy() for name, value in self._network(_tensor(frames)).items()}

    def stages(self, frame: Array) -> tuple[dict[str, Array], FrameOutputs]:
        """Every intermediate tensor of one frame uint8 (H, W, 3), in the order of the computation, and the outputs."""
        with torch.inference_mode():
            stages, outputs = self._deploy.trace(_tensor(frame[None]))
        return (
            {name: value.numpy() for name, value in stages.items()},
            valid_rows({name: value.numpy() for name, value in outputs.items()}),
        )

    def close(self) -> None:
        """Nothing to give back."""


def open_checkpoint(path: Path, threads: int | None = None) -> tuple[Session, TorchBackend]:
    """A session of a checkpoint, and its backend. Raises CheckpointError or InputError as `load` does."""
    source = load(path)
    passport = passport_of(source, path.name, path.stem)
    backend = TorchBackend(source.model, passport, threads)
    return Session.from_backend(backend, passport, str(path)), backend


def _tensor(frames: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frames))
